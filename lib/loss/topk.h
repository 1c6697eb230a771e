/* SPDX-License-Identifier: MIT */
/** Targets of the kind TOPK: some classes, one bucket for the rest. Inside the room loss only. */
#ifndef KDI_LOSS_TOPK_H
#define KDI_LOSS_TOPK_H

#include "loss/term.h"

/** One row of TOPK targets (a stride is set, k classes): values, their order, the tail. */
kd_status kdi_loss_topk_check(const kd_targets *targets, size_t row, size_t k, kdi_row *v,
                              kdi_fault *fault);

/** Compares at look->q.scale; look->q, look->kern and look->eq are set, all else is filled. */
kd_status kdi_loss_topk_look(const kdi_case *c, kdi_look *look, kdi_fault *fault);

/**
 * Exponentials of the classes begin .. begin+count that are in the bucket, 0 for given ones (NULL:
 * not wanted), and their sums: `rest` lacks one largest class of each run between given ones.
 */
void kdi_loss_topk_exps(const kdi_case *c, const kdi_look *look, size_t begin, size_t count,
                        float *e, kdi_sums *out);

/** out[i] += q q_i + p p_i for the given classes among begin .. begin+count. */
void kdi_loss_topk_add(const kdi_case *c, const kdi_look *look, double q, double p, size_t begin,
                       size_t count, float *out);

#endif
