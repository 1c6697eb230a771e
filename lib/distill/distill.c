/* SPDX-License-Identifier: MIT */
/*
 * The distiller. A step reads first (teacher, forward, loss, deltas) and writes then (gradients,
 * update); whatever can fail is in the first half or in the optimiser's own proof, so a failed step
 * leaves every weight as it was.
 */
#include "ctx/ctx.h"
#include "distill/options.h"
#include "distill/report.h"
#include "kern/kern.h"
#include "net/net.h"
#include "teacher/teacher.h"

#include <math.h>

struct kd_distiller {
    kd_context *context;
    kd_net *student;
    kd_teacher *teacher; /* or NULL */
    kd_workspace *run;
    kd_teacher_workspace *ask; /* or NULL */
    kd_optimizer *optimizer;
    kdi_objective objective;
    size_t batch;
    bool skip_nonfinite;
    bool want_norm;
    bool busy;
    bool pending;          /* gradients of micro-batches wait for their update */
    double pending_weight; /* the case weight behind them */
    kd_error error;
};

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

static kd_status make_parts(kd_distiller *d, const kd_distiller_options *o, kd_error *error)
{
    kd_workspace_options run = KD_WORKSPACE_OPTIONS_INIT;
    run.batch = o->batch;
    run.training = 1;
    run.seed = o->seed;
    kd_status status = kd_optimizer_create(d->student, o->optimizer, &d->optimizer, error);
    if (status == KD_OK) {
        status = kd_workspace_create(d->student, &run, &d->run, error);
    }
    if (status == KD_OK && d->teacher) {
        status = kd_teacher_workspace_create(d->teacher, o->batch, &d->ask, error);
    }
    return status;
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
    kdi_ctx_delete(context, distiller, sizeof *distiller);
    kd_context_destroy(context);
}

const char *kd_distiller_error(const kd_distiller *distiller)
{
    return distiller ? distiller->error.text : "";
}

/* The terms that this batch can have: soft with targets, hard with labels. */
static kd_status make_terms(kd_distiller *d, const kdi_moment *m, bool targets, bool labels,
                            kd_term *terms, size_t *out_count)
{
    *out_count = 0;
    if (!targets && m->soft_weight > 0.0f) {
        return kdi_base_fail(&d->error, KD_ERR_NULL, 2,
                             "soft_weight is %g, but there is no teacher and batch.targets is NULL",
                             (double)m->soft_weight);
    }
    if (targets) {
        kd_term soft = {sizeof soft, d->objective.soft_kind, m->temperature, m->soft_weight};
        terms[(*out_count)++] = soft;
    }
    if (labels) {
        kd_term hard = {sizeof hard, KD_TERM_HARD, 0.0f, m->hard_weight};
        terms[(*out_count)++] = hard;
    }
    if (*out_count == 0) {
        return kdi_base_fail(
            &d->error, KD_ERR_EMPTY_BATCH, 2,
            "batch.labels is NULL and there are no soft targets: nothing to learn");
    }
    return KD_OK;
}

static kd_status targets_of(kd_distiller *d, const kd_batch *known, const kdi_moment *m,
                            kd_targets *targets, const kd_targets **out)
{
    *out = known->targets;
    if (known->targets || !d->teacher) {
        return KD_OK;
    }
    *out = targets;
    return kdi_teacher_ask(d->ask, known, m->temperature, targets, &d->error);
}

/* The objective on logits [n,k]; its gradient goes to d_logits unless that is NULL. */
static kd_status evaluate(kd_distiller *d, const kd_batch *known, const kdi_moment *m,
                          const float *logits, const kd_targets *targets, float *d_logits,
                          kd_report *report)
{
    kdi_loss_job job = {
        .words = {.error = &d->error,
                  .in = 2,
                  .out = 2,
                  .prefix = "batch.",
                  .logits = "the student's logits",
                  .targets = known->targets ? "batch.targets" : "the teacher's targets"},
        .measure = true,
        .temperature = (double)m->temperature,
    };
    kd_term terms[2];
    size_t count;
    kd_loss_in in = {sizeof in, known->n,      kdi_net_outputs(d->student), logits,
                     0,         known->labels, known->case_weights,         targets};
    kd_loss_out out = KD_LOSS_OUT_INIT;
    out.d_logits = d_logits;
    kd_status status = make_terms(d, m, targets != NULL, known->labels != NULL, terms, &count);
    if (status == KD_OK) {
        status = kdi_loss_check(&job, terms, count, &in, &out);
    }
    if (status == KD_OK && targets) {
        status = kdi_loss_check_retemper(&job, m->temperature, 2);
    }
    if (status == KD_OK) {
        status = kdi_loss_run(&job);
    }
    if (status == KD_OK) {
        kdi_distill_fill_report(report, &job, m);
    }
    return status;
}

/* First phase: everything that only reads. */
static kd_status first_phase(kd_distiller *d, const kd_batch *known, const kdi_moment *m,
                             kd_report *report)
{
    size_t k = kdi_net_outputs(d->student);
    kd_targets asked;
    const kd_targets *targets;
    kd_status status = kdi_net_check_finite(known->x, known->n, kdi_net_inputs(d->student),
                                            known->x_stride, "batch.x", &d->error);
    if (status == KD_OK) {
        status = targets_of(d, known, m, &asked, &targets);
    }
    if (status != KD_OK) {
        return status;
    }
    const float *logits = kdi_net_run_forward(d->run, known);
    status = kdi_net_check_finite(logits, known->n, k, k, "the student's logits", &d->error);
    if (status == KD_OK) {
        status = evaluate(d, known, m, logits, targets, kdi_net_d_logits(d->run), report);
    }
    if (status == KD_OK && (d->pending || known->more)) {
        /* Micro-batches are added with their weight, and divided by the sum of it at the end. */
        kdi_kern()->scale_f32(kdi_net_d_logits(d->run), known->n * k, (float)report->case_weight);
    }
    return status == KD_OK ? kdi_net_run_deltas(d->run, &d->error) : status;
}

/* Second phase: gradients, and the update unless more is to come. */
static kd_status second_phase(kd_distiller *d, bool more, kd_report *report)
{
    kdi_net_run_gradients(d->run, d->pending);
    double weight = d->pending_weight + report->case_weight;
    bool whole = !d->pending && !more;
    if (more) {
        d->pending = true;
        d->pending_weight = weight;
        return KD_OK;
    }
    d->pending = false;
    d->pending_weight = 0.0;
    kdi_update update = {.scale = whole ? 1.0 : 1.0 / weight, .want_norm = d->want_norm};
    kd_status status = kdi_net_update(d->optimizer, d->run, &update, &d->error);
    if (status == KD_OK) {
        report->updates = 1;
        report->rate = update.rate;
        report->gradient_norm = d->want_norm ? update.norm : (double)NAN;
    }
    return status;
}

static kd_status step(kd_distiller *d, const kd_batch *known, kd_report *report)
{
    kdi_moment moment;
    kd_status status =
        kdi_distill_moment(&d->objective, kdi_net_updates(d->optimizer), &moment, &d->error);
    if (status == KD_OK) {
        status = first_phase(d, known, &moment, report);
    }
    if (status == KD_OK) {
        kdi_net_advance(d->run);
        status = second_phase(d, known->more == 1, report);
    }
    if (status == KD_ERR_NOT_FINITE && d->skip_nonfinite) {
        kdi_distill_empty_report(report);
        report->skipped = 1;
        report->temperature = (double)moment.temperature;
        if (!known->more) {
            d->pending = false; /* the update that was skipped was theirs too */
            d->pending_weight = 0.0;
        }
        return KD_OK;
    }
    return status;
}

/* What step and evaluation share: the checks of the door, and the busy mark. */
static kd_status enter(kd_distiller *d, const kd_batch *batch, size_t most, kd_batch *known,
                       const kd_report *out_report)
{
    if (d->busy) {
        return KD_ERR_BUSY; /* the words belong to the call that is running */
    }
    if (out_report && !kdi_base_struct_ok(out_report)) {
        return kdi_base_fail(&d->error, KD_ERR_STRUCT, 3, "out_report.struct_size is %z",
                             out_report->struct_size);
    }
    return kdi_net_read_batch(d->student, most, batch, known, &d->error);
}

kd_status kd_distill_step(kd_distiller *distiller, const kd_batch *batch, kd_report *out_report)
{
    if (!distiller) {
        return KD_ERR_NULL;
    }
    kd_batch known;
    kd_report report;
    kd_status status = enter(distiller, batch, distiller->batch, &known, out_report);
    if (status != KD_OK) {
        return status;
    }
    distiller->busy = true;
    status = step(distiller, &known, &report);
    distiller->busy = false;
    if (status == KD_OK && out_report) {
        kdi_base_write_struct(out_report, &report, sizeof report);
    }
    return status;
}

/* The cases begin .. begin+count of a batch. */
static kd_batch piece_of(const kd_batch *whole, size_t begin, size_t count,
                         const kd_targets *targets, kd_targets *piece_targets)
{
    kd_batch piece = *whole;
    piece.n = count;
    piece.x += begin * piece.x_stride;
    piece.labels = piece.labels ? piece.labels + begin : NULL;
    piece.case_weights = piece.case_weights ? piece.case_weights + begin : NULL;
    piece.ids = piece.ids ? piece.ids + begin : NULL;
    if (targets) {
        *piece_targets = *targets;
        piece_targets->values += begin * piece_targets->stride;
        piece.targets = piece_targets;
    }
    return piece;
}

static kd_status measure_piece(kd_distiller *d, const kd_batch *piece, const kdi_moment *m,
                               kd_report *report)
{
    size_t k = kdi_net_outputs(d->student);
    kd_targets asked;
    const kd_targets *targets;
    kd_status status = kdi_net_check_finite(piece->x, piece->n, kdi_net_inputs(d->student),
                                            piece->x_stride, "batch.x", &d->error);
    if (status == KD_OK) {
        status = targets_of(d, piece, m, &asked, &targets);
    }
    if (status != KD_OK) {
        return status;
    }
    const float *logits = kdi_net_run_infer(d->run, piece->x, piece->n, piece->x_stride);
    status = kdi_net_check_finite(logits, piece->n, k, k, "the student's logits", &d->error);
    return status == KD_OK ? evaluate(d, piece, m, logits, targets, NULL, report) : status;
}

/* Targets of the host's for a whole evaluation: their stride must be known to cut them. */
static kd_status open_targets(kd_distiller *d, const kd_batch *known, kd_targets *targets)
{
    kd_status status =
        kdi_base_open(targets, sizeof *targets, known->targets, "batch.targets", 2, &d->error);
    if (status == KD_OK) {
        status = kdi_loss_check_matrix(targets->values, known->n, kdi_net_outputs(d->student),
                                       &targets->stride, "batch.targets.values", 2, 2, &d->error);
    }
    return status;
}

static kd_status measure(kd_distiller *d, const kd_batch *known, kd_report *report)
{
    kdi_moment moment;
    kd_targets targets = KD_TARGETS_INIT;
    kd_status status =
        kdi_distill_moment(&d->objective, kdi_net_updates(d->optimizer), &moment, &d->error);
    if (status == KD_OK && known->targets) {
        status = open_targets(d, known, &targets);
    }
    kdi_distill_empty_report(report);
    for (size_t begin = 0; status == KD_OK && begin < known->n; begin += d->batch) {
        size_t left = known->n - begin;
        kd_targets piece_targets;
        kd_batch piece = piece_of(known, begin, left < d->batch ? left : d->batch,
                                  known->targets ? &targets : NULL, &piece_targets);
        kd_report one;
        kd_status part = measure_piece(d, &piece, &moment, &one);
        if (part == KD_OK) {
            part = kd_report_merge(report, &one);
        } else if (part == KD_ERR_EMPTY_BATCH && known->n > d->batch) {
            part = KD_OK; /* a piece may be empty, the whole may not: see below */
        }
        status = part;
    }
    if (status == KD_OK && !(report->case_weight > 0.0)) {
        status = kdi_base_fail(&d->error, KD_ERR_EMPTY_BATCH, 2, "none of the %z cases counts",
                               known->n);
    }
    return status;
}

kd_status kd_distill_evaluate(kd_distiller *distiller, const kd_batch *batch, kd_report *out_report)
{
    if (!distiller) {
        return KD_ERR_NULL;
    }
    kd_batch known;
    kd_report report;
    kd_status status = enter(distiller, batch, SIZE_MAX, &known, out_report);
    if (status == KD_OK && !out_report) {
        status = kdi_base_fail(&distiller->error, KD_ERR_NULL, 3, "out_report is NULL");
    }
    if (status != KD_OK) {
        return status;
    }
    distiller->busy = true;
    status = measure(distiller, &known, &report);
    distiller->busy = false;
    if (status == KD_OK) {
        kdi_base_write_struct(out_report, &report, sizeof report);
    }
    return status;
}
