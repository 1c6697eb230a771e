/* SPDX-License-Identifier: MIT */
/* The context: an allocator, threads, kernels, and a count of those who use them. */
#include "ctx/ctx.h"

struct kd_context {
    kdi_refs refs;
    kdi_allocator allocator;
    kdi_pool *pool; /* NULL for one thread */
    const kdi_kernels *kern;
    bool own_products;
    atomic_int cancelled; /* written by signal handlers too */
};

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a signal handler could wait for a lock in kd_cancel");

static kd_status check(const kd_context_options *o, kd_error *error)
{
    if (!o->alloc != !o->release) {
        return kdi_base_fail(error, KD_ERR_NULL, 1,
                             "options.%s is NULL, but its counterpart is not",
                             o->alloc ? "release" : "alloc");
    }
    if (o->threads < 0 || o->threads > KD_MAX_THREADS) {
        return kdi_base_fail(error, KD_ERR_VALUE, 1, "options.threads is %i, not from 0 to %i",
                             (int64_t)o->threads, (int64_t)KD_MAX_THREADS);
    }
    if (o->isa < 0 || o->isa > KD_ISA_AVX512) {
        return kdi_base_fail(error, KD_ERR_KIND, 1, "options.isa is %i, not from 0 to %i",
                             (int64_t)o->isa, (int64_t)KD_ISA_AVX512);
    }
    return KD_OK;
}

static kd_status check_blas(const kd_context_options *o, kd_error *error)
{
    if (o->threads > 1 && !kdi_port_blas_shared() && !kdi_kern(o->isa)->fast) {
        return kdi_base_fail(error, KD_ERR_BLAS_THREADS, 1,
                             "options.threads is %i, but this OpenBLAS is a serial build, which "
                             "several threads can't call at once",
                             (int64_t)o->threads);
    }
    int32_t count = o->threads > 1 ? kdi_port_blas_threads() : 1;
    if (count > 1) {
        return kdi_base_fail(error, KD_ERR_BLAS_THREADS, 1,
                             "options.threads is %i, but the BLAS runs %i threads itself; call "
                             "kd_blas_set_single first",
                             (int64_t)o->threads, (int64_t)count);
    }
    return KD_OK;
}

static void release(kd_context *context)
{
    kdi_allocator allocator = context->allocator;
    kdi_port_pool_destroy(context->pool);
    kdi_base_delete(&allocator, context, sizeof *context);
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
    if (status == KD_OK) {
        status = check_blas(&o, error);
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
    context->kern = kdi_kern(o.isa);
    context->own_products = context->kern->fast && !kdi_port_blas_shared();
    atomic_init(&context->refs, 1);
    if (o.threads > 1) {
        status = kdi_port_pool_create(&allocator, (size_t)o.threads, &context->pool, error);
        if (status != KD_OK) {
            release(context);
            return status;
        }
    }
    *out_context = context;
    return KD_OK;
}

void kd_context_destroy(kd_context *context)
{
    if (context && kdi_base_release(&context->refs)) {
        release(context);
    }
}

void kd_cancel(kd_context *context, int32_t stop)
{
    if (context) {
        atomic_store(&context->cancelled, stop != 0);
    }
}

kd_status kdi_ctx_check(const kd_context *context, kd_error *error)
{
    if (!context || !atomic_load(&context->cancelled)) {
        return KD_OK;
    }
    return kdi_base_fail(error, KD_CANCELLED, 0, "stopped: kd_cancel was called on the context");
}

const kdi_allocator *kdi_ctx_allocator(const kd_context *context)
{
    return &context->allocator;
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

const kdi_kernels *kdi_ctx_kern(const kd_context *context)
{
    return context ? context->kern : kdi_kern(0);
}

bool kdi_ctx_own_products(const kd_context *context)
{
    return context->own_products;
}

size_t kdi_ctx_threads(const kd_context *context)
{
    return context ? kdi_port_pool_threads(context->pool) : 1;
}

void kdi_ctx_run(kd_context *context, size_t tasks, kdi_task_fn fn, void *user)
{
    kdi_port_pool_run(context ? context->pool : NULL, tasks, fn, user);
}
