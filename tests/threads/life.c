/* SPDX-License-Identifier: MIT */
/* See life.h. */
#define _POSIX_C_SOURCE 200809L
#include "life.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct data {
    float x[LIFE_CASES * LIFE_INPUTS];
    int32_t labels[LIFE_CASES];
    uint64_t ids[LIFE_CASES];
} data;

void life_x(float *out)
{
    uint64_t seed = 5;
    support_normals(&seed, out, (size_t)LIFE_CASES * LIFE_INPUTS, 1);
}

static data *new_data(uint64_t seed)
{
    data *d = malloc(sizeof *d);
    assert_non_null(d);
    life_x(d->x);
    for (size_t i = 0; i < LIFE_CASES; i++) {
        d->labels[i] = (int32_t)support_below(&seed, LIFE_K);
        d->ids[i] = 7 * i + 1;
    }
    return d;
}

static kd_batch batch_of(const data *d, size_t step)
{
    kd_batch batch = KD_BATCH_INIT;
    size_t begin = step * LIFE_BATCH % LIFE_CASES;
    batch.n = LIFE_BATCH;
    batch.x = d->x + begin * LIFE_INPUTS;
    batch.labels = d->labels + begin;
    batch.ids = d->ids + begin;
    return batch;
}

kd_context *life_context(int32_t threads)
{
    kd_error e = KD_ERROR_INIT;
    kd_context_options o = KD_CONTEXT_OPTIONS_INIT;
    kd_context *context;
    o.threads = threads;
    support_ok(kd_context_create(&o, &context, &e), e.text);
    return context;
}

kd_net *life_net(kd_context *context, size_t width, uint64_t seed)
{
    kd_error e = KD_ERROR_INIT;
    kd_net *net;
    support_ok(kd_net_create(context, LIFE_INPUTS, &net, &e), e.text);
    support_ok(kd_net_add_dense(net, width), kd_net_error(net));
    support_ok(kd_net_add_relu(net), kd_net_error(net));
    support_ok(kd_net_add_dropout(net, 0.5f), kd_net_error(net));
    support_ok(kd_net_add_dense(net, LIFE_K), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_HE, seed), kd_net_error(net));
    return net;
}

static void note(life *l, const void *bytes, size_t size)
{
    l->hash = support_hash_bytes(l->hash, bytes, size);
}

static void path_of(const life *l, const char *ending, char out[256])
{
    (void)snprintf(out, 256, "%s.%s", l->name, ending);
}

static kd_distiller *distiller_of(const life *l, kd_net *student, kd_teacher *teacher)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    kd_optimizer_options sgd = KD_OPTIMIZER_OPTIONS_INIT;
    sgd.kind = KD_SGD;
    sgd.rate = 0.02f;
    sgd.momentum = 0.9f;
    o.batch = LIFE_BATCH;
    o.seed = l->seed;
    o.optimizer = &sgd;
    return support_distiller(student, teacher, &o);
}

static void train(life *l, const data *d, kd_distiller *distiller)
{
    for (size_t i = 0; i < l->steps; i++) {
        kd_batch batch = batch_of(d, i);
        kd_report report = support_step(distiller, &batch);
        note(l, &report.total, sizeof report.total);
    }
}

/* Saves the training and loads it into another student, which then is the same. */
static void save_and_load(life *l, kd_context *context, kd_net *student, kd_distiller *distiller)
{
    kd_error e = KD_ERROR_INIT;
    char path[256];
    kd_net *loaded;
    kd_training training = KD_TRAINING_INIT;
    path_of(l, "training", path);
    training.distiller = distiller;
    support_ok(kd_save_training(&training, path, NULL, &e), e.text);
    support_ok(kd_load_net(context, path, NULL, &loaded, &e), e.text);
    assert_int_equal(support_hash(loaded), support_hash(student));
    kd_net_destroy(loaded);
    support_ok(kd_load_training(&training, path, NULL, &e), e.text);
    l->files += 3;
    path_of(l, "net", path);
    support_ok(kd_save_net(student, path, NULL, &e), e.text);
    support_ok(kd_load_net(context, path, NULL, &loaded, &e), e.text);
    assert_int_equal(support_hash(loaded), support_hash(student));
    kd_net_destroy(loaded);
    l->files += 2;
}

/* Records the teacher, a batch at a time, and returns the record as teacher. */
static kd_teacher *record(life *l, kd_context *context, const data *d, kd_teacher *teacher)
{
    kd_error e = KD_ERROR_INIT;
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    char path[256];
    kd_teacher_workspace *ws;
    kd_teacher *recorded;
    kd_cache *cache;
    o.k = LIFE_K;
    path_of(l, "record", path);
    (void)unlink(path);
    support_ok(kd_teacher_workspace_create(teacher, LIFE_BATCH, &ws, &e), e.text);
    support_ok(kd_cache_open(context, path, &o, &cache, &e), e.text);
    for (size_t i = 0; i < LIFE_CASES / LIFE_BATCH; i++) {
        kd_batch batch = batch_of(d, i);
        kd_targets targets = KD_TARGETS_INIT;
        support_ok(kd_teacher_targets(ws, &batch, 1, &targets, &e), e.text);
        support_ok(kd_cache_append(cache, batch.ids, &targets, batch.n), kd_cache_error(cache));
        l->files++;
    }
    support_ok(kd_cache_finish(cache), kd_cache_error(cache));
    kd_cache_destroy(cache);
    kd_teacher_workspace_destroy(ws);
    support_ok(kd_teacher_from_cache(context, path, NULL, &recorded, &e), e.text);
    l->files += 2;
    return recorded;
}

/* What comes after the first training where there are files. */
static void go_on(life *l, kd_context *context, const data *d, kd_net *student, kd_teacher *teacher,
                  kd_distiller *first)
{
    save_and_load(l, context, student, first);
    kd_teacher *recorded = record(l, context, d, teacher);
    kd_distiller *second = distiller_of(l, student, recorded);
    train(l, d, second);
    kd_distiller_destroy(second);
    kd_teacher_destroy(recorded);
}

void life_run(life *l)
{
    data *d = new_data(l->seed);
    kd_context *context = l->context ? l->context : life_context(1);
    kd_net *student = life_net(context, 320, l->seed);
    kd_net *large = life_net(context, 560, l->seed + 1);
    kd_teacher *teacher = l->teacher ? l->teacher : support_teacher(large);
    kd_distiller *distiller = distiller_of(l, student, teacher);
    train(l, d, distiller);
    if (l->name) {
        go_on(l, context, d, student, teacher, distiller);
    }
    uint64_t hash = support_hash(student);
    note(l, &hash, sizeof hash);
    kd_distiller_destroy(distiller);
    if (!l->teacher) {
        kd_teacher_destroy(teacher);
    }
    kd_net_destroy(large);
    kd_net_destroy(student);
    if (!l->context) {
        kd_context_destroy(context);
    }
    free(d);
}

void life_threads(size_t n, void *(*work)(void *user), void *users, size_t size)
{
    pthread_t threads[16];
    assert_true(n <= COUNT(threads));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, (char *)users + i * size), 0);
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}
