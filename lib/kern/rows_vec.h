/* SPDX-License-Identifier: MIT */
/** Searches in rows and weighted sums of rows, for every vec_*.h. */
#ifndef KDI_KERN_ROWS_VEC_H
#define KDI_KERN_ROWS_VEC_H

/* ---- searches ---- */

typedef struct extremes {
    vec min, max;
    mask good;
} extremes;

/* A NaN changes neither minimum nor maximum: it is the first operand. */
KDI_INLINE void extremes_step(extremes *e, vec v)
{
    e->good = mask_and(e->good, vec_less(v, vec_all(__builtin_inff())));
    e->min = vec_min(v, e->min);
    e->max = vec_max(v, e->max);
}

/* Two vectors at a time: the minima of one need not wait for those of the other. */
bool KDI_K(range_f32)(const float *x, size_t k, float *out_min, float *out_max)
{
    const vec inf = vec_all(__builtin_inff());
    extremes a = {inf, -inf, mask_first(VEC)};
    extremes b = a;
    size_t i = 0;
    for (; k - i >= 2 * VEC; i += 2 * VEC) {
        extremes_step(&a, vec_load(x + i, VEC, inf));
        extremes_step(&b, vec_load(x + i + VEC, VEC, inf));
    }
    for (; i < k; i += VEC) { /* behind the end the first x again */
        extremes_step(&a, vec_load(x + i, k - i, vec_all(x[0])));
    }
    *out_min = vec_least(vec_min(a.min, b.min));
    *out_max = -vec_least(-vec_max(a.max, b.max));
    return mask_bits(mask_and(a.good, b.good)) == mask_bits(mask_first(VEC));
}

size_t KDI_K(find_f32)(const float *x, size_t k, float value)
{
    const vec wanted = vec_all(value);
    size_t i = 0;
    for (; k - i >= VEC; i += VEC) {
        uint32_t hits = mask_bits(vec_equal(vec_load(x + i, VEC, wanted), wanted));
        if (hits) {
            return i + (size_t)__builtin_ctz(hits);
        }
    }
    while (i < k && !(x[i] <= value && x[i] >= value)) {
        i++;
    }
    return i;
}

/* ---- weighted sums ---- */

/* False, and nothing stored, if the sum is not finite in float. */
KDI_INLINE bool combine_step(const float *const *rows, const float *factors, size_t m, size_t i,
                             size_t n, float *out)
{
    const vec zero = vec_all(0.0f);
    vec sum = vec_load(rows[0] + i, n, zero) * vec_all(factors[0]);
    KDI_UNROLL
    for (size_t r = 1; r < m; r++) {
        sum = vec_fma(vec_load(rows[r] + i, n, zero), vec_all(factors[r]), sum);
    }
    bool good = mask_bits(vec_finite(sum)) == mask_bits(mask_first(VEC));
    if (good) {
        vec_store(out + i, n, sum);
    }
    return good;
}

/* Any number of rows in double. Products and sums are rounded apart, as in the reference. */
KDI_INLINE vec weighted(const float *const *rows, const double *weights, size_t m, size_t i,
                        size_t n)
{
    half low = half_all(0.0);
    half high = half_all(0.0);
    for (size_t r = 0; r < m; r++) {
        half weight = half_all(weights[r]);
        half a, b;
        half_load(rows[r] + i, n, &a, &b);
        low += a * weight;
        high += b * weight;
    }
    return vec_join(low, high);
}

/* The sums from element i on. */
static bool combine_many(const float *const *rows, const double *weights, size_t m, size_t i,
                         size_t k, float *out)
{
    mask good = mask_first(VEC);
    for (; k - i >= VEC; i += VEC) {
        vec sum = weighted(rows, weights, m, i, VEC);
        good = mask_and(good, vec_finite(sum));
        vec_store(out + i, VEC, sum);
    }
    if (i < k) {
        vec sum = weighted(rows, weights, m, i, k - i);
        good = mask_and(good, vec_finite(sum));
        vec_store(out + i, k - i, sum);
    }
    return mask_bits(good) == mask_bits(mask_first(VEC));
}

/* Rows in float; in double those vectors in which a sum is not finite in float, so that a row cut
 * into blocks gets the same bits. Three roundings stay within 4 ulp of the largest summand, more
 * need not: m is at most 3. */
KDI_INLINE bool combine_few(const float *const *rows, const float *factors, const double *weights,
                            size_t m, size_t k, float *out)
{
    const float *row[] = {rows[0], rows[m > 1], rows[m > 2 ? 2 : 0]};
    const float factor[] = {factors[0], factors[m > 1], factors[m > 2 ? 2 : 0]};
    bool good = true;
    size_t i = 0;
    for (; k - i >= VEC; i += VEC) {
        if (!combine_step(row, factor, m, i, VEC, out)) {
            good = combine_many(rows, weights, m, i, i + VEC, out) && good;
        }
    }
    if (i < k && !combine_step(row, factor, m, i, k - i, out)) {
        good = combine_many(rows, weights, m, i, k, out) && good;
    }
    return good;
}

bool KDI_K(combine_f32)(const float *const *rows, const float *factors, size_t m, size_t k,
                        float *out)
{
    double weights[8];
    for (size_t r = 0; r < m; r++) {
        weights[r] = (double)factors[r];
    }
    return m == 1   ? combine_few(rows, factors, weights, 1, k, out)
           : m == 2 ? combine_few(rows, factors, weights, 2, k, out)
           : m == 3 ? combine_few(rows, factors, weights, 3, k, out)
                    : combine_many(rows, weights, m, 0, k, out);
}

void KDI_K(mean_f32)(const float *const *rows, const double *weights, size_t m, size_t k,
                     float *out)
{
    (void)combine_many(rows, weights, m, 0, k, out);
}

/* ---- sums of an array, and of columns ---- */

KDI_INLINE void sumsq_step(const float *x, size_t n, half *sum)
{
    half low, high;
    half_load(x, n, &low, &high);
    sum[0] = half_fma(low, low, sum[0]);
    sum[1] = half_fma(high, high, sum[1]);
}

double KDI_K(sumsq_f32)(const float *x, size_t count)
{
    half sum[4] = {half_all(0.0), half_all(0.0), half_all(0.0), half_all(0.0)};
    size_t i = 0;
    for (; count - i >= 2 * VEC; i += 2 * VEC) {
        sumsq_step(x + i, VEC, sum);
        sumsq_step(x + i + VEC, VEC, sum + 2);
    }
    for (; i < count; i += VEC) {
        sumsq_step(x + i, count - i, sum);
    }
    return half_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* `vectors` vectors of columns, of which n elements are there; several are full. */
KDI_INLINE void colsum_step(const float *d, size_t rows, size_t n, size_t stride, float beta,
                            float *out, size_t vectors)
{
    half low[2], high[2], a, b;
    KDI_UNROLL
    for (size_t j = 0; j < vectors; j++) {
        low[j] = high[j] = half_all(0.0);
    }
    for (size_t i = 0; i < rows; i++) {
        KDI_UNROLL
        for (size_t j = 0; j < vectors; j++) {
            half_load(d + i * stride + j * VEC, n, &a, &b);
            low[j] += a;
            high[j] += b;
        }
    }
    KDI_UNROLL
    for (size_t j = 0; j < vectors; j++) {
        half_load(out + j * VEC, beta == 0.0f ? 0 : n, &a, &b); /* beta = 0: not read */
        low[j] = half_fma(half_all((double)beta), a, low[j]);
        high[j] = half_fma(half_all((double)beta), b, high[j]);
        vec_store(out + j * VEC, n, vec_join(low[j], high[j]));
    }
}

void KDI_K(colsum_f32)(const float *d, size_t n, size_t width, size_t stride, float beta,
                       float *out)
{
    size_t j = 0;
    for (; width - j >= 2 * VEC; j += 2 * VEC) {
        colsum_step(d + j, n, VEC, stride, beta, out + j, 2);
    }
    for (; j < width; j += VEC) {
        colsum_step(d + j, n, width - j, stride, beta, out + j, 1);
    }
}

#endif
