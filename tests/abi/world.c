/* SPDX-License-Identifier: MIT */
/* The objects and structs that the calls in calls_*.c are made with. */
#define _POSIX_C_SOURCE 200809L
#include "sizes.h"

#include <stdlib.h>
#include <unistd.h>

#define ARENA (8u << 20)

static world the_world;
static _Alignas(64) unsigned char arena[ARENA];
static size_t used;
static char folder[64], path[96];

static const float x[CASES * INPUTS] = {1, -1,   0.5f, 2, 0.25f, -2,    1.5f,  0, 3,  -0.5f,
                                        1, 0.5f, -1,   1, 2,     -1.5f, 0.75f, 1, -3, 0.125f};
static const float v[CASES * K] = {4, 1, 0, -2, 5, 1, 0, 0, 1, 3, -3, 2, 1, 1, 2};
static const float z[CASES * K] = {1, 2, 0, 0, 1, -1, 2, 2, 0, -1, 0, 1, 0.5f, 0, -2};
static const float *const members[1] = {v};
static const float ones[CASES] = {1, 1, 2, 1, 1};
static const int32_t labels[CASES] = {0, 2, 1, -1, 0};
static const uint64_t ids[CASES] = {3, 1, 4, 15, 9};
static float d_z[CASES * K];
static double term_values[1];

#define INIT(type, value)                                                                          \
    if (!strcmp(name, #type)) {                                                                    \
        static const type init = value;                                                            \
        *out_size = sizeof init;                                                                   \
        return &init;                                                                              \
    }

const void *world_init(const char *name, size_t *out_size)
{
    INIT(kd_batch, KD_BATCH_INIT)
    INIT(kd_blas_threads, KD_BLAS_THREADS_INIT)
    INIT(kd_cache_info, KD_CACHE_INFO_INIT)
    INIT(kd_cache_options, KD_CACHE_OPTIONS_INIT)
    INIT(kd_callback_options, KD_CALLBACK_OPTIONS_INIT)
    INIT(kd_cluster_options, KD_CLUSTER_OPTIONS_INIT)
    INIT(kd_context_options, KD_CONTEXT_OPTIONS_INIT)
    INIT(kd_distiller_options, KD_DISTILLER_OPTIONS_INIT)
    INIT(kd_ensemble_in, KD_ENSEMBLE_IN_INIT)
    INIT(kd_error, KD_ERROR_INIT)
    INIT(kd_loss_in, KD_LOSS_IN_INIT)
    INIT(kd_loss_out, KD_LOSS_OUT_INIT)
    INIT(kd_merge_in, KD_MERGE_IN_INIT)
    INIT(kd_merge_options, KD_MERGE_OPTIONS_INIT)
    INIT(kd_merge_out, KD_MERGE_OUT_INIT)
    INIT(kd_metrics_out, KD_METRICS_OUT_INIT)
    INIT(kd_net_info, KD_NET_INFO_INIT)
    INIT(kd_node, KD_NODE_INIT)
    INIT(kd_npy_info, KD_NPY_INFO_INIT)
    INIT(kd_optimizer_options, KD_OPTIMIZER_OPTIONS_INIT)
    INIT(kd_param, KD_PARAM_INIT)
    INIT(kd_reader, KD_READER_INIT)
    INIT(kd_report, KD_REPORT_INIT)
    INIT(kd_schedule, KD_SCHEDULE_INIT)
    INIT(kd_specialist_options, KD_SPECIALIST_OPTIONS_INIT)
    INIT(kd_targets, KD_TARGETS_INIT)
    INIT(kd_term, KD_TERM_INIT)
    INIT(kd_training, KD_TRAINING_INIT)
    INIT(kd_workspace_options, KD_WORKSPACE_OPTIONS_INIT)
    INIT(kd_writer, KD_WRITER_INIT)
    return NULL;
}

void *world_alloc(void *user, size_t size, size_t align)
{
    (void)user;
    size_t at = (used + align - 1) / align * align;
    if (at > ARENA || size > ARENA - at) {
        return NULL;
    }
    used = at + size;
    return arena + at;
}

void world_release(void *user, void *pointer, size_t size)
{
    (void)user;
    (void)pointer;
    (void)size;
}

static int32_t get_threads(void *user)
{
    (void)user;
    return 1;
}

static void set_threads(void *user, int32_t count)
{
    (void)user;
    (void)count;
}

static int32_t answer(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user;
    (void)temperature;
    memcpy(out, v, batch->n * K * sizeof *out);
    return 0;
}

/* Callbacks look at no `user`: it is missing where the struct ends before it. */
static int64_t read_bytes(void *user, uint64_t offset, void *out_bytes, size_t size)
{
    (void)user;
    if (offset >= the_world.file_size) {
        return 0;
    }
    size_t left = the_world.file_size - (size_t)offset;
    memcpy(out_bytes, the_world.file + offset, size < left ? size : left);
    return (int64_t)(size < left ? size : left);
}

static int64_t write_bytes(void *user, const void *bytes, size_t size)
{
    (void)user;
    if (size > FILE_BYTES - the_world.file_size) {
        return 0;
    }
    memcpy(the_world.file + the_world.file_size, bytes, size);
    the_world.file_size += size;
    return (int64_t)size;
}

/* Fills all structs, those of the losses, and those that hang on others. */
static void fill_losses(filled *own)
{
    own->targets.kind = KD_TARGET_LOGITS;
    own->targets.values = v;
    own->term.kind = KD_TERM_SOFT;
    own->term.temperature = 2;
    own->term.weight = 0.5f;
    own->loss_in =
        (kd_loss_in){sizeof own->loss_in, CASES, K, z, K, labels, ones, &own->targets, NULL};
    own->loss_out.d_logits = d_z;
    own->loss_out.d_stride = K;
    own->loss_out.term_values = term_values;
    own->ensemble_in.kind = KD_MEAN_ARITHMETIC;
    own->ensemble_in.temperature = 2;
    own->ensemble_in.members = 1;
    own->ensemble_in.n = CASES;
    own->ensemble_in.k = K;
    own->ensemble_in.logits = members;
    own->ensemble_in.weights = ones;
    own->batch.n = CASES;
    own->batch.x = x;
    own->batch.labels = labels;
    own->batch.case_weights = ones;
    own->batch.ids = ids;
    own->batch.targets = &own->targets;
    own->batch.epoch = 2;
}

static void fill_options(filled *own)
{
    own->context_options.alloc = world_alloc;
    own->context_options.release = world_release;
    own->context_options.threads = 1;
    own->context_options.isa = KD_ISA_PORTABLE;
    own->blas_threads.get = get_threads;
    own->blas_threads.set = set_threads;
    own->workspace_options.batch = CASES;
    own->workspace_options.training = 1;
    own->workspace_options.seed = 6;
    own->schedule.from = 0.5f;
    own->optimizer_options.momentum = 0.25f;
    own->optimizer_options.max_norm = 3;
    own->optimizer_options.rate_schedule = &own->schedule;
    own->optimizer_options.momentum_schedule = &own->schedule;
    own->callback_options.k = K;
    own->callback_options.kind = KD_TARGET_LOGITS;
    own->callback_options.fn = answer;
    own->distiller_options.batch = CASES;
    own->distiller_options.temperature = 3;
    own->distiller_options.optimizer = &own->optimizer_options;
    own->distiller_options.temperature_schedule = &own->schedule;
    own->distiller_options.soft_weight_schedule = &own->schedule;
    own->distiller_options.hard_weight_schedule = &own->schedule;
    own->reader.read = read_bytes;
    own->writer.write = write_bytes;
    own->cache_options.k = K;
    own->cache_options.encoding = KD_CACHE_F32;
    own->cache_options.kind = KD_TARGET_LOGITS;
    own->cache_options.teacher_hash = 11;
    own->cache_options.data_hash = 22;
}

#define POINT(name)                                                                                \
    do {                                                                                           \
        w->name = &w->own.name;                                                                    \
        w->own.name.struct_size = sizeof w->own.name;                                              \
    } while (0)
#define START(type, name)                                                                          \
    do {                                                                                           \
        w->own.name = *(const type *)world_init(#type, &size);                                     \
        POINT(name);                                                                               \
    } while (0)

static void start_structs(world *w)
{
    size_t size;
    START(kd_batch, batch);
    START(kd_blas_threads, blas_threads);
    START(kd_cache_info, cache_info);
    START(kd_cache_options, cache_options);
    START(kd_callback_options, callback_options);
    START(kd_cluster_options, cluster_options);
    START(kd_context_options, context_options);
    START(kd_distiller_options, distiller_options);
    START(kd_ensemble_in, ensemble_in);
    START(kd_loss_in, loss_in);
    START(kd_loss_out, loss_out);
    START(kd_merge_in, merge_in);
    START(kd_merge_options, merge_options);
    START(kd_merge_out, merge_out);
    START(kd_metrics_out, metrics_out);
    START(kd_net_info, net_info);
    START(kd_node, node);
    START(kd_npy_info, npy_info);
    START(kd_optimizer_options, optimizer_options);
    START(kd_param, param);
    START(kd_reader, reader);
    START(kd_report, report);
    START(kd_report, other_report);
    START(kd_schedule, schedule);
    START(kd_specialist_options, specialist_options);
    START(kd_targets, targets);
    START(kd_targets, got_targets);
    START(kd_term, term);
    START(kd_training, training);
    START(kd_workspace_options, workspace_options);
    START(kd_writer, writer);
}

/* A specialist of two of the classes, and answers to merge. */
static void fill_specialists(world *w)
{
    static const uint32_t classes[2] = {2, 0};
    static const float p[CASES * K] = {0.5f, 0.25f, 0.25f, 0.25f, 0.5f, 0.25f, 0.25f, 0.25f,
                                       0.5f, 0.5f,  0.5f,  0,     0,    1,     0};
    static const float *const answers[1] = {p};
    static float q[CASES * K];
    static double scratch[128], objectives[CASES];
    static uint32_t active[CASES], steps[CASES];
    filled *own = &w->own;
    own->cluster_options.sets = 2;
    own->cluster_options.classes = 2;
    own->cluster_options.tries = 3;
    own->cluster_options.rounds = 4;
    own->cluster_options.seed = 5;
    own->cluster_options.columns = KD_COLUMN_RAW;
    own->specialist_options.classes = classes;
    own->specialist_options.n_classes = 2;
    own->specialist_options.generalist = w->large;
    own->specialist_options.k = K;
    own->merge_options.kind = KD_MERGE_FIXED_POINT;
    own->merge_options.steps = 3;
    own->merge_options.best = 2;
    own->merge_options.tolerance = 1e-6;
    own->merge_in.n = CASES;
    own->merge_in.k = K;
    own->merge_in.generalist = p;
    own->merge_in.stride = K;
    own->merge_in.m = 1;
    own->merge_in.specialists = (const kd_specialist *const *)w->specialists;
    own->merge_in.answers = answers;
    own->merge_in.scratch = scratch;
    own->merge_in.scratch_doubles = sizeof scratch / sizeof scratch[0];
    own->merge_out.q = q;
    own->merge_out.stride = K;
    own->merge_out.active = active;
    own->merge_out.steps = steps;
    own->merge_out.objectives = objectives;
    memset(q, 0, sizeof q);
    memset(active, 0, sizeof active);
    memset(steps, 0, sizeof steps);
    memset(objectives, 0, sizeof objectives);
}

static void ok(kd_status status, const kd_error *error)
{
    if (status != KD_OK) {
        fail_msg("%s: %s", kd_status_name(status), error->text);
    }
}

static kd_net *make_net(kd_context *context, uint64_t seed)
{
    kd_error error = KD_ERROR_INIT;
    kd_net *net;
    ok(kd_net_create(context, INPUTS, &net, &error), &error);
    ok(kd_net_add_dense(net, 6), &error);
    ok(kd_net_add_relu(net), &error);
    ok(kd_net_add_dropout(net, 0.25f), &error);
    ok(kd_net_add_dense(net, K), &error);
    ok(kd_net_init(net, KD_INIT_HE, seed), &error);
    return net;
}

static void start_objects(world *w)
{
    kd_error e = KD_ERROR_INIT;
    filled *own = &w->own;
    ok(kd_context_create(&own->context_options, &w->context, &e), &e);
    w->net = make_net(w->context, 1);
    w->large = make_net(w->context, 2);
    ok(kd_teacher_from_net(w->large, &w->teacher, &e), &e);
    ok(kd_teacher_workspace_create(w->teacher, CASES, &w->asker, &e), &e);
    ok(kd_workspace_create(w->net, &own->workspace_options, &w->workspace, &e), &e);
    ok(kd_optimizer_create(w->net, &own->optimizer_options, &w->optimizer, &e), &e);
    ok(kd_distiller_create(w->net, w->teacher, &own->distiller_options, &w->distiller, &e), &e);
    fill_specialists(w);
    ok(kd_specialist_create(w->context, &own->specialist_options, &w->specialists[0], &e), &e);
    ok(kd_covariance_create(w->context, K, &w->covariance, &e), &e);
    ok(kd_covariance_add(w->covariance, &own->targets, CASES, &e), &e);
    own->training.distiller = w->distiller;
    own->training.epoch = 1;
    own->training.position = 2;
    own->training.seed = 3;
    own->training.tag = 4;
}

world *world_start(void)
{
    world *w = &the_world;
    if (!path[0]) {
        snprintf(folder, sizeof folder, "kd-sizes-XXXXXX");
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof path, "%s/cache", folder);
    }
    memset(w, 0, sizeof *w);
    memset(arena, 0, used);
    memset(d_z, 0, sizeof d_z);
    used = 0;
    start_structs(w);
    fill_losses(&w->own);
    fill_options(&w->own);
    start_objects(w);
    return w;
}

/* The memory of all other objects is in the arena, which forgets them. */
void world_stop(void)
{
    kd_cache_destroy(the_world.cache);
    unlink(path);
    rmdir(folder);
    path[0] = 0;
}

const char *world_path(void)
{
    return path;
}

void world_result(world *w, double value)
{
    assert_true(w->n_results < RESULTS);
    w->results[w->n_results++] = value;
}

void world_results(world *w, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        world_result(w, (double)values[i]);
    }
}
