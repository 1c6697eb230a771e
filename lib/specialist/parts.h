/* SPDX-License-Identifier: MIT */
/** What a specialist is, and the problem that one case is. Inside the room specialist only. */
#ifndef KDI_SPECIALIST_PARTS_H
#define KDI_SPECIALIST_PARTS_H

#include "ctx/ctx.h"
#include "specialist/specialist.h"

struct kd_specialist {
    kdi_refs refs;
    kd_context *context;
    size_t k;            /**< All classes. */
    size_t n;            /**< Its own. */
    uint32_t *classes;   /**< [n] ascending. */
    uint32_t *output_of; /**< [k] the output of a class; n is the dustbin. */
    void *block;         /**< Of both arrays. */
    size_t block_size;
    kd_net *net; /**< NULL: the host's. */
    bool corrected;
};

/** Whether some class is none of its own. */
static inline bool kdi_specialist_has_dustbin(const kd_specialist *s)
{
    return s->n < s->k;
}

/** Whether a class is one of its own. */
static inline bool kdi_specialist_knows(const kd_specialist *s, size_t class)
{
    return s->output_of[class] < s->n;
}

/**
 * One case of eq. 5, in cells: one for each class that an active specialist knows, and behind them
 * one for all other classes together, which keep the generalist's proportions.
 */
typedef struct kdi_merge_case {
    size_t k;
    const float *generalist;                     /**< [k] */
    size_t m;                                    /**< Active specialists. */
    const kd_specialist *active[KD_MAX_MEMBERS]; /**< [m] */
    const float *answers[KD_MAX_MEMBERS];        /**< [m], each [outputs] */
    size_t cells;
    size_t rest;   /**< Classes in the last cell; 0 = it is a class like the others. */
    double *class; /**< [cells] which one; not of the last cell if `rest` is not 0. */
    double *a;     /**< [cells] what speaks of a cell alone. */
    double *q;     /**< [cells] */
    double *z;     /**< [cells] for descent: the logits, */
    double *slope; /**< [cells] and the gradient by them. */
} kdi_merge_case;

/** Solves it, into q; returns the steps that it took. */
uint32_t kdi_merge_solve(kdi_merge_case *c, const kd_merge_options *options);

/** E(q). */
double kdi_merge_objective(const kdi_merge_case *c);

/** What makes the sum of n probabilities 1. */
double kdi_merge_scale(const float *p, size_t n);

#endif
