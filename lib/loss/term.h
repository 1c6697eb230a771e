/* SPDX-License-Identifier: MIT */
/**
 * What a kind of term is: a row of this table. A new loss is a new file with one such table and a
 * line in term.c. Inside the room loss only.
 */
#ifndef KDI_LOSS_TERM_H
#define KDI_LOSS_TERM_H

#include "loss/dist.h"

/** One case as a term sees it. */
typedef struct kdi_case {
    const float *z;            /**< Student logits [k]. */
    const float *v;            /**< Target values [k], or NULL. */
    const kd_targets *targets; /**< What v is. */
    size_t k;
    int32_t label; /**< -1 = none. */
} kdi_case;

/** What a term remembers of a case from its value to its gradient. */
typedef struct kdi_term_state {
    kdi_dist q; /**< Student at the term's T. */
    kdi_dist p; /**< Soft targets at the same T. */
    double z_mean;
    double v_mean;
    double v_scale; /**< From the target's numbers to logits. */
} kdi_term_state;

/** A kind of term. */
typedef struct kdi_term_ops {
    bool needs_labels;
    bool needs_targets;
    bool tempered; /**< Its temperature counts. */
    /** Whether targets of this kind can serve. */
    bool (*accepts)(kd_target_kind kind);
    /** L of one case. */
    kd_status (*value)(const kd_term *term, const kdi_case *c, kdi_term_state *state,
                       double *out_value, kdi_fault *fault);
    /** gradient[i] += factor dL/dz of class begin+i. */
    void (*add_gradient)(const kd_term *term, const kdi_case *c, const kdi_term_state *state,
                         size_t begin, size_t count, double factor, double *gradient);
} kdi_term_ops;

extern const kdi_term_ops kdi_loss_term_hard;
extern const kdi_term_ops kdi_loss_term_soft;
extern const kdi_term_ops kdi_loss_term_kl;
extern const kdi_term_ops kdi_loss_term_match;
extern const kdi_term_ops kdi_loss_term_match_raw;

/** The table of a kind, or NULL if there is no such kind. */
const kdi_term_ops *kdi_loss_term(kd_term_kind kind);

#endif
