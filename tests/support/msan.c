/* SPDX-License-Identifier: MIT */
/* Tells MemorySanitizer what clang 14 does not know: that fstat and fstatat fill their struct. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dlfcn.h>
#include <string.h>
#include <sys/stat.h>

void __msan_unpoison(const volatile void *address, size_t size);
int fstat64(int file, struct stat64 *out);
int fstatat64(int folder, const char *path, struct stat64 *out, int flags);

int fstat64(int file, struct stat64 *out)
{
    int (*real)(int, struct stat64 *) = NULL;
    void *found = dlsym(RTLD_NEXT, "fstat64");
    memcpy(&real, &found, sizeof real);
    int result = real(file, out);
    __msan_unpoison(out, sizeof *out);
    return result;
}

int fstatat64(int folder, const char *path, struct stat64 *out, int flags)
{
    int (*real)(int, const char *, struct stat64 *, int) = NULL;
    void *found = dlsym(RTLD_NEXT, "fstatat64");
    memcpy(&real, &found, sizeof real);
    int result = real(folder, path, out, flags);
    __msan_unpoison(out, sizeof *out);
    return result;
}
