/* SPDX-License-Identifier: MIT */
/**
 * Door of the room optim: updates of tensors, and values that follow a schedule. Knows no network:
 * whoever owns tensors hands over a list of them.
 */
#ifndef KDI_OPTIM_H
#define KDI_OPTIM_H

#include "base/base.h"

#include <kd/optim.h>

/* ---- schedules ---- */

/** A constant, or a schedule in its place. */
typedef struct kdi_varying {
    bool scheduled;
    double constant;
    kd_schedule schedule;
} kdi_varying;

/** Reads a schedule (NULL = the constant) of the host's; `name` is the option's for failures. */
kd_status kdi_optim_read_varying(kdi_varying *v, float constant, const kd_schedule *schedule,
                                 const char *name, int argument, kd_error *error);

/** The value after `step` updates. */
double kdi_optim_value(const kdi_varying *v, uint64_t step);

/** The largest value it can ever take; INFINITY if it grows without bound. */
double kdi_optim_largest(const kdi_varying *v);

/* ---- optimisers ---- */

/** One tensor to train. */
typedef struct kdi_tensor {
    float *values;
    const float *gradient;
    float *first;  /**< Momentum, or first moment. */
    float *second; /**< Second moment. */
    size_t rows;
    size_t columns;
    bool decays;  /**< Weight decay applies: weights, not biases. */
    bool limited; /**< max_norm applies to its rows. */
} kdi_tensor;

/** An optimiser's rules and its progress. */
typedef struct kdi_optim {
    kd_optimizer_options options; /**< Checked; its schedule pointers are not used. */
    kdi_varying rate;
    kdi_varying momentum;
    uint64_t step;         /**< Updates done. */
    double momentum_bound; /**< No momentum is larger than this. */
} kdi_optim;

/** What an update saw. */
typedef struct kdi_update {
    double scale;   /**< In: the gradients are multiplied by this first. */
    bool want_norm; /**< In: fill norm even if nothing is clipped. */
    double norm;    /**< Out: of the scaled gradient, before clipping; NaN if not asked for. */
    double rate;    /**< Out. */
} kdi_update;

/** Reads and checks options (NULL = defaults). */
kd_status kdi_optim_open(kdi_optim *optim, const kd_optimizer_options *options, int argument,
                         kd_error *error);

/** State arrays per tensor: 0 (plain SGD), 1 (momentum) or 2 (moments). */
size_t kdi_optim_states(const kdi_optim *optim);

/** One update of all tensors, or KD_ERR_NOT_FINITE before anything has changed. */
kd_status kdi_optim_step(kdi_optim *optim, const kdi_tensor *tensors, size_t count,
                         kdi_update *update, kd_error *error);

#endif
