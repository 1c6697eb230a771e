/* SPDX-License-Identifier: MIT */
/**
 * @file base.h
 * Tier 1: what every call of libkd has in common: version, status, words for a failure.
 *
 * Conventions of all headers
 *
 *   - Every function that can fail returns a kd_status: KD_OK (0) or a negative number. The numbers
 *     are pinned: a program may store them, and a later release only adds new ones.
 *
 *   - A call that fails leaves every handle as it was. Output buffers of tier-1 calls are then
 *     unspecified.
 *
 *   - Matrices are float, row-major, written [rows,columns]. A stride counts floats from one row to
 *     the next; 0 means dense (the number of columns). Sizes are size_t; n, k, widths and strides
 *     reach at most INT32_MAX.
 *
 *   - Structs that cross the border begin with struct_size and have an ..._INIT. They only grow at
 *     their end. On the way in a missing tail means the defaults, and a tail that this library does
 *     not know must be all zero (KD_ERR_STRUCT). On the way out only the caller's struct_size bytes
 *     are written, and what stands behind those that this library knows is left alone.
 *
 *   - Letters: n cases (rows of the batch), k classes, z student logits, v teacher logits, q and p
 *     their softmax.
 *
 *   - The library never prints, exits, reads the environment, touches signals or keeps a mutable
 *     global.
 */
#ifndef KD_BASE_H
#define KD_BASE_H

#include <stddef.h>
#include <stdint.h>

/* How an exported function is marked; the library's own build sets it, a host leaves it empty. */
#ifndef KD_API
#define KD_API
#endif

#ifdef __cplusplus
#define KD_BEGIN extern "C" {
#define KD_END }
#else
#define KD_BEGIN
#define KD_END
#endif

/** The version of these headers: major, minor, patch. */
#define KD_VERSION_MAJOR 0
#define KD_VERSION_MINOR 1
#define KD_VERSION_PATCH 0
/** The same as one number that grows with each release: 1.2.3 is 10203. */
#define KD_VERSION_NUM (KD_VERSION_MAJOR * 10000 + KD_VERSION_MINOR * 100 + KD_VERSION_PATCH)

/**
 * Every status: name, pinned number, text. KD_STATUS_LIST(X) calls X(name, number, text) for each,
 * so a host can make its own table of them.
 */
#define KD_STATUS_LIST(X)                                                                          \
    X(KD_OK, 0, "success")                                                                         \
    X(KD_ERR_NULL, -1, "a pointer that is needed is NULL")                                         \
    X(KD_ERR_SIZE, -2, "a size is zero, or a stride is smaller than its row")                      \
    X(KD_ERR_TOO_LARGE, -3, "a size is above INT32_MAX, or a product of sizes overflows")          \
    X(KD_ERR_STRUCT, -4, "struct_size is wrong, or an unknown tail of the struct is not zero")     \
    X(KD_ERR_KIND, -5, "no such kind, or not usable here")                                         \
    X(KD_ERR_TEMPERATURE, -6, "a temperature is not finite and positive")                          \
    X(KD_ERR_WEIGHT, -7, "a weight is negative or not finite")                                     \
    X(KD_ERR_VALUE, -8, "an option is outside its range")                                          \
    X(KD_ERR_LABEL, -9, "a label is outside [-1, k)")                                              \
    X(KD_ERR_PROBABILITY, -10, "a row of targets is not a probability distribution")               \
    X(KD_ERR_NOT_FINITE, -11, "a NaN or an infinity where only finite values may be")              \
    X(KD_ERR_SUPPORT, -12, "a row of logits is all -inf, or z = -inf where the target is not 0")   \
    X(KD_ERR_OVERLAP, -13, "two buffers overlap in part, or student and teacher are one buffer")   \
    X(KD_ERR_RETEMPER, -14, "these targets can't serve another temperature")                       \
    X(KD_ERR_EMPTY_BATCH, -15, "no case of the batch has any weight")                              \
    X(KD_ERR_SHAPE, -16, "shapes do not chain or do not match")                                    \
    X(KD_ERR_WORKSPACE, -17, "the batch is larger than the workspace")                             \
    X(KD_ERR_STATE, -18, "the object is not in a state that allows this call")                     \
    X(KD_ERR_MEMORY, -19, "the allocator returned NULL")                                           \
    X(KD_ERR_BUSY, -20, "the handle is inside a call already")                                     \
    X(KD_ERR_CALLBACK, -21, "a callback of the host asked to stop")                                \
    X(KD_ERR_ID, -22, "a sample id is unknown or occurs twice")                                    \
    X(KD_ERR_UNSUPPORTED, -23, "this build can't do that yet")                                     \
    X(KD_ERR_INDEX, -24, "an index or a name does not exist")                                      \
    X(KD_ERR_BLAS_THREADS, -25, "the BLAS runs threads of its own beside those of a context")      \
    X(KD_ERR_THREADS, -26, "a thread could not be started")                                        \
    X(KD_ERR_IO, -27, "the system, or a callback of the host, could not read or write")            \
    X(KD_ERR_FORMAT, -28, "not a file of this kind, or its grammar is broken")                     \
    X(KD_ERR_TRUNCATED, -29, "the file ends before what it declares")                              \
    X(KD_ERR_CHECKSUM, -30, "bytes of the file do not have the checksum that stands in it")        \
    X(KD_ERR_VERSION, -31, "the file has a version that this library does not know")               \
    X(KD_ERR_MISMATCH, -32, "the file is sound, but does not fit the object")                      \
    X(KD_ERR_NO_FILE, -33, "there is no such file or folder")                                      \
    X(KD_CANCELLED, -34, "the host asked to stop, by kd_cancel")

/**
 * A context: where memory comes from, and the threads that work (context.h). The calls of tier 1
 * take one optionally, for its threads.
 */
typedef struct kd_context kd_context;

/** Result of a call: KD_OK or a negative number of KD_STATUS_LIST. */
typedef int32_t kd_status;

enum {
#define KD_STATUS_ENUM_(name, number, text) name = (number),
    KD_STATUS_LIST(KD_STATUS_ENUM_)
#undef KD_STATUS_ENUM_
};

/**
 * Words for a failure, in memory of the caller. Functions that take a `kd_error *` accept NULL, and
 * an older or newer struct_size: the text is cut to fit, and a size that makes no sense is left
 * alone. It is written on failure only, so success costs nothing.
 */
typedef struct kd_error {
    size_t struct_size; /**< sizeof(kd_error), set by KD_ERROR_INIT. */
    kd_status status;   /**< What the failing call returned. */
    int32_t argument;   /**< Which argument was at fault, counted from 1; 0 if none. */
    char text[240]; /**< One sentence that names argument and value, zero-terminated, English. */
} kd_error;

/** An empty kd_error; use as initialiser. */
#define KD_ERROR_INIT                                                                              \
    {                                                                                              \
        sizeof(kd_error), 0, 0,                                                                    \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

KD_BEGIN

/**
 * The version of the library that is linked at run time.
 *
 * @return KD_VERSION_NUM of the library; compare with the header's own.
 *
 * Errors: none. Threads: any. Cost: O(1), allocates nothing.
 */
KD_API int32_t kd_version(void);

/**
 * The name of a status, such as "KD_ERR_LABEL".
 *
 * @param status any number.
 * @return a constant string, never NULL; "KD_ERR_?" for a number that is no status.
 *
 * Errors: none. Ownership: Borrowed, static. Threads: any. Cost: O(1), allocates nothing.
 */
KD_API const char *kd_status_name(kd_status status);

/**
 * What a status means in general; a kd_error says it for the case at hand.
 *
 * @param status any number.
 * @return a constant English string, never NULL.
 *
 * Errors: none. Ownership: Borrowed, static. Threads: any. Cost: O(1), allocates nothing.
 */
KD_API const char *kd_status_text(kd_status status);

KD_END

#endif
