/* SPDX-License-Identifier: MIT */
/**
 * @file characters.h
 * Images of many classes that are easily confused: EMNIST ByClass, or marked digits that the
 * program draws.
 */
#ifndef CHARACTERS_H
#define CHARACTERS_H

#include "study.h"

/** What a study of characters keeps beside train and test. */
typedef struct characters {
    digit_set dev_images;
    case_set dev;          /**< To stop by, and to choose settings by. */
    int32_t *train_labels; /**< [train.n] */
    bool drawn;
} characters;

/** Such images, split by class into parts to train with, to choose with, and to test with. */
extern const study_data study_characters;

/** What a class is called: "B", "b", or "7" with the number of its mark; `out` has 8 bytes. */
void characters_name(const characters *c, size_t class, char out[8]);

#endif
