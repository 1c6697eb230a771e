/* SPDX-License-Identifier: MIT */
/* Reference kernels on activations and their deltas. */
#include "kern/ref.h"

void kdi_k_bias_f32_ref(float *y, size_t n, size_t width, size_t stride, const float *bias)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < width; j++) {
            y[i * stride + j] += bias[j];
        }
    }
}

void kdi_k_relu_f32_ref(float *y, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        y[i] = y[i] <= 0.0f ? 0.0f : y[i]; /* NaN is not <= 0 */
    }
}

void kdi_k_relu_grad_f32_ref(const float *y, float *d, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        d[i] = y[i] <= 0.0f ? 0.0f : d[i];
    }
}

/*
 * A row is cut into spans of 128 elements, each served by 16 blocks of four words. Within a span
 * element i has the 16 low (i < 64) or high bits of word i/16 mod 4 of block i mod 16, so that
 * neighbours find their bits side by side.
 */
#define DROP_SPAN (8 * KDI_RNG_BLOCKS)

static void drop_piece(const uint32_t *word, uint32_t shift, const kdi_drop *drop, const float *x,
                       float *y, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t lane = word[i] >> shift & 0xFFFFu;
        float kept = x[i] * drop->scale;
        y[i] = lane < drop->threshold ? 0.0f : kept;
    }
}

void kdi_k_dropout_f32_ref(const kdi_drop *drop, const float *x, float *y, size_t width)
{
    uint32_t counter[4] = {0, drop->epoch, (uint32_t)drop->id, (uint32_t)(drop->id >> 32)};
    uint32_t word[4][KDI_RNG_BLOCKS];
    for (size_t i = 0; i < width; i += KDI_RNG_BLOCKS) {
        size_t piece = i % DROP_SPAN / KDI_RNG_BLOCKS;
        size_t count = width - i < KDI_RNG_BLOCKS ? width - i : KDI_RNG_BLOCKS;
        if (piece == 0) {
            kdi_base_rng_blocks(drop->key, counter, word);
            counter[0] += KDI_RNG_BLOCKS;
        }
        drop_piece(word[piece % 4], piece < 4 ? 0 : 16, drop, x + i, y + i, count);
    }
}

void kdi_k_colsum_f32_ref(const float *d, size_t n, size_t width, size_t stride, float beta,
                          float *out)
{
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
