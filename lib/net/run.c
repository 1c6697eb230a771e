/* SPDX-License-Identifier: MIT */
/* Running a net, stage by stage: inference, forward in training, and the chain of deltas. */
#include "net/parts.h"

#include <math.h>
#include <string.h>

/* One stage, for the tasks that work on its tiles. */
typedef struct stage_job {
    const kd_workspace *ws;
    size_t stage;
    size_t tiles;
    bool training;
    const float *x;
    size_t x_stride;
} stage_job;

kdi_pass kdi_net_pass(const kd_workspace *ws, size_t node)
{
    return (kdi_pass){
        .kern = kdi_ctx_kern(ws->context),
        .n = ws->n,
        .seed = ws->seed,
        .node = (uint32_t)node,
        .epoch = ws->epoch,
        .ids = ws->ids,
        .own_products = kdi_ctx_own_products(ws->context),
    };
}

const float *kdi_net_input_of(const kd_workspace *ws, size_t stage, size_t *out_stride)
{
    if (stage == 0) {
        *out_stride = ws->x_stride;
        return ws->x;
    }
    *out_stride = ws->stages[stage - 1].width;
    return ws->stages[stage - 1].y;
}

/* An elementwise stage has no product; an element of it is worth some operations. */
static double work_of(const kd_workspace *ws, const kdi_stage *stage)
{
    const kdi_layer *layer = &ws->net->nodes[stage->first].layer;
    return stage->dense ? kdi_net_work(layer, ws->n) : 32.0 * (double)ws->n * (double)stage->width;
}

static size_t tiles_of(const kd_workspace *ws, const kdi_stage *stage)
{
    return kdi_net_tiles(stage->width, work_of(ws, stage));
}

static void forward_tile(void *user, size_t task, size_t worker)
{
    (void)worker;
    const stage_job *job = user;
    kdi_stage *stage = &job->ws->stages[job->stage];
    kdi_tile tile = kdi_net_tile(stage->width, job->tiles, task);
    kdi_rows y = {stage->y, stage->width};
    const float *at = job->x;
    size_t stride = job->x_stride;
    for (size_t i = stage->first; i < stage->end; i++) {
        const kdi_layer *layer = &job->ws->net->nodes[i].layer;
        kdi_pass pass = kdi_net_pass(job->ws, i);
        if (job->training) {
            layer->ops->forward(layer, &pass, at, stride, y, tile);
        } else if (layer->ops->infer) {
            layer->ops->infer(layer, &pass, at, stride, y, tile);
        } else {
            continue;
        }
        at = y.values;
        stride = y.stride;
    }
    if (job->training) {
        (void)kdi_ctx_kern(job->ws->context)
            ->absmax_f32(y.values + tile.begin, job->ws->n, tile.end - tile.begin, y.stride,
                         &stage->y_largest.tile[task]);
    }
}

/* Whether anything happens in a stage at inference; dropout alone passes x on. */
static bool infers(const kd_net *net, const kdi_stage *stage)
{
    bool any = false;
    for (size_t i = stage->first; i < stage->end; i++) {
        any = any || net->nodes[i].layer.ops->infer;
    }
    return any;
}

const float *kdi_net_run_infer(kd_workspace *ws, const float *x, size_t n, size_t x_stride)
{
    ws->n = n;
    const float *at = x;
    size_t stride = x_stride;
    for (size_t s = 0; s < ws->n_stages; s++) {
        const kdi_stage *stage = &ws->stages[s];
        if (!infers(ws->net, stage)) {
            continue;
        }
        stage_job job = {ws, s, tiles_of(ws, stage), false, at, stride};
        kdi_ctx_run(ws->context, job.tiles, forward_tile, &job);
        at = stage->y;
        stride = stage->width;
    }
    ws->n = 0; /* the buffers of a forward are overwritten */
    return at;
}

float *kdi_net_run_forward(kd_workspace *ws, const kd_batch *known, float largest)
{
    ws->n = known->n;
    ws->x = known->x;
    ws->x_stride = known->x_stride;
    ws->x_largest = largest;
    ws->epoch = known->epoch;
    ws->numbered = !known->ids;
    for (size_t i = 0; i < known->n; i++) {
        ws->ids[i] = known->ids ? known->ids[i] : ws->position + i;
    }
    for (size_t s = 0; s < ws->n_stages; s++) {
        stage_job job = {.ws = ws, .stage = s, .training = true};
        job.tiles = tiles_of(ws, &ws->stages[s]);
        ws->stages[s].y_tiles = job.tiles;
        job.x = kdi_net_input_of(ws, s, &job.x_stride);
        kdi_ctx_run(ws->context, job.tiles, forward_tile, &job);
    }
    return kdi_net_last(ws)->y;
}

void kdi_net_advance(kd_workspace *ws)
{
    ws->position += ws->numbered ? ws->n : 0;
}

float *kdi_net_d_logits(kd_workspace *ws)
{
    return kdi_net_last(ws)->d;
}

/* The delta of a stage's dense output: from the stage above, then back through its own nodes. */
static void delta_tile(void *user, size_t task, size_t worker)
{
    (void)worker;
    const stage_job *job = user;
    const kd_workspace *ws = job->ws;
    kdi_stage *stage = &ws->stages[job->stage];
    kdi_tile tile = kdi_net_tile(stage->width, job->tiles, task);
    kdi_rows d = {stage->d, stage->width};
    if (job->stage + 1 < ws->n_stages) {
        const kdi_stage *above = &ws->stages[job->stage + 1];
        const kdi_layer *layer = &ws->net->nodes[above->first].layer;
        kdi_pass pass = kdi_net_pass(ws, above->first);
        layer->ops->delta(layer, &pass, above->y, (kdi_rows){above->d, above->width}, d, tile);
    }
    for (size_t i = stage->end; i-- > stage->first + 1;) {
        const kdi_layer *layer = &ws->net->nodes[i].layer;
        kdi_pass pass = kdi_net_pass(ws, i);
        pass.rectified = stage->rectified;
        layer->ops->delta(layer, &pass, stage->y, d, d, tile);
    }
    (void)kdi_ctx_kern(ws->context)
        ->absmax_f32(d.values + tile.begin, ws->n, tile.end - tile.begin, d.stride,
                     &stage->d_largest.tile[task]);
}

/* The tiles of a stage's delta; with the work of the product that makes it. */
static size_t delta_tiles(const kd_workspace *ws, size_t s)
{
    if (s + 1 == ws->n_stages) {
        return 1;
    }
    const kdi_layer *above = &ws->net->nodes[ws->stages[s + 1].first].layer;
    return kdi_net_tiles(ws->stages[s].width, kdi_net_work(above, ws->n));
}

kd_status kdi_net_run_deltas(kd_workspace *ws, kd_error *error)
{
    for (size_t left = ws->n_stages; left > 0 && ws->stages[left - 1].d; left--) {
        size_t s = left - 1;
        kdi_stage *stage = &ws->stages[s];
        stage_job job = {.ws = ws, .stage = s, .tiles = delta_tiles(ws, s)};
        kdi_ctx_run(ws->context, job.tiles, delta_tile, &job);
        float largest = kdi_net_largest(&stage->d_largest, job.tiles);
        if (!isfinite(largest)) {
            return kdi_base_fail(error, KD_ERR_NOT_FINITE, 2, "the delta at node %z is not finite",
                                 stage->first);
        }
        stage->d_largest.tile[0] = largest; /* from here on the largest of all */
    }
    return KD_OK;
}

void kdi_net_gradient_tile(const kd_workspace *ws, size_t s, kdi_sink sink, kdi_tile tile)
{
    const kdi_stage *stage = &ws->stages[s];
    const kdi_layer *layer = &ws->net->nodes[stage->first].layer;
    kdi_pass pass = kdi_net_pass(ws, stage->first);
    size_t stride;
    const float *x = kdi_net_input_of(ws, s, &stride);
    layer->ops->gradient(layer, &pass, x, stride, (kdi_rows){stage->d, stage->width}, sink, tile);
}
