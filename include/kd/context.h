/* SPDX-License-Identifier: MIT */
/**
 * @file context.h
 * Tier 2: the context that every object is made from. It holds what a program decides once: where
 * memory comes from and how many threads work.
 */
#ifndef KD_CONTEXT_H
#define KD_CONTEXT_H

#include <kd/base.h>

/**
 * A context. Reference-counted: each object keeps its context alive, so the host may destroy its
 * own handle at any time, in any order.
 */
typedef struct kd_context kd_context;

/**
 * Memory: returns `size` bytes aligned to `align` (a power of two, at least sizeof(void *)), or
 * NULL. Must be thread-safe. `user` is the host's pointer of kd_context_options.
 */
typedef void *(*kd_alloc_fn)(void *user, size_t size, size_t align);

/** Gives back what the kd_alloc_fn returned, with the same size. Never called with NULL. Must be
 * thread-safe. */
typedef void (*kd_free_fn)(void *user, void *pointer, size_t size);

/** Options of a context. */
typedef struct kd_context_options {
    size_t struct_size;
    kd_alloc_fn alloc;  /**< NULL = the C library's; then `release` must be NULL too. */
    kd_free_fn release; /**< Counterpart of alloc. */
    void *user;         /**< Handed to both. */
    /** Threads of libkd's own; 0 and 1 = one. More is KD_ERR_UNSUPPORTED for now. */
    int32_t threads;
    int32_t reserved; /**< 0. */
} kd_context_options;

/** Default options. */
#define KD_CONTEXT_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(kd_context_options), NULL, NULL, NULL, 0, 0                                         \
    }

KD_BEGIN

/**
 * Creates a context.
 *
 * @param options what to change of the defaults; NULL = nothing.
 * @param out_context the new context, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL (also one of alloc and release without the other), _STRUCT, _VALUE (threads <
 * 0), _UNSUPPORTED (threads > 1), _MEMORY.
 *
 * Ownership: options are Copied; the caller owns the new reference. Threads: any; the context may
 * be shared. Cost: one allocation.
 */
KD_API kd_status kd_context_create(const kd_context_options *options, kd_context **out_context,
                                   kd_error *error);

/**
 * Drops the host's reference. The context goes when its last object has gone.
 *
 * @param context NULL is allowed.
 *
 * Errors: none. Ownership: Taken. Threads: any. Cost: O(1).
 */
KD_API void kd_context_destroy(kd_context *context);

KD_END

#endif
