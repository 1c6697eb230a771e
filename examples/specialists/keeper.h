/* SPDX-License-Identifier: MIT */
/**
 * @file keeper.h
 * Early stopping: keeps the weights of the epoch with the fewest errors on cases to choose with.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include "cases.h"

#include <kd/kd.h>
#include <stdbool.h>

/** Of one training. */
typedef struct keeper {
    const case_set *dev;
    const int32_t *labels;           /**< [dev->n] of all classes. */
    const kd_specialist *specialist; /**< Whose outputs the net has; NULL: all classes. */
    const float *shift;              /**< Added to its outputs, as it will be later; NULL: 0. */
    long least;                      /**< Errors of the best epoch; -1 = none yet. */
    kd_net *best;                    /**< A copy of it, or NULL. */
} keeper;

/** A training's after_epoch; `user` is the keeper. */
bool keeper_note(void *user, size_t epoch, double loss, kd_net *net);

/** Gives the net the weights of its best epoch. */
void keeper_restore(const keeper *k, kd_net *net);

/** Frees the copy. */
void keeper_close(keeper *k);

#endif
