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

/** Most tiles of one layer. */
#define KDI_NET_TILES 16

/** The largest magnitude in a matrix, as each tile found it. */
typedef struct kdi_largest {
    float tile[KDI_NET_TILES];
} kdi_largest;

/**
 * A dense node and the elementwise nodes behind it, which share its buffers; or elementwise nodes
 * on x itself. A stage is what runs between two barriers: each tile goes through all its nodes.
 */
typedef struct kdi_stage {
    size_t first;   /**< Its first node. */
    size_t end;     /**< Past its last. */
    bool dense;     /**< Its first node has parameters. */
    bool rectified; /**< One of its nodes is a rectifier. */
    size_t width;
    float *y;              /**< [batch,width] */
    float *d;              /**< [batch,width], or NULL where nothing flows back. */
    size_t y_tiles;        /**< Of the last forward. */
    kdi_largest y_largest; /**< Of the last forward; INFINITY or NaN if one is not finite. */
    kdi_largest d_largest;
} kdi_stage;

struct kd_workspace {
    kd_context *context;
    kd_net *net;
    size_t batch;
    bool training;
    uint64_t seed;
    void *block;
    size_t block_size;
    kdi_stage *stages;
    size_t n_stages;
    float **gradients; /**< One per parameter. */
    uint64_t *ids;     /**< Of the last forward, [batch]. */
    uint64_t position; /**< Id of the next case that comes without one. */
    size_t n;          /**< Cases of the last forward; 0 = none. */
    bool numbered;     /**< Its ids were running positions. */
    const float *x;    /**< Its input. */
    size_t x_stride;
    float x_largest; /**< Largest |x|; INFINITY if nobody has looked. */
    uint32_t epoch;
    bool has_gradient;
    kd_error error;
};

/** The last stage, whose y are the logits. */
static inline kdi_stage *kdi_net_last(const kd_workspace *ws)
{
    return &ws->stages[ws->n_stages - 1];
}

/* ---- tiles (tiles.c) ---- */

/** How many tiles a matrix of this width is cut into, if making it takes `work` operations. */
size_t kdi_net_tiles(size_t width, double work);

/** The i-th of them. */
kdi_tile kdi_net_tile(size_t width, size_t tiles, size_t i);

/** Operations of one product of a dense layer; a few cases cost as much as eight. */
double kdi_net_work(const kdi_layer *layer, size_t n);

/** Runs tasks on the context's threads, or here if all of them are less than a barrier's worth. */
void kdi_net_run(const kd_workspace *ws, double work, size_t tasks, kdi_task_fn fn, void *user);

/** The largest of all tiles. */
float kdi_net_largest(const kdi_largest *largest, size_t tiles);

/** How nodes run in the workspace's last forward. */
kdi_pass kdi_net_pass(const kd_workspace *ws, size_t node);

/** What a stage reads. */
const float *kdi_net_input_of(const kd_workspace *ws, size_t stage, size_t *out_stride);

/** Adds gradients to what is there, or puts them in its place, for rows `tile` of a stage. */
void kdi_net_gradient_tile(const kd_workspace *ws, size_t stage, kdi_sink sink, kdi_tile tile);

#endif
