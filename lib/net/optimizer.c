/* SPDX-License-Identifier: MIT */
/* An optimiser bound to a net: the net's tensors, and the state that goes with them. */
#include "net/learn.h"

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

/* Weights that grow by their own decay count too. */
static kd_status survey_weights(kd_optimizer *optimizer, const kdi_kernels *kern, kdi_survey *s,
                                kd_error *error)
{
    for (size_t i = 0; kdi_optim_decays(&optimizer->optim) && i < optimizer->net->n_params; i++) {
        const kdi_tensor *t = &optimizer->tensors[i];
        float w;
        if (!t->decays) {
            continue;
        }
        if (!kern->absmax_f32(t->values, t->rows, t->columns, t->columns, &w)) {
            return kdi_base_fail(error, KD_ERR_NOT_FINITE, 0, "parameter %z is not finite", i);
        }
        s->weight = fmax(s->weight, (double)w);
    }
    return KD_OK;
}

static kd_status survey_gradients(kd_optimizer *optimizer, const kdi_kernels *kern, bool norm,
                                  kdi_survey *s, kd_error *error)
{
    for (size_t i = 0; i < optimizer->net->n_params; i++) {
        const kdi_tensor *t = &optimizer->tensors[i];
        float g;
        if (!kern->absmax_f32(t->gradient, t->rows, t->columns, t->columns, &g)) {
            return kdi_base_fail(error, KD_ERR_NOT_FINITE, 0,
                                 "the gradient of parameter %z is not finite", i);
        }
        s->gradient = fmax(s->gradient, (double)g);
        s->squares += norm ? kern->sumsq_f32(t->gradient, t->rows * t->columns) : 0.0;
    }
    return KD_OK;
}

kd_status kdi_net_update(kd_optimizer *optimizer, kd_workspace *ws, kdi_update *update,
                         kd_error *error)
{
    const kdi_kernels *kern = kdi_ctx_kern(optimizer->context);
    kdi_survey survey = {0};
    kdi_plan plan;
    for (size_t i = 0; i < optimizer->net->n_params; i++) {
        optimizer->tensors[i].gradient = ws->gradients[i];
    }
    kd_status status = survey_gradients(
        optimizer, kern, kdi_optim_needs_norm(&optimizer->optim, update), &survey, error);
    if (status == KD_OK) {
        status = survey_weights(optimizer, kern, &survey, error);
    }
    if (status == KD_OK) {
        status = kdi_optim_plan(&optimizer->optim, &survey, update, kern, &plan, error);
    }
    if (status == KD_OK) {
        kdi_net_apply(ws, optimizer->tensors, &plan);
        kdi_optim_done(&optimizer->optim, &plan);
    }
    return status;
}

kd_status kdi_net_learn(kd_optimizer *optimizer, kd_workspace *ws, kdi_update *update,
                        kd_error *error)
{
    const kdi_kernels *kern = kdi_ctx_kern(optimizer->context);
    kdi_survey survey = {.gradient = kdi_net_gradient_bound(ws)};
    kdi_plan plan;
    bool bounded = isfinite(survey.gradient) && !kdi_optim_needs_norm(&optimizer->optim, update);
    kd_status status = bounded ? survey_weights(optimizer, kern, &survey, error) : KD_OK;
    if (status != KD_OK) {
        return status;
    }
    if (!bounded ||
        kdi_optim_plan(&optimizer->optim, &survey, update, kern, &plan, NULL) != KD_OK) {
        kdi_net_run_gradients(ws, false);
        return kdi_net_update(optimizer, ws, update, error);
    }
    for (size_t i = 0; i < optimizer->net->n_params; i++) {
        optimizer->tensors[i].gradient = ws->gradients[i];
    }
    kdi_net_learn_at_once(ws, optimizer->tensors, &plan);
    kdi_optim_done(&optimizer->optim, &plan);
    return KD_OK;
}

uint64_t kdi_net_updates(const kd_optimizer *optimizer)
{
    return optimizer->optim.step;
}

kd_net *kdi_net_of_optimizer(const kd_optimizer *optimizer)
{
    return optimizer->net;
}

kdi_optim *kdi_net_optim(kd_optimizer *optimizer)
{
    return &optimizer->optim;
}

float *kdi_net_state(const kd_optimizer *optimizer, size_t param, size_t which)
{
    const kdi_tensor *t = &optimizer->tensors[param];
    return which ? t->second : t->first;
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
