/* SPDX-License-Identifier: MIT */
/* exp and log: floats of every exponent, the special ones, and everything around them. */
#include "levels.h"

#include <float.h>
#include <stdint.h>

static float float_of(uint32_t word)
{
    float x;
    memcpy(&x, &word, sizeof x);
    return x;
}

/* ---- one result ---- */

typedef void (*element_fn)(const float *x, size_t k, float *out);
typedef double (*truth_fn)(double x);

/* The error of y in ulp of what is right; special values must be as in C. */
static double error_of(const char *what, truth_fn truth, float x, float y)
{
    double want = truth((double)x);
    float rounded = (float)want;
    if (isnan(rounded) || isinf(rounded)) {
        if (!(isnan(rounded) && isnan(y)) && !(rounded <= y && rounded >= y)) {
            fail_msg("%s(%a) is %a, not %a", what, (double)x, (double)y, (double)rounded);
        }
        return 0.0;
    }
    double error = fabs((double)y - want) / arrays_ulp(want);
    if (!(error <= 2.0)) {
        fail_msg("%s(%a) is %a, not %a: %g ulp", what, (double)x, (double)y, want, error);
    }
    return error;
}

/* The worst of `count` floats from the bits `first` on, `step` apart. */
static double worst_of(const char *what, element_fn f, truth_fn truth, uint32_t first,
                       uint32_t step, size_t count)
{
    enum { AT_ONCE = 1000 };
    float x[AT_ONCE], y[AT_ONCE];
    double worst = 0.0;
    for (size_t done = 0; done < count; done += AT_ONCE) {
        size_t n = count - done < AT_ONCE ? count - done : AT_ONCE;
        for (size_t i = 0; i < n; i++) {
            x[i] = float_of(first + (uint32_t)(done + i) * step);
        }
        f(x, n, y);
        for (size_t i = 0; i < n; i++) {
            worst = fmax(worst, error_of(what, truth, x[i], y[i]));
        }
    }
    return worst;
}

/* ---- exp ---- */

/* Floats near -104, 89, 0 and near halves of ln 2 are looked at one by one. */
static void exp_is_right(const kdi_kernels *kern)
{
    static const float around[] = {-104.0f,    -103.972f, -87.3365f,   -88.0f,
                                   88.7228f,   89.0f,     0.34657359f, -0.34657359f,
                                   1.0397208f, 88.37627f, 0.0f,        1e-38f};
    double worst = worst_of("exp", kern->exp_f32, exp, 0, 97, (size_t)(UINT32_MAX / 97));
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
        uint32_t word;
        memcpy(&word, &around[i], sizeof word);
        worst = fmax(worst, worst_of("exp", kern->exp_f32, exp, word - 3000, 1, 6000));
    }
    print_message("%s: exp within %.2f ulp\n", kern->name, worst);
}

static void exp_knows_its_ends(const kdi_kernels *kern)
{
    const float x[] = {-INFINITY, -1000.0f, -104.0f, 0.0f, -0.0f, 1e-45f, INFINITY, NAN, 89.0f};
    const float want[] = {0.0f, 0.0f, 0.0f, 1.0f, 1.0f, 1.0f, INFINITY, NAN, INFINITY};
    float y[9];
    LEVEL_QUIET(kern->exp_f32(x, 6, y));
    kern->exp_f32(x, 9, y);
    for (size_t i = 0; i < 9; i++) {
        arrays_equal("exp", i, y[i], want[i]);
    }
    feclearexcept(FE_ALL_EXCEPT);
    kern->exp_f32(x + 8, 1, y);
    assert_true(fetestexcept(FE_OVERFLOW));
}

/* ---- log ---- */

static void log_is_right(const kdi_kernels *kern)
{
    static const float around[] = {1.0f, 0.70710678f, 1.41421356f, 0.5f, 2.0f, 1.17549435e-38f};
    double worst = worst_of("log", kern->log_f32, log, 0, 97, (size_t)(UINT32_MAX / 97));
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
        uint32_t word;
        memcpy(&word, &around[i], sizeof word);
        worst = fmax(worst, worst_of("log", kern->log_f32, log, word - 30000, 1, 60000));
    }
    print_message("%s: log within %.2f ulp\n", kern->name, worst);
}

static void log_knows_its_ends(const kdi_kernels *kern)
{
    const float x[] = {0.0f, -0.0f, 1.0f, INFINITY, -1.0f, -INFINITY, -1e-45f, FLT_MAX, NAN};
    const float want[] = {-INFINITY, -INFINITY, 0.0f, INFINITY, NAN, NAN, NAN, 88.7228394f, NAN};
    float y[9];
    LEVEL_QUIET(kern->log_f32(x, 8, y));
    kern->log_f32(x, 9, y);
    for (size_t i = 0; i < 9; i++) {
        arrays_equal("log", i, y[i], want[i]);
    }
}

/* ---- both ---- */

static void sizes_and_places(const kdi_kernels *kern)
{
    uint64_t random = 1;
    for (size_t n = 0; n < 131; n++) {
        for (size_t offset = 0; offset < ARRAYS_OFFSETS; offset++) {
            size_t k = n ? arrays_size(n - 1) : 0;
            array x = array_random(&random, k, offset, 20.0), y = array_marked(k, n % 7);
            kern->exp_f32(x.x, k, y.x);
            kern->log_f32(y.x, k, x.x);
            for (size_t i = 0; i < k; i++) {
                arrays_near("log", i, (double)x.x[i], log((double)y.x[i]),
                            2.0 * arrays_ulp((double)x.x[i]));
            }
            array_free(&x);
            array_free(&y);
        }
    }
}

static void bench(const kdi_kernels *kern)
{
    uint64_t random = 9;
    for (size_t n = 0; n < BENCH_SIZES; n++) {
        size_t k = bench_sizes[n];
        array x = array_random(&random, k, 0, 10.0), y = array_marked(k, 0);
        BENCH_ELEMENTS(kern, "exp", k, kern->exp_f32(x.x, k, y.x));
        BENCH_ELEMENTS(kern, "log", k, kern->log_f32(y.x, k, x.x));
        array_free(&x);
        array_free(&y);
    }
}

int main(int argc, char **argv)
{
    const level_test tests[] = {
        LEVEL_TEST(exp_is_right),       LEVEL_TEST(exp_knows_its_ends), LEVEL_TEST(log_is_right),
        LEVEL_TEST(log_knows_its_ends), LEVEL_TEST(sizes_and_places),
    };
    return levels_main(tests, sizeof tests / sizeof *tests, bench, argc, argv);
}
