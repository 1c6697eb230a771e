/* SPDX-License-Identifier: MIT */
/* y = x W^T + b, with W [out,in]: three GEMMs a step, one at inference. */
#include "layer/layer.h"
#include "port/port.h"

/*
 * A BLAS copies its operands first, so that they lie as its kernel wants them. For the products
 * with W, kernels that read them where they lie are faster (docs/performance.md): always for a few
 * cases, which wait for the weights to come from memory; for more, unless the sums are so long that
 * what they need passes through the cache each time. The smallest products a BLAS does not copy
 * either.
 */
#define MORE 256
#define MORE_OF_LONG_SUMS 32
#define LONG_SUM 2048
#define SMALL_PRODUCT 1e6

/* For `width` sums of `length` products in each case. */
static bool reads_in_place(const kdi_pass *pass, size_t length, size_t width)
{
    if (pass->own_products || !pass->kern->fast || pass->n <= KDI_LAYER_FEW) {
        return pass->kern->fast;
    }
    double work = (double)pass->n * (double)length * (double)width;
    return pass->n <= (length > LONG_SUM ? MORE_OF_LONG_SUMS : MORE) && work > SMALL_PRODUCT;
}

static void forward(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                    kdi_rows y, kdi_tile tile)
{
    size_t width = tile.end - tile.begin;
    const float *weight = layer->weight + tile.begin * layer->in;
    float *out = y.values + tile.begin;
    if (reads_in_place(pass, layer->in, width)) {
        pass->kern->dots_f32(x, pass->n, x_stride, weight, width, layer->in, out, y.stride);
    } else {
        kdi_port_gemm_nt(pass->n, width, layer->in, x, x_stride, weight, 0.0f, out, y.stride);
    }
    pass->kern->bias_f32(out, pass->n, width, y.stride, layer->bias + tile.begin);
}

/*
 * Inference takes each case by itself: its logits have the same bits in whatever batch it comes, so
 * a recorded teacher is the live one. A BLAS rounds by the size of the batch.
 */
static void infer(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                  kdi_rows y, kdi_tile tile)
{
    size_t width = tile.end - tile.begin;
    const float *weight = layer->weight + tile.begin * layer->in;
    if (!pass->kern->fast) {
        forward(layer, pass, x, x_stride, y, tile);
        return;
    }
    for (size_t i = 0; i < pass->n; i += MORE) {
        size_t n = pass->n - i < MORE ? pass->n - i : MORE;
        float *out = y.values + i * y.stride + tile.begin;
        pass->kern->dots_f32(x + i * x_stride, n, x_stride, weight, width, layer->in, out,
                             y.stride);
        pass->kern->bias_f32(out, n, width, y.stride, layer->bias + tile.begin);
    }
}

static void delta(const kdi_layer *layer, const kdi_pass *pass, const float *y, kdi_rows dy,
                  kdi_rows dx, kdi_tile tile)
{
    (void)y;
    size_t width = tile.end - tile.begin;
    const float *weight = layer->weight + tile.begin;
    float *out = dx.values + tile.begin;
    if (pass->n == 1 && pass->kern->fast) {
        pass->kern->sum_rows_f32(dy.values, weight, layer->out, width, layer->in, out);
    } else if (reads_in_place(pass, layer->out, width)) {
        kdi_product p = {pass->n, width,     layer->out, dy.values, dy.stride, 1,
                         weight,  layer->in, 0.0f,       out,       dx.stride};
        pass->kern->product_f32(&p);
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
    if (pass->n == 1 && pass->kern->fast) {
        for (size_t i = 0; i < rows; i++) {
            pass->kern->axpby_f32(d[i], x, sink.beta, weight + i * layer->in, layer->in);
        }
    } else if (pass->own_products) {
        kdi_product p = {rows, layer->in, pass->n,   d,      1,        dy.stride,
                         x,    x_stride,  sink.beta, weight, layer->in};
        pass->kern->product_f32(&p);
    } else {
        kdi_port_gemm_tn(pass->n, rows, layer->in, d, dy.stride, x, x_stride, sink.beta, weight);
    }
    pass->kern->colsum_f32(d, pass->n, rows, dy.stride, sink.beta, sink.bias + tile.begin);
}

const kdi_layer_ops kdi_layer_dense = {
    .name = "dense",
    .kind = KD_NODE_DENSE,
    .params = 2,
    .forward = forward,
    .infer = infer,
    .delta = delta,
    .gradient = gradient,
};
