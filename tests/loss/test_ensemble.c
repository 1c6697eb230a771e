/* SPDX-License-Identifier: MIT */
/* Ensemble means: what they must be to their members, to each other and to kd_softmax. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"

#define N 4
#define K 9
#define SIZE (N * K)
#define M 3
#define TWICE 1.6e-5 /* two results, each within 8e-6 of the same exact value */

static const kd_mean_kind kinds[] = {KD_MEAN_ARITHMETIC, KD_MEAN_GEOMETRIC};

typedef struct ensemble {
    cases_batch *member[M];
    const float *logits[M];
    float weights[M];
    kd_ensemble_in in;
} ensemble;

static void gather(ensemble *e, uint64_t seed)
{
    const kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    for (size_t m = 0; m < M; m++) {
        e->member[m] = cases_random(&seed, N, K, 3);
        e->logits[m] = e->member[m]->z;
        e->weights[m] = (float)cases_between(&seed, 0.5, 3);
    }
    e->in = in;
    e->in.temperature = 2.5f;
    e->in.members = M;
    e->in.n = N;
    e->in.k = K;
    e->in.logits = e->logits;
}

static void scatter(ensemble *e)
{
    for (size_t m = 0; m < M; m++) {
        cases_destroy(e->member[m]);
    }
}

static void average(const kd_ensemble_in *in, float *out)
{
    kd_error error = KD_ERROR_INIT;
    if (kd_ensemble_mean(in, out, 0, &error) != KD_OK) {
        fail_msg("kd_ensemble_mean: %s", error.text);
    }
}

static void the_default_is_geometric_at_1(void **state)
{
    (void)state;
    const kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    assert_int_equal(in.kind, KD_MEAN_GEOMETRIC);
    assert_true(in.temperature == 1);
}

static void one_member_has_the_bits_of_softmax(void **state)
{
    static const float temperatures[] = {1e-30f, 0.5f, 1, 3, 20, 100, 1e30f};
    (void)state;
    ensemble e;
    gather(&e, 41);
    e.in.members = 1;
    for (size_t t = 0; t < sizeof temperatures / sizeof temperatures[0]; t++) {
        float want[SIZE], got[SIZE];
        e.in.temperature = temperatures[t];
        assert_int_equal(kd_softmax(e.logits[0], N, K, 0, temperatures[t], want, 0, NULL), KD_OK);
        for (size_t i = 0; i < 4; i++) {
            e.in.kind = kinds[i / 2];
            e.in.weights = i % 2 == 0 ? NULL : e.weights;
            average(&e.in, got);
            cases_same("mean of one", got, want, sizeof want);
        }
    }
    scatter(&e);
}

static void copies_of_one_member_are_that_member(void **state)
{
    (void)state;
    ensemble e;
    gather(&e, 42);
    float want[SIZE], got[SIZE];
    e.logits[1] = e.logits[2] = e.logits[0];
    assert_int_equal(kd_softmax(e.logits[0], N, K, 0, 2.5f, want, 0, NULL), KD_OK);
    for (size_t i = 0; i < 4; i++) {
        e.in.kind = kinds[i / 2];
        e.in.weights = i % 2 == 0 ? NULL : e.weights;
        average(&e.in, got);
        cases_near_row("mean of copies", got, want, SIZE, TWICE, 0);
    }
    scatter(&e);
}

static void order_of_members_does_not_matter(void **state)
{
    static const size_t orders[][M] = {{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    (void)state;
    ensemble e;
    gather(&e, 43);
    e.in.weights = e.weights;
    for (size_t i = 0; i < 2; i++) {
        float want[SIZE], got[SIZE], weights[M];
        const float *logits[M];
        e.in.kind = kinds[i];
        average(&e.in, want);
        kd_ensemble_in other = e.in;
        other.logits = logits;
        other.weights = weights;
        for (size_t o = 0; o < 5; o++) {
            for (size_t m = 0; m < M; m++) {
                logits[m] = e.logits[orders[o][m]];
                weights[m] = e.weights[orders[o][m]];
            }
            average(&other, got);
            cases_near_row("permuted", got, want, SIZE, 1e-6, 0);
        }
    }
    scatter(&e);
}

static void weights_are_divided_by_their_sum(void **state)
{
    static const float scales[] = {0.25f, 3, 1000, 1e-20f, 1e20f};
    (void)state;
    ensemble e;
    gather(&e, 44);
    e.in.weights = e.weights;
    for (size_t i = 0; i < 2; i++) {
        float want[SIZE], got[SIZE], weights[M];
        e.in.kind = kinds[i];
        average(&e.in, want);
        kd_ensemble_in other = e.in;
        other.weights = weights;
        for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++) {
            for (size_t m = 0; m < M; m++) {
                weights[m] = scales[s] * e.weights[m];
            }
            average(&other, got);
            cases_near_row("scaled weights", got, want, SIZE, 2e-6, 0);
        }
        weights[0] = weights[1] = weights[2] = 7;
        average(&other, got);
        other.weights = NULL;
        average(&other, want);
        cases_near_row("equal weights", got, want, SIZE, 1e-6, 0);
    }
    scatter(&e);
}

static void weights_1_and_0_are_the_first_member(void **state)
{
    (void)state;
    ensemble e;
    gather(&e, 45);
    float want[SIZE], got[SIZE];
    e.in.weights = e.weights;
    e.weights[1] = e.weights[2] = 0;
    assert_int_equal(kd_softmax(e.logits[0], N, K, 0, 2.5f, want, 0, NULL), KD_OK);
    for (size_t i = 0; i < 2; i++) {
        e.in.kind = kinds[i];
        average(&e.in, got);
        cases_near_row("mean", got, want, SIZE, TWICE, 0);
    }
    scatter(&e);
}

static void geometric_is_the_softmax_of_mean_logits(void **state)
{
    (void)state;
    ensemble e;
    gather(&e, 46);
    float mean[SIZE], want[SIZE], got[SIZE];
    for (size_t i = 0; i < SIZE; i++) { /* multiples of 1/64, weights 1 1 2: an exact mean */
        mean[i] = 0;
        for (size_t m = 0; m < M; m++) {
            e.member[m]->z[i] = rintf(64 * e.member[m]->z[i]) / 64;
            mean[i] += (m == 2 ? 0.5f : 0.25f) * e.member[m]->z[i];
        }
    }
    e.weights[0] = e.weights[1] = 1;
    e.weights[2] = 2;
    e.in.weights = e.weights;
    e.in.kind = KD_MEAN_GEOMETRIC;
    assert_int_equal(kd_softmax(mean, N, K, 0, 2.5f, want, 0, NULL), KD_OK);
    average(&e.in, got);
    cases_near_row("geometric mean", got, want, SIZE, TWICE, 0);
    scatter(&e);
}

static void arithmetic_is_the_mean_of_softmaxes(void **state)
{
    (void)state;
    ensemble e;
    gather(&e, 47);
    float got[SIZE], p[SIZE];
    double want[SIZE] = {0}, sum = 0;
    e.in.weights = e.weights;
    e.in.kind = KD_MEAN_ARITHMETIC;
    average(&e.in, got);
    for (size_t m = 0; m < M; m++) {
        assert_int_equal(kd_softmax(e.logits[m], N, K, 0, 2.5f, p, 0, NULL), KD_OK);
        sum += (double)e.weights[m];
        for (size_t i = 0; i < SIZE; i++) {
            want[i] += (double)e.weights[m] * (double)p[i];
        }
    }
    for (size_t i = 0; i < SIZE; i++) {
        cases_near("mean", (double)got[i], want[i] / sum, TWICE * want[i] / sum);
    }
    scatter(&e);
}

static void every_mean_sums_to_one(void **state)
{
    (void)state;
    ensemble e;
    gather(&e, 48);
    float got[SIZE];
    for (size_t i = 0; i < 4; i++) {
        e.in.kind = kinds[i / 2];
        e.in.weights = i % 2 == 0 ? NULL : e.weights;
        average(&e.in, got);
        for (size_t c = 0; c < N; c++) {
            double sum = 0;
            for (size_t j = 0; j < K; j++) {
                sum += (double)got[c * K + j];
            }
            cases_near("sum", sum, 1, 8e-6);
        }
    }
    scatter(&e);
}

/* A class that one member rules out: nothing in the geometric mean, less in the arithmetic. */
static void minus_infinity_in_one_member(void **state)
{
    (void)state;
    ensemble e;
    gather(&e, 49);
    float got[SIZE];
    const double *exact[M];
    ref_batch twin[M];
    e.member[1]->z[4] = -INFINITY;
    for (size_t m = 0; m < M; m++) {
        twin[m] = cases_twin(e.member[m]);
        exact[m] = twin[m].z;
    }
    for (size_t i = 0; i < 2; i++) {
        double want[K];
        e.in.kind = kinds[i];
        average(&e.in, got);
        ref_ensemble(kinds[i], 2.5, M, K, exact, NULL, want);
        for (size_t j = 0; j < K; j++) {
            cases_near("mean", (double)got[j], want[j], 8e-6 * want[j]);
        }
        assert_true(kinds[i] == KD_MEAN_ARITHMETIC ? got[4] > 0 : got[4] == 0);
    }
    e.in.weights = e.weights; /* 0 times -inf must not become NaN */
    e.weights[1] = 0;
    for (size_t i = 0; i < 2; i++) {
        e.in.kind = kinds[i];
        average(&e.in, got);
        for (size_t j = 0; j < SIZE; j++) {
            assert_true(got[j] >= 0 && got[j] <= 1);
        }
    }
    for (size_t m = 0; m < M; m++) {
        cases_twin_free(&twin[m]);
    }
    scatter(&e);
}

static void members_are_not_changed(void **state)
{
    (void)state;
    ensemble e;
    gather(&e, 50);
    float out[SIZE], weights[M];
    e.in.weights = e.weights;
    memcpy(weights, e.weights, sizeof weights);
    for (size_t i = 0; i < 2; i++) {
        cases_batch *copy[M];
        kd_ensemble_in in = e.in;
        for (size_t m = 0; m < M; m++) {
            copy[m] = cases_copy(e.member[m]);
        }
        in.kind = e.in.kind = kinds[i];
        average(&e.in, out);
        cases_same("kd_ensemble_in", &e.in, &in, sizeof in);
        cases_same("weights", e.weights, weights, sizeof weights);
        for (size_t m = 0; m < M; m++) {
            cases_same("member", e.member[m]->z, copy[m]->z, SIZE * sizeof(float));
            assert_ptr_equal(e.logits[m], e.member[m]->z);
            cases_destroy(copy[m]);
        }
    }
    scatter(&e);
}

static void spread_rows(float *wide, size_t stride, const float *dense, float between)
{
    for (size_t i = 0; i < N * stride; i++) {
        wide[i] = i % stride < K ? dense[i / stride * K + i % stride] : between;
    }
}

/* Rows with a stride; then out is the buffer of each member in turn. */
static void in_place_and_with_strides(void **state)
{
    (void)state;
    for (size_t round = 0; round < 2 * M; round++) {
        ensemble e;
        gather(&e, 51);
        float mean[SIZE], wide[M][N * (K + 2)], out[N * (K + 3)], want[N * (K + 3)];
        e.in.kind = kinds[round % 2];
        average(&e.in, mean);
        for (size_t m = 0; m < M; m++) {
            spread_rows(wide[m], K + 2, e.member[m]->z, 5555);
            e.logits[m] = wide[m];
        }
        e.in.stride = K + 2;
        spread_rows(out, K + 3, e.member[0]->z, 4444);
        spread_rows(want, K + 3, mean, 4444);
        assert_int_equal(kd_ensemble_mean(&e.in, out, K + 3, NULL), KD_OK);
        cases_same("out with a stride", out, want, sizeof out);
        float *own = wide[round / 2];
        spread_rows(want, K + 2, mean, 5555);
        assert_int_equal(kd_ensemble_mean(&e.in, own, K + 2, NULL), KD_OK);
        cases_same("out in place", own, want, sizeof wide[0]);
        scatter(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_geometric_at_1),
        cmocka_unit_test(one_member_has_the_bits_of_softmax),
        cmocka_unit_test(copies_of_one_member_are_that_member),
        cmocka_unit_test(order_of_members_does_not_matter),
        cmocka_unit_test(weights_are_divided_by_their_sum),
        cmocka_unit_test(weights_1_and_0_are_the_first_member),
        cmocka_unit_test(geometric_is_the_softmax_of_mean_logits),
        cmocka_unit_test(arithmetic_is_the_mean_of_softmaxes),
        cmocka_unit_test(every_mean_sums_to_one),
        cmocka_unit_test(minus_infinity_in_one_member),
        cmocka_unit_test(members_are_not_changed),
        cmocka_unit_test(in_place_and_with_strides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
