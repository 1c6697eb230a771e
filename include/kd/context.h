/* SPDX-License-Identifier: MIT */
/**
 * @file context.h
 * Tier 2: the context that every object is made from. It holds what a program decides once: where
 * memory comes from and how many threads work.
 *
 * A kd_context is reference-counted: each object keeps its context alive, so the host may destroy
 * its own handle at any time, in any order.
 *
 * Threads. A context owns threads - 1 workers; the thread that calls is the last one. Work is cut
 * into tiles whose number depends on shapes alone, so the bits of a result are the same for any
 * number of threads; more threads than tiles don't help. If the workers are busy for another call,
 * or in a child process after fork, the calling thread does the work alone, with the same bits.
 * Workers block all signals and take the caller's rounding and flush-to-zero modes.
 *
 * The BLAS must then run single-threaded: two pools of threads on the same cores are slower than
 * one. Its setting belongs to the process, so libkd never changes it on its own:
 * kd_blas_set_single() is the call that does. Several threads can't call a serial build of OpenBLAS
 * at once; with one libkd takes kernels of its own for all products, on x86-64.
 *
 * Fork. A child process may use whatever it inherits. One trap is the BLAS's own: if it is built on
 * OpenMP and the parent ran products on several of its threads, the child's first such product
 * waits for ever, with or without libkd, unless the child calls kd_blas_set_single() before.
 */
#ifndef KD_CONTEXT_H
#define KD_CONTEXT_H

#include <kd/base.h>

/**
 * Memory: returns `size` bytes aligned to `align`, or NULL. `align` is 64, or 2 MiB for blocks of
 * 4 MiB and more, which the system can then back with huge pages. Must be thread-safe. `user` is
 * the host's pointer of kd_context_options.
 */
typedef void *(*kd_alloc_fn)(void *user, size_t size, size_t align);

/** Gives back what the kd_alloc_fn returned, with the same size. Never called with NULL. Must be
 * thread-safe. */
typedef void (*kd_free_fn)(void *user, void *pointer, size_t size);

/** At most this many threads in one context. */
#define KD_MAX_THREADS 256

/** Instruction sets that libkd has kernels for, each including those before. */
typedef int32_t kd_isa;
enum {
    KD_ISA_PORTABLE = 1, /**< Portable C: the reference. */
    KD_ISA_AVX2 = 2,     /**< x86-64 with AVX2 and FMA. */
    KD_ISA_AVX512 = 3    /**< x86-64 with AVX-512 F, BW, DQ and VL. */
};

/** How to read and set the number of threads of a BLAS whose functions libkd does not know. */
typedef struct kd_blas_threads {
    size_t struct_size;
    int32_t (*get)(void *user);             /**< The number in use. */
    void (*set)(void *user, int32_t count); /**< Sets it. */
    void *user;                             /**< Handed to both. */
} kd_blas_threads;

/** A pair to fill in. */
#define KD_BLAS_THREADS_INIT                                                                       \
    {                                                                                              \
        sizeof(kd_blas_threads), NULL, NULL, NULL                                                  \
    }

/** Options of a context. */
typedef struct kd_context_options {
    size_t struct_size;
    kd_alloc_fn alloc;  /**< NULL = the C library's; then `release` must be NULL too. */
    kd_free_fn release; /**< Counterpart of alloc. */
    void *user;         /**< Handed to both. */
    int32_t threads; /**< Threads that work, the caller's included; 0 and 1 = one, at most 256. */
    kd_isa isa;      /**< The most that kernels may use; 0 = whatever the processor has. */
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
 * @return KD_ERR_NULL (also one of alloc and release without the other), _STRUCT, _VALUE (threads
 * below 0 or above KD_MAX_THREADS), _KIND (no such isa), _BLAS_THREADS (threads > 1, and the BLAS
 * says that it runs several itself: see kd_blas_set_single), _THREADS, _MEMORY.
 *
 * Ownership: options are Copied; the caller owns the new reference. Threads: any; the context may
 * be shared. Cost: starts threads - 1 threads.
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

/**
 * Asks whatever runs on a context to stop, or lets it run again. From then on, until `stop` is 0,
 * these return KD_CANCELLED, those that are running between two pieces of their work and with
 * everything as it was before them: kd_distill_step, kd_distill_evaluate, the calls of file.h that
 * have a context, net or training, kd_cache_open, kd_cache_append and kd_teacher_from_cache.
 *
 * @param context NULL is allowed.
 * @param stop 1 to stop, 0 to let run.
 *
 * Errors: none. Ownership: Borrowed for the call; the context must live until it returns. Threads:
 * any, at any time, and from a signal handler: it stores one atomic number. Cost: O(1); a step that
 * is running goes on for at most its own length.
 */
KD_API void kd_cancel(kd_context *context, int32_t stop);

/**
 * Makes the BLAS run single-threaded, in the whole process. To be called once, before contexts
 * with several threads are created, and while nobody uses the BLAS.
 *
 * Some BLAS builds (OpenBLAS with OpenMP from 0.3.22, BLIS from 1.0, AMD's BLIS) keep the number
 * per thread: then it holds for the calling thread only, so each thread of the host that calls
 * libkd calls this too. The workers of contexts see to themselves.
 *
 * @param threads how to read and set the number; NULL = the functions of OpenBLAS, BLIS or MKL,
 * whichever is loaded. A BLAS with none of them is taken to be single-threaded.
 * @param out_previous [1], the number before, to be put back by the host's own call; or NULL.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_STRUCT, _NULL (get or set of a pair), _BLAS_THREADS (it still says more than one).
 *
 * Ownership: Borrowed for the call. Threads: one at a time. Cost: O(1), allocates nothing.
 */
KD_API kd_status kd_blas_set_single(const kd_blas_threads *threads, int32_t *out_previous,
                                    kd_error *error);

KD_END

#endif
