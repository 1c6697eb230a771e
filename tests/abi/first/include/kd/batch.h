/* SPDX-License-Identifier: MIT */
/**
 * @file batch.h
 * Tier 2: a batch of cases, as the host hands it to a step, to a teacher and to a callback.
 */
#ifndef KD_BATCH_H
#define KD_BATCH_H

#include <kd/loss.h>

/**
 * A batch. The pointers are borrowed for the call.
 *
 * Random numbers (dropout) depend on seed, epoch, the case's id and the layer only: never on how
 * cases are cut into batches, on threads, or on what ran before, if the host gives ids and epoch. A
 * host that gives ids must count epochs too: with the same epoch a case has the same mask again.
 */
typedef struct kd_batch {
    size_t struct_size;
    size_t n;                  /**< Cases, >= 1. */
    const float *x;            /**< Inputs [n,inputs], finite. */
    size_t x_stride;           /**< Floats from row to row; 0 = inputs. */
    const int32_t *labels;     /**< [n] in [-1,k), -1 = none; NULL = none at all. */
    const float *case_weights; /**< [n] finite, >= 0; NULL = all 1. */
    /** [n] sample ids; NULL = running position. Recorded teachers need them. */
    const uint64_t *ids;
    const kd_targets *targets; /**< Soft targets from the host; NULL = ask the teacher. */
    uint32_t epoch;            /**< Part of the random key: new dropout masks each epoch. */
    int32_t more;              /**< 1: more micro-batches of this update follow; 0: update now. */
} kd_batch;

/** A batch to fill in. */
#define KD_BATCH_INIT                                                                              \
    {                                                                                              \
        sizeof(kd_batch), 0, NULL, 0, NULL, NULL, NULL, NULL, 0, 0                                 \
    }

KD_BEGIN

/**
 * A random order of n cases: a permutation of 0..n-1 that depends on its arguments only, the same
 * on every machine.
 *
 * @param seed, epoch key of the order; a new epoch gives a new order.
 * @param n 1..INT32_MAX.
 * @param out_order [n], filled.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(n), allocates nothing.
 * Source: Fisher and Yates, with Philox4x32-10 (Salmon et al. 2011).
 */
KD_API kd_status kd_shuffle(uint64_t seed, uint32_t epoch, size_t n, uint32_t *out_order,
                            kd_error *error);

KD_END

#endif
