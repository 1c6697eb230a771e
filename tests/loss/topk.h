/* SPDX-License-Identifier: MIT */
/* Batches whose targets are the top classes and a bucket, and the formulas of them in double. */
#ifndef KD_TESTS_LOSS_TOPK_H
#define KD_TESTS_LOSS_TOPK_H

#include "cases.h"

/* Owns everything. The teacher's full logits are base->values; base->in has these targets. */
typedef struct topk_batch {
    cases_batch *base;
    float *values;   /* [n,top] */
    uint32_t *index; /* [n,top] */
    float *tail;     /* [n] */
    kd_targets targets;
} topk_batch;

/* Takes `base`. The given classes are 0 .. top-1, until topk_give says which. */
topk_batch *topk_create(cases_batch *base, size_t top, float t);
void topk_destroy(topk_batch *batch);

/* These classes of one row: values and tail come of the full logits. */
void topk_give(topk_batch *batch, size_t row, const uint32_t *index);

/* Random classes, or the largest ones, in each row. */
void topk_give_some(topk_batch *batch, uint64_t *seed);
void topk_give_largest(topk_batch *batch);

/* What one case comes to: without weights, with T^2. d and d_sizes are [k], or both NULL. */
typedef struct topk_truth {
    double soft, kl, entropy_q, entropy_p;
    double sizes;    /* sum p |ln p| + sum p |ln q|, over top + 1 classes */
    double *d;       /* gradient of both */
    double *d_sizes; /* p_i + q_i, for classes of the bucket with p_r q_i / q_r */
} topk_truth;
void topk_case(const topk_batch *batch, size_t row, const double *z, topk_truth *out);

/* kd_loss of HARD, SOFT and KL terms against the reference: largest error over bound. */
cases_ratio topk_compare(const topk_batch *batch, const kd_term *terms, size_t n_terms);
void topk_check(const topk_batch *batch, const kd_term *terms, size_t n_terms);

#endif
