/* SPDX-License-Identifier: MIT */
/**
 * @file cache.h
 * Tier 3: a teacher recorded over a transfer set, once, in a file; then a teacher that reads it.
 *
 *   kd_cache_open(context, path, &options, &cache, &error);      new, or where it was interrupted
 *   while more cases:                                             from number kd_cache_info.cases
 *       kd_teacher_targets(ws, &batch, T, &targets);
 *       kd_cache_append(cache, batch.ids, &targets, n);
 *   kd_cache_finish(cache);
 *
 *   kd_teacher_from_cache(context, path, &options, &teacher, &error);
 *
 * Soft targets are found again by sample id, so shuffled data can't be paired with the wrong row.
 * The file also says whose they are: classes, temperature, and a number each (a hash) for teacher
 * and data; a file of another teacher or other data is refused.
 *
 * Bytes of a case with k classes, of which `top` are kept, and what is lost:
 *
 *   KD_CACHE_F32   12 + 4 k          nothing: students are bit for bit those of the live teacher
 *   KD_CACHE_F16   16 + 2 k          logits are rounded to 11 bits, as differences to the largest
 *   KD_CACHE_TOPK  20 + top (2 + i)  which of the other classes has how much: they become one
 *                                    bucket (loss.h). i = 2 up to 65,536 classes, else 4
 *
 * "Live" means on x86-64 with AVX2, where a case's logits do not depend on its batch (train.h);
 * elsewhere they are those of the batches that were recorded.
 *
 * A file has 80 bytes before its cases, and 24 behind them once it is finished.
 *
 * A recording that was interrupted at any byte, by a kill or a power cut, goes on behind a whole
 * case: after a kill behind the last one that was written; after a power cut behind the last one
 * before which nothing was lost, and never before what kd_cache_finish has brought to the disk.
 * (What was lost is known by its zeros, in pieces of 512 bytes: where a file has grown but its
 * bytes did not come to the disk, file systems have nothing else.) Until it is finished no teacher
 * is made of it, so half a transfer set is never taken for a whole one. Every byte is covered by a
 * checksum; a finished file of which one bit has changed, or that was cut off, is refused.
 */
#ifndef KD_CACHE_H
#define KD_CACHE_H

#include <kd/teacher.h>

/** A recording that is open. */
typedef struct kd_cache kd_cache;

/** How soft targets are stored. */
typedef int32_t kd_cache_encoding;
enum {
    KD_CACHE_F32 = 1, /**< All values, as they are: logits, probabilities, log-probabilities. */
    KD_CACHE_F16 = 2, /**< All logits, as half precision differences to the largest. */
    /** The largest logits, as F16, and the logarithm of the rest's sum at T0. */
    KD_CACHE_TOPK = 3
};

/** What a recording is, or is expected to be. */
typedef struct kd_cache_options {
    size_t struct_size;
    size_t k;                   /**< Classes, 1..INT32_MAX. */
    kd_cache_encoding encoding; /**< 0 = F32. */
    /** What the targets are; 0 = logits. F16 takes logits only; TOPK takes logits, of all classes
     * or of the top ones already. */
    kd_target_kind kind;
    size_t top; /**< TOPK: classes kept of each case, 1..k; else 0. */
    /** T0, finite and > 0: of TOPK, of log-probabilities, and of probabilities; else 0. */
    float temperature;
    int32_t reserved;      /**< 0. */
    uint64_t teacher_hash; /**< Whose they are: kd_teacher_hash, or any number of the host's. */
    uint64_t data_hash;    /**< Of what: kd_hash of the transfer set, or any number. */
} kd_cache_options;

/** Options to fill in. */
#define KD_CACHE_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(kd_cache_options), 0, 0, 0, 0, 0.0f, 0, 0, 0                                        \
    }

/** What a file holds. */
typedef struct kd_cache_info {
    size_t struct_size;
    size_t k; /**< As in kd_cache_options, and so on to data_hash. */
    kd_cache_encoding encoding;
    kd_target_kind kind;
    size_t top;
    float temperature;
    int32_t finished; /**< 1: kd_cache_finish was its last call. */
    uint64_t teacher_hash;
    uint64_t data_hash;
    uint64_t cases;      /**< Whole ones. */
    uint64_t case_bytes; /**< Of each. */
    /** Behind the last whole case, of an append that was interrupted. Of a recording that is open:
     * what kd_cache_open cut off. */
    uint64_t torn_bytes;
} kd_cache_info;

/** Info to be filled. */
#define KD_CACHE_INFO_INIT                                                                         \
    {                                                                                              \
        sizeof(kd_cache_info), 0, 0, 0, 0, 0.0f, 0, 0, 0, 0, 0, 0                                  \
    }

KD_BEGIN

/**
 * Opens a recording: begins it if there is no such file, an empty one, or one that came no further
 * than its first 80 bytes; or goes on with it. What an interrupted append left is cut off. A
 * finished file is not changed before more is appended to it; one that is no recording, or another
 * one, never.
 *
 * @param context where its memory comes from.
 * @param path the file.
 * @param options what is recorded; must be what the file says, if there is one.
 * @param out_cache the recording, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _SIZE, _TOO_LARGE, _KIND, _TEMPERATURE, _VALUE; _MISMATCH (the file
 * holds something else: names what), _FORMAT (no recording), _VERSION, _CHECKSUM (a case in the
 * middle, or a finished file, is damaged), _TRUNCATED (a finished file lacks cases), _ID, _IO (also
 * if another writer has it open), _MEMORY.
 *
 * Ownership: the caller owns the recording; the context is retained. Threads: any. Cost: one pass
 * over what is there; memory 16 to 32 bytes a case, and for TOPK 4 bytes for each of options.top;
 * waits for the disk unless it is finished. A failure may leave a new file empty.
 */
KD_API kd_status kd_cache_open(kd_context *context, const char *path,
                               const kd_cache_options *options, kd_cache **out_cache,
                               kd_error *error);

/**
 * Appends cases. All of them are in the file after this call, or none; after a kill in the middle
 * of it, the first ones.
 *
 * @param cache the recording.
 * @param ids [n], none of which is there yet.
 * @param targets [n,k] as kd_teacher_targets fills them, of the kind and T0 of the options.
 * @param n cases, 1..INT32_MAX.
 * @return KD_ERR_NULL, _STRUCT, _SIZE, _TOO_LARGE, _SHAPE (classes, or top), _KIND, _TEMPERATURE,
 * _ID (is there already, or twice here), _NOT_FINITE (TOPK: also fewer than top finite logits),
 * _SUPPORT, _PROBABILITY, _VALUE (F16 and TOPK: a difference of logits above 65,504; a tail that is
 * no float, or is one though all classes are given; a field of TOPK in targets of another kind),
 * _INDEX (classes out of range or order), _IO, _MEMORY; words in kd_cache_error.
 *
 * Once the disk has failed, more may be appended, but kd_cache_finish refuses: open it again.
 *
 * Ownership: Borrowed for the call. Threads: one at a time. Cost: one write of n cases; memory for
 * them the first time. Waits for the disk only if the recording was finished before.
 */
KD_API kd_status kd_cache_append(kd_cache *cache, const uint64_t *ids, const kd_targets *targets,
                                 size_t n);

/**
 * Finishes the recording: marks it as whole and brings it to the disk. More may be appended later,
 * and then it must be finished again.
 *
 * @param cache the recording, of at least one case.
 * @return KD_ERR_NULL, _STATE (no case), _IO; words in kd_cache_error. Once the disk has failed,
 * this handle can't finish it any more, as systems drop what they could not write: open it again,
 * and if that goes well, kd_cache_verify after the machine has started anew tells what is there.
 *
 * Threads: one at a time. Cost: waits for the disk.
 */
KD_API kd_status kd_cache_finish(kd_cache *cache);

/**
 * What has been recorded so far.
 *
 * @param cache the recording.
 * @param out_info filled.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT.
 *
 * Threads: one at a time. Cost: O(1), allocates nothing.
 */
KD_API kd_status kd_cache_get_info(const kd_cache *cache, kd_cache_info *out_info, kd_error *error);

/**
 * What the recording's last failed call had to say.
 *
 * @param cache NULL gives "".
 * @return one sentence, "" if nothing has failed.
 *
 * Errors: none. Ownership: Borrowed until the next call on it. Threads: one at a time. Cost: O(1).
 */
KD_API const char *kd_cache_error(const kd_cache *cache);

/**
 * Closes the recording. Without kd_cache_finish it stays unfinished, and can be gone on with.
 *
 * @param cache NULL is allowed.
 *
 * Errors: none. Ownership: Taken. Threads: alone with it. Cost: O(1).
 */
KD_API void kd_cache_destroy(kd_cache *cache);

/**
 * Reads a file from its first byte to its last, checks all of it, and says what it holds. Changes
 * nothing, and takes unfinished recordings too.
 *
 * @param path the file.
 * @param out_info filled.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _FORMAT, _VERSION, _TRUNCATED (in its header, or before what its
 * seal declares), _CHECKSUM, _IO.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: one pass over the file, allocates nothing.
 * Ids that occur twice, and values that no recording has, are looked for by kd_teacher_from_cache.
 */
KD_API kd_status kd_cache_verify(const char *path, kd_cache_info *out_info, kd_error *error);

/**
 * A finished recording as teacher. All of it is checked here; in use each case is read from the
 * file again, and checked again. The file must not be changed while the teacher lives.
 *
 * @param context where its memory comes from.
 * @param path the file.
 * @param expected what it must hold; fields of 0 take what there is, NULL takes anything.
 * @param out_teacher the new teacher, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT, _MISMATCH, _FORMAT, _VERSION, _TRUNCATED, _CHECKSUM, _STATE (not
 * finished), _ID (twice), _NOT_FINITE, _SUPPORT, _PROBABILITY, _TOO_LARGE, _IO, _MEMORY. In use:
 * KD_ERR_ID for an id that was not recorded, KD_ERR_NULL for a batch without ids, _CHECKSUM, _IO,
 * _TRUNCATED; and a loss answers KD_ERR_RETEMPER where targets serve T0 only.
 *
 * Ownership: the caller owns the teacher; the context is retained, and the file kept open. Threads:
 * any. Cost: one pass over the file, memory 16 bytes a case, and one case; in use one read of each
 * case, and no allocation.
 */
KD_API kd_status kd_teacher_from_cache(kd_context *context, const char *path,
                                       const kd_cache_options *expected, kd_teacher **out_teacher,
                                       kd_error *error);

/**
 * A number that stands for a teacher: layers and weights of a net, members, weights and mean of an
 * ensemble, recorded logits, or the teacher_hash of a recording. Equal teachers, equal numbers.
 *
 * @param teacher any but one that is, or contains, a callback.
 * @param out_hash [1], the number.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _KIND (a callback: only the host knows what it is).
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: one pass over the weights.
 */
KD_API kd_status kd_teacher_hash(const kd_teacher *teacher, uint64_t *out_hash, kd_error *error);

/**
 * A number that stands for some bytes, such as a transfer set: equal on every machine, and
 * different for different bytes but by accident (1 in 2^64). No protection against somebody who
 * wants it. In pieces, each with the number of those before it, it is another number.
 *
 * @param before of the bytes before these; 0 = there are none.
 * @param bytes [size]; may be NULL if size is 0.
 * @param size how many.
 * @return the number; `before` if there are no bytes.
 *
 * Errors: none. Ownership: Borrowed for the call. Threads: any. Cost: O(size), allocates nothing.
 */
KD_API uint64_t kd_hash(uint64_t before, const void *bytes, size_t size);

KD_END

#endif
