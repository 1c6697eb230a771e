/* SPDX-License-Identifier: MIT */
/* Files that lie in memory, and whose callbacks do less than they are asked for, or fail. */
#ifndef KD_TESTS_BYTES_H
#define KD_TESTS_BYTES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <kd/stream.h>

typedef struct io_bytes {
    unsigned char *bytes;
    size_t size;
    size_t room;
    size_t calls;   /* of the callbacks */
    size_t fail_at; /* this call returns `answer`, counted from 1; 0 = none */
    int64_t answer;
    size_t most; /* bytes a call; 0 = as many as asked for */
} io_bytes;

void io_add(io_bytes *file, const void *bytes, size_t size);
void io_free(io_bytes *file);

/* Callbacks that read it, as large as it is now, and that append to it. */
kd_reader io_reader(io_bytes *file);
kd_writer io_writer(io_bytes *file);

uint64_t io_random(uint64_t *state);

#endif
