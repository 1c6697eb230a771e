/* SPDX-License-Identifier: MIT */
/* Reference kernels on flat arrays: checks, norms, and the updates of kd/optim.h. */
#include "kern/ref.h"

#include <math.h>
#include <string.h>

/*
 * Without their sign bit, floats are ordered as the integers of their bits, and infinities and NaNs
 * come above all finite ones. So one integer maximum finds both, and compilers vectorise it.
 */
bool kdi_k_absmax_f32_ref(const float *x, size_t count, float *out_max)
{
    int32_t max = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= INT32_MAX;
        max = bits > max ? bits : max;
    }
    memcpy(out_max, &max, sizeof max);
    return isfinite(*out_max);
}

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

void kdi_k_scale_f32_ref(float *x, size_t count, float factor)
{
    for (size_t i = 0; i < count; i++) {
        x[i] *= factor;
    }
}

void kdi_k_sgd_f32_ref(const kdi_sgd *step, float *restrict w, float *restrict m,
                       const float *restrict g, size_t count)
{
    float rate = (float)step->rate;
    float momentum = (float)step->momentum;
    float decay = (float)step->decay;
    float scale = (float)step->scale;
    if (!m) {
        for (size_t i = 0; i < count; i++) {
            w[i] -= rate * (scale * g[i] + decay * w[i]);
        }
        return;
    }
    float ahead = step->nesterov ? momentum : 1.0f; /* what m counts for in the update */
    float direct = step->nesterov ? 1.0f : 0.0f;    /* what g counts for */
    for (size_t i = 0; i < count; i++) {
        float gradient = scale * g[i] + decay * w[i];
        m[i] = momentum * m[i] + gradient;
        w[i] -= rate * (direct * gradient + ahead * m[i]);
    }
}

void kdi_k_adam_f32_ref(const kdi_adam *step, float *restrict w, float *restrict a,
                        float *restrict s, const float *restrict g, size_t count)
{
    float b1 = (float)step->beta1;
    float b2 = (float)step->beta2;
    float rest1 = (float)(1.0 - step->beta1);
    float rest2 = (float)(1.0 - step->beta2);
    float rate = (float)(step->rate / step->correction1);
    float root = (float)(1.0 / sqrt(step->correction2));
    float epsilon = (float)step->epsilon;
    float decay = (float)step->decay;
    float shrink = (float)step->shrink;
    float scale = (float)step->scale;
    for (size_t i = 0; i < count; i++) {
        float gradient = scale * g[i] + decay * w[i];
        a[i] = b1 * a[i] + rest1 * gradient;
        s[i] = b2 * s[i] + rest2 * gradient * gradient;
        float length = sqrtf(s[i]) * root + epsilon;
        w[i] = shrink * w[i] - (length > 0.0f ? rate * a[i] / length : 0.0f);
    }
}

void kdi_k_max_norm_f32_ref(float *w, size_t rows, size_t columns, double limit)
{
    for (size_t i = 0; i < rows; i++) {
        double length = sqrt(kdi_k_sumsq_f32_ref(w + i * columns, columns));
        if (length > limit) {
            kdi_k_scale_f32_ref(w + i * columns, columns, (float)(limit / length));
        }
    }
}
