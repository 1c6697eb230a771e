/* SPDX-License-Identifier: MIT */
/*
 * Matching logits: the limit of T^2 KL as T grows (Hinton 2015, eq. 3 and 4). The centred form
 * takes the mean over classes away first, which eq. 4 assumes to be zero; the raw form does not.
 */
#include "loss/term.h"

#include <math.h>

static bool accepts_up_to_a_constant(kd_target_kind kind)
{
    return kind == KD_TARGET_LOGITS || kind == KD_TARGET_LOG_PROBABILITIES;
}

static bool accepts_logits(kd_target_kind kind)
{
    return kind == KD_TARGET_LOGITS;
}

static kd_status mean_of(const float *x, size_t k, double *out_mean, bool target, kdi_fault *fault)
{
    double sum = 0.0;
    for (size_t i = 0; i < k; i++) {
        if (!isfinite(x[i])) {
            *fault = (kdi_fault){.target = target, .index = i, .value = (double)x[i]};
            return KD_ERR_NOT_FINITE;
        }
        sum += (double)x[i];
    }
    *out_mean = sum / (double)k;
    return KD_OK;
}

static double difference(const kdi_case *c, const kdi_term_state *s, size_t i)
{
    return ((double)c->z.x[i] - s->z_mean) - ((double)c->v.x[i] - s->v_mean) * s->v_scale;
}

static kd_status value(const kd_term *term, const kdi_case *c, const kdi_look *look,
                       kdi_term_state *state, double *out_value, kdi_fault *fault)
{
    (void)look;
    kd_status status = mean_of(c->z.x, c->k, &state->z_mean, false, fault);
    if (status == KD_OK) {
        status = mean_of(c->v.x, c->k, &state->v_mean, true, fault);
    }
    if (status != KD_OK) {
        return status;
    }
    if (c->targets->kind == KD_TARGET_LOG_PROBABILITIES) {
        kdi_row row;
        fault->target = true;
        status = kdi_loss_row_open(&row, c->kern, c->v.x, c->k, fault);
        status = status == KD_OK ? kdi_loss_row_check_log(&row, c->kern, c->k, fault) : status;
        if (status != KD_OK) {
            return status;
        }
        fault->target = false;
    }
    state->v_scale = kdi_loss_target_scale(c->targets, 1.0);
    if (term->kind == KD_TERM_MATCH_RAW) {
        state->z_mean = 0.0;
        state->v_mean = 0.0;
    }
    double sum = 0.0;
    for (size_t i = 0; i < c->k; i++) {
        double d = difference(c, state, i);
        sum += d * d;
    }
    *out_value = sum / (2.0 * (double)c->k);
    return KD_OK;
}

static void add_gradient(const kdi_case *c, const kdi_term_state *state, size_t begin, size_t count,
                         double factor, float *gradient)
{
    for (size_t i = 0; i < count; i++) {
        double d = factor * (difference(c, state, begin + i) / (double)c->k);
        gradient[i] = (float)((double)gradient[i] + d);
    }
}

const kdi_term_ops kdi_loss_term_match = {
    .needs_targets = true,
    .accepts = accepts_up_to_a_constant,
    .value = value,
    .add_gradient = add_gradient,
};

const kdi_term_ops kdi_loss_term_match_raw = {
    .needs_targets = true,
    .accepts = accepts_logits,
    .value = value,
    .add_gradient = add_gradient,
};
