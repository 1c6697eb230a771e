/* SPDX-License-Identifier: MIT */
/**
 * @file results.h
 * What the job found: as a table for people, as JSON for programs.
 */
#ifndef RESULTS_H
#define RESULTS_H

#include "settings.h"

#include <stddef.h>

/** One of the three nets. */
typedef struct result {
    long errors; /**< Of the test cases. */
    double seconds;
    double flop;
} result;

/** All three, and what they were tested on. */
typedef struct results {
    result teacher, alone, distilled;
    bool recorded; /**< The teacher was, by an earlier run. */
    size_t test_cases;
    double seconds; /**< Of the whole job. */
} results;

/** The table and the sentence under it. */
void results_print(const settings *s, const results *r);

/** The JSON object; false after a message on stderr. */
bool results_save(const settings *s, const results *r);

#endif
