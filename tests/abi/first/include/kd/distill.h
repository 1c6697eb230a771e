/* SPDX-License-Identifier: MIT */
/**
 * @file distill.h
 * Tier 2: the whole loop body in one call. The host owns the loop and the data; a distiller owns
 * the step.
 *
 * The objective of a case is  soft_weight * T^2 KL-gradient term at T  +  hard_weight *
 * cross-entropy with the label at T = 1  (loss.h has the formulas; the soft term is KD_TERM_SOFT
 * unless soft_kind says otherwise). Without a teacher and without targets in the batch, soft_weight
 * must be 0: then a step is plain training.
 *
 * A step has two phases. The first only reads: teacher, forward, loss, the whole chain of deltas;
 * everything is checked to be finite. The second forms the gradient and updates, once a bound or a
 * look at all of it has proved that no weight can overflow. A step that fails leaves every weight
 * and the optimiser bit for bit as they were.
 */
#ifndef KD_DISTILL_H
#define KD_DISTILL_H

#include <kd/optim.h>
#include <kd/teacher.h>

/** A distiller: a student, maybe a teacher, an optimiser, and the memory of a step. */
typedef struct kd_distiller kd_distiller;

/** What a step does when a number is not finite. */
typedef int32_t kd_nonfinite_policy;
enum {
    KD_NONFINITE_ERROR = 0, /**< The step fails with KD_ERR_NOT_FINITE. */
    /**
     * The step returns KD_OK, changes no weight, reports NaN, and counts in kd_report.skipped; bad
     * numbers in batch.x are treated the same. Micro-batches that waited for this update are
     * dropped with it.
     */
    KD_NONFINITE_SKIP = 1
};

/** Options of a distiller. */
typedef struct kd_distiller_options {
    size_t struct_size;
    size_t batch;           /**< Most cases in one step, 1..INT32_MAX. */
    float temperature;      /**< T of the soft term, finite and > 0. */
    float soft_weight;      /**< Weight of the soft term, finite, >= 0. */
    float hard_weight;      /**< Weight of the hard term, finite, >= 0. */
    kd_term_kind soft_kind; /**< SOFT, KL, MATCH or MATCH_RAW; 0 = SOFT. */
    uint64_t seed;          /**< Of dropout. */
    kd_nonfinite_policy nonfinite;
    /**
     * 1: report the norm of the gradient. All of it must then be there before the first weight
     * moves, which costs two passes over it and rounds momentum differently in its last bits.
     */
    int32_t gradient_norm;
    const kd_optimizer_options *optimizer;   /**< NULL = KD_OPTIMIZER_OPTIONS_INIT. */
    const kd_schedule *temperature_schedule; /**< In place of temperature; never 0. */
    const kd_schedule *soft_weight_schedule; /**< In place of soft_weight. */
    const kd_schedule *hard_weight_schedule; /**< In place of hard_weight. */
} kd_distiller_options;

/** Batches of up to 128, T = 4, soft weight 1, hard weight 0.1. */
#define KD_DISTILLER_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(kd_distiller_options), 128, 4.0f, 1.0f, 0.1f, 0, 0, 0, 0, NULL, NULL, NULL, NULL    \
    }

/** What a step or an evaluation saw. Means over cases, weighted as the loss is; entropies in nats
 * at T. */
typedef struct kd_report {
    size_t struct_size;
    double total;           /**< The objective: soft_weight * soft + hard_weight * hard. */
    double hard;            /**< Cross-entropy with the labels, over all cases that count. */
    double soft;            /**< The soft term, with its T^2. 0 without targets. */
    double kl;              /**< KL(p||q) at T, without T^2; NaN without targets. */
    double teacher_entropy; /**< Of the soft targets at T; NaN without targets. */
    double student_entropy; /**< Of the student at T. */
    /** Share of cases where student and teacher choose the same class; NaN without. */
    double agreement;
    double accuracy; /**< Share of labelled cases that are right; NaN without labels. */
    /** Of the whole gradient before clipping; NaN unless asked for, or with `more`. */
    double gradient_norm;
    double case_weight;  /**< Sum of the weights behind the means. */
    double label_weight; /**< Sum of the weights of labelled cases, behind accuracy. */
    /** Of cases with soft targets, behind kl, teacher_entropy and agreement. */
    double target_weight;
    uint64_t cases;     /**< Cases that count. */
    uint64_t labelled;  /**< Of these, cases with a label. */
    uint64_t errors;    /**< Of these, cases that are wrong. */
    uint64_t updates;   /**< Updates made by this call: 0 or 1. */
    uint64_t skipped;   /**< Steps skipped by KD_NONFINITE_SKIP: 0 or 1. */
    double rate;        /**< Learning rate of this update. */
    double temperature; /**< T of this step. */
} kd_report;

/** A report to be filled, or an empty sum for kd_report_merge. */
#define KD_REPORT_INIT                                                                             \
    {                                                                                              \
        sizeof(kd_report), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                 \
    }

KD_BEGIN

/**
 * Creates a distiller and all the memory that its steps need.
 *
 * @param student an initialised net. The distiller trains it; nobody else may change it meanwhile.
 * @param teacher with as many classes as the student; NULL = none: then soft_weight is 0
 *        (plain training), or every batch brings targets. May not be made of the student.
 * @param options what to change of the defaults; NULL = nothing.
 * @param out_distiller the new distiller, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _STATE (net not initialised; student among the teachers), _SIZE,
 * _TOO_LARGE, _SHAPE, _TEMPERATURE, _WEIGHT, _KIND, _VALUE, _MEMORY.
 *
 * Ownership: student and teacher are retained, options Copied. Threads: any. Cost: all memory is
 * allocated here.
 */
KD_API kd_status kd_distiller_create(kd_net *student, kd_teacher *teacher,
                                     const kd_distiller_options *options,
                                     kd_distiller **out_distiller, kd_error *error);

/**
 * Drops the distiller, and with it its references to student and teacher.
 *
 * @param distiller NULL is allowed.
 *
 * Errors: none. Ownership: Taken. Threads: alone with it. Cost: O(1).
 */
KD_API void kd_distiller_destroy(kd_distiller *distiller);

/**
 * One step: teacher, student forward, loss, backward, update. With batch->more the gradient is
 * added up, and the next call without it updates: k micro-batches then equal the full batch,
 * because the mean is taken over them all.
 *
 * @param distiller the distiller.
 * @param batch x [n,inputs], n <= options.batch; labels, weights, ids, targets [n,k] as there are.
 * @param out_report filled; or NULL.
 * @return KD_ERR_NULL, _STRUCT, _SIZE, _TOO_LARGE, _WORKSPACE (n too large), _VALUE, _LABEL,
 *         _WEIGHT, _PROBABILITY, _NOT_FINITE, _SUPPORT, _RETEMPER, _TEMPERATURE (a schedule that
 *         underflows), _KIND, _SHAPE, _EMPTY_BATCH, _ID, _BUSY, _CALLBACK; words in
 *         kd_distiller_error. If the second phase fails, micro-batches added up before are dropped.
 *
 * Ownership: Borrowed for the call. Threads: one at a time per distiller. Cost: forward and
 * backward of the student, forward of the teacher; allocates nothing. Source: Hinton 2015,
 * section 2.
 */
KD_API kd_status kd_distill_step(kd_distiller *distiller, const kd_batch *batch,
                                 kd_report *out_report);

/**
 * Measures the student on cases of any number, without dropout and without a change: loss,
 * accuracy, agreement. Where nobody can give soft targets (no teacher, or a recorded one and a
 * batch without ids), the soft term is left out and kl is NaN.
 *
 * @param distiller the distiller.
 * @param batch as for a step, but any n; it is cut into pieces.
 * @param out_report filled.
 * @return as kd_distill_step, but for _WORKSPACE.
 *
 * Ownership: Borrowed for the call. Threads: one at a time per distiller. Cost: forward of student
 * and teacher; allocates nothing.
 */
KD_API kd_status kd_distill_evaluate(kd_distiller *distiller, const kd_batch *batch,
                                     kd_report *out_report);

/**
 * Adds a report to a running one, for the means of an epoch. Means are weighted by case_weight,
 * label_weight or target_weight, counts are added, rate and temperature are the latest.
 *
 * @param into the running report; KD_REPORT_INIT to begin with.
 * @param from what to add.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(1), allocates nothing.
 */
KD_API kd_status kd_report_merge(kd_report *into, const kd_report *from, kd_error *error);

/**
 * What the distiller's last failed call had to say.
 *
 * @param distiller NULL gives "".
 * @return one sentence, "" if nothing has failed.
 *
 * Errors: none. Ownership: Borrowed until the next call on the distiller. Threads: one at a time.
 * Cost: O(1).
 */
KD_API const char *kd_distiller_error(const kd_distiller *distiller);

KD_END

#endif
