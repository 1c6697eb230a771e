/* SPDX-License-Identifier: MIT */
/* y = max(x, 0). The output is its own mask: where it is 0, nothing flows back. */
#include "kern/kern.h"
#include "layer/layer.h"

#include <string.h>

static void infer(const kdi_layer *layer, size_t n, const float *x, size_t x_stride, kdi_rows y)
{
    for (size_t i = 0; i < n; i++) {
        float *row = y.values + i * y.stride;
        if (row != x + i * x_stride) {
            memcpy(row, x + i * x_stride, layer->out * sizeof *row);
        }
        kdi_kern()->relu_f32(row, layer->out);
    }
}

static void forward(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                    kdi_rows y)
{
    infer(layer, pass->n, x, x_stride, y);
}

static void delta(const kdi_layer *layer, const kdi_pass *pass, const float *y, kdi_rows dy,
                  kdi_rows dx)
{
    (void)dx;
    for (size_t i = 0; i < pass->n; i++) {
        kdi_kern()->relu_grad_f32(y + i * layer->out, dy.values + i * dy.stride, layer->out);
    }
}

const kdi_layer_ops kdi_layer_relu = {
    .name = "relu",
    .in_place = true,
    .forward = forward,
    .infer = infer,
    .delta = delta,
};
