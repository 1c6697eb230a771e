/* SPDX-License-Identifier: MIT */
/** Filling reports. Inside the room distill only. */
#ifndef KDI_DISTILL_REPORT_H
#define KDI_DISTILL_REPORT_H

#include "distill/options.h"
#include "loss/loss.h"

/** A report that saw nothing: NaN where there is nothing to say. */
void kdi_distill_empty_report(kd_report *r);

/** What a job that has run saw. */
void kdi_distill_fill_report(kd_report *r, const kdi_loss_job *job, const kdi_moment *moment);

#endif
