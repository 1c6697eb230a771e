/* SPDX-License-Identifier: MIT */
/**
 * @file picture.h
 * Soft targets as a picture: an SVG file, and the same for a terminal.
 */
#ifndef PICTURE_H
#define PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** One image and what the teacher says of it. */
typedef struct picture_row {
    const uint8_t *pixels; /**< [784] */
    int label;
    const float *hard; /**< [10] probabilities at T = 1. */
    const float *soft; /**< [10] probabilities at the temperature. */
} picture_row;

/** Writes an SVG with a row for each image; false if the file can't be written. */
bool picture_save(const char *path, const picture_row *rows, size_t n, float temperature,
                  const char *title);

/** Prints the same as text; `ascii` for terminals without UTF-8. */
void picture_print(FILE *file, const picture_row *rows, size_t n, float temperature, bool ascii);

#endif
