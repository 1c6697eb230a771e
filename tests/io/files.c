/* SPDX-License-Identifier: MIT */
/* See files.h. */
#include "files.h"

kd_status files_save(const char *path, unsigned char value, size_t size, kd_error *error)
{
    unsigned char piece[5000];
    kdi_allocator libc = kdi_base_libc_allocator();
    kdi_io_saving saving;
    kd_status status = kdi_io_save_begin(&saving, &libc, path, error);
    if (status != KD_OK) {
        return status;
    }
    kdi_io_sink sink = kdi_io_save_sink(&saving);
    memset(piece, value, sizeof piece);
    while (status == KD_OK && size > 0) {
        size_t n = size < sizeof piece ? size : sizeof piece;
        status = kdi_io_write(&sink, piece, n, error);
        size -= n;
    }
    return kdi_io_save_end(&saving, status, error);
}

int files_value(const char *path, size_t size)
{
    kdi_io_file file;
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    if (kdi_io_file_open(&file, path, NULL) != KD_OK) {
        free(bytes);
        return -1;
    }
    kdi_io_source source = kdi_io_file_source(&file);
    int value = -1;
    if (file.size == size && kdi_io_read(&source, 0, bytes, size, NULL) == KD_OK) {
        value = bytes[0];
        for (size_t i = 1; i < size && value >= 0; i++) {
            value = bytes[i] == value ? value : -1;
        }
    }
    kdi_io_file_close(&file);
    free(bytes);
    return value;
}
