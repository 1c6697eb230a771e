/* SPDX-License-Identifier: MIT */
/* Arithmetic on sizes that says so instead of wrapping, and spans of memory. */
#include "base/base.h"

bool kdi_base_mul(size_t a, size_t b, size_t *out)
{
    if (a != 0 && b > SIZE_MAX / a) {
        return false;
    }
    *out = a * b;
    return true;
}

bool kdi_base_add(size_t a, size_t b, size_t *out)
{
    if (b > SIZE_MAX - a) {
        return false;
    }
    *out = a + b;
    return true;
}

kd_status kdi_base_check_size(size_t value, const char *name, int argument, kd_error *error)
{
    if (value == 0) {
        return kdi_base_fail(error, KD_ERR_SIZE, argument, "%s is 0", name);
    }
    if (value > INT32_MAX) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, argument, "%s is %z, above %i", name, value,
                             (int64_t)INT32_MAX);
    }
    return KD_OK;
}

bool kdi_base_extent(size_t rows, size_t columns, size_t stride, size_t *out_bytes)
{
    size_t floats;
    return kdi_base_mul(rows - 1, stride, &floats) && kdi_base_add(floats, columns, &floats) &&
           floats <= PTRDIFF_MAX / sizeof(float) && kdi_base_mul(floats, sizeof(float), out_bytes);
}

static size_t bytes_of(kdi_span s)
{
    return ((s.rows - 1) * s.stride + s.columns) * s.element;
}

bool kdi_base_overlap(kdi_span a, kdi_span b)
{
    uintptr_t a0 = (uintptr_t)a.start;
    uintptr_t b0 = (uintptr_t)b.start;
    if (!a.start || !b.start || bytes_of(a) == 0 || bytes_of(b) == 0 || a0 + bytes_of(a) <= b0 ||
        b0 + bytes_of(b) <= a0) {
        return false;
    }
    size_t pitch = a.stride * a.element;
    if (pitch != b.stride * b.element) {
        return true;
    }
    /* Rows of one pitch: they can lie side by side within it. */
    size_t apart = (size_t)(a0 > b0 ? a0 - b0 : b0 - a0) % pitch;
    size_t first = (a0 > b0 ? b.columns * b.element : a.columns * a.element);
    size_t second = (a0 > b0 ? a.columns * a.element : b.columns * b.element);
    return apart < first || apart + second > pitch;
}
