/* SPDX-License-Identifier: MIT */
/*
 * Targets of the top classes and one bucket against their formulas in double, within the bounds of
 * kd/loss.h: golden values, central differences, random batches, properties, metrics.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "topk.h"

#include <kd/context.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define DIGIT 0.51e-10 /* half of the last printed digit */

/* One for each instruction set, and none; batches take turns. */
static kd_context *levels[KD_ISA_AVX512 + 1];

static kd_context *next_level(void)
{
    static size_t turn;
    return levels[turn++ % COUNT(levels)];
}

/* ---- golden values ---- */

/*
 * Worked out from the exponentials themselves with 40 decimal digits (Python's decimal), printed to
 * ten: nothing of it goes through a maximum, a logarithm of a sum, or a tail.
 */
typedef struct golden {
    size_t top;
    uint32_t index[4];
    float t;
    double tail, soft, kl, entropy_p, d[4];
} golden;

static const float golden_z[4] = {1, 2, 0.5f, -1};
static const float golden_v[4] = {3, 1.5f, -0.5f, -4};
static const golden golden_rows[] = {
    {2,
     {0, 1},
     1,
     -.4702495817,
     1.3246870610,
     .7452329418,
     .5794541192,
     {-.5730881205, .4315592671, .1157103782, .0258184752}},
    {2,
     {0, 1},
     2,
     -.0897758496,
     4.7049751111,
     1.0194193903,
     .9213889302,
     {-.6661234263, .3052297778, .2451112788, .1157823698}},
    {2,
     {0, 1},
     4,
     .2234445810,
     18.3876330660,
     1.2206269985,
     1.0729378792,
     {-.6958344387, .1543899325, .3208960746, .2205484317}},
    {2,
     {0, 1},
     20,
     .5844704307,
     429.9369593301,
     1.3344250392,
     1.0715063357,
     {-.6733310679, .0037339162, .3473476406, .3222495111}},
    {2,
     {1, 3},
     2,
     1.6602241504,
     3.2305526872,
     .5153139540,
     .6788096833,
     {-.2603199475, .3052297778, -.2027373789, .1578275487}},
    {1,
     {2},
     2,
     1.9071729397,
     1.4801304736,
     .1479012270,
     .3330573116,
     {-.0673162010, -.1109856525, .2030660999, -.0247642464}},
    {4,
     {0, 1, 2, 3},
     2,
     -(double)INFINITY,
     4.9473096219,
     1.0576743904,
     .9724088079,
     {-.6661234263, .3052297778, .2030660999, .1578275487}},
};

static topk_batch *golden_batch(const golden *g)
{
    cases_batch *base = cases_create(1, 4);
    memcpy(base->z, golden_z, sizeof golden_z);
    memcpy(base->values, golden_v, sizeof golden_v);
    topk_batch *batch = topk_create(base, g->top, g->t);
    topk_give(batch, 0, g->index);
    return batch;
}

static void golden_values(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(golden_rows); r++) {
        const golden *g = &golden_rows[r];
        topk_batch *batch = golden_batch(g);
        const kd_term soft = cases_term(KD_TERM_SOFT, g->t, 1),
                      kl = cases_term(KD_TERM_KL, g->t, 1);
        double square = (double)g->t * (double)g->t, bound = 4e-6 * (2 * g->soft - g->kl) + DIGIT;
        kd_metrics_out m = KD_METRICS_OUT_INIT;
        if (g->top < 4) {
            cases_near("tail", (double)batch->tail[0], g->tail, 1e-7);
        }
        assert_true(g->top < 4 || isinf(batch->tail[0]));
        cases_answer of_soft = cases_ask(batch->base, &soft, 1);
        cases_answer of_kl = cases_ask(batch->base, &kl, 1);
        cases_near("SOFT", of_soft.out.total, g->soft, bound);
        cases_near("KL", of_kl.out.total, g->kl, bound);
        for (size_t i = 0; i < 4; i++) {
            cases_near("d of SOFT", (double)of_soft.d[i], g->d[i], 8e-6 * (double)g->t);
            cases_near("d of KL", (double)of_kl.d[i], g->d[i], 8e-6 * (double)g->t);
        }
        assert_int_equal(kd_metrics(&batch->base->in, g->t, &m, NULL), KD_OK);
        cases_near("kl", m.kl, g->kl / square, bound / square);
        cases_near("entropy", m.teacher_entropy, g->entropy_p, 8e-6 * g->entropy_p);
        cases_forget(&of_soft);
        cases_forget(&of_kl);
        topk_destroy(batch);
    }
}

/* ---- the reference itself ---- */

static void reference_gradient_is_that_of_its_values(void **state)
{
    (void)state;
    uint64_t seed = 31;
    for (size_t round = 0; round < 300; round++) {
        enum { MOST = 9 };
        size_t k = 1 + cases_below(&seed, MOST), top = 1 + cases_below(&seed, k);
        float t = (float)cases_log_between(&seed, 0.5, 20);
        topk_batch *batch = topk_create(cases_random(&seed, 1, k, 2), top, t);
        double z[MOST], d[MOST], sizes[MOST], step = 1e-5 * (double)t;
        topk_truth at = {.d = d, .d_sizes = sizes}, left = {0}, right = {0};
        topk_give_some(batch, &seed);
        for (size_t i = 0; i < k; i++) {
            z[i] = (double)batch->base->z[i];
        }
        topk_case(batch, 0, z, &at);
        for (size_t i = 0; i < k; i++) {
            double kept = z[i], close = 1e-7 * (double)t * (double)t;
            z[i] = kept + step;
            topk_case(batch, 0, z, &right);
            z[i] = kept - step;
            topk_case(batch, 0, z, &left);
            z[i] = kept;
            cases_near("slope of SOFT", (right.soft - left.soft) / (2 * step), d[i], close);
            cases_near("slope of KL", (right.kl - left.kl) / (2 * step), d[i], close);
        }
        topk_destroy(batch);
    }
}

/* ---- float against double ---- */

/* How a row is spread, and what is moved to give it a bucket, or given classes, of little. */
static void spread(uint64_t *seed, topk_batch *batch)
{
    cases_batch *base = batch->base;
    size_t style = cases_below(seed, 8), top = batch->targets.top;
    float far = (float)cases_log_between(seed, 1, 1e4);
    for (size_t j = 0; j < base->n * top; j++) {
        size_t at = j / top * base->k + batch->index[j];
        base->z[at] += style == 1 || style == 3 ? far : style == 2 || style == 4 ? -far : 0;
        base->values[at] += style == 1 || style == 4 ? far : style == 2 || style == 3 ? -far : 0;
    }
    for (size_t i = 0; i < base->n * base->k; i++) {
        base->z[i] = style == 5 ? 0.5f : style == 6 ? base->values[i] : base->z[i];
        base->z[i] += style == 7 ? 1e8f : 0;
    }
    for (size_t row = 0; row < base->n; row++) {
        uint32_t *index = malloc(top * sizeof *index);
        assert_non_null(index);
        memcpy(index, batch->index + row * top, top * sizeof *index);
        topk_give(batch, row, index);
        free(index);
    }
}

static topk_batch *some_batch(uint64_t *seed, size_t most)
{
    size_t k = (size_t)cases_log_between(seed, 1, (double)most + 1), n = 1 + cases_below(seed, 3);
    size_t top = cases_below(seed, 8) == 0 ? k : (size_t)cases_log_between(seed, 1, (double)k + 1);
    float t = (float)cases_log_between(seed, 0.5, 1000);
    cases_batch *base = cases_random(seed, n, k, cases_log_between(seed, 0.01, 1e3));
    topk_batch *batch = topk_create(base, top, t);
    topk_give_some(batch, seed);
    spread(seed, batch);
    base->in.context = next_level();
    return batch;
}

static void losses_and_gradients(void **state)
{
    (void)state;
    uint64_t seed = 2025;
    double worst = 0, worst_d = 0;
    for (size_t round = 0; round < 20000; round++) {
        topk_batch *batch = some_batch(&seed, round % 50 ? 300 : 9000);
        float t = batch->targets.temperature;
        kd_term terms[3];
        size_t n_terms = 1 + cases_below(&seed, COUNT(terms));
        for (size_t i = 0; i < n_terms; i++) {
            kd_term_kind kind = (kd_term_kind)(1 + cases_below(&seed, KD_TERM_KL));
            float weight = (float)cases_log_between(&seed, 0.01, 10);
            terms[i] = cases_term(kind, kind == KD_TERM_HARD ? 1 : t, weight);
        }
        cases_ratio ratio = topk_compare(batch, terms, n_terms);
        worst = fmax(worst, ratio.total);
        worst_d = fmax(worst_d, ratio.d);
        for (size_t i = 0; i < n_terms; i++) {
            worst = fmax(worst, ratio.term_values[i]);
        }
        topk_destroy(batch);
    }
    print_message("error/bound values %.2g gradients %.2g\n", worst, worst_d);
    assert_true(worst <= 1);
    assert_true(worst_d <= 1);
}

/* At T = 1 the hard term looks at the same temperature as the soft one. */
static void hard_and_soft_share_a_temperature(void **state)
{
    (void)state;
    uint64_t seed = 77;
    for (size_t round = 0; round < 200; round++) {
        size_t k = 1 + cases_below(&seed, 600), top = 1 + cases_below(&seed, k);
        topk_batch *batch = topk_create(cases_random(&seed, 2, k, 3), top, 1);
        const kd_term terms[] = {cases_term(KD_TERM_HARD, 1, 0.5f), cases_term(KD_TERM_KL, 1, 2),
                                 cases_term(KD_TERM_SOFT, 1, 0)};
        topk_give_some(batch, &seed);
        batch->base->in.context = next_level();
        topk_check(batch, terms, COUNT(terms));
        topk_check(batch, terms, 1);
        topk_destroy(batch);
    }
}

static void metrics(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (size_t round = 0; round < 1000; round++) {
        topk_batch *batch = some_batch(&seed, 300);
        cases_batch *base = batch->base;
        double t = (double)batch->targets.temperature, entropy_p = 0, entropy_q = 0, kl = 0;
        double agree = 0, sum = 0, sizes = 0;
        kd_metrics_out got = KD_METRICS_OUT_INIT;
        ref_batch twin = cases_twin(base);
        for (size_t row = 0; row < base->n; row++) {
            topk_truth one = {0};
            size_t best = 0, guess = 0, top = batch->targets.top;
            double weight = (double)base->weights[row];
            topk_case(batch, row, twin.z + row * base->k, &one);
            for (size_t j = 0; j < top; j++) {
                float before = batch->values[row * top + best];
                best = batch->values[row * top + j] > before ? j : best;
            }
            for (size_t i = 0; i < base->k; i++) {
                guess = base->z[row * base->k + i] > base->z[row * base->k + guess] ? i : guess;
            }
            agree += guess == batch->index[row * top + best] ? weight : 0;
            entropy_p += weight * one.entropy_p;
            entropy_q += weight * one.entropy_q;
            kl += weight * one.kl / (t * t);
            sizes += weight * one.sizes;
            sum += weight;
        }
        assert_int_equal(kd_metrics(&base->in, (float)t, &got, NULL), KD_OK);
        double off_p = cases_over(got.teacher_entropy - entropy_p / sum, 8e-6 * entropy_p / sum);
        double off_q = cases_over(got.student_entropy - entropy_q / sum, 8e-6 * entropy_q / sum);
        cases_near("error/bound of the teacher's entropy", off_p, 0, 1);
        cases_near("error/bound of the student's entropy", off_q, 0, 1);
        cases_near("error/bound of kl", cases_over(got.kl - kl / sum, 4e-6 * sizes / sum), 0, 1);
        cases_near("agreement", got.agreement, agree / sum, 1e-12);
        cases_twin_free(&twin);
        topk_destroy(batch);
    }
}

/* ---- properties ---- */

/* Every class given: the kind LOGITS, to rounding. */
static void all_classes_are_the_dense_kind(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (size_t k = 1; k < 2000; k += k / 2 + 1) {
        topk_batch *batch = topk_create(cases_random(&seed, 3, k, 3), k, 3);
        const kd_term kl = cases_term(KD_TERM_KL, 3, 1);
        cases_answer bucket = cases_ask(batch->base, &kl, 1);
        kd_metrics_out with = KD_METRICS_OUT_INIT, without = KD_METRICS_OUT_INIT;
        assert_true(isinf(batch->tail[2]));
        assert_int_equal(kd_metrics(&batch->base->in, 3, &with, NULL), KD_OK);
        batch->base->in.targets = &batch->base->targets;
        cases_answer dense = cases_ask(batch->base, &kl, 1);
        assert_int_equal(kd_metrics(&batch->base->in, 3, &without, NULL), KD_OK);
        cases_near("KL", bucket.out.total, dense.out.total, 1e-5 * dense.out.total);
        cases_near("entropy", with.teacher_entropy, without.teacher_entropy, 1e-5);
        cases_near("agreement", with.agreement, without.agreement, 0);
        cases_near_row("d", bucket.d, dense.d, 3 * k, 1e-4, 1e-6);
        cases_forget(&bucket);
        cases_forget(&dense);
        topk_destroy(batch);
    }
}

/* Classes that are put together can't be told apart: KL is at most that of all classes. */
static void the_bucket_takes_away(void **state)
{
    (void)state;
    uint64_t seed = 12;
    for (size_t round = 0; round < 300; round++) {
        size_t k = 2 + cases_below(&seed, 60), top = 1 + cases_below(&seed, k - 1);
        const kd_term kl = cases_term(KD_TERM_KL, 2, 1);
        topk_batch *batch = topk_create(cases_random(&seed, 1, k, 2), top, 2);
        if (round % 2 == 0) {
            topk_give_largest(batch);
        } else {
            topk_give_some(batch, &seed);
        }
        cases_answer bucket = cases_ask(batch->base, &kl, 1);
        batch->base->in.targets = &batch->base->targets;
        cases_answer dense = cases_ask(batch->base, &kl, 1);
        assert_true(bucket.out.total <= dense.out.total * (1 + 1e-5) + 1e-5);
        assert_true(bucket.out.total >= -1e-5);
        cases_forget(&bucket);
        cases_forget(&dense);
        /* a student that shares the bucket out as the teacher does loses nothing by it */
        for (size_t j = 0; j < k; j++) {
            batch->base->z[j] = batch->base->values[j] - 1;
        }
        for (size_t j = 0; j < top; j++) {
            batch->base->z[batch->index[j]] += 2;
        }
        dense = cases_ask(batch->base, &kl, 1);
        batch->base->in.targets = &batch->targets;
        bucket = cases_ask(batch->base, &kl, 1);
        cases_near("KL", bucket.out.total, dense.out.total, 2e-5 * (1 + dense.out.total));
        cases_near_row("d", bucket.d, dense.d, k, 1e-4, 1e-5);
        cases_forget(&bucket);
        cases_forget(&dense);
        topk_destroy(batch);
    }
}

static void a_student_that_has_learned_all(void **state)
{
    (void)state;
    uint64_t seed = 13;
    for (size_t k = 1; k < 3000; k = 2 * k + 1) {
        const kd_term kl = cases_term(KD_TERM_KL, 4, 1);
        topk_batch *batch = topk_create(cases_random(&seed, 2, k, 3), (k + 2) / 3, 4);
        topk_give_some(batch, &seed);
        memcpy(batch->base->z, batch->base->values, 2 * k * sizeof(float));
        cases_answer answer = cases_ask(batch->base, &kl, 1);
        cases_near("KL", answer.out.total, 0, 4e-6 * 16 * 2 * log((double)k) + 1e-12);
        for (size_t i = 0; i < 2 * k; i++) {
            cases_near("d", (double)answer.d[i], 0, 4 * 2e-6);
        }
        cases_forget(&answer);
        topk_destroy(batch);
    }
}

/* The teacher's choice is the lowest of its largest given classes, whatever the bucket holds. */
static void ties_go_to_the_lowest_class(void **state)
{
    (void)state;
    static const uint32_t index[] = {1, 2, 4};
    topk_batch *batch = topk_create(cases_create(1, 5), 3, 1);
    kd_metrics_out m = KD_METRICS_OUT_INIT;
    const float v[] = {9, 3, 5, 9, 5};
    memcpy(batch->base->values, v, sizeof v);
    topk_give(batch, 0, index);
    for (size_t i = 0; i < 5; i++) {
        memset(batch->base->z, 0, sizeof v);
        batch->base->z[i] = 1;
        assert_int_equal(kd_metrics(&batch->base->in, 1, &m, NULL), KD_OK);
        cases_near("agreement", m.agreement, i == 2 ? 1 : 0, 0);
    }
    topk_destroy(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_values),
        cmocka_unit_test(reference_gradient_is_that_of_its_values),
        cmocka_unit_test(losses_and_gradients),
        cmocka_unit_test(hard_and_soft_share_a_temperature),
        cmocka_unit_test(metrics),
        cmocka_unit_test(all_classes_are_the_dense_kind),
        cmocka_unit_test(the_bucket_takes_away),
        cmocka_unit_test(a_student_that_has_learned_all),
        cmocka_unit_test(ties_go_to_the_lowest_class),
    };
    for (kd_isa isa = KD_ISA_PORTABLE; isa <= KD_ISA_AVX512; isa++) {
        kd_context_options options = KD_CONTEXT_OPTIONS_INIT;
        options.isa = isa;
        if (kd_context_create(&options, &levels[isa], NULL) != KD_OK) {
            return 1;
        }
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (kd_isa isa = KD_ISA_PORTABLE; isa <= KD_ISA_AVX512; isa++) {
        kd_context_destroy(levels[isa]);
    }
    return failed;
}
