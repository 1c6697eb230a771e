/* SPDX-License-Identifier: MIT */
/**
 * @file train.h
 * Tier 3: the parts of a step, for loops that we did not foresee: infer, forward, backward from the
 * host's own gradient, optimiser, a teacher's targets.
 *
 *   kd_net_forward(net, ws, &batch, &z, &stride);     dropout on
 *   kd_loss(terms, n_terms, &in, &out, &error);       or the host's own loss: fills d_z
 *   kd_net_backward(ws, d_z, 0, 0);                   gradients, in the workspace
 *   kd_optimizer_step(optimizer, ws);                 weights
 *
 * A workspace holds everything that one run of a net writes, so one net can run in many threads,
 * each with its own.
 */
#ifndef KD_TRAIN_H
#define KD_TRAIN_H

#include <kd/optim.h>
#include <kd/teacher.h>

/** Activations, and for training gradients, of one net and up to a fixed number of cases. */
typedef struct kd_workspace kd_workspace;

/** An optimiser bound to one net. */
typedef struct kd_optimizer kd_optimizer;

/** The memory that asking one teacher for the targets of up to a fixed number of cases takes. */
typedef struct kd_teacher_workspace kd_teacher_workspace;

/** Options of a workspace. */
typedef struct kd_workspace_options {
    size_t struct_size;
    size_t batch;     /**< Most cases at once, 1..INT32_MAX. */
    int32_t training; /**< 0: infer only; 1: forward and backward too. */
    uint64_t seed;    /**< Of dropout. */
} kd_workspace_options;

/** Inference of one case at a time. */
#define KD_WORKSPACE_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(kd_workspace_options), 1, 0, 0                                                      \
    }

KD_BEGIN

/**
 * Creates a workspace for a net.
 *
 * @param net an initialised net.
 * @param options how many cases, and whether to train; NULL = defaults.
 * @param out_workspace the new workspace, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _STATE, _SIZE, _TOO_LARGE, _VALUE, _MEMORY.
 *
 * Ownership: the net is retained. Threads: any. Cost: allocates kd_workspace_size bytes.
 */
KD_API kd_status kd_workspace_create(kd_net *net, const kd_workspace_options *options,
                                     kd_workspace **out_workspace, kd_error *error);

/**
 * How much memory a workspace would take.
 *
 * @param net, options, error as for kd_workspace_create.
 * @param out_bytes bytes, all told.
 * @return KD_ERR_NULL, _STRUCT, _STATE, _SIZE, _TOO_LARGE, _VALUE.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: O(nodes), allocates nothing.
 */
KD_API kd_status kd_workspace_size(const kd_net *net, const kd_workspace_options *options,
                                   size_t *out_bytes, kd_error *error);

/**
 * Drops the workspace and its reference to the net.
 *
 * @param workspace NULL is allowed.
 *
 * Errors: none. Ownership: Taken. Threads: alone with it. Cost: O(1).
 */
KD_API void kd_workspace_destroy(kd_workspace *workspace);

/**
 * What the workspace's last failed call had to say.
 *
 * @param workspace NULL gives "".
 * @return one sentence, "" if nothing has failed.
 *
 * Errors: none. Ownership: Borrowed until the next call with it. Threads: one at a time. Cost:
 * O(1).
 */
KD_API const char *kd_workspace_error(const kd_workspace *workspace);

/**
 * Logits of a batch, without dropout. On x86-64 with AVX2 a case's logits have the same bits
 * whatever batch it comes in, so those that were recorded in one order are those of another.
 *
 * @param workspace of the net to run, of either sort; n <= its batch.
 * @param x [n,inputs]; NaN and infinities are passed on into the logits.
 * @param n cases, >= 1.
 * @param x_stride floats from row to row; 0 = inputs.
 * @param out_logits [n,outputs].
 * @param out_stride floats from row to row; 0 = outputs.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _WORKSPACE, _OVERLAP; words in kd_workspace_error.
 *
 * Ownership: Borrowed for the call. Threads: any number on one net, one per workspace. Cost: 2 n
 * values multiply-adds; allocates nothing.
 */
KD_API kd_status kd_net_infer(kd_workspace *workspace, const float *x, size_t n, size_t x_stride,
                              float *out_logits, size_t out_stride);

/**
 * Forward with dropout, keeping what backward needs.
 *
 * @param workspace made for training; n <= its batch.
 * @param batch x [n,inputs], ids and epoch (the random key); the rest is not looked at. x must stay
 * until backward.
 * @param out_logits the logits, [n,outputs], dense.
 * @return KD_ERR_NULL, _STRUCT, _STATE (made for inference), _SIZE, _TOO_LARGE, _WORKSPACE; words
 * in kd_workspace_error.
 *
 * Ownership: the logits are Borrowed from the workspace until its next call. Threads: one per
 * workspace. Cost: 2 n values multiply-adds; allocates nothing.
 */
KD_API kd_status kd_net_forward(kd_workspace *workspace, const kd_batch *batch,
                                const float **out_logits);

/**
 * Gradients of all parameters from the gradient of the logits.
 *
 * @param workspace after a forward.
 * @param d_logits [n,outputs], the host's own.
 * @param d_stride floats from row to row; 0 = outputs.
 * @param add 1: add to the gradients that are there, if any; 0: replace them.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _VALUE, _STATE (no forward before), _NOT_FINITE (in
 *         d_logits or any delta: then the gradients are as before); words in kd_workspace_error.
 *
 * Ownership: Borrowed for the call. Threads: one per workspace. Cost: 4 n values multiply-adds;
 * allocates nothing.
 */
KD_API kd_status kd_net_backward(kd_workspace *workspace, const float *d_logits, size_t d_stride,
                                 int32_t add);

/**
 * View of the gradient of the parameter with this index.
 *
 * @param workspace made for training.
 * @param index as in kd_net_get_param.
 * @param out_gradient filled: [rows,columns], name. The host may read and change the values.
 * @return KD_ERR_NULL, _STRUCT, _STATE, _INDEX.
 *
 * Ownership: Borrowed from the workspace. Threads: one per workspace. Cost: O(1), allocates
 * nothing.
 */
KD_API kd_status kd_workspace_get_gradient(kd_workspace *workspace, size_t index,
                                           kd_param *out_gradient);

/**
 * Creates an optimiser for a net, with its state (momentum, moments) at 0.
 *
 * @param net an initialised net.
 * @param options kind, rate, ...; NULL = defaults.
 * @param out_optimizer the new optimiser, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _STATE, _KIND, _VALUE (names the option), _MEMORY.
 *
 * Ownership: the net is retained, options Copied. Threads: any. Cost: allocates up to twice the
 * net's size.
 */
KD_API kd_status kd_optimizer_create(kd_net *net, const kd_optimizer_options *options,
                                     kd_optimizer **out_optimizer, kd_error *error);

/**
 * Drops the optimiser and its reference to the net.
 *
 * @param optimizer NULL is allowed.
 *
 * Errors: none. Ownership: Taken. Threads: alone with it. Cost: O(1).
 */
KD_API void kd_optimizer_destroy(kd_optimizer *optimizer);

/**
 * One update of the net's weights from the gradients in a workspace, which are not changed.
 *
 * @param optimizer of the same net.
 * @param workspace of the same net, after a backward.
 * @return KD_ERR_NULL, _STATE (another net; no gradient), _NOT_FINITE (in the gradient, or the
 * update would overflow: then no weight has changed); words in kd_optimizer_error.
 *
 * Ownership: Borrowed for the call. Threads: alone with the net. Cost: O(values), allocates
 * nothing. Source: optim.h.
 */
KD_API kd_status kd_optimizer_step(kd_optimizer *optimizer, kd_workspace *workspace);

/**
 * What the optimiser's last failed call had to say.
 *
 * @param optimizer NULL gives "".
 * @return one sentence, "" if nothing has failed.
 *
 * Errors: none. Ownership: Borrowed until its next call. Threads: one at a time. Cost: O(1).
 */
KD_API const char *kd_optimizer_error(const kd_optimizer *optimizer);

/**
 * Creates the memory for asking a teacher.
 *
 * @param teacher any.
 * @param batch most cases at once, 1..INT32_MAX.
 * @param out_workspace the new workspace, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _MEMORY.
 *
 * Ownership: the teacher is retained. Threads: any. Cost: as the teacher's nets need.
 */
KD_API kd_status kd_teacher_workspace_create(kd_teacher *teacher, size_t batch,
                                             kd_teacher_workspace **out_workspace, kd_error *error);

/**
 * Drops the workspace and its reference to the teacher.
 *
 * @param workspace NULL is allowed.
 *
 * Errors: none. Ownership: Taken. Threads: alone with it. Cost: O(members).
 */
KD_API void kd_teacher_workspace_destroy(kd_teacher_workspace *workspace);

/**
 * Asks the teacher: the soft targets of a batch, ready for kd_loss.
 *
 * @param workspace of the teacher; n <= its batch.
 * @param batch x [n,inputs] and ids, as the teacher needs them.
 * @param temperature T that the targets will be used at, finite and > 0.
 * @param out_targets filled: values [n,k], kind, temperature; TOPK also topk_index and tail.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _SIZE, _TOO_LARGE, _WORKSPACE, _TEMPERATURE, _ID, _CALLBACK,
 * _NOT_FINITE, _SUPPORT, _PROBABILITY, _RETEMPER, _BUSY; of a recording also _CHECKSUM, _IO,
 * _TRUNCATED.
 *
 * Ownership: values are Borrowed from the workspace until its next call. Threads: one per
 * workspace. Cost: a forward of each net in it; allocates nothing.
 */
KD_API kd_status kd_teacher_targets(kd_teacher_workspace *workspace, const kd_batch *batch,
                                    float temperature, kd_targets *out_targets, kd_error *error);

KD_END

#endif
