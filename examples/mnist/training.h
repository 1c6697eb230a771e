/* SPDX-License-Identifier: MIT */
/**
 * @file training.h
 * Training one of the three nets, asking a net, counting its errors.
 */
#ifndef TRAINING_H
#define TRAINING_H

#include "digits.h"
#include "settings.h"

#include <kd/kd.h>

/** A trained net and what it cost. */
typedef struct trained {
    kd_net *net;
    double seconds;
    double flop; /**< Of its GEMMs, counted. */
} trained;

/**
 * Trains a 784-h-h-10 net by a plan: with the teacher's soft targets, or, if `teacher` is NULL,
 * with the labels alone. With settings.state it goes on where an earlier run was stopped. False
 * after a message on stderr.
 */
bool train(kd_context *context, const settings *s, const plan *p, const char *name,
           const digit_set *data, kd_teacher *teacher, trained *out);

/** Test errors of a net; -1 after a message on stderr. */
long count_errors(kd_net *net, const digit_set *data);

/**
 * The net's logits [n,10] of the untouched images, which the caller frees; NULL after a message on
 * stderr.
 */
float *logits_of(kd_net *net, const digit_set *data);

#endif
