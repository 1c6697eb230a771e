/* SPDX-License-Identifier: MIT */
/* The one file that includes cblas.h. */
#include "port/port.h"

#include <cblas.h>

void kdi_port_gemm_nt(size_t n, size_t out, size_t in, const float *x, size_t x_stride,
                      const float *w, float beta, float *y, size_t y_stride)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)out, (int)in, 1.0f, x,
                (int)x_stride, w, (int)in, beta, y, (int)y_stride);
}

void kdi_port_gemm_tn(size_t n, size_t out, size_t in, const float *dy, size_t dy_stride,
                      const float *x, size_t x_stride, float beta, float *dw)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)out, (int)in, (int)n, 1.0f, dy,
                (int)dy_stride, x, (int)x_stride, beta, dw, (int)in);
}

void kdi_port_gemm_nn(size_t n, size_t out, size_t in, const float *dy, size_t dy_stride,
                      const float *w, size_t w_stride, float *dx, size_t dx_stride)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)in, (int)out, 1.0f, dy,
                (int)dy_stride, w, (int)w_stride, 0.0f, dx, (int)dx_stride);
}
