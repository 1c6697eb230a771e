/* SPDX-License-Identifier: MIT */
/* See files.h. */
#define _XOPEN_SOURCE 700
#include "files.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static const char *begin_in(const char *where)
{
    snprintf(folder, sizeof folder, "%s/kd-tests-XXXXXX", where);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    return folder;
}

const char *files_begin(void)
{
    return begin_in("/tmp");
}

const char *files_begin_quick(void)
{
    return begin_in(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static size_t each(bool removes)
{
    DIR *all = opendir(folder);
    size_t count = 0;
    struct dirent *entry;
    assert_non_null(all);
    while ((entry = readdir(all))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            count++;
            if (removes && unlink(files_path(entry->d_name)) != 0) {
                assert_int_equal(rmdir(files_path(entry->d_name)), 0);
            }
        }
    }
    closedir(all);
    return count;
}

void files_done(void)
{
    assert_int_equal(chmod(folder, 0755), 0);
    (void)each(true);
    assert_int_equal(rmdir(folder), 0);
}

void files_clear(void)
{
    (void)each(true);
}

size_t files_count(void)
{
    return each(false);
}

const char *files_path(const char *name)
{
    static char paths[2][512];
    static int next;
    next = !next;
    snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
    return paths[next];
}

void files_put(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(files_path(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

io_bytes files_get(const char *name)
{
    FILE *file = fopen(files_path(name), "rb");
    io_bytes got = {0};
    char piece[4096];
    size_t size;
    assert_non_null(file);
    while ((size = fread(piece, 1, sizeof piece, file)) > 0) {
        io_add(&got, piece, size);
    }
    fclose(file);
    return got;
}

bool files_has(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(files_path(name), "rb");
    unsigned char *got = malloc(size + 1);
    assert_non_null(got);
    bool same = file && fread(got, 1, size + 1, file) == size && memcmp(got, bytes, size) == 0;
    if (file) {
        fclose(file);
    }
    free(got);
    return same;
}

int files_child(int (*work)(void))
{
    int how;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(work());
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}
