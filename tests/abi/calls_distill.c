/* SPDX-License-Identifier: MIT */
/* Calls of kd/teacher.h and kd/distill.h. */
#include "sizes.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static kd_status call_kd_teacher_from_net(world *w, kd_error *error)
{
    kd_teacher *made = NULL;
    kd_status status = kd_teacher_from_net(NEEDED(w, w->large), &made, error);
    kd_teacher_destroy(made);
    return status;
}

static kd_status call_kd_teacher_from_ensemble(world *w, kd_error *error)
{
    kd_teacher *made = NULL;
    kd_status status =
        kd_teacher_from_ensemble(NEEDED(w, &w->teacher), 1, NULL, KD_MEAN_GEOMETRIC, &made, error);
    kd_teacher_destroy(made);
    return status;
}

static kd_status call_kd_teacher_from_logits(world *w, kd_error *error)
{
    kd_teacher *made = NULL;
    kd_status status = kd_teacher_from_logits(NEEDED(w, w->context), w->own.batch.ids,
                                              w->own.targets.values, CASES, K, 0, &made, error);
    kd_teacher_destroy(made);
    return status;
}

/* Makes a teacher and asks it. */
static kd_status call_kd_teacher_from_callback(world *w, kd_error *error)
{
    kd_teacher *made = NULL;
    kd_teacher_workspace *asker = NULL;
    kd_targets got = KD_TARGETS_INIT;
    kd_status status =
        kd_teacher_from_callback(NEEDED(w, w->context), w->callback_options, &made, error);
    if (status == KD_OK) {
        world_result(w, kd_teacher_workspace_create(made, CASES, &asker, error));
        world_result(w, kd_teacher_targets(asker, &w->own.batch, 2, &got, error));
        world_result(w, got.kind);
        world_results(w, got.values, CASES * K);
    }
    kd_teacher_workspace_destroy(asker);
    kd_teacher_destroy(made);
    return status;
}

/* What a step has made of the student. */
static void keep_student(world *w)
{
    kd_param param = KD_PARAM_INIT;
    world_result(w, kd_net_get_param(w->net, 0, &param));
    world_results(w, param.values, INPUTS * 6);
}

static kd_status call_kd_distiller_create(world *w, kd_error *error)
{
    kd_distiller *made = NULL;
    kd_report report = KD_REPORT_INIT;
    kd_status status =
        kd_distiller_create(NEEDED(w, w->net), w->teacher, w->distiller_options, &made, error);
    if (status == KD_OK) {
        world_result(w, kd_distill_step(made, &w->own.batch, &report));
        world_result(w, report.total);
        keep_student(w);
    }
    kd_distiller_destroy(made);
    return status;
}

static kd_status call_kd_distill_step(world *w, kd_error *error)
{
    (void)error;
    kd_status status = kd_distill_step(w->distiller, w->batch, w->report);
    keep_student(w);
    return status;
}

static kd_status call_kd_distill_evaluate(world *w, kd_error *error)
{
    (void)error;
    return kd_distill_evaluate(w->distiller, w->batch, w->report);
}

static kd_status call_kd_report_merge(world *w, kd_error *error)
{
    return kd_report_merge(NEEDED(w, w->report), w->other_report, error);
}

/* Two reports that say something. */
static void measure(world *w)
{
    assert_int_equal(kd_distill_evaluate(w->distiller, &w->own.batch, &w->own.report), KD_OK);
    assert_int_equal(kd_distill_step(w->distiller, &w->own.batch, &w->own.other_report), KD_OK);
}

static const row rows[] = {
    WORDS(kd_teacher_from_net, NULL),
    WORDS(kd_teacher_from_ensemble, NULL),
    WORDS(kd_teacher_from_logits, NULL),
    ROW(kd_teacher_from_callback, kd_callback_options, callback_options, READ, NULL),
    WORDS(kd_teacher_from_callback, NULL),
    ROW(kd_distiller_create, kd_distiller_options, distiller_options, READ, NULL),
    ROW(kd_distiller_create, kd_optimizer_options, own.distiller_options.optimizer, READ, NULL),
    ROW(kd_distiller_create, kd_schedule, own.distiller_options.temperature_schedule, READ, NULL),
    ROW(kd_distiller_create, kd_schedule, own.distiller_options.soft_weight_schedule, READ, NULL),
    ROW(kd_distiller_create, kd_schedule, own.distiller_options.hard_weight_schedule, READ, NULL),
    WORDS(kd_distiller_create, NULL),
    ROW(kd_distill_step, kd_batch, batch, READ, NULL),
    ROW(kd_distill_step, kd_targets, own.batch.targets, READ, NULL),
    ROW(kd_distill_step, kd_report, report, FILLED_ONLY, NULL),
    ROW(kd_distill_evaluate, kd_batch, batch, READ, NULL),
    ROW(kd_distill_evaluate, kd_targets, own.batch.targets, READ, NULL),
    ROW(kd_distill_evaluate, kd_report, report, FILLED_ONLY, NULL),
    ROW(kd_report_merge, kd_report, report, FILLED, measure),
    ROW(kd_report_merge, kd_report, other_report, READ, measure),
    WORDS(kd_report_merge, measure),
};

const row_list distill_rows = {rows, COUNT(rows)};
