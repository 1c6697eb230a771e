/* SPDX-License-Identifier: MIT */
/* What a step and an evaluation share: the door, the soft targets, the objective. */
#include "distill/parts.h"

kd_status kdi_distill_enter(kd_distiller *d, const kd_batch *batch, size_t most, kd_batch *known,
                            const kd_report *out_report)
{
    if (d->busy) {
        return KD_ERR_BUSY; /* the words belong to the call that is running */
    }
    if (out_report && !kdi_base_struct_ok(out_report)) {
        return kdi_base_fail(&d->error, KD_ERR_STRUCT, 3, "out_report.struct_size is %z",
                             out_report->struct_size);
    }
    kd_status status = kdi_net_read_batch(d->student, most, batch, known, &d->error);
    if (status == KD_OK && known->more != 0 && known->more != 1) {
        status = kdi_base_fail(&d->error, KD_ERR_VALUE, 2, "batch.more is %i, not 0 or 1",
                               (int64_t)known->more);
    }
    return status;
}

/* The terms that this batch can have: soft with targets, hard with labels. To learn from, it must
 * have what the objective asks for; an evaluation makes do with what there is. */
static kd_status make_terms(kd_distiller *d, const kdi_moment *m, bool targets, bool labels,
                            bool learn, kd_term *terms, size_t *out_count)
{
    *out_count = 0;
    if (learn && !targets && m->soft_weight > 0.0f) {
        return kdi_base_fail(&d->error, KD_ERR_NULL, 2,
                             "soft_weight is %g, but there is no teacher and batch.targets is NULL",
                             (double)m->soft_weight);
    }
    if (targets) {
        kd_term soft = {sizeof soft, d->objective.soft_kind, m->temperature, m->soft_weight, 0};
        terms[(*out_count)++] = soft;
    }
    if (labels) {
        kd_term hard = {sizeof hard, KD_TERM_HARD, 0.0f, m->hard_weight, 0};
        terms[(*out_count)++] = hard;
    }
    if (*out_count == 0) {
        return kdi_base_fail(
            &d->error, KD_ERR_EMPTY_BATCH, 2,
            "batch.labels is NULL and there are no soft targets: nothing to learn");
    }
    return KD_OK;
}

kd_status kdi_distill_targets(kd_distiller *d, const kd_batch *known, const kdi_moment *m,
                              kd_targets *asked, const kd_targets **out)
{
    *out = known->targets;
    if (known->targets || !d->teacher) {
        return KD_OK;
    }
    *out = asked;
    return kdi_teacher_ask(d->ask, known, m->temperature, asked, &d->error);
}

kd_status kdi_distill_objective(kd_distiller *d, const kd_batch *known, const kdi_moment *m,
                                size_t first_row, const float *logits, const kd_targets *targets,
                                float *d_logits, kd_report *report)
{
    kdi_loss_job job = {
        .words = {.error = &d->error,
                  .in = 2,
                  .out = 2,
                  .prefix = "batch.",
                  .first_row = first_row,
                  .logits = "the student's logits",
                  .targets = known->targets ? "batch.targets" : "the teacher's targets",
                  .values =
                      known->targets ? "batch.targets.values" : "the teacher's targets.values",
                  .n = "batch.n",
                  .k = "batch.k",
                  .weights = "batch.case_weights"},
        .kern = kdi_ctx_kern(d->context),
        .measure = true,
        .temperature = (double)m->temperature,
    };
    kd_term terms[2];
    size_t count;
    kd_loss_in in = {
        .struct_size = sizeof in,
        .n = known->n,
        .k = kdi_net_outputs(d->student),
        .logits = logits,
        .labels = known->labels,
        .case_weights = known->case_weights,
        .targets = targets,
        .context = d->context,
    };
    kd_loss_out out = KD_LOSS_OUT_INIT;
    out.d_logits = d_logits;
    out.scratch = d->scratch;
    out.scratch_floats = d->scratch_floats;
    kd_status status =
        make_terms(d, m, targets != NULL, known->labels != NULL, d_logits != NULL, terms, &count);
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
