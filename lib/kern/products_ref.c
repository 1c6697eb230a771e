/* SPDX-License-Identifier: MIT */
/* Reference kernels for products of few rows, summed in double. */
#include "kern/tables.h"

void kdi_k_dots_f32_ref(const float *x, size_t n, size_t x_stride, const float *w, size_t rows,
                        size_t columns, float *y, size_t y_stride)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < rows; j++) {
            double sum = 0.0;
            for (size_t c = 0; c < columns; c++) {
                sum += (double)x[i * x_stride + c] * (double)w[j * columns + c];
            }
            y[i * y_stride + j] = (float)sum;
        }
    }
}

void kdi_k_product_f32_ref(const kdi_product *p)
{
    for (size_t i = 0; i < p->rows; i++) {
        for (size_t j = 0; j < p->columns; j++) {
            float *c = &p->c[i * p->c_stride + j];
            double sum = p->beta == 0.0f ? 0.0 : (double)p->beta * (double)*c;
            for (size_t k = 0; k < p->depth; k++) {
                sum +=
                    (double)p->a[i * p->a_row + k * p->a_step] * (double)p->b[k * p->b_stride + j];
            }
            *c = (float)sum;
        }
    }
}

void kdi_k_sum_rows_f32_ref(const float *d, const float *w, size_t rows, size_t columns,
                            size_t w_stride, float *out)
{
    for (size_t c = 0; c < columns; c++) {
        double sum = 0.0;
        for (size_t j = 0; j < rows; j++) {
            sum += (double)d[j] * (double)w[j * w_stride + c];
        }
        out[c] = (float)sum;
    }
}
