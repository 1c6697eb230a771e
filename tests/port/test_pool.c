/* SPDX-License-Identifier: MIT */
/* The pool: each task runs once, on whom it may, whoever sleeps or calls meanwhile. */
#define _POSIX_C_SOURCE 200809L /* nanosleep */

#include "pools.h"

static void each_task_runs_once(void **state)
{
    (void)state;
    static const size_t tasks[] = {0, 1, 2, 3, 4, 7, 8, 9, 64, TASKS};
    run_counted(NULL, 1, 9);
    assert_int_equal(kdi_port_pool_threads(NULL), 1);
    for (size_t threads = 1; threads <= THREADS; threads++) {
        kdi_pool *pool = create(threads);
        for (size_t round = 0; round < 20; round++) {
            for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
                run_counted(pool, threads, tasks[i]);
            }
        }
        destroy(pool);
    }
}

static void all_workers_work(void **state)
{
    (void)state;
    kdi_pool *pool = create(THREADS);
    for (long round = 0; round < 5; round++) {
        for (size_t tasks = 2; tasks <= THREADS; tasks++) {
            run_meeting(pool, tasks);
        }
        sleep_ms(round * 10); /* by now they sleep too */
        run_meeting(pool, round % 2 ? 3 : THREADS);
    }
    destroy(pool);
}

typedef struct slow {
    atomic_bool begun;
    int written;
} slow;

/* The worker's task outlasts the caller's by more than the caller spins. */
static void slow_task(void *user, size_t task, size_t worker)
{
    slow *s = user;
    (void)task;
    if (worker > 0) {
        atomic_store(&s->begun, true);
        sleep_ms(3);
        s->written = 1;
        return;
    }
    while (!atomic_load(&s->begun)) {
        sched_yield();
    }
}

static void the_caller_sleeps_until_all_is_done(void **state)
{
    (void)state;
    kdi_pool *pool = create(2);
    for (size_t i = 0; i < 20; i++) {
        slow s = {.written = 0};
        kdi_port_pool_run(pool, 2, slow_task, &s);
        assert_int_equal(s.written, 1);
        run_counted(pool, 2, 8);
    }
    destroy(pool);
}

typedef struct family {
    kdi_pool *pool;
    pthread_t parent[TASKS];
    size_t next[TASKS];
    atomic_size_t wrong;
} family;

typedef struct child {
    family *all;
    size_t parent;
} child;

static void child_task(void *user, size_t task, size_t worker)
{
    child *c = user;
    family *f = c->all;
    bool own = pthread_equal(pthread_self(), f->parent[c->parent]) != 0;
    if (worker != 0 || !own || task != f->next[c->parent]++) {
        atomic_fetch_add(&f->wrong, 1);
    }
}

static void parent_task(void *user, size_t task, size_t worker)
{
    child c = {user, task};
    (void)worker;
    c.all->parent[task] = pthread_self();
    kdi_port_pool_run(c.all->pool, 5, child_task, &c);
}

static void a_run_inside_a_run_is_alone(void **state)
{
    (void)state;
    static family f;
    f.pool = create(4);
    kdi_port_pool_run(f.pool, TASKS, parent_task, &f);
    assert_int_equal(atomic_load(&f.wrong), 0);
    for (size_t i = 0; i < TASKS; i++) {
        assert_int_equal(f.next[i], 5);
    }
    destroy(f.pool);
}

typedef struct sharer {
    pthread_t thread;
    kdi_pool *pool;
    size_t sum[16]; /* plain: by task */
    size_t wrong;
} sharer;

static void share_task(void *user, size_t task, size_t worker)
{
    sharer *s = user;
    (void)worker;
    s->sum[task] += task + 1;
}

static void *share(void *given)
{
    sharer *s = given;
    for (size_t round = 1; round <= 3000; round++) {
        kdi_port_pool_run(s->pool, 16, share_task, s);
        for (size_t i = 0; i < 16; i++) {
            s->wrong += s->sum[i] != round * (i + 1);
        }
    }
    return NULL;
}

static void threads_share_a_pool(void **state)
{
    (void)state;
    kdi_pool *pool = create(3);
    sharer sharers[3];
    memset(sharers, 0, sizeof sharers);
    for (size_t i = 0; i < 3; i++) {
        sharers[i].pool = pool;
        assert_int_equal(pthread_create(&sharers[i].thread, NULL, share, &sharers[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(sharers[i].thread, NULL);
        assert_int_equal(sharers[i].wrong, 0);
    }
    destroy(pool);
}

static void nothing(void *user, size_t task, size_t worker)
{
    (void)user;
    (void)task;
    (void)worker;
}

static void many_tiny_jobs(void **state)
{
    (void)state;
    kdi_pool *pool = create(2);
    for (size_t i = 0; i < 100000; i++) {
        kdi_port_pool_run(pool, 2 + i % 3, nothing, NULL);
    }
    destroy(pool);
}

static void a_pool_can_end_at_once_or_asleep(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= THREADS; threads++) {
        for (size_t i = 0; i < 20; i++) {
            destroy(create(threads));
        }
        kdi_pool *pool = create(threads);
        sleep_ms(50);
        destroy(pool);
    }
    for (size_t i = 0; i < 2000; i++) { /* some workers are just about to join the job */
        kdi_pool *pool = create(3);
        kdi_port_pool_run(pool, i % 5, nothing, NULL);
        destroy(pool);
    }
    kdi_port_pool_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_runs_once),
        cmocka_unit_test(all_workers_work),
        cmocka_unit_test(the_caller_sleeps_until_all_is_done),
        cmocka_unit_test(a_run_inside_a_run_is_alone),
        cmocka_unit_test(threads_share_a_pool),
        cmocka_unit_test(many_tiny_jobs),
        cmocka_unit_test(a_pool_can_end_at_once_or_asleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
