/* SPDX-License-Identifier: MIT */
/* What a set of public headers makes of its structs and numbers; layout.c is compiled for two. */
#ifndef TESTS_ABI_LAYOUT_H
#define TESTS_ABI_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

/* A struct (`field` is "" and `offset` 0) or one of its fields. */
typedef struct layout_row {
    const char *name, *field;
    size_t offset, size;
    char kind; /* i u l m integers, f d floats, p pointers and arrays, s structs */
} layout_row;

typedef struct layout_number {
    const char *name;
    int32_t value;
} layout_number;

/* A function, and a struct that it is given and that carries its size. */
typedef struct layout_call {
    const char *function, *name;
} layout_call;

typedef struct layout {
    const layout_row *rows;
    const layout_number *numbers;
    const layout_call *calls;
    size_t n_rows, n_numbers, n_calls;
} layout;

/* Of the first headers, tests/abi/first, and of those in include/kd. */
extern const layout layout_first, layout_today;

#endif
