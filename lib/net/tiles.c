/* SPDX-License-Identifier: MIT */
/*
 * How work is cut. Tiles depend on shapes alone, never on threads: then the bits of a result don't
 * depend on threads either. A tile costs a BLAS some packing, so there are few, and an even number
 * of them, because most machines have an even number of cores.
 */
#include "net/parts.h"

#include <math.h>

/* Columns that a tile has about (docs/performance.md has what others cost), and a multiple of what.
 */
#define TILE 400
#define LANES 16
/* Below this many operations a barrier costs more than a second thread gains. */
#define LEAST_WORK 4e6

static size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

size_t kdi_net_tiles(size_t width, double work)
{
    if (work < LEAST_WORK) {
        return 1;
    }
    size_t pairs = (width + TILE) / ((size_t)2 * TILE);
    size_t tiles = pairs ? 2 * pairs : 2;
    tiles = tiles > KDI_NET_TILES ? KDI_NET_TILES : tiles;
    size_t each = round_up((width + tiles - 1) / tiles, LANES);
    return (width + each - 1) / each; /* none is empty */
}

kdi_tile kdi_net_tile(size_t width, size_t tiles, size_t i)
{
    size_t each = round_up((width + tiles - 1) / tiles, LANES);
    size_t end = (i + 1) * each;
    return (kdi_tile){i * each, end < width ? end : width};
}

double kdi_net_work(const kdi_layer *layer, size_t n)
{
    return 2.0 * (double)layer->in * (double)layer->out *
           (double)(n < KDI_LAYER_FEW ? KDI_LAYER_FEW : n);
}

void kdi_net_run(const kd_workspace *ws, double work, size_t tasks, kdi_task_fn fn, void *user)
{
    kdi_ctx_run(work < LEAST_WORK ? NULL : ws->context, tasks, fn, user);
}

float kdi_net_largest(const kdi_largest *largest, size_t tiles)
{
    float max = 0.0f;
    for (size_t i = 0; i < tiles; i++) {
        if (!isfinite(largest->tile[i])) {
            return largest->tile[i]; /* or a later tile would push a NaN out again */
        }
        max = largest->tile[i] > max ? largest->tile[i] : max;
    }
    return max;
}
