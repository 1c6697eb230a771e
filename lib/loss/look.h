/* SPDX-License-Identifier: MIT */
/** Looking at cases at the temperatures of a job. Inside the room loss only. */
#ifndef KDI_LOSS_LOOK_H
#define KDI_LOSS_LOOK_H

#include "loss/term.h"

/** Finds the temperatures that occur among terms and metrics; fills the job's views. */
void kdi_loss_plan_views(kdi_loss_job *job);

/** Row `row` of the job, checked: NaN, +inf, rows of -inf. */
kd_status kdi_loss_open_case(const kdi_loss_job *job, size_t row, kdi_case *c, kdi_fault *fault);

/** One view of a case. eq and ep of `look` say where exponentials may be kept (NULL: nowhere). */
kd_status kdi_loss_look(const kdi_view *view, const kdi_case *c, kdi_look *look, kdi_fault *fault);

/** The objective's gradient of one case, over its weight: d[k], which may be the logits. */
bool kdi_loss_write_gradient(const kdi_loss_job *job, const kdi_case *c, const kdi_look *looks,
                             const kdi_term_state *states, double factor, float *d);

/** Whether the term speaks of the case. */
bool kdi_loss_applies(const kd_term *term, const kdi_case *c);

#endif
