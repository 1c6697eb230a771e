/* SPDX-License-Identifier: MIT */
/** What nets, workspaces and optimisers are made of. Inside the room net only. */
#ifndef KDI_NET_PARTS_H
#define KDI_NET_PARTS_H

#include "ctx/ctx.h"
#include "layer/layer.h"
#include "net/net.h"

/** The input of the first node: x itself. */
#define KDI_NET_INPUT SIZE_MAX

/** One node of the chain. */
typedef struct kdi_node {
    kdi_layer layer;
    size_t input; /**< Index of the node that feeds it, or KDI_NET_INPUT. */
    size_t param; /**< Index of its first parameter. */
} kdi_node;

/** One parameter tensor. */
typedef struct kdi_net_param {
    float *values;
    size_t rows;
    size_t columns;
    size_t node;
    bool bias;
} kdi_net_param;

struct kd_net {
    kdi_refs refs;
    kd_context *context;
    size_t inputs;
    kdi_node *nodes;
    size_t n_nodes;
    size_t capacity; /**< Of nodes. */
    kdi_net_param *params;
    size_t n_params; /**< 0 until initialised. */
    void *block;     /**< Holds params and their values. */
    size_t block_size;
    kd_error error;
};

/** Buffers that a dense node opens and the elementwise nodes behind it share. */
typedef struct kdi_slot {
    float *y; /**< [batch,width] */
    float *d; /**< [batch,width], or NULL where nothing flows back. */
    size_t width;
} kdi_slot;

struct kd_workspace {
    kd_context *context;
    kd_net *net;
    size_t batch;
    bool training;
    uint64_t seed;
    void *block;
    size_t block_size;
    kdi_slot *slots;   /**< One per node; elementwise nodes repeat their input's. */
    float **gradients; /**< One per parameter. */
    uint64_t *ids;     /**< Of the last forward, [batch]. */
    uint64_t position; /**< Id of the next case that comes without one. */
    size_t n;          /**< Cases of the last forward; 0 = none. */
    bool numbered;     /**< Its ids were running positions. */
    const float *x;    /**< Its input. */
    size_t x_stride;
    uint32_t epoch;
    bool has_gradient;
    kd_error error;
};

/** The slot of the logits. */
const kdi_slot *kdi_net_last_slot(const kd_workspace *ws);

#endif
