/* SPDX-License-Identifier: MIT */
/* The pool and its host: modes, signals, child processes, and what the system refuses. */
#define _GNU_SOURCE /* RTLD_NEXT, feenableexcept */

#include "pools.h"

#include <dlfcn.h>
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* ---- the floating-point modes ---- */

typedef struct rounding {
    atomic_size_t arrived;
    float third[4];
} rounding;

static void rounding_task(void *user, size_t task, size_t worker)
{
    rounding *r = user;
    volatile float one = 1, three = 3;
    (void)worker;
    r->third[task] = one / three;
    atomic_fetch_add(&r->arrived, 1);
    for (size_t i = 0; i < 20000000 && atomic_load(&r->arrived) < 4; i++) {
        sched_yield(); /* so that each of four threads has one */
    }
}

static void workers_round_as_the_caller_does(void **state)
{
    (void)state;
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_UPWARD, FE_DOWNWARD, FE_TONEAREST};
    kdi_pool *pool = create(4);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        volatile float one = 1, three = 3;
        rounding r;
        memset(&r, 0, sizeof r);
        assert_int_equal(fesetround(modes[i]), 0);
        float third = one / three;
        kdi_port_pool_run(pool, 4, rounding_task, &r);
        (void)fesetround(FE_TONEAREST);
        assert_int_equal(atomic_load(&r.arrived), 4);
        for (size_t t = 0; t < 4; t++) {
            assert_memory_equal(&r.third[t], &third, sizeof third);
        }
    }
    destroy(pool);
}

typedef struct flushing {
    meeting meeting;
    float tiny[3];
} flushing;

static void flushing_task(void *user, size_t task, size_t worker)
{
    flushing *f = user;
    volatile float least = FLT_MIN, half = 0.5f;
    f->tiny[task] = least * half;
    meet(&f->meeting, task, worker);
}

static void workers_flush_as_the_caller_does(void **state)
{
    (void)state;
#if defined(__x86_64__)
    unsigned before = _mm_getcsr();
    kdi_pool *pool = create(3);
    for (unsigned i = 0; i < 4; i++) {
        flushing f = {.meeting.expected = 3};
        _mm_setcsr(i % 2 ? before | 0x8040 : before); /* FTZ, DAZ */
        kdi_port_pool_run(pool, 3, flushing_task, &f);
        _mm_setcsr(before);
        for (size_t t = 0; t < 3; t++) {
            assert_int_equal(f.tiny[t] > 0, i % 2 == 0);
        }
    }
    destroy(pool);
#else
    skip();
#endif
}

static void invalid_task(void *user, size_t task, size_t worker)
{
    volatile float infinite = INFINITY;
    if (worker > 0) {
        infinite = infinite - infinite;
    }
    meet(user, task, worker);
}

static void workers_do_not_trap(void **state)
{
    (void)state;
    meeting m = {.expected = 3};
#if defined(__GLIBC__)
    (void)feenableexcept(FE_INVALID);
#endif
    kdi_pool *pool = create(3);
    kdi_port_pool_run(pool, 3, invalid_task, &m);
#if defined(__GLIBC__)
    (void)fedisableexcept(FE_INVALID);
#endif
    assert_int_equal(atomic_load(&m.absent), 0);
    destroy(pool);
}

/* ---- signals ---- */

static meeting members; /* of the pool that signals must not reach */
static atomic_int handled, misled;

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
    for (size_t i = 1; i < 3; i++) {
        if (pthread_equal(pthread_self(), members.who[i])) {
            atomic_store(&misled, 1);
        }
    }
}

static void mask_task(void *user, size_t task, size_t worker)
{
    sigset_t *masks = user;
    pthread_sigmask(SIG_BLOCK, NULL, &masks[worker]);
    meet(&members, task, worker);
}

static void workers_block_signals(void **state)
{
    (void)state;
    struct sigaction old, action;
    sigset_t one, before, after;
    sigset_t masks[3];
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, &old);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    kdi_pool *pool = create(3);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    assert_int_equal(sigismember(&before, SIGUSR1) + sigismember(&after, SIGUSR1), 0);
    members.expected = 3;
    kdi_port_pool_run(pool, 3, mask_task, masks);
    assert_int_equal(atomic_load(&members.absent), 0);
    static const int numbers[] = {SIGUSR1, SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGPIPE, SIGPROF};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_int_equal(sigismember(&masks[1], numbers[i]), 1);
        assert_int_equal(sigismember(&masks[2], numbers[i]), 1);
    }
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    for (int i = 1; i <= 100; i++) {
        pthread_sigmask(SIG_BLOCK, &one, NULL); /* now it could go to a worker */
        kill(getpid(), SIGUSR1);
        run_counted(pool, 3, 10);
        pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    }
    assert_int_equal(atomic_load(&misled), 0);
    assert_true(atomic_load(&handled) > 0);
    destroy(pool);
    sigaction(SIGUSR1, &old, NULL);
}

/* ---- processes ---- */

typedef struct birth {
    kdi_pool *pool;
    int status;
} birth;

static void alone_task(void *user, size_t task, size_t worker)
{
    size_t *next = user;
    *next = worker == 0 && task == *next ? task + 1 : SIZE_MAX;
}

static int in_child(kdi_pool *pool)
{
    size_t next = 0;
    kdi_port_pool_run(pool, 50, alone_task, &next);
    kdi_port_pool_destroy(pool);
    return next != 50 || book.blocks != 0;
}

static void fork_and_wait(birth *b)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(in_child(b->pool));
    }
    waitpid(pid, &b->status, 0);
}

static void fork_task(void *user, size_t task, size_t worker)
{
    birth *b = user;
    (void)worker;
    if (task == 7) {
        fork_and_wait(b);
    }
}

static void a_child_process_works_alone(void **state)
{
    (void)state;
    birth b = {.pool = create(3), .status = -1};
    run_counted(b.pool, 3, 10);
    fork_and_wait(&b);
    assert_int_equal(b.status, 0);
    sleep_ms(20); /* the workers sleep */
    fork_and_wait(&b);
    assert_int_equal(b.status, 0);
    b.status = -1;
    kdi_port_pool_run(b.pool, 16, fork_task, &b); /* amid a job */
    assert_int_equal(b.status, 0);
    run_counted(b.pool, 3, 10); /* the parent's has workers still */
    run_meeting(b.pool, 3);
    destroy(b.pool);
}

/* ---- what the system refuses ---- */

typedef int (*create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

typedef struct life {
    void *(*start)(void *);
    void *arg;
} life;

static atomic_int alive;     /* threads */
static atomic_int refuse_at; /* this call of pthread_create fails, counted from 1; 0 = none */

static void *live(void *given)
{
    life l = *(life *)given;
    free(given);
    void *result = l.start(l.arg);
    atomic_fetch_sub(&alive, 1);
    return result;
}

/* Stands before the C library's. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    create_fn real = NULL;
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&real, &found, sizeof real);
    if (atomic_load(&refuse_at) > 0 && atomic_fetch_sub(&refuse_at, 1) == 1) {
        return 11;
    }
    life *l = malloc(sizeof *l);
    *l = (life){start, arg};
    atomic_fetch_add(&alive, 1);
    return real(thread, attr, live, l);
}

static void refused_memory_and_threads(void **state)
{
    (void)state;
    const kdi_allocator allocator = {ledger_alloc, ledger_release, &book};
    kd_error error = KD_ERROR_INIT;
    kdi_pool *pool = (kdi_pool *)&error;
    book.empty = true;
    assert_int_equal(kdi_port_pool_create(&allocator, 4, &pool, &error), KD_ERR_MEMORY);
    assert_null(pool);
    assert_non_null(strstr(error.text, "4 threads"));
    book.empty = false;
    int before = atomic_load(&alive); /* a BLAS may have some */
    for (int at = 1; at <= 4; at++) {
        char words[32] = "worker ? of 4";
        words[7] = (char)('0' + at);
        atomic_store(&refuse_at, at);
        pool = (kdi_pool *)&error;
        assert_int_equal(kdi_port_pool_create(&allocator, 5, &pool, &error), KD_ERR_THREADS);
        assert_null(pool);
        assert_int_equal(error.status, KD_ERR_THREADS);
        assert_non_null(strstr(error.text, words));
        assert_non_null(strstr(error.text, "11"));
        assert_int_equal(book.blocks, 0);
        assert_int_equal(atomic_load(&refuse_at), 0);
        assert_int_equal(atomic_load(&alive), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_round_as_the_caller_does),
        cmocka_unit_test(workers_flush_as_the_caller_does),
        cmocka_unit_test(workers_do_not_trap),
        cmocka_unit_test(workers_block_signals),
        cmocka_unit_test(a_child_process_works_alone),
        cmocka_unit_test(refused_memory_and_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
