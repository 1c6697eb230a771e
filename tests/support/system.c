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

void (*system_seen)(const system_call *call);

/* Counts a call, and tells if it is at fault. */
static bool hit(const char *name)
{
    if (now.only && strcmp(now.only, name) != 0) {
        return false;
    }
    now.calls++;
    if (now.calls != now.at && !(now.lasting && now.calls > now.at)) {
        return false;
    }
    if (!*now.what) {
        snprintf(now.what, sizeof now.what, "%s", name);
    }
    return true;
}

static bool fails(const char *name)
{
    if (!now.armed || now.kind != FAULT_ERROR || !hit(name)) {
        return false;
    }
    now.stray = now.stray || strstr("unlinkat fstat fstatat", name);
    errno = now.number;
    return true;
}

/* Those that a signal interrupts; it does so once, and lets them be when they are made again. */
static bool stops(const char *name)
{
    if (!now.armed || (!now.slow && now.kind != FAULT_INTERRUPT)) {
        return fails(name);
    }
    now.again = !now.again && (now.slow || hit(name));
    errno = EINTR;
    return now.again;
}

static void meanwhile(void)
{
    if (now.armed && now.before_lock) {
        now.before_lock();
    }
}

static size_t little(const char *name, size_t size)
{
    bool one = now.armed && size > 1 && (now.slow || (now.kind == FAULT_SINGLE_BYTE && hit(name)));
    return one ? 1 : size;
}

/* Passes a call on to whom it may concern, without a trace in errno. */
static void seen(system_call call)
{
    int number = errno;
    if (system_seen) {
        system_seen(&call);
    }
    errno = number;
}

static ssize_t wrote(int file, const void *bytes, ssize_t size, int64_t at)
{
    if (size > 0) {
        seen((system_call){
            .kind = CALL_WRITE, .file = file, .bytes = bytes, .size = (size_t)size, .at = at});
    }
    return size;
}

static int cut(int file, off_t size, int result)
{
    if (result == 0) {
        seen((system_call){.kind = CALL_CUT, .file = file, .size = (size_t)size});
    }
    return result;
}

static int opened(int file, const char *path, int flags)
{
    if (file >= 0) {
        seen((system_call){.kind = CALL_OPEN, .file = file, .path = path, .flags = flags});
    }
    return file;
}

static int did(int result, system_call call)
{
    if (result == 0) {
        seen(call);
    }
    return result;
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
            return stops("openat")                                                                 \
                       ? -1                                                                        \
                       : opened(__real_##name(folder, path, flags, mode), path, flags);)
#define STAT(name)                                                                                 \
    WRAPPED(int, name, (int file, struct stat *s),                                                 \
            return fails("fstat") ? -1 : __real_##name(file, s);)
#define STATAT(name)                                                                               \
    WRAPPED(int, name, (int folder, const char *path, struct stat *s, int flags),                  \
            return fails("fstatat") ? -1 : __real_##name(folder, path, s, flags);)
#define CUT(name)                                                                                  \
    WRAPPED(int, name, (int file, off_t size),                                                     \
            return stops("ftruncate") ? -1 : cut(file, size, __real_##name(file, size));)
#define PREAD(name)                                                                                \
    WRAPPED(ssize_t, name, (int file, void *bytes, size_t size, off_t at),                         \
            return stops("pread") ? -1 : __real_##name(file, bytes, little("pread", size), at);)
#define PWRITE(name)                                                                               \
    WRAPPED(ssize_t, name, (int file, const void *bytes, size_t size, off_t at),                   \
            return stops("pwrite")                                                                 \
                       ? -1                                                                        \
                       : wrote(file, bytes,                                                        \
                               __real_##name(file, bytes, little("pwrite", size), at), at);)

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
        return stops("write")
                   ? -1
                   : wrote(file, bytes, __real_write(file, bytes, little("write", size)), -1);)
WRAPPED(int, fsync, (int file), now.syncs++; bool stopped = stops("fsync");
        now.unsynced = now.unsynced || (stopped && errno != EINTR);
        return stopped ? -1
                       : did(__real_fsync(file), (system_call){.kind = CALL_SYNC, .file = file});)
WRAPPED(int, flock, (int file, int how), meanwhile();
        return stops("flock") ? -1 : __real_flock(file, how);)
WRAPPED(int, fchmod, (int file, mode_t mode),
        return fails("fchmod") ? -1 : __real_fchmod(file, mode);)
WRAPPED(int, unlinkat, (int folder, const char *path, int flags),
        return fails("unlinkat") ? -1
                                 : did(__real_unlinkat(folder, path, flags),
                                       (system_call){.kind = CALL_UNLINK, .path = path});)
WRAPPED(int, renameat, (int folder, const char *from, int other, const char *to),
        int result = fails("renameat") ? -1 : __real_renameat(folder, from, other, to);
        now.renamed = now.renamed || result == 0;
        return did(result, (system_call){.kind = CALL_RENAME, .path = from, .to = to});)
WRAPPED(int, close, (int file), seen((system_call){.kind = CALL_CLOSE, .file = file});
        int result = __real_close(file);
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
