/* SPDX-License-Identifier: MIT */
/* Reference kernels on flat arrays: checks, norms, and the updates of kd/optim.h. */
#include "kern/ref.h"

#include <math.h>

bool kdi_k_absmax_f32_ref(const float *x, size_t count, float *out_max) {
    float max = 0.0f;
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        float a = fabsf(x[i]);
        good = good && a < INFINITY;
        max = a > max ? a : max;
    }
    *out_max = max;
    return good;
}

double kdi_k_sumsq_f32_ref(const float *x, size_t count) {
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sum;
}

void kdi_k_scale_f32_ref(float *x, size_t count, float factor) {
    for (size_t i = 0; i < count; i++) {
        x[i] *= factor;
    }
}

void kdi_k_sgd_f32_ref(const kdi_sgd *step, float *w, float *m, const float *g, size_t count) {
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

void kdi_k_adam_f32_ref(const kdi_adam *step, float *w, float *a, float *s, const float *g,
                        size_t count) {
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

void kdi_k_max_norm_f32_ref(float *w, size_t rows, size_t columns, double limit) {
    for (size_t i = 0; i < rows; i++) {
        double length = sqrt(kdi_k_sumsq_f32_ref(w + i * columns, columns));
        if (length > limit) {
            kdi_k_scale_f32_ref(w + i * columns, columns, (float)(limit / length));
        }
    }
}
