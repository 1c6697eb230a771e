/* SPDX-License-Identifier: MIT */
/**
 * Door of the room io: bytes and the files they stand in. Knows the grammars of safetensors and
 * .npy, but not what the numbers in them mean.
 *
 * Every reader here is strict and bounded: a size that a file declares is held against the size of
 * the file before memory is taken for it, and what one file may cost stays below twice its size.
 */
#ifndef KDI_IO_H
#define KDI_IO_H

#include "base/base.h"

#include <kd/stream.h>

/* ---- checksums (crc.c) ---- */

/** CRC-32C (Castagnoli) of `size` more bytes; `before` is that of the bytes so far, 0 of none. */
uint32_t kdi_io_crc(uint32_t before, const void *bytes, size_t size);

/* ---- numbers as bytes (bytes.c) ---- */

/** The number in `size` <= 8 bytes, least first. */
uint64_t kdi_io_load(const void *bytes, size_t size);

/** The lowest `size` <= 8 bytes of `value`, least first. */
void kdi_io_store(void *bytes, size_t size, uint64_t value);

/** The float that an IEEE half precision number is, exactly. */
float kdi_io_from_half(uint16_t half);

/** The half precision number nearest to it, of two the even one; from 65,520 on it is infinite. */
uint16_t kdi_io_to_half(float value);

/** A checksum as eight lower-case hexadecimal digits, without a zero at the end, and back. */
void kdi_io_put_hex(char out[8], uint32_t value);
bool kdi_io_get_hex(const char digits[8], uint32_t *out);

/* ---- sources and sinks (stream.c) ---- */

/** What a negative number of a callback means, in words; NULL = unknown. */
typedef const char *(*kdi_io_meaning)(int64_t number);

/** Where bytes come from. Copied freely; `name` and the reader's user are borrowed. */
typedef struct kdi_io_source {
    kd_reader reader;
    const char *name;       /**< For words: a path, or "the reader". */
    kdi_io_meaning meaning; /**< NULL = unknown. */
} kdi_io_source;

/** Where bytes go to. */
typedef struct kdi_io_sink {
    kd_writer writer;
    uint64_t written; /**< So far. */
    const char *name;
    kdi_io_meaning meaning;
} kdi_io_sink;

/** A host's reader or writer, checked; `argument` is its place in the public call. */
kd_status kdi_io_from_reader(kdi_io_source *out, const kd_reader *reader, int argument,
                             kd_error *error);
kd_status kdi_io_from_writer(kdi_io_sink *out, const kd_writer *writer, int argument,
                             kd_error *error);

/** All of these bytes, or KD_ERR_TRUNCATED, KD_ERR_IO. */
kd_status kdi_io_read(const kdi_io_source *source, uint64_t offset, void *out_bytes, size_t size,
                      kd_error *error);

/** All of these bytes, or KD_ERR_IO. */
kd_status kdi_io_write(kdi_io_sink *sink, const void *bytes, size_t size, kd_error *error);

/** Adds the name of a file to the words of a failure, once; returns `status`. */
kd_status kdi_io_where(kd_error *error, kd_status status, const char *name);

/* ---- files (file.c); paths are borrowed until the file is closed ---- */

/** An open file; all zero with descriptor -1 is a closed one. */
typedef struct kdi_io_file {
    int descriptor;
    uint64_t size;
    const char *path;
    bool unsure; /**< A sync has failed: what was written may be lost, whatever a later one says. */
} kdi_io_file;

/** Opens a regular file for reading. */
kd_status kdi_io_file_open(kdi_io_file *out, const char *path, kd_error *error);

/** Its bytes; `file` must stay where it is, and open. */
kdi_io_source kdi_io_file_source(kdi_io_file *file);

/** Closes it; a closed one is left alone. */
void kdi_io_file_close(kdi_io_file *file);

/** A save on its way: a temporary file that is to take the place of another, or of none. */
typedef struct kdi_io_saving {
    int folder;
    int descriptor;
    const char *path;
    const char *base; /**< The last part of path. */
    char temporary[32];
} kdi_io_saving;

/** Begins to replace `path`. After KD_OK, kdi_io_save_end must follow. */
kd_status kdi_io_save_begin(kdi_io_saving *out, const kdi_allocator *allocator, const char *path,
                            kd_error *error);

/** Where the bytes of the new file go; `saving` must stay where it is. */
kdi_io_sink kdi_io_save_sink(kdi_io_saving *saving);

/**
 * Ends it. With `so_far` KD_OK the new file takes its place, durably; otherwise, or if that fails,
 * nothing has happened, and the failure is returned. One exception: if only the folder can't be
 * brought to the disk, the new file is in place, and the status says that a power cut may undo it.
 */
kd_status kdi_io_save_end(kdi_io_saving *saving, kd_status so_far, kd_error *error);

/**
 * Opens a file to read and to append to, locked against a second writer; creates it, durably, if
 * it is not there and `create` says so. `size` is where appending goes on: a reader of records
 * that finds the tail torn cuts it off first.
 */
kd_status kdi_io_append_open(kdi_io_file *out, const kdi_allocator *allocator, const char *path,
                             bool create, kd_error *error);

/** Appends at `size`. After a failure the file ends where it did, as far as the system obeys. */
kd_status kdi_io_append(kdi_io_file *file, const void *bytes, size_t size, kd_error *error);

/** Brings what was appended to the disk. */
kd_status kdi_io_append_sync(kdi_io_file *file, kd_error *error);

/** Cuts the file off at `size`, which is not above its own, and brings that to the disk: what is
 * appended then is never found beside what was there before. */
kd_status kdi_io_append_cut(kdi_io_file *file, uint64_t size, kd_error *error);

/** A name from a file as it can stand in words: short, and without control bytes. */
typedef struct kdi_io_quote {
    char text[64];
} kdi_io_quote;

kdi_io_quote kdi_io_quoted(const char *name);

/* ---- safetensors (tensors.c, tensors_parse.c, tensors_write.c) ---- */

/** Types of elements, in the order of the format: a writer lays out the last ones first. */
typedef enum kdi_io_dtype {
    KDI_IO_BOOL,
    KDI_IO_U8,
    KDI_IO_I8,
    KDI_IO_I16,
    KDI_IO_U16,
    KDI_IO_F16,
    KDI_IO_BF16,
    KDI_IO_I32,
    KDI_IO_U32,
    KDI_IO_F32,
    KDI_IO_F64,
    KDI_IO_I64,
    KDI_IO_U64,
    KDI_IO_DTYPES
} kdi_io_dtype;

#define KDI_IO_RANK 8                 /**< Most dimensions. */
#define KDI_IO_HEADER 100000000u      /**< Most bytes of a header, as in the reference reader. */
#define KDI_IO_OWN "kd.header_crc32c" /**< Key of the header's checksum. */
#define KDI_IO_SUM "crc32c."          /**< Key of a tensor's checksum, before its name. */

/** Bytes of an element. */
size_t kdi_io_dtype_size(kdi_io_dtype dtype);

/** Such as "F32". */
const char *kdi_io_dtype_name(kdi_io_dtype dtype);

/** A file that is open; see kdi_io_tensors_open. */
typedef struct kdi_io_tensors kdi_io_tensors;

/** One tensor of a file. */
typedef struct kdi_io_tensor {
    const char *name; /**< UTF-8, lives as long as the kdi_io_tensors. */
    kdi_io_dtype dtype;
    size_t rank;
    size_t shape[KDI_IO_RANK];
    uint64_t offset; /**< Of its first byte in the file. */
    size_t size;     /**< Bytes, product of the shape times that of an element. */
    bool has_crc;    /**< The file has a checksum of it that counts. */
    uint32_t crc;
} kdi_io_tensor;

/** Where a file comes from, and so what it must have. */
typedef enum kdi_io_origin {
    KDI_IO_FOREIGN, /**< Any; checksums count if the header has its own and that is right. */
    KDI_IO_OURS     /**< libkd: the header and every tensor must have theirs. */
} kdi_io_origin;

/**
 * Reads and checks the header; the tensors stay where they are. Whatever it accepts, the reference
 * reader accepts, with the same meaning. Keeps a copy of the source.
 *
 * Refused beyond the reference reader: names and metadata that contain NUL or occur twice, fields
 * of a tensor that are unknown, tensors written as JSON arrays, padding other than spaces; and, as
 * KD_ERR_UNSUPPORTED, more than KDI_IO_RANK dimensions, elements that have no whole number of bytes
 * or less than two bytes of a float.
 */
kd_status kdi_io_tensors_open(const kdi_allocator *allocator, const kdi_io_source *source,
                              kdi_io_origin origin, kdi_io_tensors **out, kd_error *error);

void kdi_io_tensors_close(kdi_io_tensors *tensors);

size_t kdi_io_tensors_count(const kdi_io_tensors *tensors);

/** Tensor `index` in the order of the file. */
kdi_io_tensor kdi_io_tensors_get(const kdi_io_tensors *tensors, size_t index);

/** The tensor of this name, or false. */
bool kdi_io_tensors_find(const kdi_io_tensors *tensors, const char *name, kdi_io_tensor *out);

/** A string of the metadata, and all of them by index, sorted by key. */
typedef struct kdi_io_word {
    const char *key;
    const char *value;
} kdi_io_word;

/** The value of this key, or NULL. Lives as long as `tensors`. */
const char *kdi_io_tensors_word(const kdi_io_tensors *tensors, const char *key);

size_t kdi_io_tensors_words(const kdi_io_tensors *tensors);
kdi_io_word kdi_io_tensors_get_word(const kdi_io_tensors *tensors, size_t index);

/** A walk through the bytes of one tensor, from the first to the last. */
typedef struct kdi_io_walk {
    kdi_io_tensor tensor;
    size_t done;
    uint32_t crc;
} kdi_io_walk;

kdi_io_walk kdi_io_walk_begin(const kdi_io_tensor *tensor);

/**
 * The next `size` bytes, of those that are left. The checksum is known with the last ones only, so
 * nothing that was read counts before the walk is at its end: KD_ERR_CHECKSUM.
 */
kd_status kdi_io_walk_next(const kdi_io_tensors *tensors, kdi_io_walk *walk, void *out_bytes,
                           size_t size, kd_error *error);

/** The whole tensor, tensor->size bytes. */
kd_status kdi_io_tensors_read(const kdi_io_tensors *tensors, const kdi_io_tensor *tensor,
                              void *out_bytes, kd_error *error);

/** Hands out `size` bytes of a tensor from `offset` on. */
typedef kd_status (*kdi_io_give)(void *user, size_t offset, void *out_bytes, size_t size,
                                 kd_error *error);

/** One tensor to write; its bytes are read twice, once for the checksum. */
typedef struct kdi_io_item {
    const char *name;
    kdi_io_dtype dtype;
    size_t rank;
    size_t shape[KDI_IO_RANK];
    const void *bytes; /**< Dense, or NULL: `give` hands them out. */
    kdi_io_give give;
    void *user;
} kdi_io_item;

/**
 * Writes a file: tensors by dtype and name, metadata sorted by key, checksums of all; equal input,
 * equal bytes. KD_ERR_CHECKSUM if the bytes of a tensor changed in the meantime.
 */
kd_status kdi_io_tensors_write(const kdi_allocator *allocator, kdi_io_sink *sink,
                               const kdi_io_item *items, size_t n_items, const kdi_io_word *words,
                               size_t n_words, kd_error *error);

/* ---- .npy (npy.c) ---- */

/** A float array [rows,columns] in a .npy file; 1-D counts as one column. */
typedef struct kdi_io_npy {
    kdi_io_source source;
    kdi_io_dtype dtype; /**< F16, F32 or F64. */
    size_t rank;        /**< 1 or 2. */
    size_t rows;
    size_t columns;
    uint64_t offset; /**< Of the first element. */
} kdi_io_npy;

/** Reads and checks the header. Keeps a copy of the source. */
kd_status kdi_io_npy_open(kdi_io_npy *out, const kdi_allocator *allocator,
                          const kdi_io_source *source, kd_error *error);

/**
 * Rows as float [n,columns], dense. KD_ERR_NOT_FINITE if a finite double is too large for a float;
 * infinities and NaN pass.
 */
kd_status kdi_io_npy_read(const kdi_io_npy *npy, size_t first, size_t n, float *out_values,
                          kd_error *error);

/** Writes [rows,columns] as numpy does: version 1.0, "<f4". `rank` 1: columns is 1. */
kd_status kdi_io_npy_write(kdi_io_sink *sink, const float *values, size_t rank, size_t rows,
                           size_t columns, size_t stride, kd_error *error);

#endif
