/* SPDX-License-Identifier: MIT */
/* Images as cases: moved by some pixels, each epoch anew. */
#include "digits.h"

#include <kd/kd.h>

/* Depends on its arguments only, so an image's jitter does not depend on its place. */
static uint64_t hash(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t x = a * 0x9E3779B97F4A7C15u ^ (b + 0xD1B54A32D192ED03u) * 0xBF58476D1CE4E5B9u ^ c;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* The image moved by (right, down), with paper at the edges. */
static void move_image(const uint8_t *pixels, int right, int down, float *x)
{
    for (int row = 0; row < DIGIT_SIDE; row++) {
        for (int column = 0; column < DIGIT_SIDE; column++) {
            int from_row = row - down;
            int from_column = column - right;
            bool inside = from_row >= 0 && from_row < DIGIT_SIDE && from_column >= 0 &&
                          from_column < DIGIT_SIDE;
            x[row * DIGIT_SIDE + column] =
                inside ? (float)pixels[from_row * DIGIT_SIDE + from_column] / 255.0f : 0.0f;
        }
    }
}

static void load(const void *kept, const uint32_t *cases, size_t m, const distortion *d, float *x,
                 int32_t *labels)
{
    const digit_set *set = kept;
    int jitter = d ? d->jitter : 0;
    unsigned span = (unsigned)(2 * jitter + 1);
    for (size_t i = 0; i < m; i++) {
        uint64_t random = d ? hash(d->seed, d->epoch, cases[i]) : 0;
        int right = (int)(random % span) - jitter;
        int down = (int)(random / span % span) - jitter;
        move_image(set->pixels + cases[i] * (size_t)DIGIT_PIXELS, right, down,
                   x + i * DIGIT_PIXELS);
        if (labels) {
            labels[i] = set->labels[cases[i]];
        }
    }
}

case_set digit_cases(const digit_set *set)
{
    uint64_t h = kd_hash(0, set->pixels, set->n * DIGIT_PIXELS);
    return (case_set){.n = set->n,
                      .inputs = DIGIT_PIXELS,
                      .classes = DIGIT_CLASSES,
                      .hash = kd_hash(h, set->labels, set->n),
                      .load = load,
                      .kept = set};
}
