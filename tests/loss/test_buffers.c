/* SPDX-License-Identifier: MIT */
/* What a call may read and write: inputs stay, rows may have strides, some buffers may be one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"

#define N 5
#define K 7
#define SIZE (N * K)
#define WIDE (K + 3)
#define PAD 7777.0f /* what stands between rows */

static const kd_term every_kind[] = {
    {sizeof(kd_term), KD_TERM_HARD, 1, 0.5f, 0},   {sizeof(kd_term), KD_TERM_SOFT, 4, 1, 0},
    {sizeof(kd_term), KD_TERM_KL, 2, 1, 0},        {sizeof(kd_term), KD_TERM_MATCH, 0, 1, 0},
    {sizeof(kd_term), KD_TERM_MATCH_RAW, 0, 1, 0},
};
#define KINDS (sizeof every_kind / sizeof every_kind[0])

/* The functions that read a kd_loss_in and write a kd_loss_out; 0 is kd_loss with all kinds. */
#define CALLS 4
static kd_status call(size_t which, const kd_loss_in *in, kd_loss_out *out)
{
    switch (which) {
    case 0:
        return kd_loss(every_kind, KINDS, in, out, NULL);
    case 1:
        return kd_cross_entropy(in, out, NULL);
    case 2:
        return kd_soft_cross_entropy(in, 4, out, NULL);
    default:
        return kd_match_logits(in, out, NULL);
    }
}

static void inputs_are_not_changed(void **state)
{
    (void)state;
    uint64_t seed = 31;
    cases_batch *batch = cases_random(&seed, N, K, 3);
    batch->labels[1] = -1;
    cases_batch *copy = cases_copy(batch);
    const kd_loss_in in = batch->in;
    const kd_targets targets = batch->targets;
    kd_term terms[KINDS];
    memcpy(terms, every_kind, sizeof terms);
    float out[SIZE];
    for (size_t which = 0; which < CALLS + 3; which++) {
        kd_loss_out loss = KD_LOSS_OUT_INIT;
        kd_metrics_out metrics = KD_METRICS_OUT_INIT;
        loss.d_logits = out;
        kd_status status = which < CALLS    ? call(which, &batch->in, &loss)
                           : which == CALLS ? kd_metrics(&batch->in, 2, &metrics, NULL)
                           : which == CALLS + 1
                               ? kd_softmax(batch->z, N, K, 0, 2, out, 0, NULL)
                               : kd_log_softmax(batch->z, N, K, 0, 2, out, 0, NULL);
        assert_int_equal(status, KD_OK);
        cases_same("logits", batch->z, copy->z, SIZE * sizeof(float));
        cases_same("targets", batch->values, copy->values, SIZE * sizeof(float));
        cases_same("labels", batch->labels, copy->labels, N * sizeof(int32_t));
        cases_same("case weights", batch->weights, copy->weights, N * sizeof(float));
        cases_same("kd_loss_in", &batch->in, &in, sizeof in);
        cases_same("kd_targets", &batch->targets, &targets, sizeof targets);
        cases_same("terms", terms, every_kind, sizeof terms);
        assert_ptr_equal(loss.d_logits, out);
    }
    cases_destroy(batch);
    cases_destroy(copy);
}

static void named_losses_are_one_term(void **state)
{
    (void)state;
    uint64_t seed = 32;
    const kd_term one[] = {cases_term(KD_TERM_HARD, 1, 1), cases_term(KD_TERM_SOFT, 4, 1),
                           cases_term(KD_TERM_MATCH, 0, 1)};
    for (size_t round = 0; round < 20; round++) {
        cases_batch *batch = cases_random(&seed, N, K, 3);
        batch->labels[round % N] = -1;
        for (size_t which = 1; which < CALLS; which++) {
            float d[SIZE];
            double value;
            kd_loss_out out = KD_LOSS_OUT_INIT;
            out.d_logits = d;
            out.term_values = &value;
            assert_int_equal(call(which, &batch->in, &out), KD_OK);
            cases_answer answer = cases_ask(batch, &one[which - 1], 1);
            cases_same("gradient", d, answer.d, sizeof d);
            cases_near("total", out.total, answer.out.total, 0);
            cases_near("value", value, answer.term_values[0], 0);
            cases_near("case_weight", out.case_weight, answer.out.case_weight, 0);
            assert_int_equal(out.cases, answer.out.cases);
            cases_forget(&answer);
        }
        cases_destroy(batch);
    }
}

/* Without d_logits and term_values the numbers are the same. */
static void outputs_are_optional(void **state)
{
    (void)state;
    uint64_t seed = 33;
    cases_batch *batch = cases_random(&seed, N, K, 3);
    cases_answer answer = cases_ask(batch, every_kind, KINDS);
    kd_loss_out out = KD_LOSS_OUT_INIT;
    assert_int_equal(call(0, &batch->in, &out), KD_OK);
    cases_near("total", out.total, answer.out.total, 0);
    cases_near("case_weight", out.case_weight, answer.out.case_weight, 0);
    assert_int_equal(out.cases, answer.out.cases);
    assert_null(out.d_logits);
    assert_null(out.term_values);
    cases_forget(&answer);
    cases_destroy(batch);
}

static void spread_rows(float *wide, const float *dense)
{
    for (size_t i = 0; i < N * WIDE; i++) {
        wide[i] = i % WIDE < K ? dense[i / WIDE * K + i % WIDE] : PAD;
    }
}

/* The rows are `dense`, and what lies between them is untouched. */
static void rows_are(const char *what, const float *wide, const float *dense)
{
    float want[N * WIDE];
    spread_rows(want, dense);
    cases_same(what, wide, want, sizeof want);
}

static void strides_of_softmax(void **state)
{
    (void)state;
    uint64_t seed = 34;
    cases_batch *batch = cases_random(&seed, N, K, 3);
    float z[N * WIDE], out[N * WIDE], dense[SIZE], zero[SIZE] = {0};
    spread_rows(z, batch->z);
    for (int in_logs = 0; in_logs < 2; in_logs++) {
        kd_status (*f)(const float *, size_t, size_t, size_t, float, float *, size_t, kd_error *) =
            in_logs ? kd_log_softmax : kd_softmax;
        assert_int_equal(f(batch->z, N, K, K, 2, dense, K, NULL), KD_OK);
        spread_rows(out, zero);
        assert_int_equal(f(z, N, K, WIDE, 2, out, WIDE, NULL), KD_OK);
        rows_are("out with a stride", out, dense);
        spread_rows(out, zero);
        assert_int_equal(f(batch->z, N, K, 0, 2, out, WIDE, NULL), KD_OK);
        rows_are("out alone with a stride", out, dense);
        assert_int_equal(f(z, N, K, WIDE, 2, z, WIDE, NULL), KD_OK);
        rows_are("out in place", z, dense);
        spread_rows(z, batch->z);
        memcpy(out, batch->z, SIZE * sizeof(float));
        assert_int_equal(f(out, N, K, 0, 2, out, K, NULL), KD_OK); /* 0 and K are one stride */
        cases_same("dense in place", out, dense, sizeof dense);
    }
    cases_destroy(batch);
}

static void strides_of_losses(void **state)
{
    (void)state;
    uint64_t seed = 35;
    cases_batch *batch = cases_random(&seed, N, K, 3);
    float z[N * WIDE], v[N * WIDE], d[N * WIDE], zero[SIZE] = {0}, dense[SIZE];
    spread_rows(z, batch->z);
    spread_rows(v, batch->values);
    for (size_t which = 0; which < CALLS; which++) {
        kd_loss_in in = batch->in;
        kd_targets targets = batch->targets;
        kd_loss_out out = KD_LOSS_OUT_INIT, wide = KD_LOSS_OUT_INIT;
        out.d_logits = dense;
        assert_int_equal(call(which, &batch->in, &out), KD_OK);
        in.logits = z;
        in.logits_stride = WIDE;
        in.targets = &targets;
        targets.values = v;
        targets.stride = WIDE;
        targets.k = K;
        wide.d_logits = d;
        wide.d_stride = WIDE;
        spread_rows(d, zero);
        assert_int_equal(call(which, &in, &wide), KD_OK);
        rows_are("gradient with a stride", d, dense);
        cases_near("total", wide.total, out.total, 0);
        wide.d_logits = z;
        assert_int_equal(call(which, &in, &wide), KD_OK);
        rows_are("gradient in place", z, dense);
        cases_near("total in place", wide.total, out.total, 0);
        spread_rows(z, batch->z);
    }
    cases_destroy(batch);
}

static void losses_in_place(void **state)
{
    (void)state;
    uint64_t seed = 36;
    for (size_t which = 0; which < CALLS; which++) {
        cases_batch *batch = cases_random(&seed, N, K, 3);
        float d[SIZE];
        kd_loss_out apart = KD_LOSS_OUT_INIT, one = KD_LOSS_OUT_INIT;
        batch->labels[2] = -1;
        batch->weights[3] = 0;
        apart.d_logits = d;
        one.d_logits = batch->z;
        assert_int_equal(call(which, &batch->in, &apart), KD_OK);
        assert_int_equal(call(which, &batch->in, &one), KD_OK);
        cases_same("gradient", batch->z, d, sizeof d);
        cases_near("total", one.total, apart.total, 0);
        cases_destroy(batch);
    }
}

/* Student and teacher logits side by side in one matrix: strides apart, no float in common. */
static void columns_of_one_matrix(void **state)
{
    (void)state;
    uint64_t seed = 37;
    cases_batch *batch = cases_random(&seed, N, K, 3);
    float both[N * 2 * K], dense[SIZE], d[SIZE];
    for (size_t i = 0; i < SIZE; i++) {
        both[i / K * 2 * K + i % K] = batch->z[i];
        both[i / K * 2 * K + K + i % K] = batch->values[i];
    }
    for (size_t which = 0; which < CALLS; which++) {
        kd_loss_in in = batch->in;
        kd_targets targets = batch->targets;
        kd_loss_out out = KD_LOSS_OUT_INIT;
        out.d_logits = dense;
        assert_int_equal(call(which, &batch->in, &out), KD_OK);
        in.logits = both;
        in.logits_stride = targets.stride = 2 * K;
        in.targets = &targets;
        targets.values = both + K;
        out.d_logits = d;
        assert_int_equal(call(which, &in, &out), KD_OK);
        cases_same("gradient", d, dense, sizeof d);
    }
    cases_destroy(batch);
}

static void the_same_call_gives_the_same_bits(void **state)
{
    (void)state;
    uint64_t seed = 38;
    cases_batch *batch = cases_random(&seed, N, K, 3);
    cases_answer first = cases_ask(batch, every_kind, KINDS);
    for (size_t round = 0; round < 5; round++) {
        cases_batch *elsewhere = cases_copy(batch);
        cases_answer again = cases_ask(elsewhere, every_kind, KINDS);
        cases_same("gradient", again.d, first.d, SIZE * sizeof(float));
        cases_same("values", again.term_values, first.term_values, KINDS * sizeof(double));
        cases_near("total", again.out.total, first.out.total, 0);
        cases_forget(&again);
        cases_destroy(elsewhere);
    }
    cases_forget(&first);
    cases_destroy(batch);
}

static void success_does_not_touch_the_error(void **state)
{
    (void)state;
    uint64_t seed = 39;
    cases_batch *batch = cases_random(&seed, N, K, 3);
    kd_error error, before;
    kd_loss_out out = KD_LOSS_OUT_INIT;
    kd_metrics_out metrics = KD_METRICS_OUT_INIT;
    float p[SIZE];
    memset(&error, 0x5a, sizeof error);
    error.struct_size = sizeof error;
    memcpy(&before, &error, sizeof error);
    assert_int_equal(kd_softmax(batch->z, N, K, 0, 1, p, 0, &error), KD_OK);
    assert_int_equal(kd_log_softmax(batch->z, N, K, 0, 1, p, 0, &error), KD_OK);
    assert_int_equal(kd_loss(every_kind, KINDS, &batch->in, &out, &error), KD_OK);
    assert_int_equal(kd_cross_entropy(&batch->in, &out, &error), KD_OK);
    assert_int_equal(kd_soft_cross_entropy(&batch->in, 3, &out, &error), KD_OK);
    assert_int_equal(kd_match_logits(&batch->in, &out, &error), KD_OK);
    assert_int_equal(kd_metrics(&batch->in, 3, &metrics, &error), KD_OK);
    cases_same("error", &error, &before, sizeof error);
    cases_destroy(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_not_changed),
        cmocka_unit_test(named_losses_are_one_term),
        cmocka_unit_test(outputs_are_optional),
        cmocka_unit_test(strides_of_softmax),
        cmocka_unit_test(strides_of_losses),
        cmocka_unit_test(losses_in_place),
        cmocka_unit_test(columns_of_one_matrix),
        cmocka_unit_test(the_same_call_gives_the_same_bits),
        cmocka_unit_test(success_does_not_touch_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
