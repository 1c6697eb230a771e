/* SPDX-License-Identifier: MIT */
/**
 * Vectors of 16 floats, for AVX-512 F, BW, DQ and VL. vec_avx2.h has the same names for 8, so that
 * the kernels in the files *_vec.h are written once. Lanes from n on, where an n is asked for, are
 * neither read nor written; n may exceed VEC. + - * on vec are lane by lane.
 */
#ifndef KDI_KERN_VEC_AVX512_H
#define KDI_KERN_VEC_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kern/vec.h"

enum { VEC = 16 };
typedef __m512 vec;
typedef __m512d half; /* half the lanes, as doubles */
typedef __m512i bits; /* as integers of 32 bits */
typedef __mmask16 mask;

/* ---- memory ---- */

KDI_INLINE vec vec_all(float value)
{
    return _mm512_set1_ps(value);
}

/* The lanes below n. */
KDI_INLINE mask mask_first(size_t n)
{
    return (mask)(n >= VEC ? 0xFFFFu : (1u << n) - 1u);
}

/* x[n], then `rest`. */
KDI_INLINE vec vec_load(const float *x, size_t n, vec rest)
{
    return VEC_WHOLE(n) ? _mm512_loadu_ps(x) : _mm512_mask_loadu_ps(rest, mask_first(n), x);
}

KDI_INLINE void vec_store(float *x, size_t n, vec v)
{
    if (VEC_WHOLE(n)) {
        _mm512_storeu_ps(x, v);
    } else {
        _mm512_mask_storeu_ps(x, mask_first(n), v);
    }
}

/* v, in a register: a compiler would rather load it again for each of its uses. */
KDI_INLINE vec vec_held(vec v)
{
    __asm__("" : "+v"(v));
    return v;
}

/* ---- numbers ---- */

/* a b + c and a b - c, rounded once. */
KDI_INLINE vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

KDI_INLINE vec vec_fms(vec a, vec b, vec c)
{
    return _mm512_fmsub_ps(a, b, c);
}

/* b if either is NaN. */
KDI_INLINE vec vec_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

KDI_INLINE vec vec_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

KDI_INLINE vec vec_round(vec v)
{
    return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* v 2^n for v near 1 and whole n from -250 to 250, rounded once. */
KDI_INLINE vec vec_scale(vec v, vec n)
{
    return _mm512_scalef_ps(v, n);
}

/* m in [sqrt(1/2), sqrt(2)) and whole n with m 2^n = v; v finite and above 0. */
KDI_INLINE void vec_split(vec v, vec *out_m, vec *out_n)
{
    vec m = _mm512_getmant_ps(v, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
    vec n = _mm512_getexp_ps(v);
    mask large = _mm512_cmp_ps_mask(m, vec_all(0x1.6a09e6p0f), _CMP_GE_OQ);
    *out_m = _mm512_mask_mul_ps(m, large, m, vec_all(0.5f));
    *out_n = _mm512_mask_add_ps(n, large, n, vec_all(1.0f));
}

/* ---- choices ---- */

KDI_INLINE mask vec_less(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

KDI_INLINE mask vec_equal(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

/* |v| is below infinity; false for NaN. */
KDI_INLINE mask vec_finite(vec v)
{
    return vec_less(_mm512_abs_ps(v), vec_all(__builtin_inff()));
}

KDI_INLINE mask mask_and(mask a, mask b)
{
    return a & b;
}

KDI_INLINE mask mask_without(mask a, mask b)
{
    return (mask)(a & ~b);
}

/* One bit for each lane, the first is the lowest. */
KDI_INLINE uint32_t mask_bits(mask m)
{
    return m;
}

KDI_INLINE size_t mask_count(mask m)
{
    return (size_t)_mm_popcnt_u32(mask_bits(m));
}

KDI_INLINE vec vec_pick(mask m, vec yes, vec no)
{
    return _mm512_mask_mov_ps(no, m, yes);
}

/* 0 outside m. */
KDI_INLINE vec vec_keep(mask m, vec v)
{
    return _mm512_maskz_mov_ps(m, v);
}

/* v 2^n in m, 0 elsewhere, for v near 1 and whole n from -180 to 0. A denormal may be 0. */
KDI_INLINE vec vec_scale_in(mask m, vec v, vec n)
{
    return _mm512_maskz_scalef_ps(m, v, n);
}

/* ---- sums, and doubles ---- */

/* The sums over the lanes of a, b, c, d. */
KDI_INLINE __m128 vec_sum4(vec a, vec b, vec c, vec d)
{
    vec ab = _mm512_unpacklo_ps(a, b) + _mm512_unpackhi_ps(a, b);
    vec cd = _mm512_unpacklo_ps(c, d) + _mm512_unpackhi_ps(c, d);
    vec all = _mm512_shuffle_ps(ab, cd, 0x44) + _mm512_shuffle_ps(ab, cd, 0xEE);
    __m256 two = _mm512_castps512_ps256(all) + _mm512_extractf32x8_ps(all, 1);
    return _mm256_castps256_ps128(two) + _mm256_extractf128_ps(two, 1);
}

/* The sum of the lanes. */
KDI_INLINE float vec_sum(vec v)
{
    __m256 two = _mm512_castps512_ps256(v) + _mm512_extractf32x8_ps(v, 1);
    __m128 one = _mm256_castps256_ps128(two) + _mm256_extractf128_ps(two, 1);
    one += _mm_movehl_ps(one, one);
    return _mm_cvtss_f32(_mm_add_ss(one, _mm_movehdup_ps(one)));
}

/* The smallest lane; no NaN. */
KDI_INLINE float vec_least(vec v)
{
    __m256 two = _mm256_min_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 one = _mm_min_ps(_mm256_castps256_ps128(two), _mm256_extractf128_ps(two, 1));
    one = _mm_min_ps(one, _mm_movehl_ps(one, one));
    return _mm_cvtss_f32(_mm_min_ss(one, _mm_movehdup_ps(one)));
}

KDI_INLINE half half_all(double value)
{
    return _mm512_set1_pd(value);
}

KDI_INLINE half half_fma(half a, half b, half c)
{
    return _mm512_fmadd_pd(a, b, c);
}

/* x[n] as doubles, 0 behind it. */
KDI_INLINE void half_load(const float *x, size_t n, half *out_low, half *out_high)
{
    if (VEC_WHOLE(n)) {
        *out_low = _mm512_cvtps_pd(_mm256_loadu_ps(x));
        *out_high = _mm512_cvtps_pd(_mm256_loadu_ps(x + VEC / 2));
    } else {
        vec v = vec_load(x, n, vec_all(0.0f));
        *out_low = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
        *out_high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
    }
}

KDI_INLINE vec vec_join(half low, half high)
{
    vec v = _mm512_castps256_ps512(_mm512_cvtpd_ps(low));
    return _mm512_insertf32x8(v, _mm512_cvtpd_ps(high), 1);
}

KDI_INLINE double half_sum(half h)
{
    __m256d two = _mm512_castpd512_pd256(h) + _mm512_extractf64x4_pd(h, 1);
    __m128d one = _mm256_castpd256_pd128(two) + _mm256_extractf128_pd(two, 1);
    return one[0] + one[1];
}

/* ---- integers, for random numbers ---- */

KDI_INLINE bits bits_all(uint32_t value)
{
    return _mm512_set1_epi32((int32_t)value);
}

KDI_INLINE bits bits_load(const uint32_t *x)
{
    return _mm512_loadu_si512(x);
}

KDI_INLINE void bits_store(uint32_t *x, bits b)
{
    _mm512_storeu_si512(x, b);
}

/* first, first + 2, ... in the even lanes. */
KDI_INLINE bits bits_counter(uint32_t first)
{
    return _mm512_add_epi32(bits_all(first), _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0));
}

/* The even lanes' products, twice as wide. */
KDI_INLINE bits bits_product(bits a, bits b)
{
    return _mm512_mul_epu32(a, b);
}

/* The odd lanes, moved to the even ones, ^ b ^ c. */
KDI_INLINE bits bits_mix(bits a, bits b, bits c)
{
    return _mm512_ternarylogic_epi32(_mm512_srli_epi64(a, 32), b, c, 0x96);
}

/* The even lanes of a and of b, in turn. */
KDI_INLINE bits bits_zip(bits a, bits b)
{
    return _mm512_mask_blend_epi32(0xAAAA, a, _mm512_slli_epi64(b, 32));
}

/* The lower 16 bits of each lane in place of the upper ones. */
KDI_INLINE bits bits_upwards(bits b)
{
    return _mm512_slli_epi32(b, 16);
}

/* a >= b, without sign. */
KDI_INLINE mask bits_reach(bits a, bits b)
{
    return _mm512_cmpge_epu32_mask(a, b);
}

#endif
