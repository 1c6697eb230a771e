/* SPDX-License-Identifier: MIT */
/*
 * y = x W^T + b, with W [out,in]: three GEMMs a step, one at inference. A batch of few cases waits
 * for the weights to come from memory, and goes past the GEMM to kernels that read them once.
 */
#include "layer/layer.h"
#include "port/port.h"

/* Up to this many cases the kernel for few rows is faster than a BLAS (docs/performance.md). */
#define FEW 8

static void infer(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                  kdi_rows y, kdi_tile tile)
{
    size_t width = tile.end - tile.begin;
    const float *weight = layer->weight + tile.begin * layer->in;
    float *out = y.values + tile.begin;
    if (pass->n <= FEW) {
        pass->kern->dots_f32(x, pass->n, x_stride, weight, width, layer->in, out, y.stride);
    } else {
        kdi_port_gemm_nt(pass->n, width, layer->in, x, x_stride, weight, 0.0f, out, y.stride);
    }
    pass->kern->bias_f32(out, pass->n, width, y.stride, layer->bias + tile.begin);
}

static void delta(const kdi_layer *layer, const kdi_pass *pass, const float *y, kdi_rows dy,
                  kdi_rows dx, kdi_tile tile)
{
    (void)y;
    size_t width = tile.end - tile.begin;
    const float *weight = layer->weight + tile.begin;
    float *out = dx.values + tile.begin;
    if (pass->n == 1) {
        pass->kern->sum_rows_f32(dy.values, weight, layer->out, width, layer->in, out);
    } else {
        kdi_port_gemm_nn(pass->n, layer->out, width, dy.values, dy.stride, weight, layer->in, out,
                         dx.stride);
    }
}

static void gradient(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                     kdi_rows dy, kdi_sink sink, kdi_tile tile)
{
    size_t rows = tile.end - tile.begin;
    const float *d = dy.values + tile.begin;
    float *weight = sink.weight + tile.begin * layer->in;
    if (pass->n == 1) {
        for (size_t i = 0; i < rows; i++) {
            pass->kern->axpby_f32(d[i], x, sink.beta, weight + i * layer->in, layer->in);
        }
    } else {
        kdi_port_gemm_tn(pass->n, rows, layer->in, d, dy.stride, x, x_stride, sink.beta, weight);
    }
    pass->kern->colsum_f32(d, pass->n, rows, dy.stride, sink.beta, sink.bias + tile.begin);
}

const kdi_layer_ops kdi_layer_dense = {
    .name = "dense",
    .params = 2,
    .forward = infer,
    .infer = infer,
    .delta = delta,
    .gradient = gradient,
};
