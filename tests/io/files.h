/* SPDX-License-Identifier: MIT */
/* What the tests of the file that touches the file system share. */
#ifndef KD_TESTS_IO_FILES_H
#define KD_TESTS_IO_FILES_H

#include "../support/files.h"
#include "common.h"

/* Saves `size` bytes of `value` with the library. */
kd_status files_save(const char *path, unsigned char value, size_t size, kd_error *error);

/* The value of such a file, or -1 if it is no such file of this size. */
int files_value(const char *path, size_t size);

#endif
