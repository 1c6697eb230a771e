/* SPDX-License-Identifier: MIT */
/**
 * @file align.h
 * Which state of its word each frame is in: forced alignment. It is made once for a corpus, before
 * all that is compared, and kept in a file.
 */
#ifndef ALIGN_H
#define ALIGN_H

#include "corpus.h"

#include "training.h"

/**
 * ln p(s) of each target in the part's labels; each is counted once more than it occurs, so that
 * none is impossible.
 */
void align_priors(const part *p, float out[HMM_TARGETS]);

/**
 * Labels the frames of all recordings: uniformly at first, then `rounds` times by the best paths
 * through their words under a net that is trained on the labels so far, on `train` alone, and is
 * then thrown away.
 *
 * @param p how these nets are trained.
 * @param work folder in which the alignment is kept, and found by later runs.
 * @param out_hash of the labels.
 * @return false after a message.
 */
bool align(kd_context *context, corpus *c, const part *train, const plan *p, unsigned rounds,
           const char *work, uint64_t *out_hash);

#endif
