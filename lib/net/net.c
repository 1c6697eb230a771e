/* SPDX-License-Identifier: MIT */
/* Nets: building the chain, references, views of parameters. */
#include "net/parts.h"

#include <math.h>
#include <string.h>

kd_status kd_net_create(kd_context *context, size_t inputs, kd_net **out_net, kd_error *error)
{
    if (!out_net) {
        return kdi_base_fail(error, KD_ERR_NULL, 3, "out_net is NULL");
    }
    *out_net = NULL;
    if (!context) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "context is NULL");
    }
    kd_status status = kdi_base_check_size(inputs, "inputs", 2, error);
    if (status != KD_OK) {
        return status;
    }
    kd_net *net = kdi_ctx_new(context, sizeof *net);
    if (!net) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a net (%z bytes)",
                             sizeof *net);
    }
    atomic_init(&net->refs, 1);
    net->context = kdi_ctx_retain(context);
    net->inputs = inputs;
    net->error = (kd_error)KD_ERROR_INIT;
    *out_net = net;
    return KD_OK;
}

void kd_net_destroy(kd_net *net)
{
    if (!net || !kdi_base_release(&net->refs)) {
        return;
    }
    kd_context *context = net->context;
    kdi_ctx_delete(context, net->block, net->block_size);
    kdi_ctx_delete(context, net->nodes, net->capacity * sizeof *net->nodes);
    kdi_ctx_delete(context, net, sizeof *net);
    kd_context_destroy(context);
}

kd_net *kdi_net_retain(kd_net *net)
{
    kdi_base_retain(&net->refs);
    return net;
}

kd_context *kdi_net_context(const kd_net *net)
{
    return net->context;
}

bool kdi_net_ready(const kd_net *net)
{
    return net->n_params > 0;
}

size_t kdi_net_inputs(const kd_net *net)
{
    return net->inputs;
}

size_t kdi_net_outputs(const kd_net *net)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): nodes are there if there is one */
    return net->n_nodes ? net->nodes[net->n_nodes - 1].layer.out : net->inputs;
}

/* Room for one node more. */
static kd_status grow(kd_net *net)
{
    if (net->n_nodes < net->capacity) {
        return KD_OK;
    }
    size_t capacity = net->capacity ? 2 * net->capacity : 8;
    size_t bytes;
    kdi_node *nodes = NULL;
    if (kdi_base_mul(capacity, sizeof *nodes, &bytes)) {
        nodes = kdi_ctx_new(net->context, bytes);
    }
    if (!nodes) {
        return kdi_base_fail(&net->error, KD_ERR_MEMORY, 0, "no memory for %z nodes", capacity);
    }
    if (net->nodes) {
        memcpy(nodes, net->nodes, net->n_nodes * sizeof *nodes);
        kdi_ctx_delete(net->context, net->nodes, net->capacity * sizeof *nodes);
    }
    net->nodes = nodes;
    net->capacity = capacity;
    return KD_OK;
}

static kd_status add(kd_net *net, kdi_layer layer)
{
    if (kdi_net_ready(net)) {
        return kdi_base_fail(&net->error, KD_ERR_STATE, 1,
                             "the net is initialised; its %z nodes are fixed", net->n_nodes);
    }
    kd_status status = grow(net);
    if (status != KD_OK) {
        return status;
    }
    const kdi_node *last = net->n_nodes ? &net->nodes[net->n_nodes - 1] : NULL;
    size_t before = last ? last->param + last->layer.ops->params : 0;
    layer.in = kdi_net_outputs(net);
    layer.out = layer.out ? layer.out : layer.in;
    net->nodes[net->n_nodes] = (kdi_node){
        .layer = layer,
        .input = net->n_nodes ? net->n_nodes - 1 : KDI_NET_INPUT,
        .param = before,
    };
    net->n_nodes++;
    return KD_OK;
}

kd_status kd_net_add_dense(kd_net *net, size_t units)
{
    if (!net) {
        return KD_ERR_NULL;
    }
    kd_status status = kdi_base_check_size(units, "units", 2, &net->error);
    return status == KD_OK ? add(net, (kdi_layer){.ops = &kdi_layer_dense, .out = units}) : status;
}

kd_status kd_net_add_relu(kd_net *net)
{
    return net ? add(net, (kdi_layer){.ops = &kdi_layer_relu}) : KD_ERR_NULL;
}

kd_status kd_net_add_dropout(kd_net *net, float rate)
{
    if (!net) {
        return KD_ERR_NULL;
    }
    if (!(rate >= 0.0f && rate < 1.0f)) {
        return kdi_base_fail(&net->error, KD_ERR_VALUE, 2, "rate is %g, not in [0, 1)",
                             (double)rate);
    }
    double steps = floor((double)rate * 65536.0 + 0.5);
    uint32_t threshold = steps > 65535.0 ? 65535u : (uint32_t)steps;
    return add(net, (kdi_layer){.ops = &kdi_layer_dropout, .threshold = threshold});
}

size_t kdi_net_nodes(const kd_net *net)
{
    return net->n_nodes;
}

kd_status kd_net_get_node(const kd_net *net, size_t index, kd_node *out_node, kd_error *error)
{
    if (!net) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "net is NULL");
    }
    kd_status status = kdi_base_open_out(out_node, "out_node", 3, error);
    if (status == KD_OK && index >= net->n_nodes) {
        status = kdi_base_fail(error, KD_ERR_INDEX, 2, "index is %z, but there are %z nodes", index,
                               net->n_nodes);
    }
    if (status == KD_OK) {
        const kdi_layer *layer = &net->nodes[index].layer;
        float rate = (float)layer->threshold / 65536.0f;
        kd_node node = {sizeof node, layer->in, layer->out, layer->ops->kind, rate};
        kdi_base_write_struct(out_node, &node, sizeof node);
    }
    return status;
}

const char *kd_net_error(const kd_net *net)
{
    return net ? net->error.text : "";
}

kd_status kd_net_get_info(const kd_net *net, kd_net_info *out_info, kd_error *error)
{
    if (!net) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "net is NULL");
    }
    kd_status status = kdi_base_open_out(out_info, "out_info", 2, error);
    if (status != KD_OK) {
        return status;
    }
    kd_net_info info = {sizeof info,  net->inputs,   kdi_net_outputs(net),
                        net->n_nodes, net->n_params, 0};
    for (size_t i = 0; i < net->n_params; i++) {
        info.values += (uint64_t)net->params[i].rows * net->params[i].columns;
    }
    kdi_base_write_struct(out_info, &info, sizeof info);
    return KD_OK;
}
