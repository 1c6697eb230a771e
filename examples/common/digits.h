/* SPDX-License-Identifier: MIT */
/**
 * @file digits.h
 * Labelled 28x28 images, and digits that the program draws itself when MNIST is not at hand.
 */
#ifndef DIGITS_H
#define DIGITS_H

#include "cases.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DIGIT_SIDE = 28,                        /**< Pixels in a row, and rows in an image. */
    DIGIT_PIXELS = DIGIT_SIDE * DIGIT_SIDE, /**< Pixels of an image. */
    DIGIT_CLASSES = 10                      /**< Labels are 0..9. */
};

/** Images and what they show. Empty is all zero: `digit_set set = {0};`. */
typedef struct digit_set {
    size_t n;        /**< Images. */
    uint8_t *pixels; /**< [n,784], row by row, 0 = paper, 255 = full ink. */
    uint8_t *labels; /**< [n], 0..9. */
} digit_set;

/**
 * Gives the memory back and leaves the set empty.
 *
 * @param set a set that digits_draw or idx_load filled, an empty one, or NULL.
 */
void digit_set_free(digit_set *set);

/**
 * Draws digits in the manner of MNIST: a few pen strokes, each time with another hand.
 *
 * Image i depends on the seed and on i only, and is the same to the byte on every machine; so the
 * first m of n images are the m images that digits_draw(seed, m, ...) makes. Of every ten images
 * from 10 j on each label occurs once, in random order.
 *
 * @param seed which endless row of images; give training, validation and test data different ones.
 * @param n images to draw; 0 makes an empty set.
 * @param out_set the images, owned by the caller: digit_set_free. Left alone on failure.
 * @return false if there is no memory.
 *
 * Cost: about 20 microseconds an image; allocates 785 bytes for each.
 */
bool digits_draw(uint64_t seed, size_t n, digit_set *out_set);

/** The images as cases: 0..1 a pixel, moved if they are to be. `set` must stay where it is. */
case_set digit_cases(const digit_set *set);

#endif
