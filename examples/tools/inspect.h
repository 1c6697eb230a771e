/* SPDX-License-Identifier: MIT */
/**
 * @file inspect.h
 * What the parts of kd-inspect share: numbers of an array, a sample, and two ways to say them.
 */
#ifndef INSPECT_H
#define INSPECT_H

#include <cJSON.h>
#include <kd/kd.h>
#include <stdbool.h>

/** What was asked for. */
typedef struct settings {
    const char *path;
    const char *sample; /**< A .npy file of samples, or NULL. */
    uint64_t row;       /**< Which of its rows. */
    float temperature;
    bool json;
} settings;

/** Says on stderr which file is at fault, and why; returns false. */
bool complain(const char *path, const char *why);

/* ---- measure.c ---- */

/** Numbers that stand for an array; all but the counts are of its finite values. */
typedef struct numbers {
    size_t count;
    size_t nan;
    size_t infinite;
    double min, max, mean, sd;
    double sum; /**< In order, in double: equal arrays, equal sums. */
} numbers;

numbers measure(const float *values, size_t count);

/** A bias is a vector, a weight a matrix, even one of a single column. */
bool is_bias(const kd_param *param);

/** The floats of a .npy file, to be freed; NULL after a complaint. */
float *load_matrix(const char *path, kd_npy_info *out_info);

/** What a net says of one row of a .npy file. */
typedef struct sample {
    size_t k;
    float *logits; /**< [k], and behind them the two others. */
    float *plain;  /**< [k] softmax of the logits. */
    float *soft;   /**< [k] softmax at the temperature. */
} sample;

bool sample_make(sample *out, kd_net *net, const settings *s);
void sample_free(sample *s);

/* ---- metadata.c ---- */

/** The metadata of a safetensors file that libkd has checked; NULL after a complaint. */
cJSON *metadata_read(const char *path);

/** The text of a key, or "". */
const char *metadata_get(const cJSON *metadata, const char *key);

/* ---- say.c, for people ---- */

void say_net(const settings *s, kd_net *net, const cJSON *metadata, const sample *one);
void say_matrix(const settings *s, const kd_npy_info *info, const numbers *all);

/* ---- json.c, for machines; false if there is no memory ---- */

bool json_net(const settings *s, kd_net *net, const cJSON *metadata, const sample *one);
bool json_matrix(const settings *s, const kd_npy_info *info, const numbers *all);

/** Prints it, and deletes it. */
bool json_print(cJSON *object);

/* ---- recording.c ---- */

/** Checks a recorded teacher and says what it is; false after a complaint. */
bool inspect_recording(const settings *s);

#endif
