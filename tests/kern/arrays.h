/* SPDX-License-Identifier: MIT */
/* Float arrays for the tests of kernels: every size that matters, random values, a guarded end. */
#ifndef KD_TESTS_KERN_ARRAYS_H
#define KD_TESTS_KERN_ARRAYS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kern/kern.h"

/* 0, 1, around every width of a vector unit, and large. */
static const size_t arrays_sizes[] = {0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 127, 128, 129, 130, 1000};
#define ARRAYS_SIZES (sizeof arrays_sizes / sizeof *arrays_sizes)
#define ARRAYS_GUARD 16
#define ARRAYS_MARK 12345.678f

static inline uint64_t arrays_next(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* In [-scale, scale). */
static inline float arrays_value(uint64_t *state, double scale)
{
    return (float)(((double)(arrays_next(state) >> 11) * 0x1p-52 - 1.0) * scale);
}

/* `count` random floats, and behind them marks that no kernel may touch; free() it. */
static inline float *arrays_random(uint64_t *state, size_t count, double scale)
{
    float *x = malloc((count + ARRAYS_GUARD) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count + ARRAYS_GUARD; i++) {
        x[i] = i < count ? arrays_value(state, scale) : ARRAYS_MARK;
    }
    return x;
}

static inline float *arrays_copy(const float *x, size_t count)
{
    float *copy = malloc((count + ARRAYS_GUARD) * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, x, (count + ARRAYS_GUARD) * sizeof *copy);
    return copy;
}

static inline void arrays_guarded(const float *x, size_t count)
{
    for (size_t i = count; i < count + ARRAYS_GUARD; i++) {
        assert_true(x[i] <= ARRAYS_MARK && x[i] >= ARRAYS_MARK);
    }
}

/* Fails with words unless |got - want| <= tolerance; NaN never passes. */
static inline void arrays_near(const char *what, size_t i, double got, double want,
                               double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) {
        fail_msg("%s, element %zu: %.17g, not %.17g within %g", what, i, got, want, tolerance);
    }
}

/* The same bits, except that any NaN is any NaN. */
static inline void arrays_equal(const char *what, size_t i, float got, float want)
{
    if (memcmp(&got, &want, sizeof got) != 0 && !(isnan(got) && isnan(want))) {
        fail_msg("%s, element %zu: %.9g, not %.9g", what, i, (double)got, (double)want);
    }
}

#endif
