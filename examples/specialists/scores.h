/* SPDX-License-Identifier: MIT */
/**
 * @file scores.h
 * Counts of what is right, beside the generalist.
 */
#ifndef SCORES_H
#define SCORES_H

#include "panel.h"

/** Answers for test images. */
typedef struct scores {
    size_t n, k;
    const int32_t *labels; /**< [n] */
    const float *base;     /**< [n,k] the generalist's logits. */
    const float *given;    /**< [n,k] what is measured: the largest is the answer. */
    const panel *panel;    /**< Its classes are those of "conditional". */
} scores;

/**
 * Writes errors and cases; the same of specialists' classes alone, with no other class allowed (the
 * paper's "conditional"); and "won" and "lost" against the generalist, for a paired test.
 */
void scores_write(scores s, cJSON *result);

/** Writes "covered", the paper's table 4: by the number of specialists that know the class. */
void scores_write_cover(scores s, cJSON *result);

#endif
