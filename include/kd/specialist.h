/* SPDX-License-Identifier: MIT */
/**
 * @file specialist.h
 * Tier 3: specialists (Hinton 2015, section 5): beside a generalist, which knows all k classes,
 * nets that each know a few classes it confuses, and put all others into one dustbin.
 *
 *   kd_covariance_add(covariance, &predictions, n, &error);   the generalist's, batch by batch
 *   kd_covariance_cluster(covariance, &options, sets, ...);   which classes it confuses
 *   kd_specialist_create(&options, &specialist, &error);      a set of classes, a net to train
 *   kd_specialist_order(specialist, labels, n, ...);          half its classes, half the others
 *   kd_specialist_correct(specialist, prior, &shift, ...);    afterwards: the dustbin's true share
 *   kd_teacher_from_specialists(generalist, specialists, m, ...);
 *
 * The last one is a teacher like any other: to be asked, recorded, or distilled into one net.
 *
 * A specialist of s classes has outputs 0..s-1, its classes in ascending order, and behind them the
 * dustbin, output s. One whose set is all k classes has no dustbin.
 *
 * What all of them say together (eq. 5), with p^g of the generalist, p^m of specialist m, and A the
 * specialists that are active for a case: the distribution q over k classes that minimises
 *
 *   E(q) = KL(p^g || q) + sum_{m in A} KL(p^m || q),
 *
 * where q's probability of a dustbin is the sum over the classes in it. With a_i the sum of the
 * probabilities that speak of class i alone, and d_m of dustbin m:
 *
 *   fixed point:  q_i <- (a_i + sum_{m: i in dustbin of m} d_m q_i / Q_m) / (1 + |A|),
 *                 Q_m = sum of q over dustbin m; E never rises;
 *   descent:      q = softmax(z), and dE/dz_i = (1 + |A|) (q_i - what stands right of <- above).
 *
 * E is convex in q, so both end at the least E, and at the same q unless many have it. The fixed
 * point comes nearer by some factor at each step, which is close to 1 where E is flat: where
 * dustbins hold probability that hardly anybody gives to single classes. Descent goes by E's second
 * derivatives, and seldom takes a hundred steps there. With one active specialist both begin where
 * they end. Classes of no active specialist keep the generalist's proportions.
 */
#ifndef KD_SPECIALIST_H
#define KD_SPECIALIST_H

#include <kd/teacher.h>

/** How the predictions for k classes vary together. */
typedef struct kd_covariance kd_covariance;

/** A set of classes with its dustbin, and maybe the net that tells them apart. */
typedef struct kd_specialist kd_specialist;

/** How long the columns of a covariance are when they are compared. */
typedef int32_t kd_column_kind;
enum {
    KD_COLUMN_UNIT = 1, /**< 1, except for columns of zeros: what counts is who is confused with
                             whom, and not how often the class is predicted. */
    KD_COLUMN_RAW = 2   /**< As they are: all columns of rare classes are near 0, and so near each
                             other, whatever the generalist confuses them with. */
};

/** How classes are grouped. */
typedef struct kd_cluster_options {
    size_t struct_size;
    size_t sets;     /**< M, specialists wanted: 1..KD_MAX_MEMBERS and at most k. */
    size_t classes;  /**< Classes in each set, 1..k; sets may share classes, or be equal. */
    uint32_t tries;  /**< Runs of K-means with other first means, >= 1; the best one counts. */
    uint32_t rounds; /**< Walks over all columns in each, >= 1. */
    uint64_t seed;   /**< Of first means and of the order of columns. */
    kd_column_kind columns; /**< How long columns are. */
    int32_t reserved;       /**< 0. */
} kd_cluster_options;

/** Options to fill in: set sets and classes. */
#define KD_CLUSTER_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(kd_cluster_options), 0, 0, 20, 50, 0, KD_COLUMN_UNIT, 0                             \
    }

/** What a specialist is made of. */
typedef struct kd_specialist_options {
    size_t struct_size;
    const uint32_t *classes; /**< [n_classes], each below k, each once, in any order. */
    size_t n_classes;        /**< s, 1..k. */
    /**
     * Its net becomes a copy of this one with s + 1 outputs: those of its classes as they are, the
     * dustbin's weights and bias the mean of all others', and ln(k - s) added to the bias, so that
     * it begins near the log of their sum. The last node must be dense. NULL = none.
     */
    const kd_net *generalist;
    /** Or a net of its own, say from a file, with s + 1 outputs (s if s is k), the last node of
     * which is dense. Or NULL. */
    kd_net *net;
    size_t k; /**< All classes; 0 = the generalist's outputs. */
} kd_specialist_options;

/** Options to fill in. */
#define KD_SPECIALIST_OPTIONS_INIT                                                                 \
    {                                                                                              \
        sizeof(kd_specialist_options), NULL, 0, NULL, NULL, 0                                      \
    }

/** How q is found. */
typedef int32_t kd_merge_kind;
enum {
    KD_MERGE_FIXED_POINT = 1, /**< O(k |A|) a step; E never rises; slow where E is flat. */
    KD_MERGE_DESCENT = 2      /**< O(k |A|^2 + |A|^3) a step; on z, as the paper has it. */
};

/** How answers are merged. */
typedef struct kd_merge_options {
    size_t struct_size;
    kd_merge_kind kind;
    uint32_t steps; /**< At most, >= 1. */
    /** Active are the specialists that know one of the generalist's `best` first classes; 1..k. */
    size_t best;
    /** It ends with a step that changes no q_i by more than this, and lets none grow by a tenth;
     * finite, >= 0. */
    double tolerance;
} kd_merge_options;

/** The paper's n = 1, by descent. */
#define KD_MERGE_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(kd_merge_options), KD_MERGE_DESCENT, 1000, 1, 1e-10                                 \
    }

/** What kd_merge reads. Pointers are borrowed for the call. */
typedef struct kd_merge_in {
    size_t struct_size;
    size_t n; /**< Cases, >= 1. */
    size_t k; /**< Classes, >= 1. */
    /** p^g [n,k]: probabilities at T = 1. A sum within 1e-4 of 1 is divided out. */
    const float *generalist;
    size_t stride;                           /**< Floats from row to row; 0 = k. */
    size_t m;                                /**< Specialists, 0..KD_MAX_MEMBERS. */
    const kd_specialist *const *specialists; /**< [m], all of k classes. */
    /** [m] pointers, each to p^m [n,outputs], dense: its classes, then its dustbin, at T = 1. Rows
     * of cases for which it is not active are not read. */
    const float *const *answers;
    /** Whose threads share large batches; NULL = the calling thread alone, with the same bits. */
    kd_context *context;
    double *scratch;        /**< Room to work in: (k + m) (m + 5) numbers for each thread. */
    size_t scratch_doubles; /**< Its size. */
} kd_merge_in;

/** Input to fill in. */
#define KD_MERGE_IN_INIT                                                                           \
    {                                                                                              \
        sizeof(kd_merge_in), 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL, 0                           \
    }

/** What kd_merge writes. */
typedef struct kd_merge_out {
    size_t struct_size;
    float *q;           /**< [n,k] probabilities at T = 1. May be `generalist` itself. */
    size_t stride;      /**< Floats from row to row; 0 = k. */
    uint32_t *active;   /**< [n] how many specialists were active; or NULL. */
    uint32_t *steps;    /**< [n] steps taken, options.steps if it did not end before; or NULL. */
    double *objectives; /**< [n] E(q) in nats; or NULL. */
} kd_merge_out;

/** Output to fill in. */
#define KD_MERGE_OUT_INIT                                                                          \
    {                                                                                              \
        sizeof(kd_merge_out), NULL, 0, NULL, NULL, NULL                                            \
    }

KD_BEGIN

/**
 * Begins to gather predictions.
 *
 * @param context where its memory comes from.
 * @param k classes, 1..INT32_MAX.
 * @param out_covariance the new covariance, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _MEMORY.
 *
 * Ownership: the caller owns it; the context is retained. Threads: any. Cost: 4 k^2 bytes and more.
 */
KD_API kd_status kd_covariance_create(kd_context *context, size_t k, kd_covariance **out_covariance,
                                      kd_error *error);

/**
 * Adds predictions. The result does not depend on how cases are cut into batches, to the bit.
 *
 * @param covariance what has been gathered.
 * @param predictions of the generalist [n,k], of any kind but TOPK; taken at T = 1, so
 * probabilities must be of temperature 1, or 0 = unknown.
 * @param n cases, 1..INT32_MAX.
 * @param error words for a failure, or NULL; then nothing was added.
 * @return KD_ERR_NULL, _STRUCT, _SIZE, _TOO_LARGE, _KIND, _VALUE (fields of TOPK), _TEMPERATURE,
 * _RETEMPER, _SHAPE, _PROBABILITY, _NOT_FINITE, _SUPPORT.
 *
 * Ownership: Borrowed for the call. Threads: alone with it. Cost: O(n k^2), allocates nothing.
 */
KD_API kd_status kd_covariance_add(kd_covariance *covariance, const kd_targets *predictions,
                                   size_t n, kd_error *error);

/**
 * The covariance so far: mean of p_i p_j less the means' product, over all cases.
 *
 * @param covariance with one case at least.
 * @param out_values [k,k], symmetric.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STATE (no case yet).
 *
 * Ownership: Borrowed for the call. Threads: alone with it. Cost: O(k^2), allocates nothing.
 * Source: Hinton 2015, section 5.2.
 */
KD_API kd_status kd_covariance_get(const kd_covariance *covariance, double *out_values,
                                   kd_error *error);

/**
 * Sets of classes that are predicted together: on-line K-means over the covariance's columns, and
 * for each mean the classes whose columns are nearest to it. No label is read.
 *
 * @param covariance with one case at least.
 * @param options how many sets of how many classes.
 * @param out_classes [sets,classes], each row ascending; sets in the order of their first class.
 * @param out_inertia sum of squared distances of columns to their nearest mean; or NULL.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT (also: reserved is not 0), _STATE (no case yet), _SIZE, _TOO_LARGE,
 * _KIND (of columns), _MEMORY.
 *
 * Ownership: Borrowed for the call. Threads: alone with it. Cost: O(tries rounds sets k^2), and
 * memory for k^2 + 2 sets k doubles while it runs. Source: Hinton 2015, section 5.2; means follow
 * MacQueen 1967. The paper does not say how overlapping sets come from K-means, nor how long its
 * columns are: nearest, and 1, are ours.
 */
KD_API kd_status kd_covariance_cluster(const kd_covariance *covariance,
                                       const kd_cluster_options *options, uint32_t *out_classes,
                                       double *out_inertia, kd_error *error);

/**
 * Frees it.
 *
 * @param covariance NULL is allowed.
 *
 * Errors: none. Ownership: Taken. Threads: alone with it. Cost: O(1).
 */
KD_API void kd_covariance_destroy(kd_covariance *covariance);

/**
 * Creates a specialist.
 *
 * @param context where its memory comes from.
 * @param options its classes, and what its net is: a copy of the generalist, a net of its own, or
 * none, for hosts that bring their own network.
 * @param out_specialist the new specialist, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _SIZE, _TOO_LARGE, _INDEX (a class that is not below k, or that
 * stands twice), _VALUE (generalist and net), _SHAPE, _STATE (a net that is not initialised, or
 * whose last node is not dense), _MEMORY.
 *
 * Ownership: classes are Copied, `net` is retained; the caller owns the specialist. Threads: any.
 * Cost: O(k), and a copy of the generalist.
 */
KD_API kd_status kd_specialist_create(kd_context *context, const kd_specialist_options *options,
                                      kd_specialist **out_specialist, kd_error *error);

/**
 * Its net, to train, to run and to save.
 *
 * @param specialist a specialist.
 * @return the net; NULL if it has none, or if specialist is NULL.
 *
 * Errors: none. Ownership: Borrowed; it lives as long as the specialist. Threads: any. Cost: O(1).
 */
KD_API kd_net *kd_specialist_net(const kd_specialist *specialist);

/**
 * Labels for its net: the output of each class, the dustbin for all others.
 *
 * @param specialist a specialist.
 * @param labels [n] in [-1,k); -1 = none stays.
 * @param n cases, 1..INT32_MAX.
 * @param out_labels [n]; may be `labels` itself.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _LABEL, _OVERLAP; nothing was written then.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(n), allocates nothing.
 */
KD_API kd_status kd_specialist_labels(const kd_specialist *specialist, const int32_t *labels,
                                      size_t n, int32_t *out_labels, kd_error *error);

/**
 * Soft targets for its net: what another says of all classes, with the dustbin's summed up.
 * Probabilities are added; logits and log-probabilities become the log of the sum of their
 * exponentials. So a dustbin's logit is right at T = 1, as its net's is, and its probability at the
 * targets' own temperature.
 *
 * @param specialist a specialist.
 * @param targets [n,k], of any kind but TOPK.
 * @param n cases, 1..INT32_MAX.
 * @param values [n,outputs], where the new targets go.
 * @param out_targets describes them: kind and temperature as before, outputs for k.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _SIZE, _TOO_LARGE, _KIND, _VALUE (fields of TOPK), _TEMPERATURE,
 * _SHAPE, _PROBABILITY, _NOT_FINITE, _SUPPORT, _OVERLAP.
 *
 * Ownership: Borrowed for the call; out_targets points to `values`. Threads: any. Cost: O(n k),
 * allocates nothing.
 */
KD_API kd_status kd_specialist_targets(const kd_specialist *specialist, const kd_targets *targets,
                                       size_t n, float *values, kd_targets *out_targets,
                                       kd_error *error);

/**
 * An order of cases for an epoch: its classes' cases, each once, and between them as many of the
 * others, at random, so that every second case is of its classes. If there are fewer others, they
 * come again; in the next epoch others come. Cases without a label are left out. Without a dustbin
 * there are no others: its classes' cases alone.
 *
 * @param specialist a specialist.
 * @param labels [n] in [-1,k).
 * @param n cases, 1..INT32_MAX.
 * @param seed, epoch key of the order.
 * @param out_order [2 n], of which the first out_n are filled.
 * @param out_n how many.
 * @param out_prior share of its classes among the labels: what kd_specialist_correct asks for; or
 * NULL.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _LABEL, _OVERLAP, _EMPTY_BATCH (no case of its classes,
 * or none of the others though it has a dustbin).
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(n), allocates nothing. Source: Hinton
 * 2015, section 5.3.
 */
KD_API kd_status kd_specialist_order(const kd_specialist *specialist, const int32_t *labels,
                                     size_t n, uint64_t seed, uint32_t epoch, uint32_t *out_order,
                                     size_t *out_n, double *out_prior, kd_error *error);

/**
 * Corrects its net, once trained half on its classes: adds ln((1 - prior) / prior) to the dustbin's
 * bias. In training the odds of dustbin to classes were 1; in the data they are that quotient.
 *
 * @param specialist one with a net and a dustbin, not corrected before.
 * @param prior share of its classes in the data, in (0,1).
 * @param out_shift what was added; or NULL.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STATE (no net, no dustbin, or corrected before), _VALUE.
 *
 * Threads: alone with the net, whose file does not say that it was corrected. Cost: O(1). Source:
 * Hinton 2015, section 5.3, whose "log of the proportion" this reads as odds.
 */
KD_API kd_status kd_specialist_correct(kd_specialist *specialist, double prior, double *out_shift,
                                       kd_error *error);

/**
 * Drops the host's reference.
 *
 * @param specialist NULL is allowed.
 *
 * Errors: none. Ownership: Taken. Threads: any. Cost: O(1) unless it was the last one.
 */
KD_API void kd_specialist_destroy(kd_specialist *specialist);

/**
 * Merges the answers for a batch: q of the head of this file, for each case by itself.
 *
 * Without an active specialist q is the generalist's, bit for bit. Classes to which nobody gives a
 * probability of their own, and which are in the same dustbins, have equal ones. Dustbins that hold
 * nothing but such classes may overlap so that E is least at many q; then the kind decides which.
 *
 * @param options NULL = defaults.
 * @param in the answers.
 * @param out q, and what else is wanted.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _KIND, _VALUE, _SIZE, _TOO_LARGE, _SHAPE (a specialist of another
 * k), _WORKSPACE (scratch is too small), _OVERLAP, _PROBABILITY, _NOT_FINITE.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(k (m + best)) a case and its steps,
 * allocates nothing. Source: Hinton 2015, section 5.4, eq. 5.
 */
KD_API kd_status kd_merge(const kd_merge_options *options, const kd_merge_in *in, kd_merge_out *out,
                          kd_error *error);

/**
 * Generalist and specialists as one teacher. It gives natural logs of q (temperature 1), which
 * serve every temperature; a q that is too small for a float, below 1e-45, is 0 at all of them. A
 * specialist runs only on the cases for which it is active.
 *
 * @param generalist a teacher of k classes, of any kind but TOPK.
 * @param specialists [m], with nets, all of k classes and the same inputs.
 * @param m 1..KD_MAX_MEMBERS.
 * @param options NULL = defaults.
 * @param out_teacher the new teacher, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _KIND, _VALUE, _SIZE, _TOO_LARGE, _SHAPE, _STATE (no net),
 * _MEMORY. In use also KD_ERR_RETEMPER, if the generalist gives probabilities of another
 * temperature than 1, and KD_ERR_NOT_FINITE or _SUPPORT, if a specialist's logits are no
 * distribution.
 *
 * Ownership: generalist and specialists are retained. Threads: any. Cost: O(m).
 */
KD_API kd_status kd_teacher_from_specialists(kd_teacher *generalist,
                                             kd_specialist *const *specialists, size_t m,
                                             const kd_merge_options *options,
                                             kd_teacher **out_teacher, kd_error *error);

KD_END

#endif
