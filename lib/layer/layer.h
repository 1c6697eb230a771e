/* SPDX-License-Identifier: MIT */
/**
 * Door of the room layer: one file a layer, one table a layer. A layer knows its own arithmetic;
 * where its buffers lie, who comes before it and which thread works is the net's business.
 *
 * Every operation works on a tile: some columns of its output (or rows of its weights), for all
 * cases. What a tile holds does not depend on how the others are worked on, so tiles may run in any
 * order and at once.
 */
#ifndef KDI_LAYER_H
#define KDI_LAYER_H

#include "kern/kern.h"

#include <kd/net.h>

/** One layer as it stands in a net. */
typedef struct kdi_layer {
    const struct kdi_layer_ops *ops;
    size_t in;          /**< Width of its input. */
    size_t out;         /**< Width of its output. */
    uint32_t threshold; /**< Dropout: rate in steps of 1/65536. */
    float *weight;      /**< [out,in], in the net's memory. */
    float *bias;        /**< [out]. */
} kdi_layer;

/** A matrix of activations or deltas. */
typedef struct kdi_rows {
    float *values;
    size_t stride;
} kdi_rows;

/** Columns begin .. end. */
typedef struct kdi_tile {
    size_t begin;
    size_t end;
} kdi_tile;

/** What one pass over a layer needs beside its matrices. */
typedef struct kdi_pass {
    const kdi_kernels *kern;
    size_t n;
    uint64_t seed;
    uint32_t node;
    uint32_t epoch;
    const uint64_t *ids; /**< [n] */
    /** A rectifier works on the same matrix: nothing flows back where y is 0, dropped or not. */
    bool rectified;
    bool own_products; /**< Past the BLAS: kernels instead. */
} kdi_pass;

/** Where the gradients of a dense layer go: added to beta times what is there. */
typedef struct kdi_sink {
    float *weight; /**< [out,in] */
    float *bias;   /**< [out] */
    float beta;
} kdi_sink;

/** Up to this many cases a product waits for its weights rather than for its arithmetic. */
#define KDI_LAYER_FEW 8

/** A kind of layer. */
typedef struct kdi_layer_ops {
    const char *name;
    kd_node_kind kind;
    size_t params; /**< 0, or 2: weight [out,in] and bias [out]. */
    bool in_place; /**< Elementwise: y may be x, and dx is dy. */
    bool rectifies;
    /** Columns `tile` of y from x, in training. */
    void (*forward)(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                    kdi_rows y, kdi_tile tile);
    /** The same at inference; NULL: y is x. */
    void (*infer)(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                  kdi_rows y, kdi_tile tile);
    /** Columns `tile` of dx from dy; y is the forward's output. In place where the layer is. */
    void (*delta)(const kdi_layer *layer, const kdi_pass *pass, const float *y, kdi_rows dy,
                  kdi_rows dx, kdi_tile tile);
    /** Rows `tile` of the gradients of weight and bias. NULL without parameters. */
    void (*gradient)(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                     kdi_rows dy, kdi_sink sink, kdi_tile tile);
} kdi_layer_ops;

extern const kdi_layer_ops kdi_layer_dense;
extern const kdi_layer_ops kdi_layer_relu;
extern const kdi_layer_ops kdi_layer_dropout;

#endif
