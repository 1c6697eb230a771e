/* SPDX-License-Identifier: MIT */
/**
 * @file hmm.h
 * Ten word models of eight states each, which are passed from left to right: one after the other,
 * none left out. A frame stays in a state or goes on to the next, with the same probability; so
 * all paths through a word cost the same, and only the frames' scores count.
 *
 * A recording with fewer frames than states can't pass all of them: its only path is the uniform
 * one, which leaves states out.
 */
#ifndef HMM_H
#define HMM_H

#include <stddef.h>
#include <stdint.h>

enum {
    HMM_WORDS = 10,
    HMM_STATES = 8,                      /**< Of a word. */
    HMM_TARGETS = HMM_WORDS * HMM_STATES /**< State s of word w is target 8 w + s. */
};

/** All states equally long: frame t of n is in state 8 t / n. */
void hmm_uniform(size_t n, uint8_t *out_states);

/**
 * The best path: it begins in state 0 and ends in state 7.
 *
 * @param score rows of 80 floats, the first of which is for the word's state 0 in frame 0:
 *        ln p(x|s), but for a number that is the same for all states in a frame.
 * @param n frames, at least one.
 * @param out_states [n], 0..7; or NULL.
 * @return the sum of its scores.
 */
double hmm_path(const float *score, size_t n, uint8_t *out_states);

/** The word whose best path is best; the lower one of two. `score` is [n,80]. */
unsigned hmm_decode(const float *score, size_t n);

#endif
