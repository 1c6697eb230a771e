/* SPDX-License-Identifier: MIT */
/**
 * @file training.h
 * Training a net by a plan, asking a net, counting its errors.
 */
#ifndef TRAINING_H
#define TRAINING_H

#include "cases.h"

#include <kd/kd.h>
#include <stdbool.h>

/** How one net is trained. */
typedef struct plan {
    size_t layers; /**< Hidden ones. */
    size_t hidden; /**< Units in each of them. */
    size_t epochs;
    float rate;     /**< Peak learning rate; one epoch of warm-up, then a cosine down to 0. */
    float momentum; /**< Nesterov's. */
    float input_dropout;
    float hidden_dropout;
    float max_norm; /**< Length of a hidden unit's incoming weights; 0 = no limit. */
    int jitter;     /**< Of images; see cases.h. */
    size_t batch;
    float
        temperature; /**< Of the soft targets; of no meaning without a teacher, like the weights. */
    float soft_weight;
    float hard_weight;
} plan;

/** One training. */
typedef struct training {
    kd_context *context;
    const plan *plan;
    const char *name;  /**< In progress lines, and of the file of its state. */
    const char *state; /**< Folder for its state, to go on from there; or NULL. */
    uint64_t seed;
    const case_set *data;
    kd_teacher *teacher; /**< Knows each image by its place in `data`; NULL: labels alone. */
    kd_net *net;         /**< Is trained on, and stays the caller's; NULL: a new one by the plan. */
    const kd_specialist *specialist; /**< Whose order of cases it is; NULL: all, each once. */
    bool dustbin;                    /**< Labels are those of the specialist's outputs. */
    /** Is told after each epoch; returns false to stop. NULL: nobody is. */
    bool (*after_epoch)(void *user, size_t epochs, double loss, kd_net *net);
    void *user;
} training;

/** A trained net and what it cost. */
typedef struct trained {
    kd_net *net;     /**< NULL if it failed. */
    size_t diverged; /**< The epoch in which its numbers were no longer finite; 0 = none. */
    double seconds;
    double flop; /**< Of its GEMMs, counted. */
} trained;

/**
 * Trains a net by the plan: with the teacher's soft targets, or with the labels alone.
 * With a state it goes on where an earlier run was stopped. False after a message on stderr; then
 * *out says whether it diverged.
 */
bool train(const training *t, trained *out);

/** Test errors of a net; -1 after a message on stderr. */
long count_errors(kd_net *net, const case_set *data);

/**
 * The net's logits [n,classes] of the cases, undistorted, which the caller frees; NULL after a
 * message on stderr.
 */
float *logits_of(kd_net *net, const case_set *data);

/** The labels [n], which the caller frees; NULL after a message on stderr. */
int32_t *labels_of(const case_set *data);

#endif
