/* SPDX-License-Identifier: MIT */
/*
 * Children that train, born before and after the parent's first product: none hangs, and all find
 * the parent's bits, with a context of their own or with the one that they inherit.
 */
#define _GNU_SOURCE /* RTLD_DEFAULT, MAP_ANONYMOUS */
#include "life.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORKS 200
#define PATIENCE 60 /* seconds that a child has for some milliseconds of work */

static kd_context *inherited; /* with workers, which a child has not */
static uint64_t *shared;      /* [2], what the child found, what all must find */

static uint64_t live(kd_context *context)
{
    life l = {.context = context, .steps = 2, .seed = 7};
    life_run(&l);
    return l.hash;
}

/* True unless the child hung or failed. `first`: it makes the BLAS single before anything else. */
static bool child_lives(size_t number, bool first)
{
    int how = 0;
    shared[0] = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGALRM, SIG_DFL);
        (void)alarm(PATIENCE);
        if (first && kd_blas_set_single(NULL, NULL, NULL) != KD_OK) {
            _exit(1);
        }
        shared[0] = live(number % 2 ? inherited : NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    if (WIFSIGNALED(how) && WTERMSIG(how) == SIGALRM) {
        print_message("child %zu hangs\n", number);
    }
    shared[1] = shared[1] ? shared[1] : shared[0];
    return WIFEXITED(how) && WEXITSTATUS(how) == 0 && shared[0] == shared[1];
}

static void children(void)
{
    for (size_t i = 0; i < FORKS; i++) {
        assert_true(child_lives(i, false));
    }
}

/* OpenMP's threads don't survive a fork, and libgomp waits for them for ever: see context.h. */
static bool openmp(void)
{
    int (*parallel)(void) = NULL;
    void *found = dlsym(RTLD_DEFAULT, "openblas_get_parallel");
    memcpy(&parallel, &found, sizeof parallel);
    return parallel && parallel() == 2;
}

static void before_the_first_product(void **state)
{
    (void)state;
    children();
}

static void after_the_first_product(void **state)
{
    (void)state;
    assert_int_equal(live(NULL), shared[1]);
    assert_int_equal(live(inherited), shared[1]);
    children();
}

/* The host's own use of a BLAS with threads, before it forks. */
static void after_products_in_parallel(void **state)
{
    (void)state;
    void (*set)(int) = NULL;
    void *found = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
    void *gemm = dlsym(RTLD_DEFAULT, "cblas_sgemm");
    void (*product)(int, int, int, int, int, int, float, const float *, int, const float *, int,
                    float, float *, int) = NULL;
    memcpy(&set, &found, sizeof set);
    memcpy(&product, &gemm, sizeof product);
    if (!set || !product) {
        skip();
    }
    float *a = calloc((size_t)512 * 512 * 2, sizeof *a);
    assert_non_null(a);
    set(2);
    product(101, 111, 111, 512, 512, 512, 1.0f, a, 512, a, 512, 0.0f, a + 512 * 512, 512);
    for (size_t i = 0; i < FORKS / 4; i++) {
        assert_true(child_lives(i, openmp()));
    }
    set(1);
    free(a);
}

static int begin(void **state)
{
    (void)state;
    void *memory =
        mmap(NULL, 2 * sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || kd_blas_set_single(NULL, NULL, NULL) != KD_OK) {
        return 1;
    }
    shared = memory;
    inherited = life_context(4);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kd_context_destroy(inherited);
    return munmap(shared, 2 * sizeof *shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_first_product),
        cmocka_unit_test(after_the_first_product),
        cmocka_unit_test(after_products_in_parallel),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
