/* SPDX-License-Identifier: MIT */
/**
 * @file loss.h
 * Tier 1: only the mathematics. For a host that has its own network: float buffers in, losses and
 * gradients out.
 *
 * Stateless functions: no allocation, and no handle or lock but those of a context that is given.
 * Any number of threads may call them at once on their own output buffers. Inputs are never
 * changed, unless the host passes the same buffer as input and output: that is allowed where the
 * text says so, as exactly the same rows; a partial overlap is KD_ERR_OVERLAP.
 *
 * Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015 (arXiv
 * 1503.02531). With q_i(T) = exp(z_i/T) / sum_j exp(z_j/T) (its eq. 1), the loss of one case is the
 * sum over terms t of weight_t * L_t:
 *
 *   kind       value L for one case                     gradient dL/dz_i
 *   HARD       -ln q_y(1)                               q_i(1) - [i = y]
 *   SOFT       -T^2 sum_i p_i ln q_i(T)                 T (q_i(T) - p_i), eq. 2 times T^2
 *   KL         T^2 sum_i p_i (ln p_i - ln q_i(T))       T (q_i(T) - p_i), the same as SOFT
 *   MATCH      1/(2k) sum_i ((z_i-z~) - (v_i-v~))^2     ((z_i-z~) - (v_i-v~)) / k, z~ v~ means
 *   MATCH_RAW  1/(2k) sum_i (z_i - v_i)^2               (z_i - v_i) / k
 *
 * T^2 belongs to the SOFT and KL terms and can't be switched off: without it their gradient shrinks
 * as 1/T^2 and the hard term drowns it (section 2 of the paper). As T grows, the gradient of the
 * plain cross-entropy tends to (z_i - v_i) / (N T^2) for N = k classes if the logits have zero mean
 * in each case (eq. 4); so, with T^2, KL tends to MATCH, which centres the logits itself. A weight
 * found for one term therefore carries over to the other.
 *
 * Over cases the result is the weighted mean: sum over classes, then
 *   total = sum_cases w_c * loss_c / sum_cases w_c,
 * over the cases that any term speaks of. A case without label (-1) has no HARD term; if HARD is
 * the only kind, it does not count at all. A batch in which no case counts, or all weights are 0,
 * is KD_ERR_EMPTY_BATCH. There is no reduction to choose and no alpha: weights are separate,
 * non-negative, and need not sum to 1.
 *
 * Logits: NaN and +inf are KD_ERR_NOT_FINITE. v_i = -inf means p_i = 0. z_i = -inf means q_i = 0
 * and is legal only where p_i = 0 (and i is not the label). A row of only -inf is KD_ERR_SUPPORT.
 * MATCH terms take finite logits only.
 *
 * Accuracy: for a term of weight w the loss is within 4e-6 w T^2 (sum p|ln p| + sum p|ln q|) of the
 * exact value, each element of its gradient within 8e-6 w T (p_i + q_i) + 1e-37 (up to w T = 1e8);
 * softmax within 8e-6 relative where p > 1e-30. A p below 1e-38 may count as 0 in the loss.
 */
#ifndef KD_LOSS_H
#define KD_LOSS_H

#include <kd/base.h>

/** How soft targets are given. A value is never softened twice, because its kind is part of it. */
typedef int32_t kd_target_kind;
enum {
    KD_TARGET_LOGITS = 1, /**< Logits v: softened by the term's own temperature. */
    /** Probabilities, already tempered: taken as they are at whatever T. */
    KD_TARGET_PROBABILITIES = 2,
    KD_TARGET_LOG_PROBABILITIES = 3 /**< Natural logs of softmax(v/T0): exact at every T. */
};

/** Soft targets of a batch: what a teacher says of each case. */
typedef struct kd_targets {
    size_t struct_size;
    kd_target_kind kind;
    /**
     * T0, finite and > 0. For log-probabilities the temperature at which they were taken. For
     * probabilities the one at which they were softened, or 0 = unknown; if known, a term at
     * another temperature is KD_ERR_RETEMPER. Ignored for logits.
     */
    float temperature;
    /**
     * [n,k]. Logits: as above. Probabilities: non-negative, each row sums to 1 within 1e-4, never
     * renormalised; the gradient takes the sum to be 1. Log-probabilities: -inf allowed, their
     * exponentials sum to 1 within 1e-4.
     */
    const float *values;
    size_t stride; /**< Floats from row to row; 0 = k. */
    /** Classes; 0 = as many as the student's logits, any other number must equal them. */
    size_t k;
} kd_targets;

/** Empty targets; set kind and values. */
#define KD_TARGETS_INIT                                                                            \
    {                                                                                              \
        sizeof(kd_targets), 0, 0.0f, NULL, 0, 0                                                    \
    }

/** The kinds of term in an objective; formulas at the head of this file. */
typedef int32_t kd_term_kind;
enum {
    KD_TERM_HARD = 1, /**< Cross-entropy with the label, always at T = 1. Needs labels. */
    KD_TERM_SOFT = 2, /**< T^2 times cross-entropy with soft targets at T. Needs targets. */
    /** T^2 times forward KL(p||q) at T: SOFT less T^2 times the targets' entropy. */
    KD_TERM_KL = 3,
    /** Matching centred logits. Needs targets that are logits or log-probabilities. */
    KD_TERM_MATCH = 4,
    /** Matching logits as they are, means included. Needs targets that are logits. */
    KD_TERM_MATCH_RAW = 5
};

/** One term of an objective. An array of terms is walked in steps of its first element's
 * struct_size. */
typedef struct kd_term {
    size_t struct_size;
    kd_term_kind kind;
    /** Finite and > 0 for SOFT and KL. 0 or 1 for HARD. Ignored by the MATCH kinds. */
    float temperature;
    float weight;     /**< Finite, >= 0. A term of weight 0 is still checked and reported. */
    int32_t reserved; /**< 0. */
} kd_term;

/** A term to fill in; weight 1. */
#define KD_TERM_INIT                                                                               \
    {                                                                                              \
        sizeof(kd_term), 0, 0.0f, 1.0f, 0                                                          \
    }

/** At most this many terms in one objective. */
#define KD_MAX_TERMS 16

/** What every loss reads. Pointers are borrowed for the call. */
typedef struct kd_loss_in {
    size_t struct_size;
    size_t n;                  /**< Cases, >= 1. */
    size_t k;                  /**< Classes, >= 1. */
    const float *logits;       /**< Student logits z, [n,k]. */
    size_t logits_stride;      /**< Floats from row to row; 0 = k. */
    const int32_t *labels;     /**< [n], each in [0,k), or -1 = none; NULL = none at all. */
    const float *case_weights; /**< [n], finite, >= 0; NULL = all 1. */
    /** Soft targets; NULL = none. Must not be the buffer of the logits. */
    const kd_targets *targets;
    /** Whose threads share large batches; NULL = the calling thread alone, with the same bits. */
    kd_context *context;
} kd_loss_in;

/** Input to fill in. */
#define KD_LOSS_IN_INIT                                                                            \
    {                                                                                              \
        sizeof(kd_loss_in), 0, 0, NULL, 0, NULL, NULL, NULL, NULL                                  \
    }

/** What every loss writes. Set the pointers that you want filled; the numbers are always written.
 */
typedef struct kd_loss_out {
    size_t struct_size;
    /** [n,k] gradient of `total` with respect to z, or NULL. May be the logits themselves. */
    float *d_logits;
    size_t d_stride; /**< Floats from row to row; 0 = k. */
    /** [n_terms] weighted mean over cases of each L, without the term's weight; or NULL. */
    double *term_values;
    double total; /**< sum_t weight_t * term_values[t]: exactly what d_logits differentiates. */
    /** Sum of the weights of the cases that count: the divisor of every mean. */
    double case_weight;
    uint64_t cases; /**< Cases that count (weight > 0, and some term speaks of them). */
    /**
     * Room to remember exponentials in, which saves computing them again; NULL = none. A thread
     * uses up to k floats for each temperature of each side; whatever is missing is recomputed,
     * with the same bits. One temperature with soft targets, the usual case, is served by k floats
     * for each thread, or 2 k if d_logits is the logits themselves.
     */
    float *scratch;
    size_t scratch_floats; /**< Its size. */
} kd_loss_out;

/** Output to fill in. */
#define KD_LOSS_OUT_INIT                                                                           \
    {                                                                                              \
        sizeof(kd_loss_out), NULL, 0, NULL, 0.0, 0.0, 0, NULL, 0                                   \
    }

/** What kd_metrics measures. All are means weighted by case_weights; entropies in nats. */
typedef struct kd_metrics_out {
    size_t struct_size;
    /** Share of labelled cases whose largest logit is the label; NaN without any. */
    double accuracy;
    /** Share of cases where student and teacher have the same largest class; NaN without. */
    double agreement;
    double student_entropy; /**< Entropy of q(T). */
    double teacher_entropy; /**< Entropy of p; NaN without targets. */
    double kl;              /**< KL(p||q(T)), without T^2; NaN without targets. */
    double case_weight;     /**< Sum of the weights of all cases. */
    double label_weight;    /**< Sum of the weights of labelled cases. */
    uint64_t cases;         /**< Cases with weight > 0. */
    uint64_t labelled;      /**< Of these, cases with a label. */
    uint64_t errors;        /**< Of these, cases whose largest logit is not the label. */
} kd_metrics_out;

/** Output to fill in. */
#define KD_METRICS_OUT_INIT                                                                        \
    {                                                                                              \
        sizeof(kd_metrics_out), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                       \
    }

/** How an ensemble's members are averaged ("arithmetic or geometric mean", section 2 of the paper).
 */
typedef int32_t kd_mean_kind;
enum {
    KD_MEAN_ARITHMETIC = 1, /**< sum_m w_m softmax(v_m/T). */
    /** softmax(sum_m w_m v_m / T): the renormalised geometric mean, exactly. */
    KD_MEAN_GEOMETRIC = 2
};

/** At most this many members in one ensemble. */
#define KD_MAX_MEMBERS 256

/** What kd_ensemble_mean reads. Pointers are borrowed for the call. */
typedef struct kd_ensemble_in {
    size_t struct_size;
    kd_mean_kind kind;
    float temperature;          /**< Finite and > 0. */
    size_t members;             /**< M, 1..KD_MAX_MEMBERS. */
    size_t n;                   /**< Cases, >= 1. */
    size_t k;                   /**< Classes, >= 1. */
    const float *const *logits; /**< [M] pointers, each to [n,k] logits. */
    size_t stride;              /**< Floats from row to row in every member; 0 = k. */
    const float *weights; /**< [M], finite, >= 0, not all 0; divided by their sum; NULL = equal. */
    /** Whose threads share large batches; NULL = the calling thread alone, with the same bits. */
    kd_context *context;
    /** Room to remember exponentials in, k floats for each thread; NULL = they are recomputed. */
    float *scratch;
    size_t scratch_floats; /**< Its size. */
} kd_ensemble_in;

/** Input to fill in: geometric, T = 1. */
#define KD_ENSEMBLE_IN_INIT                                                                        \
    {                                                                                              \
        sizeof(kd_ensemble_in), KD_MEAN_GEOMETRIC, 1.0f, 0, 0, 0, NULL, 0, NULL, NULL, NULL, 0     \
    }

KD_BEGIN

/**
 * Tempered softmax of each row: out_i = exp(z_i/T) / sum_j exp(z_j/T).
 *
 * @param logits [n,k]; -inf gives 0.
 * @param n, k cases and classes, 1..INT32_MAX.
 * @param stride floats from row to row of logits; 0 = k.
 * @param temperature T, finite and > 0. Higher is softer.
 * @param out [n,k] probabilities; may be `logits` itself with the same stride.
 * @param out_stride floats from row to row of out; 0 = k.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _TEMPERATURE, _OVERLAP, _NOT_FINITE (NaN or +inf),
 * _SUPPORT (all -inf).
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(n k), allocates nothing. Source: Hinton
 * 2015, eq. 1.
 */
KD_API kd_status kd_softmax(const float *logits, size_t n, size_t k, size_t stride,
                            float temperature, float *out, size_t out_stride, kd_error *error);

/**
 * Natural logarithm of the tempered softmax, without its underflow: out_i = z_i/T - ln sum_j
 * exp(z_j/T).
 *
 * @param logits, n, k, stride, temperature, out, out_stride, error as for kd_softmax; -inf gives
 * -inf.
 * @return as kd_softmax.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(n k), allocates nothing. Source: Hinton
 * 2015, eq. 1.
 */
KD_API kd_status kd_log_softmax(const float *logits, size_t n, size_t k, size_t stride,
                                float temperature, float *out, size_t out_stride, kd_error *error);

/**
 * Any sum of terms: value and gradient in one call. The other losses are its one-term case.
 *
 * @param terms [n_terms], in any order, kinds may repeat.
 * @param n_terms 1..KD_MAX_TERMS.
 * @param in logits [n,k] and whatever the terms need: labels, targets, case weights.
 * @param out filled: total, term values, gradient [n,k].
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL (also labels or targets that a term needs), _SIZE, _TOO_LARGE, _STRUCT,
 * _KIND, _TEMPERATURE, _WEIGHT, _LABEL, _PROBABILITY, _NOT_FINITE, _SUPPORT, _OVERLAP, _RETEMPER,
 * _SHAPE, _EMPTY_BATCH.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(n k) per term, allocates nothing. Source:
 * head of the file.
 */
KD_API kd_status kd_loss(const kd_term *terms, size_t n_terms, const kd_loss_in *in,
                         kd_loss_out *out, kd_error *error);

/**
 * Cross-entropy with the labels at T = 1: one HARD term of weight 1.
 *
 * @param in logits [n,k], labels [n], case weights.
 * @param out filled as by kd_loss.
 * @param error words for a failure, or NULL.
 * @return as kd_loss.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(n k), allocates nothing.
 * Source: Hinton 2015, section 2 (second objective).
 */
KD_API kd_status kd_cross_entropy(const kd_loss_in *in, kd_loss_out *out, kd_error *error);

/**
 * T^2 times cross-entropy with soft targets at T: one SOFT term of weight 1.
 *
 * @param in logits [n,k], targets [n,k], case weights.
 * @param temperature T, finite and > 0.
 * @param out filled as by kd_loss.
 * @param error words for a failure, or NULL.
 * @return as kd_loss.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(n k), allocates nothing.
 * Source: Hinton 2015, eq. 2 and the T^2 of section 2.
 */
KD_API kd_status kd_soft_cross_entropy(const kd_loss_in *in, float temperature, kd_loss_out *out,
                                       kd_error *error);

/**
 * Matching logits, centred in each case: one MATCH term of weight 1. The limit of
 * kd_soft_cross_entropy's gradient as T grows; for the form that also pins the mean, use kd_loss
 * with KD_TERM_MATCH_RAW.
 *
 * @param in logits [n,k], targets [n,k] that are logits or log-probabilities, case weights.
 * @param out filled as by kd_loss.
 * @param error words for a failure, or NULL.
 * @return as kd_loss; _KIND for targets that are probabilities, _NOT_FINITE for -inf too.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(n k), allocates nothing. Source: Hinton
 * 2015, eq. 3 and 4.
 */
KD_API kd_status kd_match_logits(const kd_loss_in *in, kd_loss_out *out, kd_error *error);

/**
 * Accuracy, agreement with the teacher, entropies and KL of a batch. Ties go to the lowest class.
 *
 * @param in logits [n,k]; labels and targets if there are any; case weights.
 * @param temperature T of the entropies and the KL, finite and > 0.
 * @param out filled.
 * @param error words for a failure, or NULL.
 * @return as kd_loss for a KL term at this temperature.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(n k), allocates nothing.
 */
KD_API kd_status kd_metrics(const kd_loss_in *in, float temperature, kd_metrics_out *out,
                            kd_error *error);

/**
 * Soft targets of an ensemble: the arithmetic or geometric mean of its members' predictive
 * distributions at T. One member gives the bits of kd_softmax.
 *
 * @param in M members' logits [n,k], weights, kind, temperature. -inf in one member: 0 in the
 * geometric mean.
 * @param out [n,k] probabilities; may be one member's buffer with the same stride.
 * @param out_stride floats from row to row of out; 0 = k.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _STRUCT, _KIND, _TEMPERATURE, _WEIGHT, _OVERLAP,
 * _NOT_FINITE, _SUPPORT.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(M n k), allocates nothing.
 * Source: Hinton 2015, section 2 ("arithmetic or geometric mean of their individual predictive
 * distributions").
 */
KD_API kd_status kd_ensemble_mean(const kd_ensemble_in *in, float *out, size_t out_stride,
                                  kd_error *error);

KD_END

#endif
