/* SPDX-License-Identifier: MIT */
/**
 * @file panel.h
 * A generalist's specialists: sets of classes, their training, and what they say of cases.
 */
#ifndef PANEL_H
#define PANEL_H

#include "characters.h"

enum { PANEL_MOST = 64 /**< Specialists. */ };

/** What specialists learn. */
typedef enum panel_kind {
    PANEL_DUSTBIN, /**< Their classes and a dustbin, from labels (section 5.3). */
    /** All classes: their own from labels, the others from the generalist's soft targets (6.1). */
    PANEL_FULL
} panel_kind;

/** Sets of classes, and a specialist for each. */
typedef struct panel {
    panel_kind kind;
    size_t m, each;                         /**< Sets, and classes in each. */
    uint32_t *classes;                      /**< [m,each] */
    kd_specialist *specialists[PANEL_MOST]; /**< With nets, unless kind is PANEL_FULL. */
    kd_net *nets[PANEL_MOST];               /**< PANEL_FULL: of all classes. */
    double priors[PANEL_MOST];              /**< Share of a set's classes in the training data. */
    double seconds, tflop;                  /**< That all trainings took. */
    size_t cases;                           /**< That they were shown. */
} panel;

/** Sets by K-means of the generalist's predictions for the training images. False: a message. */
bool panel_cluster(study *s, kd_net *generalist, size_t m, size_t each, panel *out);

/** As many sets of classes at random, from the seed. */
bool panel_random(study *s, uint64_t seed, size_t m, size_t each, panel *out);

/** The same sets as another panel's. */
bool panel_like(const panel *other, panel *out);

/** Trains a specialist for each set; the dustbins are not corrected yet. */
bool panel_train(study *s, kd_net *generalist, uint64_t seed, panel_kind kind, panel *p);

/** Corrects all dustbins; or for PANEL_FULL the biases of its classes, which came too often. */
bool panel_correct(panel *p);

/** How many specialists know a class. */
size_t panel_cover(const panel *p, size_t class);

/**
 * What generalist and specialists say together, [n,classes] probabilities which the caller frees;
 * NULL after a message. `best`: the generalist's first classes by which specialists are active.
 */
float *panel_ask(kd_net *generalist, panel *p, size_t best, const case_set *data);

/** Where the largest of n >= 1 values is, the first of equals. */
size_t panel_largest(const float *values, size_t n);

/** Frees it. */
void panel_close(panel *p);

#endif
