/* SPDX-License-Identifier: MIT */
/* Calls of kd/specialist.h. */
#include "sizes.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static kd_status call_kd_covariance_create(world *w, kd_error *error)
{
    kd_covariance *made = NULL;
    kd_status status = kd_covariance_create(NEEDED(w, w->context), K, &made, error);
    kd_covariance_destroy(made);
    return status;
}

static void keep_square(world *w)
{
    double square[K * K];
    world_result(w, kd_covariance_get(w->covariance, square, NULL));
    for (size_t i = 0; i < K * K; i++) {
        world_result(w, square[i]);
    }
}

static kd_status call_kd_covariance_add(world *w, kd_error *error)
{
    kd_status status = kd_covariance_add(NEEDED(w, w->covariance), w->targets, CASES, error);
    keep_square(w);
    return status;
}

static kd_status call_kd_covariance_get(world *w, kd_error *error)
{
    double square[K * K];
    return kd_covariance_get(NEEDED(w, w->covariance), square, error);
}

static kd_status call_kd_covariance_cluster(world *w, kd_error *error)
{
    uint32_t classes[K * K] = {0};
    double inertia = 0;
    kd_status status = kd_covariance_cluster(NEEDED(w, w->covariance), w->cluster_options, classes,
                                             &inertia, error);
    world_result(w, inertia);
    for (size_t i = 0; i < K * K; i++) {
        world_result(w, classes[i]);
    }
    return status;
}

static kd_status call_kd_specialist_create(world *w, kd_error *error)
{
    kd_specialist *made = NULL;
    kd_param param = KD_PARAM_INIT;
    kd_status status =
        kd_specialist_create(NEEDED(w, w->context), w->specialist_options, &made, error);
    if (status == KD_OK && kd_specialist_net(made)) {
        world_result(w, kd_net_get_param(kd_specialist_net(made), 2, &param));
        world_results(w, param.values, param.rows * param.columns);
    }
    kd_specialist_destroy(made);
    return status;
}

static kd_status call_kd_specialist_labels(world *w, kd_error *error)
{
    int32_t out[CASES];
    return kd_specialist_labels(NEEDED(w, w->specialists[0]), w->own.batch.labels, CASES, out,
                                error);
}

static kd_status call_kd_specialist_targets(world *w, kd_error *error)
{
    static float values[CASES * K];
    kd_status status = kd_specialist_targets(NEEDED(w, w->specialists[0]), w->targets, CASES,
                                             values, w->got_targets, error);
    world_results(w, values, status == KD_OK ? CASES * K : 0);
    return status;
}

static kd_status call_kd_specialist_order(world *w, kd_error *error)
{
    uint32_t order[2 * CASES];
    size_t n = 0;
    return kd_specialist_order(NEEDED(w, w->specialists[0]), w->own.batch.labels, CASES, 1, 2,
                               order, &n, NULL, error);
}

static kd_status call_kd_specialist_correct(world *w, kd_error *error)
{
    return kd_specialist_correct(NEEDED(w, w->specialists[0]), 0.25, NULL, error);
}

static kd_status call_kd_merge(world *w, kd_error *error)
{
    kd_status status =
        kd_merge(w->merge_options, NEEDED(w, w->merge_in), NEEDED(w, w->merge_out), error);
    world_results(w, w->own.merge_out.q, status == KD_OK ? CASES * K : 0);
    for (size_t i = 0; i < CASES; i++) {
        world_result(w, w->own.merge_out.active[i]);
        world_result(w, w->own.merge_out.steps[i]);
        world_result(w, w->own.merge_out.objectives[i]);
    }
    return status;
}

/* Makes a teacher and asks it. */
static kd_status call_kd_teacher_from_specialists(world *w, kd_error *error)
{
    kd_teacher *made = NULL;
    kd_teacher_workspace *asker = NULL;
    kd_targets got = KD_TARGETS_INIT;
    kd_status status = kd_teacher_from_specialists(NEEDED(w, w->teacher), w->specialists, 1,
                                                   w->merge_options, &made, error);
    if (status == KD_OK) {
        world_result(w, kd_teacher_workspace_create(made, CASES, &asker, error));
        world_result(w, kd_teacher_targets(asker, &w->own.batch, 2, &got, error));
        world_results(w, got.values, CASES * K);
    }
    kd_teacher_workspace_destroy(asker);
    kd_teacher_destroy(made);
    return status;
}

static const row rows[] = {
    WORDS(kd_covariance_create, NULL),
    ROW(kd_covariance_add, kd_targets, targets, READ, NULL),
    WORDS(kd_covariance_add, NULL),
    WORDS(kd_covariance_get, NULL),
    ROW(kd_covariance_cluster, kd_cluster_options, cluster_options, READ, NULL),
    WORDS(kd_covariance_cluster, NULL),
    ROW(kd_specialist_create, kd_specialist_options, specialist_options, READ, NULL),
    WORDS(kd_specialist_create, NULL),
    WORDS(kd_specialist_labels, NULL),
    ROW(kd_specialist_targets, kd_targets, targets, READ, NULL),
    ROW(kd_specialist_targets, kd_targets, got_targets, FILLED_ONLY, NULL),
    WORDS(kd_specialist_targets, NULL),
    WORDS(kd_specialist_order, NULL),
    WORDS(kd_specialist_correct, NULL),
    ROW(kd_merge, kd_merge_options, merge_options, READ, NULL),
    ROW(kd_merge, kd_merge_in, merge_in, READ, NULL),
    ROW(kd_merge, kd_merge_out, merge_out, READ, NULL),
    WORDS(kd_merge, NULL),
    ROW(kd_teacher_from_specialists, kd_merge_options, merge_options, READ, NULL),
    WORDS(kd_teacher_from_specialists, NULL),
};

const row_list specialist_rows = {rows, COUNT(rows)};
