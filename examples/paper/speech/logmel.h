/* SPDX-License-Identifier: MIT */
/**
 * @file logmel.h
 * Speech as a net sees it: for every 10 ms the logarithms of the energies in 40 bands that are
 * equally wide for the ear.
 */
#ifndef LOGMEL_H
#define LOGMEL_H

#include "wav.h"

enum {
    LOGMEL_WINDOW = WAV_RATE / 40, /**< 25 ms. */
    LOGMEL_HOP = WAV_RATE / 100,   /**< 10 ms. */
    LOGMEL_FFT = 256,
    LOGMEL_BINS = LOGMEL_FFT / 2 + 1,
    LOGMEL_BANDS = 40
};

/** Window, bands and the plan of the FFT. */
typedef struct logmel logmel;

/** NULL: no memory. */
logmel *logmel_create(void);

/** Takes NULL, too. */
void logmel_destroy(logmel *f);

/**
 * Frames of n samples: those that lie within, at least one; samples behind the last whole window
 * are not looked at, and fewer than a window are taken to be followed by silence.
 */
size_t logmel_count(size_t n);

/**
 * ln(E + 1e-6) of each band's energy E, from the power spectrum of a Hamming window: triangles that
 * reach from one centre to the next but one, the centres being equally far apart from 0 to 4 kHz in
 * mel = 2595 log10(1 + f / 700).
 *
 * @param samples [n], -1..1.
 * @param out [logmel_count(n),40].
 */
void logmel_of(logmel *f, const float *samples, size_t n, float *out);

#endif
