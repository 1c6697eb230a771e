/* SPDX-License-Identifier: MIT */
/* An optimiser bound to a net: the net's tensors, and the state that goes with them. */
#include "net/parts.h"

#include <math.h>

struct kd_optimizer {
    kd_context *context;
    kd_net *net;
    kdi_optim optim;
    void *block;
    size_t block_size;
    kdi_tensor *tensors; /* one per parameter */
    kd_error error;
};

/* max_norm holds for units whose output goes to another layer: every dense layer but the last. */
static bool is_hidden(const kd_net *net, const kdi_net_param *p)
{
    return p->node != net->params[net->n_params - 1].node;
}

static kdi_tensor *lay_out(const kd_net *net, size_t states, kdi_arena *arena)
{
    kdi_tensor *tensors = kdi_base_take(arena, net->n_params, sizeof *tensors);
    for (size_t i = 0; i < net->n_params; i++) {
        const kdi_net_param *p = &net->params[i];
        size_t count = p->rows * p->columns;
        kdi_tensor t = {
            .values = p->values,
            .rows = p->rows,
            .columns = p->columns,
            .decays = !p->bias,
            .limited = !p->bias && is_hidden(net, p),
        };
        t.first = states > 0 ? kdi_base_take(arena, count, sizeof(float)) : NULL;
        t.second = states > 1 ? kdi_base_take(arena, count, sizeof(float)) : NULL;
        if (tensors) {
            tensors[i] = t;
        }
    }
    return tensors;
}

static kd_status make(kd_net *net, const kdi_optim *optim, kd_optimizer **out_optimizer,
                      kd_error *error)
{
    kdi_arena measure = {0};
    lay_out(net, kdi_optim_states(optim), &measure);
    kd_context *context = net->context;
    kd_optimizer *optimizer = kdi_ctx_new(context, sizeof *optimizer);
    void *block = optimizer && !measure.overflow ? kdi_ctx_new(context, measure.used) : NULL;
    if (!block) {
        kdi_ctx_delete(context, optimizer, sizeof *optimizer);
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for an optimiser (%z bytes)",
                             measure.used);
    }
    kdi_arena place = {.base = block};
    optimizer->context = kdi_ctx_retain(context);
    optimizer->net = kdi_net_retain(net);
    optimizer->optim = *optim;
    optimizer->block = block;
    optimizer->block_size = measure.used;
    optimizer->tensors = lay_out(net, kdi_optim_states(optim), &place);
    optimizer->error = (kd_error)KD_ERROR_INIT;
    *out_optimizer = optimizer;
    return KD_OK;
}

kd_status kd_optimizer_create(kd_net *net, const kd_optimizer_options *options,
                              kd_optimizer **out_optimizer, kd_error *error)
{
    if (!out_optimizer) {
        return kdi_base_fail(error, KD_ERR_NULL, 3, "out_optimizer is NULL");
    }
    *out_optimizer = NULL;
    if (!net) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "net is NULL");
    }
    if (!kdi_net_ready(net)) {
        return kdi_base_fail(error, KD_ERR_STATE, 1, "net is not initialised");
    }
    kdi_optim optim;
    kd_status status = kdi_optim_open(&optim, options, 2, error);
    return status == KD_OK ? make(net, &optim, out_optimizer, error) : status;
}

void kd_optimizer_destroy(kd_optimizer *optimizer)
{
    if (!optimizer) {
        return;
    }
    kd_context *context = optimizer->context;
    kd_net_destroy(optimizer->net);
    kdi_ctx_delete(context, optimizer->block, optimizer->block_size);
    kdi_ctx_delete(context, optimizer, sizeof *optimizer);
    kd_context_destroy(context);
}

kd_status kdi_net_update(kd_optimizer *optimizer, kd_workspace *ws, kdi_update *update,
                         kd_error *error)
{
    for (size_t i = 0; i < optimizer->net->n_params; i++) {
        optimizer->tensors[i].gradient = ws->gradients[i];
    }
    return kdi_optim_step(&optimizer->optim, optimizer->tensors, optimizer->net->n_params, update,
                          error);
}

uint64_t kdi_net_updates(const kd_optimizer *optimizer)
{
    return optimizer->optim.step;
}

kd_status kd_optimizer_step(kd_optimizer *optimizer, kd_workspace *workspace)
{
    if (!optimizer) {
        return KD_ERR_NULL;
    }
    kd_error *error = &optimizer->error;
    if (!workspace) {
        return kdi_base_fail(error, KD_ERR_NULL, 2, "workspace is NULL");
    }
    if (workspace->net != optimizer->net) {
        return kdi_base_fail(error, KD_ERR_STATE, 2, "the workspace belongs to another net");
    }
    if (!workspace->has_gradient) {
        return kdi_base_fail(error, KD_ERR_STATE, 2, "no kd_net_backward came before");
    }
    kdi_update update = {.scale = 1.0};
    return kdi_net_update(optimizer, workspace, &update, error);
}

const char *kd_optimizer_error(const kd_optimizer *optimizer)
{
    return optimizer ? optimizer->error.text : "";
}
