/* SPDX-License-Identifier: MIT */
/**
 * @file cache_options.h
 * The command line of kd-cache.
 */
#ifndef CACHE_OPTIONS_H
#define CACHE_OPTIONS_H

#include <kd/kd.h>
#include <stdbool.h>

enum { MOST_TEACHERS = 64 };

/** What to do. */
typedef enum command { COMMAND_RECORD, COMMAND_INSPECT, COMMAND_VERIFY, COMMAND_COMPARE } command;

/** What the user asked for. */
typedef struct options {
    command command;
    const char *file;                    /**< The recording. */
    const char *other;                   /**< COMPARE: the one that lost something. */
    const char *teachers[MOST_TEACHERS]; /**< RECORD: nets; none: the data are logits. */
    size_t n_teachers;
    const char *data; /**< RECORD: a .npy file of inputs, or of logits. */
    kd_mean_kind mean;
    kd_cache_encoding encoding;
    size_t top;
    float temperature; /**< 0 = not given. */
    int32_t threads;
} options;

/** Reads the command line. False: stop with *out_code (0 after --help). */
bool options_read(options *o, int argc, char **argv, int *out_code);

#endif
