/* SPDX-License-Identifier: MIT */
/* Parameters: their memory, their first values, their names, copies of a net. */
#include "net/parts.h"

#include <math.h>
#include <string.h>

/* Lays table and values out; the parameters' shapes are those of the nodes. */
static kdi_net_param *lay_out(const kd_net *net, kdi_arena *arena)
{
    size_t count = 0;
    for (size_t i = 0; i < net->n_nodes; i++) {
        count += net->nodes[i].layer.ops->params;
    }
    kdi_net_param *params = kdi_base_take(arena, count, sizeof *params);
    for (size_t i = 0; i < net->n_nodes; i++) {
        const kdi_layer *layer = &net->nodes[i].layer;
        size_t weights;
        if (!layer->ops->params) {
            continue;
        }
        arena->overflow = arena->overflow || !kdi_base_mul(layer->out, layer->in, &weights);
        float *weight = arena->overflow ? NULL : kdi_base_take(arena, weights, sizeof(float));
        float *bias = kdi_base_take(arena, layer->out, sizeof(float));
        if (params) {
            kdi_net_param *p = &params[net->nodes[i].param];
            p[0] = (kdi_net_param){weight, layer->out, layer->in, i, false};
            p[1] = (kdi_net_param){bias, layer->out, 1, i, true};
        }
    }
    return params;
}

/* Makes the parameters, all 0. */
static kd_status make_params(kd_net *net, kd_error *error)
{
    kdi_arena measure = {0};
    lay_out(net, &measure);
    if (measure.used == 0 && !measure.overflow) {
        return kdi_base_fail(error, KD_ERR_STATE, 1,
                             "the net has %z nodes, but none of them is dense", net->n_nodes);
    }
    if (measure.overflow || measure.used > PTRDIFF_MAX) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 1,
                             "the parameters take more bytes than fit a size");
    }
    void *block = kdi_ctx_new(net->context, measure.used);
    if (!block) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for the parameters (%z bytes)",
                             measure.used);
    }
    kdi_arena place = {.base = block};
    net->params = lay_out(net, &place);
    net->block = block;
    net->block_size = measure.used;
    for (size_t i = 0; i < net->n_nodes; i++) {
        kdi_layer *layer = &net->nodes[i].layer;
        if (layer->ops->params) {
            layer->weight = net->params[net->nodes[i].param].values;
            layer->bias = net->params[net->nodes[i].param + 1].values;
            net->n_params += 2;
        }
    }
    return KD_OK;
}

kd_status kdi_net_prepare(kd_net *net, kd_error *error)
{
    return make_params(net, error);
}

/* Uniform in (0, 1]: the logarithm of it is finite. */
static double uniform(uint32_t word)
{
    return ((double)word + 1.0) / 4294967296.0;
}

/* Four independent normal numbers from four words: Box and Muller 1958. */
static void normals(const uint32_t word[4], double out[4])
{
    const double two_pi = 6.28318530717958647692;
    for (size_t i = 0; i < 4; i += 2) {
        double radius = sqrt(-2.0 * log(uniform(word[i])));
        out[i] = radius * cos(two_pi * uniform(word[i + 1]));
        out[i + 1] = radius * sin(two_pi * uniform(word[i + 1]));
    }
}

static void draw(const kdi_net_param *p, kd_init_kind kind, kdi_rng_key key)
{
    double fan_in = (double)p->columns;
    double fan_out = (double)p->rows;
    double scale = 0.01;
    if (kind == KD_INIT_HE) {
        scale = sqrt(2.0 / fan_in);
    } else if (kind == KD_INIT_GLOROT) {
        scale = sqrt(6.0 / (fan_in + fan_out));
    }
    size_t count = p->rows * p->columns;
    for (size_t i = 0; i < count; i += 4) {
        uint64_t block = i / 4;
        uint32_t counter[4] = {(uint32_t)block, 0, (uint32_t)(block >> 32), 0};
        uint32_t word[4];
        double x[4];
        kdi_base_rng_block(key, counter, word);
        normals(word, x);
        for (size_t j = 0; j < 4 && i + j < count; j++) {
            double unit = kind == KD_INIT_GLOROT ? 2.0 * uniform(word[j]) - 1.0 : x[j];
            p->values[i + j] = (float)(scale * unit);
        }
    }
}

kd_status kd_net_init(kd_net *net, kd_init_kind kind, uint64_t seed)
{
    if (!net) {
        return KD_ERR_NULL;
    }
    if (kind < KD_INIT_HE || kind > KD_INIT_NORMAL) {
        return kdi_base_fail(&net->error, KD_ERR_KIND, 2, "kind is %i, no such kind",
                             (int64_t)kind);
    }
    if (!kdi_net_ready(net)) {
        kd_status status = make_params(net, &net->error);
        if (status != KD_OK) {
            return status;
        }
    }
    for (size_t i = 0; i < net->n_params; i++) {
        const kdi_net_param *p = &net->params[i];
        if (p->bias) {
            memset(p->values, 0, p->rows * sizeof *p->values);
        } else {
            draw(p, kind, kdi_base_rng_key(seed, KDI_STREAM_INIT | i));
        }
    }
    return KD_OK;
}

static kd_status copy_nodes(const kd_net *net, kd_net *copy, kd_error *error)
{
    size_t bytes = net->n_nodes * sizeof *net->nodes;
    copy->nodes = kdi_ctx_new(copy->context, bytes);
    if (!copy->nodes) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for %z nodes", net->n_nodes);
    }
    memcpy(copy->nodes, net->nodes, bytes);
    copy->n_nodes = net->n_nodes;
    copy->capacity = net->n_nodes;
    return KD_OK;
}

kd_status kd_net_clone(const kd_net *net, kd_net **out_net, kd_error *error)
{
    if (!out_net) {
        return kdi_base_fail(error, KD_ERR_NULL, 2, "out_net is NULL");
    }
    *out_net = NULL;
    if (!net) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "net is NULL");
    }
    if (!kdi_net_ready(net)) {
        return kdi_base_fail(error, KD_ERR_STATE, 1, "net is not initialised");
    }
    kd_net *copy;
    kd_status status = kd_net_create(net->context, net->inputs, &copy, error);
    if (status != KD_OK) {
        return status;
    }
    status = copy_nodes(net, copy, error);
    if (status == KD_OK) {
        status = make_params(copy, error);
    }
    if (status != KD_OK) {
        kd_net_destroy(copy);
        return status;
    }
    for (size_t i = 0; i < net->n_params; i++) {
        const kdi_net_param *p = &net->params[i];
        memcpy(copy->params[i].values, p->values, p->rows * p->columns * sizeof *p->values);
    }
    *out_net = copy;
    return KD_OK;
}

static void name_of(const kdi_net_param *p, char *text, size_t size)
{
    kdi_base_say(text, size, "layers.%z.%s", p->node, p->bias ? "bias" : "weight");
}

size_t kdi_net_params(const kd_net *net)
{
    return net->n_params;
}

kd_param kdi_net_view(const kd_net *net, size_t index)
{
    const kdi_net_param *p = &net->params[index];
    kd_param param = {sizeof param, p->values, p->rows, p->columns, {0}};
    name_of(p, param.name, sizeof param.name);
    return param;
}

static kd_status view(const kd_net *net, size_t index, float *values, kd_param *out_param)
{
    kd_param known = kdi_net_view(net, index);
    known.values = values;
    kdi_base_write_struct(out_param, &known, sizeof known);
    return KD_OK;
}

kd_status kd_net_get_param(kd_net *net, size_t index, kd_param *out_param)
{
    if (!net || !out_param) {
        return KD_ERR_NULL;
    }
    if (!kdi_base_struct_ok(out_param)) {
        return KD_ERR_STRUCT;
    }
    if (!kdi_net_ready(net)) {
        return kdi_base_fail(&net->error, KD_ERR_STATE, 1, "the net is not initialised");
    }
    if (index >= net->n_params) {
        return kdi_base_fail(&net->error, KD_ERR_INDEX, 2,
                             "index is %z, but there are %z parameters", index, net->n_params);
    }
    return view(net, index, net->params[index].values, out_param);
}

kd_status kd_net_find_param(kd_net *net, const char *name, kd_param *out_param)
{
    if (!net || !name || !out_param) {
        return KD_ERR_NULL;
    }
    if (!kdi_base_struct_ok(out_param)) {
        return KD_ERR_STRUCT;
    }
    if (!kdi_net_ready(net)) {
        return kdi_base_fail(&net->error, KD_ERR_STATE, 1, "the net is not initialised");
    }
    for (size_t i = 0; i < net->n_params; i++) {
        char text[64];
        name_of(&net->params[i], text, sizeof text);
        if (strcmp(text, name) == 0) {
            return view(net, i, net->params[i].values, out_param);
        }
    }
    return kdi_base_fail(&net->error, KD_ERR_INDEX, 2, "no parameter is called \"%s\"", name);
}

kd_status kd_workspace_get_gradient(kd_workspace *workspace, size_t index, kd_param *out_gradient)
{
    if (!workspace || !out_gradient) {
        return KD_ERR_NULL;
    }
    if (!kdi_base_struct_ok(out_gradient)) {
        return KD_ERR_STRUCT;
    }
    if (!workspace->training) {
        return kdi_base_fail(&workspace->error, KD_ERR_STATE, 1,
                             "the workspace was made for inference and has no gradients");
    }
    if (index >= workspace->net->n_params) {
        return kdi_base_fail(&workspace->error, KD_ERR_INDEX, 2,
                             "index is %z, but there are %z parameters", index,
                             workspace->net->n_params);
    }
    return view(workspace->net, index, workspace->gradients[index], out_gradient);
}
