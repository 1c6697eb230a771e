/* SPDX-License-Identifier: MIT */
/*
 * The one file that touches the file system (POSIX, and flock).
 *
 * A save writes a temporary file in the folder of the old one, brings it to the disk, renames it
 * over the old one, and brings the folder to the disk. The temporary has one of a few fixed names,
 * made from the name of the file; its writer holds a lock on it from its first moment to the
 * rename. So a temporary that can be locked has lost its writer, and is removed by the next save of
 * the same file; one that can't belongs to somebody who is saving now, and the next name is taken.
 *
 * Why nobody's temporary is removed by mistake: it is removed only by who holds its lock, and only
 * if its name still means the file that was locked. A new temporary can be locked by another save
 * before its own writer does; then the writer finds that out, and begins again.
 */
#define _POSIX_C_SOURCE 200809L /* openat, pread and their like are not in C11 */

#include "io/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h> /* renameat */
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS 16      /* saves of one file at the same time, at most */
#define ATTEMPTS 1000 /* to get one of them; only a crowd of others can take it away each time */
#define TO_READ (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) /* a pipe must not block */

/* ---- words ---- */

static const char *meaning(int64_t number)
{
    static const struct {
        int number;
        const char *words;
    } rows[] = {
        {ENOSPC, "no space left on the device"},
        {EDQUOT, "the disk quota is used up"},
        {EFBIG, "the file is too large"},
        {EIO, "an error of the device"},
        {EACCES, "permission denied"},
        {EPERM, "not permitted"},
        {EROFS, "a read-only file system"},
        {ENOENT, "no such file or folder"},
        {ENOTDIR, "a part of the path is not a folder"},
        {EISDIR, "it is a folder"},
        {ELOOP, "a symbolic link"},
        {ENAMETOOLONG, "the name is too long"},
        {EMFILE, "too many open files"},
        {ENFILE, "too many open files"},
        {EWOULDBLOCK, "another writer has it open"},
        {EXDEV, "another file system"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (number == -rows[i].number) {
            return rows[i].words;
        }
    }
    return "the system refused";
}

static kd_status refused(kd_error *error, int number, const char *verb, const char *path)
{
    kd_status status = number == ENOENT ? KD_ERR_NO_FILE : KD_ERR_IO;
    return kdi_base_fail(error, status, 0, "%s failed: %s (errno %i): %s", verb,
                         meaning(-(int64_t)number), (int64_t)number, path);
}

static kd_status not_regular(kd_error *error, mode_t mode, const char *path)
{
    return kdi_base_fail(error, KD_ERR_IO, 0, "%s, not a regular file: %s",
                         S_ISDIR(mode)   ? "it is a folder"
                         : S_ISLNK(mode) ? "it is a symbolic link"
                                         : "it is a device or a pipe",
                         path);
}

/* ---- the system's calls, begun again if a signal interrupted them ---- */

static int open_at(int folder, const char *name, int flags, mode_t mode)
{
    int descriptor;
    do {
        descriptor = openat(folder, name, flags, mode);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

static int sync_now(int descriptor)
{
    int result;
    do {
        result = fsync(descriptor);
    } while (result < 0 && errno == EINTR);
    return result;
}

/* Whether the lock was got without waiting. */
static bool lock(int descriptor)
{
    int result;
    do {
        result = flock(descriptor, LOCK_EX | LOCK_NB);
    } while (result < 0 && errno == EINTR);
    return result == 0;
}

static int64_t read_some(void *user, uint64_t offset, void *out_bytes, size_t size)
{
    const kdi_io_file *file = user;
    ssize_t got;
    do {
        got = pread(file->descriptor, out_bytes, size, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static int64_t write_some(void *user, const void *bytes, size_t size)
{
    const kdi_io_saving *saving = user;
    ssize_t got;
    do {
        got = write(saving->descriptor, bytes, size);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* The descriptor is gone even if a signal interrupts this, so it is never begun again. */
static void close_now(int *descriptor)
{
    if (*descriptor >= 0) {
        (void)close(*descriptor);
    }
    *descriptor = -1;
}

/* ---- reading ---- */

/* Takes the descriptor of a file that must be a regular one; closes it if it is not. */
static kd_status take_file(kdi_io_file *out, int descriptor, const char *path, kd_error *error)
{
    struct stat s;
    *out = (kdi_io_file){.descriptor = descriptor, .path = path};
    kd_status status = KD_OK;
    if (descriptor < 0 || fstat(descriptor, &s) < 0) {
        status = refused(error, errno, "opening", path);
    } else if (!S_ISREG(s.st_mode)) {
        status = not_regular(error, s.st_mode, path);
    } else {
        out->size = (uint64_t)s.st_size;
    }
    if (status != KD_OK) {
        close_now(&out->descriptor);
    }
    return status;
}

kd_status kdi_io_file_open(kdi_io_file *out, const char *path, kd_error *error)
{
    return take_file(out, open_at(AT_FDCWD, path, TO_READ, 0), path, error);
}

kdi_io_source kdi_io_file_source(kdi_io_file *file)
{
    kdi_io_source source = {.reader = KD_READER_INIT, .name = file->path, .meaning = meaning};
    source.reader.read = read_some;
    source.reader.user = file;
    source.reader.size = file->size;
    return source;
}

void kdi_io_file_close(kdi_io_file *file)
{
    close_now(&file->descriptor);
}

/* ---- the folder of a path ---- */

/* Opens it, and finds the last part of the path. */
static kd_status open_folder(const kdi_allocator *allocator, const char *path, int *out_folder,
                             const char **out_base, kd_error *error)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    *out_base = slash ? slash + 1 : path;
    char *folder = kdi_base_new(allocator, length + 2);
    if (!folder) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a path (%z bytes)",
                             length + 2);
    }
    memcpy(folder, slash ? path : ".", length ? length : 1); /* "/" of "/file" */
    *out_folder = open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    int number = errno;
    kdi_base_delete(allocator, folder, length + 2);
    return *out_folder < 0 ? refused(error, number, "opening the folder", path) : KD_OK;
}

/* ---- saving ---- */

/* ".kd-" checksum of the name "-" number ".tmp": short, whatever the name is. */
static void name_slot(kdi_io_saving *s, size_t slot)
{
    char digits[9] = {0};
    kdi_io_put_hex(digits, kdi_io_crc(0, s->base, strlen(s->base)));
    kdi_base_say(s->temporary, sizeof s->temporary, ".kd-%s-%z.tmp", digits, slot);
}

/* Whether the name in the folder means the file of the descriptor. */
static bool is_named(const kdi_io_saving *s, int descriptor)
{
    struct stat named;
    struct stat ours;
    return fstatat(s->folder, s->temporary, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(descriptor, &ours) == 0 && named.st_dev == ours.st_dev &&
           named.st_ino == ours.st_ino;
}

/* Removes the temporary of this name if it has lost its writer. */
static void clean_slot(const kdi_io_saving *s)
{
    int descriptor = open_at(s->folder, s->temporary, TO_READ | O_NOFOLLOW, 0);
    if (descriptor >= 0 && lock(descriptor) && is_named(s, descriptor)) {
        (void)unlinkat(s->folder, s->temporary, 0);
    }
    close_now(&descriptor);
}

/* A temporary of our own, locked; errno says why not. */
static bool take_slot(kdi_io_saving *s, mode_t mode)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    s->descriptor = open_at(s->folder, s->temporary, flags, mode);
    if (s->descriptor < 0) {
        return false;
    }
    /* Where locks do not exist, there are none to lose: then nobody else cleans either. */
    bool locked = lock(s->descriptor) || errno != EWOULDBLOCK;
    if (locked && is_named(s, s->descriptor)) {
        return true;
    }
    close_now(&s->descriptor);
    errno = EEXIST;
    return false;
}

static kd_status take_any_slot(kdi_io_saving *s, mode_t mode, kd_error *error)
{
    for (size_t slot = 0; slot < SLOTS; slot++) {
        name_slot(s, slot);
        clean_slot(s);
    }
    for (size_t i = 0; i < ATTEMPTS; i++) {
        name_slot(s, i % SLOTS);
        if (take_slot(s, mode)) {
            return KD_OK;
        }
        if (errno != EEXIST) {
            return refused(error, errno, "making a temporary file beside it", s->path);
        }
    }
    return kdi_base_fail(error, KD_ERR_IO, 0, "%z temporary files .kd-*.tmp are in use beside %s",
                         (size_t)SLOTS, s->path);
}

static kd_status begin(kdi_io_saving *s, kd_error *error)
{
    struct stat old;
    bool exists = fstatat(s->folder, s->base, &old, AT_SYMLINK_NOFOLLOW) == 0;
    if (*s->base == '\0') {
        return not_regular(error, S_IFDIR, s->path);
    }
    if (!exists && errno != ENOENT) {
        return refused(error, errno, "looking at the old file", s->path);
    }
    if (exists && !S_ISREG(old.st_mode)) {
        return not_regular(error, old.st_mode, s->path);
    }
    /* Nobody reads the new file before it has the permissions of the old one. */
    kd_status status = take_any_slot(s, exists ? 0600 : 0666, error);
    if (status == KD_OK && exists && fchmod(s->descriptor, old.st_mode & 0777) < 0) {
        status = refused(error, errno, "setting permissions of the temporary file", s->path);
    }
    return status;
}

/* Gives up what is open; the temporary goes unless it took its place. */
static void leave(kdi_io_saving *s, bool done)
{
    if (s->descriptor >= 0 && !done) {
        (void)unlinkat(s->folder, s->temporary, 0);
    }
    close_now(&s->descriptor); /* with it goes the lock */
    close_now(&s->folder);
}

kd_status kdi_io_save_begin(kdi_io_saving *out, const kdi_allocator *allocator, const char *path,
                            kd_error *error)
{
    *out = (kdi_io_saving){.folder = -1, .descriptor = -1, .path = path};
    kd_status status = open_folder(allocator, path, &out->folder, &out->base, error);
    status = status ? status : begin(out, error);
    if (status != KD_OK) {
        leave(out, false);
    }
    return status;
}

kdi_io_sink kdi_io_save_sink(kdi_io_saving *saving)
{
    kdi_io_sink sink = {.writer = KD_WRITER_INIT, .name = saving->path, .meaning = meaning};
    sink.writer.write = write_some;
    sink.writer.user = saving;
    return sink;
}

kd_status kdi_io_save_end(kdi_io_saving *s, kd_status so_far, kd_error *error)
{
    kd_status status = so_far;
    if (status == KD_OK && sync_now(s->descriptor) < 0) {
        status = refused(error, errno, "bringing it to the disk", s->path);
    }
    if (status == KD_OK && renameat(s->folder, s->temporary, s->folder, s->base) < 0) {
        status = refused(error, errno, "replacing the old file", s->path);
    }
    bool done = status == KD_OK;
    if (done && sync_now(s->folder) < 0) {
        status =
            refused(error, errno, "it is written, but bringing its folder to the disk", s->path);
    }
    leave(s, done);
    return status;
}

/* ---- appending ---- */

/* Makes an empty file, or, without `out`, sees to it that a power cut can't take away its name. */
static kd_status in_folder(const kdi_allocator *allocator, const char *path, int *out,
                           kd_error *error)
{
    int folder = -1;
    const char *base;
    kd_status status = open_folder(allocator, path, &folder, &base, error);
    if (status == KD_OK && out) {
        *out = open_at(folder, base, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
        status = *out < 0 ? refused(error, errno, "creating", path) : KD_OK;
    } else if (status == KD_OK && sync_now(folder) < 0) {
        status = refused(error, errno, "creating", path);
    }
    close_now(&folder);
    return status;
}

kd_status kdi_io_append_open(kdi_io_file *out, const kdi_allocator *allocator, const char *path,
                             bool may_create, kd_error *error)
{
    *out = (kdi_io_file){.descriptor = -1, .path = path};
    int descriptor = open_at(AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (descriptor < 0 && errno == ENOENT && may_create) {
        kd_status status = in_folder(allocator, path, &descriptor, error);
        if (status != KD_OK) {
            return status;
        }
    }
    if (descriptor >= 0 && !lock(descriptor) && errno == EWOULDBLOCK) {
        kd_status status = refused(error, errno, "opening", path);
        close_now(&descriptor);
        return status;
    }
    kd_status status = take_file(out, descriptor, path, error); /* behind the lock: a final size */
    bool is_new = status == KD_OK && may_create && out->size == 0; /* or left by who made it */
    if (is_new) {
        status = in_folder(allocator, path, NULL, error);
        if (status != KD_OK) {
            close_now(&out->descriptor);
        }
    }
    return status;
}

kd_status kdi_io_append(kdi_io_file *file, const void *bytes, size_t size, kd_error *error)
{
    const unsigned char *at = bytes;
    size_t left = size;
    while (left > 0) {
        uint64_t end = file->size + (size - left);
        ssize_t got = pwrite(file->descriptor, at, left, (off_t)end);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            kd_status status = refused(error, got < 0 ? errno : ENOSPC, "appending", file->path);
            /* If that fails too, what hangs over is cut off when the file is opened again. */
            int cut = ftruncate(file->descriptor, (off_t)file->size);
            (void)cut;
            return status;
        }
        at += got;
        left -= (size_t)got;
    }
    file->size += size;
    return KD_OK;
}

kd_status kdi_io_append_sync(kdi_io_file *file, kd_error *error)
{
    if (sync_now(file->descriptor) < 0) {
        file->unsure = true;
        return refused(error, errno, "bringing it to the disk", file->path);
    }
    return KD_OK;
}

kd_status kdi_io_append_cut(kdi_io_file *file, uint64_t size, kd_error *error)
{
    int result;
    do {
        result = ftruncate(file->descriptor, (off_t)size);
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        return refused(error, errno, "cutting it off", file->path);
    }
    file->size = size;
    return kdi_io_append_sync(file, error);
}
