/* SPDX-License-Identifier: MIT */
/*
 * Inverted dropout. No mask is kept: the random bits are a function of (seed, node, epoch, case),
 * so the way back could draw the same ones again. Beside a rectifier it need not: what was dropped
 * is 0 in y, and the rectifier lets nothing through there.
 */
#include "layer/layer.h"

static kdi_drop drop_of(const kdi_layer *layer, const kdi_pass *pass)
{
    return (kdi_drop){
        .key = kdi_base_rng_key(pass->seed, KDI_STREAM_DROPOUT | pass->node),
        .epoch = pass->epoch,
        .threshold = layer->threshold,
        .scale = 65536.0f / (float)(65536u - layer->threshold),
    };
}

static void forward(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                    kdi_rows y, kdi_tile tile)
{
    kdi_drop drop = drop_of(layer, pass);
    for (size_t i = 0; i < pass->n; i++) {
        drop.id = pass->ids[i];
        pass->kern->dropout_f32(&drop, x + i * x_stride + tile.begin,
                                y.values + i * y.stride + tile.begin, tile.begin,
                                tile.end - tile.begin);
    }
}

static void delta(const kdi_layer *layer, const kdi_pass *pass, const float *y, kdi_rows dy,
                  kdi_rows dx, kdi_tile tile)
{
    (void)y;
    (void)dx;
    if (!pass->rectified) {
        forward(layer, pass, dy.values, dy.stride, dy, tile);
        return;
    }
    kdi_drop drop = drop_of(layer, pass);
    for (size_t i = 0; i < pass->n; i++) {
        pass->kern->scale_f32(dy.values + i * dy.stride + tile.begin, tile.end - tile.begin,
                              drop.scale);
    }
}

const kdi_layer_ops kdi_layer_dropout = {
    .name = "dropout",
    .kind = KD_NODE_DROPOUT,
    .in_place = true,
    .forward = forward,
    .delta = delta,
};
