/* SPDX-License-Identifier: MIT */
/* Matrices: kd_load_npy. What is taken has the same values each time, and there and back. */
#include "fuzz.h"

#include <stdio.h>

const char fuzz_name[] = "npy";

enum { MOST_FLOATS = 1 << 20 };

static kd_status load(fuzz_file *file, float *values, size_t floats, kd_npy_info *info)
{
    kd_reader reader = fuzz_reader(file);
    kd_error error = KD_ERROR_INIT;
    kd_status status = kd_load_npy(NULL, &reader, values, floats, info, &error);
    fuzz_check_error(status, &error);
    return status;
}

static void there_and_back(const float *values, const kd_npy_info *info, float *again)
{
    fuzz_file file = {0};
    kd_writer writer = fuzz_writer(&file);
    kd_npy_info read = KD_NPY_INFO_INIT;
    size_t floats = info->rows * info->columns;
    FUZZ_OK(kd_save_npy(values, info->rows, info->columns, 0, NULL, &writer, NULL), "save");
    FUZZ_OK(load(&file, again, floats, &read), "load");
    FUZZ_EXPECT(read.rows == info->rows && read.columns == info->columns && read.bits == 32);
    FUZZ_EXPECT(memcmp(values, again, floats * sizeof *values) == 0);
    fuzz_free(&file);
}

void fuzz_one(const unsigned char *bytes, size_t size)
{
    fuzz_file file = {(unsigned char *)(uintptr_t)bytes, size, size}; /* only read */
    kd_npy_info info = KD_NPY_INFO_INIT, same = KD_NPY_INFO_INIT;
    if (load(&file, NULL, 0, &info) != KD_OK || info.rows > MOST_FLOATS / info.columns) {
        return;
    }
    size_t floats = info.rows * info.columns;
    FUZZ_EXPECT(floats > 0 && floats * ((size_t)info.bits / 8) <= size);
    float *values = malloc(floats * sizeof *values), *again = malloc(floats * sizeof *again);
    FUZZ_EXPECT(values && again);
    FUZZ_EXPECT(load(&file, values, floats - 1, &same) == KD_ERR_SIZE);
    kd_status status = load(&file, values, floats, &same);
    FUZZ_EXPECT(status == load(&file, again, floats, &same));
    if (status == KD_OK) {
        FUZZ_EXPECT(memcmp(&info, &same, sizeof info) == 0);
        FUZZ_EXPECT(memcmp(values, again, floats * sizeof *values) == 0);
        there_and_back(values, &info, again);
    } else {
        FUZZ_EXPECT(status == KD_ERR_NOT_FINITE); /* a double that is no float; all else is known */
    }
    free(values);
    free(again);
}

/* The number behind the next digit that stands at or after `*at`; 0 if there is none. */
static size_t next_number(const unsigned char *bytes, size_t *at, size_t end)
{
    size_t value = 0;
    while (*at < end && (bytes[*at] < '0' || bytes[*at] > '9') && bytes[*at] != ')') {
        ++*at;
    }
    while (*at < end && bytes[*at] >= '0' && bytes[*at] <= '9' && value < MOST_FLOATS) {
        value = value * 10 + (size_t)(bytes[(*at)++] - '0');
    }
    return value;
}

/* The header's length up to its newline, and as many bytes as its type and shape say. */
size_t fuzz_fix(unsigned char *bytes, size_t size, size_t most)
{
    size_t width = size > 6 && bytes[6] == 1 ? 2 : 4, begin = 8 + width;
    const unsigned char *newline = size > begin ? memchr(bytes + begin, '\n', size - begin) : NULL;
    if (!newline) {
        return size;
    }
    size_t end = (size_t)(newline - bytes) + 1, item = 0, count = 1, at = begin;
    fuzz_store(bytes + 8, width, end - begin);
    for (; at + 7 < end && memcmp(bytes + at, "'shape'", 7) != 0; at++) {
        if (memcmp(bytes + at, "'<f", 3) == 0) {
            item = (size_t)bytes[at + 3] - '0';
        }
    }
    for (size_t n; (n = next_number(bytes, &at, end)) > 0 && count <= MOST_FLOATS;) {
        count *= n;
    }
    size_t due = end + count * (item == 2 || item == 8 ? item : 4);
    if (due <= most && due > size) {
        memset(bytes + size, 0x3c, due - size);
    }
    return due <= most ? due : size;
}
