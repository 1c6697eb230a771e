/* SPDX-License-Identifier: MIT */
/* Measuring the student on any number of cases, a workspace's worth at a time. */
#include "distill/parts.h"

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
        *piece_targets = kdi_loss_piece_of_targets(targets, begin);
        piece.targets = piece_targets;
    }
    return piece;
}

static kd_status measure_piece(kd_distiller *d, const kd_batch *piece, size_t first_row,
                               const kdi_moment *m, kd_report *report)
{
    size_t k = kdi_net_outputs(d->student);
    kd_targets asked;
    const kd_targets *targets = NULL;
    const kdi_kernels *kern = kdi_ctx_kern(d->context);
    kd_status status = kdi_net_check_finite(kern, piece->x, piece->n, kdi_net_inputs(d->student),
                                            piece->x_stride, first_row, "batch.x", NULL, &d->error);
    bool unknown = !piece->ids && d->teacher && kdi_teacher_by_id(d->teacher);
    if (status == KD_OK && (!unknown || piece->targets)) {
        status = kdi_distill_targets(d, piece, m, &asked, &targets);
    }
    if (status != KD_OK) {
        return status;
    }
    const float *logits = kdi_net_run_infer(d->run, piece->x, piece->n, piece->x_stride);
    status = kdi_net_check_finite(kern, logits, piece->n, k, k, first_row, "the student's logits",
                                  NULL, &d->error);
    return status == KD_OK
               ? kdi_distill_objective(d, piece, m, first_row, logits, targets, NULL, report)
               : status;
}

/* Targets of the host's for a whole evaluation: their stride must be known to cut them. */
static kd_status open_targets(kd_distiller *d, const kd_batch *known, kd_targets *targets)
{
    const kdi_loss_words words = {.error = &d->error,
                                  .in = 2,
                                  .logits = "the student's logits",
                                  .targets = "batch.targets",
                                  .values = "batch.targets.values"};
    return kdi_loss_read_targets(targets, known->targets, known->n, kdi_net_outputs(d->student),
                                 &words);
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
        kd_error before = d->error;
        kd_status part = kdi_ctx_check(d->context, &d->error);
        part = part ? part : measure_piece(d, &piece, begin, &moment, &one);
        if (part == KD_OK) {
            part = kd_report_merge(report, &one, NULL);
        } else if (part == KD_ERR_EMPTY_BATCH && known->n > d->batch) {
            d->error = before; /* a piece may be empty, the whole may not: see below */
            part = KD_OK;
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
    kd_status status = kdi_distill_enter(distiller, batch, SIZE_MAX, &known, out_report);
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
