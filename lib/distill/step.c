/* SPDX-License-Identifier: MIT */
/*
 * The step. It reads first (teacher, forward, loss, deltas) and writes then (gradients, update);
 * whatever can fail is in the first half or in the optimiser's own proof, so a failed step leaves
 * every weight as it was.
 */
#include "distill/parts.h"

#include <math.h>

/* First phase: everything that only reads. */
static kd_status first_phase(kd_distiller *d, const kd_batch *known, const kdi_moment *m,
                             kd_report *report)
{
    size_t k = kdi_net_outputs(d->student);
    kd_targets asked;
    const kd_targets *targets;
    const kdi_kernels *kern = kdi_ctx_kern(d->context);
    float largest = 0.0f;
    kd_status status = kdi_net_check_finite(kern, known->x, known->n, kdi_net_inputs(d->student),
                                            known->x_stride, 0, "batch.x", &largest, &d->error);
    if (status == KD_OK) {
        status = kdi_distill_targets(d, known, m, &asked, &targets);
    }
    if (status != KD_OK) {
        return status;
    }
    const float *logits = kdi_net_run_forward(d->run, known, largest);
    status = kdi_net_check_finite(kern, logits, known->n, k, k, 0, "the student's logits", NULL,
                                  &d->error);
    if (status == KD_OK) {
        status = kdi_distill_objective(d, known, m, 0, logits, targets, kdi_net_d_logits(d->run),
                                       report);
    }
    if (status == KD_OK && d->pending) {
        /* Micro-batches are added in proportion to their weight; the first is the unit. */
        double part = report->case_weight / d->pending_unit;
        kern->scale_f32(kdi_net_d_logits(d->run), known->n * k, (float)part);
    }
    return status == KD_OK ? kdi_net_run_deltas(d->run, &d->error) : status;
}

static void forget_pending(kd_distiller *d)
{
    d->pending = false;
    d->pending_unit = 0.0;
    d->pending_weight = 0.0;
}

/* The update: of this batch alone, or from the gradients of all micro-batches that wait. */
static kd_status update(kd_distiller *d, bool waiting, kd_report *report)
{
    kdi_update u = {.scale = waiting ? 1.0 / d->pending_weight : 1.0, .want_norm = d->want_norm};
    forget_pending(d);
    kd_status status =
        (waiting ? kdi_net_update : kdi_net_learn)(d->optimizer, d->run, &u, &d->error);
    if (status == KD_OK) {
        report->updates = 1;
        report->rate = u.rate;
        report->gradient_norm = d->want_norm ? u.norm : (double)NAN;
    }
    return status;
}

/* Second phase: gradients, and the update unless more is to come. */
static kd_status second_phase(kd_distiller *d, bool more, kd_report *report)
{
    if (!d->pending && !more) {
        return update(d, false, report);
    }
    kdi_net_run_gradients(d->run, d->pending);
    d->pending_unit = d->pending ? d->pending_unit : report->case_weight;
    d->pending_weight += report->case_weight / d->pending_unit;
    d->pending = true;
    return more ? KD_OK : update(d, true, report);
}

static kd_status skip(kd_distiller *d, bool more, const kdi_moment *moment, kd_report *report)
{
    kdi_distill_empty_report(report);
    report->skipped = 1;
    report->temperature = (double)moment->temperature;
    if (!more) {
        forget_pending(d); /* the update that was skipped was theirs too */
    }
    return KD_OK;
}

static kd_status step(kd_distiller *d, const kd_batch *known, kd_report *report)
{
    kdi_moment moment;
    kd_error before = d->error;
    bool more = known->more == 1;
    kd_status status =
        kdi_distill_moment(&d->objective, kdi_net_updates(d->optimizer), &moment, &d->error);
    status = status ? status : kdi_ctx_check(d->context, &d->error);
    if (status == KD_OK) {
        status = first_phase(d, known, &moment, report);
    }
    status = status ? status : kdi_ctx_check(d->context, &d->error); /* the last moment for it */
    if (status == KD_ERR_EMPTY_BATCH && (d->pending || more)) {
        /* One micro-batch may be without weight, as some cases of a batch may. */
        d->error = before;
        kdi_distill_empty_report(report);
        report->temperature = (double)moment.temperature;
        status = more ? KD_OK : update(d, true, report);
    } else if (status == KD_OK) {
        status = second_phase(d, more, report);
    }
    if (status == KD_OK) {
        kdi_net_advance(d->run);
    }
    bool tolerated = status == KD_ERR_NOT_FINITE && d->skip_nonfinite;
    return tolerated ? skip(d, more, &moment, report) : status;
}

kd_status kd_distill_step(kd_distiller *distiller, const kd_batch *batch, kd_report *out_report)
{
    if (!distiller) {
        return KD_ERR_NULL;
    }
    kd_batch known;
    kd_report report;
    kd_status status = kdi_distill_enter(distiller, batch, distiller->batch, &known, out_report);
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
