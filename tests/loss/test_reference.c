/* SPDX-License-Identifier: MIT */
/* The double reference itself: golden values, central differences, and the limit of high T. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"
#include "golden.h"

static const int32_t golden_label = 0;

static ref_batch golden_batch(void)
{
    ref_batch batch = {1, GOLDEN_K, golden_z, &golden_label, NULL, KD_TARGET_LOGITS, 0, golden_v};
    return batch;
}

static void near_all(const char *what, const double *got, const double *want, size_t k,
                     double tolerance)
{
    for (size_t i = 0; i < k; i++) {
        cases_near(what, got[i], want[i], tolerance);
    }
}

static void golden_tables(void **state)
{
    (void)state;
    ref_batch batch = golden_batch();
    for (size_t r = 0; r < GOLDEN_ROWS; r++) {
        const golden_row *row = &golden_rows[r];
        const ref_term soft = {KD_TERM_SOFT, row->t, 1}, kl = {KD_TERM_KL, row->t, 1};
        double x[GOLDEN_K], ln_x[GOLDEN_K];
        ref_soft_targets(&batch, 0, row->t, x, ln_x);
        near_all("p", x, row->p, GOLDEN_K, GOLDEN_DIGIT);
        ref_softmax(golden_z, GOLDEN_K, row->t, x);
        near_all("q", x, row->q, GOLDEN_K, GOLDEN_DIGIT);
        cases_near("SOFT", ref_term_case(&soft, &batch, 0, x), row->soft, GOLDEN_DIGIT);
        near_all("gradient of SOFT", x, row->d, GOLDEN_K, GOLDEN_DIGIT);
        cases_near("KL", ref_term_case(&kl, &batch, 0, x), row->kl, GOLDEN_DIGIT);
        near_all("gradient of KL", x, row->d, GOLDEN_K, GOLDEN_DIGIT);
    }
}

static void golden_single_values(void **state)
{
    (void)state;
    ref_batch batch = golden_batch();
    const ref_term hard = {KD_TERM_HARD, 1, 1}, match = {KD_TERM_MATCH, 0, 1};
    const ref_term kl = {KD_TERM_KL, 1000, 1};
    cases_near("HARD", ref_term_case(&hard, &batch, 0, NULL), golden_hard, GOLDEN_DIGIT);
    cases_near("MATCH", ref_term_case(&match, &batch, 0, NULL), golden_match, 1e-15);
    cases_near("KL at T = 1000", ref_term_case(&kl, &batch, 0, NULL), golden_kl_at_1000,
               GOLDEN_DIGIT);
}

static void golden_ensembles(void **state)
{
    (void)state;
    const double *const members[] = {golden_v, golden_v2};
    double out[GOLDEN_K];
    ref_ensemble(KD_MEAN_ARITHMETIC, 2, 2, GOLDEN_K, members, NULL, out);
    near_all("arithmetic", out, golden_arithmetic, GOLDEN_K, GOLDEN_DIGIT);
    ref_ensemble(KD_MEAN_GEOMETRIC, 2, 2, GOLDEN_K, members, NULL, out);
    near_all("geometric", out, golden_geometric, GOLDEN_K, GOLDEN_DIGIT);
}

/* A case to differentiate: z in double, and all that the terms read. */
#define MOST_CLASSES 12
typedef struct trial {
    double z[MOST_CLASSES], values[MOST_CLASSES];
    int32_t label;
    ref_batch batch;
} trial;

static trial *random_trial(uint64_t *seed, kd_target_kind kind)
{
    trial *x = calloc(1, sizeof *x);
    double scale = cases_log_between(seed, 0.1, 6), row[MOST_CLASSES];
    assert_non_null(x);
    ref_batch batch = {
        1, 2 + cases_below(seed, MOST_CLASSES - 1), x->z, &x->label, NULL, kind, 1, x->values};
    x->batch = batch;
    x->batch.t0 = cases_log_between(seed, 0.5, 5);
    x->label = (int32_t)cases_below(seed, x->batch.k);
    for (size_t i = 0; i < x->batch.k; i++) {
        x->z[i] = scale * cases_normal(seed);
        x->values[i] = scale * cases_normal(seed);
    }
    memcpy(row, x->values, sizeof row);
    if (kind == KD_TARGET_PROBABILITIES) {
        ref_softmax(row, x->batch.k, x->batch.t0, x->values);
    } else if (kind == KD_TARGET_LOG_PROBABILITIES) {
        ref_log_softmax(row, x->batch.k, x->batch.t0, x->values);
    }
    return x;
}

static double value_at(trial *x, const ref_term *term, size_t i, double step)
{
    double old = x->z[i];
    x->z[i] = old + step;
    double value = ref_term_case(term, &x->batch, 0, NULL);
    x->z[i] = old;
    return value;
}

/* The five-point rule: its error falls with the fourth power of the step. */
static double slope_along(trial *x, const ref_term *term, size_t i)
{
    double h = 2e-3 * (term->kind == KD_TERM_SOFT || term->kind == KD_TERM_KL ? term->t : 1);
    double one = value_at(x, term, i, h) - value_at(x, term, i, -h);
    double two = value_at(x, term, i, 2 * h) - value_at(x, term, i, -2 * h);
    return (8 * one - two) / (12 * h);
}

static void differentiate(trial *x, const ref_term *term)
{
    double d[MOST_CLASSES], most = 0;
    ref_term_case(term, &x->batch, 0, d);
    for (size_t i = 0; i < x->batch.k; i++) {
        most = fmax(most, fabs(d[i]));
    }
    for (size_t i = 0; i < x->batch.k; i++) {
        cases_near("gradient", d[i], slope_along(x, term, i), 1e-6 * most);
    }
}

/* The terms that targets of this kind can serve. */
static size_t last_term(kd_target_kind kind)
{
    return kind == KD_TARGET_LOGITS              ? KD_TERM_MATCH_RAW
           : kind == KD_TARGET_LOG_PROBABILITIES ? KD_TERM_MATCH
                                                 : KD_TERM_KL;
}

static void gradients_are_central_differences(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (size_t round = 0; round < 300; round++) {
        kd_target_kind kind = (kd_target_kind)(1 + round % 3);
        trial *x = random_trial(&seed, kind);
        double t = cases_log_between(&seed, 0.5, 50);
        for (size_t term = KD_TERM_HARD; term <= last_term(kind); term++) {
            const ref_term one = {(kd_term_kind)term, t, 1};
            differentiate(x, &one);
        }
        free(x);
    }
}

/* Slope of the line through (ln t, ln error) for T = 8, 16, ..., 512. */
static double log_log_slope(const double *error, size_t count)
{
    double sx = 0, sy = 0, sxx = 0, sxy = 0, n = (double)count;
    for (size_t i = 0; i < count; i++) {
        double x = log(8 * exp2((double)i)), y = log(error[i]);
        sx += x;
        sy += y;
        sxx += x * x;
        sxy += x * y;
    }
    return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

/* How far k T (q-p) and T^2 KL are from matching logits at this temperature. */
static void distance(const ref_batch *batch, double t, double *gradient, double *value)
{
    const ref_term kl = {KD_TERM_KL, t, 1}, match = {KD_TERM_MATCH, 0, 1};
    double d[MOST_CLASSES], limit[MOST_CLASSES];
    *value = fabs(ref_term_case(&kl, batch, 0, d) - ref_term_case(&match, batch, 0, limit));
    *gradient = 0;
    for (size_t i = 0; i < batch->k; i++) {
        *gradient = fmax(*gradient, (double)batch->k * fabs(d[i] - limit[i]));
    }
}

static void approach(const ref_batch *batch)
{
    const ref_term match = {KD_TERM_MATCH, 0, 1};
    double limit = ref_term_case(&match, batch, 0, NULL), gradient[7], value[7];
    for (size_t i = 0; i < 7; i++) {
        distance(batch, 8 * exp2((double)i), &gradient[i], &value[i]);
    }
    cases_near("slope of the gradient", log_log_slope(gradient, 7), -1, 0.1);
    cases_near("T^2 KL at T = 64, less MATCH", value[3], 0, 0.08 * limit);
    cases_near("T^2 KL at T = 512, less MATCH", value[6], 0, 0.01 * limit);
}

static void high_temperature_is_matching_logits(void **state)
{
    (void)state;
    uint64_t seed = 5;
    ref_batch batch = golden_batch();
    approach(&batch);
    for (size_t round = 0; round < 20; round++) {
        trial *x = calloc(1, sizeof *x);
        assert_non_null(x);
        for (size_t i = 0; i < 10; i++) {
            /* skewed on purpose: the distance is then of first order in 1/T */
            x->z[i] = exp(0.5 * cases_normal(&seed));
            x->values[i] = -exp(0.5 * cases_normal(&seed));
        }
        ref_batch skewed = {1, 10, x->z, NULL, NULL, KD_TARGET_LOGITS, 0, x->values};
        approach(&skewed);
        free(x);
    }
}

static void infinities(void **state)
{
    (void)state;
    const double z[] = {1, -(double)INFINITY, 0}, v[] = {2, -(double)INFINITY, -(double)INFINITY};
    const ref_batch batch = {1, 3, z, &golden_label, NULL, KD_TARGET_LOGITS, 0, v};
    const ref_term soft = {KD_TERM_SOFT, 2, 1}, kl = {KD_TERM_KL, 2, 1},
                   hard = {KD_TERM_HARD, 1, 1};
    double d[3], q = exp(-0.5) / (1 + exp(-0.5));
    cases_near("SOFT", ref_term_case(&soft, &batch, 0, d), 4 * log1p(exp(-0.5)), 1e-15);
    cases_near("d of the only class", d[0], -2 * q, 1e-15);
    cases_near("d where z = v = -inf", d[1], 0, 0);
    cases_near("d where p = 0", d[2], 2 * q, 1e-15);
    cases_near("KL", ref_term_case(&kl, &batch, 0, NULL), 4 * log1p(exp(-0.5)), 1e-15);
    cases_near("HARD", ref_term_case(&hard, &batch, 0, NULL), log1p(exp(-1)), 1e-15);
}

static void means_over_cases(void **state)
{
    (void)state;
    const double z[] = {0, 0, 1, 3, 2, 2}, v[] = {1, 0, 0, 2, 5, 5}, weights[] = {3, 1, 0};
    const int32_t labels[] = {1, -1, 0};
    const ref_batch batch = {3, 2, z, labels, weights, KD_TARGET_LOGITS, 0, v};
    const ref_term terms[] = {{KD_TERM_HARD, 1, 0.5}, {KD_TERM_MATCH, 0, 2}};
    double d[6];
    ref_result result = {.d = d};
    ref_loss(&batch, terms, 1, &result);
    cases_near("HARD alone", result.total, 0.5 * log(2), 1e-15);
    cases_near("its weight", result.case_weight, 3, 0);
    assert_int_equal(result.cases, 1);
    ref_loss(&batch, terms, 2, &result);
    cases_near("HARD", result.term_values[0], 0.75 * log(2), 1e-15);
    cases_near("MATCH", result.term_values[1], 0.75 * 0.125, 1e-15);
    cases_near("d", d[0], 0.75 * (0.5 * 0.5 + 2 * -0.25), 1e-15);
    cases_near("d of weight 0", d[4], 0, 0);
    cases_near("weight", result.case_weight, 4, 0);
    assert_int_equal(result.cases, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_tables),
        cmocka_unit_test(golden_single_values),
        cmocka_unit_test(golden_ensembles),
        cmocka_unit_test(gradients_are_central_differences),
        cmocka_unit_test(high_temperature_is_matching_logits),
        cmocka_unit_test(infinities),
        cmocka_unit_test(means_over_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
