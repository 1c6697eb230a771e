/* SPDX-License-Identifier: MIT */
/**
 * Kernels that promise the same bits everywhere: plain C, written once, and compiled for each table
 * with its instruction set. The loops are such that compilers vectorise them: no branch that
 * depends on the data, no sum whose order would have to change.
 */
#ifndef KDI_KERN_PLAIN_H
#define KDI_KERN_PLAIN_H

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- rows ---- */

void KDI_K(logprob_f32)(const kdi_scores *s, size_t k, double log_sum, float *out)
{
    const float *x = s->x;
    double max = (double)s->max;
    double scale = s->scale;
    for (size_t i = 0; i < k; i++) {
        out[i] = (float)(((double)x[i] - max) * scale - log_sum);
    }
}

/* ---- activations ---- */

void KDI_K(bias_f32)(float *restrict y, size_t n, size_t width, size_t stride,
                     const float *restrict bias)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < width; j++) {
            y[i * stride + j] += bias[j];
        }
    }
}

void KDI_K(relu_f32)(float *y, size_t n, size_t width, size_t stride)
{
    for (size_t i = 0; i < n; i++) {
        float *row = y + i * stride;
        for (size_t j = 0; j < width; j++) {
            row[j] = row[j] <= 0.0f ? 0.0f : row[j]; /* NaN is not <= 0 */
        }
    }
}

void KDI_K(relu_grad_f32)(const float *restrict y, size_t y_stride, float *restrict d, size_t n,
                          size_t width, size_t d_stride)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < width; j++) {
            float before = d[i * d_stride + j];
            d[i * d_stride + j] = y[i * y_stride + j] <= 0.0f ? 0.0f : before;
        }
    }
}

/*
 * Without their sign bit, floats are ordered as the integers of their bits, and infinities and NaNs
 * come above all finite ones. So one integer maximum finds both, and compilers vectorise it.
 */
bool KDI_K(absmax_f32)(const float *x, size_t n, size_t width, size_t stride, float *out_max)
{
    int32_t max = 0;
    if (stride == width) { /* one long row has one end, not n */
        width *= n;
        n = n > 0;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < width; j++) {
            int32_t word;
            memcpy(&word, &x[i * stride + j], sizeof word);
            word &= INT32_MAX;
            max = word > max ? word : max;
        }
    }
    memcpy(out_max, &max, sizeof max);
    return isfinite(*out_max);
}

/* ---- flat arrays ---- */

void KDI_K(axpby_f32)(float alpha, const float *restrict x, float beta, float *restrict y,
                      size_t count)
{
    if (beta == 0.0f) {
        for (size_t i = 0; i < count; i++) {
            y[i] = alpha * x[i];
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        y[i] = beta * y[i] + alpha * x[i];
    }
}

void KDI_K(scale_f32)(float *x, size_t count, float factor)
{
    for (size_t i = 0; i < count; i++) {
        x[i] *= factor;
    }
}

void KDI_K(sgd_f32)(const kdi_sgd *step, float *restrict w, float *restrict m,
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

void KDI_K(adam_f32)(const kdi_adam *step, float *restrict w, float *restrict a, float *restrict s,
                     const float *restrict g, size_t count)
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
        float update = rate * a[i] / (length > FLT_MIN ? length : FLT_MIN); /* never by 0 */
        w[i] = shrink * w[i] - (length > 0.0f ? update : 0.0f);
    }
}

#endif
