/* SPDX-License-Identifier: MIT */
/** Door of the room ctx: the context every object is made from. */
#ifndef KDI_CTX_H
#define KDI_CTX_H

#include "base/base.h"

#include <kd/context.h>

/** Zeroed memory of the context, or NULL. */
void *kdi_ctx_new(kd_context *context, size_t size);

/** Gives it back. */
void kdi_ctx_delete(kd_context *context, void *pointer, size_t size);

/** A new reference to a context that is alive; returns it. */
kd_context *kdi_ctx_retain(kd_context *context);

#endif
