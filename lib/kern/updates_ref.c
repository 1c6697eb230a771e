/* SPDX-License-Identifier: MIT */
/* Reference kernels on flat arrays: norms, and the updates of kd/optim.h. */
#include "kern/tables.h"

/* Eight sums side by side: no addition waits for the one before. */
double kdi_k_sumsq_f32_ref(const float *x, size_t count)
{
    enum { LANES = 8 };
    double sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            sum[j] += (double)x[i + j] * (double)x[i + j];
        }
    }
    for (; i < count; i++) {
        sum[0] += (double)x[i] * (double)x[i];
    }
    double total = 0.0;
    for (size_t j = 0; j < LANES; j++) {
        total += sum[j];
    }
    return total;
}
