/* SPDX-License-Identifier: MIT */
/**
 * @file cases.h
 * Labelled cases of any sort, as training and testing see them.
 */
#ifndef CASES_H
#define CASES_H

#include <stddef.h>
#include <stdint.h>

/** How inputs of one epoch are distorted; those of a case depend on nothing else. */
typedef struct distortion {
    int jitter; /**< Images: moved by up to this many pixels in each direction. */
    uint64_t seed;
    uint32_t epoch;
} distortion;

/** Cases that somebody keeps. */
typedef struct case_set {
    size_t n, inputs, classes;
    uint64_t hash; /**< Of all inputs and labels. */
    /** Writes the cases of these numbers: x [m,inputs], and labels [m] unless NULL. */
    void (*load)(const void *kept, const uint32_t *cases, size_t m, const distortion *d, float *x,
                 int32_t *labels);
    const void *kept; /**< What load is given. */
} case_set;

#endif
