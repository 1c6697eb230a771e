/* SPDX-License-Identifier: MIT */
/* The context: an allocator, a number of threads, and a count of those who use them. */
#include "ctx/ctx.h"

struct kd_context {
    kdi_refs refs;
    kdi_allocator allocator;
};

static kd_status check(const kd_context_options *o, kd_error *error)
{
    if (!o->alloc != !o->release) {
        return kdi_base_fail(error, KD_ERR_NULL, 1,
                             "options.%s is NULL, but its counterpart is not",
                             o->alloc ? "release" : "alloc");
    }
    if (o->reserved != 0) {
        return kdi_base_fail(error, KD_ERR_STRUCT, 1, "options.reserved is %i, not 0",
                             (int64_t)o->reserved);
    }
    if (o->threads < 0) {
        return kdi_base_fail(error, KD_ERR_VALUE, 1, "options.threads is %i, below 0",
                             (int64_t)o->threads);
    }
    if (o->threads > 1) {
        return kdi_base_fail(error, KD_ERR_UNSUPPORTED, 1,
                             "options.threads is %i, but libkd has no threads of its own yet; "
                             "the BLAS may use several",
                             (int64_t)o->threads);
    }
    return KD_OK;
}

kd_status kd_context_create(const kd_context_options *options, kd_context **out_context,
                            kd_error *error)
{
    if (!out_context) {
        return kdi_base_fail(error, KD_ERR_NULL, 2, "out_context is NULL");
    }
    *out_context = NULL;
    kd_context_options o = KD_CONTEXT_OPTIONS_INIT;
    kd_status status = KD_OK;
    if (options) {
        status = kdi_base_open(&o, sizeof o, options, "options", 1, error);
    }
    if (status == KD_OK) {
        status = check(&o, error);
    }
    if (status != KD_OK) {
        return status;
    }
    kdi_allocator allocator = kdi_base_libc_allocator();
    if (o.alloc) {
        allocator = (kdi_allocator){o.alloc, o.release, o.user};
    }
    kd_context *context = kdi_base_new(&allocator, sizeof *context);
    if (!context) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a context (%z bytes)",
                             sizeof *context);
    }
    context->allocator = allocator;
    atomic_init(&context->refs, 1);
    *out_context = context;
    return KD_OK;
}

void kd_context_destroy(kd_context *context)
{
    if (context && kdi_base_release(&context->refs)) {
        kdi_allocator allocator = context->allocator;
        kdi_base_delete(&allocator, context, sizeof *context);
    }
}

kd_context *kdi_ctx_retain(kd_context *context)
{
    kdi_base_retain(&context->refs);
    return context;
}

void *kdi_ctx_new(kd_context *context, size_t size)
{
    return kdi_base_new(&context->allocator, size);
}

void kdi_ctx_delete(kd_context *context, void *pointer, size_t size)
{
    kdi_base_delete(&context->allocator, pointer, size);
}
