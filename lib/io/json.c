/* SPDX-License-Identifier: MIT */
/*
 * The words of JSON that safetensors needs: punctuation, strings, sizes. There are no nested values
 * of unknown kind, so nothing here recurses; whoever calls knows what must follow.
 */
#include "io/parts.h"

#include <string.h>

/* Unicode 15, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. */
size_t kdi_io_utf8(const unsigned char *at, const unsigned char *end)
{
    size_t left = (size_t)(end - at);
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (size == 1) {
        return 1;
    }
    if (at[0] < 0xC2 || at[0] > 0xF4 || size > left) {
        return 0;
    }
    low = at[0] == 0xE0 ? 0xA0 : at[0] == 0xF0 ? 0x90 : low;
    high = at[0] == 0xED ? 0x9F : at[0] == 0xF4 ? 0x8F : high;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return size;
}

static size_t put_utf8(uint32_t point, unsigned char out[4])
{
    if (point < 0x80) {
        out[0] = (unsigned char)point;
        return 1;
    }
    size_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = size - 1; i > 0; i--, point >>= 6) {
        out[i] = (unsigned char)(0x80 | (point & 63));
    }
    out[0] = (unsigned char)(lead[size] | point);
    return size;
}

/* The four digits of \uXXXX. */
static bool take_hex(kdi_io_cursor *c, uint32_t *out)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++, c->at++) {
        unsigned char digit = c->at < c->size ? c->text[c->at] : 0;
        unsigned char lower = digit | 0x20;
        if (digit >= '0' && digit <= '9') {
            value = value << 4 | (uint32_t)(digit - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            value = value << 4 | (uint32_t)(lower - 'a' + 10);
        } else {
            return false;
        }
    }
    *out = value;
    return true;
}

/* What follows \u, which may be one half of two. */
static kd_status take_point(kdi_io_cursor *c, uint32_t *out)
{
    uint32_t low = 0;
    if (!take_hex(c, out)) {
        return kdi_io_expected(c, "a hexadecimal digit");
    }
    if (*out == 0) {
        return kdi_io_expected(c, "a string without NUL");
    }
    if (*out < 0xD800 || *out > 0xDFFF) {
        return KD_OK;
    }
    if (*out > 0xDBFF || c->size - c->at < 6 || memcmp(c->text + c->at, "\\u", 2) != 0) {
        return kdi_io_expected(c, "the other half of a surrogate");
    }
    c->at += 2;
    if (!take_hex(c, &low) || low < 0xDC00 || low > 0xDFFF) {
        return kdi_io_expected(c, "the low half of a surrogate");
    }
    *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
    return KD_OK;
}

/* One character of a string, in its own notation or escaped, as UTF-8. */
static kd_status take_character(kdi_io_cursor *c, unsigned char out[4], size_t *out_size)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const unsigned char *at = c->text + c->at;
    if (*at < 0x20) {
        return kdi_io_expected(c, "a string without control bytes");
    }
    if (*at != '\\') {
        *out_size = kdi_io_utf8(at, c->text + c->size);
        if (*out_size == 0) {
            return kdi_io_expected(c, "valid UTF-8");
        }
        memcpy(out, at, *out_size);
        c->at += *out_size;
        return KD_OK;
    }
    c->at++;
    const char *letter = c->at < c->size ? memchr(letters, at[1], 8) : NULL;
    if (letter) {
        c->at++;
        out[0] = (unsigned char)meanings[letter - letters];
        *out_size = 1;
        return KD_OK;
    }
    if (c->at >= c->size || at[1] != 'u') {
        return kdi_io_expected(c, "an escape of JSON");
    }
    c->at++;
    uint32_t point = 0;
    kd_status status = take_point(c, &point);
    if (status == KD_OK) {
        *out_size = put_utf8(point, out);
    }
    return status;
}

kd_status kdi_io_take_string(kdi_io_cursor *c, bool keep, kdi_io_string *out)
{
    if (!kdi_io_try(c, '"')) {
        return kdi_io_expected(c, "\"");
    }
    *out = (kdi_io_string){.at = c->at};
    while (c->at < c->size && c->text[c->at] != '"') {
        unsigned char bytes[4] = {0};
        size_t size = 0;
        kd_status status = take_character(c, bytes, &size);
        if (status != KD_OK) {
            return status;
        }
        for (size_t i = 0; i < size; i++, out->length++) {
            if (out->length < KDI_IO_SHORT) {
                out->start[out->length] = (char)bytes[i];
            }
            if (keep) { /* never longer than it was, so it stays behind what is read */
                c->text[out->at + out->length] = bytes[i];
            }
        }
    }
    if (c->at >= c->size) {
        return kdi_io_expected(c, "\"");
    }
    out->raw = c->at - out->at;
    c->at++;
    if (keep) {
        memset(c->text + out->at + out->length, 0, out->raw + 1 - out->length);
    }
    return KD_OK;
}

bool kdi_io_is(const kdi_io_string *string, const char *other)
{
    return string->length <= KDI_IO_SHORT && strcmp(string->start, other) == 0;
}
