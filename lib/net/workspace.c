/* SPDX-License-Identifier: MIT */
/*
 * Workspaces. A dense node opens a stage: its output and, in training, the delta of it. The
 * elementwise nodes behind it work in place on the same buffers. Elementwise nodes on x itself open
 * a stage without a delta, since nothing flows back to x. For inference two buffers, used in turn,
 * are enough.
 */
#include "net/parts.h"

static float *take_rows(kdi_arena *arena, size_t batch, size_t width)
{
    size_t count;
    if (!kdi_base_mul(batch, width, &count)) {
        arena->overflow = true;
        return NULL;
    }
    return kdi_base_take(arena, count, sizeof(float));
}

static bool opens_stage(const kdi_node *node)
{
    return node->input == KDI_NET_INPUT || !node->layer.ops->in_place;
}

/* Buffers of one stage: its own in training, the next of two in turn at inference. */
static void take_buffers(kd_workspace *ws, kdi_stage *stage, float *const turn[2], size_t index,
                         kdi_arena *arena)
{
    if (!ws->training) {
        stage->y = turn[index % 2];
        return;
    }
    stage->y = take_rows(arena, ws->batch, stage->width);
    stage->d = stage->dense ? take_rows(arena, ws->batch, stage->width) : NULL;
}

static void lay_out_stages(kd_workspace *ws, const kd_net *net, float *const turn[2],
                           kdi_arena *arena)
{
    size_t count = 0;
    for (size_t i = 0; i < net->n_nodes; i++) {
        const kdi_node *node = &net->nodes[i];
        if (opens_stage(node)) {
            kdi_stage stage = {
                .first = i, .dense = node->layer.ops->params > 0, .width = node->layer.out};
            take_buffers(ws, &stage, turn, count, arena);
            if (ws->stages) {
                ws->stages[count] = stage;
            }
            count++;
        }
        if (ws->stages) {
            kdi_stage *stage = &ws->stages[count - 1];
            stage->end = i + 1;
            stage->rectified = stage->rectified || node->layer.ops->rectifies;
        }
    }
    ws->n_stages = count;
}

static void lay_out_training(kd_workspace *ws, const kd_net *net, kdi_arena *arena)
{
    lay_out_stages(ws, net, NULL, arena);
    ws->gradients = kdi_base_take(arena, net->n_params, sizeof *ws->gradients);
    for (size_t i = 0; i < net->n_params; i++) {
        /* The parameters are in memory, so their sizes can't wrap. */
        size_t count = net->params[i].rows * net->params[i].columns;
        float *gradient = kdi_base_take(arena, count, sizeof(float));
        if (ws->gradients) {
            ws->gradients[i] = gradient;
        }
    }
    ws->ids = kdi_base_take(arena, ws->batch, sizeof *ws->ids);
}

static void lay_out_inference(kd_workspace *ws, const kd_net *net, kdi_arena *arena)
{
    size_t widest = 0;
    for (size_t i = 0; i < net->n_nodes; i++) {
        widest = net->nodes[i].layer.out > widest ? net->nodes[i].layer.out : widest;
    }
    float *turn[2];
    turn[0] = take_rows(arena, ws->batch, widest);
    turn[1] = take_rows(arena, ws->batch, widest);
    lay_out_stages(ws, net, turn, arena);
}

/* Runs twice, to measure and to place. */
static void lay_out(kd_workspace *ws, const kd_net *net, kdi_arena *arena)
{
    ws->stages = kdi_base_take(arena, net->n_nodes, sizeof *ws->stages); /* at most one a node */
    if (ws->training) {
        lay_out_training(ws, net, arena);
    } else {
        lay_out_inference(ws, net, arena);
    }
}

/* Checks, and fills a workspace that is only measured. */
static kd_status plan(const kd_net *net, const kd_workspace_options *options, kd_workspace *ws,
                      size_t *out_bytes, kd_error *error)
{
    if (!net) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "net is NULL");
    }
    if (!kdi_net_ready(net)) {
        return kdi_base_fail(error, KD_ERR_STATE, 1, "net is not initialised");
    }
    kd_workspace_options o = KD_WORKSPACE_OPTIONS_INIT;
    kd_status status = KD_OK;
    if (options) {
        status = kdi_base_open(&o, sizeof o, options, "options", 2, error);
    }
    if (status == KD_OK) {
        status = kdi_base_check_size(o.batch, "options.batch", 2, error);
    }
    if (status == KD_OK && o.training != 0 && o.training != 1) {
        status = kdi_base_fail(error, KD_ERR_VALUE, 2, "options.training is %i, not 0 or 1",
                               (int64_t)o.training);
    }
    if (status != KD_OK) {
        return status;
    }
    *ws = (kd_workspace){.batch = o.batch, .training = o.training == 1, .seed = o.seed};
    kdi_arena measure = {0};
    lay_out(ws, net, &measure);
    if (measure.overflow || measure.used > PTRDIFF_MAX) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 2,
                             "a workspace for options.batch = %z takes more bytes than fit a size",
                             o.batch);
    }
    *out_bytes = measure.used;
    return KD_OK;
}

kd_status kd_workspace_size(const kd_net *net, const kd_workspace_options *options,
                            size_t *out_bytes, kd_error *error)
{
    if (!out_bytes) {
        return kdi_base_fail(error, KD_ERR_NULL, 3, "out_bytes is NULL");
    }
    kd_workspace ws;
    kd_status status = plan(net, options, &ws, out_bytes, error);
    if (status == KD_OK) {
        *out_bytes += sizeof ws;
    }
    return status;
}

kd_status kd_workspace_create(kd_net *net, const kd_workspace_options *options,
                              kd_workspace **out_workspace, kd_error *error)
{
    if (!out_workspace) {
        return kdi_base_fail(error, KD_ERR_NULL, 3, "out_workspace is NULL");
    }
    *out_workspace = NULL;
    kd_workspace planned;
    size_t bytes = 0;
    kd_status status = plan(net, options, &planned, &bytes, error);
    if (status != KD_OK) {
        return status;
    }
    kd_context *context = net->context;
    kd_workspace *ws = kdi_ctx_new(context, sizeof *ws);
    void *block = ws ? kdi_ctx_new(context, bytes) : NULL;
    if (!block) {
        kdi_ctx_delete(context, ws, sizeof *ws);
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a workspace (%z bytes)",
                             bytes);
    }
    *ws = planned;
    ws->context = kdi_ctx_retain(context);
    ws->net = kdi_net_retain(net);
    ws->block = block;
    ws->block_size = bytes;
    ws->error = (kd_error)KD_ERROR_INIT;
    kdi_arena place = {.base = block};
    lay_out(ws, net, &place);
    *out_workspace = ws;
    return KD_OK;
}

void kd_workspace_destroy(kd_workspace *workspace)
{
    if (!workspace) {
        return;
    }
    kd_context *context = workspace->context;
    kd_net_destroy(workspace->net);
    kdi_ctx_delete(context, workspace->block, workspace->block_size);
    kdi_ctx_delete(context, workspace, sizeof *workspace);
    kd_context_destroy(context);
}

kd_net *kdi_net_of_workspace(const kd_workspace *ws)
{
    return ws->net;
}

float *kdi_net_gradient(const kd_workspace *ws, size_t param)
{
    return ws->training ? ws->gradients[param] : NULL;
}

uint64_t kdi_net_seed(const kd_workspace *ws)
{
    return ws->seed;
}

uint64_t kdi_net_position(const kd_workspace *ws)
{
    return ws->position;
}

void kdi_net_start_at(kd_workspace *ws, uint64_t position)
{
    ws->position = position;
    ws->n = 0;
    ws->has_gradient = false;
}

const char *kd_workspace_error(const kd_workspace *workspace)
{
    return workspace ? workspace->error.text : "";
}
