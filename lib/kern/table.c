/* SPDX-License-Identifier: MIT */
/* The table of the reference, and which table serves. */
#include "kern/tables.h"

#include <kd/context.h>

#include "port/port.h"

KDI_KERN_TABLE(ref, "portable", false);

const kdi_kernels *kdi_kern(int32_t isa)
{
#ifdef KDI_KERN_X86
    int32_t most = kdi_port_cpu_isa();
    int32_t use = isa == 0 || isa > most ? most : isa;
    if (use >= KD_ISA_AVX512) {
        return &kdi_kern_avx512;
    }
    if (use >= KD_ISA_AVX2) {
        return &kdi_kern_avx2;
    }
#endif
    (void)isa;
    return &kdi_kern_ref;
}
