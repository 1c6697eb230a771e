/* SPDX-License-Identifier: MIT */
/** Vectors of 8 floats, for AVX2 and FMA, under the names that vec_avx512.h explains. */
#ifndef KDI_KERN_VEC_AVX2_H
#define KDI_KERN_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kern/vec.h"

enum { VEC = 8 };
typedef __m256 vec;
typedef __m256d half;
typedef __m256i bits;
typedef __m256 mask; /* a lane's bits are all set, or none */

/* ---- memory ---- */

KDI_INLINE vec vec_all(float value)
{
    return _mm256_set1_ps(value);
}

KDI_INLINE mask mask_first(size_t n)
{
    const bits lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    int32_t count = (int32_t)(n < VEC ? n : VEC);
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane));
}

KDI_INLINE vec vec_load(const float *x, size_t n, vec rest)
{
    if (VEC_WHOLE(n)) {
        return _mm256_loadu_ps(x);
    }
    mask m = mask_first(n);
    return _mm256_blendv_ps(rest, _mm256_maskload_ps(x, _mm256_castps_si256(m)), m);
}

/* Masked stores are microcode on some processors: a tail goes out in pieces of 4, 2 and 1. */
KDI_INLINE void vec_store(float *x, size_t n, vec v)
{
    if (n >= VEC) {
        _mm256_storeu_ps(x, v);
        return;
    }
    __m128 piece = _mm256_castps256_ps128(v);
    if (n & 4) {
        _mm_storeu_ps(x, piece);
        piece = _mm256_extractf128_ps(v, 1);
        x += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)(void *)x, piece);
        piece = _mm_movehl_ps(piece, piece);
        x += 2;
    }
    if (n & 1) {
        _mm_store_ss(x, piece);
    }
}

KDI_INLINE vec vec_held(vec v)
{
    __asm__("" : "+x"(v));
    return v;
}

/* ---- numbers ---- */

KDI_INLINE vec vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

KDI_INLINE vec vec_fms(vec a, vec b, vec c)
{
    return _mm256_fmsub_ps(a, b, c);
}

KDI_INLINE vec vec_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

KDI_INLINE vec vec_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

KDI_INLINE vec vec_round(vec v)
{
    return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* 2^n for n from -126 to 127. */
KDI_INLINE vec power_of_2(bits n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

/* In two steps: 2^n need not be a float. The first one is exact. */
KDI_INLINE vec vec_scale(vec v, vec n)
{
    bits whole = _mm256_cvtps_epi32(n);
    bits part = _mm256_srai_epi32(whole, 1);
    return v * power_of_2(part) * power_of_2(_mm256_sub_epi32(whole, part));
}

KDI_INLINE void vec_split(vec v, vec *out_m, vec *out_n)
{
    const bits root = _mm256_set1_epi32(0x3F3504F3); /* sqrt(1/2) */
    vec tiny = _mm256_cmp_ps(v, vec_all(0x1p-126f), _CMP_LT_OQ);
    vec factor = _mm256_blendv_ps(vec_all(1.0f), vec_all(0x1p23f), tiny);
    bits b = _mm256_castps_si256(v * factor);
    bits n = _mm256_srai_epi32(_mm256_sub_epi32(b, root), 23);
    *out_m = _mm256_castsi256_ps(_mm256_sub_epi32(b, _mm256_slli_epi32(n, 23)));
    *out_n = _mm256_cvtepi32_ps(n) - _mm256_and_ps(tiny, vec_all(23.0f));
}

/* ---- choices ---- */

KDI_INLINE mask vec_less(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

KDI_INLINE mask vec_equal(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}

KDI_INLINE mask vec_finite(vec v)
{
    vec size = _mm256_andnot_ps(vec_all(-0.0f), v);
    return vec_less(size, vec_all(__builtin_inff()));
}

KDI_INLINE mask mask_and(mask a, mask b)
{
    return _mm256_and_ps(a, b);
}

KDI_INLINE mask mask_without(mask a, mask b)
{
    return _mm256_andnot_ps(b, a);
}

KDI_INLINE uint32_t mask_bits(mask m)
{
    return (uint32_t)_mm256_movemask_ps(m);
}

KDI_INLINE size_t mask_count(mask m)
{
    return (size_t)_mm_popcnt_u32(mask_bits(m));
}

KDI_INLINE vec vec_pick(mask m, vec yes, vec no)
{
    return _mm256_blendv_ps(no, yes, m);
}

KDI_INLINE vec vec_keep(mask m, vec v)
{
    return _mm256_and_ps(m, v);
}

/* v 2^n in m, 0 elsewhere, for v near 1 and whole n from -180 to 0; denormals too: a gradient is
 * promised to within 1e-37 whatever its weight. */
KDI_INLINE vec vec_scale_in(mask m, vec v, vec n)
{
    return vec_keep(m, vec_scale(v, n));
}

/* ---- sums, and doubles ---- */

KDI_INLINE __m128 vec_sum4(vec a, vec b, vec c, vec d)
{
    vec ab = _mm256_unpacklo_ps(a, b) + _mm256_unpackhi_ps(a, b);
    vec cd = _mm256_unpacklo_ps(c, d) + _mm256_unpackhi_ps(c, d);
    vec all = _mm256_shuffle_ps(ab, cd, 0x44) + _mm256_shuffle_ps(ab, cd, 0xEE);
    return _mm256_castps256_ps128(all) + _mm256_extractf128_ps(all, 1);
}

KDI_INLINE float vec_sum(vec v)
{
    __m128 one = _mm256_castps256_ps128(v) + _mm256_extractf128_ps(v, 1);
    one += _mm_movehl_ps(one, one);
    return _mm_cvtss_f32(_mm_add_ss(one, _mm_movehdup_ps(one)));
}

KDI_INLINE float vec_least(vec v)
{
    __m128 one = _mm_min_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    one = _mm_min_ps(one, _mm_movehl_ps(one, one));
    return _mm_cvtss_f32(_mm_min_ss(one, _mm_movehdup_ps(one)));
}

KDI_INLINE half half_all(double value)
{
    return _mm256_set1_pd(value);
}

KDI_INLINE half half_fma(half a, half b, half c)
{
    return _mm256_fmadd_pd(a, b, c);
}

KDI_INLINE void half_load(const float *x, size_t n, half *out_low, half *out_high)
{
    if (VEC_WHOLE(n)) {
        *out_low = _mm256_cvtps_pd(_mm_loadu_ps(x));
        *out_high = _mm256_cvtps_pd(_mm_loadu_ps(x + VEC / 2));
    } else {
        vec v = vec_load(x, n, vec_all(0.0f));
        *out_low = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
        *out_high = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
    }
}

KDI_INLINE vec vec_join(half low, half high)
{
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
}

KDI_INLINE double half_sum(half h)
{
    __m128d one = _mm256_castpd256_pd128(h) + _mm256_extractf128_pd(h, 1);
    return one[0] + one[1];
}

/* ---- integers, for random numbers ---- */

KDI_INLINE bits bits_all(uint32_t value)
{
    return _mm256_set1_epi32((int32_t)value);
}

KDI_INLINE bits bits_load(const uint32_t *x)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)x);
}

KDI_INLINE void bits_store(uint32_t *x, bits b)
{
    _mm256_storeu_si256((__m256i *)(void *)x, b);
}

KDI_INLINE bits bits_counter(uint32_t first)
{
    return _mm256_add_epi32(bits_all(first), _mm256_set_epi64x(6, 4, 2, 0));
}

KDI_INLINE bits bits_product(bits a, bits b)
{
    return _mm256_mul_epu32(a, b);
}

KDI_INLINE bits bits_mix(bits a, bits b, bits c)
{
    return _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(a, 32), b), c);
}

KDI_INLINE bits bits_zip(bits a, bits b)
{
    return _mm256_blend_epi32(a, _mm256_slli_epi64(b, 32), 0xAA);
}

KDI_INLINE bits bits_upwards(bits b)
{
    return _mm256_slli_epi32(b, 16);
}

KDI_INLINE mask bits_reach(bits a, bits b)
{
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(a, b), a));
}

#endif
