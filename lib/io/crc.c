/* SPDX-License-Identifier: MIT */
/* CRC-32C, the polynomial of Castagnoli (1993) as in RFC 3720, four bytes a step. */
#include "io/parts.h"

/* Written out, so that the compiler makes one load of it. */
static uint32_t word_at(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint32_t kdi_io_crc(uint32_t before, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    const uint32_t(*table)[256] = kdi_io_crc_table;
    uint32_t crc = ~before;
    for (; size >= 4; size -= 4, at += 4) {
        uint32_t word = word_at(at) ^ crc;
        crc = table[3][word & 255] ^ table[2][word >> 8 & 255] ^ table[1][word >> 16 & 255] ^
              table[0][word >> 24];
    }
    for (; size > 0; size--, at++) {
        crc = crc >> 8 ^ table[0][(crc ^ *at) & 255];
    }
    return ~crc;
}
