/* SPDX-License-Identifier: MIT */
/*
 * Inverted dropout. No mask is kept: the random bits are a function of (seed, node, epoch, case),
 * so the way back draws the same ones again.
 */
#include "kern/kern.h"
#include "layer/layer.h"

static void drop_rows(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                      kdi_rows y)
{
    kdi_drop drop = {
        .key = kdi_base_rng_key(pass->seed, KDI_STREAM_DROPOUT | pass->node),
        .epoch = pass->epoch,
        .threshold = layer->threshold,
        .scale = 65536.0f / (float)(65536u - layer->threshold),
    };
    for (size_t i = 0; i < pass->n; i++) {
        drop.id = pass->ids[i];
        kdi_kern()->dropout_f32(&drop, x + i * x_stride, y.values + i * y.stride, layer->out);
    }
}

static void delta(const kdi_layer *layer, const kdi_pass *pass, const float *y, kdi_rows dy,
                  kdi_rows dx)
{
    (void)y;
    (void)dx;
    drop_rows(layer, pass, dy.values, dy.stride, dy);
}

const kdi_layer_ops kdi_layer_dropout = {
    .name = "dropout",
    .in_place = true,
    .forward = drop_rows,
    .delta = delta,
};
