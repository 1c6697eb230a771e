/* SPDX-License-Identifier: MIT */
/**
 * @file sets.h
 * The training and the test images of a program: from MNIST's files, or drawn.
 */
#ifndef SETS_H
#define SETS_H

#include "digits.h"

/** Where they come from. */
typedef struct sets_source {
    const char *folder; /**< Of the four files; NULL = drawn digits. */
    bool holdout;       /**< Test images are the last sixth of the training set instead. */
    uint64_t seed; /**< Of what is drawn: no seed's test digits are another's training digits. */
    size_t train, test; /**< Digits to draw. */
} sets_source;

/** Fills both, which the caller frees, with at least one image each. False after a message. */
bool sets_load(const sets_source *source, digit_set *out_train, digit_set *out_test);

/** A set of the images for which keep[label] is true; as sets_load. */
bool sets_choose(const digit_set *all, const bool keep[DIGIT_CLASSES], digit_set *out);

#endif
