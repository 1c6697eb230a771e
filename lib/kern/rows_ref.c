/* SPDX-License-Identifier: MIT */
/* Reference kernels on rows of logits. */
#include "kern/ref.h"

#include <math.h>

bool kdi_k_max_f32_ref(const float *x, size_t k, float *out_max)
{
    float max = -INFINITY;
    bool good = true;
    for (size_t i = 0; i < k; i++) {
        good = good && x[i] < INFINITY; /* false for NaN too */
        max = x[i] > max ? x[i] : max;
    }
    *out_max = max;
    return good;
}

double kdi_k_sumexp_f32_ref(const float *x, size_t k, double max, double scale)
{
    double sum = 0.0;
    bool found = false;
    for (size_t i = 0; i < k; i++) {
        if (!found && (double)x[i] == max) {
            found = true;
            continue;
        }
        sum += exp(((double)x[i] - max) * scale);
    }
    return sum;
}

void kdi_k_logprob_f32_ref(const float *x, size_t k, double max, double scale, double log_sum,
                           double *out)
{
    for (size_t i = 0; i < k; i++) {
        out[i] = ((double)x[i] - max) * scale - log_sum;
    }
}

void kdi_k_exp_f64_ref(const double *x, size_t k, double *out)
{
    for (size_t i = 0; i < k; i++) {
        out[i] = exp(x[i]);
    }
}
