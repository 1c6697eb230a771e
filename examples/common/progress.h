/* SPDX-License-Identifier: MIT */
/**
 * @file progress.h
 * Progress of long work on stderr, with an estimate of the time left.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

/** Seconds of the monotonic clock. */
double progress_clock(void);

/** One piece of long work. */
typedef struct progress {
    const char *what;
    size_t total;
    double start;  /**< Seconds of the monotonic clock. */
    double shown;  /**< When the line was last written. */
    int tenths;    /**< Of the work, last written to a log. */
    bool terminal; /**< Rewrite one line; else a plain line at every tenth. */
} progress;

/** Starts; `total` is the amount of work in any unit. `what` must outlive it. */
void progress_begin(progress *p, const char *what, size_t total);

/** So much is done. Cheap: it writes at most ten times a second, or ten times in all. */
void progress_update(progress *p, size_t done, const char *note);

/** Ends the line. */
void progress_end(progress *p);

#endif
