/* SPDX-License-Identifier: MIT */
/* Cross-entropy with the label at T = 1: the second objective of Hinton 2015, section 2. */
#include "loss/term.h"

#include <math.h>

static kd_status value(const kd_term *term, const kdi_case *c, const kdi_look *look,
                       kdi_term_state *state, double *out_value, kdi_fault *fault)
{
    (void)term;
    (void)state;
    if (isinf(c->label_gap)) {
        fault->index = (size_t)c->label;
        fault->value = -(double)INFINITY;
        return KD_ERR_SUPPORT;
    }
    *out_value = look->log_sum_q + c->label_gap;
    return KD_OK;
}

static double factor_q(const kd_term *term)
{
    (void)term;
    return 1.0;
}

static double factor_p(const kd_term *term)
{
    (void)term;
    return 0.0;
}

const kdi_term_ops kdi_loss_term_hard = {
    .needs_labels = true,
    .looks = true,
    .value = value,
    .factor_q = factor_q,
    .factor_p = factor_p,
};
