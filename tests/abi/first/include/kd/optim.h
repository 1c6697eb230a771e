/* SPDX-License-Identifier: MIT */
/**
 * @file optim.h
 * Tier 2: how weights move: optimisers, their options, and schedules for rates, momentum,
 * temperature and weights.
 *
 * With g the gradient of a weight w (plus weight_decay * w for SGD and ADAM), rate r and step t =
 * 1, 2, ...:
 *
 *   SGD           m = mu m + g;                          w -= r m
 *   SGD, Nesterov m = mu m + g;                          w -= r (g + mu m)
 *   ADAM          a = b1 a + (1-b1) g;  s = b2 s + (1-b2) g^2;
 *                 w -= r (a/(1-b1^t)) / (sqrt(s/(1-b2^t)) + epsilon)
 *   ADAMW         w -= r weight_decay w, then as ADAM
 *
 * Weight decay touches weights, never biases. Before the update the gradient is scaled so that its
 * norm over all parameters is at most clip_norm. After it, each row of the weights of a hidden
 * layer (the incoming weights of one unit, without its bias) is scaled down to a length of at most
 * max_norm. The last dense layer is left alone.
 */
#ifndef KD_OPTIM_H
#define KD_OPTIM_H

#include <kd/base.h>

/** Optimisers. */
typedef int32_t kd_optimizer_kind;
enum {
    KD_SGD = 1,  /**< Stochastic gradient descent with momentum, as in PyTorch. */
    KD_ADAM = 2, /**< Kingma and Ba 2015. */
    KD_ADAMW = 3 /**< Loshchilov and Hutter 2019: decoupled weight decay. */
};

/** Shapes of a schedule; formulas with t = updates done so far, from = value at t = 0. */
typedef int32_t kd_schedule_kind;
enum {
    KD_SCHEDULE_CONSTANT = 1,    /**< from. */
    KD_SCHEDULE_STEP = 2,        /**< from * factor^floor(t/steps). */
    KD_SCHEDULE_EXPONENTIAL = 3, /**< from * factor^(t/steps). */
    KD_SCHEDULE_COSINE = 4, /**< to + (from-to)(1+cos(pi t/steps))/2 up to t = steps, then to. */
    KD_SCHEDULE_LINEAR = 5  /**< from + (to-from) t/steps up to t = steps, then to. */
};

/**
 * A value that changes from update to update. The 2012 dropout paper's momentum, 0.5 to 0.99 over
 * 500 epochs, is LINEAR with steps = 500 epochs' updates; its rate, times 0.998 after each epoch,
 * is STEP with one epoch's updates.
 */
typedef struct kd_schedule {
    size_t struct_size;
    kd_schedule_kind kind;
    float from;      /**< Value at the start; finite, >= 0. */
    float to;        /**< Value at the end, for COSINE and LINEAR; finite, >= 0. */
    float factor;    /**< For STEP and EXPONENTIAL: finite, > 0. */
    uint64_t steps;  /**< Updates, >= 1 but for CONSTANT. */
    uint64_t warmup; /**< While t < warmup the value is multiplied by (t+1)/warmup. 0 = none. */
} kd_schedule;

/** A schedule to fill in. */
#define KD_SCHEDULE_INIT                                                                           \
    {                                                                                              \
        sizeof(kd_schedule), KD_SCHEDULE_CONSTANT, 0.0f, 0.0f, 1.0f, 1, 0                          \
    }

/** Options of an optimiser; a field that a kind does not use is ignored. */
typedef struct kd_optimizer_options {
    size_t struct_size;
    kd_optimizer_kind kind; /**< 0 = SGD. */
    float rate;             /**< Learning rate, finite, >= 0. */
    float momentum;         /**< SGD: mu in [0, 1). */
    int32_t nesterov;       /**< SGD: 1 = Nesterov's form. */
    float beta1;            /**< ADAM kinds: b1 in (0, 1); 0 = 0.9. b1^2 < b2. */
    float beta2;            /**< ADAM kinds: b2 in (0, 1); 0 = 0.999. */
    float epsilon;          /**< ADAM kinds: finite, >= 0; 0 = 1e-8. */
    float weight_decay;     /**< Finite, >= 0. */
    float max_norm;         /**< Length of a hidden unit's incoming weights; 0 = no limit. */
    float clip_norm;        /**< Norm of the whole gradient; 0 = no limit. */
    const kd_schedule *rate_schedule; /**< In place of `rate`; NULL = constant. */
    /** In place of `momentum`; all values in [0, 1); NULL = constant. */
    const kd_schedule *momentum_schedule;
} kd_optimizer_options;

/** SGD with rate 0.01 and nothing else. */
#define KD_OPTIMIZER_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(kd_optimizer_options), KD_SGD, 0.01f, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL            \
    }

KD_BEGIN

/**
 * The value of a schedule, to plot or to test it, or for a host's own use.
 *
 * @param schedule what shape.
 * @param step t, updates done so far, from 0.
 * @param out_value the value, computed in double.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _KIND, _VALUE (names the field).
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(1), allocates nothing.
 */
KD_API kd_status kd_schedule_value(const kd_schedule *schedule, uint64_t step, double *out_value,
                                   kd_error *error);

KD_END

#endif
