/* SPDX-License-Identifier: MIT */
/**
 * @file shift.h
 * One number that is added to the logits of classes whose bias is off, and two rules to choose it.
 */
#ifndef SHIFT_H
#define SHIFT_H

#include "digits.h"

/** Logits of labelled cases, and the classes of which something is asked. */
typedef struct shift_cases {
    size_t n;
    const float *logits;            /**< [n,10] */
    const uint8_t *labels;          /**< [n] */
    const bool *shifted /* [10] */; /**< Classes whose bias is off. */
    const bool *missing /* [10] */; /**< Classes that the transfer set lacks. */
} shift_cases;

/** Errors of all cases, and of those of missing classes. */
typedef struct shift_errors {
    size_t all, missing;
} shift_errors;

/** Errors with this shift. */
shift_errors shift_count(const shift_cases *cases, double shift);

/** The paper's rule: fewest errors of these cases, in steps of 0.1 from -20 to 20. */
double shift_oracle(const shift_cases *cases);

/** The mean probability of the shifted classes, with this shift. */
double shift_mean_share(const shift_cases *cases, double shift);

/** A rule without labels: from -50 to 50, the one for which that probability is `share`. */
double shift_honest(const shift_cases *cases, double share);

#endif
