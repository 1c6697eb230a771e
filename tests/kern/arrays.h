/* SPDX-License-Identifier: MIT */
/* Float arrays for the tests of kernels: sizes that matter, random values, guards on both sides. */
#ifndef KD_TESTS_KERN_ARRAYS_H
#define KD_TESTS_KERN_ARRAYS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kern/kern.h"

#define ARRAYS_MARK 12345.678f
enum { ARRAYS_GUARD = 32, ARRAYS_OFFSETS = 18 };

/* Every size up to 130, then some that cross blocks; the n-th one, 0 at the end. */
static inline size_t arrays_size(size_t n)
{
    static const size_t large[] = {255, 256, 257, 511, 512, 513, 1000, 2049};
    size_t count = sizeof large / sizeof *large;
    return n < 130 ? n + 1 : n < 130 + count ? large[n - 130] : 0;
}

/* ---- random numbers ---- */

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

/* ---- arrays ---- */

/* `count` floats that begin `offset` floats behind a cache line's start, among marks that no kernel
 * may touch. */
typedef struct array {
    float *x;
    size_t count;
    float *block;
    size_t room;
} array;

static inline array array_marked(size_t count, size_t offset)
{
    size_t room = count + offset + 2 * ARRAYS_GUARD;
    room += (16 - room % 16) % 16;
    float *block = aligned_alloc(64, room * sizeof *block);
    assert_non_null(block);
    for (size_t i = 0; i < room; i++) {
        block[i] = ARRAYS_MARK;
    }
    return (array){block + ARRAYS_GUARD + offset, count, block, room};
}

static inline array array_random(uint64_t *state, size_t count, size_t offset, double scale)
{
    array a = array_marked(count, offset);
    for (size_t i = 0; i < count; i++) {
        a.x[i] = arrays_value(state, scale);
    }
    return a;
}

static inline array array_copy(const array *from)
{
    array a = array_marked(from->count, (size_t)(from->x - from->block) - ARRAYS_GUARD);
    memcpy(a.x, from->x, from->count * sizeof *a.x);
    return a;
}

/* Checks the marks, and frees. */
static inline void array_free(array *a)
{
    for (size_t i = 0; i < a->room; i++) {
        bool within = a->block + i >= a->x && a->block + i < a->x + a->count;
        if (!within && !(a->block[i] <= ARRAYS_MARK && a->block[i] >= ARRAYS_MARK)) {
            fail_msg("float %td of an array of %zu was written", a->block + i - a->x, a->count);
        }
    }
    free(a->block);
    *a = (array){0};
}

/* ---- comparisons ---- */

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

/* The distance between the two floats around |x|; that of denormal ones below. */
static inline double arrays_ulp(double x)
{
    int exponent;
    frexp(x, &exponent);
    return ldexp(1.0, (exponent < -125 ? -125 : exponent) - 24);
}

#endif
