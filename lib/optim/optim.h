/* SPDX-License-Identifier: MIT */
/**
 * Door of the room optim: updates of tensors, and values that follow a schedule. Knows no network:
 * whoever owns tensors hands over a list of them.
 */
#ifndef KDI_OPTIM_H
#define KDI_OPTIM_H

#include "kern/kern.h"

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

/** What is known of the gradients before an update; none of them is scaled yet. */
typedef struct kdi_survey {
    double gradient; /**< No |g| is larger. */
    double weight;   /**< No |w| that decays is larger; only if kdi_optim_decays. */
    double squares;  /**< sum g^2; only if a norm is wanted or clipped. */
} kdi_survey;

/** What an update saw. */
typedef struct kdi_update {
    double scale;   /**< In: the gradients are multiplied by this first. */
    bool want_norm; /**< In: fill norm even if nothing is clipped. */
    double norm;    /**< Out: of the scaled gradient, before clipping; NaN if not asked for. */
    double rate;    /**< Out. */
} kdi_update;

/** One update, decided: all that the rows of a tensor need, whoever works on them. */
typedef struct kdi_plan {
    const kdi_kernels *kern;
    bool sgd;
    bool rides; /**< Momentum is momentum * m + g and the update rate * m, nothing else. */
    kdi_sgd by_sgd;
    kdi_adam by_adam;
    double max_norm;
    double momentum_bound;
} kdi_plan;

/** Reads and checks options (NULL = defaults). */
kd_status kdi_optim_open(kdi_optim *optim, const kd_optimizer_options *options, int argument,
                         kd_error *error);

/** State arrays per tensor: 0 (plain SGD), 1 (momentum) or 2 (moments). */
size_t kdi_optim_states(const kdi_optim *optim);

/**
 * Whether arrays of state, such as from a file, are some that updates can have left behind: finite,
 * second moments not negative, momentum within `optim->momentum_bound`, moments in proportion to
 * each other. The proof that an update can't overflow rests on it.
 */
bool kdi_optim_believes(const kdi_optim *optim, const float *first, const float *second,
                        size_t count);

/** Whether a plan needs survey.weight: weights can grow by their own decay. */
bool kdi_optim_decays(const kdi_optim *optim);

/** Whether a plan needs survey.squares. */
bool kdi_optim_needs_norm(const kdi_optim *optim, const kdi_update *update);

/** Decides an update, and proves that it ends in no infinity; else KD_ERR_NOT_FINITE. */
kd_status kdi_optim_plan(const kdi_optim *optim, const kdi_survey *survey, kdi_update *update,
                         const kdi_kernels *kern, kdi_plan *out_plan, kd_error *error);

/** The update of some rows of a tensor from its gradient. */
void kdi_optim_apply(const kdi_plan *plan, const kdi_tensor *tensor, size_t row, size_t rows);

/** The same of a plan that rides, where `first` holds the new momentum already. */
void kdi_optim_apply_ridden(const kdi_plan *plan, const kdi_tensor *tensor, size_t row,
                            size_t rows);

/** All rows have been updated. */
void kdi_optim_done(kdi_optim *optim, const kdi_plan *plan);

#endif
