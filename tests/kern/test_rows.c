/* SPDX-License-Identifier: MIT */
/* Kernels on rows of logits, held against a plain computation in double. */
#include "arrays.h"

/* softmax's pieces for one row: scale is 1/T. */
static void row_matches(const float *x, size_t k, double scale)
{
    const kdi_kernels *kern = kdi_kern();
    float max;
    assert_true(kern->max_f32(x, k, &max));
    double largest = (double)-INFINITY, sum = 0.0;
    for (size_t i = 0; i < k; i++) {
        largest = fmax(largest, (double)x[i]);
    }
    arrays_near("max", k, (double)max, largest, 0.0);
    size_t first = 0;
    while (first < k && (double)x[first] < largest) {
        first++;
    }
    for (size_t i = 0; i < k; i++) {
        sum += i == first ? 0.0 : exp(((double)x[i] - largest) * scale);
    }
    double got = kern->sumexp_f32(x, k, largest, scale);
    arrays_near("sumexp", k, got, sum, 1e-12 * sum);
    sum += 1.0; /* the first largest, which the kernel leaves out */
    double *logs = malloc((k + 1) * sizeof *logs);
    double *probabilities = malloc((k + 1) * sizeof *probabilities);
    logs[k] = probabilities[k] = 4321.0;
    kern->logprob_f32(x, k, largest, scale, log(sum), logs);
    kern->exp_f64(logs, k, probabilities);
    for (size_t i = 0; i < k; i++) {
        double want = ((double)x[i] - largest) * scale - log(sum);
        arrays_near("logprob", i, logs[i], want, 1e-12 * (1.0 + fabs(want)));
        arrays_near("exp", i, probabilities[i], exp(want), 1e-11 * exp(want));
    }
    assert_true(logs[k] >= 4321.0 && probabilities[k] >= 4321.0);
    free(logs);
    free(probabilities);
}

static void rows_are_distributions(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (size_t s = 1; s < ARRAYS_SIZES; s++) {
        size_t k = arrays_sizes[s];
        for (int round = 0; round < 12; round++) {
            double scale = 0.01 * pow(10.0, round % 6);
            float *x = arrays_random(&random, k, scale);
            row_matches(x, k, 1.0);
            row_matches(x, k, 1.0 / 20.0);
            row_matches(x, k, 2.0);
            free(x);
        }
    }
}

static void the_largest_is_found_anywhere(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (size_t s = 1; s < ARRAYS_SIZES; s++) {
        size_t k = arrays_sizes[s];
        float *x = arrays_random(&random, k, 1.0);
        for (size_t i = 0; i < k; i++) {
            float before = x[i], max;
            x[i] = 2.0f;
            assert_true(kdi_kern()->max_f32(x, k, &max));
            arrays_equal("max", i, max, 2.0f);
            x[i] = -INFINITY;
            assert_true(kdi_kern()->max_f32(x, k, &max));
            assert_true(max < 1.0f);
            x[i] = NAN;
            assert_false(kdi_kern()->max_f32(x, k, &max));
            x[i] = INFINITY;
            assert_false(kdi_kern()->max_f32(x, k, &max));
            x[i] = before;
        }
        free(x);
    }
    float none[] = {-INFINITY, -INFINITY, -INFINITY}, max;
    assert_true(kdi_kern()->max_f32(none, 3, &max));
    arrays_equal("max", 0, max, -INFINITY);
}

static void minus_infinity_is_probability_zero(void **state)
{
    (void)state;
    const float x[] = {1.0f, -INFINITY, 2.0f, -INFINITY};
    double logs[4], p[4];
    double sum = 1.0 + kdi_kern()->sumexp_f32(x, 4, 2.0, 0.5);
    arrays_near("sumexp", 0, sum, 1.0 + exp(-0.5), 1e-15);
    kdi_kern()->logprob_f32(x, 4, 2.0, 0.5, log(sum), logs);
    kdi_kern()->exp_f64(logs, 4, p);
    assert_true(isinf(logs[1]) && logs[1] < 0.0 && isinf(logs[3]));
    arrays_near("exp", 1, p[1], 0.0, 0.0);
    arrays_near("exp", 3, p[3], 0.0, 0.0);
    arrays_near("sum", 0, p[0] + p[2], 1.0, 1e-15);
}

/* A margin that would underflow in float, and the largest floats. */
static void logarithms_do_not_underflow(void **state)
{
    (void)state;
    const float x[] = {3.4e38f, -3.4e38f, 0.0f};
    double logs[3];
    double sum = kdi_kern()->sumexp_f32(x, 3, (double)x[0], 1.0);
    arrays_near("sumexp", 0, sum, 0.0, 0.0);
    kdi_kern()->logprob_f32(x, 3, (double)x[0], 1.0, log1p(sum), logs);
    arrays_near("logprob", 1, logs[1], (double)x[1] - (double)x[0], 0.0);
    arrays_near("logprob", 2, logs[2], -(double)x[0], 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_distributions),
        cmocka_unit_test(the_largest_is_found_anywhere),
        cmocka_unit_test(minus_infinity_is_probability_zero),
        cmocka_unit_test(logarithms_do_not_underflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
