/* SPDX-License-Identifier: MIT */
/*
 * A pool of workers that share the tasks of one job at a time.
 *
 * One atomic word, the gate, tells everything about the job: its generation, whether it is open,
 * and how many workers are inside.
 *
 *     generation | stop | waits | open | inside
 *
 * - The caller writes the job, then a gate of a new generation that is open. A worker enters by a
 *   compare-and-swap that adds 1 to `inside`; that fails if the gate was closed or reopened for
 *   another job meanwhile, so a worker that comes late never sees a job that is over.
 * - Whoever is inside takes task after task from the counter `next`. When none is left the caller
 *   closes the gate and waits for those inside only: a worker that still sleeps delays nobody.
 * - Only who is inside reads the job, and only a caller who saw nobody inside writes it.
 *
 * Between jobs a worker first spins, since the next job of a training step is microseconds away,
 * then sleeps. To wake a thread costs a system call, up to 50 microseconds in a virtual machine; so
 * the caller wakes one at most, and only if those awake are fewer than the tasks, and whoever was
 * woken wakes the next while tasks are left. A worker says that it sleeps and looks at the gate
 * again; the caller opens the gate and looks who sleeps: both sequentially consistent, so one of
 * them sees the other.
 */
#define _POSIX_C_SOURCE 200809L /* pthread_sigmask */

#include "port/port.h"

#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#define LINE 64 /* bytes that two cores can't write at once */

/* Looks at the gate before sleeping: 50 to 100 microseconds on processors with a slow pause. */
#define SPINS 2000

#define INSIDE UINT64_C(0xffff)
#define OPEN (UINT64_C(1) << 16)
#define WAITS (UINT64_C(1) << 17) /* the caller sleeps until nobody is inside */
#define STOP (UINT64_C(1) << 18)
#define GENERATION_SHIFT 19

/* ---- the floating-point modes of the caller ---- */

/*
 * Rounding, and flushing of tiny numbers to zero. Not the exceptions: flags are a thread's own, and
 * a trap in a worker, which blocks the signal, would end the process.
 */
#if defined(__x86_64__)

/* MXCSR: FTZ, rounding, DAZ; masks of traps; below them the flags. Nothing of ours uses the x87. */
#define MXCSR_MODES 0xe040U
#define MXCSR_MASKS 0x1f80U

typedef unsigned modes;

static modes get_modes(void)
{
    return _mm_getcsr() & MXCSR_MODES;
}

static void set_modes(const modes *m)
{
    if (get_modes() != *m) {
        _mm_setcsr(*m | MXCSR_MASKS);
    }
}

static void relax(void)
{
    _mm_pause();
}

#else

typedef fenv_t modes;

static modes get_modes(void)
{
    modes m;
    (void)fegetenv(&m);
    return m;
}

static void set_modes(const modes *m)
{
    fenv_t before;
    (void)fesetenv(m);
    (void)feholdexcept(&before); /* no flags, no traps */
}

static void relax(void)
{
#if defined(__aarch64__)
    __asm__ volatile("isb"); /* waits some ten nanoseconds; `yield` mostly does nothing */
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

#endif

/* ---- the pool ---- */

typedef struct worker {
    kdi_pool *pool;
    size_t index;
    pthread_t thread;
} worker;

typedef struct job {
    kdi_task_fn fn;
    void *user;
    size_t tasks;
    modes modes;
} job;

struct kdi_pool {
    kdi_allocator allocator;
    size_t bytes;
    size_t threads;
    pid_t process; /* that has the workers: a child after fork has none */
    bool blas_single;
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* a new generation */
    pthread_cond_t done; /* nobody inside */
    _Alignas(LINE) atomic_bool busy;
    _Alignas(LINE) atomic_size_t sleepers; /* written under the mutex */
    _Alignas(LINE) job job;
    _Alignas(LINE) atomic_size_t next; /* task */
    _Alignas(LINE) _Atomic uint64_t gate;
    _Alignas(LINE) worker workers[]; /* threads - 1 */
};

static void take_tasks(kdi_pool *pool, size_t index)
{
    const job *j = &pool->job;
    size_t task;
    while ((task = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed)) < j->tasks) {
        j->fn(j->user, task, index);
    }
}

/* Wakes one worker that sleeps. The lock: who looked at an old gate has begun to wait. */
static void wake_one(kdi_pool *pool)
{
    (void)pthread_mutex_lock(&pool->mutex);
    (void)pthread_mutex_unlock(&pool->mutex);
    (void)pthread_cond_signal(&pool->wake);
}

/* ---- the worker's side ---- */

/* Waits for a gate of another generation than `seen`, and returns it. */
static uint64_t await_generation(kdi_pool *pool, uint64_t seen, bool *out_slept)
{
    uint64_t gate = 0;
    *out_slept = false;
    for (size_t i = 0; i < SPINS; i++) {
        gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
        if (gate >> GENERATION_SHIFT != seen) {
            return gate;
        }
        relax();
    }
    *out_slept = true;
    (void)pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    while ((gate = atomic_load(&pool->gate)) >> GENERATION_SHIFT == seen) {
        (void)pthread_cond_wait(&pool->wake, &pool->mutex);
    }
    atomic_fetch_sub(&pool->sleepers, 1);
    (void)pthread_mutex_unlock(&pool->mutex);
    return gate;
}

/* True if the job, which may be over by now, could be entered; then *gate is that job's. */
static bool enter(kdi_pool *pool, uint64_t *gate)
{
    while (*gate & OPEN) {
        if (atomic_compare_exchange_weak_explicit(&pool->gate, gate, *gate + 1,
                                                  memory_order_acquire, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static void leave(kdi_pool *pool)
{
    uint64_t gate = atomic_fetch_sub_explicit(&pool->gate, 1, memory_order_release);
    if (gate & WAITS && (gate & INSIDE) == 1) {
        (void)pthread_mutex_lock(&pool->mutex); /* the caller set WAITS and is not asleep yet */
        (void)pthread_mutex_unlock(&pool->mutex);
        (void)pthread_cond_signal(&pool->done);
    }
}

/* True if a sleeping worker would find something to do, after one more task for us. */
static bool wanted(kdi_pool *pool)
{
    size_t next = atomic_load_explicit(&pool->next, memory_order_relaxed);
    return next + 1 < pool->job.tasks &&
           atomic_load_explicit(&pool->sleepers, memory_order_relaxed) > 0;
}

static void *work(void *given)
{
    const worker *self = given;
    kdi_pool *pool = self->pool;
    uint64_t gate = 0;
    fenv_t inherited;
    (void)feholdexcept(&inherited); /* the creator may have set traps */
    if (pool->blas_single) {
        kdi_port_blas_single_here();
    }
    do {
        bool slept;
        gate = await_generation(pool, gate >> GENERATION_SHIFT, &slept);
        if (enter(pool, &gate)) {
            if (slept && wanted(pool)) {
                wake_one(pool);
            }
            set_modes(&pool->job.modes);
            take_tasks(pool, self->index);
            leave(pool);
        }
    } while (!(gate & STOP));
    return NULL;
}

/* ---- the caller's side ---- */

/* A gate of the next generation. */
static void open_gate(kdi_pool *pool, uint64_t flags)
{
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
    uint64_t generation = (gate >> GENERATION_SHIFT) + 1;
    atomic_store(&pool->gate, generation << GENERATION_SHIFT | flags);
}

/*
 * Spins, then sleeps, until nobody is inside. To yield would not do: a caller of higher priority
 * than the worker that it waits for, on the same core, would yield to itself for ever.
 */
static void close_gate(kdi_pool *pool)
{
    uint64_t gate = atomic_fetch_and_explicit(&pool->gate, ~OPEN, memory_order_acquire);
    for (size_t i = 0; gate & INSIDE && i < SPINS; i++) {
        relax();
        gate = atomic_load_explicit(&pool->gate, memory_order_acquire);
    }
    if (!(gate & INSIDE)) {
        return;
    }
    int before; /* who is cancelled while it waits would leave the pool as it is now */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    (void)pthread_mutex_lock(&pool->mutex);
    (void)atomic_fetch_or_explicit(&pool->gate, WAITS, memory_order_relaxed);
    while (atomic_load_explicit(&pool->gate, memory_order_acquire) & INSIDE) {
        (void)pthread_cond_wait(&pool->done, &pool->mutex);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    (void)pthread_setcancelstate(before, &before);
}

static void run_alone(size_t tasks, kdi_task_fn fn, void *user)
{
    for (size_t i = 0; i < tasks; i++) {
        fn(user, i, 0);
    }
}

void kdi_port_pool_run(kdi_pool *pool, size_t tasks, kdi_task_fn fn, void *user)
{
    if (!pool || pool->threads == 1 || tasks <= 1 || pool->process != getpid() ||
        atomic_exchange_explicit(&pool->busy, true, memory_order_acquire)) {
        run_alone(tasks, fn, user);
        return;
    }
    pool->job = (job){fn, user, tasks, get_modes()};
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    open_gate(pool, OPEN);
    size_t sleepers = atomic_load(&pool->sleepers);
    if (sleepers > 0 && pool->threads - sleepers < tasks) {
        wake_one(pool);
    }
    take_tasks(pool, 0);
    close_gate(pool);
    atomic_store_explicit(&pool->busy, false, memory_order_release);
}

size_t kdi_port_pool_threads(const kdi_pool *pool)
{
    return pool ? pool->threads : 1;
}

/* ---- its life ---- */

/* Ends the first `count` workers. */
static void end(kdi_pool *pool, size_t count)
{
    open_gate(pool, STOP);
    (void)pthread_mutex_lock(&pool->mutex);
    (void)pthread_cond_broadcast(&pool->wake);
    (void)pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < count; i++) {
        (void)pthread_join(pool->workers[i].thread, NULL);
    }
    (void)pthread_cond_destroy(&pool->done);
    (void)pthread_cond_destroy(&pool->wake);
    (void)pthread_mutex_destroy(&pool->mutex);
}

static void release(kdi_pool *pool)
{
    kdi_allocator allocator = pool->allocator;
    kdi_base_delete(&allocator, pool, pool->bytes);
}

/* Starts the workers, which inherit a mask that blocks all; 0, or what pthread_create said. */
static int start(kdi_pool *pool, size_t *out_started)
{
    sigset_t all, before;
    int failure = 0;
    size_t i;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (i = 0; failure == 0 && i < pool->threads - 1; i++) {
        worker *w = &pool->workers[i];
        w->pool = pool;
        w->index = i + 1;
        failure = pthread_create(&w->thread, NULL, work, w);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    *out_started = failure ? i - 1 : i;
    return failure;
}

static kdi_pool *new_pool(const kdi_allocator *allocator, size_t threads)
{
    size_t bytes = 0;
    if (!kdi_base_mul(threads - 1, sizeof(worker), &bytes) ||
        !kdi_base_add(bytes, sizeof(kdi_pool), &bytes)) {
        return NULL;
    }
    kdi_pool *pool = kdi_base_new(allocator, bytes);
    if (pool) {
        pool->allocator = *allocator;
        pool->bytes = bytes;
        pool->threads = threads;
        pool->process = getpid();
        pool->blas_single = kdi_port_blas_threads() <= 1;
        (void)pthread_mutex_init(&pool->mutex, NULL);
        (void)pthread_cond_init(&pool->wake, NULL);
        (void)pthread_cond_init(&pool->done, NULL);
        atomic_init(&pool->busy, false);
        atomic_init(&pool->sleepers, 0);
        atomic_init(&pool->next, 0);
        atomic_init(&pool->gate, 0);
    }
    return pool;
}

kd_status kdi_port_pool_create(const kdi_allocator *allocator, size_t threads, kdi_pool **out_pool,
                               kd_error *error)
{
    *out_pool = NULL;
    kdi_pool *pool = new_pool(allocator, threads);
    if (!pool) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a pool of %z threads",
                             threads);
    }
    size_t started;
    int failure = start(pool, &started);
    if (failure) {
        end(pool, started);
        release(pool);
        return kdi_base_fail(error, KD_ERR_THREADS, 0,
                             "worker %z of %z could not be started: pthread_create returned %i",
                             started + 1, threads - 1, (int64_t)failure);
    }
    *out_pool = pool;
    return KD_OK;
}

void kdi_port_pool_destroy(kdi_pool *pool)
{
    if (!pool) {
        return;
    }
    if (pool->process == getpid()) { /* else its mutex may be locked, and nobody is there to end */
        end(pool, pool->threads - 1);
    }
    release(pool);
}
