/* SPDX-License-Identifier: MIT */
/* y = x W^T + b, with W [out,in]: three GEMMs a step, one at inference. */
#include "kern/kern.h"
#include "layer/layer.h"
#include "port/port.h"

static void infer(const kdi_layer *layer, size_t n, const float *x, size_t x_stride, kdi_rows y)
{
    kdi_port_gemm_nt(n, layer->out, layer->in, x, x_stride, layer->weight, 0.0f, y.values,
                     y.stride);
    kdi_kern()->bias_f32(y.values, n, layer->out, y.stride, layer->bias);
}

static void forward(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                    kdi_rows y)
{
    infer(layer, pass->n, x, x_stride, y);
}

static void delta(const kdi_layer *layer, const kdi_pass *pass, const float *y, kdi_rows dy,
                  kdi_rows dx)
{
    (void)y;
    kdi_port_gemm_nn(pass->n, layer->out, layer->in, dy.values, dy.stride, layer->weight, dx.values,
                     dx.stride);
}

static void gradient(const kdi_layer *layer, size_t n, const float *x, size_t x_stride, kdi_rows dy,
                     bool add, float *d_weight, float *d_bias)
{
    float beta = add ? 1.0f : 0.0f;
    kdi_port_gemm_tn(n, layer->out, layer->in, dy.values, dy.stride, x, x_stride, beta, d_weight);
    kdi_kern()->colsum_f32(dy.values, n, layer->out, dy.stride, beta, d_bias);
}

const kdi_layer_ops kdi_layer_dense = {
    .name = "dense",
    .params = 2,
    .forward = forward,
    .infer = infer,
    .delta = delta,
    .gradient = gradient,
};
