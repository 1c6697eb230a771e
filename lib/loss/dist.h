/* SPDX-License-Identifier: MIT */
/** A row as a distribution at a temperature. Inside the room loss only. */
#ifndef KDI_LOSS_DIST_H
#define KDI_LOSS_DIST_H

#include "loss/loss.h"

/** Classes that are worked on at once, in double, on the stack. */
#define KDI_LOSS_BLOCK 128

/** ln p_i = (x_i - max) scale - log_sum, or ln x_i if these are probabilities. */
typedef struct kdi_dist {
    const float *x;
    bool probabilities;
    double max;
    double scale;
    double log_sum;
} kdi_dist;

/** Which element was at fault: index within the row. */
typedef struct kdi_fault {
    bool target; /**< Else a student logit. */
    bool row;    /**< The row as a whole: `value` is then its sum, or -inf. */
    size_t index;
    double value;
} kdi_fault;

/** softmax(x/T). KD_ERR_NOT_FINITE or _SUPPORT. */
kd_status kdi_loss_dist_logits(kdi_dist *d, const float *x, size_t k, double temperature,
                               kdi_fault *fault);

/** The soft targets of one row at T. Also KD_ERR_PROBABILITY. */
kd_status kdi_loss_dist_targets(kdi_dist *d, const kd_targets *targets, const float *x, size_t k,
                                double temperature, kdi_fault *fault);

/** ln p of the classes begin .. begin+count. */
void kdi_loss_dist_log(const kdi_dist *d, size_t begin, size_t count, double *out);

/** p of the same. */
void kdi_loss_dist_exp(const kdi_dist *d, size_t begin, size_t count, double *out);

/** Sums over classes of two distributions; `p` may be NULL, then only entropy_q. */
typedef struct kdi_dist_sums {
    double cross;     /**< -sum p ln q */
    double entropy_p; /**< -sum p ln p */
    double entropy_q; /**< -sum q ln q */
    double kl;        /**< sum p (ln p - ln q) */
} kdi_dist_sums;

/** KD_ERR_SUPPORT (with the class) where q is 0 and p is not. */
kd_status kdi_loss_dist_compare(const kdi_dist *p, const kdi_dist *q, size_t k, kdi_dist_sums *out,
                                kdi_fault *fault);

#endif
