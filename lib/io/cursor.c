/* SPDX-License-Identifier: MIT */
/* Walking over the text of a header, whatever its notation. */
#include "io/parts.h"

#include <string.h>

kd_status kdi_io_expected(const kdi_io_cursor *c, const char *expected)
{
    if (c->at >= c->size) {
        return kdi_base_fail(c->error, KD_ERR_FORMAT, 0, "the header ends before %s", expected);
    }
    return kdi_base_fail(c->error, KD_ERR_FORMAT, 0, "byte %z: %s expected", c->before + c->at,
                         expected);
}

static void skip(kdi_io_cursor *c)
{
    while (c->at < c->size && c->text[c->at] && strchr(c->space, c->text[c->at])) {
        c->at++;
    }
}

bool kdi_io_try(kdi_io_cursor *cursor, char c)
{
    skip(cursor);
    if (cursor->at >= cursor->size || cursor->text[cursor->at] != (unsigned char)c) {
        return false;
    }
    cursor->at++;
    return true;
}

kd_status kdi_io_take(kdi_io_cursor *cursor, char c)
{
    const char name[2] = {c, '\0'};
    return kdi_io_try(cursor, c) ? KD_OK : kdi_io_expected(cursor, name);
}

kd_status kdi_io_take_size(kdi_io_cursor *c, size_t *out)
{
    skip(c);
    size_t first = c->at;
    size_t value = 0;
    bool fits = true;
    for (; c->at < c->size; c->at++) {
        if (c->text[c->at] < '0' || c->text[c->at] > '9') {
            break;
        }
        size_t digit = (size_t)(c->text[c->at] - '0');
        fits = fits && kdi_base_mul(value, 10, &value) && kdi_base_add(value, digit, &value);
    }
    if (c->at == first || (c->text[first] == '0' && c->at > first + 1)) {
        return kdi_io_expected(c, "a whole number");
    }
    if (!fits) {
        return kdi_base_fail(c->error, KD_ERR_TOO_LARGE, 0, "byte %z: this number is above %z",
                             c->before + first, SIZE_MAX);
    }
    *out = value;
    return KD_OK;
}
