/* SPDX-License-Identifier: MIT */
/**
 * Door of the room kern: pure functions on float buffers. They can't fail, allocate nothing, and
 * know no networks. `_ref` is portable C written for clarity: the specification of the operation,
 * always built and always tested. Beside it stand the same operations for AVX2 and AVX-512, within
 * the bound that each line states; kdi_kern() picks a table at run time.
 *
 * Matrices are [n,width] with a stride. Buffers need no alignment.
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

/**
 * A row of scores as a distribution (Hinton 2015, eq. 1), its largest score taken away first:
 * a_i = (x_i - max) scale <= 0, e_i = exp(a_i), p_i = e_i / sum e.
 */
typedef struct kdi_scores {
    const float *x;
    float max;    /**< The largest x_i; finite. */
    double scale; /**< 1/T for logits. */
} kdi_scores;

/** Sums over a row of scores. */
typedef struct kdi_sums {
    /** Of all e_i but one largest, whose 1 would drown a small rest: log(sum e) is log1p of this.
     */
    double rest;
    double spread; /**< sum e_i |a_i|; 0 for a_i = -inf. */
} kdi_sums;

/** Sums over a student's row q and its soft targets' row p, both scores. */
typedef struct kdi_pair {
    kdi_sums q;
    kdi_sums p;
    double gap; /**< sum ep_i (ap_i - aq_i), over ep_i > 0. */
} kdi_pair;

/** Sums over a student's row q and given probabilities p. */
typedef struct kdi_given {
    kdi_sums q;
    double mass;    /**< sum p_i */
    double entropy; /**< -sum p_i ln p_i, over p_i > 0. */
    double cross;   /**< sum p_i |aq_i|, over p_i > 0. */
    float least;    /**< Smallest p_i. A NaN is not seen here; mass is then NaN. */
} kdi_given;

/** A product c[rows,columns] = beta c + a b of which `depth` products are summed for each element:
 * a at row i and step k is a[i a_row + k a_step], b[depth,columns] has a stride. */
typedef struct kdi_product {
    size_t rows;
    size_t columns;
    size_t depth;
    const float *a;
    size_t a_row;
    size_t a_step;
    const float *b;
    size_t b_stride;
    float beta; /**< With 0, c is not read. */
    float *c;
    size_t c_stride;
} kdi_product;

/**
 * Scores that every table can serve: finite or -inf, at most this in magnitude. A row outside, or a
 * scale outside, goes to the reference.
 */
#define KDI_KERN_LARGEST_SCORE 1e25f
#define KDI_KERN_SMALLEST_SCALE 1e-6
#define KDI_KERN_LARGEST_SCALE 1e4

/** One implementation of every operation. */
typedef struct kdi_kernels {
    const char *name;
    bool fast; /**< Its small products are worth calling; the reference's are for clarity. */

    /* ---- elements (rows) ---- */

    /** out_i = exp(x_i): within 2 ulp, denormal results too; inf, 0 and NaN as in C. */
    void (*exp_f32)(const float *x, size_t k, float *out);
    /** out_i = ln(x_i): within 2 ulp; -inf at 0, NaN below 0, without exceptions; NaN for NaN. */
    void (*log_f32)(const float *x, size_t k, float *out);

    /* ---- rows of scores ---- */

    /** Smallest and largest of x[k], k > 0; false if a NaN or +inf is among them. */
    bool (*range_f32)(const float *x, size_t k, float *out_min, float *out_max);
    /** Index of the first x_i equal to `value`; k if there is none. */
    size_t (*find_f32)(const float *x, size_t k, float value);
    /**
     * e_i (NULL = not wanted; may be x) and the sums. e within 4 ulp, sums within 1e-6 relative;
     * what is denormal may be 0 or missing. -inf gives e = 0.
     */
    void (*exps_f32)(const kdi_scores *s, size_t k, float *e, kdi_sums *out);
    /**
     * Both rows at once: eq and ep (NULL = not wanted; may be the rows themselves) and the sums, as
     * exps_f32; gap within 1e-6 of sum ep (|ap| + |aq|). Returns k, or the first class where q is
     * -inf and p is not. q may have -inf in the reference only.
     */
    size_t (*compare_f32)(const kdi_scores *q, const kdi_scores *p, size_t k, float *eq, float *ep,
                          kdi_pair *out);
    /** The same with p given as probabilities; mass, entropy, cross within 1e-6 relative. */
    size_t (*compare_given_f32)(const kdi_scores *q, const float *p, size_t k, float *eq,
                                kdi_given *out);
    /** out_i = a_i - log_sum, rounded once; -inf stays. out may be x. The same bits everywhere. */
    void (*logprob_f32)(const kdi_scores *s, size_t k, double log_sum, float *out);
    /**
     * out_i = sum_r factors[r] rows[r][i], r below m <= 8; out may be one of the rows. Within 4 ulp
     * of the largest summand. False if an out_i is not finite.
     */
    bool (*combine_f32)(const float *const *rows, const float *factors, size_t m, size_t k,
                        float *out);
    /** out_i = sum_r weights[r] rows[r][i], r below m, in double, rounded once. The same bits
     * everywhere. */
    void (*mean_f32)(const float *const *rows, const double *weights, size_t m, size_t k,
                     float *out);

    /* ---- products that read their operands where they lie ---- */

    /** y[n,rows] = x[n,columns] w[rows,columns]^T, the rows of w dense. Like a GEMM's rounding.
     * The bits of a row of y depend on that row of x and on w, but on no other row. */
    void (*dots_f32)(const float *x, size_t n, size_t x_stride, const float *w, size_t rows,
                     size_t columns, float *y, size_t y_stride);
    /** The product. Like a GEMM's rounding. */
    void (*product_f32)(const kdi_product *product);
    /** out[columns] = d[rows] w[rows,columns], the rows of w w_stride apart. */
    void (*sum_rows_f32)(const float *d, const float *w, size_t rows, size_t columns,
                         size_t w_stride, float *out);
    /** y_i = beta y_i + alpha x_i; y is not read with beta = 0. Within 2 ulp of the summands. */
    void (*axpby_f32)(float alpha, const float *x, float beta, float *y, size_t count);

    /* ---- activations: matrices [n,width] ---- */

    /** y += bias in each row. The same bits everywhere. */
    void (*bias_f32)(float *y, size_t n, size_t width, size_t stride, const float *bias);
    /** y = max(y, 0); NaN passes on. The same bits everywhere. */
    void (*relu_f32)(float *y, size_t n, size_t width, size_t stride);
    /** d = 0 where y <= 0. The same bits everywhere. */
    void (*relu_grad_f32)(const float *y, size_t y_stride, float *d, size_t n, size_t width,
                          size_t d_stride);
    /**
     * Columns first .. first+width of one row (x and y point at column `first`): y_i = kept ? x_i
     * scale : 0. y may be x. The same bits everywhere.
     */
    void (*dropout_f32)(const kdi_drop *drop, const float *x, float *y, size_t first, size_t width);
    /** out_j = sum_i d[i,j] + beta out_j, in double. */
    void (*colsum_f32)(const float *d, size_t n, size_t width, size_t stride, float beta,
                       float *out);
    /** Largest |x_ij|; false if one is not finite. The same bits everywhere. */
    bool (*absmax_f32)(const float *x, size_t n, size_t width, size_t stride, float *out_max);

    /* ---- flat arrays ---- */

    /** sum x_i^2, within 1e-6 relative. */
    double (*sumsq_f32)(const float *x, size_t count);
    /** x *= factor. The same bits everywhere. */
    void (*scale_f32)(float *x, size_t count, float factor);
    /** One update: weights w, momentum m (NULL without), gradient g. The same bits everywhere. */
    void (*sgd_f32)(const kdi_sgd *step, float *w, float *m, const float *g, size_t count);
    /** One update: weights w, moments a and s, gradient g. The same bits everywhere. */
    void (*adam_f32)(const kdi_adam *step, float *w, float *a, float *s, const float *g,
                     size_t count);
} kdi_kernels;

/** The best table that is at most `isa` (kd_isa; 0 = any) and that the processor can run. */
const kdi_kernels *kdi_kern(int32_t isa);

#endif
