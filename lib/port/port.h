/* SPDX-License-Identifier: MIT */
/** Door of the room port: what the machine and its BLAS give us: products, threads, processor. */
#ifndef KDI_PORT_H
#define KDI_PORT_H

#include "base/base.h"

/* ---- products (gemm.c) ---- */

/*
 * The three products of a dense layer, all row-major, all sizes 1..INT32_MAX. With beta = 0 the
 * output is not read. A tile of a layer is the same product on fewer columns or rows.
 */

/** y[n,out] = x[n,in] w[out,in]^T + beta y. */
void kdi_port_gemm_nt(size_t n, size_t out, size_t in, const float *x, size_t x_stride,
                      const float *w, float beta, float *y, size_t y_stride);

/** dw[out,in] = dy[n,out]^T x[n,in] + beta dw. */
void kdi_port_gemm_tn(size_t n, size_t out, size_t in, const float *dy, size_t dy_stride,
                      const float *x, size_t x_stride, float beta, float *dw);

/** dx[n,in] = dy[n,out] w[out,in], the rows of w w_stride apart. */
void kdi_port_gemm_nn(size_t n, size_t out, size_t in, const float *dy, size_t dy_stride,
                      const float *w, size_t w_stride, float *dx, size_t dx_stride);

/* ---- the BLAS's own threads (blas.c) ---- */

/** How many threads the BLAS says it runs; 1 if it has no function that we know. */
int32_t kdi_port_blas_threads(void);

/** Asks the BLAS for one thread; does nothing if it has no function that we know. */
void kdi_port_blas_single(void);

/**
 * The same for the calling thread, a worker of ours, where the number is each thread's own: OpenMP
 * builds of OpenBLAS from 0.3.22, BLIS from 1.0, AMD's BLIS. Elsewhere it changes nothing.
 */
void kdi_port_blas_single_here(void);

/**
 * Whether several threads may call the BLAS at once. A serial OpenBLAS is built without the locks
 * that its own memory would need.
 */
bool kdi_port_blas_shared(void);

/* ---- the processor (cpu.c) ---- */

/** The most of kd_isa (kd/context.h: 1 portable, 2 AVX2, 3 AVX-512) that processor and system
 * support. */
int32_t kdi_port_cpu_isa(void);

/* ---- threads (pool.c) ---- */

/** A pool of workers. */
typedef struct kdi_pool kdi_pool;

/**
 * One task of many. `worker` is below the pool's number of threads, and nobody else's in this run;
 * so scratch may be kept by worker, but it must belong to the object that runs: another run, which
 * found the pool busy, is worker 0 at the same time.
 */
typedef void (*kdi_task_fn)(void *user, size_t task, size_t worker);

/**
 * A pool of `threads` (1 to KD_MAX_THREADS), the caller's included, in one allocation. The workers
 * block all signals. KD_ERR_MEMORY, KD_ERR_THREADS.
 */
kd_status kdi_port_pool_create(const kdi_allocator *allocator, size_t threads, kdi_pool **out_pool,
                               kd_error *error);

/** Ends the workers; NULL is allowed. Nobody runs anything meanwhile. In a child after fork it only
 * frees. */
void kdi_port_pool_destroy(kdi_pool *pool);

/** Threads, the caller's included; 1 for NULL. */
size_t kdi_port_pool_threads(const kdi_pool *pool);

/**
 * Runs fn(user, 0..tasks-1, worker), in any order, and returns when all are done; what the caller
 * wrote before is visible to them, and what they wrote is then visible to the caller. Workers have
 * the caller's rounding and flush-to-zero modes, and no floating-point traps; flags that they raise
 * stay theirs. With NULL for a pool, with a single task, in a child after fork, or while the pool
 * works for another thread (or for this one, further up), the caller runs the tasks alone, in
 * order, as worker 0. Allocates nothing.
 */
void kdi_port_pool_run(kdi_pool *pool, size_t tasks, kdi_task_fn fn, void *user);

#endif
