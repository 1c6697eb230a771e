/* SPDX-License-Identifier: MIT */
/** What the files of the room io share, and other rooms do not see. */
#ifndef KDI_IO_PARTS_H
#define KDI_IO_PARTS_H

#include "io/io.h"

/* ---- crc_table.c ---- */

extern const uint32_t kdi_io_crc_table[4][256];

/* ---- bytes.c ---- */

/** KD_ERR_UNSUPPORTED on a machine that keeps the highest byte of a number first. */
kd_status kdi_io_check_order(kd_error *error);

/* ---- order.c ---- */

/** Sorts n things that `user` knows by index: heap sort, in place, no recursion, O(n log n). */
typedef struct kdi_io_order {
    void *user;
    bool (*less)(const void *user, size_t a, size_t b);
    void (*swap)(void *user, size_t a, size_t b);
} kdi_io_order;

void kdi_io_sort(const kdi_io_order *order, size_t n);

/* ---- cursor.c: what the notations of JSON and of Python have in common ---- */

/** A place in the text of a header. */
typedef struct kdi_io_cursor {
    unsigned char *text;
    size_t size;
    size_t at;
    size_t before;     /**< Bytes of the file before the text, for words. */
    const char *space; /**< What may stand between the words of the notation. */
    kd_error *error;
} kdi_io_cursor;

/** KD_ERR_FORMAT with the byte that is at fault and what was expected there. */
kd_status kdi_io_expected(const kdi_io_cursor *c, const char *what);

/** Walks over space, and over `c` if it follows. */
bool kdi_io_try(kdi_io_cursor *cursor, char c);

/** Walks over space and `c`, which must follow. */
kd_status kdi_io_take(kdi_io_cursor *cursor, char c);

/** Walks over a number that is a size: digits alone. */
kd_status kdi_io_take_size(kdi_io_cursor *cursor, size_t *out);

/* ---- json.c ---- */

#define KDI_IO_JSON_SPACE " \t\n\r"

/** Longest string that kdi_io_is can compare. */
#define KDI_IO_SHORT 24

/** A string that was walked over. */
typedef struct kdi_io_string {
    size_t at;                    /**< Of its first byte in the text. */
    size_t raw;                   /**< Its bytes there. */
    size_t length;                /**< Its bytes without escapes. */
    char start[KDI_IO_SHORT + 1]; /**< The first ones of them. */
} kdi_io_string;

/**
 * Walks over a string: valid UTF-8, no control bytes, no NUL in any notation. With `keep` it
 * becomes a C string where it stands.
 */
kd_status kdi_io_take_string(kdi_io_cursor *cursor, bool keep, kdi_io_string *out);

/** Whether the string is this one, which is not longer than KDI_IO_SHORT. */
bool kdi_io_is(const kdi_io_string *string, const char *other);

/** Bytes of the UTF-8 sequence at `at`, 0 if it is none; reads up to `end` at most. */
size_t kdi_io_utf8(const unsigned char *at, const unsigned char *end);

/* ---- tensors_parse.c ---- */

/** A tensor as the index holds it: what the header says, as short as can be. */
typedef struct kdi_io_entry {
    size_t begin; /**< data_offsets. */
    size_t end;
    uint32_t name;  /**< Of its name in the header. */
    uint32_t shape; /**< Of its shape there, behind the bracket. */
    uint8_t dtype;
    uint8_t rank;
} kdi_io_entry;

/** What a header is parsed into. Counts are exact after the first walk, the arrays filled after
 * the second. */
typedef struct kdi_io_index {
    size_t n_entries;
    size_t n_words;
    kdi_io_entry *entries; /**< [n_entries] */
    uint32_t *words;       /**< [n_words], of the keys in the header */
    size_t sum;            /**< Of the header's own checksum in it, 0 = it has none. */
} kdi_io_index;

/**
 * One walk. The first, without `keep`, checks and counts; the second fills the arrays and turns the
 * strings into C strings, and can't fail.
 */
kd_status kdi_io_tensors_parse(kdi_io_cursor *c, bool keep, kdi_io_index *index);

/** The shape of an entry. */
void kdi_io_tensors_shape(unsigned char *header, size_t size, const kdi_io_entry *entry,
                          size_t out_shape[KDI_IO_RANK]);

/** Bytes of a tensor of this shape, or false if they are too many for a size_t. */
bool kdi_io_tensors_bytes(kdi_io_dtype dtype, const size_t *shape, size_t rank, size_t *out);

/* ---- tensors.c ---- */

#define KDI_IO_PREFIX 8 /**< Bytes of a header's length, before the header. */

struct kdi_io_tensors {
    kdi_allocator allocator;
    kdi_io_source source;
    unsigned char *header;
    size_t header_size;
    kdi_io_index index;
    uint32_t *by_name; /* [n_entries], into entries */
    void *block;       /* the arrays */
    size_t block_size;
    bool sums; /* the header has its own checksum, and that is right */
};

/** The string that stands at this place of the header. */
const char *kdi_io_string_at(const kdi_io_tensors *tensors, uint32_t at);

/** The name that is number `rank` among the sorted names, and the key among the keys. */
const char *kdi_io_name_of(const kdi_io_tensors *tensors, size_t rank);
const char *kdi_io_key_of(const kdi_io_tensors *tensors, size_t rank);

#endif
