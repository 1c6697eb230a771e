/* SPDX-License-Identifier: MIT */
/*
 * Hashes of 64 bits that are equal on every machine: words of eight bytes, least byte first, each
 * mixed into the state by a bijection (the last step of splitmix64; Steele, Lea and Flood 2014).
 * For a fixed word it is one to one in the state, for a fixed state in the word. Hashes stand in
 * files, so the numbers never change.
 */
#include "base/base.h"

#include <kd/cache.h>
#include <string.h>

#define BEGIN                                                                                      \
    UINT64_C(0x8ebc6af09c88c6e3)          /* so that what came before is not mixed up with a word */
#define STEP UINT64_C(0x9e3779b97f4a7c15) /* of each word */
#define LENGTH UINT64_C(0xd1b54a32d192ed03) /* of the number of bytes, at the end */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Written out, so that the compiler makes one load of it. */
static uint64_t word_at(const unsigned char *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
           (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 |
           (uint64_t)at[7] << 56;
}

uint64_t kd_hash(uint64_t before, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t h = mix(before + BEGIN);
    size_t left = size;
    if (!bytes || size == 0) {
        return before;
    }
    for (; left >= 8; left -= 8, at += 8) {
        h = mix((h ^ word_at(at)) + STEP);
    }
    if (left > 0) {
        unsigned char last[8] = {0};
        memcpy(last, at, left);
        h = mix((h ^ word_at(last)) + STEP);
    }
    return mix((h ^ (uint64_t)size) + LENGTH);
}

uint64_t kdi_base_hash_u64(uint64_t before, uint64_t value)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
    return kd_hash(before, bytes, sizeof bytes);
}

uint64_t kdi_base_hash_f32(uint64_t before, const float *values, size_t count)
{
    unsigned char bytes[1024];
    uint64_t h = before;
    while (count > 0) {
        size_t n = count < sizeof bytes / 4 ? count : sizeof bytes / 4;
        for (size_t i = 0; i < n; i++) {
            uint32_t bits;
            memcpy(&bits, &values[i], sizeof bits);
            bytes[4 * i] = (unsigned char)bits;
            bytes[4 * i + 1] = (unsigned char)(bits >> 8);
            bytes[4 * i + 2] = (unsigned char)(bits >> 16);
            bytes[4 * i + 3] = (unsigned char)(bits >> 24);
        }
        h = kd_hash(h, bytes, 4 * n);
        values += n;
        count -= n;
    }
    return h;
}
