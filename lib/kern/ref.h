/* SPDX-License-Identifier: MIT */
/** The portable C kernels; kern.h says what each does. Inside the room kern only. */
#ifndef KDI_KERN_REF_H
#define KDI_KERN_REF_H

#include "kern/kern.h"

bool kdi_k_max_f32_ref(const float *x, size_t k, float *out_max);
double kdi_k_sumexp_f32_ref(const float *x, size_t k, double max, double scale);
void kdi_k_logprob_f32_ref(const float *x, size_t k, double max, double scale, double log_sum,
                           double *out);
void kdi_k_exp_f64_ref(const double *x, size_t k, double *out);
void kdi_k_bias_f32_ref(float *y, size_t n, size_t width, size_t stride, const float *bias);
void kdi_k_relu_f32_ref(float *y, size_t count);
void kdi_k_relu_grad_f32_ref(const float *y, float *d, size_t count);
void kdi_k_dropout_f32_ref(const kdi_drop *drop, const float *x, float *y, size_t width);
void kdi_k_colsum_f32_ref(const float *d, size_t n, size_t width, size_t stride, float beta,
                          float *out);
bool kdi_k_absmax_f32_ref(const float *x, size_t count, float *out_max);
double kdi_k_sumsq_f32_ref(const float *x, size_t count);
void kdi_k_scale_f32_ref(float *x, size_t count, float factor);
void kdi_k_sgd_f32_ref(const kdi_sgd *step, float *w, float *m, const float *g, size_t count);
void kdi_k_adam_f32_ref(const kdi_adam *step, float *w, float *a, float *s, const float *g,
                        size_t count);
void kdi_k_max_norm_f32_ref(float *w, size_t rows, size_t columns, double limit);

#endif
