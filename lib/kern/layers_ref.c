/* SPDX-License-Identifier: MIT */
/* Reference kernels on activations and their deltas. */
#include "kern/tables.h"

/*
 * A row is cut into spans of 128 elements, each served by 16 blocks of four words. Within a span
 * element i has the 16 low (i < 64) or high bits of word i/16 mod 4 of block i mod 16, so that
 * neighbours find their bits side by side.
 */
#define DROP_SPAN ((size_t)8 * KDI_RNG_BLOCKS)

static void drop_piece(const uint32_t *word, uint32_t shift, const kdi_drop *drop, const float *x,
                       float *y, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t lane = word[i] >> shift & 0xFFFFu;
        float kept = x[i] * drop->scale;
        y[i] = lane < drop->threshold ? 0.0f : kept;
    }
}

void kdi_k_dropout_f32_ref(const kdi_drop *drop, const float *x, float *y, size_t first,
                           size_t width)
{
    uint32_t counter[4] = {0, drop->epoch, (uint32_t)drop->id, (uint32_t)(drop->id >> 32)};
    uint32_t word[4][KDI_RNG_BLOCKS];
    size_t last = first + width;
    for (size_t i = first; i < last;) {
        size_t piece = i % DROP_SPAN / KDI_RNG_BLOCKS;
        size_t skip = i % KDI_RNG_BLOCKS;
        size_t count = KDI_RNG_BLOCKS - skip < last - i ? KDI_RNG_BLOCKS - skip : last - i;
        if (i == first || (piece == 0 && skip == 0)) {
            counter[0] = (uint32_t)(i / DROP_SPAN * KDI_RNG_BLOCKS);
            kdi_base_rng_blocks(drop->key, counter, word);
        }
        drop_piece(word[piece % 4] + skip, piece < 4 ? 0 : 16, drop, x + (i - first),
                   y + (i - first), count);
        i += count;
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
