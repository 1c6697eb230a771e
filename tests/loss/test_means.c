/* SPDX-License-Identifier: MIT */
/* Sums of terms and weighted means over cases: what may not change the answer, and what must. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"

#define N 6
#define K 9
#define SIZE (N * K)
#define FLOAT_NOISE 1e-6 /* relative: a few roundings in float */
/* Where q and p nearly cancel, roundings count against these: a tenth of what kd/loss.h allows. */
#define OF_BOUND 0.1

/* Every kind, in an order and with weights that don't sum to 1. */
#define ALL 5
static void all_terms(kd_term *terms)
{
    terms[0] = cases_term(KD_TERM_SOFT, 4, 1.5f);
    terms[1] = cases_term(KD_TERM_HARD, 1, 0.25f);
    terms[2] = cases_term(KD_TERM_MATCH, 0, 0.5f);
    terms[3] = cases_term(KD_TERM_KL, 2, 2);
    terms[4] = cases_term(KD_TERM_MATCH_RAW, 0, 0.125f);
}

static double largest(const float *d, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)d[i]));
    }
    return most;
}

static void total_is_the_weighted_sum_of_values(void **state)
{
    (void)state;
    uint64_t seed = 21;
    for (size_t round = 0; round < 50; round++) {
        kd_term terms[ALL];
        double sum = 0;
        cases_batch *batch = cases_random(&seed, N, K, 3);
        batch->labels[2] = -1;
        all_terms(terms);
        cases_answer answer = cases_ask(batch, terms, ALL);
        for (size_t t = 0; t < ALL; t++) {
            sum += (double)terms[t].weight * answer.term_values[t];
        }
        cases_near("total", answer.out.total, sum, 1e-12 * fabs(sum));
        cases_forget(&answer);
        cases_destroy(batch);
    }
}

static void a_sum_is_the_sum_of_its_terms(void **state)
{
    (void)state;
    uint64_t seed = 22;
    for (size_t round = 0; round < 50; round++) {
        kd_term terms[ALL];
        double d[SIZE] = {0}, size[SIZE] = {0}, sum = 0;
        cases_batch *batch = cases_random(&seed, N, K, 3);
        all_terms(terms);
        for (size_t t = 0; t < ALL; t++) {
            kd_term one = terms[t];
            one.weight = 1;
            cases_answer answer = cases_ask(batch, &one, 1);
            sum += (double)terms[t].weight * answer.out.total;
            for (size_t i = 0; i < SIZE; i++) {
                d[i] += (double)terms[t].weight * (double)answer.d[i];
                size[i] += (double)terms[t].weight * fabs((double)answer.d[i]);
            }
            cases_forget(&answer);
        }
        cases_answer all = cases_ask(batch, terms, ALL);
        ref_result truth = cases_truth(batch, terms, ALL);
        cases_near("total", all.out.total, sum, 1e-12 * sum);
        for (size_t i = 0; i < SIZE; i++) {
            double noise = FLOAT_NOISE * size[i] + OF_BOUND * truth.d_bound[i];
            cases_near("gradient", (double)all.d[i], d[i], noise);
        }
        cases_truth_free(&truth);
        cases_forget(&all);
        cases_destroy(batch);
    }
}

static void order_and_repetition_of_terms(void **state)
{
    (void)state;
    uint64_t seed = 23;
    kd_term terms[ALL], reversed[KD_MAX_TERMS];
    cases_batch *batch = cases_random(&seed, N, K, 3);
    all_terms(terms);
    cases_answer first = cases_ask(batch, terms, ALL);
    for (size_t t = 0; t < ALL; t++) {
        reversed[t] = terms[ALL - 1 - t];
    }
    cases_answer back = cases_ask(batch, reversed, ALL);
    cases_near("total of the reverse", back.out.total, first.out.total, 1e-12 * first.out.total);
    double noise = 4 * FLOAT_NOISE * largest(first.d, SIZE);
    cases_near_row("gradient of the reverse", back.d, first.d, SIZE, 0, noise);
    for (size_t t = 0; t < KD_MAX_TERMS; t++) {
        reversed[t] = cases_term(KD_TERM_KL, 3, 1.0f / KD_MAX_TERMS);
    }
    const kd_term once = cases_term(KD_TERM_KL, 3, 1);
    cases_answer many = cases_ask(batch, reversed, KD_MAX_TERMS), one = cases_ask(batch, &once, 1);
    cases_near("total of 16 equal terms", many.out.total, one.out.total, 1e-12 * one.out.total);
    noise = 4 * FLOAT_NOISE * largest(one.d, SIZE);
    cases_near_row("gradient of 16 equal terms", many.d, one.d, SIZE, 0, noise);
    cases_forget(&first);
    cases_forget(&back);
    cases_forget(&many);
    cases_forget(&one);
    cases_destroy(batch);
}

/* No special path: as a weight falls to 0, loss and gradient fall to those of weight 0. */
static void weight_0_is_the_limit_of_small_weights(void **state)
{
    (void)state;
    uint64_t seed = 24;
    for (size_t which = 0; which < ALL; which++) {
        kd_term terms[ALL];
        cases_batch *batch = cases_random(&seed, N, K, 3);
        batch->labels[1] = -1;
        all_terms(terms);
        ref_result own = cases_truth(batch, terms, ALL);
        terms[which].weight = 0;
        cases_answer zero = cases_ask(batch, terms, ALL);
        cases_near("value of a term of weight 0", zero.term_values[which], own.term_values[which],
                   own.term_bounds[which]);
        for (float weight = 1e-1f; weight > 1e-12f; weight *= 0.1f) {
            terms[which].weight = weight;
            cases_answer small = cases_ask(batch, terms, ALL);
            double grown = zero.out.total + (double)weight * zero.term_values[which];
            cases_near("total", small.out.total, grown, 1e-12 * grown);
            double noise = FLOAT_NOISE + 50 * (double)weight; /* 50: above any |d| of a term */
            cases_near_row("gradient", small.d, zero.d, SIZE, 0, noise);
            cases_forget(&small);
        }
        cases_forget(&zero);
        cases_truth_free(&own);
        cases_destroy(batch);
    }
}

static void scaled_case_weights_change_nothing(void **state)
{
    (void)state;
    uint64_t seed = 25;
    kd_term terms[ALL];
    all_terms(terms);
    cases_batch *batch = cases_random(&seed, N, K, 3);
    cases_answer before = cases_ask(batch, terms, ALL);
    for (size_t c = 0; c < N; c++) {
        batch->weights[c] *= 4;
    }
    cases_answer after = cases_ask(batch, terms, ALL);
    cases_same("gradient", after.d, before.d, SIZE * sizeof(float));
    cases_same("total", &after.out.total, &before.out.total, sizeof(double));
    cases_same("values", after.term_values, before.term_values, ALL * sizeof(double));
    cases_near("case_weight", after.out.case_weight, 4 * before.out.case_weight, 0);
    batch->in.case_weights = NULL;
    cases_answer none = cases_ask(batch, terms, ALL);
    for (size_t c = 0; c < N; c++) {
        batch->weights[c] = 0.5f;
    }
    batch->in.case_weights = batch->weights;
    cases_answer equal = cases_ask(batch, terms, ALL);
    cases_same("gradient of equal weights", equal.d, none.d, SIZE * sizeof(float));
    cases_near("case_weight", none.out.case_weight, N, 0);
    cases_forget(&before);
    cases_forget(&after);
    cases_forget(&none);
    cases_forget(&equal);
    cases_destroy(batch);
}

/* Copy case `from` of one batch to case `to` of another. */
static void put_case(cases_batch *to_batch, size_t to, const cases_batch *batch, size_t from)
{
    memcpy(to_batch->z + to * K, batch->z + from * K, K * sizeof(float));
    memcpy(to_batch->values + to * K, batch->values + from * K, K * sizeof(float));
    to_batch->labels[to] = batch->labels[from];
    to_batch->weights[to] = batch->weights[from];
}

static void a_case_twice_is_weight_2(void **state)
{
    (void)state;
    uint64_t seed = 26;
    kd_term terms[ALL];
    all_terms(terms);
    cases_batch *batch = cases_random(&seed, N, K, 3), *twice = cases_create(N + 1, K);
    for (size_t c = 0; c <= N; c++) {
        put_case(twice, c, batch, c < N ? c : 2);
    }
    batch->weights[2] *= 2;
    cases_answer heavy = cases_ask(batch, terms, ALL), longer = cases_ask(twice, terms, ALL);
    cases_near("total", longer.out.total, heavy.out.total, 1e-12 * heavy.out.total);
    cases_near("case_weight", longer.out.case_weight, heavy.out.case_weight, 1e-12 * N * 4);
    for (size_t i = 0; i < K; i++) {
        longer.d[2 * K + i] += longer.d[N * K + i];
    }
    cases_near_row("gradient", longer.d, heavy.d, SIZE, FLOAT_NOISE, 1e-37);
    cases_forget(&heavy);
    cases_forget(&longer);
    cases_destroy(batch);
    cases_destroy(twice);
}

/* Parts of a batch, weighted by their case_weight, are the whole; some cases have no label. */
static void a_batch_in_parts_is_the_batch(void **state)
{
    (void)state;
    uint64_t seed = 27;
    kd_term terms[ALL];
    all_terms(terms);
    for (size_t i = 0; i < 2 * ALL - 1; i++) { /* from SOFT on, then from HARD on */
        const kd_term *first = i < ALL ? terms : terms + 1;
        size_t n_terms = i < ALL ? i + 1 : i - ALL + 1;
        cases_batch *batch = cases_random(&seed, N, K, 3);
        batch->labels[0] = batch->labels[4] = -1;
        batch->weights[3] = 0;
        cases_answer whole = cases_ask(batch, first, n_terms);
        ref_result truth = cases_truth(batch, first, n_terms);
        double total = 0, weight = 0;
        uint64_t cases = 0;
        for (size_t start = 0; start < N; start += 3) {
            cases_batch *part = cases_create(3, K);
            for (size_t c = 0; c < 3; c++) {
                put_case(part, c, batch, start + c);
            }
            cases_answer answer = cases_ask(part, first, n_terms);
            float scale = (float)(answer.out.case_weight / whole.out.case_weight);
            for (size_t j = 0; j < 3 * K; j++) {
                answer.d[j] *= scale;
            }
            for (size_t j = 0; j < 3 * K; j++) {
                size_t at = start * K + j;
                double noise =
                    FLOAT_NOISE * fabs((double)whole.d[at]) + OF_BOUND * truth.d_bound[at];
                cases_near("gradient", (double)answer.d[j], (double)whole.d[at], noise);
            }
            total += answer.out.total * answer.out.case_weight;
            weight += answer.out.case_weight;
            cases += answer.out.cases;
            cases_forget(&answer);
            cases_destroy(part);
        }
        cases_near("total", total / weight, whole.out.total, 1e-12 * whole.out.total);
        cases_near("case_weight", weight, whole.out.case_weight, 1e-12 * weight);
        assert_int_equal(cases, whole.out.cases);
        cases_truth_free(&truth);
        cases_forget(&whole);
        cases_destroy(batch);
    }
}

/* A class that neither network gives any probability: not even a factor of k may appear. */
static void padding_classes_change_nothing(void **state)
{
    (void)state;
    uint64_t seed = 28;
    const size_t wide = K + 7;
    const kd_term terms[] = {cases_term(KD_TERM_HARD, 0, 0.5f), cases_term(KD_TERM_SOFT, 4, 1),
                             cases_term(KD_TERM_KL, 2, 2)};
    cases_batch *batch = cases_random(&seed, N, K, 3), *padded = cases_create(N, wide);
    for (size_t c = 0; c < N; c++) {
        padded->labels[c] = batch->labels[c];
        padded->weights[c] = batch->weights[c];
        for (size_t i = 0; i < wide; i++) {
            padded->z[c * wide + i] = i < K ? batch->z[c * K + i] : -INFINITY;
            padded->values[c * wide + i] = i < K ? batch->values[c * K + i] : -INFINITY;
        }
    }
    for (size_t t = 0; t < 3; t++) {
        cases_answer narrow = cases_ask(batch, &terms[t], 1),
                     broad = cases_ask(padded, &terms[t], 1);
        ref_result truth = cases_truth(batch, &terms[t], 1);
        cases_near("total", broad.out.total, narrow.out.total, 2 * truth.total_bound);
        for (size_t c = 0; c < N; c++) {
            for (size_t i = 0; i < wide; i++) {
                double want = i < K ? (double)narrow.d[c * K + i] : 0;
                double bound = i < K ? 2 * truth.d_bound[c * K + i] : 0;
                cases_near("gradient", (double)broad.d[c * wide + i], want, bound);
            }
        }
        cases_forget(&narrow);
        cases_forget(&broad);
        cases_truth_free(&truth);
    }
    cases_destroy(batch);
    cases_destroy(padded);
}

/* HARD alone does not count them; beside a soft term they count, without a hard part. */
static void cases_without_label(void **state)
{
    (void)state;
    uint64_t seed = 29;
    const kd_term terms[] = {cases_term(KD_TERM_HARD, 1, 0.5f), cases_term(KD_TERM_HARD, 0, 2),
                             cases_term(KD_TERM_SOFT, 4, 1)};
    cases_batch *batch = cases_random(&seed, N, K, 3);
    batch->labels[0] = batch->labels[3] = -1;
    batch->weights[1] = 0;
    double all = 0, labelled = 0;
    for (size_t c = 0; c < N; c++) {
        all += (double)batch->weights[c];
        labelled += batch->labels[c] >= 0 ? (double)batch->weights[c] : 0;
    }
    for (size_t n_terms = 1; n_terms <= 3; n_terms++) {
        cases_check(batch, terms, n_terms);
        cases_answer answer = cases_ask(batch, terms, n_terms);
        assert_int_equal(answer.out.cases, n_terms < 3 ? 3 : 5);
        cases_near("case_weight", answer.out.case_weight, n_terms < 3 ? labelled : all, 1e-12);
        for (size_t i = 0; i < SIZE; i++) {
            int counts = n_terms == 3 ? i / K != 1 : i / K != 0 && i / K != 1 && i / K != 3;
            assert_true(counts ? answer.d[i] != 0 : answer.d[i] == 0);
        }
        cases_forget(&answer);
    }
    cases_answer both = cases_ask(batch, terms, 3), hard = cases_ask(batch, terms, 1);
    cases_near("value of HARD", both.term_values[0] * all, hard.term_values[0] * labelled,
               1e-12 * all);
    cases_forget(&both);
    cases_forget(&hard);
    cases_destroy(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(total_is_the_weighted_sum_of_values),
        cmocka_unit_test(a_sum_is_the_sum_of_its_terms),
        cmocka_unit_test(order_and_repetition_of_terms),
        cmocka_unit_test(weight_0_is_the_limit_of_small_weights),
        cmocka_unit_test(scaled_case_weights_change_nothing),
        cmocka_unit_test(a_case_twice_is_weight_2),
        cmocka_unit_test(a_batch_in_parts_is_the_batch),
        cmocka_unit_test(padding_classes_change_nothing),
        cmocka_unit_test(cases_without_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
