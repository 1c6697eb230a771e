/* SPDX-License-Identifier: MIT */
/* The table of kernels: which implementation serves each operation. */
#include "kern/ref.h"

static const kdi_kernels reference = {
    .name = "ref",
    .max_f32 = kdi_k_max_f32_ref,
    .sumexp_f32 = kdi_k_sumexp_f32_ref,
    .logprob_f32 = kdi_k_logprob_f32_ref,
    .exp_f64 = kdi_k_exp_f64_ref,
    .bias_f32 = kdi_k_bias_f32_ref,
    .relu_f32 = kdi_k_relu_f32_ref,
    .relu_grad_f32 = kdi_k_relu_grad_f32_ref,
    .dropout_f32 = kdi_k_dropout_f32_ref,
    .colsum_f32 = kdi_k_colsum_f32_ref,
    .absmax_f32 = kdi_k_absmax_f32_ref,
    .sumsq_f32 = kdi_k_sumsq_f32_ref,
    .scale_f32 = kdi_k_scale_f32_ref,
    .sgd_f32 = kdi_k_sgd_f32_ref,
    .adam_f32 = kdi_k_adam_f32_ref,
    .max_norm_f32 = kdi_k_max_norm_f32_ref,
};

const kdi_kernels *kdi_kern(void)
{
    return &reference;
}
