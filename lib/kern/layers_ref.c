/* SPDX-License-Identifier: MIT */
/* Reference kernels on activations and their deltas. */
#include "kern/ref.h"

void kdi_k_bias_f32_ref(float *y, size_t n, size_t width, size_t stride, const float *bias) {
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < width; j++) {
            y[i * stride + j] += bias[j];
        }
    }
}

void kdi_k_relu_f32_ref(float *y, size_t count) {
    for (size_t i = 0; i < count; i++) {
        y[i] = y[i] <= 0.0f ? 0.0f : y[i]; /* NaN is not <= 0 */
    }
}

void kdi_k_relu_grad_f32_ref(const float *y, float *d, size_t count) {
    for (size_t i = 0; i < count; i++) {
        d[i] = y[i] <= 0.0f ? 0.0f : d[i];
    }
}

void kdi_k_dropout_f32_ref(const kdi_drop *drop, const float *x, float *y, size_t width) {
    uint32_t counter[4] = {0, drop->epoch, (uint32_t)drop->id, (uint32_t)(drop->id >> 32)};
    for (size_t i = 0; i < width; i += 8, counter[0]++) {
        uint32_t bits[4];
        kdi_base_rng_block(drop->key, counter, bits);
        for (size_t j = 0; j < 8 && i + j < width; j++) {
            uint32_t lane = bits[j / 2] >> (16 * (j % 2)) & 0xFFFFu;
            y[i + j] = lane < drop->threshold ? 0.0f : x[i + j] * drop->scale;
        }
    }
}

void kdi_k_colsum_f32_ref(const float *d, size_t n, size_t width, size_t stride, float beta,
                          float *out) {
    enum { BLOCK = 64 };
    for (size_t begin = 0; begin < width; begin += BLOCK) {
        size_t count = width - begin < BLOCK ? width - begin : BLOCK;
        double sum[BLOCK] = {0};
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < count; j++) {
                sum[j] += (double)d[i * stride + begin + j];
            }
        }
        for (size_t j = 0; j < count; j++) {
            double before = beta == 0.0f ? 0.0 : (double)beta * (double)out[begin + j];
            out[begin + j] = (float)(sum[j] + before);
        }
    }
}
