/* SPDX-License-Identifier: MIT */
/** Door of the room ctx: the context every object is made from, its memory, threads and kernels. */
#ifndef KDI_CTX_H
#define KDI_CTX_H

#include "base/base.h"
#include "kern/kern.h"
#include "port/port.h"

#include <kd/context.h>

/** Zeroed memory of the context, or NULL. */
void *kdi_ctx_new(kd_context *context, size_t size);

/** Gives it back. */
void kdi_ctx_delete(kd_context *context, void *pointer, size_t size);

/** Its allocator, for rooms below this one. */
const kdi_allocator *kdi_ctx_allocator(const kd_context *context);

/** KD_CANCELLED, with words, once the host has called kd_cancel. NULL: KD_OK. */
kd_status kdi_ctx_check(const kd_context *context, kd_error *error);

/** A new reference to a context that is alive; returns it. */
kd_context *kdi_ctx_retain(kd_context *context);

/** The kernels that it may use; NULL = the processor's best. */
const kdi_kernels *kdi_ctx_kern(const kd_context *context);

/** Whether products are libkd's own, because the BLAS can't be called by several threads. */
bool kdi_ctx_own_products(const kd_context *context);

/** Threads that work, the caller's included; 1 for NULL. */
size_t kdi_ctx_threads(const kd_context *context);

/** Runs the tasks on its threads as kdi_port_pool_run does; NULL = on the caller's. */
void kdi_ctx_run(kd_context *context, size_t tasks, kdi_task_fn fn, void *user);

#endif
