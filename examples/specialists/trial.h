/* SPDX-License-Identifier: MIT */
/**
 * @file trial.h
 * What all rows of one seed share: a generalist, its specialists, and results that are kept.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include "panel.h"
#include "scores.h"

/** What is at hand for one seed. */
typedef struct trial {
    study *s;
    uint64_t seed;
    size_t sets, classes; /**< Specialists, and classes of each. */
    size_t members;       /**< Generalists in an ensemble. */
    float control_rate;   /**< Of the generalist that is trained on. */
    kd_net *generalist;
    int32_t *labels; /**< [test.n] */
    float *base;     /**< [test.n,k] the generalist's logits. */
    panel own;       /**< By clusters. */
    bool trained, corrected;
} trial;

/**
 * Trains or loads the generalist of s, seed, sets and classes, groups its classes, and keeps the
 * row "generalist". False after a message; close it all the same.
 */
bool trial_open(trial *r);

/** Frees what trial_open and trial_train made. */
void trial_close(trial *r);

/** Trains its specialists if they are not, and corrects them if that is asked for. */
bool trial_train(trial *r, bool correct);

/** Keeps a row of what generalist and panel say; with `details` also table 4, and examine.h's. */
bool trial_ask(trial *r, panel *p, size_t best, const char *row, bool details);

/** Answers [test.n,k] as scores.h wants them. */
scores trial_scores(const trial *r, const float *given);

/** A row's description; `p` is the plan by which it was made. */
cJSON *trial_describe(const trial *r, const char *row, const plan *p);

/** Whether the row of that name, made by the specialists' plan, is there already. */
bool trial_has(trial *r, const char *row);

#endif
