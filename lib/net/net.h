/* SPDX-License-Identifier: MIT */
/**
 * Door of the room net: a chain of layers, its parameters, workspaces to run it in, and an
 * optimiser bound to it. Whoever sits above drives a step in its two phases through this door.
 */
#ifndef KDI_NET_H
#define KDI_NET_H

#include "base/base.h"
#include "optim/optim.h"

#include <kd/train.h>

/** A reference more; returns the net. */
kd_net *kdi_net_retain(kd_net *net);

/** The context its memory comes from. */
kd_context *kdi_net_context(const kd_net *net);

/** True once kd_net_init has made its parameters. */
bool kdi_net_ready(const kd_net *net);

/** Width of x, and of the logits. */
size_t kdi_net_inputs(const kd_net *net);
size_t kdi_net_outputs(const kd_net *net);

/** A batch with everything checked that a net can check; words go to `error`. */
kd_status kdi_net_read_batch(const kd_net *net, size_t most, const kd_batch *batch, kd_batch *known,
                             kd_error *error);

/**
 * Whether x [n,width] is finite; KD_ERR_NOT_FINITE names the element, rows from first_row.
 * out_largest (or NULL) gets the largest magnitude.
 */
kd_status kdi_net_check_finite(const kdi_kernels *kern, const float *x, size_t n, size_t width,
                               size_t stride, size_t first_row, const char *name,
                               float *out_largest, kd_error *error);

/** Inference into the workspace's own logits, [n,outputs] dense. Arguments are checked already. */
const float *kdi_net_run_infer(kd_workspace *ws, const float *x, size_t n, size_t x_stride);

/**
 * Forward of a batch that kdi_net_read_batch has read. `largest` is the largest |x|, or INFINITY if
 * nobody has looked. The running position moves on success of the step only: see kdi_net_advance.
 */
float *kdi_net_run_forward(kd_workspace *ws, const kd_batch *known, float largest);

/** Where the gradient of the logits goes before kdi_net_run_deltas, [n,outputs] dense. */
float *kdi_net_d_logits(kd_workspace *ws);

/** First phase of backward: the whole chain of deltas, all finite, or KD_ERR_NOT_FINITE. */
kd_status kdi_net_run_deltas(kd_workspace *ws, kd_error *error);

/** Second phase: gradients, added to what is there or in its place. */
void kdi_net_run_gradients(kd_workspace *ws, bool add);

/** The cases of the last forward are done: later ones without ids get later positions. */
void kdi_net_advance(kd_workspace *ws);

/** The optimiser's update from the workspace's gradients. */
kd_status kdi_net_update(kd_optimizer *optimizer, kd_workspace *ws, kdi_update *update,
                         kd_error *error);

/**
 * Gradients and update at once, each tile of weights while it is in the cache; or, where no bound
 * proves beforehand that the update is safe, one after the other. KD_ERR_NOT_FINITE before any
 * weight has changed.
 */
kd_status kdi_net_learn(kd_optimizer *optimizer, kd_workspace *ws, kdi_update *update,
                        kd_error *error);

/** Updates done so far. */
uint64_t kdi_net_updates(const kd_optimizer *optimizer);

#endif
