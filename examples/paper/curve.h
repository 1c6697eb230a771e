/* SPDX-License-Identifier: MIT */
/**
 * @file curve.h
 * Learning curves: a line for each epoch in a file, since trainings may be stopped.
 */
#ifndef CURVE_H
#define CURVE_H

#include "training.h"

#include <cJSON.h>

/** What is counted while nets are trained. */
typedef struct curve_watch {
    const case_set *data; /**< Its errors; NULL: none. */
    /** After each of 20 epochs, then about this many times more; 0: after each epoch. */
    size_t times;
    bool keep_best; /**< Keep the net that had the fewest. */
} curve_watch;

/** An epoch. */
typedef struct curve_line {
    size_t epoch;
    double loss;
    long errors; /**< -1 if they were not counted. */
} curve_line;

/** The curve of one training. */
typedef struct curve {
    const curve_watch *watch;
    const char *path;
    const char *best_path; /**< Of the best net. */
    size_t epochs;
    curve_line *lines; /**< [epochs] */
    size_t best;       /**< The epoch with the fewest errors, the first of them; 0 = none yet. */
} curve;

/**
 * Reads what an earlier run left at `path`, if anything. All but the curve must outlive it. False
 * after a message.
 */
bool curve_open(curve *c, const curve_watch *watch, const char *path, const char *best_path,
                size_t epochs);

/** A training's after_epoch; `user` is the curve. */
bool curve_note(void *user, size_t epoch, double loss, kd_net *net);

/**
 * Writes "loss", and "held_out_errors" if errors are counted: null where they were not, and where a
 * line is lost. False after a message.
 */
bool curve_write(curve *c, cJSON *result);

/** Frees it. */
void curve_close(curve *c);

#endif
