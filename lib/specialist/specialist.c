/* SPDX-License-Identifier: MIT */
/* Specialists: a set of classes, its dustbin, and a net that begins as the generalist. */
#include "specialist/parts.h"

#include <math.h>
#include <string.h>

/* ---- classes ---- */

static kd_status check_classes(const kd_specialist_options *o, size_t k, kd_error *error)
{
    if (!o->classes) {
        return kdi_base_fail(error, KD_ERR_NULL, 2, "options.classes is NULL");
    }
    kd_status status = kdi_base_check_size(o->n_classes, "options.n_classes", 2, error);
    if (status == KD_OK && o->n_classes > k) {
        status =
            kdi_base_fail(error, KD_ERR_TOO_LARGE, 2,
                          "options.n_classes is %z, but there are %z classes", o->n_classes, k);
    }
    for (size_t i = 0; status == KD_OK && i < o->n_classes; i++) {
        if (o->classes[i] >= k) {
            status = kdi_base_fail(error, KD_ERR_INDEX, 2,
                                   "options.classes[%z] is %z, but there are %z classes", i,
                                   (size_t)o->classes[i], k);
        }
    }
    return status;
}

static void lay_out(kd_specialist *s, kdi_arena *arena)
{
    s->classes = kdi_base_take(arena, s->n, sizeof *s->classes);
    s->output_of = kdi_base_take(arena, s->k, sizeof *s->output_of);
}

/* Marks its classes, then numbers them in ascending order. */
static kd_status fill_classes(kd_specialist *s, const uint32_t *classes, kd_error *error)
{
    kdi_arena measure = {0};
    lay_out(s, &measure);
    s->block = kdi_ctx_new(s->context, measure.used);
    s->block_size = measure.used;
    if (!s->block) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a specialist (%z bytes)",
                             measure.used);
    }
    kdi_arena place = {.base = s->block};
    lay_out(s, &place);
    for (size_t i = 0; i < s->n; i++) {
        if (s->output_of[classes[i]]++ > 0) {
            return kdi_base_fail(error, KD_ERR_INDEX, 2, "options.classes[%z] is %z again", i,
                                 (size_t)classes[i]);
        }
    }
    size_t next = 0;
    for (size_t c = 0; c < s->k; c++) {
        bool own = s->output_of[c] > 0;
        s->output_of[c] = (uint32_t)(own ? next : s->n);
        if (own) {
            s->classes[next++] = (uint32_t)c;
        }
    }
    return KD_OK;
}

/* ---- the net ---- */

/* The last two parameters are weight and bias of the last node, if that one is dense. */
static kd_status check_net(const kd_net *net, const char *name, size_t outputs, kd_error *error)
{
    if (!kdi_net_ready(net)) {
        return kdi_base_fail(error, KD_ERR_STATE, 2, "options.%s is not initialised", name);
    }
    kd_node last = KD_NODE_INIT;
    kd_status status = kd_net_get_node(net, kdi_net_nodes(net) - 1, &last, error);
    if (status == KD_OK && last.kind != KD_NODE_DENSE) {
        status =
            kdi_base_fail(error, KD_ERR_STATE, 2, "the last node of options.%s is not dense", name);
    }
    if (status == KD_OK && kdi_net_outputs(net) != outputs) {
        status = kdi_base_fail(error, KD_ERR_SHAPE, 2, "options.%s has %z outputs, not %z", name,
                               kdi_net_outputs(net), outputs);
    }
    return status;
}

static kd_status copy_node(kd_net *net, const kd_net *from, size_t index, size_t outputs)
{
    kd_node node = KD_NODE_INIT;
    (void)kd_net_get_node(from, index, &node, NULL);
    switch (node.kind) {
    case KD_NODE_DENSE:
        return kd_net_add_dense(net, index + 1 == kdi_net_nodes(from) ? outputs : node.outputs);
    case KD_NODE_RELU:
        return kd_net_add_relu(net);
    default:
        return kd_net_add_dropout(net, node.rate);
    }
}

/* Rows of its classes as they are; the dustbin's is the mean of the others. */
static void copy_last(const kd_specialist *s, const kd_param *to, const kd_param *from, bool bias)
{
    size_t columns = from->columns;
    for (size_t j = 0; j < columns; j++) {
        double sum = 0.0;
        for (size_t c = 0; c < s->k; c++) {
            float value = from->values[c * columns + j];
            if (kdi_specialist_knows(s, c)) {
                to->values[s->output_of[c] * columns + j] = value;
            } else {
                sum += (double)value;
            }
        }
        if (kdi_specialist_has_dustbin(s)) {
            double others = (double)(s->k - s->n);
            to->values[s->n * columns + j] = (float)(sum / others + (bias ? log(others) : 0.0));
        }
    }
}

static kd_status copy_net(kd_specialist *s, const kd_net *from, kd_error *error)
{
    size_t outputs = kdi_specialist_outputs(s);
    kd_status status = kd_net_create(s->context, kdi_net_inputs(from), &s->net, error);
    for (size_t i = 0; status == KD_OK && i < kdi_net_nodes(from); i++) {
        status = copy_node(s->net, from, i, outputs);
        if (status != KD_OK) {
            return kdi_base_fail(error, status, 0, "%s", kd_net_error(s->net));
        }
    }
    status = status == KD_OK ? kdi_net_prepare(s->net, error) : status;
    if (status != KD_OK) {
        return status;
    }
    size_t last = kdi_net_params(from) - 2;
    for (size_t i = 0; i < last; i++) {
        kd_param to = kdi_net_view(s->net, i);
        kd_param p = kdi_net_view(from, i);
        memcpy(to.values, p.values, p.rows * p.columns * sizeof *p.values);
    }
    for (size_t i = last; i < last + 2; i++) {
        kd_param to = kdi_net_view(s->net, i);
        kd_param p = kdi_net_view(from, i);
        copy_last(s, &to, &p, i > last);
    }
    return KD_OK;
}

/* ---- the object ---- */

static kd_status check_options(kd_specialist_options *o, kd_error *error)
{
    if (o->generalist && o->net) {
        return kdi_base_fail(error, KD_ERR_VALUE, 2,
                             "options.generalist and options.net are both given");
    }
    if (o->generalist && kdi_net_ready(o->generalist)) {
        o->k = o->k ? o->k : kdi_net_outputs(o->generalist);
    }
    kd_status status = KD_OK;
    if (o->generalist) {
        status = check_net(o->generalist, "generalist", o->k, error);
    }
    if (status == KD_OK) {
        status = kdi_base_check_size(o->k, "options.k", 2, error);
    }
    if (status == KD_OK) {
        status = check_classes(o, o->k, error);
    }
    if (status == KD_OK && o->net) {
        status = check_net(o->net, "net", o->n_classes + (o->n_classes < o->k), error);
    }
    return status;
}

static kd_status fill(kd_specialist *s, const kd_specialist_options *o, kd_error *error)
{
    kd_status status = fill_classes(s, o->classes, error);
    if (status == KD_OK && o->generalist) {
        status = copy_net(s, o->generalist, error);
    }
    if (status == KD_OK && o->net) {
        s->net = kdi_net_retain(o->net);
    }
    return status;
}

kd_status kd_specialist_create(kd_context *context, const kd_specialist_options *options,
                               kd_specialist **out_specialist, kd_error *error)
{
    if (!out_specialist) {
        return kdi_base_fail(error, KD_ERR_NULL, 3, "out_specialist is NULL");
    }
    *out_specialist = NULL;
    if (!context) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "context is NULL");
    }
    kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
    kd_status status = kdi_base_open(&o, sizeof o, options, "options", 2, error);
    status = status == KD_OK ? check_options(&o, error) : status;
    if (status != KD_OK) {
        return status;
    }
    kd_specialist *s = kdi_ctx_new(context, sizeof *s);
    if (!s) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a specialist (%z bytes)",
                             sizeof *s);
    }
    atomic_init(&s->refs, 1);
    s->context = kdi_ctx_retain(context);
    s->k = o.k;
    s->n = o.n_classes;
    status = fill(s, &o, error);
    if (status != KD_OK) {
        kd_specialist_destroy(s);
        return status;
    }
    *out_specialist = s;
    return KD_OK;
}

void kd_specialist_destroy(kd_specialist *specialist)
{
    kd_specialist *s = specialist;
    if (!s || !kdi_base_release(&s->refs)) {
        return;
    }
    kd_context *context = s->context;
    kd_net_destroy(s->net);
    kdi_ctx_delete(context, s->block, s->block_size);
    kdi_ctx_delete(context, s, sizeof *s);
    kd_context_destroy(context);
}

kd_specialist *kdi_specialist_retain(kd_specialist *specialist)
{
    kdi_base_retain(&specialist->refs);
    return specialist;
}

size_t kdi_specialist_all(const kd_specialist *specialist)
{
    return specialist->k;
}

size_t kdi_specialist_outputs(const kd_specialist *specialist)
{
    return specialist->n + kdi_specialist_has_dustbin(specialist);
}

uint64_t kdi_specialist_hash(uint64_t before, const kd_specialist *specialist)
{
    uint64_t h = kdi_base_hash_u64(before, specialist->n);
    for (size_t i = 0; i < specialist->n; i++) {
        h = kdi_base_hash_u64(h, specialist->classes[i]);
    }
    return kdi_net_hash(h, specialist->net);
}

kd_net *kd_specialist_net(const kd_specialist *specialist)
{
    return specialist ? specialist->net : NULL;
}

kd_status kd_specialist_correct(kd_specialist *specialist, double prior, double *out_shift,
                                kd_error *error)
{
    if (!specialist) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "specialist is NULL");
    }
    const char *why = !specialist->net                          ? "has no net"
                      : !kdi_specialist_has_dustbin(specialist) ? "has no dustbin"
                      : specialist->corrected                   ? "was corrected before"
                                                                : NULL;
    if (why) {
        return kdi_base_fail(error, KD_ERR_STATE, 1, "the specialist %s", why);
    }
    if (!(prior > 0.0 && prior < 1.0)) {
        return kdi_base_fail(error, KD_ERR_VALUE, 2, "prior is %g, not between 0 and 1", prior);
    }
    double shift = log1p(-prior) - log(prior);
    kd_param bias = kdi_net_view(specialist->net, kdi_net_params(specialist->net) - 1);
    float *dustbin = &bias.values[specialist->n];
    *dustbin = (float)((double)*dustbin + shift);
    specialist->corrected = true;
    if (out_shift) {
        *out_shift = shift;
    }
    return KD_OK;
}
