/* SPDX-License-Identifier: MIT */
/**
 * Door of the room layer: one file a layer, one table a layer. A layer knows its own arithmetic;
 * where its buffers lie and who comes before it is the net's business.
 */
#ifndef KDI_LAYER_H
#define KDI_LAYER_H

#include "base/base.h"

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

/** What one pass over a layer needs beside its matrices. */
typedef struct kdi_pass {
    size_t n;
    uint64_t seed;
    uint32_t node;
    uint32_t epoch;
    const uint64_t *ids; /**< [n] */
} kdi_pass;

/** A kind of layer. */
typedef struct kdi_layer_ops {
    const char *name;
    size_t params; /**< 0, or 2: weight [out,in] and bias [out]. */
    bool in_place; /**< Elementwise: y may be x, and dx is dy. */
    /** y from x, in training. */
    void (*forward)(const kdi_layer *layer, const kdi_pass *pass, const float *x, size_t x_stride,
                    kdi_rows y);
    /** y from x, at inference; NULL: y is x. */
    void (*infer)(const kdi_layer *layer, size_t n, const float *x, size_t x_stride, kdi_rows y);
    /** dx from dy; y is the forward's output. In place where the layer is. */
    void (*delta)(const kdi_layer *layer, const kdi_pass *pass, const float *y, kdi_rows dy,
                  kdi_rows dx);
    /** Gradients of weight and bias: added to what is there, or in its place. NULL without. */
    void (*gradient)(const kdi_layer *layer, size_t n, const float *x, size_t x_stride, kdi_rows dy,
                     bool add, float *d_weight, float *d_bias);
} kdi_layer_ops;

extern const kdi_layer_ops kdi_layer_dense;
extern const kdi_layer_ops kdi_layer_relu;
extern const kdi_layer_ops kdi_layer_dropout;

#endif
