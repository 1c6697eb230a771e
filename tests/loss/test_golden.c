/* SPDX-License-Identifier: MIT */
/* The float library against the golden values, within the header's bounds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"
#include "golden.h"

static void near_all(const char *what, const float *got, const double *want, double relative)
{
    for (size_t i = 0; i < GOLDEN_K; i++) {
        cases_near(what, (double)got[i], want[i], relative * fabs(want[i]) + GOLDEN_DIGIT);
    }
}

/* One case: z, v and the label. All numbers of golden_z and golden_v are exact in float. */
static cases_batch *golden_batch(void)
{
    cases_batch *batch = cases_create(1, GOLDEN_K);
    for (size_t i = 0; i < GOLDEN_K; i++) {
        batch->z[i] = (float)golden_z[i];
        batch->values[i] = (float)golden_v[i];
    }
    return batch;
}

static void softmax_of_both_rows(void **state)
{
    (void)state;
    cases_batch *batch = golden_batch();
    for (size_t r = 0; r < GOLDEN_ROWS; r++) {
        const golden_row *row = &golden_rows[r];
        float out[GOLDEN_K], t = (float)row->t;
        assert_int_equal(kd_softmax(batch->z, 1, GOLDEN_K, 0, t, out, 0, NULL), KD_OK);
        near_all("q", out, row->q, 8e-6);
        assert_int_equal(kd_softmax(batch->values, 1, GOLDEN_K, 0, t, out, 0, NULL), KD_OK);
        near_all("p", out, row->p, 8e-6);
        assert_int_equal(kd_log_softmax(batch->z, 1, GOLDEN_K, 0, t, out, 0, NULL), KD_OK);
        for (size_t i = 0; i < GOLDEN_K; i++) {
            double digits = GOLDEN_DIGIT / row->q[i];
            cases_near("ln q", (double)out[i], log(row->q[i]), 8e-6 + digits);
        }
    }
    cases_destroy(batch);
}

/* sum p|ln p| + sum p|ln q| of the table. */
static double sizes(const golden_row *row)
{
    double sum = 0;
    for (size_t i = 0; i < GOLDEN_K; i++) {
        sum -= row->p[i] * (log(row->p[i]) + log(row->q[i]));
    }
    return sum;
}

static void one_row_of_the_table(cases_batch *batch, const golden_row *row)
{
    const kd_term soft = cases_term(KD_TERM_SOFT, (float)row->t, 1);
    const kd_term kl = cases_term(KD_TERM_KL, (float)row->t, 1);
    cases_answer of_soft = cases_ask(batch, &soft, 1), of_kl = cases_ask(batch, &kl, 1);
    double bound = 4e-6 * row->t * row->t * sizes(row) + GOLDEN_DIGIT;
    /* The table's p serves as probabilities with eight decimals; T^2 carries their rounding. */
    bound += batch->targets.kind == KD_TARGET_LOGITS ? 0 : 3e-8 * row->t * row->t;
    cases_near("SOFT", of_soft.out.total, row->soft, bound);
    cases_near("KL", of_kl.out.total, row->kl, bound);
    for (size_t i = 0; i < GOLDEN_K; i++) {
        double close = 8e-6 * row->t * (row->p[i] + row->q[i]) + GOLDEN_DIGIT * (1 + row->t);
        cases_near("d of SOFT", (double)of_soft.d[i], row->d[i], close);
        cases_near("d of KL", (double)of_kl.d[i], row->d[i], close);
    }
    cases_forget(&of_soft);
    cases_forget(&of_kl);
}

static void targets_are_logits(void **state)
{
    (void)state;
    cases_batch *batch = golden_batch();
    for (size_t r = 0; r < GOLDEN_ROWS; r++) {
        one_row_of_the_table(batch, &golden_rows[r]);
    }
    cases_destroy(batch);
}

static void targets_are_probabilities(void **state)
{
    (void)state;
    for (size_t r = 0; r < GOLDEN_ROWS; r++) {
        cases_batch *batch = golden_batch();
        batch->targets.kind = KD_TARGET_PROBABILITIES;
        for (size_t i = 0; i < GOLDEN_K; i++) {
            batch->values[i] = (float)golden_rows[r].p[i];
        }
        one_row_of_the_table(batch, &golden_rows[r]);
        batch->targets.temperature = (float)golden_rows[r].t;
        one_row_of_the_table(batch, &golden_rows[r]);
        cases_destroy(batch);
    }
}

/* Logs of each row of the table serve every other row: ln p at T0 re-tempers. */
static void targets_are_log_probabilities(void **state)
{
    (void)state;
    for (size_t given = 0; given < GOLDEN_ROWS; given++) {
        cases_batch *batch = golden_batch();
        cases_soften(batch, KD_TARGET_LOG_PROBABILITIES, (float)golden_rows[given].t);
        for (size_t r = 0; r < GOLDEN_ROWS; r++) {
            one_row_of_the_table(batch, &golden_rows[r]);
        }
        cases_destroy(batch);
    }
}

static void hard_and_match(void **state)
{
    (void)state;
    cases_batch *batch = golden_batch();
    const kd_term hard = cases_term(KD_TERM_HARD, 1, 1), match = cases_term(KD_TERM_MATCH, 0, 1);
    cases_answer answer = cases_ask(batch, &hard, 1);
    cases_near("HARD", answer.out.total, golden_hard, 4e-6 * golden_hard + GOLDEN_DIGIT);
    cases_near("d of the label", (double)answer.d[0], golden_rows[0].q[0] - 1, 8e-6 * 1.3);
    cases_near("d of another", (double)answer.d[1], golden_rows[0].q[1], 8e-6 * 0.7);
    cases_forget(&answer);
    answer = cases_ask(batch, &match, 1);
    cases_near("MATCH", answer.out.total, golden_match, 1e-6 * 5);
    cases_forget(&answer);
    cases_destroy(batch);
}

/* At T = 1000 the bound of KL is far above its value, but the gradient still tells. */
static void near_the_limit(void **state)
{
    (void)state;
    cases_batch *batch = golden_batch();
    const kd_term kl = cases_term(KD_TERM_KL, 1000, 1), match = cases_term(KD_TERM_MATCH, 0, 1);
    double bound = 4e-6 * 1e6 * 2 * log(4);
    cases_answer of_kl = cases_ask(batch, &kl, 1), of_match = cases_ask(batch, &match, 1);
    cases_near("KL at T = 1000", of_kl.out.total, golden_kl_at_1000, bound);
    for (size_t i = 0; i < GOLDEN_K; i++) {
        cases_near("d", (double)of_kl.d[i], (double)of_match.d[i], 8e-6 * 1000 * 0.51 + 2e-3);
    }
    cases_forget(&of_kl);
    cases_forget(&of_match);
    cases_destroy(batch);
}

static void named_losses(void **state)
{
    (void)state;
    cases_batch *batch = golden_batch();
    kd_loss_out out = KD_LOSS_OUT_INIT;
    const golden_row *row = &golden_rows[2];
    float d[GOLDEN_K];
    out.d_logits = d;
    assert_int_equal(kd_cross_entropy(&batch->in, &out, NULL), KD_OK);
    cases_near("kd_cross_entropy", out.total, golden_hard, 4e-6 * golden_hard);
    assert_int_equal(kd_soft_cross_entropy(&batch->in, 4, &out, NULL), KD_OK);
    cases_near("kd_soft_cross_entropy", out.total, row->soft, 4e-6 * 16 * sizes(row));
    near_all("its gradient", d, row->d, 1e-4);
    assert_int_equal(kd_match_logits(&batch->in, &out, NULL), KD_OK);
    cases_near("kd_match_logits", out.total, golden_match, 1e-6 * 5);
    cases_near("its gradient", (double)d[0], (1 - 0.625 - 3 + 0.5) / 4, 1e-6 * 5 / 4);
    cases_destroy(batch);
}

static void ensembles(void **state)
{
    (void)state;
    float v[GOLDEN_K], v2[GOLDEN_K], out[GOLDEN_K];
    const float *const members[] = {v, v2};
    kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    for (size_t i = 0; i < GOLDEN_K; i++) {
        v[i] = (float)golden_v[i];
        v2[i] = (float)golden_v2[i];
    }
    in.temperature = 2;
    in.members = 2;
    in.n = 1;
    in.k = GOLDEN_K;
    in.logits = members;
    assert_int_equal(kd_ensemble_mean(&in, out, 0, NULL), KD_OK); /* geometric is the default */
    near_all("geometric", out, golden_geometric, 8e-6);
    in.kind = KD_MEAN_ARITHMETIC;
    assert_int_equal(kd_ensemble_mean(&in, out, 0, NULL), KD_OK);
    near_all("arithmetic", out, golden_arithmetic, 8e-6);
}

static void metrics(void **state)
{
    (void)state;
    cases_batch *batch = golden_batch();
    for (size_t r = 0; r < GOLDEN_ROWS; r++) {
        const golden_row *row = &golden_rows[r];
        kd_metrics_out out = KD_METRICS_OUT_INIT;
        double square = row->t * row->t, digits = GOLDEN_DIGIT / square;
        assert_int_equal(kd_metrics(&batch->in, (float)row->t, &out, NULL), KD_OK);
        cases_near("kl", out.kl, row->kl / square, 4e-6 * sizes(row) + digits);
        cases_near("teacher entropy", out.teacher_entropy, (row->soft - row->kl) / square,
                   8e-6 * sizes(row) + 2 * digits);
        cases_near("accuracy", out.accuracy, 0, 0);
        cases_near("agreement", out.agreement, 0, 0);
        assert_int_equal(out.errors, 1);
    }
    cases_destroy(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_of_both_rows),
        cmocka_unit_test(targets_are_logits),
        cmocka_unit_test(targets_are_probabilities),
        cmocka_unit_test(targets_are_log_probabilities),
        cmocka_unit_test(hard_and_match),
        cmocka_unit_test(near_the_limit),
        cmocka_unit_test(named_losses),
        cmocka_unit_test(ensembles),
        cmocka_unit_test(metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
