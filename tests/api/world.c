/* SPDX-License-Identifier: MIT */
/* See world.h. */
#include "world.h"

/* ---- callbacks of the host ---- */

static world *now; /* whose call is under way */

static int32_t say_one(void *user)
{
    (void)user;
    return 1;
}

static void ignore(void *user, int32_t count)
{
    (void)user;
    (void)count;
}

/* A teacher that calls its distiller, and asks by its own workspace. */
static int32_t answer(void *user, const kd_batch *batch, float temperature, float *out)
{
    world *w = now;
    (void)user;
    for (size_t i = 0; i < batch->n * K; i++) {
        out[i] = (float)(i % 3);
    }
    if (w && w->again == 1) {
        kd_batch small = *batch;
        kd_training training = KD_TRAINING_INIT;
        kd_writer writer = io_writer(&w->out_file);
        training.distiller = w->distiller_host;
        assert_int_equal(kd_distill_step(w->distiller_host, &small, NULL), KD_ERR_BUSY);
        assert_int_equal(kd_save_training(&training, NULL, &writer, NULL), KD_ERR_BUSY);
        assert_int_equal(kd_load_training(&training, NULL, &w->reader.s, NULL), KD_ERR_BUSY);
        w->again = kd_distill_evaluate(w->distiller_host, &small, &w->sum.s);
    } else if (w && w->again == 2) {
        kd_targets targets = KD_TARGETS_INIT;
        w->again = kd_teacher_targets(w->ask_host, batch, temperature, &targets, NULL);
    }
    return 0;
}

/* ---- the world ---- */

#define SET(field, ...)                                                                            \
    do {                                                                                           \
        memset(&w->field, 0, sizeof w->field);                                                     \
        w->field.s = (__VA_ARGS__);                                                                \
    } while (0)

static void fill_numbers(world *w)
{
    uint64_t seed = 5;
    support_normals(&seed, w->x, COUNT(w->x), 1);
    support_normals(&seed, w->z, COUNT(w->z), 1);
    support_normals(&seed, w->v, COUNT(w->v), 1);
    for (size_t i = 0; i < COUNT(w->ids); i++) {
        w->labels[i] = (int32_t)(i % K);
        w->weights[i] = 1;
        w->ids[i] = i;
        w->fresh[i] = 100 + i;
    }
    w->z_of[0] = w->z;
    w->z_of[1] = w->v;
}

static void fill_losses(world *w)
{
    SET(term, (kd_term)KD_TERM_INIT);
    w->term.s.kind = KD_TERM_SOFT;
    w->term.s.temperature = 2;
    SET(targets, (kd_targets)KD_TARGETS_INIT);
    w->targets.s.kind = KD_TARGET_LOGITS;
    w->targets.s.values = w->v;
    w->targets.s.k = K;
    SET(got, (kd_targets)KD_TARGETS_INIT);
    SET(loss_in, (kd_loss_in){.struct_size = sizeof(kd_loss_in),
                              .n = N,
                              .k = K,
                              .logits = w->z,
                              .labels = w->labels,
                              .case_weights = w->weights,
                              .targets = &w->targets.s,
                              .context = w->context});
    SET(loss_out, (kd_loss_out){.struct_size = sizeof(kd_loss_out),
                                .d_logits = w->d_z,
                                .term_values = w->term_values,
                                .scratch = w->scratch,
                                .scratch_floats = COUNT(w->scratch)});
    SET(metrics_out, (kd_metrics_out)KD_METRICS_OUT_INIT);
    SET(ensemble_in, (kd_ensemble_in)KD_ENSEMBLE_IN_INIT);
    w->ensemble_in.s.members = 2;
    w->ensemble_in.s.n = N;
    w->ensemble_in.s.k = K;
    w->ensemble_in.s.logits = w->z_of;
    w->ensemble_in.s.weights = w->weights;
    w->ensemble_in.s.context = w->context;
    w->ensemble_in.s.scratch = w->scratch;
    w->ensemble_in.s.scratch_floats = COUNT(w->scratch);
}

static void fill_options(world *w)
{
    const kd_schedule schedule = {.struct_size = sizeof schedule,
                                  .kind = KD_SCHEDULE_LINEAR,
                                  .from = 0.5f,
                                  .to = 0.25f,
                                  .factor = 1,
                                  .steps = 10};
    SET(schedule, schedule);
    SET(rate_schedule, schedule);
    SET(momentum_schedule, schedule);
    SET(temperature_schedule, schedule);
    SET(soft_weight_schedule, schedule);
    SET(hard_weight_schedule, schedule);
    SET(optimizer_options, (kd_optimizer_options)KD_OPTIMIZER_OPTIONS_INIT);
    w->optimizer_options.s.rate_schedule = &w->rate_schedule.s;
    w->optimizer_options.s.momentum_schedule = &w->momentum_schedule.s;
    SET(distiller_options, (kd_distiller_options)KD_DISTILLER_OPTIONS_INIT);
    w->distiller_options.s.batch = BATCH;
    w->distiller_options.s.optimizer = &w->optimizer_options.s;
    w->distiller_options.s.temperature_schedule = &w->temperature_schedule.s;
    w->distiller_options.s.soft_weight_schedule = &w->soft_weight_schedule.s;
    w->distiller_options.s.hard_weight_schedule = &w->hard_weight_schedule.s;
    SET(workspace_options, (kd_workspace_options)KD_WORKSPACE_OPTIONS_INIT);
    w->workspace_options.s.batch = BATCH;
    w->workspace_options.s.training = 1;
    SET(callback_options, (kd_callback_options)KD_CALLBACK_OPTIONS_INIT);
    w->callback_options.s.k = K;
    w->callback_options.s.fn = answer;
    SET(context_options, (kd_context_options)KD_CONTEXT_OPTIONS_INIT);
    SET(blas_threads, (kd_blas_threads){sizeof(kd_blas_threads), say_one, ignore, w});
    SET(cache_options, (kd_cache_options)KD_CACHE_OPTIONS_INIT);
    w->cache_options.s.k = K;
}

static void fill_outputs(world *w)
{
    SET(error, (kd_error)KD_ERROR_INIT);
    SET(net_info, (kd_net_info)KD_NET_INFO_INIT);
    SET(node, (kd_node)KD_NODE_INIT);
    SET(param, (kd_param)KD_PARAM_INIT);
    SET(cache_info, (kd_cache_info)KD_CACHE_INFO_INIT);
    SET(npy_info, (kd_npy_info)KD_NPY_INFO_INIT);
    SET(report, (kd_report)KD_REPORT_INIT);
    SET(sum, (kd_report)KD_REPORT_INIT);
    SET(batch, (kd_batch)KD_BATCH_INIT);
    w->batch.s.n = N;
    w->batch.s.x = w->x;
    w->batch.s.labels = w->labels;
    w->batch.s.case_weights = w->weights;
    w->batch.s.ids = w->ids;
    w->batch.s.targets = &w->targets.s;
}

static void make_handles(world *w)
{
    kd_error e = KD_ERROR_INIT;
    kd_callback_options c = w->callback_options.s;
    kd_distiller_options d = KD_DISTILLER_OPTIONS_INIT;
    d.batch = BATCH;
    w->context = support_context(&w->memory);
    w->net = support_net(w->context, "4: 5 relu drop0.5 3", 1);
    w->other = support_net(w->context, "4: 6 relu 3", 2);
    support_ok(kd_net_create(w->context, INPUTS, &w->bare, &e), e.text);
    support_ok(kd_net_add_dense(w->bare, K), kd_net_error(w->bare));
    w->teacher = support_teacher(w->other);
    support_ok(kd_teacher_from_callback(w->context, &c, &w->host, &e), e.text);
    w->members[0] = w->teacher;
    w->members[1] = w->host;
    w->ws = support_workspace(w->net, BATCH, 1, 1);
    w->ws_infer = support_workspace(w->net, BATCH, 0, 1);
    w->ws_other = support_workspace(w->other, BATCH, 1, 1);
    support_ok(kd_net_forward(w->ws, &w->batch.s, &w->logits), kd_workspace_error(w->ws));
    support_ok(kd_net_backward(w->ws, w->v, 0, 0), kd_workspace_error(w->ws));
    support_ok(kd_optimizer_create(w->net, NULL, &w->optimizer, &e), e.text);
    support_ok(kd_teacher_workspace_create(w->teacher, BATCH, &w->ask, &e), e.text);
    support_ok(kd_teacher_workspace_create(w->host, BATCH, &w->ask_host, &e), e.text);
    w->distiller = support_distiller(w->net, w->teacher, &d);
    w->distiller_host = support_distiller(w->net, w->host, &d);
}

/* Specialists of a generalist that is as sure of all classes, in all cases. */
static void make_specialists(world *w)
{
    kd_error e = KD_ERROR_INIT;
    kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
    SET(cluster_options, (kd_cluster_options)KD_CLUSTER_OPTIONS_INIT);
    w->cluster_options.s.sets = w->cluster_options.s.classes = 2;
    SET(specialist_options, o);
    w->classes[0] = K - 1;
    w->specialist_options.s.classes = w->classes;
    w->specialist_options.s.n_classes = 2;
    w->specialist_options.s.generalist = w->net;
    support_ok(kd_covariance_create(w->context, K, &w->empty, &e), e.text);
    support_ok(kd_covariance_create(w->context, K, &w->covariance, &e), e.text);
    support_ok(kd_covariance_add(w->covariance, &w->targets.s, N, &e), e.text);
    support_ok(kd_specialist_create(w->context, &w->specialist_options.s, &w->specialist, &e),
               e.text);
    o.classes = w->classes;
    o.n_classes = 1;
    o.k = K;
    support_ok(kd_specialist_create(w->context, &o, &w->sure, &e), e.text);
    w->specialists[0] = w->specialists[1] = w->specialist;
    w->answers[0] = w->answers[1] = w->p;
    for (size_t i = 0; i < COUNT(w->p); i++) {
        w->p_all[i] = w->p[i] = 1.0f / K;
    }
}

static void fill_merge(world *w)
{
    SET(merge_options, (kd_merge_options)KD_MERGE_OPTIONS_INIT);
    SET(merge_in, (kd_merge_in)KD_MERGE_IN_INIT);
    w->merge_in.s.n = N;
    w->merge_in.s.k = K;
    w->merge_in.s.generalist = w->p_all;
    w->merge_in.s.m = 2;
    w->merge_in.s.specialists = (const kd_specialist *const *)w->specialists;
    w->merge_in.s.answers = w->answers;
    w->merge_in.s.context = w->context;
    w->merge_in.s.scratch = w->doubles;
    w->merge_in.s.scratch_doubles = COUNT(w->doubles);
    SET(merge_out, (kd_merge_out)KD_MERGE_OUT_INIT);
    w->merge_out.s.q = w->out;
    w->merge_out.s.active = w->order;
    w->merge_out.s.steps = w->order + N;
    w->merge_out.s.objectives = w->square;
}

static void make_files(world *w, const char *function)
{
    kd_error e = KD_ERROR_INIT;
    kd_writer writer = io_writer(&w->net_file);
    support_ok(kd_save_net(w->net, NULL, &writer, &e), e.text);
    writer = io_writer(&w->weights_file);
    support_ok(kd_export_weights(w->net, NULL, NULL, &writer, &e), e.text);
    writer = io_writer(&w->npy_file);
    support_ok(kd_save_npy(w->v, N, K, 0, NULL, &writer, &e), e.text);
    SET(training, (kd_training)KD_TRAINING_INIT);
    w->training.s.distiller = w->distiller;
    writer = io_writer(&w->training_file);
    support_ok(kd_save_training(&w->training.s, NULL, &writer, &e), e.text);
    strcpy(w->path, files_path("new"));
    strcpy(w->cache_path, files_path("recording"));
    bool reads = strcmp(function, "kd_load_npy") == 0;
    bool foreign = strcmp(function, "kd_import_weights") == 0;
    bool whole = strcmp(function, "kd_load_training") == 0;
    SET(reader, io_reader(reads     ? &w->npy_file
                          : foreign ? &w->weights_file
                          : whole   ? &w->training_file
                                    : &w->net_file));
    SET(writer, io_writer(&w->out_file));
}

/* The recording is open; for calls that read it, it is finished and closed. */
static void make_cache(world *w, const char *function)
{
    kd_error e = KD_ERROR_INIT;
    if (!strstr(function, "cache")) {
        return;
    }
    support_ok(kd_cache_open(w->context, w->cache_path, &w->cache_options.s, &w->cache, &e),
               e.text);
    support_ok(kd_cache_append(w->cache, w->ids, &w->targets.s, N), kd_cache_error(w->cache));
    if (strstr(function, "open") || strstr(function, "verify") || strstr(function, "from")) {
        support_ok(kd_cache_finish(w->cache), kd_cache_error(w->cache));
        kd_cache_destroy(w->cache);
        w->cache = NULL;
    }
}

void world_begin(world *w, const char *function)
{
    memset(w, 0, sizeof *w);
    now = w;
    fill_numbers(w);
    fill_options(w);
    fill_outputs(w);
    make_handles(w);
    fill_losses(w);
    make_specialists(w);
    fill_merge(w);
    make_files(w, function);
    make_cache(w, function);
}

void world_end(world *w)
{
    kd_context_destroy(w->made.context);
    kd_net_destroy(w->made.net);
    kd_teacher_destroy(w->made.teacher);
    kd_workspace_destroy(w->made.workspace);
    kd_optimizer_destroy(w->made.optimizer);
    kd_teacher_workspace_destroy(w->made.ask);
    kd_distiller_destroy(w->made.distiller);
    kd_cache_destroy(w->made.cache);
    kd_covariance_destroy(w->made.covariance);
    kd_specialist_destroy(w->made.specialist);
    kd_covariance_destroy(w->covariance);
    kd_covariance_destroy(w->empty);
    kd_specialist_destroy(w->specialist);
    kd_specialist_destroy(w->sure);
    kd_net_destroy(w->spare);
    kd_teacher_destroy(w->own);
    kd_cache_destroy(w->cache);
    kd_distiller_destroy(w->distiller);
    kd_distiller_destroy(w->distiller_host);
    kd_teacher_workspace_destroy(w->ask);
    kd_teacher_workspace_destroy(w->ask_host);
    kd_optimizer_destroy(w->optimizer);
    kd_workspace_destroy(w->ws);
    kd_workspace_destroy(w->ws_infer);
    kd_workspace_destroy(w->ws_other);
    kd_teacher_destroy(w->teacher);
    kd_teacher_destroy(w->host);
    kd_net_destroy(w->bare);
    kd_net_destroy(w->net);
    kd_net_destroy(w->other);
    kd_context_destroy(w->context);
    io_free(&w->net_file);
    io_free(&w->weights_file);
    io_free(&w->training_file);
    io_free(&w->npy_file);
    io_free(&w->out_file);
    support_all_returned(&w->memory);
    (void)remove(w->path);
    (void)remove(w->cache_path);
}
