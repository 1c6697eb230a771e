/* SPDX-License-Identifier: MIT */
/**
 * Products of any shape, for every vec_*.h: sums stay in registers, operands are read where they
 * lie. A panel of c is HEIGHT rows by BREADTH vectors; what is left at the ends is done in panels
 * of two rows or one, and of one vector.
 */
#ifndef KDI_KERN_GEMM_VEC_H
#define KDI_KERN_GEMM_VEC_H

enum { HEIGHT = 6, PAIR = 2, BREADTH = VEC == 16 ? 4 : 2 };

/* What one step of the depth adds: a row of b times a column of a. */
KDI_INLINE void panel_step(const kdi_product *p, const float *a, const float *b, size_t rows,
                           size_t vecs, size_t left, vec sum[HEIGHT][BREADTH])
{
    vec of_b[BREADTH];
    KDI_UNROLL
    for (size_t v = 0; v < vecs; v++) {
        of_b[v] = vec_load(b + v * VEC, left - v * VEC, vec_all(0.0f));
    }
    KDI_UNROLL
    for (size_t r = 0; r < rows; r++) {
        vec of_a = vec_all(a[r * p->a_row]);
        KDI_UNROLL
        for (size_t v = 0; v < vecs; v++) {
            sum[r][v] = vec_fma(of_a, of_b[v], sum[r][v]);
        }
    }
}

/* c at i, j: `rows` rows and `vecs` vectors, of which `left` columns are there. */
KDI_INLINE void panel_of(const kdi_product *p, size_t i, size_t j, size_t rows, size_t vecs,
                         size_t left)
{
    vec sum[HEIGHT][BREADTH];
    KDI_UNROLL
    for (size_t r = 0; r < rows; r++) {
        KDI_UNROLL
        for (size_t v = 0; v < vecs; v++) {
            sum[r][v] = vec_all(0.0f);
        }
    }
    const float *a = p->a + i * p->a_row;
    const float *b = p->b + j;
    for (size_t k = 0; k < p->depth; k++) {
        panel_step(p, a + k * p->a_step, b + k * p->b_stride, rows, vecs, left, sum);
    }
    KDI_UNROLL
    for (size_t r = 0; r < rows; r++) {
        float *c = p->c + (i + r) * p->c_stride + j;
        KDI_UNROLL
        for (size_t v = 0; v < vecs; v++, c += VEC) {
            vec before = vec_all(0.0f);
            if (p->beta != 0.0f) {
                before = vec_load(c, left - v * VEC, before);
            }
            vec_store(c, left - v * VEC, vec_fma(vec_all(p->beta), before, sum[r][v]));
        }
    }
}

/* All rows of c in columns j .. j + left. */
KDI_INLINE void panels_of(const kdi_product *p, size_t j, size_t vecs, size_t left)
{
    size_t i = 0;
    for (; p->rows - i >= HEIGHT; i += HEIGHT) {
        panel_of(p, i, j, HEIGHT, vecs, left);
    }
    for (; p->rows - i >= PAIR; i += PAIR) {
        panel_of(p, i, j, PAIR, vecs, left);
    }
    if (i < p->rows) {
        panel_of(p, i, j, 1, vecs, left);
    }
}

static __attribute__((noinline)) void wide_panels(const kdi_product *p, size_t j)
{
    panels_of(p, j, BREADTH, BREADTH * VEC);
}

static void columns_of(const kdi_product *p)
{
    size_t j = 0;
    for (; p->columns - j >= BREADTH * VEC; j += BREADTH * VEC) {
        wide_panels(p, j);
    }
    for (; j < p->columns; j += VEC) {
        panels_of(p, j, 1, p->columns - j);
    }
}

/* Where the sums are short, a few rows of a stay in the nearest cache while b passes by; where they
 * are long, a few columns of b stay in the next one while a does. */
void KDI_K(product_f32)(const kdi_product *p)
{
    enum { SHORT = 192, STRIP = 4 * HEIGHT };
    size_t strip = p->depth <= SHORT ? STRIP : p->rows;
    for (size_t i = 0; i < p->rows; i += strip) {
        kdi_product part = *p;
        part.rows = p->rows - i < strip ? p->rows - i : strip;
        part.a += i * p->a_row;
        part.c += i * p->c_stride;
        columns_of(&part);
    }
}

#endif
