/* SPDX-License-Identifier: MIT */
/*
 * The step. It reads first (teacher, forward, loss, deltas) and writes then (gradients, update);
 * whatever can fail is in the first half or in the optimiser's own proof, so a failed step leaves
 * every weight as it was.
 */
#include "distill/parts.h"
#include "kern/kern.h"

#include <math.h>

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
        status = kdi_distill_targets(d, known, m, &asked, &targets);
    }
    if (status != KD_OK) {
        return status;
    }
    const float *logits = kdi_net_run_forward(d->run, known);
    status = kdi_net_check_finite(logits, known->n, k, k, "the student's logits", &d->error);
    if (status == KD_OK) {
        status =
            kdi_distill_objective(d, known, m, logits, targets, kdi_net_d_logits(d->run), report);
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
