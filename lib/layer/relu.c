/* SPDX-License-Identifier: MIT */
/* y = max(x, 0). The output is its own mask: where it is 0, nothing flows back. */
#include "layer/layer.h"

#include <string.h>

static void infer(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                  kdi_rows y, kdi_tile tile)
{
    (void)layer;
    size_t width = tile.end - tile.begin;
    float *out = y.values + tile.begin;
    for (size_t i = 0; y.values != x && i < pass->n; i++) {
        memcpy(out + i * y.stride, x + i * x_stride + tile.begin, width * sizeof *out);
    }
    pass->kern->relu_f32(out, pass->n, width, y.stride);
}

static void delta(const kdi_layer *layer, const kdi_pass *pass, const float *y, kdi_rows dy,
                  kdi_rows dx, kdi_tile tile)
{
    (void)dx;
    pass->kern->relu_grad_f32(y + tile.begin, layer->out, dy.values + tile.begin, pass->n,
                              tile.end - tile.begin, dy.stride);
}

const kdi_layer_ops kdi_layer_relu = {
    .name = "relu",
    .kind = KD_NODE_RELU,
    .in_place = true,
    .rectifies = true,
    .forward = infer,
    .infer = infer,
    .delta = delta,
};
