/* SPDX-License-Identifier: MIT */
/* What the terms must be to each other and at their limits, whatever the numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"

#define N 5
#define K 11
#define SIZE (N * K)
static const float temperatures[] = {0.5f, 1, 2, 4.5f, 20, 100};
#define TEMPERATURES (sizeof temperatures / sizeof temperatures[0])

static void softmax_sums_to_one(void **state)
{
    static const size_t widths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 1000, 9999};
    (void)state;
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        size_t k = widths[i];
        cases_batch *batch = cases_random(&seed, 2, k, 5);
        for (size_t t = 0; t < TEMPERATURES; t++) {
            double sum = 0, sum_of_exp = 0;
            assert_int_equal(kd_softmax(batch->z, 1, k, 0, temperatures[t], batch->values, 0, NULL),
                             KD_OK);
            assert_int_equal(
                kd_log_softmax(batch->z, 1, k, 0, temperatures[t], batch->values + k, 0, NULL),
                KD_OK);
            for (size_t j = 0; j < k; j++) {
                sum += (double)batch->values[j];
                sum_of_exp += exp((double)batch->values[k + j]);
            }
            cases_near("sum", sum, 1, 8e-6);
            cases_near("sum of exp", sum_of_exp, 1, 8e-6);
        }
        cases_destroy(batch);
    }
}

static void softmax_does_not_see_a_constant(void **state)
{
    (void)state;
    uint64_t seed = 2;
    float a[SIZE], b[SIZE];
    cases_batch *batch = cases_random(&seed, N, K, 3);
    cases_batch *shifted = cases_copy(batch);
    for (size_t i = 0; i < SIZE; i++) { /* multiples of 1/64: the shift is exact */
        batch->z[i] = rintf(batch->z[i] * 64) / 64;
        shifted->z[i] = batch->z[i] + 4096;
    }
    for (size_t t = 0; t < TEMPERATURES; t++) {
        assert_int_equal(kd_softmax(batch->z, N, K, 0, temperatures[t], a, 0, NULL), KD_OK);
        assert_int_equal(kd_softmax(shifted->z, N, K, 0, temperatures[t], b, 0, NULL), KD_OK);
        cases_near_row("shifted softmax", b, a, SIZE, 1.6e-5, 1e-30);
        const kd_term terms[] = {cases_term(KD_TERM_KL, temperatures[t], 1),
                                 cases_term(KD_TERM_HARD, 1, 1)};
        ref_result truth = cases_truth(batch, terms, 2);
        cases_answer moved = cases_ask(shifted, terms, 2);
        cases_near("shifted loss", moved.out.total, truth.total, truth.total_bound);
        cases_truth_free(&truth);
        cases_forget(&moved);
    }
    cases_destroy(batch);
    cases_destroy(shifted);
}

/* KL(p||q) is not negative, 0 for equal logits (gradient too), and not 0 for others. */
static void kl_is_a_divergence(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (size_t round = 0; round < 200; round++) {
        const kd_term kl = cases_term(KD_TERM_KL, temperatures[round % TEMPERATURES], 1);
        cases_batch *batch = cases_random(&seed, 1, K, cases_log_between(&seed, 0.1, 30));
        ref_result truth = cases_truth(batch, &kl, 1);
        cases_answer other = cases_ask(batch, &kl, 1);
        assert_true(other.out.total > 0 || truth.total <= truth.total_bound);
        memcpy(batch->z, batch->values, K * sizeof(float));
        cases_answer same = cases_ask(batch, &kl, 1);
        cases_check(batch, &kl, 1);
        for (size_t i = 0; i < K; i++) {
            cases_near("gradient at q = p", (double)same.d[i], 0, truth.d_bound[i]);
        }
        cases_near("KL(p||p)", same.out.total, 0, truth.total_bound);
        cases_forget(&other);
        cases_forget(&same);
        cases_truth_free(&truth);
        cases_destroy(batch);
    }
}

static void soft_less_kl_is_the_entropy(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (size_t t = 0; t < TEMPERATURES; t++) {
        float temperature = temperatures[t];
        double square = (double)temperature * (double)temperature;
        const kd_term terms[] = {cases_term(KD_TERM_SOFT, temperature, 1),
                                 cases_term(KD_TERM_KL, temperature, 1)};
        cases_batch *batch = cases_random(&seed, N, K, 4);
        kd_metrics_out metrics = KD_METRICS_OUT_INIT;
        cases_answer answer = cases_ask(batch, terms, 2);
        ref_result truth = cases_truth(batch, terms, 2);
        double bound = truth.term_bounds[0] + truth.term_bounds[1];
        assert_int_equal(kd_metrics(&batch->in, temperature, &metrics, NULL), KD_OK);
        cases_near("SOFT - KL", answer.term_values[0] - answer.term_values[1],
                   square * metrics.teacher_entropy, bound);
        cases_near("T^2 times the KL of kd_metrics", square * metrics.kl, answer.term_values[1],
                   bound);
        cases_forget(&answer);
        cases_truth_free(&truth);
        cases_destroy(batch);
    }
}

static void one_hot_targets_at_1_are_labels(void **state)
{
    (void)state;
    uint64_t seed = 5;
    const kd_term hard = cases_term(KD_TERM_HARD, 1, 1);
    cases_batch *batch = cases_random(&seed, N, K, 4);
    for (size_t i = 0; i < SIZE; i++) {
        batch->values[i] = (size_t)batch->labels[i / K] == i % K ? 1 : 0;
    }
    batch->targets.kind = KD_TARGET_PROBABILITIES;
    ref_result truth = cases_truth(batch, &hard, 1);
    for (kd_term_kind kind = KD_TERM_HARD; kind <= KD_TERM_KL; kind++) {
        const kd_term term = cases_term(kind, 1, 1);
        cases_answer answer = cases_ask(batch, &term, 1);
        cases_near("loss", answer.out.total, truth.total, truth.total_bound);
        for (size_t i = 0; i < SIZE; i++) {
            cases_near("gradient", (double)answer.d[i], truth.d[i], truth.d_bound[i]);
        }
        cases_forget(&answer);
    }
    cases_truth_free(&truth);
    cases_destroy(batch);
}

static void gradients_sum_to_zero(void **state)
{
    (void)state;
    uint64_t seed = 6;
    for (kd_term_kind kind = KD_TERM_HARD; kind <= KD_TERM_MATCH; kind++) {
        for (size_t t = 0; t < TEMPERATURES; t++) {
            const kd_term term = cases_term(kind, kind == KD_TERM_HARD ? 1 : temperatures[t], 1);
            cases_batch *batch = cases_random(&seed, N, K, 4);
            cases_answer answer = cases_ask(batch, &term, 1);
            ref_result truth = cases_truth(batch, &term, 1);
            for (size_t c = 0; c < N; c++) {
                double sum = 0, bound = 0;
                for (size_t i = c * K; i < (c + 1) * K; i++) {
                    sum += (double)answer.d[i];
                    bound += truth.d_bound[i];
                }
                cases_near("sum of the gradient", sum, 0, bound);
            }
            cases_forget(&answer);
            cases_truth_free(&truth);
            cases_destroy(batch);
        }
    }
}

static double norm(const float *d, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)d[i] * (double)d[i];
    }
    return sqrt(sum);
}

static double soft_norm(const cases_batch *batch, float t)
{
    const kd_term soft = cases_term(KD_TERM_SOFT, t, 1);
    cases_answer answer = cases_ask(batch, &soft, 1);
    double size = norm(answer.d, batch->n * batch->k);
    cases_forget(&answer);
    return size;
}

/* Without T^2 the norm would fall by 10,000 over this sweep; with T alone, by 100. */
static void gradient_of_soft_does_not_shrink_with_t(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (size_t round = 0; round < 10; round++) {
        cases_batch *batch = cases_random(&seed, N, K, 2);
        const kd_term match = cases_term(KD_TERM_MATCH, 0, 1);
        cases_answer limit = cases_ask(batch, &match, 1);
        double last = soft_norm(batch, 1), goal = norm(limit.d, SIZE);
        for (double t = 1.05; t <= 100; t *= 1.05) {
            double now = soft_norm(batch, (float)t);
            cases_near("next norm over the last", now / last, 1, 0.06);
            assert_true(now > goal / 3 && now < goal * 3);
            last = now;
        }
        cases_near("norm at T = 100 over that of MATCH", last / goal, 1, 0.03);
        cases_forget(&limit);
        cases_destroy(batch);
    }
}

/* The largest |k T (q-p) - ((z-z~)-(v-v~))|, from the library's own terms. */
static double distance_to_match(const cases_batch *batch, float t)
{
    const kd_term kl = cases_term(KD_TERM_KL, t, 1), match = cases_term(KD_TERM_MATCH, 0, 1);
    cases_answer a = cases_ask(batch, &kl, 1), b = cases_ask(batch, &match, 1);
    double most = 0;
    for (size_t i = 0; i < batch->k; i++) {
        most = fmax(most, (double)batch->k * fabs((double)a.d[i] - (double)b.d[i]));
    }
    cases_forget(&a);
    cases_forget(&b);
    return most;
}

static void high_temperature_is_matching_logits(void **state)
{
    (void)state;
    uint64_t seed = 8;
    for (size_t round = 0; round < 20; round++) {
        cases_batch *batch = cases_random(&seed, 1, K, 1);
        for (size_t i = 0; i < K; i++) { /* skewed: the distance is of first order in 1/T */
            batch->z[i] = expf(0.5f * batch->z[i]);
            batch->values[i] = -expf(0.5f * batch->values[i]);
        }
        double slope = log(distance_to_match(batch, 96) / distance_to_match(batch, 12)) / log(8);
        cases_near("log-log slope", slope, -1, 0.1);
        cases_destroy(batch);
    }
}

/* A batch's answer at T must be that of the exact logits, within `times` the bounds. */
static void answers_like(const cases_batch *batch, const ref_result *truth, const kd_term *terms,
                         double times, double extra)
{
    cases_answer answer = cases_ask(batch, terms, 2);
    for (size_t t = 0; t < 2; t++) {
        cases_near("loss", answer.term_values[t], truth->term_values[t],
                   times * truth->term_bounds[t] + extra);
    }
    for (size_t i = 0; i < SIZE; i++) {
        cases_near("gradient", (double)answer.d[i], truth->d[i], times * truth->d_bound[i]);
    }
    cases_forget(&answer);
}

/*
 * Targets as kd_softmax and kd_log_softmax give them are 8e-6 off themselves: one bound more for
 * the gradient, two for SOFT; for KL also T^2 8e-6, from p d(ln p). Log-probabilities at T0 bring
 * their error times T0/T to the exponent.
 */
static void kinds_of_targets_agree(void **state)
{
    (void)state;
    uint64_t seed = 9;
    for (size_t i = 0; i < TEMPERATURES; i++) {
        float t = temperatures[i];
        const float given[] = {t, 1, 3};
        const kd_term terms[] = {cases_term(KD_TERM_SOFT, t, 1), cases_term(KD_TERM_KL, t, 0.5f)};
        cases_batch *batch = cases_random(&seed, N, K, 3);
        cases_batch *other = cases_copy(batch);
        ref_result truth = cases_truth(batch, terms, 2);
        double square = (double)t * (double)t;
        answers_like(batch, &truth, terms, 1, 0);
        assert_int_equal(kd_softmax(batch->values, N, K, 0, t, other->values, 0, NULL), KD_OK);
        other->targets.kind = KD_TARGET_PROBABILITIES;
        answers_like(other, &truth, terms, 3, 8e-6 * square);
        other->targets.temperature = t;
        answers_like(other, &truth, terms, 3, 8e-6 * square);
        for (size_t j = 0; j < 3; j++) {
            double stretch = fmax(1, (double)given[j] / (double)t);
            assert_int_equal(
                kd_log_softmax(batch->values, N, K, 0, given[j], other->values, 0, NULL), KD_OK);
            other->targets.kind = KD_TARGET_LOG_PROBABILITIES;
            other->targets.temperature = given[j];
            answers_like(other, &truth, terms, 1 + 2 * stretch, 8e-6 * square * stretch);
        }
        cases_truth_free(&truth);
        cases_destroy(batch);
        cases_destroy(other);
    }
}

/* T0 ln softmax(v/T0) differs from v by a constant, so it has the softmax of v at every T. */
static void log_probabilities_re_temper(void **state)
{
    (void)state;
    uint64_t seed = 10;
    float ln_p[SIZE], from_v[SIZE], from_ln_p[SIZE];
    cases_batch *batch = cases_random(&seed, N, K, 3);
    for (size_t i = 0; i < TEMPERATURES * TEMPERATURES; i++) {
        float t0 = temperatures[i / TEMPERATURES], t = temperatures[i % TEMPERATURES];
        double stretch = fmax(1, (double)t0 / (double)t);
        assert_int_equal(kd_log_softmax(batch->values, N, K, 0, t0, ln_p, 0, NULL), KD_OK);
        assert_int_equal(kd_softmax(batch->values, N, K, 0, t, from_v, 0, NULL), KD_OK);
        assert_int_equal(kd_softmax(ln_p, N, K, 0, t / t0, from_ln_p, 0, NULL), KD_OK);
        cases_near_row("re-tempered", from_ln_p, from_v, SIZE, 1.6e-5 + 1.6e-5 * stretch, 1e-30);
    }
    cases_destroy(batch);
}

/* The library's own total, differentiated: what is reported is what d_logits differentiates. */
static void total_is_what_the_gradient_differentiates(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (size_t round = 0; round < 40; round++) {
        const kd_term terms[] = {cases_term(KD_TERM_HARD, 1, 0.3f), cases_term(KD_TERM_SOFT, 3, 1),
                                 cases_term(KD_TERM_KL, 7, 2), cases_term(KD_TERM_MATCH, 0, 0.7f),
                                 cases_term(KD_TERM_MATCH_RAW, 0, 0.2f)};
        /* each kind alone, then all of them */
        const kd_term *first = round % 6 < 5 ? &terms[round % 6] : terms;
        size_t n_terms = round % 6 < 5 ? 1 : 5;
        cases_batch *batch = cases_random(&seed, N, K, 2);
        cases_answer answer = cases_ask(batch, first, n_terms);
        double tolerance = 2e-3 * norm(answer.d, SIZE);
        for (size_t i = 0; i < SIZE; i += 3) {
            const float old = batch->z[i];
            batch->z[i] = old + 0.03125f;
            double step = (double)batch->z[i];
            cases_answer up = cases_ask(batch, first, n_terms);
            batch->z[i] = old - 0.03125f;
            step -= (double)batch->z[i];
            cases_answer down = cases_ask(batch, first, n_terms);
            batch->z[i] = old;
            cases_near("difference of totals", (up.out.total - down.out.total) / step,
                       (double)answer.d[i], tolerance);
            cases_forget(&up);
            cases_forget(&down);
        }
        cases_forget(&answer);
        cases_destroy(batch);
    }
}

/* Where log(softmax + 1e-9) or a clamp has lost the gradient: a label 25 to 10,000 below. */
static void gradient_survives_any_margin(void **state)
{
    static const float margins[] = {25, 40, 88, 104, 110, 1000, 10000};
    (void)state;
    for (size_t i = 0; i < sizeof margins / sizeof margins[0]; i++) {
        cases_batch *batch = cases_create(1, 3);
        double margin = (double)margins[i];
        batch->z[0] = margins[i];
        batch->values[1] = margins[i];
        batch->labels[0] = 1;
        for (kd_term_kind kind = KD_TERM_HARD; kind <= KD_TERM_KL; kind++) {
            const kd_term term = cases_term(kind, 1, 1);
            cases_answer answer = cases_ask(batch, &term, 1);
            cases_near("loss over margin", answer.out.total / margin, 1, 1e-6);
            cases_near("d of the wrong class", (double)answer.d[0], 1, 1e-6);
            cases_near("d of the label", (double)answer.d[1], -1, 1e-6);
            cases_near("d of the third", (double)answer.d[2], 0, 1e-10);
            cases_check(batch, &term, 1);
            cases_forget(&answer);
        }
        cases_destroy(batch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_sums_to_one),
        cmocka_unit_test(softmax_does_not_see_a_constant),
        cmocka_unit_test(kl_is_a_divergence),
        cmocka_unit_test(soft_less_kl_is_the_entropy),
        cmocka_unit_test(one_hot_targets_at_1_are_labels),
        cmocka_unit_test(gradients_sum_to_zero),
        cmocka_unit_test(gradient_of_soft_does_not_shrink_with_t),
        cmocka_unit_test(high_temperature_is_matching_logits),
        cmocka_unit_test(kinds_of_targets_agree),
        cmocka_unit_test(log_probabilities_re_temper),
        cmocka_unit_test(total_is_what_the_gradient_differentiates),
        cmocka_unit_test(gradient_survives_any_margin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
