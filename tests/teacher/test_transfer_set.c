/* SPDX-License-Identifier: MIT */
/*
 * A whole transfer set, 60,000 cases of 10 classes: students of the recording are those of the live
 * teacher, bit for bit, though the one was asked in order and the other in the order of training.
 */
#define _POSIX_C_SOURCE 200809L
#include "../support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define N 60000
#define INPUTS 20
#define K 10
#define RECORDED 250 /* cases at a time */
#define BATCH 96     /* of training; 60,000 = 625 of them */

typedef struct world {
    kd_context *context;
    kd_net *net;
    char path[64];
    float *x; /* [N,INPUTS] */
    float some_x[BATCH * INPUTS];
    int32_t labels[BATCH];
    uint64_t ids[RECORDED];
    uint32_t order[N];
} world;

static void start(world *w)
{
    uint64_t seed = 11;
    kd_error e = KD_ERROR_INIT;
    support_ok(kd_context_create(NULL, &w->context, &e), e.text);
    w->net = support_net(w->context, "20: 32 relu drop0.5 10", 3);
    w->x = calloc((size_t)N * INPUTS, sizeof *w->x);
    assert_non_null(w->x);
    support_normals(&seed, w->x, (size_t)N * INPUTS, 1.0);
    snprintf(w->path, sizeof w->path, "/tmp/kd-transfer-%ld", (long)getpid());
}

static void stop(world *w)
{
    unlink(w->path);
    free(w->x);
    kd_net_destroy(w->net);
    kd_context_destroy(w->context);
}

/* In order, RECORDED at a time. */
static void record(world *w, kd_teacher *live, kd_cache_options *o)
{
    kd_error e = KD_ERROR_INIT;
    kd_cache *cache;
    kd_teacher_workspace *ask;
    o->k = K;
    o->data_hash = kd_hash(0, w->x, (size_t)N * INPUTS * sizeof *w->x);
    support_ok(kd_teacher_hash(live, &o->teacher_hash, &e), e.text);
    support_ok(kd_cache_open(w->context, w->path, o, &cache, &e), e.text);
    support_ok(kd_teacher_workspace_create(live, RECORDED, &ask, &e), e.text);
    for (size_t begin = 0; begin < N; begin += RECORDED) {
        kd_batch batch = KD_BATCH_INIT;
        kd_targets targets = KD_TARGETS_INIT;
        batch.n = RECORDED;
        batch.x = w->x + begin * INPUTS;
        for (size_t i = 0; i < RECORDED; i++) {
            w->ids[i] = begin + i;
        }
        support_ok(kd_teacher_targets(ask, &batch, 1.0f, &targets, &e), e.text);
        support_ok(kd_cache_append(cache, w->ids, &targets, RECORDED), kd_cache_error(cache));
    }
    support_ok(kd_cache_finish(cache), kd_cache_error(cache));
    kd_teacher_workspace_destroy(ask);
    kd_cache_destroy(cache);
}

static uint64_t train(world *w, kd_teacher *teacher)
{
    kd_net *student = support_net(w->context, "20: 16 relu drop0.25 10", 5);
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.batch = BATCH;
    o.seed = 9;
    kd_distiller *d = support_distiller(student, teacher, &o);
    support_ok(kd_shuffle(9, 1, N, w->order, NULL), "shuffle");
    for (size_t begin = 0; begin < N; begin += BATCH) {
        kd_batch batch = KD_BATCH_INIT;
        batch.n = BATCH;
        batch.x = w->some_x;
        batch.labels = w->labels;
        batch.ids = w->ids;
        batch.epoch = 1;
        for (size_t i = 0; i < BATCH; i++) {
            size_t id = w->order[begin + i];
            memcpy(w->some_x + i * INPUTS, w->x + id * INPUTS, INPUTS * sizeof *w->x);
            w->labels[i] = (int32_t)(id % K);
            w->ids[i] = id;
        }
        support_step(d, &batch);
    }
    uint64_t hash = support_hash(student);
    kd_distiller_destroy(d);
    kd_net_destroy(student);
    return hash;
}

/* Without kernels of its own for this processor the library makes no such promise. */
static bool promised(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static void test_students_are_the_same(void **state)
{
    (void)state;
    kd_error e = KD_ERROR_INIT;
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    kd_teacher *recorded;
    if (!promised()) {
        skip();
    }
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    start(w);
    kd_teacher *live = support_teacher(w->net);
    record(w, live, &o);
    support_ok(kd_teacher_from_cache(w->context, w->path, &o, &recorded, &e), e.text);
    uint64_t of_live = train(w, live);
    uint64_t of_recorded = train(w, recorded);
    assert_true(of_live == of_recorded);
    kd_net *other = support_net(w->context, "20: 32 relu drop0.5 10", 4);
    kd_teacher *stranger = support_teacher(other);
    assert_true(train(w, stranger) != of_live); /* so the comparison could have failed */
    kd_teacher_destroy(stranger);
    kd_net_destroy(other);
    kd_teacher_destroy(recorded);
    kd_teacher_destroy(live);
    stop(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_students_are_the_same)};
    (void)kd_blas_set_single(NULL, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
