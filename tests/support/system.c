/* SPDX-License-Identifier: MIT */
/* See system.h. Names that end in 64 are the same calls where sizes of files have 64 bits. */
#define _POSIX_C_SOURCE 200809L
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

fault now;
size_t system_runs;

static bool fails(const char *name)
{
    if (!now.armed) {
        return false;
    }
    now.calls++;
    if (now.calls != now.at && !(now.lasting && now.calls > now.at)) {
        return false;
    }
    if (!*now.what) {
        snprintf(now.what, sizeof now.what, "%s", name);
    }
    now.stray = now.stray || strstr("unlinkat fstat fstatat", name);
    errno = now.number;
    return true;
}

/* Those that a signal interrupts. */
static bool stops(const char *name)
{
    if (now.armed && now.slow) {
        now.again = !now.again;
        errno = EINTR;
        return now.again;
    }
    return fails(name);
}

static void meanwhile(void)
{
    if (now.armed && now.before_lock) {
        now.before_lock();
    }
}

static size_t little(size_t size)
{
    return now.armed && now.slow && size > 1 ? 1 : size;
}

#define WRAPPED(result, name, parameters, body)                                                    \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        body                                                                                       \
    }

#define OPEN(name)                                                                                 \
    WRAPPED(int, name, (int folder, const char *path, int flags, mode_t mode),                     \
            return stops("openat") ? -1 : __real_##name(folder, path, flags, mode);)
#define STAT(name)                                                                                 \
    WRAPPED(int, name, (int file, struct stat *s),                                                 \
            return fails("fstat") ? -1 : __real_##name(file, s);)
#define STATAT(name)                                                                               \
    WRAPPED(int, name, (int folder, const char *path, struct stat *s, int flags),                  \
            return fails("fstatat") ? -1 : __real_##name(folder, path, s, flags);)
#define CUT(name)                                                                                  \
    WRAPPED(int, name, (int file, off_t size),                                                     \
            return stops("ftruncate") ? -1 : __real_##name(file, size);)
#define PREAD(name)                                                                                \
    WRAPPED(ssize_t, name, (int file, void *bytes, size_t size, off_t at),                         \
            return stops("pread") ? -1 : __real_##name(file, bytes, little(size), at);)
#define PWRITE(name)                                                                               \
    WRAPPED(ssize_t, name, (int file, const void *bytes, size_t size, off_t at),                   \
            return stops("pwrite") ? -1 : __real_##name(file, bytes, little(size), at);)

OPEN(openat)
OPEN(openat64)
STAT(fstat)
STAT(fstat64)
STATAT(fstatat)
STATAT(fstatat64)
CUT(ftruncate)
CUT(ftruncate64)
PREAD(pread)
PREAD(pread64)
PWRITE(pwrite)
PWRITE(pwrite64)
WRAPPED(ssize_t, write, (int file, const void *bytes, size_t size),
        return stops("write") ? -1 : __real_write(file, bytes, little(size));)
WRAPPED(int, fsync, (int file), now.syncs++; return stops("fsync") ? -1 : __real_fsync(file);)
WRAPPED(int, flock, (int file, int how), meanwhile();
        return stops("flock") ? -1 : __real_flock(file, how);)
WRAPPED(int, fchmod, (int file, mode_t mode),
        return fails("fchmod") ? -1 : __real_fchmod(file, mode);)
WRAPPED(int, unlinkat, (int folder, const char *path, int flags),
        return fails("unlinkat") ? -1 : __real_unlinkat(folder, path, flags);)
WRAPPED(int, renameat, (int folder, const char *from, int other, const char *to),
        int result = fails("renameat") ? -1 : __real_renameat(folder, from, other, to);
        now.renamed = now.renamed || result == 0; return result;)
WRAPPED(int, close, (int file), int result = __real_close(file);
        return fails("close") ? -1 : result;) /* closed it is, whatever it returns */

static size_t open_files(void)
{
    size_t count = 0;
    for (int i = 0; i < 64; i++) {
        count += fcntl(i, F_GETFD) >= 0;
    }
    return count;
}

bool system_run(kd_status (*work)(kd_error *error), fault f, kd_status *out, kd_error *error)
{
    size_t open_before = open_files();
    now = f;
    now.armed = true;
    *out = work(error);
    now.armed = false;
    system_runs++;
    assert_int_equal(open_files(), open_before);
    assert_int_equal(*out, error->status);
    return *now.what != '\0';
}
