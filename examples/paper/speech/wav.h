/* SPDX-License-Identifier: MIT */
/**
 * @file wav.h
 * Wav files of speech: 8 kHz, one channel, 16 bits.
 */
#ifndef WAV_H
#define WAV_H

#include <stdbool.h>
#include <stddef.h>

enum { WAV_RATE = 8000 /**< Samples a second. */ };

/**
 * Reads a whole file.
 *
 * @param path the file.
 * @param out_samples [*out_n], -1..1, at least one; the caller frees them. Left alone on failure.
 * @param out_n how many.
 * @param why [why_size] on failure: a sentence that names the file, and says what is wrong with it
 *        and what was expected.
 * @return false on failure.
 */
bool wav_read(const char *path, float **out_samples, size_t *out_n, char *why, size_t why_size);

#endif
