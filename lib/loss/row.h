/* SPDX-License-Identifier: MIT */
/** Rows of logits and of soft targets, opened for the kernels. Inside the room loss only. */
#ifndef KDI_LOSS_ROW_H
#define KDI_LOSS_ROW_H

#include "kern/kern.h"
#include "loss/loss.h"

/** What of a case was at fault. All but the first belong to TOPK targets. */
typedef enum kdi_fault_field {
    KDI_FAULT_VALUE = 0, /**< A logit, or a target. */
    KDI_FAULT_CLASS,     /**< topk_index: no such class. */
    KDI_FAULT_ORDER,     /**< topk_index: not ascending. */
    KDI_FAULT_TAIL       /**< tail; or, on the student's side, the classes that it stands for. */
} kdi_fault_field;

/** Which element was at fault: index within the row. */
typedef struct kdi_fault {
    bool target; /**< Else a student logit. */
    kdi_fault_field field;
    bool gradient; /**< No element: the gradient of the case overflows. */
    bool row;      /**< The row as a whole: `value` is then its sum, or -inf. */
    size_t index;
    double value;
} kdi_fault;

/** A row of scores and its range. */
typedef struct kdi_row {
    const float *x;
    float min;
    float max;
} kdi_row;

/** KD_ERR_NOT_FINITE for NaN or +inf, KD_ERR_SUPPORT if all are -inf. */
kd_status kdi_loss_row_open(kdi_row *row, const kdi_kernels *kern, const float *x, size_t k,
                            kdi_fault *fault);

/** The table that can serve the row at this scale: `kern`, or the reference. */
const kdi_kernels *kdi_loss_row_kern(const kdi_row *row, const kdi_kernels *kern, double scale);

/** Says it. */
kd_status kdi_loss_blame(const kdi_loss_words *w, kd_status status, size_t row,
                         const kdi_fault *fault);

/** Most chunks that rows are shared out in. */
#define KDI_LOSS_CHUNKS 16

/** Into how many chunks [n,k] is cut for threads; depends on nothing else. */
size_t kdi_loss_chunks(size_t n, size_t k);

/** ln(1 + x), x >= 0, to a few ulp of double. */
double kdi_loss_log1p(double x);

/** What of a row of targets is natural-log units at T: 1/T of logits, T0/T of log-probabilities. */
double kdi_loss_target_scale(const kd_targets *targets, double temperature);

/** Whether the targets are rows of k scores, of which exponentials are taken. */
bool kdi_loss_targets_are_scores(const kd_targets *targets);

/**
 * Whether all but one exponential of a row of k are so small that floats lose some of them. A loss
 * can be that small, and is exact all the same: then the reference takes the row again, in double.
 */
bool kdi_loss_is_faint(const kdi_sums *sums, size_t k);

/** Whether log-probabilities are some: their exponentials sum to 1. KD_ERR_PROBABILITY. */
kd_status kdi_loss_row_check_log(const kdi_row *row, const kdi_kernels *kern, size_t k,
                                 kdi_fault *fault);

/** Whether given probabilities are some: `least` and `mass` are what was found of them. */
kd_status kdi_loss_row_check_given(const float *p, size_t k, float least, double mass,
                                   kdi_fault *fault);

#endif
