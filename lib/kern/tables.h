/* SPDX-License-Identifier: MIT */
/**
 * The tables of kernels, inside the room kern only. Both lists below name every operation of kern.h
 * once, so a table with a gap doesn't compile.
 */
#ifndef KDI_KERN_TABLES_H
#define KDI_KERN_TABLES_H

#include "kern/kern.h"

/* The name of a kernel in a file that serves several tables: such a file is included where KDI_ISA
 * is one of ref, avx2, avx512. */
#define KDI_K(op) KDI_K_OF(op, KDI_ISA)
#define KDI_K_OF(op, isa) KDI_K_JOIN(op, isa)
#define KDI_K_JOIN(op, isa) kdi_k_##op##_##isa

#define KDI_KERN_DECLARE(isa)                                                                      \
    void kdi_k_exp_f32_##isa(const float *x, size_t k, float *out);                                \
    void kdi_k_log_f32_##isa(const float *x, size_t k, float *out);                                \
    bool kdi_k_range_f32_##isa(const float *x, size_t k, float *out_min, float *out_max);          \
    size_t kdi_k_find_f32_##isa(const float *x, size_t k, float value);                            \
    void kdi_k_exps_f32_##isa(const kdi_scores *s, size_t k, float *e, kdi_sums *out);             \
    size_t kdi_k_compare_f32_##isa(const kdi_scores *q, const kdi_scores *p, size_t k, float *eq,  \
                                   float *ep, kdi_pair *out);                                      \
    size_t kdi_k_compare_given_f32_##isa(const kdi_scores *q, const float *p, size_t k, float *eq, \
                                         kdi_given *out);                                          \
    void kdi_k_logprob_f32_##isa(const kdi_scores *s, size_t k, double log_sum, float *out);       \
    bool kdi_k_combine_f32_##isa(const float *const *rows, const float *factors, size_t m,         \
                                 size_t k, float *out);                                            \
    void kdi_k_mean_f32_##isa(const float *const *rows, const double *weights, size_t m, size_t k, \
                              float *out);                                                         \
    void kdi_k_dots_f32_##isa(const float *x, size_t n, size_t x_stride, const float *w,           \
                              size_t rows, size_t columns, float *y, size_t y_stride);             \
    void kdi_k_product_f32_##isa(const kdi_product *product);                                      \
    void kdi_k_sum_rows_f32_##isa(const float *d, const float *w, size_t rows, size_t columns,     \
                                  size_t w_stride, float *out);                                    \
    void kdi_k_axpby_f32_##isa(float alpha, const float *x, float beta, float *y, size_t count);   \
    void kdi_k_bias_f32_##isa(float *y, size_t n, size_t width, size_t stride, const float *bias); \
    void kdi_k_relu_f32_##isa(float *y, size_t n, size_t width, size_t stride);                    \
    void kdi_k_relu_grad_f32_##isa(const float *y, size_t y_stride, float *d, size_t n,            \
                                   size_t width, size_t d_stride);                                 \
    void kdi_k_dropout_f32_##isa(const kdi_drop *drop, const float *x, float *y, size_t first,     \
                                 size_t width);                                                    \
    void kdi_k_colsum_f32_##isa(const float *d, size_t n, size_t width, size_t stride, float beta, \
                                float *out);                                                       \
    bool kdi_k_absmax_f32_##isa(const float *x, size_t n, size_t width, size_t stride,             \
                                float *out_max);                                                   \
    double kdi_k_sumsq_f32_##isa(const float *x, size_t count);                                    \
    void kdi_k_scale_f32_##isa(float *x, size_t count, float factor);                              \
    void kdi_k_sgd_f32_##isa(const kdi_sgd *step, float *w, float *m, const float *g,              \
                             size_t count);                                                        \
    void kdi_k_adam_f32_##isa(const kdi_adam *step, float *w, float *a, float *s, const float *g,  \
                              size_t count);                                                       \
    extern const kdi_kernels kdi_kern_##isa

#define KDI_KERN_TABLE(isa, words, quick)                                                          \
    const kdi_kernels kdi_kern_##isa = {                                                           \
        .name = words,                                                                             \
        .fast = quick,                                                                             \
        .exp_f32 = kdi_k_exp_f32_##isa,                                                            \
        .log_f32 = kdi_k_log_f32_##isa,                                                            \
        .range_f32 = kdi_k_range_f32_##isa,                                                        \
        .find_f32 = kdi_k_find_f32_##isa,                                                          \
        .exps_f32 = kdi_k_exps_f32_##isa,                                                          \
        .compare_f32 = kdi_k_compare_f32_##isa,                                                    \
        .compare_given_f32 = kdi_k_compare_given_f32_##isa,                                        \
        .logprob_f32 = kdi_k_logprob_f32_##isa,                                                    \
        .combine_f32 = kdi_k_combine_f32_##isa,                                                    \
        .mean_f32 = kdi_k_mean_f32_##isa,                                                          \
        .dots_f32 = kdi_k_dots_f32_##isa,                                                          \
        .product_f32 = kdi_k_product_f32_##isa,                                                    \
        .sum_rows_f32 = kdi_k_sum_rows_f32_##isa,                                                  \
        .axpby_f32 = kdi_k_axpby_f32_##isa,                                                        \
        .bias_f32 = kdi_k_bias_f32_##isa,                                                          \
        .relu_f32 = kdi_k_relu_f32_##isa,                                                          \
        .relu_grad_f32 = kdi_k_relu_grad_f32_##isa,                                                \
        .dropout_f32 = kdi_k_dropout_f32_##isa,                                                    \
        .colsum_f32 = kdi_k_colsum_f32_##isa,                                                      \
        .absmax_f32 = kdi_k_absmax_f32_##isa,                                                      \
        .sumsq_f32 = kdi_k_sumsq_f32_##isa,                                                        \
        .scale_f32 = kdi_k_scale_f32_##isa,                                                        \
        .sgd_f32 = kdi_k_sgd_f32_##isa,                                                            \
        .adam_f32 = kdi_k_adam_f32_##isa,                                                          \
    }

KDI_KERN_DECLARE(ref);
KDI_KERN_DECLARE(avx2);
KDI_KERN_DECLARE(avx512);

#endif
