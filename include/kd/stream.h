/* SPDX-License-Identifier: MIT */
/**
 * @file stream.h
 * Tier 3: where the bytes of files come from and go to, if not from and to a path: memory, an
 * archive, a database, a socket. Calls that read take a path or a kd_reader, calls that write a
 * path or a kd_writer: exactly one of the two, the other is NULL.
 *
 * What the calls with a path do
 *
 *   - Paths are bytes that end in a zero, handed to the system as they are: no locale, no
 *     expansion.
 *
 *   - A save is all or nothing, also if the program is killed or the power fails. The bytes go to
 *     a temporary file in the same folder (".kd-" and ".tmp" around letters and digits), reach the
 *     disk, and then take the place of the old file in one step; last, the folder reaches the disk.
 *     After a failure the old file is as it was, and the temporary is gone. The temporary of a
 *     program that was killed goes with the next save to the same path.
 *
 *   - The new file has the permission bits of the old one, or those that the umask leaves of 0666.
 *     Owner, further access rules and hard links of the old file are not carried over. A path that
 *     is a symbolic link, a folder or a device is refused, never replaced.
 *
 *   - The library leaves signals alone: a host that limits the size of files (RLIMIT_FSIZE) ignores
 *     SIGXFSZ, or it ends there. Files are locked (flock) while they are written, so that two
 *     writers do not mix.
 */
#ifndef KD_STREAM_H
#define KD_STREAM_H

#include <kd/base.h>

/**
 * Reads up to `size` bytes that stand `offset` bytes behind the beginning.
 *
 * `user` is the pointer of the kd_reader. The library asks for at least one byte, and never for
 * bytes beyond kd_reader.size. It asks in any order, and for the same bytes again if it likes: they
 * must not have changed. Called on the thread of the call that was given the reader, before that
 * call returns.
 *
 * Returns the number of bytes, from 1 to `size`; fewer than asked is no failure, the rest is asked
 * for again. 0: the file ends here after all (KD_ERR_TRUNCATED). Negative: it could not be read
 * (KD_ERR_IO, and the number stands in the words).
 */
typedef int64_t (*kd_read_fn)(void *user, uint64_t offset, void *out_bytes, size_t size);

/**
 * Takes up to `size` bytes, at least one, that follow those of the call before.
 *
 * `user` is the pointer of the kd_writer. There is no way back: a file is written from its first
 * byte to its last. Called on the thread of the call that was given the writer, before that call
 * returns. If that call fails, what was written so far is no file, and the host throws it away.
 *
 * Returns the number of bytes taken, from 1 to `size`; fewer than given is no failure, the rest is
 * given again. 0 or negative: they could not be written (KD_ERR_IO, and the number stands in the
 * words).
 */
typedef int64_t (*kd_write_fn)(void *user, const void *bytes, size_t size);

/** A file to read: its size, and a callback that gets at any of its bytes. */
typedef struct kd_reader {
    size_t struct_size; /**< sizeof(kd_reader), set by KD_READER_INIT. */
    kd_read_fn read;    /**< Needed. */
    void *user;         /**< Handed to it. */
    /** Bytes of the file. What a file declares is held against this before memory is taken. */
    uint64_t size;
} kd_reader;

/** A reader to fill in. */
#define KD_READER_INIT                                                                             \
    {                                                                                              \
        sizeof(kd_reader), NULL, NULL, 0                                                           \
    }

/** A file to write, from its first byte to its last. */
typedef struct kd_writer {
    size_t struct_size; /**< sizeof(kd_writer), set by KD_WRITER_INIT. */
    kd_write_fn write;  /**< Needed. */
    void *user;         /**< Handed to it. */
} kd_writer;

/** A writer to fill in. */
#define KD_WRITER_INIT                                                                             \
    {                                                                                              \
        sizeof(kd_writer), NULL, NULL                                                              \
    }

#endif
