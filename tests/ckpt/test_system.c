/* SPDX-License-Identifier: MIT */
/*
 * Every call of the system that a save or a load makes fails, once and from then on: a save leaves
 * the old file or the new one, whole; a load changes nothing; and the next one works.
 */
#define _POSIX_C_SOURCE 200809L
#include "../support/system.h"
#include "works.h"

#include <errno.h>

static const int numbers[] = {EIO, ENOSPC, EACCES, EMFILE};

static const work *at_work;

static kd_status by_path(kd_error *error)
{
    return at_work->run(files_path("f"), NULL, NULL, error);
}

static bool holds(const io_bytes *file)
{
    return files_has("f", file->bytes, file->size);
}

static bool holds_old(void)
{
    return files_has("f", "old", 3);
}

static void check_save(kd_status status, const kd_error *e)
{
    if (status == KD_OK) {
        assert_true(holds(works_file(at_work)));
    } else {
        support_refused(status, KD_ERR_IO, e->text, files_path("f"));
        if (holds_old()) {
            assert_true(!now.renamed);
        } else { /* only the folder is not on the disk yet */
            assert_true(now.renamed && holds(works_file(at_work)));
            support_refused(status, KD_ERR_IO, e->text, "it is written, but");
        }
    }
    assert_true(works_same());
    assert_true(now.stray || files_count() == 1);
}

static void check_load(kd_status status, const kd_error *e)
{
    if (status == KD_OK) {
        assert_true(works_done(at_work));
    } else {
        support_refused(status, KD_ERR_IO, e->text, files_path("f"));
        assert_true(works_same());
    }
    assert_true(holds(works_file(at_work)));
}

static void put_file(void)
{
    const io_bytes *file = works_file(at_work);
    if (at_work->reads) {
        files_put("f", file->bytes, file->size);
    } else {
        files_put("f", "old", 3);
    }
}

static void every_call(void **state)
{
    (void)state;
    size_t failures = 0;
    files_begin();
    for (size_t i = 0; i < n_works * COUNT(numbers) * 2; i++) {
        bool more = true;
        at_work = &works[i / COUNT(numbers) / 2];
        for (size_t at = 1; more; at++) {
            fault f = {.at = at, .lasting = i % 2, .number = numbers[i / 2 % COUNT(numbers)]};
            kd_error e = KD_ERROR_INIT;
            kd_status status;
            works_prepare();
            put_file();
            more = system_run(by_path, f, &status, &e);
            (at_work->reads ? check_load : check_save)(status, &e);
            assert_true(more || status == KD_OK);
            failures += status != KD_OK;
        }
        support_ok(by_path(NULL), at_work->name);
        assert_int_equal(files_count(), 1);
        assert_true(works_done(at_work) && holds(works_file(at_work)));
    }
    files_done();
    print_message("%zu runs, %zu failures\n", system_runs, failures);
}

static void interruptions_and_single_bytes(void **state)
{
    (void)state;
    files_begin();
    for (size_t i = 0; i < n_works; i++) {
        kd_error e = KD_ERROR_INIT;
        kd_status status;
        at_work = &works[i];
        works_prepare();
        put_file();
        (void)system_run(by_path, (fault){.slow = true}, &status, &e);
        support_ok(status, e.text);
        assert_true(works_done(at_work) && holds(works_file(at_work)));
    }
    files_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call),
        cmocka_unit_test(interruptions_and_single_bytes),
    };
    return cmocka_run_group_tests(tests, works_begin, works_end);
}
