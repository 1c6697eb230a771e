/* SPDX-License-Identifier: MIT */
/*
 * Every call of the room that reads or writes, as work that can be done again and again with
 * another fault: after a failure the objects are as before, bit for bit.
 */
#ifndef KD_TESTS_CKPT_WORKS_H
#define KD_TESTS_CKPT_WORKS_H

#include "recipes.h"

typedef struct work {
    const char *name;
    bool reads;
    kd_status (*run)(const char *path, const kd_reader *reader, const kd_writer *writer,
                     kd_error *error);
} work;

extern const work works[];
extern const size_t n_works;

/* Setup and teardown of a group: the objects that the works use, with memory that can fail. */
int works_begin(void **state);
int works_end(void **state);
extern support_memory *works_memory;

/* A file that this work can read, or the one that it writes. */
const io_bytes *works_file(const work *w);

/* Makes the objects different from what is in the files; works_same tells if they are as here. */
void works_prepare(void);
bool works_same(void);

/* After success: the objects have what is in the file. */
bool works_done(const work *w);

#endif
