/* SPDX-License-Identifier: MIT */
/**
 * Door of the room kern: pure functions on float buffers. They can't fail, allocate nothing, and
 * know no networks. `_ref` is portable C written for clarity: the specification of the operation,
 * always built and always tested; an instruction set gets its own table beside it.
 */
#ifndef KDI_KERN_H
#define KDI_KERN_H

#include "base/base.h"

/** Numbers that one update of SGD needs; g is scaled by `scale` first. */
typedef struct kdi_sgd {
    double rate;
    double momentum;
    double decay;
    double scale;
    bool nesterov;
} kdi_sgd;

/** Numbers that one update of Adam or AdamW needs. */
typedef struct kdi_adam {
    double rate;
    double beta1;
    double beta2;
    double epsilon;
    double correction1; /**< 1 - beta1^t */
    double correction2; /**< 1 - beta2^t */
    double decay;       /**< Added to the gradient (Adam). */
    double shrink;      /**< Weights are multiplied by this before the update (AdamW). */
    double scale;
} kdi_adam;

/** Where the random bits of one row of dropout come from. */
typedef struct kdi_drop {
    kdi_rng_key key;
    uint32_t epoch;
    uint64_t id;
    uint32_t threshold; /**< A lane whose 16 random bits are below is dropped; 0..65535. */
    float scale;        /**< 65536 / (65536 - threshold). */
} kdi_drop;

/** One implementation of every operation. */
typedef struct kdi_kernels {
    const char *name;

    /* Rows of logits. Distributions are exact in double: p_i = exp((x_i - max) scale - log_sum). */

    /** Largest of x[k]; false if a NaN or +inf is among them. */
    bool (*max_f32)(const float *x, size_t k, float *out_max);
    /**
     * sum exp((x_i - max) scale) over all but the first largest element, whose 1 would drown a
     * small rest: the logarithm of the whole is log1p of this.
     */
    double (*sumexp_f32)(const float *x, size_t k, double max, double scale);
    /** out_i = (x_i - max) scale - log_sum; -inf stays. */
    void (*logprob_f32)(const float *x, size_t k, double max, double scale, double log_sum,
                        double *out);
    /** out_i = exp(x_i). */
    void (*exp_f64)(const double *x, size_t k, double *out);

    /* Activations: matrices y[n,width] with a stride. */

    /** y += bias in each row. */
    void (*bias_f32)(float *y, size_t n, size_t width, size_t stride, const float *bias);
    /** y = max(y, 0); NaN passes on. */
    void (*relu_f32)(float *y, size_t count);
    /** d = 0 where y <= 0. */
    void (*relu_grad_f32)(const float *y, float *d, size_t count);
    /** One row: y_i = kept ? x_i scale : 0. y may be x. */
    void (*dropout_f32)(const kdi_drop *drop, const float *x, float *y, size_t width);
    /** out_j = sum_i d[i,j] + beta out_j. */
    void (*colsum_f32)(const float *d, size_t n, size_t width, size_t stride, float beta,
                       float *out);

    /* Flat arrays. */

    /** Largest |x_i|; false if one is not finite. */
    bool (*absmax_f32)(const float *x, size_t count, float *out_max);
    /** sum x_i^2. */
    double (*sumsq_f32)(const float *x, size_t count);
    /** x *= factor. */
    void (*scale_f32)(float *x, size_t count, float factor);
    /** One update: weights w, momentum m (NULL without), gradient g. */
    void (*sgd_f32)(const kdi_sgd *step, float *w, float *m, const float *g, size_t count);
    /** One update: weights w, moments a and s, gradient g. */
    void (*adam_f32)(const kdi_adam *step, float *w, float *a, float *s, const float *g,
                     size_t count);
    /** Each row of w[rows,columns] longer than `limit` is scaled down to it. */
    void (*max_norm_f32)(float *w, size_t rows, size_t columns, double limit);
} kdi_kernels;

/** The table in use. */
const kdi_kernels *kdi_kern(void);

#endif
