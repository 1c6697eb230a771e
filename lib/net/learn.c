/* SPDX-License-Identifier: MIT */
/*
 * The second phase of a step: gradients and updates, as tiles of rows of all weights at once. If a
 * bound on every gradient, the sum over cases of |delta| |input|, proves that the update is safe, a
 * tile's weights move as soon as its gradient is there; plain momentum then needs no gradient at
 * all, because the product adds straight to it. Otherwise all gradients come first, and are looked
 * at before the first weight moves.
 */
#include "net/learn.h"

#include <math.h>

/* Weights that stay in the nearest cache together with their momentum. */
#define NEAR_FLOATS 3072

/* All tiles of all weights, numbered through. */
typedef struct learn_job {
    const kd_workspace *ws;
    const kdi_tensor *tensors;
    const kdi_plan *plan; /* NULL: gradients only */
    float beta;           /* of the gradients */
    bool gradients;       /* make them; else they are there */
} learn_job;

static double work_of(const kd_workspace *ws, const kdi_stage *stage)
{
    return stage->dense ? kdi_net_work(&ws->net->nodes[stage->first].layer, ws->n) : 0.0;
}

static void move(const learn_job *job, const kdi_tensor *t, kdi_tile rows, bool ridden)
{
    (ridden ? kdi_optim_apply_ridden : kdi_optim_apply)(job->plan, t, rows.begin,
                                                        rows.end - rows.begin);
}

static size_t tiles_of(const kd_workspace *ws, const kdi_stage *stage)
{
    return stage->dense ? kdi_net_tiles(stage->width, work_of(ws, stage)) : 0;
}

/* Rows of one layer's weights and biases. */
static void learn_rows(const learn_job *job, size_t s, kdi_tile rows)
{
    size_t param = job->ws->net->nodes[job->ws->stages[s].first].param;
    float *const *gradients = job->ws->gradients + param;
    kdi_sink sink = {gradients[0], gradients[1], job->beta};
    bool ridden = job->plan && job->gradients && job->plan->rides;
    if (ridden) {
        sink = (kdi_sink){job->tensors[param].first, job->tensors[param + 1].first,
                          (float)job->plan->by_sgd.momentum};
    }
    if (job->gradients) {
        kdi_net_gradient_tile(job->ws, s, sink, rows);
    }
    if (job->plan) {
        move(job, &job->tensors[param], rows, ridden);
        move(job, &job->tensors[param + 1], rows, ridden);
    }
}

/* A product of one case is no more than memory moved: as many rows at once as stay in the cache. */
static size_t step_of(const kd_workspace *ws, const kdi_stage *stage, kdi_tile tile)
{
    size_t width = ws->net->nodes[stage->first].layer.in;
    size_t rows = width < NEAR_FLOATS ? NEAR_FLOATS / width : 1;
    return ws->n == 1 ? rows : tile.end - tile.begin;
}

static void learn_tile(void *user, size_t task, size_t worker)
{
    (void)worker;
    const learn_job *job = user;
    size_t s = 0;
    for (size_t tiles; task >= (tiles = tiles_of(job->ws, &job->ws->stages[s])); s++) {
        task -= tiles;
    }
    const kdi_stage *stage = &job->ws->stages[s];
    kdi_tile tile = kdi_net_tile(stage->width, tiles_of(job->ws, stage), task);
    size_t step = step_of(job->ws, stage, tile);
    for (size_t row = tile.begin; row < tile.end; row += step) {
        size_t end = row + step < tile.end ? row + step : tile.end;
        learn_rows(job, s, (kdi_tile){row, end});
    }
}

static void run(learn_job *job)
{
    size_t tiles = 0;
    double work = 0.0;
    for (size_t s = 0; s < job->ws->n_stages; s++) {
        tiles += tiles_of(job->ws, &job->ws->stages[s]);
        work += work_of(job->ws, &job->ws->stages[s]);
    }
    kdi_net_run(job->ws, work, tiles, learn_tile, job);
}

void kdi_net_run_gradients(kd_workspace *ws, bool add)
{
    learn_job job = {.ws = ws, .beta = add ? 1.0f : 0.0f, .gradients = true};
    run(&job);
    ws->has_gradient = true;
}

void kdi_net_apply(const kd_workspace *ws, const kdi_tensor *tensors, const kdi_plan *plan)
{
    learn_job job = {.ws = ws, .tensors = tensors, .plan = plan};
    run(&job);
}

void kdi_net_learn_at_once(const kd_workspace *ws, const kdi_tensor *tensors, const kdi_plan *plan)
{
    learn_job job = {.ws = ws, .tensors = tensors, .plan = plan, .gradients = true};
    run(&job);
}

double kdi_net_gradient_bound(const kd_workspace *ws)
{
    double bound = 0.0;
    float input = ws->x_largest;
    for (size_t s = 0; s < ws->n_stages; s++) {
        const kdi_stage *stage = &ws->stages[s];
        if (!isfinite(input)) {
            return (double)INFINITY; /* fmax would drop a NaN */
        }
        if (stage->dense) {
            double d = (double)stage->d_largest.tile[0] * (double)ws->n;
            bound = fmax(bound, d * fmax((double)input, 1.0)); /* 1: what a bias takes in */
        }
        input = kdi_net_largest(&stage->y_largest, stage->y_tiles);
    }
    return bound;
}
