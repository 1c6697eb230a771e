/* SPDX-License-Identifier: MIT */
/* Calls of kd/net.h and kd/train.h. */
#include "sizes.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static kd_status call_kd_net_create(world *w, kd_error *error)
{
    kd_net *made = NULL;
    kd_status status = kd_net_create(NEEDED(w, w->context), INPUTS, &made, error);
    kd_net_destroy(made);
    return status;
}

static kd_status call_kd_net_clone(world *w, kd_error *error)
{
    kd_net *made = NULL;
    kd_status status = kd_net_clone(NEEDED(w, w->net), &made, error);
    kd_net_destroy(made);
    return status;
}

static kd_status call_kd_net_get_info(world *w, kd_error *error)
{
    return kd_net_get_info(NEEDED(w, w->net), w->net_info, error);
}

static kd_status call_kd_net_get_node(world *w, kd_error *error)
{
    return kd_net_get_node(NEEDED(w, w->net), 2, w->node, error);
}

static kd_status call_kd_net_get_param(world *w, kd_error *error)
{
    (void)error;
    return kd_net_get_param(w->net, 1, w->param);
}

static kd_status call_kd_net_find_param(world *w, kd_error *error)
{
    (void)error;
    return kd_net_find_param(w->net, "layers.3.weight", w->param);
}

static kd_status call_kd_workspace_get_gradient(world *w, kd_error *error)
{
    (void)error;
    return kd_workspace_get_gradient(w->workspace, 1, w->param);
}

static kd_status call_kd_workspace_size(world *w, kd_error *error)
{
    size_t bytes = 0;
    kd_status status = kd_workspace_size(NEEDED(w, w->net), w->workspace_options, &bytes, error);
    world_result(w, (double)bytes);
    return status;
}

/* Makes a workspace and runs the net in it, with dropout if that can be. */
static kd_status call_kd_workspace_create(world *w, kd_error *error)
{
    kd_workspace *made = NULL;
    const float *logits;
    float inferred[CASES * K];
    kd_status status = kd_workspace_create(NEEDED(w, w->net), w->workspace_options, &made, error);
    if (status == KD_OK) {
        kd_status run = kd_net_forward(made, &w->own.batch, &logits);
        world_result(w, run);
        world_results(w, run == KD_OK ? logits : inferred, run == KD_OK ? CASES * K : 0);
        for (size_t n = 1; n <= CASES; n++) { /* how many cases it takes */
            world_result(w, kd_net_infer(made, w->own.batch.x, n, 0, inferred, 0));
        }
    }
    kd_workspace_destroy(made);
    return status;
}

static kd_status call_kd_net_forward(world *w, kd_error *error)
{
    const float *logits;
    (void)error;
    kd_status status = kd_net_forward(w->workspace, w->batch, &logits);
    world_results(w, logits, status == KD_OK ? CASES * K : 0);
    return status;
}

/* One update with it, from the loss of the world. */
static kd_status call_kd_optimizer_create(world *w, kd_error *error)
{
    kd_optimizer *made = NULL;
    kd_status status = kd_optimizer_create(NEEDED(w, w->net), w->optimizer_options, &made, error);
    if (status == KD_OK) {
        const float *logits;
        kd_param param = KD_PARAM_INIT;
        world_result(w, kd_net_forward(w->workspace, &w->own.batch, &logits));
        world_result(w, kd_net_backward(w->workspace, w->own.targets.values, 0, 0));
        world_result(w, kd_optimizer_step(made, w->workspace));
        world_result(w, kd_net_get_param(w->net, 0, &param));
        world_results(w, param.values, INPUTS * 6);
    }
    kd_optimizer_destroy(made);
    return status;
}

static kd_status call_kd_teacher_workspace_create(world *w, kd_error *error)
{
    kd_teacher_workspace *made = NULL;
    kd_status status = kd_teacher_workspace_create(NEEDED(w, w->teacher), CASES, &made, error);
    kd_teacher_workspace_destroy(made);
    return status;
}

static kd_status call_kd_teacher_targets(world *w, kd_error *error)
{
    return kd_teacher_targets(NEEDED(w, w->asker), w->batch, 2, w->got_targets, error);
}

static const row rows[] = {
    WORDS(kd_net_create, NULL),
    WORDS(kd_net_clone, NULL),
    ROW(kd_net_get_info, kd_net_info, net_info, FILLED_ONLY, NULL),
    WORDS(kd_net_get_info, NULL),
    ROW(kd_net_get_node, kd_node, node, FILLED_ONLY, NULL),
    WORDS(kd_net_get_node, NULL),
    ROW(kd_net_get_param, kd_param, param, FILLED_ONLY, NULL),
    ROW(kd_net_find_param, kd_param, param, FILLED_ONLY, NULL),
    ROW(kd_workspace_get_gradient, kd_param, param, FILLED_ONLY, NULL),
    ROW(kd_workspace_size, kd_workspace_options, workspace_options, READ, NULL),
    WORDS(kd_workspace_size, NULL),
    ROW(kd_workspace_create, kd_workspace_options, workspace_options, READ, NULL),
    WORDS(kd_workspace_create, NULL),
    ROW(kd_net_forward, kd_batch, batch, READ, NULL),
    ROW(kd_optimizer_create, kd_optimizer_options, optimizer_options, READ, NULL),
    ROW(kd_optimizer_create, kd_schedule, own.optimizer_options.rate_schedule, READ, NULL),
    ROW(kd_optimizer_create, kd_schedule, own.optimizer_options.momentum_schedule, READ, NULL),
    WORDS(kd_optimizer_create, NULL),
    WORDS(kd_teacher_workspace_create, NULL),
    ROW(kd_teacher_targets, kd_batch, batch, READ, NULL),
    ROW(kd_teacher_targets, kd_targets, got_targets, FILLED_ONLY, NULL),
    WORDS(kd_teacher_targets, NULL),
};

const row_list net_rows = {rows, COUNT(rows)};
