/* SPDX-License-Identifier: MIT */
/**
 * @file drawn.h
 * Words that the program speaks itself when no recordings are at hand: tones that glide between
 * the resonances of a few sounds. No language; enough to see that all works.
 */
#ifndef DRAWN_H
#define DRAWN_H

#include <stddef.h>

enum { DRAWN_SPEAKERS = 6 };

/**
 * A recording of a word, 0..9, by a speaker, 0..5: each time as long, high, loud and noisy as its
 * number says.
 *
 * @param out_n samples, at most about 8,000.
 * @return [*out_n] samples of 8 kHz, which the caller frees; NULL: no memory.
 */
float *drawn_word(unsigned word, unsigned speaker, unsigned index, size_t *out_n);

#endif
