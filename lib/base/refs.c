/* SPDX-License-Identifier: MIT */
/* Reference counts of handles. */
#include "base/base.h"

void kdi_base_retain(kdi_refs *refs)
{
    atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

bool kdi_base_release(kdi_refs *refs)
{
    /* Release what this thread wrote, acquire what the others did, before the last one frees. */
    return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}
