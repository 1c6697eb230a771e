/* SPDX-License-Identifier: MIT */
/** The second phase of a step, in tiles. Inside the room net only. */
#ifndef KDI_NET_LEARN_H
#define KDI_NET_LEARN_H

#include "net/parts.h"

/** No gradient of the last forward and its deltas is larger; INFINITY if that is unknown. */
double kdi_net_gradient_bound(const kd_workspace *ws);

/** Updates all tensors from the workspace's gradients. */
void kdi_net_apply(const kd_workspace *ws, const kdi_tensor *tensors, const kdi_plan *plan);

/** Makes gradients and updates from them, tile by tile. */
void kdi_net_learn_at_once(const kd_workspace *ws, const kdi_tensor *tensors, const kdi_plan *plan);

#endif
