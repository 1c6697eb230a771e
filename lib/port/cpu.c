/* SPDX-License-Identifier: MIT */
/* Which instruction sets the processor has and the system lets us use. */
#include "port/port.h"

#include <kd/context.h>

int32_t kdi_port_cpu_isa(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return !avx2 ? KD_ISA_PORTABLE : avx512 ? KD_ISA_AVX512 : KD_ISA_AVX2;
#else
    return KD_ISA_PORTABLE;
#endif
}
