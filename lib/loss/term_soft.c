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

static kd_status compare(const kd_term *term, const kdi_case *c, kdi_term_state *state,
                         kdi_dist_sums *sums, kdi_fault *fault)
{
    double t = (double)term->temperature;
    kd_status status = kdi_loss_dist_logits(&state->q, c->z, c->k, t, fault);
    if (status == KD_OK) {
        status = kdi_loss_dist_targets(&state->p, c->targets, c->v, c->k, t, fault);
    }
    if (status == KD_OK) {
        status = kdi_loss_dist_compare(&state->p, &state->q, c->k, sums, fault);
    }
    return status;
}

static double squared_temperature(const kd_term *term)
{
    return (double)term->temperature * (double)term->temperature;
}

static kd_status soft_value(const kd_term *term, const kdi_case *c, kdi_term_state *state,
                            double *out_value, kdi_fault *fault)
{
    kdi_dist_sums sums = {0};
    kd_status status = compare(term, c, state, &sums, fault);
    *out_value = squared_temperature(term) * sums.cross;
    return status;
}

static kd_status kl_value(const kd_term *term, const kdi_case *c, kdi_term_state *state,
                          double *out_value, kdi_fault *fault)
{
    kdi_dist_sums sums = {0};
    kd_status status = compare(term, c, state, &sums, fault);
    *out_value = squared_temperature(term) * sums.kl;
    return status;
}

static void add_gradient(const kd_term *term, const kdi_case *c, const kdi_term_state *state,
                         size_t begin, size_t count, double factor, double *gradient)
{
    (void)c;
    double p[KDI_LOSS_BLOCK];
    double q[KDI_LOSS_BLOCK];
    kdi_loss_dist_exp(&state->p, begin, count, p);
    kdi_loss_dist_exp(&state->q, begin, count, q);
    double t = (double)term->temperature;
    for (size_t i = 0; i < count; i++) {
        gradient[i] += factor * (t * (q[i] - p[i]));
    }
}

const kdi_term_ops kdi_loss_term_soft = {
    .needs_targets = true,
    .tempered = true,
    .accepts = accepts,
    .value = soft_value,
    .add_gradient = add_gradient,
};

const kdi_term_ops kdi_loss_term_kl = {
    .needs_targets = true,
    .tempered = true,
    .accepts = accepts,
    .value = kl_value,
    .add_gradient = add_gradient,
};
