/* SPDX-License-Identifier: MIT */
/*
 * A thousand signals a second, whose handler makes calls of the system end early (no SA_RESTART):
 * training, saving, loading and recording don't fail, and their bits are those of a quiet run.
 */
#define _XOPEN_SOURCE 700
#include "life.h"

#include "../support/system.h"

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

#define LIVES 20
#define CALLS 10000 /* of the system, on files, at least */

static volatile sig_atomic_t signals;
static char name[256];

static void count(int number)
{
    (void)number;
    signals = signals + 1;
}

static void every(suseconds_t microseconds)
{
    const struct itimerval timer = {{0, microseconds}, {0, microseconds}};
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void storm(kd_context *context)
{
    life quiet = {.context = context, .steps = 20, .seed = 3, .name = name};
    life_run(&quiet);
    int before = signals;
    size_t files = 0;
    now = (fault){.armed = true}; /* no call is at fault; they are counted */
    every(1000);
    for (size_t i = 0; i < LIVES; i++) {
        life l = {.context = context, .steps = 20, .seed = 3, .name = name};
        life_run(&l);
        files += l.files;
        if (l.hash != quiet.hash) {
            every(0);
            fail_msg("life %zu has other bits", i);
        }
    }
    every(0);
    now.armed = false;
    print_message("%d signals, %zu files written or read, %zu calls\n", signals - before, files,
                  now.calls);
    assert_true(signals - before >= LIVES);
    assert_true(now.calls >= CALLS);
    assert_int_equal(files, LIVES * quiet.files);
}

static void one_thread(void **state)
{
    (void)state;
    storm(NULL);
}

static void workers(void **state)
{
    (void)state;
    kd_context *context = life_context(3);
    storm(context);
    kd_context_destroy(context);
}

static int begin(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = count};
    (void)snprintf(name, sizeof name, "%s/life", files_begin());
    (void)sigemptyset(&action.sa_mask);
    return sigaction(SIGALRM, &action, NULL) == 0 && kd_blas_set_single(NULL, NULL, NULL) == KD_OK
               ? 0
               : 1;
}

static int end(void **state)
{
    (void)state;
    files_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread),
        cmocka_unit_test(workers),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
