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

/**
 * Reads and checks a host's targets of n cases and k classes, its second argument; of any kind but
 * TOPK. `name` and `values` are the words for them and for their values.
 */
kd_status kdi_specialist_read_targets(kd_targets *known, const kd_targets *given, size_t n,
                                      size_t k, const char *name, const char *values,
                                      kd_error *error);

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
 * one for all other classes together, which keep the generalist's proportions. Arrays are room of
 * the host's.
 */
typedef struct kdi_merge_case {
    size_t k;
    const float *generalist;                     /**< [k] */
    double scale;                                /**< Makes their sum 1. */
    size_t m;                                    /**< Active specialists. */
    double weight;                               /**< C = 1 + m. */
    const kd_specialist *active[KD_MAX_MEMBERS]; /**< [m] */
    const float *answers[KD_MAX_MEMBERS];        /**< [m], each [outputs] */
    size_t cells;
    size_t rest;    /**< Classes in the last cell; 0 = it is a class like the others. */
    double p_rest;  /**< The generalist's for them. */
    double *class;  /**< [cells] which one; not of the last cell if `rest` is not 0. */
    double *a;      /**< [cells] what speaks of a cell alone. */
    double *q;      /**< [cells] */
    double *next;   /**< [cells] the q of the next step. */
    double *move;   /**< [cells] for descent: its direction. */
    double *in;     /**< [m,k] 1 for a cell in a dustbin, else 0. */
    double *d;      /**< [m] a dustbin's probability. */
    double *ratio;  /**< [m] d_m / Q_m. */
    double *u;      /**< [m], */
    double *side;   /**< [m] and */
    double *matrix; /**< [m,m] for descent. */
} kdi_merge_case;

/** Solves it, into q; returns the steps that it took. */
uint32_t kdi_specialist_solve(kdi_merge_case *c, const kd_merge_options *options);

/** E(q). */
double kdi_specialist_objective(const kdi_merge_case *c);

/** What makes the sum of n probabilities 1. */
double kdi_specialist_scale(const float *p, size_t n);

#endif
