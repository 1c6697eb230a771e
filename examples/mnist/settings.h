/* SPDX-License-Identifier: MIT */
/**
 * @file settings.h
 * What the user asked for, and the plans behind a preset.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** How one net is trained. */
typedef struct plan {
    size_t hidden; /**< Units in each of the two hidden layers. */
    size_t epochs;
    float rate;     /**< Peak learning rate; one epoch of warm-up, then a cosine down to 0. */
    float momentum; /**< Nesterov's. */
    float input_dropout;
    float hidden_dropout;
    float max_norm; /**< Length of a hidden unit's incoming weights; 0 = no limit. */
    int jitter;     /**< Images are moved by up to this many pixels in each direction. */
} plan;

/** The whole job. */
typedef struct settings {
    const char *data;    /**< Folder of the MNIST files; NULL = drawn digits. */
    const char *json;    /**< File for the results, or NULL. */
    const char *picture; /**< File for the soft targets. */
    const char *student; /**< File for the distilled net. */
    const char *state;   /**< Folder for the states of trainings, or NULL. */
    const char *record;  /**< File for, or with, the recorded teacher; or NULL. */
    bool paper;          /**< Preset: paper, else quick. */
    bool holdout;        /**< Test on the last sixth of the training set instead of the test set. */
    uint64_t seed;
    float temperature;
    float soft_weight;
    float hard_weight;
    int32_t threads; /**< That work, the main one included. */
    size_t batch;
    size_t drawn_train; /**< Digits to draw. */
    size_t drawn_test;
    size_t epochs[3]; /**< Asked for on the command line; 0 = as the preset says. */
    plan teacher, alone, distilled;
} settings;

/** Reads the command line. False: stop with *out_exit_code (0 after --help). */
bool settings_read(settings *s, int argc, char **argv, int *out_exit_code);

#endif
