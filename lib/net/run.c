/* SPDX-License-Identifier: MIT */
/* Running a net: inference, forward in training, and the way back in its two phases. */
#include "net/parts.h"

#include "kern/kern.h"

#include <math.h>
#include <string.h>

/* What a node reads: its input's output, or x. */
static const float *input_of(const kd_workspace *ws, const kdi_node *node, const float *x,
                             size_t x_stride, size_t *out_stride)
{
    if (node->input == KDI_NET_INPUT) {
        *out_stride = x_stride;
        return x;
    }
    *out_stride = ws->slots[node->input].width;
    return ws->slots[node->input].y;
}

static kdi_pass pass_of(const kd_workspace *ws, size_t node)
{
    return (kdi_pass){ws->n, ws->seed, (uint32_t)node, ws->epoch, ws->ids};
}

float *kdi_net_run_infer(kd_workspace *ws, const float *x, size_t n, size_t x_stride)
{
    ws->n = 0; /* the buffers of a forward are overwritten */
    const float *at = x;
    size_t stride = x_stride;
    for (size_t i = 0; i < ws->net->n_nodes; i++) {
        const kdi_layer *layer = &ws->net->nodes[i].layer;
        kdi_rows y = {ws->slots[i].y, ws->slots[i].width};
        if (layer->ops->infer) {
            layer->ops->infer(layer, n, at, stride, y);
            at = y.values;
            stride = y.stride;
        }
    }
    return kdi_net_last_slot(ws)->y;
}

float *kdi_net_run_forward(kd_workspace *ws, const kd_batch *known)
{
    ws->n = known->n;
    ws->x = known->x;
    ws->x_stride = known->x_stride;
    ws->epoch = known->epoch;
    ws->numbered = !known->ids;
    for (size_t i = 0; i < known->n; i++) {
        ws->ids[i] = known->ids ? known->ids[i] : ws->position + i;
    }
    for (size_t i = 0; i < ws->net->n_nodes; i++) {
        const kdi_node *node = &ws->net->nodes[i];
        kdi_pass pass = pass_of(ws, i);
        size_t stride;
        const float *in = input_of(ws, node, ws->x, ws->x_stride, &stride);
        kdi_rows y = {ws->slots[i].y, ws->slots[i].width};
        node->layer.ops->forward(&node->layer, &pass, in, stride, y);
    }
    return kdi_net_last_slot(ws)->y;
}

void kdi_net_advance(kd_workspace *ws)
{
    ws->position += ws->numbered ? ws->n : 0;
}

float *kdi_net_d_logits(kd_workspace *ws)
{
    return kdi_net_last_slot(ws)->d;
}

static kd_status check_delta(const kd_workspace *ws, size_t node, kd_error *error)
{
    const kdi_slot *slot = &ws->slots[node];
    float largest;
    if (kdi_kern()->absmax_f32(slot->d, ws->n * slot->width, &largest)) {
        return KD_OK;
    }
    return kdi_base_fail(error, KD_ERR_NOT_FINITE, 2, "the delta at node %z is not finite", node);
}

kd_status kdi_net_run_deltas(kd_workspace *ws, kd_error *error)
{
    const kd_net *net = ws->net;
    kd_status status = check_delta(ws, net->n_nodes - 1, error);
    for (size_t i = net->n_nodes; status == KD_OK && i-- > 0;) {
        const kdi_node *node = &net->nodes[i];
        const kdi_slot *slot = &ws->slots[i];
        if (!slot->d || node->input == KDI_NET_INPUT || !ws->slots[node->input].d) {
            break; /* nothing before this node has anything to learn */
        }
        const kdi_slot *below = &ws->slots[node->input];
        kdi_pass pass = pass_of(ws, i);
        node->layer.ops->delta(&node->layer, &pass, slot->y, (kdi_rows){slot->d, slot->width},
                               (kdi_rows){below->d, below->width});
        if (!node->layer.ops->in_place) {
            status = check_delta(ws, node->input, error);
        }
    }
    return status;
}

void kdi_net_run_gradients(kd_workspace *ws, bool add)
{
    const kd_net *net = ws->net;
    for (size_t i = 0; i < net->n_nodes; i++) {
        const kdi_node *node = &net->nodes[i];
        if (!node->layer.ops->gradient) {
            continue;
        }
        size_t stride;
        const float *in = input_of(ws, node, ws->x, ws->x_stride, &stride);
        kdi_rows dy = {ws->slots[i].d, ws->slots[i].width};
        node->layer.ops->gradient(&node->layer, ws->n, in, stride, dy, add,
                                  ws->gradients[node->param], ws->gradients[node->param + 1]);
    }
    ws->has_gradient = true;
}
