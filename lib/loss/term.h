/* SPDX-License-Identifier: MIT */
/**
 * What a kind of term is: a row of this table. A new loss is a new file with one such table and a
 * line in term.c. Inside the room loss only.
 *
 * Terms speak of a case as it looks at their temperature: distributions q and p, whose
 * exponentials and sums are taken once, however many terms (and the metrics) share them. The
 * gradient of such a term is linear in the two rows, so a term only says by which factors; a term
 * on the logits themselves adds its own.
 */
#ifndef KDI_LOSS_TERM_H
#define KDI_LOSS_TERM_H

#include "loss/row.h"

/** One case. */
typedef struct kdi_case {
    const kdi_kernels *kern;
    kdi_row z;                 /**< Student logits. */
    kdi_row v;                 /**< Target values; x is NULL without. Range: scores only. */
    const kd_targets *targets; /**< What v is. */
    const uint32_t *index;     /**< TOPK: whose classes v are. */
    double tail;               /**< TOPK: T0 times the tail, exactly: a logit like v. */
    size_t k;
    int32_t label;    /**< -1 = none. */
    double label_gap; /**< max z - z of the label, >= 0. */
} kdi_case;

/** TOPK: the classes that are not given, which are compared as one. */
typedef struct kdi_bucket {
    kdi_scores scores; /**< The student's; max is the largest in the bucket, -inf without any. */
    double sum;        /**< sum e of them, 0 without any */
    double q;          /**< sum q of them */
    double p;
    double p_max; /**< The largest of v and tail: what the exponentials of p are relative to. */
} kdi_bucket;

/** A case at one temperature. */
typedef struct kdi_look {
    const kdi_kernels *kern; /**< The table that can serve it. */
    kdi_scores q;
    kdi_scores p; /**< Unless p is given as probabilities. */
    double sum_q; /**< sum e */
    double sum_p;
    double log_sum_q; /**< ln of it */
    double log_sum_p;
    double entropy_q; /**< -sum q ln q */
    double entropy_p; /**< -sum p ln p */
    double cross;     /**< -sum p ln q */
    double kl;        /**< sum p (ln p - ln q) */
    float *eq;        /**< The exponentials, if there was room for them; else NULL. */
    float *ep;
    kdi_bucket bucket; /**< TOPK only; eq then has the exponentials of its classes, else 0. */
} kdi_look;

/** What a term remembers of a case from its value to its gradient. */
typedef struct kdi_term_state {
    double z_mean;
    double v_mean;
    double v_scale; /**< From the target's numbers to logits. */
} kdi_term_state;

/** A kind of term. */
typedef struct kdi_term_ops {
    bool needs_labels;
    bool needs_targets;
    bool tempered; /**< Its temperature counts. */
    bool looks;    /**< It speaks of distributions, at its temperature or at T = 1. */
    /** Whether targets of this kind can serve. */
    bool (*accepts)(kd_target_kind kind);
    /** L of one case. */
    kd_status (*value)(const kd_term *term, const kdi_case *c, const kdi_look *look,
                       kdi_term_state *state, double *out_value, kdi_fault *fault);
    /** If it looks: dL/dz = factor_q q + factor_p p - (1 at the label, if it needs one). */
    double (*factor_q)(const kd_term *term);
    double (*factor_p)(const kd_term *term);
    /** Else: gradient[i] += factor dL/dz of class begin+i. */
    void (*add_gradient)(const kdi_case *c, const kdi_term_state *state, size_t begin, size_t count,
                         double factor, float *gradient);
} kdi_term_ops;

extern const kdi_term_ops kdi_loss_term_hard;
extern const kdi_term_ops kdi_loss_term_soft;
extern const kdi_term_ops kdi_loss_term_kl;
extern const kdi_term_ops kdi_loss_term_match;
extern const kdi_term_ops kdi_loss_term_match_raw;

/** The table of a kind, or NULL if there is no such kind. */
const kdi_term_ops *kdi_loss_term(kd_term_kind kind);

#endif
