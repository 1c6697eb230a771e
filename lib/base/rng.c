/* SPDX-License-Identifier: MIT */
/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): a number is a pure function of its address. */
#include "base/base.h"

#include <string.h>

#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u
#define WEYL_1 0xBB67AE85u
#define ROUNDS 10

/* splitmix64's finaliser (Steele, Lea, Flood 2014): seeds that are near share nothing. */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

kdi_rng_key kdi_base_rng_key(uint64_t seed, uint64_t stream)
{
    uint64_t key = mix(mix(seed) ^ stream);
    return (kdi_rng_key){{(uint32_t)key, (uint32_t)(key >> 32)}};
}

/* Ten rounds written out by the compiler: a loop over blocks around this becomes vector code. */
static inline void rounds(uint32_t k0, uint32_t k1, uint32_t c[4])
{
    uint32_t c0 = c[0], c1 = c[1], c2 = c[2], c3 = c[3];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0;
        uint64_t p1 = (uint64_t)MULTIPLIER_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ (k0 + round * WEYL_0);
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ (k1 + round * WEYL_1);
        c3 = (uint32_t)p0;
    }
    c[0] = c0;
    c[1] = c1;
    c[2] = c2;
    c[3] = c3;
}

void kdi_base_rng_block(kdi_rng_key key, const uint32_t counter[4], uint32_t out[4])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    rounds(key.word[0], key.word[1], c);
    memcpy(out, c, sizeof c);
}

void kdi_base_rng_blocks(kdi_rng_key key, const uint32_t counter[4],
                         uint32_t out[4][KDI_RNG_BLOCKS])
{
    for (uint32_t i = 0; i < KDI_RNG_BLOCKS; i++) {
        uint32_t c[4] = {counter[0] + i, counter[1], counter[2], counter[3]};
        rounds(key.word[0], key.word[1], c);
        out[0][i] = c[0];
        out[1][i] = c[1];
        out[2][i] = c[2];
        out[3][i] = c[3];
    }
}
