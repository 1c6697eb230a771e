/* SPDX-License-Identifier: MIT */
/**
 * @file score.h
 * What a net or an ensemble gets right: frames and words.
 */
#ifndef SCORE_H
#define SCORE_H

#include "corpus.h"

#include <cJSON.h>

/**
 * Counts what is right in a part and writes it to `result`: "frame_accuracy" and "word_error_rate"
 * in per cent; and for each recording, in the order of their names, how many frames are right
 * ("frames_right"), and whether its word is (1 or 0, "words_right").
 *
 * @param z [p->frames,80] logits or logarithms of probabilities, which are changed.
 * @param log_prior of the training frames (align.h).
 * @return false after a message.
 */
bool score_write(const part *p, float *z, const float log_prior[HMM_TARGETS], cJSON *result);

#endif
