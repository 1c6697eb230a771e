/* SPDX-License-Identifier: MIT */
/**
 * @file teacher.h
 * Tier 2: teachers: whoever gives soft targets. A net, an ensemble of teachers, a callback of the
 * host, or logits that were recorded before; also recordings (kd/cache.h), and a generalist with
 * its specialists (kd/specialist.h).
 *
 * A teacher is read only and always infers: no call on it can turn its dropout on or change its
 * weights. It is reference-counted, and any number of distillers, in any threads, may share it.
 */
#ifndef KD_TEACHER_H
#define KD_TEACHER_H

#include <kd/batch.h>
#include <kd/net.h>

/** A teacher. */
typedef struct kd_teacher kd_teacher;

/**
 * A teacher of the host's: fills `out` for a batch.
 *
 * @param user the pointer given at creation.
 * @param batch the cases; all its pointers are borrowed for the call.
 * @param temperature what the targets will be used at; a callback that gives logits ignores it.
 * @param out [n,k], dense, to be filled with values of the kind given at creation.
 * @return 0, or another number to stop the step (KD_ERR_CALLBACK), which then has changed nothing.
 *
 * It runs on the thread that called the step; distillers in several threads that share the teacher
 * call it at the same time with the same `user`. It writes all of `out`. It may use other handles;
 * the distiller that called it answers KD_ERR_BUSY, and must not be destroyed here.
 */
typedef int32_t (*kd_teacher_fn)(void *user, const kd_batch *batch, float temperature, float *out);

/** Options of a teacher that is a callback. */
typedef struct kd_callback_options {
    size_t struct_size;
    size_t k;            /**< Classes, 1..INT32_MAX. */
    kd_target_kind kind; /**< What it gives; 0 = logits. Not TOPK. */
    /** T0 of log-probabilities, or of probabilities (0 = whatever T is asked for). */
    float temperature;
    kd_teacher_fn fn; /**< The function. */
    void *user;       /**< Handed to it. Must outlive the teacher. */
} kd_callback_options;

/** Options to fill in. */
#define KD_CALLBACK_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(kd_callback_options), 0, 0, 0.0f, NULL, NULL                                        \
    }

KD_BEGIN

/**
 * A net as teacher. Its targets are logits.
 *
 * @param net an initialised net.
 * @param out_teacher the new teacher, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STATE, _MEMORY.
 *
 * Ownership: the net is retained; the caller owns the teacher. Threads: any. Cost: one allocation.
 */
KD_API kd_status kd_teacher_from_net(kd_net *net, kd_teacher **out_teacher, kd_error *error);

/**
 * An ensemble of teachers. A geometric mean gives logits (the weighted mean of the members'
 * logits); an arithmetic one gives probabilities at the temperature that is asked for. One member
 * is handed through unchanged, bit for bit.
 *
 * @param members [m] teachers with the same number of classes; they may be ensembles themselves.
 * One that gives the top classes only (KD_TARGET_TOPK) has a mean with no other: KD_ERR_KIND.
 * @param m 1..KD_MAX_MEMBERS.
 * @param weights [m], finite, >= 0, not all 0; divided by their sum; NULL = equal.
 * @param kind which mean.
 * @param out_teacher the new teacher, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _WEIGHT, _KIND, _SHAPE, _MEMORY.
 *
 * Ownership: members are retained, weights Copied. Threads: any. Cost: O(m), one allocation.
 * Source: Hinton 2015, section 2.
 */
KD_API kd_status kd_teacher_from_ensemble(kd_teacher *const *members, size_t m,
                                          const float *weights, kd_mean_kind kind,
                                          kd_teacher **out_teacher, kd_error *error);

/**
 * A callback as teacher.
 *
 * @param context where its memory comes from.
 * @param options function, classes, kind.
 * @param out_teacher the new teacher, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _SIZE, _TOO_LARGE, _KIND, _TEMPERATURE, _MEMORY.
 *
 * Ownership: options are Copied, `user` stays the host's. Threads: any. Cost: one allocation.
 */
KD_API kd_status kd_teacher_from_callback(kd_context *context, const kd_callback_options *options,
                                          kd_teacher **out_teacher, kd_error *error);

/**
 * Recorded logits as teacher, found again by sample id; so shuffled data can't be paired with the
 * wrong row.
 *
 * @param context where its memory comes from.
 * @param ids [n], each once, in any order.
 * @param logits [n,k]: no NaN, no +inf, no row of -inf only.
 * @param n, k cases and classes, 1..INT32_MAX.
 * @param stride floats from row to row; 0 = k.
 * @param out_teacher the new teacher, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _ID (twice the same), _NOT_FINITE, _SUPPORT, _MEMORY. In
 * use: KD_ERR_ID for an id that was not recorded, KD_ERR_NULL for a batch without ids.
 *
 * Ownership: everything is Copied. Threads: any. Cost: O(n k + n log n), memory n (4k + 16) bytes.
 */
KD_API kd_status kd_teacher_from_logits(kd_context *context, const uint64_t *ids,
                                        const float *logits, size_t n, size_t k, size_t stride,
                                        kd_teacher **out_teacher, kd_error *error);

/**
 * Drops the host's reference.
 *
 * @param teacher NULL is allowed.
 *
 * Errors: none. Ownership: Taken. Threads: any. Cost: O(1) unless it was the last one.
 */
KD_API void kd_teacher_destroy(kd_teacher *teacher);

KD_END

#endif
