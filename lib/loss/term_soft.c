/* SPDX-License-Identifier: MIT */
/*
 * Cross-entropy with soft targets and forward KL, both times T^2 (Hinton 2015, section 2): their
 * values differ by the targets' entropy, their gradient T (q - p) is the same (eq. 2).
 */
#include "loss/term.h"

static bool accepts(kd_target_kind kind)
{
    (void)kind;
    return true;
}

static double squared_temperature(const kd_term *term)
{
    return (double)term->temperature * (double)term->temperature;
}

static kd_status soft_value(const kd_term *term, const kdi_case *c, const kdi_look *look,
                            kdi_term_state *state, double *out_value, kdi_fault *fault)
{
    (void)c;
    (void)state;
    (void)fault;
    *out_value = squared_temperature(term) * look->cross;
    return KD_OK;
}

static kd_status kl_value(const kd_term *term, const kdi_case *c, const kdi_look *look,
                          kdi_term_state *state, double *out_value, kdi_fault *fault)
{
    (void)c;
    (void)state;
    (void)fault;
    *out_value = squared_temperature(term) * look->kl;
    return KD_OK;
}

static double factor_q(const kd_term *term)
{
    return (double)term->temperature;
}

static double factor_p(const kd_term *term)
{
    return -(double)term->temperature;
}

const kdi_term_ops kdi_loss_term_soft = {
    .needs_targets = true,
    .tempered = true,
    .looks = true,
    .accepts = accepts,
    .value = soft_value,
    .factor_q = factor_q,
    .factor_p = factor_p,
};

const kdi_term_ops kdi_loss_term_kl = {
    .needs_targets = true,
    .tempered = true,
    .looks = true,
    .accepts = accepts,
    .value = kl_value,
    .factor_q = factor_q,
    .factor_p = factor_p,
};
