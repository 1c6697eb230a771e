/* SPDX-License-Identifier: MIT */
/**
 * @file settings.h
 * What the user asked for, and the plans behind a preset.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "training.h"

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
    int32_t threads;    /**< That work, the main one included. */
    size_t drawn_train; /**< Digits to draw. */
    size_t drawn_test;
    size_t epochs[3]; /**< Asked for on the command line; 0 = as the preset says. */
    plan teacher, alone, distilled;
} settings;

/** Reads the command line. False: stop with *out_exit_code (0 after --help). */
bool settings_read(settings *s, int argc, char **argv, int *out_exit_code);

#endif
