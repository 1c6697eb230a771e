/* SPDX-License-Identifier: MIT */
/** What a distiller is made of. Inside the room distill only. */
#ifndef KDI_DISTILL_PARTS_H
#define KDI_DISTILL_PARTS_H

#include "ctx/ctx.h"
#include "distill/options.h"
#include "distill/report.h"
#include "net/net.h"
#include "teacher/teacher.h"

struct kd_distiller {
    kd_context *context;
    kd_net *student;
    kd_teacher *teacher; /* or NULL */
    kd_workspace *run;
    kd_teacher_workspace *ask; /* or NULL */
    kd_optimizer *optimizer;
    float *scratch; /* of the loss */
    size_t scratch_floats;
    kdi_objective objective;
    size_t batch;
    bool skip_nonfinite;
    bool want_norm;
    bool busy;
    bool pending;          /* gradients of micro-batches wait for their update */
    double pending_unit;   /* the case weight of the first of them */
    double pending_weight; /* the case weight of all, in that unit */
    kd_error error;
};

/** The checks of the door: not busy, a report that can be written, a batch of at most `most`. */
kd_status kdi_distill_enter(kd_distiller *d, const kd_batch *batch, size_t most, kd_batch *known,
                            const kd_report *out_report);

/** The batch's own soft targets, or the teacher's (in `asked`), or NULL if there are none. */
kd_status kdi_distill_targets(kd_distiller *d, const kd_batch *known, const kdi_moment *m,
                              kd_targets *asked, const kd_targets **out);

/**
 * The objective on logits [n,k], the cases from first_row on. Its gradient goes to d_logits; if
 * that is NULL, terms that lack targets or labels are left out.
 */
kd_status kdi_distill_objective(kd_distiller *d, const kd_batch *known, const kdi_moment *m,
                                size_t first_row, const float *logits, const kd_targets *targets,
                                float *d_logits, kd_report *report);

#endif
