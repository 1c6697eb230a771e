/* SPDX-License-Identifier: MIT */
/* Making a distiller: all the memory that its steps need. */
#include "distill/parts.h"

static kd_status check_pair(const kd_net *student, const kd_teacher *teacher, kd_error *error)
{
    size_t k = kdi_net_outputs(student);
    size_t inputs = kdi_net_inputs(student);
    if (kdi_teacher_classes(teacher) != k) {
        return kdi_base_fail(error, KD_ERR_SHAPE, 2, "teacher has %z classes, student has %z",
                             kdi_teacher_classes(teacher), k);
    }
    if (kdi_teacher_inputs(teacher) && kdi_teacher_inputs(teacher) != inputs) {
        return kdi_base_fail(error, KD_ERR_SHAPE, 2, "teacher takes %z inputs, student takes %z",
                             kdi_teacher_inputs(teacher), inputs);
    }
    if (kdi_teacher_uses(teacher, student)) {
        return kdi_base_fail(error, KD_ERR_STATE, 2, "the student is among the teachers");
    }
    return KD_OK;
}

/*
 * A case has up to three rows of exponentials: student and soft targets at T, the student at T = 1
 * for the hard term. One of them is kept in the gradient's own row.
 */
static kd_status make_scratch(kd_distiller *d, kd_error *error)
{
    size_t bytes;
    size_t threads = kdi_ctx_threads(d->context);
    if (!kdi_base_mul(2 * threads, kdi_net_outputs(d->student), &d->scratch_floats) ||
        !kdi_base_mul(d->scratch_floats, sizeof(float), &bytes)) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 1, "too many bytes for %z threads", threads);
    }
    d->scratch = kdi_ctx_new(d->context, bytes);
    return d->scratch ? KD_OK
                      : kdi_base_fail(error, KD_ERR_MEMORY, 0,
                                      "no memory for a distiller (%z bytes)", bytes);
}

static kd_status make_parts(kd_distiller *d, const kd_distiller_options *o, kd_error *error)
{
    kd_workspace_options run = KD_WORKSPACE_OPTIONS_INIT;
    run.batch = o->batch;
    run.training = 1;
    run.seed = o->seed;
    kd_status status = kd_optimizer_create(d->student, o->optimizer, &d->optimizer, error);
    if (status != KD_OK) {
        kdi_base_blame(error, 3);
        return status;
    }
    status = kd_workspace_create(d->student, &run, &d->run, error);
    if (status == KD_OK && d->teacher) {
        status = kd_teacher_workspace_create(d->teacher, o->batch, &d->ask, error);
    }
    if (status != KD_OK) {
        kdi_base_blame(error, 3); /* options.batch is what they are made for */
        return status;
    }
    return make_scratch(d, error);
}

static kd_status check(const kd_net *student, const kd_teacher *teacher, kd_error *error)
{
    if (!student) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "student is NULL");
    }
    if (!kdi_net_ready(student)) {
        return kdi_base_fail(error, KD_ERR_STATE, 1, "student is not initialised");
    }
    return teacher ? check_pair(student, teacher, error) : KD_OK;
}

/* Targets of some kinds can't serve some terms; better said now than at every step. */
static kd_status check_kinds(const kd_teacher *teacher, kd_term_kind soft, kd_error *error)
{
    kd_target_kind kind = kdi_teacher_kind(teacher);
    bool matches = soft == KD_TERM_MATCH || soft == KD_TERM_MATCH_RAW;
    bool free_constant = kind == KD_TARGET_LOG_PROBABILITIES && soft == KD_TERM_MATCH_RAW;
    bool no_logits = kind == KD_TARGET_PROBABILITIES || kind == KD_TARGET_TOPK;
    if (matches && (no_logits || free_constant)) {
        return kdi_base_fail(error, KD_ERR_KIND, 3,
                             "options.soft_kind is %i, but the teacher gives targets of kind %i",
                             (int64_t)soft, (int64_t)kind);
    }
    return KD_OK;
}

kd_status kd_distiller_create(kd_net *student, kd_teacher *teacher,
                              const kd_distiller_options *options, kd_distiller **out_distiller,
                              kd_error *error)
{
    if (!out_distiller) {
        return kdi_base_fail(error, KD_ERR_NULL, 4, "out_distiller is NULL");
    }
    *out_distiller = NULL;
    kd_distiller_options o;
    kdi_objective objective;
    kd_status status = check(student, teacher, error);
    if (status == KD_OK) {
        status = kdi_distill_read_options(options, &o, &objective, error);
    }
    if (status == KD_OK && teacher) {
        status = check_kinds(teacher, objective.soft_kind, error);
    }
    if (status != KD_OK) {
        return status;
    }
    kd_context *context = kdi_net_context(student);
    kd_distiller *d = kdi_ctx_new(context, sizeof *d);
    if (!d) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a distiller (%z bytes)",
                             sizeof *d);
    }
    d->context = kdi_ctx_retain(context);
    d->student = kdi_net_retain(student);
    d->teacher = teacher ? kdi_teacher_retain(teacher) : NULL;
    d->objective = objective;
    d->batch = o.batch;
    d->skip_nonfinite = o.nonfinite == KD_NONFINITE_SKIP;
    d->want_norm = o.gradient_norm == 1;
    d->error = (kd_error)KD_ERROR_INIT;
    status = make_parts(d, &o, error);
    if (status != KD_OK) {
        kd_distiller_destroy(d);
        return status;
    }
    *out_distiller = d;
    return KD_OK;
}

void kd_distiller_destroy(kd_distiller *distiller)
{
    if (!distiller) {
        return;
    }
    kd_context *context = distiller->context;
    kd_teacher_workspace_destroy(distiller->ask);
    kd_workspace_destroy(distiller->run);
    kd_optimizer_destroy(distiller->optimizer);
    kd_teacher_destroy(distiller->teacher);
    kd_net_destroy(distiller->student);
    kdi_ctx_delete(context, distiller->scratch, distiller->scratch_floats * sizeof(float));
    kdi_ctx_delete(context, distiller, sizeof *distiller);
    kd_context_destroy(context);
}

const char *kd_distiller_error(const kd_distiller *distiller)
{
    return distiller ? distiller->error.text : "";
}
