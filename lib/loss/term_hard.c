/* SPDX-License-Identifier: MIT */
/* Cross-entropy with the label at T = 1: the second objective of Hinton 2015, section 2. */
#include "loss/term.h"

#include <math.h>

static kd_status value(const kd_term *term, const kdi_case *c, kdi_term_state *state,
                       double *out_value, kdi_fault *fault)
{
    (void)term;
    kd_status status = kdi_loss_dist_logits(&state->q, c->z, c->k, 1.0, fault);
    if (status != KD_OK) {
        return status;
    }
    double log_q;
    kdi_loss_dist_log(&state->q, (size_t)c->label, 1, &log_q);
    if (isinf(log_q)) {
        fault->index = (size_t)c->label;
        fault->value = log_q;
        return KD_ERR_SUPPORT;
    }
    *out_value = -log_q;
    return KD_OK;
}

static void add_gradient(const kd_term *term, const kdi_case *c, const kdi_term_state *state,
                         size_t begin, size_t count, double factor, double *gradient)
{
    (void)term;
    double q[KDI_LOSS_BLOCK];
    kdi_loss_dist_exp(&state->q, begin, count, q);
    size_t label = (size_t)c->label;
    if (label >= begin && label < begin + count) {
        q[label - begin] -= 1.0;
    }
    for (size_t i = 0; i < count; i++) {
        gradient[i] += factor * q[i];
    }
}

const kdi_term_ops kdi_loss_term_hard = {
    .needs_labels = true,
    .value = value,
    .add_gradient = add_gradient,
};
