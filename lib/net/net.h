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

/** Makes the parameters, all 0, of a net that has none yet: then it is initialised. */
kd_status kdi_net_prepare(kd_net *net, kd_error *error);

/** How many nodes and parameters it has. */
size_t kdi_net_nodes(const kd_net *net);
size_t kdi_net_params(const kd_net *net);

/** The parameter with this index. */
kd_param kdi_net_view(const kd_net *net, size_t index);

/** Width of x, and of the logits. */
size_t kdi_net_inputs(const kd_net *net);
size_t kdi_net_outputs(const kd_net *net);

/** Goes on from a hash with inputs, layers, and the bits of all parameters (hash.c). */
uint64_t kdi_net_hash(uint64_t before, const kd_net *net);

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

/* ---- what a training has beside its weights ---- */

/** The net of an optimiser, and of a workspace. */
kd_net *kdi_net_of_optimizer(const kd_optimizer *optimizer);
kd_net *kdi_net_of_workspace(const kd_workspace *ws);

/** An optimiser's rules and progress. */
kdi_optim *kdi_net_optim(kd_optimizer *optimizer);

/** An optimiser's array `which` (0 or 1, below kdi_optim_states) for a parameter. */
float *kdi_net_state(const kd_optimizer *optimizer, size_t param, size_t which);

/** The gradient of a parameter, in a workspace made for training; else NULL. */
float *kdi_net_gradient(const kd_workspace *ws, size_t param);

/** Seed of a workspace's dropout, and the id of the next case that comes without one. */
uint64_t kdi_net_seed(const kd_workspace *ws);
uint64_t kdi_net_position(const kd_workspace *ws);

/** Goes on from this position like a workspace made anew: without a forward, or a gradient. */
void kdi_net_start_at(kd_workspace *ws, uint64_t position);

#endif
