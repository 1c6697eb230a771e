/* SPDX-License-Identifier: MIT */
/**
 * @file runs.h
 * Results in a JSON file: what was run, and what came out. The file is replaced after each run, so
 * a program that is stopped loses none, and makes none again.
 */
#ifndef RUNS_H
#define RUNS_H

#include <cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum { RUNS_MOST = 2000 /**< Of one program run. */ };

/** The runs of one file. */
typedef struct runs {
    const char *path;
    int lock;    /**< Descriptor of PATH.lock: two programs do not share a file. */
    cJSON *file; /**< {"program": ..., "runs": [{"what": {...}, "result": {...}}], ...} */
    size_t n;    /**< Runs of this program run, whether made or found. */
    size_t made; /**< Of these. */
    const cJSON *run[RUNS_MOST];
} runs;

/** Reads the file, or begins one on the disk. False after a message on stderr. */
bool runs_open(runs *r, const char *path, const char *program);

/** Frees it; the file is up to date already. */
void runs_close(runs *r);

/**
 * The result of the run that is described so, which is one of this program run then, too; NULL if
 * it is not there.
 */
const cJSON *runs_have(runs *r, const cJSON *what);

/**
 * Adds a run and replaces the file. Takes both objects, which are part of the file then. False
 * after a message on stderr.
 */
bool runs_add(runs *r, cJSON *what, cJSON *result);

/**
 * Keeps what many results share beside the runs, as the field `name` of an object `kind`, and takes
 * it; the next runs_add writes it. What has the same name is taken to be the same. False after a
 * message on stderr.
 */
bool runs_share(runs *r, const char *kind, const char *name, cJSON *value);

/**
 * Prints a table of this program run, a line for each name of a row (what.row), with the mean, the
 * standard deviation and all values of the result's numbers `keys`.
 */
void runs_print(const runs *r, const char *const *keys, size_t n_keys);

#endif
