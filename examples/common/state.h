/* SPDX-License-Identifier: MIT */
/**
 * @file state.h
 * Training states in a folder: after each epoch one file is replaced, and a training that is begun
 * again goes on where that file says.
 */
#ifndef STATE_H
#define STATE_H

#include "training.h"

/** Where one training keeps its state. */
typedef struct state {
    char path[4096]; /**< Of the file; "" = nowhere. */
    uint64_t tag;    /**< Of data and settings that the library does not see. */
    uint64_t seed;
} state;

/** Makes the folder and the name of the file. False after a message on stderr. */
bool state_open(state *out, const training *t);

/** Goes on with what is there: epochs done and seconds spent, or 0 and 0. */
bool state_load(const state *s, kd_distiller *distiller, size_t *out_epochs, double *out_seconds);

/** So many epochs are done. */
bool state_save(const state *s, kd_distiller *distiller, size_t epochs, double seconds);

#endif
