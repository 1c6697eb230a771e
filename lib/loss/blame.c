/* SPDX-License-Identifier: MIT */
/* Words for what is wrong with the numbers of one case. */
#include "loss/row.h"

/* What only TOPK targets have: which classes, and the rest. */
static kd_status blame_topk(const kdi_loss_words *w, kd_status status, size_t row,
                            const kdi_fault *f)
{
    if (status == KD_ERR_INDEX) {
        bool order = f->field == KDI_FAULT_ORDER;
        return kdi_base_fail(w->error, status, w->in, "%s.topk_index[%z,%z] is %z, %s", w->targets,
                             row, f->index, (size_t)f->value,
                             order ? "not above the one before it" : "no such class");
    }
    if (status == KD_ERR_SUPPORT) {
        return kdi_base_fail(w->error, status, w->in,
                             "row %z of %s is -inf in all classes that %s do not give, but their "
                             "tail is not",
                             row, w->logits, w->targets);
    }
    return kdi_base_fail(w->error, status, w->in, "%s.tail[%z] is %g%s", w->targets, row, f->value,
                         status == KD_ERR_VALUE ? ", not -inf, but all classes are given" : "");
}

kd_status kdi_loss_blame(const kdi_loss_words *w, kd_status status, size_t row, const kdi_fault *f)
{
    if (f->gradient) {
        return kdi_base_fail(w->error, status, w->out, "the gradient of row %z overflows",
                             w->first_row + row);
    }
    const char *side = f->target ? w->targets : w->logits;
    const char *field = f->target ? ".values" : "";
    row += w->first_row;
    if (f->field != KDI_FAULT_VALUE) {
        return blame_topk(w, status, row, f);
    }
    if (f->row && status == KD_ERR_PROBABILITY) {
        return kdi_base_fail(w->error, status, w->in, "row %z of %s%s sums to %g, not to 1", row,
                             side, field, f->value);
    }
    if (f->row) {
        return kdi_base_fail(w->error, status, w->in, "row %z of %s%s is -inf throughout", row,
                             side, field);
    }
    if (status == KD_ERR_SUPPORT) {
        return kdi_base_fail(w->error, status, w->in,
                             "%s[%z,%z] is -inf, but the target there is not 0", side, row,
                             f->index);
    }
    return kdi_base_fail(w->error, status, w->in, "%s%s[%z,%z] is %g", side, field, row, f->index,
                         f->value);
}
