/* SPDX-License-Identifier: MIT */
/** Door of the room port: what the machine and its BLAS give us. */
#ifndef KDI_PORT_H
#define KDI_PORT_H

#include <stddef.h>

/*
 * The three products of a dense layer, all row-major, all sizes 1..INT32_MAX. With beta = 0 the
 * output is not read.
 */

/** y[n,out] = x[n,in] w[out,in]^T + beta y. */
void kdi_port_gemm_nt(size_t n, size_t out, size_t in, const float *x, size_t x_stride,
                      const float *w, float beta, float *y, size_t y_stride);

/** dw[out,in] = dy[n,out]^T x[n,in] + beta dw. */
void kdi_port_gemm_tn(size_t n, size_t out, size_t in, const float *dy, size_t dy_stride,
                      const float *x, size_t x_stride, float beta, float *dw);

/** dx[n,in] = dy[n,out] w[out,in]. */
void kdi_port_gemm_nn(size_t n, size_t out, size_t in, const float *dy, size_t dy_stride,
                      const float *w, float *dx, size_t dx_stride);

#endif
