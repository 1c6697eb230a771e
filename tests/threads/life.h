/* SPDX-License-Identifier: MIT */
/*
 * All that a host does with the library, small: train, save, load, record, train from the record.
 * Threads, child processes and signals must not change a bit of it.
 */
#ifndef KD_TESTS_LIFE_H
#define KD_TESTS_LIFE_H

#include "../support/support.h"

#include "../support/files.h"

#define LIFE_INPUTS 128
#define LIFE_K 10
#define LIFE_CASES 96
#define LIFE_BATCH 32

typedef struct life {
    kd_context *context; /* NULL: its own */
    kd_teacher *teacher; /* NULL: its own; another gives other numbers */
    size_t steps;        /* of each of the two trainings */
    uint64_t seed;
    const char *name; /* its files begin with it; NULL: it only trains */
    uint64_t hash;    /* out: any bit of any weight, report or file changes it */
    size_t files;     /* out: files written and read */
} life;

/*
 * Lives it once. What fails in another thread than the test's own ends the process, with words:
 * cmocka knows one thread.
 */
void life_run(life *l);

/* A context of its own, with this many threads. */
kd_context *life_context(int32_t threads);

/* Wide enough that its products are cut into tiles. */
kd_net *life_net(kd_context *context, size_t width, uint64_t seed);

/* [LIFE_CASES,LIFE_INPUTS], the same for everybody. */
void life_x(float *out);

/* Runs `work` in n <= 16 threads at once, each with its element of `users`. */
void life_threads(size_t n, void *(*work)(void *user), void *users, size_t size);

#endif
