/* SPDX-License-Identifier: MIT */
/* Numbers as bytes of a file. */
#include "io/parts.h"

#include <math.h>
#include <string.h>

uint64_t kdi_io_load(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

void kdi_io_store(void *bytes, size_t size, uint64_t value)
{
    unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

float kdi_io_from_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 31u;
    uint32_t fraction = half & 1023u;
    uint32_t bits;
    float value;
    if (exponent == 0) { /* zero and what is below 2^-14: steps of 2^-24 */
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    exponent = exponent == 31 ? 255 : exponent + 127 - 15;
    bits = sign | exponent << 23 | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void kdi_io_put_hex(char out[8], uint32_t value)
{
    for (size_t i = 0; i < 8; i++) {
        out[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    }
}

bool kdi_io_get_hex(const char digits[8], uint32_t *out)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 8; i++) {
        char c = digits[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *out = value;
    return true;
}

kd_status kdi_io_check_order(kd_error *error)
{
    uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    if (first == 1) {
        return KD_OK;
    }
    return kdi_base_fail(error, KD_ERR_UNSUPPORTED, 0,
                         "this machine keeps the highest byte first, files the lowest");
}
