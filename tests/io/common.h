/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the room io share: memory that counts and fails, files that lie in memory.
 */
#ifndef KD_TESTS_IO_COMMON_H
#define KD_TESTS_IO_COMMON_H

#include "../support/bytes.h"

#include "io/io.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- memory ---- */

typedef struct io_memory {
    size_t calls;
    size_t live;    /* allocations that are not given back */
    size_t bytes;   /* of those */
    size_t peak;    /* most of them at a time */
    size_t fail_at; /* this call gets NULL, counted from 1; 0 = none */
    bool lasting;   /* and all later ones */
} io_memory;

kdi_allocator io_allocator(io_memory *memory);

/* Fails the test unless everything was given back. */
void io_all_returned(const io_memory *memory);

/* ---- files in memory ---- */

kdi_io_source io_source(io_bytes *file);
kdi_io_sink io_sink(io_bytes *file);

/* Adds a safetensors file: the length of the header, the header, and `data` bytes 0, 1, 2, ... */
void io_add_tensors(io_bytes *file, const char *header, size_t length, size_t data);

/* Adds a .npy file of version 1.0 with this header, padded and ended, and `data` bytes of zero. */
void io_add_npy(io_bytes *file, const char *header, size_t data);

/* ---- a small file of ours ---- */

/* Three tensors and two strings. */
void io_write_sample(io_bytes *out);

/* Opens as ours, reads all tensors; the first failure. */
kd_status io_read_sample(io_bytes *file, const kdi_allocator *allocator, kd_error *error);

/* ---- the rest ---- */

void io_ok(kd_status status, const kd_error *error);

/* Fails the test unless that is the status, and `needle` (NULL = anything) stands in the words. */
void io_refused(const char *what, kd_status got, kd_status due, const kd_error *error,
                const char *needle);

#endif
