/* SPDX-License-Identifier: MIT */
/* See files.h. */
#define _XOPEN_SOURCE 700
#include "files.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

const char *files_begin(void)
{
    strcpy(folder, "/tmp/kd-io-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    return folder;
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

kd_status files_save(const char *path, unsigned char value, size_t size, kd_error *error)
{
    unsigned char piece[5000];
    kdi_allocator libc = kdi_base_libc_allocator();
    kdi_io_saving saving;
    kd_status status = kdi_io_save_begin(&saving, &libc, path, error);
    if (status != KD_OK) {
        return status;
    }
    kdi_io_sink sink = kdi_io_save_sink(&saving);
    memset(piece, value, sizeof piece);
    while (status == KD_OK && size > 0) {
        size_t n = size < sizeof piece ? size : sizeof piece;
        status = kdi_io_write(&sink, piece, n, error);
        size -= n;
    }
    return kdi_io_save_end(&saving, status, error);
}

int files_value(const char *path, size_t size)
{
    kdi_io_file file;
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    if (kdi_io_file_open(&file, path, NULL) != KD_OK) {
        free(bytes);
        return -1;
    }
    kdi_io_source source = kdi_io_file_source(&file);
    int value = -1;
    if (file.size == size && kdi_io_read(&source, 0, bytes, size, NULL) == KD_OK) {
        value = bytes[0];
        for (size_t i = 1; i < size && value >= 0; i++) {
            value = bytes[i] == value ? value : -1;
        }
    }
    kdi_io_file_close(&file);
    free(bytes);
    return value;
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
