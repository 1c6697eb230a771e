/* SPDX-License-Identifier: MIT */
/* Nets as files: our own, from which they are made again, and weights of anybody's. */
#include "ckpt/parts.h"

#include <string.h>

/* ---- saving ---- */

static kd_status check_net(const kd_net *net, kd_error *error)
{
    if (!net) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "net is NULL");
    }
    if (!kdi_net_ready(net)) {
        return kdi_base_fail(error, KD_ERR_STATE, 1, "net is not initialised");
    }
    if (kdi_net_nodes(net) > KDI_CKPT_NODES) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 1, "net has %z layers, more than %z",
                             kdi_net_nodes(net), (size_t)KDI_CKPT_NODES);
    }
    return KD_OK;
}

/* The net's own arrays, under this prefix. */
static kd_status open_slots(kdi_slots *out, const kd_net *net, const char *prefix, kd_error *error)
{
    kd_status status = kdi_ckpt_slots_open(out, net, 1, error);
    if (status == KD_OK) {
        kdi_ckpt_slots_add(out, prefix, kdi_net_ready(net) ? kdi_ckpt_parameter : NULL, net);
    }
    return status;
}

static kd_status write(const kd_net *net, const char *prefix, const kdi_io_word *words,
                       size_t n_words, kdi_to *to, kd_error *error)
{
    kdi_slots slots;
    kd_status status = open_slots(&slots, net, prefix, error);
    if (status == KD_OK) {
        status = kdi_ckpt_slots_write(&slots, words, n_words, to, error);
    }
    kdi_ckpt_slots_close(&slots);
    return status;
}

kd_status kd_save_net(const kd_net *net, const char *path, const kd_writer *writer, kd_error *error)
{
    kdi_to to;
    kdi_head head;
    kd_status status = check_net(net, error);
    status = status ? status : kdi_ckpt_head_open(&head, net, "net", error);
    if (status != KD_OK) {
        return status;
    }
    status = kdi_ckpt_to(&to, kdi_ctx_allocator(kdi_net_context(net)), path, writer, 2, error);
    if (status == KD_OK) {
        status = write(net, KDI_CKPT_LAYERS, head.words, KDI_HEAD, &to, error);
        status = kdi_ckpt_to_end(&to, status, error);
    }
    kdi_ckpt_head_close(&head, net);
    return status;
}

/* A byte that UTF-8 or a name can't have is found by whoever writes it. */
static kd_status check_prefix(const char **prefix, kd_error *error)
{
    *prefix = *prefix ? *prefix : KDI_CKPT_LAYERS;
    size_t length = strlen(*prefix);
    if (length > KDI_CKPT_PREFIX) {
        return kdi_base_fail(error, KD_ERR_SIZE, 2, "prefix has %z bytes, more than %z", length,
                             (size_t)KDI_CKPT_PREFIX);
    }
    return KD_OK;
}

kd_status kd_export_weights(const kd_net *net, const char *prefix, const char *path,
                            const kd_writer *writer, kd_error *error)
{
    kdi_to to;
    kd_status status = check_net(net, error);
    status = status ? status : check_prefix(&prefix, error);
    if (status != KD_OK) {
        return status;
    }
    status = kdi_ckpt_to(&to, kdi_ctx_allocator(kdi_net_context(net)), path, writer, 3, error);
    if (status == KD_OK) {
        status = write(net, prefix, NULL, 0, &to, error);
        status = kdi_ckpt_to_end(&to, status, error);
    }
    return status;
}

/* ---- loading ---- */

/* Fills a net that has no nodes yet. */
static kd_status fill(kd_net *net, const kdi_io_tensors *tensors, kd_error *error)
{
    kdi_slots slots = {0};
    bool training = strcmp(kdi_io_tensors_word(tensors, "kd.sort"), "training") == 0;
    kd_status status = training ? KD_OK : kdi_ckpt_check_known(tensors, NULL, error);
    const char *layers = kdi_io_tensors_word(tensors, "kd.layers");
    status = status ? status : kdi_ckpt_get_layers(net, layers, error);
    status = status ? status : open_slots(&slots, net, KDI_CKPT_LAYERS, error);
    /* No memory for weights is taken before the file is known to have them. */
    status = status ? status : kdi_ckpt_slots_match(&slots, tensors, KDI_IO_OURS, error);
    status = status || training ? status : kdi_ckpt_slots_alone(&slots, tensors, error);
    status = status ? status : kdi_net_prepare(net, error);
    if (status == KD_OK) {
        slots.n = 0;
        kdi_ckpt_slots_add(&slots, KDI_CKPT_LAYERS, kdi_ckpt_parameter, net);
        status = kdi_ckpt_slots_read(&slots, tensors, false, error);
        /* The optimiser's state is left where it is, but the file is sound or refused. */
        status = status ? status : kdi_ckpt_slots_check_rest(&slots, tensors, error);
    }
    kdi_ckpt_slots_close(&slots);
    return status;
}

static kd_status load(kd_context *context, const kdi_io_source *source, kd_net **out_net,
                      kd_error *error)
{
    kdi_io_tensors *tensors = NULL;
    kd_net *net = NULL;
    size_t inputs = 0;
    kd_status status =
        kdi_io_tensors_open(kdi_ctx_allocator(context), source, KDI_IO_OURS, &tensors, error);
    if (status != KD_OK) {
        return status; /* and its words say where */
    }
    status = kdi_ckpt_check_head(tensors, NULL, &inputs, error);
    status = status ? status : kd_net_create(context, inputs, &net, error);
    status = status ? status : fill(net, tensors, error);
    kdi_io_tensors_close(tensors);
    if (status != KD_OK) {
        kd_net_destroy(net);
        return kdi_io_where(error, status, source->name);
    }
    *out_net = net;
    return KD_OK;
}

kd_status kd_load_net(kd_context *context, const char *path, const kd_reader *reader,
                      kd_net **out_net, kd_error *error)
{
    if (!out_net) {
        return kdi_base_fail(error, KD_ERR_NULL, 4, "out_net is NULL");
    }
    *out_net = NULL;
    if (!context) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "context is NULL");
    }
    kdi_from from;
    kd_status status = kdi_ckpt_from(&from, path, reader, 2, error);
    if (status == KD_OK) {
        status = load(context, &from.source, out_net, error);
        kdi_ckpt_from_close(&from);
    }
    return status;
}

static kd_status import(kd_net *net, const char *prefix, const kdi_io_source *source,
                        kd_error *error)
{
    kdi_slots slots = {0};
    kdi_io_tensors *tensors = NULL;
    const kdi_allocator *allocator = kdi_ctx_allocator(kdi_net_context(net));
    kd_status status = kdi_io_tensors_open(allocator, source, KDI_IO_FOREIGN, &tensors, error);
    if (status != KD_OK) {
        return status;
    }
    status = open_slots(&slots, net, prefix, error);
    status = status ? status : kdi_ckpt_slots_match(&slots, tensors, KDI_IO_FOREIGN, error);
    status = status ? status : kdi_ckpt_slots_read(&slots, tensors, true, error);
    if (status == KD_OK) {
        kdi_ckpt_slots_commit(&slots);
    }
    kdi_ckpt_slots_close(&slots);
    kdi_io_tensors_close(tensors);
    return status ? kdi_io_where(error, status, source->name) : KD_OK;
}

kd_status kd_import_weights(kd_net *net, const char *prefix, const char *path,
                            const kd_reader *reader, kd_error *error)
{
    kdi_from from;
    kd_status status = check_net(net, error);
    status = status ? status : check_prefix(&prefix, error);
    status = status ? status : kdi_ckpt_from(&from, path, reader, 3, error);
    if (status == KD_OK) {
        status = import(net, prefix, &from.source, error);
        kdi_ckpt_from_close(&from);
    }
    return status;
}
