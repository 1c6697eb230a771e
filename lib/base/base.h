/* SPDX-License-Identifier: MIT */
/**
 * Door of the room base: words for failures, sizes that can't wrap, memory, random numbers.
 * Knows nothing of matrices or networks.
 */
#ifndef KDI_BASE_H
#define KDI_BASE_H

#include <kd/base.h>
#include <stdatomic.h>
#include <stdbool.h>

/* ---- failures (say.c) ---- */

/**
 * Fills `error` (may be NULL) and returns `status`. The format knows %s (string), %z (size_t),
 * %u (uint64_t), %i (int64_t) and %g (double, six digits, always with a point: no locale, no
 * stdio).
 */
kd_status kdi_base_fail(kd_error *error, kd_status status, int argument, const char *format, ...);

/** The failure that was just written is another argument's of the public call. */
void kdi_base_blame(kd_error *error, int argument);

/** The words alone, cut to fit `size`. */
void kdi_base_say(char *text, size_t size, const char *format, ...);

/* ---- structs that cross the border (border.c) ---- */

/**
 * Reads a host's struct over `known`, which holds the defaults; a tail that the host does not have
 * keeps them. KD_ERR_STRUCT if struct_size is absurd, or if a tail that we do not know is not all
 * zero.
 */
kd_status kdi_base_read_struct(void *known, size_t known_size, const void *given);

/** True if the host's struct_size is one that we can write to. */
bool kdi_base_struct_ok(const void *given);

/** Writes `known` to the host's struct, as far as its struct_size reaches; struct_size stays. */
void kdi_base_write_struct(void *given, const void *known, size_t known_size);

/** `given`, `argument` and `name` as a failure: NULL, or a wrong struct. KD_OK if it was read. */
kd_status kdi_base_open(void *known, size_t known_size, const void *given, const char *name,
                        int argument, kd_error *error);

/** The same for a struct that is only filled: what its tail holds does not matter. */
kd_status kdi_base_open_out(const void *given, const char *name, int argument, kd_error *error);

/* ---- sizes (size.c) ---- */

/** a * b, or false if it would wrap. */
bool kdi_base_mul(size_t a, size_t b, size_t *out);

/** a + b, or false if it would wrap. */
bool kdi_base_add(size_t a, size_t b, size_t *out);

/** A size from 1 to INT32_MAX, as CBLAS needs it; otherwise a status that names it. */
kd_status kdi_base_check_size(size_t value, const char *name, int argument, kd_error *error);

/** Bytes from the first to past the last float of [rows,columns] with this stride, or false. */
bool kdi_base_extent(size_t rows, size_t columns, size_t stride, size_t *out_bytes);

/** A matrix of floats as a span of memory, for overlap checks. */
typedef struct kdi_span {
    const void *start;
    size_t rows;
    size_t columns;
    size_t stride; /**< In elements. */
    size_t element;
} kdi_span;

/** True if some byte belongs to both; two matrices side by side in wider rows do not overlap. */
bool kdi_base_overlap(kdi_span a, kdi_span b);

/* ---- memory (memory.c) ---- */

typedef struct kdi_allocator {
    void *(*alloc)(void *user, size_t size, size_t align);
    void (*release)(void *user, void *pointer, size_t size);
    void *user;
} kdi_allocator;

/** The C library's memory. */
kdi_allocator kdi_base_libc_allocator(void);

/** `size` > 0 zeroed bytes, aligned to 64, from 4 MiB on to 2 MiB; or NULL. */
void *kdi_base_new(const kdi_allocator *allocator, size_t size);

/** Gives back what kdi_base_new returned; NULL is allowed. */
void kdi_base_delete(const kdi_allocator *allocator, void *pointer, size_t size);

/**
 * An arena lays out many arrays in one block. The same layout code runs twice: first with base
 * NULL, to measure, then with the block, to place; so size and use can't drift apart.
 */
typedef struct kdi_arena {
    unsigned char *base;
    size_t used;
    bool overflow;
} kdi_arena;

/** `count` elements of `size` bytes, 64-byte aligned; NULL while measuring or for count 0. */
void *kdi_base_take(kdi_arena *arena, size_t count, size_t size);

/* ---- references (refs.c) ---- */

typedef atomic_size_t kdi_refs;

void kdi_base_retain(kdi_refs *refs);

/** True if that was the last one. */
bool kdi_base_release(kdi_refs *refs);

/* ---- hashes (hash.c); kd_hash of bytes is declared in kd/cache.h ---- */

/** Goes on from a hash with a number, or with the bits of floats, on every machine alike. */
uint64_t kdi_base_hash_u64(uint64_t before, uint64_t value);
uint64_t kdi_base_hash_f32(uint64_t before, const float *values, size_t count);

/* ---- random numbers (rng.c) ---- */

/**
 * Version of the mapping from (seed, stream, counter) to numbers, and from those to weights and
 * masks. Stands in files; a change of any of it is a new number.
 */
#define KDI_RNG_VERSION 1

/** Streams keep uses of one seed apart; the low 32 bits are free for a parameter or a node. */
#define KDI_STREAM_INIT ((uint64_t)1 << 32)
#define KDI_STREAM_DROPOUT ((uint64_t)2 << 32)
#define KDI_STREAM_SHUFFLE ((uint64_t)3 << 32)

typedef struct kdi_rng_key {
    uint32_t word[2];
} kdi_rng_key;

/** The Philox key of one stream of a seed. */
kdi_rng_key kdi_base_rng_key(uint64_t seed, uint64_t stream);

/** Philox4x32-10: four random words of (key, counter). Counter: block, epoch, case id low, high. */
void kdi_base_rng_block(kdi_rng_key key, const uint32_t counter[4], uint32_t out[4]);

/** Blocks that kdi_base_rng_blocks makes at once. */
#define KDI_RNG_BLOCKS 16

/** The same for the counters counter, counter + 1, ... in the first word: out[word][block]. */
void kdi_base_rng_blocks(kdi_rng_key key, const uint32_t counter[4],
                         uint32_t out[4][KDI_RNG_BLOCKS]);

#endif
