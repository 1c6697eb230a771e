/* SPDX-License-Identifier: MIT */
/**
 * The file of a recording. Inside the room teacher only. Numbers have their least byte first,
 * floats are their 32 bits, halves are IEEE half precision.
 *
 *   header, 80 bytes                       case, all of one size
 *    0  8  "KDCACHE\n"                      0  8  sample id
 *    8  4  version, 1                       8  .  payload
 *   12  4  80                               .  4  CRC-32C of the case's bytes before
 *   16  4  encoding
 *   20  4  kind                            payload of F32:  k floats
 *   24  8  k                               of F16:  float, the largest logit; k halves, v - largest
 *   32  8  top                             of TOPK: float, the largest logit; float, the tail at T0
 *   40  4  T0, a float                       less largest / T0; top classes, ascending, of 2 bytes
 *   44  4  0                                 if k <= 65536, else 4; top halves, v - largest
 *   48  8  teacher hash
 *   56  8  data hash                       seal, 24 bytes, behind the last case if it is finished
 *   64 12  0                                0  8  "KDSEAL\r\n"
 *   76  4  CRC-32C of the bytes before      8  8  cases
 *                                          16  4  CRC-32C of all cases' CRCs, after the header's
 *                                          20  4  CRC-32C of the seal before, after the header's
 *
 * "After the header's": the checksum goes on from the number in the header, so that a seal belongs
 * to its file, and is never taken for a case of 24 bytes. That of all cases is taken of their own
 * ones: a checksum of bytes with their checksum is the same whatever the bytes are.
 *
 * What stands behind the last good case of an unfinished file was being written when it was
 * interrupted, and does not count: less than a case, or bad cases. Where a file has grown, but its
 * bytes never came to the disk, there are zeros. So a bad case that has nothing else in one of its
 * sectors of 512 bytes was lost by a power cut, and ends the recording, whatever is behind it: a
 * disk keeps no order. A bad case without such zeros, and with a good one behind it, is damage; so
 * is what still looks like the seal that is due, unless it has them too.
 */
#ifndef KDI_TEACHER_RECORDING_H
#define KDI_TEACHER_RECORDING_H

#include "io/io.h"
#include "teacher/parts.h"

#include <kd/cache.h>

#define KDI_CACHE_HEADER 80
#define KDI_CACHE_SEAL 24

/** What a header says. */
typedef struct kdi_cache_form {
    size_t k;
    kd_cache_encoding encoding;
    kd_target_kind kind;
    size_t top;
    float temperature;
    uint64_t teacher_hash;
    uint64_t data_hash;
    size_t class_bytes; /**< TOPK: of a class in the payload. */
    size_t record;      /**< Bytes of a case. */
    uint32_t crc;       /**< Of the header; set by put and get. */
} kdi_cache_form;

/** What follows the header, as a scan finds it. */
typedef struct kdi_cache_state {
    uint64_t cases; /**< Good ones, from the first on. */
    uint32_t crc;   /**< Of their checksums. */
    bool finished;
    uint64_t torn; /**< Bytes behind them that do not count. */
} kdi_cache_state;

/* ---- header and seal (cache_format.c) ---- */

/** The form that options mean, all of them checked; the status and words name options.<field>. */
kd_status kdi_teacher_form_of(kdi_cache_form *out, const kd_cache_options *options,
                              kd_error *error);

/** KD_ERR_MISMATCH unless the form is what is expected; with `any` a field of 0 takes anything. */
kd_status kdi_teacher_compare(const kdi_cache_form *form, const kd_cache_options *expected,
                              bool any, kd_error *error);

void kdi_teacher_put_header(kdi_cache_form *form, unsigned char out[KDI_CACHE_HEADER]);

/** KD_ERR_FORMAT, _VERSION, _CHECKSUM; of a whole header. */
kd_status kdi_teacher_get_header(kdi_cache_form *out, const unsigned char bytes[KDI_CACHE_HEADER],
                                 kd_error *error);

void kdi_teacher_put_seal(const kdi_cache_form *form, uint64_t cases, uint32_t crc,
                          unsigned char out[KDI_CACHE_SEAL]);

/** Whether these bytes are a seal of this file. */
bool kdi_teacher_is_seal(const kdi_cache_form *form, const unsigned char bytes[KDI_CACHE_SEAL]);

/** Fills a host's info; its struct_size is checked already. */
void kdi_teacher_fill_info(const kdi_cache_form *form, const kdi_cache_state *state,
                           kd_cache_info *out_info);

/* ---- a file from its first byte to its last (cache_scan.c) ---- */

/** Reads the header of a file; also KD_ERR_TRUNCATED, _IO. */
kd_status kdi_teacher_read_header(const kdi_io_source *source, kdi_cache_form *out,
                                  kd_error *error);

/** Gets each good case in turn; `record` is NULL unless the scan was given room for it. */
typedef kd_status (*kdi_cache_visit)(void *user, uint64_t row, uint64_t id, unsigned char *record,
                                     kd_error *error);

/**
 * Reads all that follows the header. `record` [form.record] or NULL is room for a case at a time;
 * `visit` may be NULL. KD_ERR_CHECKSUM, _TRUNCATED, _FORMAT, _IO, and what the visitor returns.
 */
kd_status kdi_teacher_scan(const kdi_io_source *source, const kdi_cache_form *form,
                           unsigned char *record, kdi_cache_visit visit, void *user,
                           kdi_cache_state *out, kd_error *error);

/* ---- one case (cache_record.c, cache_top.c) ---- */

/**
 * Row `row` of targets that were checked, as a case. `order` [top] is room for the search. Fails
 * where an encoding can't hold the row: KD_ERR_VALUE, _NOT_FINITE.
 */
kd_status kdi_teacher_encode(const kdi_cache_form *form, uint64_t id, const kd_targets *targets,
                             size_t row, uint32_t *order, unsigned char *record, kd_error *error);

/** A case's values [k or top]; for TOPK its classes [top] and tail too. */
void kdi_teacher_decode(const kdi_cache_form *form, const unsigned char *record, float *out_values,
                        uint32_t *out_index, float *out_tail);

/**
 * Whether a case with a good checksum holds what a recording writes; `row` is for words. What F32
 * holds is decoded in place. KD_ERR_NOT_FINITE, _SUPPORT, _PROBABILITY, _FORMAT.
 */
kd_status kdi_teacher_check_record(const kdi_cache_form *form, uint64_t row, unsigned char *record,
                                   kd_error *error);

/** The `top` <= k largest of values [k], of equal ones the first, ascending. O(k log top). */
void kdi_teacher_find_top(const float *values, size_t k, size_t top, uint32_t *out_index);

/* ---- the set of sample ids (cache_ids.c) ---- */

/** Open addressing, at most half full: 16 to 32 bytes an id. All zero is an empty set. */
typedef struct kdi_id_set {
    uint64_t *slots; /**< [capacity], 0 = free. */
    size_t capacity; /**< A power of two, or 0. */
    size_t count;
    bool zero;    /**< Whether 0 is in it. */
    uint64_t key; /**< Unlike in each run, so that no file can choose ids that collide. */
} kdi_id_set;

/** Room for `count` ids in all; KD_ERR_MEMORY leaves the set as it was. */
kd_status kdi_teacher_reserve_ids(kdi_id_set *set, kd_context *context, size_t count,
                                  kd_error *error);

/** False if it is there already; there must be room. */
bool kdi_teacher_add_id(kdi_id_set *set, uint64_t id);

/** Takes back the id that was added last of those in the set. */
void kdi_teacher_drop_id(kdi_id_set *set, uint64_t id);

void kdi_teacher_close_ids(kdi_id_set *set, kd_context *context);

/* ---- a recording that is open (cache.c, cache_append.c) ---- */

struct kd_cache {
    kd_context *context;
    char *path; /* [path_size] */
    size_t path_size;
    kdi_io_file file;
    kdi_cache_form form;
    kdi_cache_state state; /* torn: what kd_cache_open cut off */
    bool unclean;          /* bytes of a failed append may stand behind the end */
    kdi_id_set ids;
    uint32_t *order; /* [top]: room for the search, NULL unless TOPK */
    unsigned char *buffer;
    size_t buffer_size;
    kd_error error;
};

/** Cuts off whatever stands behind the last case: a seal, or what a failed append left. */
kd_status kdi_teacher_clean_end(kd_cache *cache, kd_error *error);

/** Writes the seal behind the last case, which must be the end. */
kd_status kdi_teacher_write_seal(kd_cache *cache, kd_error *error);

#endif
