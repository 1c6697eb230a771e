/* SPDX-License-Identifier: MIT */
/*
 * Two faults at once: memory that runs out while the work gives up because of the system, or as its
 * file is cut off. A status of one of the two, objects and files as ever, nothing left behind;
 * and the same work again without faults.
 */
#include "jobs.h"
#include "times.h"

#include <errno.h>

static size_t pairs; /* both faults struck */
static size_t runs;

static void arm(support_memory *memory, size_t at, bool lasting)
{
    atomic_store(&memory->calls, 0);
    memory->lasting = lasting;
    memory->fail_at = at;
}

/* Call `at` of the system fails, and all from then on; and so does allocation `missing`. */
static bool run(size_t index, size_t at, size_t missing, bool lasting, bool *out_missed)
{
    kd_error error = KD_ERROR_INIT;
    kd_status status;
    jobs_take(index);
    support_memory *memory = jobs_memory();
    size_t refused = atomic_load(&memory->refused);
    size_t live = atomic_load(&memory->live);
    arm(memory, missing, lasting);
    bool more =
        system_run(jobs_run, (fault){.at = at, .lasting = lasting, .number = EIO}, &status, &error);
    memory->fail_at = 0;
    *out_missed = atomic_load(&memory->refused) > refused;
    assert_true(status == KD_OK || atomic_load(&memory->live) == live);
    assert_true(status == KD_OK || (status == KD_ERR_IO && more) ||
                (status == KD_ERR_MEMORY && *out_missed));
    jobs_check(status, &error);
    jobs_repeat();
    pairs += more && *out_missed;
    runs++;
    return more;
}

static void system_and_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * jobs_count(); i++) {
        bool more = true;
        jobs_take(i / 2);
        for (size_t at = 1; more && jobs_memory(); at++) {
            bool missed = true;
            more = false;
            for (size_t missing = 1; missed; missing++) {
                more = run(i / 2, at, missing, i % 2, &missed) || more;
            }
        }
    }
    print_message("%zu pairs in %zu runs\n", pairs, runs);
}

/* A file that ends somewhere, and allocation `missing` fails. */
static bool load_part(size_t index, size_t size, size_t missing, bool lasting)
{
    kd_error error = KD_ERROR_INIT;
    jobs_take(index);
    io_bytes part = jobs_bytes();
    files_put(jobs_file, part.bytes, size);
    support_memory *memory = jobs_memory();
    size_t refused = atomic_load(&memory->refused);
    size_t live = atomic_load(&memory->live);
    arm(memory, missing, lasting);
    kd_status status = jobs_run(&error);
    memory->fail_at = 0;
    bool missed = atomic_load(&memory->refused) > refused;
    assert_true(status != KD_OK || size >= 80); /* a recording may be sound, and unfinished */
    assert_true(status != KD_ERR_MEMORY || missed);
    assert_true(status == KD_OK || status == KD_ERR_MEMORY || status == KD_ERR_TRUNCATED ||
                status == KD_ERR_FORMAT || status == KD_ERR_STATE);
    if (status != KD_OK) {
        assert_int_equal(atomic_load(&memory->live), live);
        jobs_check_objects(status);
    }
    assert_true(files_has(jobs_file, part.bytes, size));
    files_put(jobs_file, part.bytes, part.size);
    jobs_repeat();
    pairs += missed && size < part.size;
    runs++;
    io_free(&part);
    return missed;
}

static void cut_off_and_memory(void **state)
{
    (void)state;
    size_t pieces = 24 * times;
    size_t before = pairs;
    runs = 0;
    for (size_t i = 0; i < 2 * jobs_count(); i++) {
        jobs_take(i / 2);
        if (jobs_kind() != JOB_LOAD || !jobs_memory()) {
            continue;
        }
        io_bytes whole = jobs_bytes();
        for (size_t piece = 0; piece < pieces; piece++) {
            size_t size = whole.size * (piece + 1) / (pieces + 1);
            for (size_t missing = 1; load_part(i / 2, size, missing, i % 2); missing++) {
            }
        }
        io_free(&whole);
    }
    print_message("%zu pairs in %zu runs\n", pairs - before, runs);
    assert_true(pairs >= 500);
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
        cmocka_unit_test(system_and_memory),
        cmocka_unit_test(cut_off_and_memory),
    };
    return times_read(argc, argv) ? cmocka_run_group_tests(tests, begin, end) : 2;
}
