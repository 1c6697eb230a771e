/* SPDX-License-Identifier: MIT */
/* The kinds of term. */
#include "loss/term.h"

const kdi_term_ops *kdi_loss_term(kd_term_kind kind)
{
    switch (kind) {
    case KD_TERM_HARD:
        return &kdi_loss_term_hard;
    case KD_TERM_SOFT:
        return &kdi_loss_term_soft;
    case KD_TERM_KL:
        return &kdi_loss_term_kl;
    case KD_TERM_MATCH:
        return &kdi_loss_term_match;
    case KD_TERM_MATCH_RAW:
        return &kdi_loss_term_match_raw;
    default:
        return NULL;
    }
}
