/* SPDX-License-Identifier: MIT */
/*
 * Every call that file.c makes of the system fails once, and from then on, with several errors; or
 * is interrupted, or does one byte of what it was asked for.
 */
#define _POSIX_C_SOURCE 200809L
#include "../support/system.h"
#include "files.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the works ---- */

#define OLD 300
#define NEW 12000

static const int numbers[] = {EIO, ENOSPC, EDQUOT, EACCES, EROFS, EMFILE, ENOLCK, EXDEV, 9999};

static kd_status save(kd_error *error)
{
    return files_save(files_path("a"), 2, NEW, error);
}

static void a_save(void **state)
{
    (void)state;
    files_begin();
    for (size_t i = 0; i < 2 * COUNT(numbers); i++) {
        bool more = true;
        for (size_t at = 1; more; at++) {
            fault f = {.at = at, .lasting = i % 2, .number = numbers[i / 2]};
            kd_error error = KD_ERROR_INIT;
            kd_status status;
            assert_int_equal(files_save(files_path("a"), 1, OLD, NULL), KD_OK);
            more = system_run(save, f, &status, &error);
            bool saved = files_value(files_path("a"), NEW) == 2;
            if (status == KD_OK) {
                assert_true(saved);
            } else {
                io_refused(now.what, status, KD_ERR_IO, &error, NULL);
                assert_true(saved ? now.renamed && strstr(error.text, "it is written, but") != NULL
                                  : files_value(files_path("a"), OLD) == 1);
                assert_true(strstr(error.text, "errno") || strstr(error.text, "writing"));
            }
            if (!now.stray) {
                assert_int_equal(files_count(), 1);
            }
        }
    }
    assert_int_equal(files_save(files_path("a"), 1, OLD, NULL), KD_OK);
    assert_int_equal(files_count(), 1); /* whatever was left is gone */
    files_done();
}

/* What must not be forgiven: each of these calls, if it fails, fails the save. */
static void what_a_save_must_not_forgive(void **state)
{
    (void)state;
    static const char *const names[] = {"write", "fsync", "renameat", "fchmod"};
    size_t seen[COUNT(names)] = {0};
    bool more = true;
    files_begin();
    for (size_t at = 1; more; at++) {
        kd_error error = KD_ERROR_INIT;
        kd_status status;
        assert_int_equal(files_save(files_path("a"), 1, OLD, NULL), KD_OK);
        more = system_run(save, (fault){.at = at, .number = EIO}, &status, &error);
        for (size_t i = 0; i < COUNT(names); i++) {
            if (strcmp(now.what, names[i]) == 0) {
                seen[i]++;
                assert_int_equal(status, KD_ERR_IO);
            }
        }
    }
    assert_int_equal(seen[0], 3); /* 12,000 bytes */
    assert_int_equal(seen[1], 2); /* the file and the folder */
    assert_int_equal(seen[2], 1);
    assert_int_equal(seen[3], 1);
    files_done();
}

static kd_status load(kd_error *error)
{
    kdi_io_file file;
    unsigned char bytes[OLD];
    kd_status status = kdi_io_file_open(&file, files_path("a"), error);
    if (status == KD_OK) {
        kdi_io_source source = kdi_io_file_source(&file);
        status = kdi_io_read(&source, 0, bytes, sizeof bytes, error);
        kdi_io_file_close(&file);
    }
    assert_true(status != KD_OK || (bytes[0] == 1 && bytes[OLD - 1] == 1));
    return status;
}

static void a_load(void **state)
{
    (void)state;
    files_begin();
    assert_int_equal(files_save(files_path("a"), 1, OLD, NULL), KD_OK);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        bool more = true;
        for (size_t at = 1; more; at++) {
            kd_error error = KD_ERROR_INIT;
            kd_status status;
            more = system_run(load, (fault){.at = at, .number = numbers[i]}, &status, &error);
            assert_int_equal(status, more && strcmp(now.what, "close") != 0 ? KD_ERR_IO : KD_OK);
        }
    }
    files_done();
}

static kd_status append(kd_error *error)
{
    kdi_allocator libc = kdi_base_libc_allocator();
    kdi_io_file file;
    kd_status status = kdi_io_append_open(&file, &libc, files_path("log"), true, error);
    if (status == KD_OK) {
        status = kdi_io_append(&file, "0123456789", 10, error);
        status = status ? status : kdi_io_append_sync(&file, error);
        status = status ? status : kdi_io_append_cut(&file, 5, error);
        kdi_io_file_close(&file);
    }
    return status;
}

static void an_append(void **state)
{
    (void)state;
    files_begin();
    for (size_t i = 0; i < 2 * COUNT(numbers); i++) {
        bool more = true;
        for (size_t at = 1; more; at++) {
            kd_error error = KD_ERROR_INIT;
            kd_status status;
            (void)unlink(files_path("log"));
            if (i % 2) { /* one that is there, and one that is to be made */
                files_put("log", "", 0);
            }
            more = system_run(append, (fault){.at = at, .number = numbers[i / 2]}, &status, &error);
            if (strcmp(now.what, "close") == 0 || strcmp(now.what, "flock") == 0 || !more) {
                assert_int_equal(status, KD_OK);
                assert_true(files_has("log", "01234", 5));
            } else {
                io_refused(now.what, status, KD_ERR_IO, &error, "errno");
                assert_true(strcmp(now.what, "pwrite") != 0 || files_has("log", "", 0));
            }
        }
    }
    files_done();
}

static void interruptions_and_single_bytes(void **state)
{
    (void)state;
    fault f = {.slow = true};
    kd_error error = KD_ERROR_INIT;
    kd_status status;
    files_begin();
    (void)system_run(save, f, &status, &error);
    io_ok(status, &error);
    assert_int_equal(files_value(files_path("a"), NEW), 2);
    assert_int_equal(files_count(), 1);
    assert_int_equal(files_save(files_path("a"), 1, OLD, NULL), KD_OK);
    (void)system_run(load, f, &status, &error);
    io_ok(status, &error);
    (void)system_run(append, f, &status, &error);
    io_ok(status, &error);
    assert_true(files_has("log", "01234", 5));
    files_done();
}

/* ".kd-...-0.tmp" for the file "a" */
static const char *temporary(void)
{
    static char name[32];
    snprintf(name, sizeof name, ".kd-%08x-0.tmp", (unsigned)kdi_io_crc(0, "a", 1));
    return files_path(name);
}

static bool thief; /* another save finds the new temporary unlocked, and removes it */

static void steal(void)
{
    if (thief && unlink(temporary()) == 0) {
        thief = false;
    }
}

/* Between the making of a temporary and its lock there is a moment; nothing is lost in it. */
static void a_thief_in_the_middle(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    kd_status status;
    files_begin();
    thief = true;
    (void)system_run(save, (fault){.before_lock = steal}, &status, &error);
    io_ok(status, &error);
    assert_false(thief);
    assert_int_equal(files_value(files_path("a"), NEW), 2);
    assert_int_equal(files_count(), 1);
    files_done();
}

/* An empty file is brought to the disk with its folder; one that has bytes needs no folder. What is
 * cut off is so on the disk. */
static void what_an_append_syncs(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    kd_status status;
    files_begin();
    for (size_t i = 0; i < 3; i++) {
        (void)system_run(append, (fault){.lasting = false}, &status, &error);
        io_ok(status, &error);
        assert_int_equal(now.syncs, i < 2 ? 3 : 2);
        assert_int_equal(truncate(files_path("log"), i == 0 ? 0 : 5), 0);
    }
    files_done();
}

static int report(void **state)
{
    (void)state;
    print_message("%zu runs with a call of the system that fails\n", system_runs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_save),
        cmocka_unit_test(what_a_save_must_not_forgive),
        cmocka_unit_test(a_load),
        cmocka_unit_test(an_append),
        cmocka_unit_test(interruptions_and_single_bytes),
        cmocka_unit_test(a_thief_in_the_middle),
        cmocka_unit_test(what_an_append_syncs),
    };
    return cmocka_run_group_tests(tests, NULL, report);
}
