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

/* value / 2^shift, rounded to the nearest, of two the even one. */
static uint32_t round_off(uint32_t value, uint32_t shift)
{
    uint32_t odd = value >> shift & 1u;
    return (value + (1u << (shift - 1)) - 1u + odd) >> shift;
}

uint16_t kdi_io_to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t size = bits & 0x7fffffffu;
    uint32_t half;
    if (size > 0x7f800000u) { /* NaN stays one, even if what tells it apart is in its low bits */
        half = 0x7c00u | (size >> 13 & 1023u);
        half |= half == 0x7c00u ? 0x200u : 0u;
    } else if (size >= 0x47800000u) { /* 2^16 and above */
        half = 0x7c00u;
    } else if (size >= 0x38800000u) { /* 2^-14 and above; rounding may carry, up to infinity */
        half = round_off(size - (112u << 23), 13);
    } else if (size >= 0x33000000u) { /* 2^-25 and above, in steps of 2^-24 */
        half = round_off((size & 0x7fffffu) | 0x800000u, 126u - (size >> 23));
    } else {
        half = 0;
    }
    return (uint16_t)(sign | half);
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
