/* SPDX-License-Identifier: MIT */
/*
 * Loops that do nothing but move memory, and one that does nothing but exponentials: what the
 * machine reaches when nobody has to compute a step. Plain C that the compiler vectorises, built
 * three times and chosen by what the processor has.
 */
#include "bench.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/*
 * exp(a) = 2^n exp(r) with n the whole number nearest to a / ln 2, and r = a - n ln 2 in two parts
 * (Cody and Waite 1980); exp(r) by its Taylor polynomial of degree 6, |r| <= ln 2 / 2. Adding
 * 1.5 * 2^23 leaves n in the low bits of the sum.
 */
INLINE float exp_one(float a)
{
    const float shift = 12582912.0f;
    float sum = fmaf(a, 1.44269504f, shift);
    float n = sum - shift;
    float r = fmaf(n, -0.693359375f, a);
    r = fmaf(n, 2.12194440e-4f, r);
    float p = fmaf(r, 1.3888889e-3f, 8.3333333e-3f);
    p = fmaf(p, r, 4.1666667e-2f);
    p = fmaf(p, r, 0.16666667f);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    uint32_t bits, power;
    memcpy(&bits, &sum, sizeof bits);
    memcpy(&power, &p, sizeof power);
    power += bits << 23;
    memcpy(&p, &power, sizeof p);
    return p;
}

INLINE void exp_body(const float *restrict a, float *restrict out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = exp_one(a[i]);
    }
}

INLINE void sgd_body(float *restrict w, float *restrict m, const float *restrict g, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        m[i] = fmaf(m[i], 0.9f, g[i]);
        w[i] = fmaf(m[i], -0.01f, w[i]);
    }
}

INLINE void add_body(const float *restrict a, const float *restrict b, float *restrict out,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = a[i] + b[i];
    }
}

INLINE void read_body(const float *a, size_t count, uint32_t *out_sum)
{
    uint32_t sum = 0; /* whole numbers, so that the compiler may add in any order */
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &a[i], sizeof bits);
        sum += bits;
    }
    *out_sum = sum;
}

typedef float vec __attribute__((vector_size(64)));

/* All members at once, the sum in a register: half the time of adding one after the other to a
 * piece of `out` that the second cache holds. */
INLINE void mean_body(const float *const *a, size_t members, float *restrict out, size_t begin,
                      size_t end)
{
    enum { WIDE = sizeof(vec) / sizeof(float) };
    size_t i = begin;
    for (; i + WIDE <= end; i += WIDE) {
        vec sum, one;
        memcpy(&sum, a[0] + i, sizeof sum);
        for (size_t j = 1; j < members; j++) {
            memcpy(&one, a[j] + i, sizeof one);
            sum += one;
        }
        memcpy(out + i, &sum, sizeof sum);
    }
    for (; i < end; i++) {
        out[i] = a[0][i];
        for (size_t j = 1; j < members; j++) {
            out[i] += a[j][i];
        }
    }
}

#if defined(__x86_64__)

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define AVX2 __attribute__((target("avx2,fma")))

static int level(void)
{
    static int found = -1;
    if (found < 0) {
        int fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        int wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
        found = fma ? 1 + !!wide : 0;
    }
    return found;
}

#define THREE(name, parameters, arguments)                                                         \
    AVX512 static void name##_avx512 parameters                                                    \
    {                                                                                              \
        name##_body arguments;                                                                     \
    }                                                                                              \
    AVX2 static void name##_avx2 parameters                                                        \
    {                                                                                              \
        name##_body arguments;                                                                     \
    }                                                                                              \
    void stream_##name parameters                                                                  \
    {                                                                                              \
        switch (level()) {                                                                         \
        case 2:                                                                                    \
            name##_avx512 arguments;                                                               \
            break;                                                                                 \
        case 1:                                                                                    \
            name##_avx2 arguments;                                                                 \
            break;                                                                                 \
        default:                                                                                   \
            name##_body arguments;                                                                 \
        }                                                                                          \
    }

#else

#define THREE(name, parameters, arguments)                                                         \
    void stream_##name parameters                                                                  \
    {                                                                                              \
        name##_body arguments;                                                                     \
    }

#endif

THREE(exp, (const float *a, float *out, size_t count), (a, out, count))
THREE(sgd, (float *w, float *m, const float *g, size_t count), (w, m, g, count))
THREE(add, (const float *a, const float *b, float *out, size_t count), (a, b, out, count))
THREE(read, (const float *a, size_t count, uint32_t *out_sum), (a, count, out_sum))
THREE(mean, (const float *const *a, size_t members, float *out, size_t begin, size_t end),
      (a, members, out, begin, end))
