/* SPDX-License-Identifier: MIT */
/*
 * Files taken apart, changed, and put together again with checksums that are right: hostile files
 * that only the meaning of their contents can give away. Knows the format by itself, without the
 * library.
 */
#ifndef KD_TESTS_CKPT_MODEL_H
#define KD_TESTS_CKPT_MODEL_H

#include "../support/bytes.h"

#include <kd/base.h>

#define MODEL_WORDS 64
#define MODEL_TENSORS 40

typedef struct model_word {
    char *key;
    char *value;
} model_word;

typedef struct model_tensor {
    char *name;
    char *dtype;
    char *shape; /* as it stands there: "2,3" */
    unsigned char *bytes;
    size_t size;
    bool no_sum;    /* leave its checksum out */
    bool wrong_sum; /* put another one there */
} model_tensor;

/* All strings and bytes are its own. */
typedef struct model {
    model_word words[MODEL_WORDS]; /* without checksums */
    size_t n_words;
    model_tensor tensors[MODEL_TENSORS];
    size_t n_tensors;
    bool no_sum;    /* leave the header's checksum out */
    bool wrong_sum; /* put another one there */
} model;

/* CRC-32C, bit by bit. */
uint32_t model_crc(const void *bytes, size_t size);

/* Takes a file of the library's apart, and puts one together. */
model model_read(const io_bytes *file);
io_bytes model_write(const model *m);
void model_free(model *m);

/* Sets a word, adds it, or with NULL removes it. */
void model_set(model *m, const char *key, const char *value);
const char *model_get(const model *m, const char *key);

/* The tensor of this name; the test fails if there is none. */
model_tensor *model_find(model *m, const char *name);
void model_rename(model *m, const char *name, const char *other);
void model_remove(model *m, const char *name);

/* Adds one of float32 with `count` elements of this value. */
void model_add(model *m, const char *name, const char *shape, size_t count, float value);

/* Changes the dtype or the shape that is declared, and the bytes to `size` of them. */
void model_declare(model *m, const char *name, const char *dtype, const char *shape, size_t size);

/* Element `index` of a tensor of float32. */
void model_put(model *m, const char *name, size_t index, float value);

/* ---- the same as rows of a table ---- */

typedef enum act { NONE, SET, RENAME, REMOVE, ADD, DECLARE, PUT, SUMLESS, WRONG } act;

typedef struct edit {
    act act;
    const char *a; /* key or name; of SUMLESS and WRONG NULL: the header */
    const char *b; /* value (NULL: the word goes), other name, or dtype */
    const char *c; /* shape */
    size_t n;      /* elements (ADD), bytes (DECLARE), index (PUT) */
    float value;
} edit;

void model_apply(model *m, const edit *e);

/* What it does, in words. */
void model_describe(const edit *e, char out[200]);

#endif
