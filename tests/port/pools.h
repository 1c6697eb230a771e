/* SPDX-License-Identifier: MIT */
/* What the tests of the pool share: counted memory, and jobs that say whether they went well. */
#ifndef KDI_TESTS_PORT_POOLS_H
#define KDI_TESTS_PORT_POOLS_H

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "port/port.h"

enum { THREADS = 8, TASKS = 1000 };

/* ---- memory that is counted ---- */

typedef struct ledger {
    size_t blocks, bytes;
    bool empty;
} ledger;

static void *ledger_alloc(void *user, size_t size, size_t align)
{
    ledger *book = user;
    if (book->empty) {
        return NULL;
    }
    book->blocks++;
    book->bytes += size;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void ledger_release(void *user, void *pointer, size_t size)
{
    ledger *book = user;
    book->blocks--;
    book->bytes -= size;
    memset(pointer, 0x5A, size); /* whoever reads on sees rubbish */
    free(pointer);
}

static ledger book;

static inline kdi_pool *create(size_t threads)
{
    const kdi_allocator allocator = {ledger_alloc, ledger_release, &book};
    kd_error error = KD_ERROR_INIT;
    kdi_pool *pool = NULL;
    if (kdi_port_pool_create(&allocator, threads, &pool, &error) != KD_OK) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(kdi_port_pool_threads(pool), threads);
    return pool;
}

static inline void destroy(kdi_pool *pool)
{
    kdi_port_pool_destroy(pool);
    assert_int_equal(book.blocks, 0);
    assert_int_equal(book.bytes, 0);
}

static inline void sleep_ms(long ms)
{
    struct timespec t = {0, ms * 1000000};
    nanosleep(&t, NULL);
}

/* ---- tasks, counted ---- */

typedef struct count {
    size_t threads;
    unsigned char ran[TASKS]; /* plain, so that a race of two is seen by the sanitizer */
    atomic_bool at_work[THREADS];
    atomic_size_t wrong;
    int given; /* by the caller, plain too */
} count;

static void count_task(void *user, size_t task, size_t worker)
{
    count *c = user;
    if (worker >= c->threads || atomic_exchange(&c->at_work[worker], true) || c->given != 77) {
        atomic_fetch_add(&c->wrong, 1);
        return;
    }
    c->ran[task]++;
    if (task % 16 == 0) {
        sched_yield();
    }
    atomic_store(&c->at_work[worker], false);
}

/* Runs tasks that check each other. */
static inline void run_counted(kdi_pool *pool, size_t threads, size_t tasks)
{
    static count c; /* reused: its memory is the next job's */
    memset(c.ran, 0, sizeof c.ran);
    c.threads = threads;
    c.given = 77;
    kdi_port_pool_run(pool, tasks, count_task, &c);
    c.given = 0; /* whoever still runs sees it */
    assert_int_equal(atomic_load(&c.wrong), 0);
    for (size_t i = 0; i < TASKS; i++) {
        assert_int_equal(c.ran[i], i < tasks);
    }
}

/* ---- tasks that wait for each other ---- */

typedef struct meeting {
    size_t expected;
    atomic_size_t arrived;
    atomic_size_t absent;
    pthread_t who[THREADS];
} meeting;

/* Ends when as many tasks run at once as are expected. */
static void meet(void *user, size_t task, size_t worker)
{
    meeting *m = user;
    (void)task;
    m->who[worker] = pthread_self();
    atomic_fetch_add(&m->arrived, 1);
    for (size_t i = 0; atomic_load(&m->arrived) < m->expected; i++) {
        if (i == 20000000) {
            atomic_fetch_add(&m->absent, 1);
            break;
        }
        sched_yield();
    }
}

/* Runs a job that only so many threads can end. */
static inline void run_meeting(kdi_pool *pool, size_t tasks)
{
    meeting m = {.expected = tasks, .who[0] = pthread_self()};
    kdi_port_pool_run(pool, tasks, meet, &m);
    assert_int_equal(atomic_load(&m.absent), 0);
    assert_true(pthread_equal(m.who[0], pthread_self()));
}

#endif
