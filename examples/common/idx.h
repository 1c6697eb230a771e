/* SPDX-License-Identifier: MIT */
/**
 * @file idx.h
 * MNIST's IDX files, gzip or raw.
 */
#ifndef IDX_H
#define IDX_H

#include "digits.h"

/**
 * Reads images and labels of one split, and checks magic, dimensions, counts, labels and length.
 *
 * @param dir folder with `<split>-images-idx3-ubyte` and `<split>-labels-idx1-ubyte`, each with or
 *        without `.gz`.
 * @param split "train" or "t10k", or what other files are called.
 * @param classes labels are below it; at most 256.
 * @param out the images, owned by the caller: digit_set_free. Left alone on failure.
 * @param why [why_size] on failure: a sentence that names the file and what is wrong with it.
 * @return false on failure.
 */
bool idx_load_classes(const char *dir, const char *split, unsigned classes, digit_set *out,
                      char *why, size_t why_size);

/** The same for labels 0 to 9. */
bool idx_load(const char *dir, const char *split, digit_set *out, char *why, size_t why_size);

#endif
