/* SPDX-License-Identifier: MIT */
/*
 * Targets of the top classes: the same bits with any scratch, over the logits themselves and for
 * any number of threads; and numbers at the ends of what a float holds, without a trap.
 */
#include "topk.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <kd/context.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define N 3
#define MOST_K 2000

static float scratch[4 * MOST_K + 1], d[2][N * MOST_K], inplace[N * MOST_K];

static double lose(const topk_batch *batch, const kd_term *terms, size_t n_terms, size_t room,
                   float *out_d)
{
    kd_error error = KD_ERROR_INIT;
    kd_loss_in in = batch->base->in;
    kd_loss_out out = KD_LOSS_OUT_INIT;
    if (out_d == inplace) {
        memcpy(inplace, batch->base->z, batch->base->n * batch->base->k * sizeof *inplace);
        in.logits = inplace;
    }
    out.d_logits = out_d;
    out.scratch = room ? scratch + 1 : NULL; /* aligned to nothing */
    out.scratch_floats = room;
    if (kd_loss(terms, n_terms, &in, &out, &error) != KD_OK) {
        fail_msg("%s", error.text);
    }
    return out.total;
}

static void all_rooms_have_the_same_bits(const topk_batch *batch, const kd_term *terms,
                                         size_t count)
{
    size_t k = batch->base->k, bytes = N * k * sizeof(float);
    const size_t rooms[] = {0, 1, k, 2 * k, 3 * k - 1, COUNT(scratch) - 1};
    double first = lose(batch, terms, count, 0, d[0]);
    for (size_t r = 0; r < COUNT(rooms); r++) {
        double now = lose(batch, terms, count, rooms[r], d[1]);
        cases_same("total", &now, &first, sizeof now);
        cases_same("gradient", d[1], d[0], bytes);
        now = lose(batch, terms, count, rooms[r], inplace);
        cases_same("total in place", &now, &first, sizeof now);
        cases_same("gradient in place", inplace, d[0], bytes);
    }
}

/* Widths around what fits on the stack (1024 floats) and in a block (256). */
static void any_room(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 2, 3, 17, 255, 256, 257, 341, 513, 1025, MOST_K};
    static const float t[] = {1, 3};
    uint64_t seed = 41;
    for (size_t i = 0; i < COUNT(widths); i++) {
        const size_t tops[] = {1, (widths[i] + 1) / 2, widths[i] - (widths[i] > 1), widths[i]};
        for (size_t j = 0; j < COUNT(tops) * COUNT(t); j++) {
            float own = t[j / COUNT(tops)];
            cases_batch *base = cases_random(&seed, N, widths[i], 4);
            topk_batch *batch = topk_create(base, tops[j % COUNT(tops)], own);
            const kd_term terms[] = {cases_term(KD_TERM_KL, own, 1), cases_term(KD_TERM_HARD, 1, 1),
                                     cases_term(KD_TERM_SOFT, own, 0.5f)};
            topk_give_some(batch, &seed);
            for (size_t n = 1; n <= COUNT(terms); n++) {
                all_rooms_have_the_same_bits(batch, terms, n);
            }
            topk_destroy(batch);
        }
    }
}

static void any_number_of_threads(void **state)
{
    (void)state;
    enum { CASES = 70, K = 3000 };
    uint64_t seed = 42;
    topk_batch *batch = topk_create(cases_random(&seed, CASES, K, 3), 20, 2);
    const kd_term terms[] = {cases_term(KD_TERM_SOFT, 2, 1), cases_term(KD_TERM_HARD, 1, 1)};
    kd_metrics_out m[2] = {KD_METRICS_OUT_INIT, KD_METRICS_OUT_INIT};
    topk_give_some(batch, &seed);
    cases_answer one = cases_ask(batch->base, terms, 2);
    assert_int_equal(kd_metrics(&batch->base->in, 2, &m[0], NULL), KD_OK);
    for (int32_t threads = 1; threads <= 4; threads++) {
        kd_context_options options = KD_CONTEXT_OPTIONS_INIT;
        kd_context *context = NULL;
        options.threads = threads;
        assert_int_equal(kd_context_create(&options, &context, NULL), KD_OK);
        batch->base->in.context = context;
        cases_answer now = cases_ask(batch->base, terms, 2);
        assert_int_equal(kd_metrics(&batch->base->in, 2, &m[1], NULL), KD_OK);
        cases_same("total", &now.out.total, &one.out.total, sizeof now.out.total);
        cases_same("gradient", now.d, one.d, CASES * K * sizeof(float));
        cases_same("metrics", &m[1], &m[0], sizeof m[0]);
        cases_forget(&now);
        batch->base->in.context = NULL;
        kd_context_destroy(context);
    }
    cases_forget(&one);
    topk_destroy(batch);
}

/* Rows of values may be apart. */
static void values_may_have_a_stride(void **state)
{
    (void)state;
    enum { TOP = 4, APART = 7 };
    float wide[N * APART];
    uint64_t seed = 43;
    topk_batch *batch = topk_create(cases_random(&seed, N, 9, 3), TOP, 2);
    const kd_term kl = cases_term(KD_TERM_KL, 2, 1);
    topk_give_some(batch, &seed);
    double first = lose(batch, &kl, 1, 0, d[0]);
    for (size_t i = 0; i < COUNT(wide); i++) {
        wide[i] = i % APART < TOP ? batch->values[i / APART * TOP + i % APART] : NAN;
    }
    batch->targets.values = wide;
    batch->targets.stride = APART;
    double now = lose(batch, &kl, 1, 0, d[1]);
    cases_same("total", &now, &first, sizeof now);
    cases_same("gradient", d[1], d[0], N * 9 * sizeof(float));
    topk_destroy(batch);
}

/* ---- ends of float ---- */

static void set_row(topk_batch *batch, const float *z, const float *v)
{
    uint32_t index[4];
    memcpy(index, batch->index, batch->targets.top * sizeof *index);
    memcpy(batch->base->z, z, 4 * sizeof *z);
    memcpy(batch->base->values, v, 4 * sizeof *v);
    topk_give(batch, 0, index);
}

static const float far_rows[][4] = {
    {FLT_MAX, -FLT_MAX, 0, 1},         {-FLT_MAX, -FLT_MAX, FLT_MAX, FLT_MAX},
    {FLT_MIN, -FLT_MIN, 0, -0.0f},     {FLT_TRUE_MIN, 0, -FLT_TRUE_MIN, 0},
    {-FLT_MAX, -FLT_MAX, -1, -2},      {1e30f, 1e30f, -1e30f, 0},
    {-1e4f, 2, -FLT_MAX, FLT_MAX},     {5, 5, 5, 5},
    {1e8f, 1e8f + 8, 1e8f - 8, 1e-8f}, {0, -90, -200, -800},
};
static const float far_t[] = {1e-30f, 1e-3f, 1, 4, 1e3f, 1e30f};

static void numbers_at_the_ends_of_float(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(far_rows) * COUNT(far_rows) * COUNT(far_t); i++) {
        float t = far_t[i % COUNT(far_t)];
        const float *z = far_rows[i / COUNT(far_t) % COUNT(far_rows)];
        const float *v = far_rows[i / COUNT(far_t) / COUNT(far_rows)];
        for (size_t top = 1; top <= 4; top++) {
            topk_batch *batch = topk_create(cases_create(1, 4), top, t);
            const kd_term terms[] = {cases_term(KD_TERM_SOFT, t, 1), cases_term(KD_TERM_KL, t, 1)};
            set_row(batch, z, v);
            if (top == 4 || fabsf(batch->tail[0]) <= FLT_MAX) { /* else no float for it */
                topk_check(batch, &terms[0], 1);
                topk_check(batch, &terms[1], 1);
            }
            topk_destroy(batch);
        }
    }
}

/* Tails from nothing to everything; -inf and a bucket whose q is 0. */
static void probability_of_the_bucket(void **state)
{
    (void)state;
    static const float tails[] = {-INFINITY, -FLT_MAX, -800, -104, -90,    -20,
                                  0,         20,       90,   800,  FLT_MAX};
    static const float behind[] = {-FLT_MAX, -1e4f, -300, -150, -90,    -20,
                                   0,        20,    150,  1e4f, FLT_MAX};
    for (size_t i = 0; i < COUNT(tails) * COUNT(behind); i++) {
        topk_batch *batch = topk_create(cases_create(1, 4), 2, 2);
        const kd_term terms[] = {cases_term(KD_TERM_SOFT, 2, 1), cases_term(KD_TERM_KL, 2, 1),
                                 cases_term(KD_TERM_HARD, 1, 1)};
        const float z[] = {1, -1, 0, -0.5f}, v[] = {2, 1, 0, 0};
        set_row(batch, z, v);
        batch->tail[0] = tails[i / COUNT(behind)];
        batch->base->z[2] += behind[i % COUNT(behind)];
        batch->base->z[3] += behind[i % COUNT(behind)];
        for (size_t n = 0; n < COUNT(terms); n++) {
            topk_check(batch, &terms[n], 1);
        }
        topk_check(batch, terms, COUNT(terms));
        topk_destroy(batch);
    }
}

/* -inf outside the given classes: of some of the bucket, or of all of it where p_r is 0. */
static void holes_in_the_bucket(void **state)
{
    (void)state;
    const float z[] = {1, -INFINITY, 0, -0.5f}, v[] = {2, 1, 0, 0};
    const kd_term terms[] = {cases_term(KD_TERM_KL, 2, 1), cases_term(KD_TERM_SOFT, 2, 1)};
    for (size_t all = 0; all < 2; all++) {
        static const uint32_t given[] = {0, 2};
        topk_batch *batch = topk_create(cases_create(1, 4), 2, 2);
        topk_give(batch, 0, given);
        set_row(batch, z, v);
        batch->base->z[3] = all ? -INFINITY : z[3];
        batch->tail[0] = all ? -INFINITY : 0.5f;
        topk_check(batch, terms, COUNT(terms));
        cases_answer answer = cases_ask(batch->base, terms, 2);
        cases_near("d of a hole", (double)answer.d[1], 0, 0);
        cases_near("d of the other", (double)answer.d[3], 0, all ? 0 : 1e9);
        cases_forget(&answer);
        topk_destroy(batch);
    }
}

/* Exceptions of arithmetic that a host may have told its CPU to trap. */
static void valid_input_raises_no_flags(void **state)
{
    (void)state;
    static const float z[] = {0, 3, -200, 5000, -INFINITY, 1, -INFINITY, -INFINITY};
    static const float v[] = {4, -3000, 0, 1, 1, 2, 0, 0};
    static const float tails[][2] = {{-20, -INFINITY}, {-INFINITY, -INFINITY}, {3000, -INFINITY}};
    static const uint32_t given[][2] = {{0, 1}, {0, 1}};
    for (size_t i = 0; i < COUNT(tails); i++) {
        topk_batch *batch = topk_create(cases_create(2, 4), 2, 2);
        memcpy(batch->base->z, z, sizeof z);
        batch->base->z[4] = 2;
        memcpy(batch->base->values, v, sizeof v);
        for (size_t row = 0; row < 2; row++) {
            topk_give(batch, row, given[row]);
            batch->tail[row] = tails[i][row];
        }
        const kd_term terms[] = {cases_term(KD_TERM_KL, 2, 1), cases_term(KD_TERM_SOFT, 2, 1)};
        kd_metrics_out m = KD_METRICS_OUT_INIT;
        feclearexcept(FE_ALL_EXCEPT);
        (void)lose(batch, terms, 2, 0, d[0]);
        assert_int_equal(kd_metrics(&batch->base->in, 2, &m, NULL), KD_OK);
        assert_int_equal(fetestexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW), 0);
        topk_destroy(batch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_room),
        cmocka_unit_test(any_number_of_threads),
        cmocka_unit_test(values_may_have_a_stride),
        cmocka_unit_test(numbers_at_the_ends_of_float),
        cmocka_unit_test(probability_of_the_bucket),
        cmocka_unit_test(holes_in_the_bucket),
        cmocka_unit_test(valid_input_raises_no_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
