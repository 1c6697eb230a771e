/* SPDX-License-Identifier: MIT */
/** Products of few rows, for every vec_*.h. */
#ifndef KDI_KERN_PRODUCTS_VEC_H
#define KDI_KERN_PRODUCTS_VEC_H

#include <string.h>

/* Rows of w that are read together, and the most cases that share them: their sums and what they
 * are made of fit the registers. */
enum { ROWS = 4, CASES = VEC == 16 ? 4 : 3 };

typedef struct dots {
    const float *w[ROWS];
    size_t columns;
    size_t x_stride;
    size_t y_stride;
} dots;

/* The next n columns: products of `cases` rows of x with ROWS rows of w. */
KDI_INLINE void dots_step(const dots *d, const float *x, size_t c, size_t n, size_t cases, vec *sum)
{
    const vec zero = vec_all(0.0f);
    vec of_x[CASES];
    KDI_UNROLL
    for (size_t i = 0; i < cases; i++) {
        of_x[i] = vec_load(x + i * d->x_stride + c, n, zero);
    }
    KDI_UNROLL
    for (size_t r = 0; r < ROWS; r++) {
        vec w = vec_held(vec_load(d->w[r] + c, n, zero));
        KDI_UNROLL
        for (size_t i = 0; i < cases; i++) {
            sum[i * ROWS + r] = vec_fma(of_x[i], w, sum[i * ROWS + r]);
        }
    }
}

/* Each sum has lanes of its own, so its bits do not depend on its neighbours. */
KDI_INLINE void dots_of(const dots *d, const float *x, size_t cases, float *y)
{
    vec sum[CASES * ROWS];
    KDI_UNROLL
    for (size_t i = 0; i < cases * ROWS; i++) {
        sum[i] = vec_all(0.0f);
    }
    size_t c = 0;
    for (; d->columns - c >= VEC; c += VEC) {
        dots_step(d, x, c, VEC, cases, sum);
    }
    if (c < d->columns) {
        dots_step(d, x, c, d->columns - c, cases, sum);
    }
    KDI_UNROLL
    for (size_t i = 0; i < cases; i++) {
        const vec *s = sum + i * ROWS;
        _mm_storeu_ps(y + i * d->y_stride, vec_sum4(s[0], s[1], s[2], s[3]));
    }
}

/* All cases with ROWS rows of w, in groups as large as can be, but none alone. */
static void dots_block(const dots *d, const float *x, size_t n, float *y)
{
    for (size_t i = 0; i < n;) {
        const float *of_x = x + i * d->x_stride;
        float *of_y = y + i * d->y_stride;
        size_t left = n - i;
        if (CASES >= 4 && left >= 4 && left != 5 && left != 6) {
            dots_of(d, of_x, CASES, of_y);
            i += CASES;
        } else if (left >= 3 && left != 4) {
            dots_of(d, of_x, 3, of_y);
            i += 3;
        } else if (left >= 2) {
            dots_of(d, of_x, 2, of_y);
            i += 2;
        } else {
            dots_of(d, of_x, 1, of_y);
            i += 1;
        }
    }
}

/* The last block reaches back to be whole, and lays some products down a second time. */
void KDI_K(dots_f32)(const float *x, size_t n, size_t x_stride, const float *w, size_t rows,
                     size_t columns, float *y, size_t y_stride)
{
    dots d = {.columns = columns, .x_stride = x_stride, .y_stride = y_stride};
    for (size_t j = 0; rows >= ROWS && j < rows; j += ROWS) {
        size_t first = rows - j < ROWS ? rows - ROWS : j;
        KDI_UNROLL
        for (size_t r = 0; r < ROWS; r++) {
            d.w[r] = w + (first + r) * columns;
        }
        dots_block(&d, x, n, y + first);
    }
    /* Too few for a block: some are there twice. */
    for (size_t i = 0; rows > 0 && rows < ROWS && i < n; i++) {
        float some[ROWS];
        KDI_UNROLL
        for (size_t r = 0; r < ROWS; r++) {
            d.w[r] = w + (r < rows ? r : 0) * columns;
        }
        dots_block(&d, x + i * x_stride, 1, some);
        memcpy(y + i * y_stride, some, rows * sizeof *y);
    }
}

/* n columns of out += ROWS rows of w, or = for the first ones. */
KDI_INLINE void sum_rows_step(const float *d, const float *w, size_t w_stride, bool first, size_t n,
                              float *out)
{
    const vec zero = vec_all(0.0f);
    vec sum = first ? zero : vec_load(out, n, zero);
    KDI_UNROLL
    for (size_t r = 0; r < ROWS; r++) {
        sum = vec_fma(vec_load(w + r * w_stride, n, zero), vec_all(d[r]), sum);
    }
    vec_store(out, n, sum);
}

/* out = the rows, fewer than ROWS. */
KDI_INLINE void sum_rows_few(const float *d, const float *w, size_t rows, size_t columns,
                             size_t w_stride, float *out)
{
    const vec zero = vec_all(0.0f);
    for (size_t c = 0; c < columns; c += VEC) {
        vec sum = zero;
        for (size_t r = 0; r < rows; r++) {
            sum = vec_fma(vec_load(w + r * w_stride + c, columns - c, zero), vec_all(d[r]), sum);
        }
        vec_store(out + c, columns - c, sum);
    }
}

/* Several rows at a time: out is read and written once for all of them. */
void KDI_K(sum_rows_f32)(const float *d, const float *w, size_t rows, size_t columns,
                         size_t w_stride, float *out)
{
    size_t j = rows % ROWS;
    if (j > 0 || rows == 0) {
        sum_rows_few(d, w, j, columns, w_stride, out);
    }
    for (; j < rows; j += ROWS) {
        const float *of_w = w + j * w_stride;
        const float factor[ROWS] = {d[j], d[j + 1], d[j + 2], d[j + 3]};
        size_t c = 0;
        for (; columns - c >= VEC; c += VEC) {
            sum_rows_step(factor, of_w + c, w_stride, j == 0, VEC, out + c);
        }
        if (c < columns) {
            sum_rows_step(factor, of_w + c, w_stride, j == 0, columns - c, out + c);
        }
    }
}

#endif
