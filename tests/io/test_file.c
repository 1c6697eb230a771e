/* SPDX-License-Identifier: MIT */
/* Files: reading, saving over others, appending; what the system refuses, and what then is left. */
#define _GNU_SOURCE /* unshare */
#include "files.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOBODY 65534

static kdi_allocator libc;

static int begin(void **state)
{
    (void)state;
    libc = kdi_base_libc_allocator();
    files_begin();
    return 0;
}

static int done(void **state)
{
    (void)state;
    files_done();
    return 0;
}

static size_t open_files(void)
{
    size_t count = 0;
    for (int i = 0; i < 256; i++) {
        count += fcntl(i, F_GETFD) >= 0;
    }
    return count;
}

/* ---- reading ---- */

static void reading(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    kdi_io_file file;
    char bytes[8] = {0};
    size_t open_before = open_files();
    files_put("a", "0123456789", 10);
    const char *path = files_path("a");
    io_ok(kdi_io_file_open(&file, path, &error), &error);
    assert_int_equal(file.size, 10);
    assert_true(fcntl(file.descriptor, F_GETFD) & FD_CLOEXEC);
    kdi_io_source source = kdi_io_file_source(&file);
    assert_int_equal(source.reader.size, 10);
    io_ok(kdi_io_read(&source, 7, bytes, 3, &error), &error);
    io_ok(kdi_io_read(&source, 0, bytes + 3, 2, &error), &error);
    assert_string_equal(bytes, "78901");
    io_refused("beyond", kdi_io_read(&source, 8, bytes, 3, &error), KD_ERR_TRUNCATED, &error, NULL);
    assert_int_equal(truncate(path, 4), 0); /* somebody cuts it off in the meantime */
    io_refused("cut", kdi_io_read(&source, 2, bytes, 4, &error), KD_ERR_TRUNCATED, &error,
               "it ends at byte 4, not at 10");
    kdi_io_file_close(&file);
    kdi_io_file_close(&file);
    io_refused("closed", kdi_io_read(&source, 0, bytes, 1, &error), KD_ERR_IO, &error,
               "reading 1 bytes at byte 0 failed: the system refused, -9");
    assert_int_equal(open_files(), open_before);
}

static void what_is_no_file(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    kdi_io_file file;
    size_t open_before = open_files();
    assert_int_equal(mkdir(files_path("folder"), 0755), 0);
    assert_int_equal(mkfifo(files_path("pipe"), 0644), 0);
    files_put("a", "x", 1);
    assert_int_equal(symlink("a", files_path("link")), 0);
    static const struct {
        const char *name;
        const char *reading; /* NULL = it can be read */
        const char *saving;
        const char *appending;
        kd_status status;
    } rows[] = {
        {"folder", "it is a folder", "it is a folder", "it is a folder", KD_ERR_IO},
        {"folder/", "it is a folder", "it is a folder", "it is a folder", KD_ERR_IO},
        {".", "it is a folder", "it is a folder", "it is a folder", KD_ERR_IO},
        {"folder/..", "it is a folder", "it is a folder", "it is a folder", KD_ERR_IO},
        {"pipe", "a device or a pipe", "a device or a pipe", "a device or a pipe", KD_ERR_IO},
        {"link", NULL, "a symbolic link", NULL, KD_ERR_IO},
        {"none/x", "no such file or folder (errno 2)", "no such file", "no such file",
         KD_ERR_NO_FILE},
        {"a/x", "not a folder", "not a folder", "not a folder", KD_ERR_IO},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        kd_status status = kdi_io_file_open(&file, files_path(rows[i].name), &error);
        io_refused(rows[i].name, status, rows[i].reading ? rows[i].status : KD_OK,
                   rows[i].reading ? &error : &(kd_error)KD_ERROR_INIT, rows[i].reading);
        kdi_io_file_close(&file);
        status = files_save(files_path(rows[i].name), 1, 10, &error);
        io_refused(rows[i].name, status, rows[i].status, &error, rows[i].saving);
        assert_non_null(strstr(error.text, rows[i].name));
        error = (kd_error)KD_ERROR_INIT;
        status = kdi_io_append_open(&file, &libc, files_path(rows[i].name), true, &error);
        io_refused(rows[i].name, status, rows[i].appending ? rows[i].status : KD_OK, &error,
                   rows[i].appending);
        kdi_io_file_close(&file);
        error = (kd_error)KD_ERROR_INIT;
    }
    io_refused("", kdi_io_file_open(&file, "", &error), KD_ERR_NO_FILE, &error, "no such file");
    io_refused("", files_save("", 1, 1, &error), KD_ERR_IO, &error, "it is a folder");
    io_refused("/", files_save("/", 1, 1, &error), KD_ERR_IO, &error, "it is a folder");
    io_refused("zero", kdi_io_file_open(&file, "/dev/zero", &error), KD_ERR_IO, &error, "a device");
    io_refused("full", files_save("/dev/full", 1, 1, &error), KD_ERR_IO, &error, "a device");
    assert_int_equal(files_count(), 4);
    assert_true(files_has("a", "x", 1));
    assert_int_equal(open_files(), open_before);
}

/* The size of a sparse file is no reason to take memory. */
static void huge_files_of_nothing(void **state)
{
    (void)state;
    static const off_t sizes[] = {(off_t)1 << 31, (off_t)1 << 40, (off_t)1 << 43};
    const char *path = files_path("sparse");
    files_put("sparse", "\x93NUMPY\x01\0\0\0\0\0\0\0\0\0", 16);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        io_memory memory = {0};
        kdi_allocator allocator = io_allocator(&memory);
        kd_error error = KD_ERROR_INIT;
        kdi_io_file file;
        kdi_io_tensors *tensors;
        kdi_io_npy npy;
        if (truncate(path, sizes[i]) != 0) {
            break; /* more than this file system has */
        }
        io_ok(kdi_io_file_open(&file, path, &error), &error);
        kdi_io_source source = kdi_io_file_source(&file);
        assert_int_equal(kdi_io_tensors_open(&allocator, &source, KDI_IO_FOREIGN, &tensors, NULL),
                         KD_ERR_FORMAT);
        assert_int_equal(kdi_io_npy_open(&npy, &allocator, &source, NULL), KD_ERR_FORMAT);
        assert_true(memory.peak < 1u << 20);
        io_all_returned(&memory);
        kdi_io_file_close(&file);
    }
}

/* ---- saving ---- */

static void saving_and_permissions(void **state)
{
    (void)state;
    static const mode_t modes[] = {0600, 0640, 0444, 0777, 0400, 0};
    struct stat s;
    kd_error error = KD_ERROR_INIT;
    size_t open_before = open_files();
    mode_t mask = umask(027);
    io_ok(files_save(files_path("new"), 1, 12345, &error), &error);
    assert_int_equal(files_value(files_path("new"), 12345), 1);
    assert_int_equal(stat(files_path("new"), &s), 0);
    assert_int_equal(s.st_mode & 07777, 0640);
    for (size_t i = 0; i < COUNT(modes); i++) {
        assert_int_equal(chmod(files_path("new"), modes[i]), 0);
        io_ok(files_save(files_path("new"), (unsigned char)(2 + i), 100 * i, &error), &error);
        assert_int_equal(stat(files_path("new"), &s), 0);
        assert_int_equal(s.st_mode & 07777, modes[i]);
        assert_int_equal(s.st_size, 100 * i);
    }
    umask(mask);
    assert_int_equal(files_count(), 1);
    assert_int_equal(open_files(), open_before);
}

static void names_of_all_kinds(void **state)
{
    (void)state;
    char longest[256];
    memset(longest, 'n', 255);
    longest[255] = '\0';
    const char *const names[] = {"x", "a b", "\xFF\xFE", "-rf", "\n", "*", longest, ".hidden"};
    kd_error error = KD_ERROR_INIT;
    for (size_t i = 0; i < COUNT(names); i++) {
        io_ok(files_save(files_path(names[i]), 7, 10, &error), &error);
        assert_int_equal(files_value(files_path(names[i]), 10), 7);
        assert_int_equal(files_count(), i + 1);
    }
    char too_long[300];
    memset(too_long, 'n', 256);
    too_long[256] = '\0';
    io_refused("long", files_save(files_path(too_long), 1, 1, &error), KD_ERR_IO, &error,
               "the name is too long (errno 36)");
    /* Paths relative to the folder that the process is in. */
    char before[512];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(files_path("")), 0);
    io_ok(files_save("x", 8, 10, &error), &error);
    io_ok(files_save("./y", 9, 10, &error), &error);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(files_value(files_path("x"), 10), 8);
    assert_int_equal(files_value(files_path("y"), 10), 9);
}

/* A failure in the middle leaves the old file, and nothing else; so does none of the memory. */
static void a_save_that_is_given_up(void **state)
{
    (void)state;
    kdi_io_saving saving;
    kd_error error = KD_ERROR_INIT;
    size_t open_before = open_files();
    files_put("a", "old", 3);
    io_ok(kdi_io_save_begin(&saving, &libc, files_path("a"), &error), &error);
    assert_int_equal(files_count(), 2);
    kdi_io_sink sink = kdi_io_save_sink(&saving);
    io_ok(kdi_io_write(&sink, "new", 3, &error), &error);
    assert_true(files_has("a", "old", 3));
    assert_int_equal(kdi_io_save_end(&saving, KD_ERR_CALLBACK, &error), KD_ERR_CALLBACK);
    assert_true(files_has("a", "old", 3));
    assert_int_equal(files_count(), 1);
    io_memory memory = {.fail_at = 1};
    kdi_allocator allocator = io_allocator(&memory);
    io_refused("memory", kdi_io_save_begin(&saving, &allocator, files_path("a"), &error),
               KD_ERR_MEMORY, &error, "no memory for a path");
    assert_int_equal(files_count(), 1);
    assert_int_equal(open_files(), open_before);
}

/* Several at once: the last one to end wins, each file is whole, and no temporary is shared. */
static void saves_at_the_same_time(void **state)
{
    (void)state;
    enum { MOST = 16 };
    kdi_io_saving savings[MOST];
    kdi_io_saving more;
    kd_error error = KD_ERROR_INIT;
    const char *path = files_path("a");
    for (size_t i = 0; i < MOST; i++) {
        io_ok(kdi_io_save_begin(&savings[i], &libc, path, &error), &error);
        kdi_io_sink sink = kdi_io_save_sink(&savings[i]);
        io_ok(kdi_io_write(&sink, &(char){(char)('a' + i)}, 1, &error), &error);
        assert_int_equal(files_count(), i + 1);
    }
    io_refused("one more", kdi_io_save_begin(&more, &libc, path, &error), KD_ERR_IO, &error,
               "16 temporary files .kd-*.tmp are in use");
    for (size_t i = 0; i < MOST; i++) {
        size_t which = (i * 5 + 3) % MOST;
        io_ok(kdi_io_save_end(&savings[which], KD_OK, &error), &error);
        assert_true(files_has("a", &(char){(char)('a' + which)}, 1));
        assert_int_equal(files_count(), MOST - i);
    }
}

/* What killed programs left goes with the next save; what belongs to a living one stays. */
static void abandoned_temporaries(void **state)
{
    (void)state;
    kdi_io_saving saving;
    kd_error error = KD_ERROR_INIT;
    char names[16][32];
    char path[100];
    strcpy(path, files_path("a"));
    for (size_t i = 0; i < 16; i++) {
        snprintf(names[i], sizeof names[i], ".kd-%08x-%zu.tmp", (unsigned)kdi_io_crc(0, "a", 1), i);
        files_put(names[i], "left", 4);
    }
    int alive = open(files_path(names[3]), O_RDONLY);
    assert_true(alive >= 0 && flock(alive, LOCK_EX | LOCK_NB) == 0);
    io_ok(kdi_io_save_begin(&saving, &libc, path, &error), &error);
    assert_string_equal(saving.temporary, names[0]);
    assert_int_equal(files_count(), 2);
    io_ok(kdi_io_save_end(&saving, KD_OK, &error), &error);
    assert_true(files_has(names[3], "left", 4));
    assert_true(files_has("a", "", 0));
    close(alive);
    files_put("b", "", 0);
    io_ok(files_save(files_path("b"), 1, 1, &error), &error); /* not of this name */
    assert_int_equal(files_count(), 3);
    io_ok(files_save(path, 1, 1, &error), &error);
    assert_int_equal(files_count(), 2);
}

/* A link that somebody put where the temporary would be is not followed. */
static void a_trap_in_the_way(void **state)
{
    (void)state;
    char name[32];
    kd_error error = KD_ERROR_INIT;
    files_put("precious", "gold", 4);
    snprintf(name, sizeof name, ".kd-%08x-0.tmp", (unsigned)kdi_io_crc(0, "a", 1));
    assert_int_equal(symlink("precious", files_path(name)), 0);
    io_ok(files_save(files_path("a"), 1, 10, &error), &error);
    assert_int_equal(files_value(files_path("a"), 10), 1);
    assert_true(files_has("precious", "gold", 4));
    assert_int_equal(files_count(), 3);
}

/* ---- a system that refuses ---- */

/* Saving over "a" must fail with this word, and change nothing; 0, or where it went wrong. */
static int refused_save(const char *word, size_t size)
{
    kd_error error = KD_ERROR_INIT;
    kd_status status = files_save(files_path("a"), 9, size, &error);
    if (status != KD_ERR_IO || !strstr(error.text, word)) {
        fprintf(stderr, "%s: %s\n", kd_status_name(status), error.text);
        return 2;
    }
    return files_value(files_path("a"), 1000) == 5 && files_count() == 1 ? 0 : 3;
}

static int limited(void)
{
    const struct rlimit limit = {50000, 50000};
    signal(SIGXFSZ, SIG_IGN);
    return setrlimit(RLIMIT_FSIZE, &limit) == 0 ? refused_save("the file is too large", 60000) : 1;
}

static bool nobody(void)
{
    return getuid() != 0 || (setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

static int unprivileged(void)
{
    return nobody() ? refused_save("permission denied (errno 13)", 100) : 1;
}

static int unreadable(void)
{
    kd_error error = KD_ERROR_INIT;
    kdi_io_file file;
    if (!nobody()) {
        return 1;
    }
    kd_status status = kdi_io_file_open(&file, files_path("a"), &error);
    if (status != KD_ERR_IO || !strstr(error.text, "permission denied")) {
        return 2;
    }
    status = kdi_io_append_open(&file, &libc, files_path("a"), true, &error);
    return status == KD_ERR_IO && strstr(error.text, "permission denied") ? 0 : 3;
}

static int without_descriptors(void)
{
    const struct rlimit one = {4, 4};
    for (int i = 3; i < 256; i++) {
        close(i);
    }
    if (setrlimit(RLIMIT_NOFILE, &one) != 0 || dup(0) != 3) {
        return 1;
    }
    kd_error error = KD_ERROR_INIT;
    if (files_save(files_path("a"), 9, 10, &error) != KD_ERR_IO ||
        !strstr(error.text, "too many open files")) {
        return 2;
    }
    close(3); /* one: enough for the folder, not for the temporary */
    if (files_save(files_path("a"), 9, 10, &error) != KD_ERR_IO ||
        !strstr(error.text, "making a temporary file beside it failed: too many open files")) {
        return 3;
    }
    return files_value(files_path("a"), 1000) == 5 ? 0 : 4;
}

static void refusals_of_the_system(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    io_ok(files_save(files_path("a"), 5, 1000, &error), &error);
    assert_int_equal(files_child(limited), 0);
    assert_int_equal(chmod(files_path("a"), 0), 0);
    assert_int_equal(files_child(unreadable), 0);
    assert_int_equal(chmod(files_path("a"), 0644), 0);
    assert_int_equal(files_child(without_descriptors), 0);
    assert_int_equal(chmod(files_path(""), 0555), 0);
    assert_int_equal(files_child(unprivileged), 0);
    assert_int_equal(chmod(files_path(""), 0755), 0);
    assert_int_equal(files_value(files_path("a"), 1000), 5);
    assert_int_equal(files_count(), 1);
}

/* A device of 64 KiB that is full, then read-only; seen by this process alone. */
static int on_a_small_device(void)
{
    static const char bytes[100000];
    kd_error error = KD_ERROR_INIT;
    kdi_io_file file;
    const char *none = "none";
    if (unshare(CLONE_NEWNS) != 0 || mount(none, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(none, files_path(""), "tmpfs", 0, "size=64k,mode=755") != 0) {
        return 77;
    }
    if (files_save(files_path("a"), 5, 1000, &error) != KD_OK ||
        refused_save("no space left on the device, -28", 100000) != 0 ||
        kdi_io_append_open(&file, &libc, files_path("a"), false, &error) != KD_OK) {
        return 1;
    }
    if (kdi_io_append(&file, bytes, sizeof bytes, &error) != KD_ERR_IO || file.size != 1000 ||
        !strstr(error.text, "appending failed: no space left on the device (errno 28)")) {
        return 2;
    }
    kdi_io_file_close(&file);
    if (files_value(files_path("a"), 1000) != 5 ||
        mount(none, files_path(""), NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0) {
        return 3;
    }
    return refused_save("a read-only file system (errno 30)", 10);
}

static void a_full_device(void **state)
{
    (void)state;
    int result = files_child(on_a_small_device);
    if (result == 77) {
        print_message("may not mount a small device here\n");
        skip();
    }
    assert_int_equal(result, 0);
}

/* ---- appending ---- */

static void appending(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    kdi_io_file file;
    kdi_io_file other;
    char bytes[16] = {0};
    size_t open_before = open_files();
    const char *path = files_path("log");
    io_refused("none", kdi_io_append_open(&file, &libc, path, false, &error), KD_ERR_NO_FILE,
               &error, "opening failed: no such file or folder");
    io_ok(kdi_io_append_open(&file, &libc, path, true, &error), &error);
    assert_int_equal(file.size, 0);
    io_ok(kdi_io_append(&file, "abc", 3, &error), &error);
    io_ok(kdi_io_append(&file, "", 0, &error), &error);
    io_ok(kdi_io_append(&file, "defg", 4, &error), &error);
    io_ok(kdi_io_append_sync(&file, &error), &error);
    assert_true(files_has("log", "abcdefg", 7));
    io_refused("two", kdi_io_append_open(&other, &libc, path, true, &error), KD_ERR_IO, &error,
               "opening failed: another writer has it open");
    assert_int_equal(other.descriptor, -1);
    kdi_io_source source = kdi_io_file_source(&file);
    io_ok(kdi_io_read(&source, 2, bytes, 5, &error), &error);
    assert_string_equal(bytes, "cdefg");
    io_ok(kdi_io_append_cut(&file, 2, &error), &error);
    io_ok(kdi_io_append(&file, "xy", 2, &error), &error);
    kdi_io_file_close(&file);
    io_ok(kdi_io_append_open(&file, &libc, path, false, &error), &error);
    assert_int_equal(file.size, 4);
    io_ok(kdi_io_append(&file, "z", 1, &error), &error);
    kdi_io_file_close(&file);
    assert_true(files_has("log", "abxyz", 5));
    io_refused("closed", kdi_io_append(&file, "z", 1, &error), KD_ERR_IO, &error, "errno 9");
    io_refused("closed", kdi_io_append_sync(&file, &error), KD_ERR_IO, &error, "errno 9");
    io_refused("closed", kdi_io_append_cut(&file, 0, &error), KD_ERR_IO, &error, "errno 9");
    assert_int_equal(open_files(), open_before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reading),
        TEST(what_is_no_file),
        TEST(huge_files_of_nothing),
        TEST(saving_and_permissions),
        TEST(names_of_all_kinds),
        TEST(a_save_that_is_given_up),
        TEST(saves_at_the_same_time),
        TEST(abandoned_temporaries),
        TEST(a_trap_in_the_way),
        TEST(refusals_of_the_system),
        TEST(a_full_device),
        TEST(appending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
