/* SPDX-License-Identifier: MIT */
/*
 * Every call of the system that loading, saving and recording make, in every way in which it can
 * fail: once, and from then on. No success that is none, old files as they were, nothing left
 * behind; and the same work again, without the fault, gives the same bytes.
 */
#include "jobs.h"
#include "times.h"

#include <errno.h>

static const struct {
    const char *name;
    fault fault;
    bool harmless; /* the work must succeed */
} ways[] = {
    {"EIO", {.number = EIO}, false},
    {"ENOSPC", {.number = ENOSPC}, false},
    {"EMFILE of openat", {.number = EMFILE, .only = "openat"}, false},
    {"EIO of fsync", {.number = EIO, .only = "fsync"}, false},
    {"EXDEV of renameat", {.number = EXDEV, .only = "renameat"}, false},
    {"EIO of close", {.number = EIO, .only = "close"}, true},
    {"EINTR", {.kind = FAULT_INTERRUPT}, true},
    {"a single byte", {.kind = FAULT_SINGLE_BYTE}, true},
};

static void run(size_t index, size_t way, bool lasting, size_t *out_runs, size_t *out_failures)
{
    bool more = true;
    for (size_t at = 1; more; at++) {
        fault f = ways[way].fault;
        kd_error error = KD_ERROR_INIT;
        kd_status status;
        jobs_take(index);
        f.at = at;
        f.lasting = lasting;
        more = system_run(jobs_run, f, &status, &error);
        if (status != KD_OK && (ways[way].harmless || status != KD_ERR_IO)) {
            fail_msg("%s, %s, call %zu (%s): %s", jobs_name(), ways[way].name, at, now.what,
                     error.text);
        }
        assert_true(more || status == KD_OK);
        jobs_check(status, &error);
        jobs_repeat();
        *out_runs += more;
        *out_failures += status != KD_OK;
    }
}

static void every_call_in_every_way(void **state)
{
    (void)state;
    size_t total = 0;
    for (size_t way = 0; way < COUNT(ways); way++) {
        size_t runs = 0;
        size_t failures = 0;
        for (size_t i = 0; i < 2 * jobs_count(); i++) {
            run(i / 2, way, i % 2, &runs, &failures);
        }
        print_message("%5zu runs, %5zu failures: %s\n", runs, failures, ways[way].name);
        assert_true(ways[way].harmless ? runs > 0 : failures > 0);
        total += runs;
    }
    print_message("%5zu runs\n", total);
    assert_true(total >= 1500);
}

/* A recording of which a call has failed stays as it was, and can be gone on with; if that call was
 * to bring it to the disk, with another handle only. */
static void the_same_recording(void **state)
{
    (void)state;
    size_t failures = 0;
    size_t unsynced = 0;
    for (size_t i = 0; i < 2 * jobs_count() * COUNT(ways); i++) {
        bool more = true;
        jobs_take(i / 2 / COUNT(ways));
        for (size_t at = 1; more && jobs_kind() == JOB_RECORD; at++) {
            fault f = ways[i / 2 % COUNT(ways)].fault;
            kd_error error = KD_ERROR_INIT;
            kd_status status;
            jobs_take(i / 2 / COUNT(ways));
            jobs_open();
            f.at = at;
            f.lasting = i % 2;
            more = system_run(jobs_go_on, f, &status, &error);
            failures += status != KD_OK;
            if (now.unsynced) { /* this handle never says again that all is on the disk */
                support_refused(jobs_go_on(&error), KD_ERR_IO, error.text, "may lack");
                jobs_open_again();
                unsynced++;
            }
            support_ok(jobs_go_on(&error), error.text);
            jobs_close();
        }
    }
    print_message("%zu failures, %zu of the disk\n", failures, unsynced);
    assert_true(failures > 50);
    assert_true(unsynced > 10);
}

static int begin(void **state)
{
    (void)state;
    jobs_begin();
    return 0;
}

static int end(void **state)
{
    (void)state;
    jobs_end();
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_in_every_way),
        cmocka_unit_test(the_same_recording),
    };
    return times_read(argc, argv) ? cmocka_run_group_tests(tests, begin, end) : 2;
}
