/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out, readers and writers that fail, folders and disks that can't be written to:
 * a status, objects and old files as before bit for bit, and nothing left behind; and without the
 * fault the same bits as ever.
 */
#define _XOPEN_SOURCE 700
#include "../support/files.h"
#include "works.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t runs;

static io_bytes copy(const io_bytes *file)
{
    io_bytes own = {0};
    io_add(&own, file->bytes, file->size);
    return own;
}

/* Does it on bytes in memory; what was written is what is due. */
static kd_status run(const work *w, io_bytes *file, kd_error *e)
{
    kd_reader reader = io_reader(file);
    kd_writer writer = io_writer(file);
    file->calls = 0;
    runs++;
    return w->run(NULL, w->reads ? &reader : NULL, w->reads ? NULL : &writer, e);
}

static io_bytes file_for(const work *w)
{
    io_bytes none = {0};
    return w->reads ? copy(works_file(w)) : none;
}

static void check_success(const work *w, const io_bytes *file)
{
    assert_true(works_done(w));
    assert_int_equal(file->size, works_file(w)->size);
    support_same_bits(w->name, file->bytes, works_file(w)->bytes, file->size);
}

static void memory_runs_out(void **state)
{
    (void)state;
    size_t failures = 0;
    for (size_t i = 0; i < 2 * n_works; i++) {
        const work *w = &works[i / 2];
        kd_status status = KD_ERR_MEMORY;
        for (size_t at = 1; status != KD_OK; at++) {
            io_bytes file = file_for(w);
            kd_error e = KD_ERROR_INIT;
            works_prepare();
            size_t live = atomic_load(&works_memory->live);
            atomic_store(&works_memory->calls, 0);
            works_memory->lasting = i % 2;
            works_memory->fail_at = at;
            status = run(w, &file, &e);
            works_memory->fail_at = 0;
            if (status == KD_OK) {
                check_success(w, &file);
            } else {
                support_refused(status, KD_ERR_MEMORY, e.text, "no memory for");
                assert_int_equal(e.argument, 0);
                assert_int_equal(atomic_load(&works_memory->live), live);
                assert_true(works_same());
                failures++;
            }
            io_free(&file);
        }
    }
    print_message("%zu allocations failed\n", failures);
}

static void callbacks_fail(void **state)
{
    (void)state;
    static const int64_t answers[] = {-1, -28, INT64_MIN, 0, INT64_MAX, (int64_t)1 << 40};
    size_t failures = 0;
    for (size_t i = 0; i < n_works * COUNT(answers) * 2; i++) {
        const work *w = &works[i / COUNT(answers) / 2];
        int64_t answer = answers[i / 2 % COUNT(answers)];
        kd_status status = KD_ERR_IO;
        for (size_t at = 1; status != KD_OK; at += 1 + at / 16) {
            io_bytes file = file_for(w);
            kd_error e = KD_ERROR_INIT;
            works_prepare();
            file.fail_at = at;
            file.answer = answer;
            file.most = i % 2 ? 37 : 0;
            status = run(w, &file, &e);
            if (status == KD_OK) {
                check_success(w, &file);
            } else {
                bool ended = w->reads && answer == 0;
                support_refused(status, ended ? KD_ERR_TRUNCATED : KD_ERR_IO, e.text,
                                w->reads ? "the reader" : "the writer");
                assert_true(works_same());
                failures++;
            }
            io_free(&file);
        }
    }
    print_message("%zu callbacks failed\n", failures);
}

/* Memory and callbacks at once: a failure on the way out of a failure. */
static void both_at_once(void **state)
{
    (void)state;
    size_t failures = 0;
    for (size_t i = 0; i < n_works * 12 * 12; i++) {
        const work *w = &works[i / 144];
        io_bytes file = file_for(w);
        works_prepare();
        size_t live = atomic_load(&works_memory->live);
        file.fail_at = 1 + i % 12;
        file.answer = -5;
        file.most = 300;
        atomic_store(&works_memory->calls, 0);
        works_memory->lasting = true;
        works_memory->fail_at = 1 + i / 12 % 12;
        kd_status status = run(w, &file, NULL);
        works_memory->fail_at = 0;
        if (status != KD_OK) {
            assert_true(status == KD_ERR_MEMORY || status == KD_ERR_IO);
            assert_int_equal(atomic_load(&works_memory->live), live);
            assert_true(works_same());
            failures++;
        }
        io_free(&file);
    }
    print_message("%zu pairs of faults\n", failures);
}

/* ---- by path ---- */

static void memory_runs_out_by_path(void **state)
{
    (void)state;
    files_begin();
    for (size_t i = 0; i < 2 * n_works; i++) {
        const work *w = &works[i / 2];
        kd_status status = KD_ERR_MEMORY;
        for (size_t at = 1; status != KD_OK; at++, runs++) {
            kd_error e = KD_ERROR_INIT;
            works_prepare();
            files_put("f", w->reads ? works_file(w)->bytes : (const void *)"old",
                      w->reads ? works_file(w)->size : 3);
            atomic_store(&works_memory->calls, 0);
            works_memory->lasting = i % 2;
            works_memory->fail_at = at;
            status = w->run(files_path("f"), NULL, NULL, &e);
            works_memory->fail_at = 0;
            assert_int_equal(files_count(), 1);
            if (status == KD_OK) {
                assert_true(works_done(w));
                assert_true(files_has("f", works_file(w)->bytes, works_file(w)->size));
            } else {
                support_refused(status, KD_ERR_MEMORY, e.text, "no memory for");
                assert_int_equal(e.argument, 0);
                assert_true(works_same());
                assert_true(w->reads || files_has("f", "old", 3));
            }
        }
    }
    files_done();
}

/* Each save must fail, and leave the old file, and nothing else, in the folder. */
static int saves_fail(void)
{
    for (size_t i = 0; i < n_works; i++) {
        kd_error e = KD_ERROR_INIT;
        if (works[i].reads) {
            continue;
        }
        if (works[i].run(files_path("f"), NULL, NULL, &e) != KD_ERR_IO ||
            !strstr(e.text, files_path("f")) || files_count() != 1 || !files_has("f", "old", 3) ||
            !works_same()) {
            return 1 + (int)i;
        }
    }
    return 0;
}

static int in_a_folder_that_is_read_only(void)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
        return 99;
    }
    return saves_fail();
}

static int with_a_limit_on_files(void)
{
    struct rlimit limit = {1000, 1000};
    signal(SIGXFSZ, SIG_IGN);
    return setrlimit(RLIMIT_FSIZE, &limit) == 0 ? saves_fail() : 99;
}

static void a_folder_that_is_read_only(void **state)
{
    (void)state;
    works_prepare();
    (void)files_begin();
    files_put("f", "old", 3);
    assert_int_equal(chmod(files_path("."), 0555), 0);
    assert_int_equal(files_child(in_a_folder_that_is_read_only), 0);
    assert_int_equal(chmod(files_path("."), 0755), 0);
    files_done();
}

static void files_that_may_not_grow(void **state)
{
    (void)state;
    works_prepare();
    (void)files_begin();
    files_put("f", "old", 3);
    assert_int_equal(files_child(with_a_limit_on_files), 0);
    files_done();
}

static int64_t write_to(void *user, const void *bytes, size_t size)
{
    ssize_t done = write(*(int *)user, bytes, size);
    return done < 0 ? -errno : done;
}

static void a_full_disk(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY);
    kd_writer writer = KD_WRITER_INIT;
    char number[16];
    if (full < 0) {
        skip();
    }
    snprintf(number, sizeof number, "%d", -ENOSPC);
    writer.write = write_to;
    writer.user = &full;
    works_prepare();
    for (size_t i = 0; i < n_works; i++) {
        kd_error e = KD_ERROR_INIT;
        if (!works[i].reads) {
            support_refused(works[i].run(NULL, NULL, &writer, &e), KD_ERR_IO, e.text, number);
            assert_true(works_same());
            support_refused(works[i].run("/dev/full", NULL, NULL, &e), KD_ERR_IO, e.text,
                            "/dev/full");
        }
    }
    close(full);
}

static int end(void **state)
{
    print_message("%zu runs\n", runs);
    return works_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(callbacks_fail),
        cmocka_unit_test(both_at_once),
        cmocka_unit_test(memory_runs_out_by_path),
        cmocka_unit_test(a_folder_that_is_read_only),
        cmocka_unit_test(files_that_may_not_grow),
        cmocka_unit_test(a_full_disk),
    };
    return cmocka_run_group_tests(tests, works_begin, end);
}
