/* SPDX-License-Identifier: MIT */
/*
 * The power fails while a teacher is recorded: whatever the disk holds then, the recording goes on
 * behind a whole case, with all cases that were finished before, and ends as the same file.
 */
#include "../teacher/recording.h"
#include "disk.h"
#include "times.h"

#include <errno.h>

#define SEEDS (20 * times)
#define CASES 64
#define NAME "r"

/* Those of the other tests but one of 20,000 bytes a case, and one of more than a sector. */
#define N_FORMS RECORDING_FORMS
static const recording_form wide = {
    "f32 of 612 bytes", KD_CACHE_F32, KD_TARGET_LOGITS, 150, 0, 0, 612};

static support_memory memory;
static kd_context *context;
static const recording_form *form;
static recording_data data;
static io_bytes due; /* the whole recording */
static kd_error error = KD_ERROR_INIT;
static size_t mark;
static size_t states;
static size_t locked;     /* that nobody can go on with */
static size_t gone_on[3]; /* new, unfinished, finished */

/* ---- recording ---- */

static kd_cache *open_it(void)
{
    kd_cache_options o = recording_options(form);
    kd_cache *cache;
    support_ok(kd_cache_open(context, files_path(NAME), &o, &cache, &error), error.text);
    return cache;
}

static kd_cache_info info_of(const kd_cache *cache)
{
    kd_cache_info info = KD_CACHE_INFO_INIT;
    support_ok(kd_cache_get_info(cache, &info, &error), error.text);
    return info;
}

/* Marks are twice the cases that are finished, and 1 while there are no others. */
static kd_status try_append(kd_cache *cache, size_t n)
{
    size_t begin = (size_t)info_of(cache).cases;
    kd_targets t = recording_rows(&data, begin);
    assert_true(begin + n <= CASES);
    mark -= mark % 2;
    disk_mark(mark);
    return kd_cache_append(cache, data.ids + begin, &t, n);
}

static void append(kd_cache *cache, size_t n)
{
    support_ok(try_append(cache, n), kd_cache_error(cache));
}

static kd_status try_finish(kd_cache *cache)
{
    kd_status status = kd_cache_finish(cache);
    if (status == KD_OK) {
        mark = 2 * (size_t)info_of(cache).cases + 1;
        disk_mark(mark);
    }
    return status;
}

static void finish(kd_cache *cache)
{
    support_ok(try_finish(cache), kd_cache_error(cache));
}

/* A number of cases, at least `from`, behind which a seal lies in two sectors; if there is none,
 * that much. */
static size_t across(size_t from)
{
    for (size_t n = from; n < CASES / 2; n++) {
        size_t at = (HEADER + n * form->bytes) % 512;
        if (at > 512 - SEAL && at < 512) {
            return n;
        }
    }
    return from;
}

/* ---- what is left ---- */

static void whole_file(void)
{
    files_clear();
    kd_cache *cache = open_it();
    append(cache, CASES);
    finish(cache);
    kd_cache_destroy(cache);
    due = files_get(NAME);
}

/* Nobody takes a part for the whole: a teacher has all cases up to a call of finish. */
static void check_teacher(size_t reached)
{
    kd_teacher *teacher;
    kd_cache_info info = KD_CACHE_INFO_INIT;
    kd_status status = kd_teacher_from_cache(context, files_path(NAME), NULL, &teacher, &error);
    if (status == KD_OK) {
        support_ok(kd_cache_verify(files_path(NAME), &info, &error), error.text);
        assert_int_equal(info.finished, 1);
        assert_true(info.cases >= reached / 2);
        kd_teacher_destroy(teacher);
    } else {
        assert_int_equal(reached % 2, 0);
        assert_true(status == KD_ERR_STATE || status == KD_ERR_NO_FILE ||
                    status == KD_ERR_TRUNCATED || status == KD_ERR_FORMAT ||
                    status == KD_ERR_CHECKSUM);
    }
}

static void check_state(size_t reached, size_t at, uint64_t seed)
{
    size_t finished = reached / 2;
    kd_cache_options o = recording_options(form);
    kd_cache *cache;
    check_teacher(reached);
    kd_status status = kd_cache_open(context, files_path(NAME), &o, &cache, &error);
    states++;
    if (status != KD_OK) {
        if (locked++ == 0) {
            print_message("%s, %zu calls, seed %zu, %zu cases finished: %s\n", form->name, at,
                          (size_t)seed, finished, error.text);
        }
        return;
    }
    kd_cache_info info = info_of(cache);
    io_bytes there = files_get(NAME);
    size_t whole = HEADER + (size_t)info.cases * form->bytes;
    assert_true(info.cases >= finished);
    assert_int_equal(there.size, whole + (info.finished ? SEAL : 0));
    support_same_bits("cases", there.bytes, due.bytes, whole);
    io_free(&there);
    gone_on[info.cases == 0 ? 0 : 1 + info.finished]++;
    if (info.cases < CASES) {
        append(cache, CASES - (size_t)info.cases);
    }
    finish(cache);
    kd_cache_destroy(cache);
    assert_true(files_has(NAME, due.bytes, due.size));
}

static void check_all(size_t first, size_t seeds)
{
    for (size_t at = first; at <= disk_calls(); at++) {
        for (uint64_t seed = 0; seed < seeds; seed++) {
            size_t reached = disk_crash(at, seed);
            check_state(reached, at, seed);
        }
    }
}

/* ---- the tests ---- */

static void begin(size_t which)
{
    form = which ? &recording_forms[which < 6 ? which - 1 : which] : &wide;
    data = recording_fill(form, which, CASES);
    whole_file();
    files_clear();
    disk_begin();
    mark = 0;
}

static void end(void)
{
    disk_forget();
    io_free(&due);
    recording_drop(&data);
}

/* Begun, finished, more appended, left, gone on with, finished, and more. */
static void at_any_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FORMS; i++) {
        begin(i);
        kd_cache *cache = open_it();
        append(cache, 3);
        append(cache, across(4) - 3);
        finish(cache);
        append(cache, 2);
        append(cache, 3);
        kd_cache_destroy(cache);
        cache = open_it();
        append(cache, 5);
        finish(cache);
        kd_cache_destroy(cache);
        cache = open_it();
        append(cache, 1);
        append(cache, 7);
        kd_cache_destroy(cache);
        disk_end();
        check_all(0, SEEDS);
        end();
    }
    assert_int_equal(locked, 0);
}

/*
 * The program is killed at any call of the system, another goes on and finishes, and then the power
 * fails: what the second one finished does not rest on what the first one left off the disk.
 */
static kd_status first_run(kd_error *e)
{
    kd_cache_options o = recording_options(form);
    kd_cache *cache;
    kd_status status = kd_cache_open(context, files_path(NAME), &o, &cache, e);
    if (status != KD_OK) {
        return status;
    }
    status = try_append(cache, 3);
    status = status ? status : try_append(cache, 4);
    status = status ? status : try_finish(cache);
    status = status ? status : try_append(cache, 2);
    e->status = status;
    kd_cache_destroy(cache);
    return status;
}

static void killed_before(void **state)
{
    (void)state;
    bool more = true;
    for (size_t at = 1; more; at++) {
        kd_status status;
        begin(1);
        more = system_run(first_run, (fault){.at = at, .lasting = true, .number = EIO}, &status,
                          &error);
        size_t before = disk_calls();
        kd_cache *cache = open_it();
        append(cache, 5);
        finish(cache);
        append(cache, 2);
        kd_cache_destroy(cache);
        disk_end();
        check_all(before, SEEDS);
        end();
    }
    assert_int_equal(locked, 0);
}

/* The power fails, and fails again while the recording goes on. */
static void twice(void **state)
{
    (void)state;
    uint64_t lots = 3;
    for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
        begin(support_below(&lots, N_FORMS));
        kd_cache *cache = open_it();
        append(cache, across(4));
        finish(cache);
        for (size_t i = 0; i < 5; i++) {
            append(cache, 2);
        }
        kd_cache_destroy(cache);
        disk_end();
        mark = disk_crash(disk_calls() - support_below(&lots, 4), seed);
        disk_begin();
        disk_mark(mark);
        cache = open_it();
        append(cache, 1 + support_below(&lots, 4));
        append(cache, 1 + support_below(&lots, 9));
        finish(cache);
        append(cache, 3);
        kd_cache_destroy(cache);
        disk_end();
        check_all(0, 5);
        end();
    }
    assert_int_equal(locked, 0);
}

static int group_begin(void **state)
{
    (void)state;
    (void)files_begin_quick();
    context = support_context(&memory);
    return 0;
}

static int group_end(void **state)
{
    (void)state;
    kd_context_destroy(context);
    support_all_returned(&memory);
    files_done();
    print_message("%zu states of a disk: %zu without a case, %zu unfinished, %zu finished\n",
                  states, gone_on[0], gone_on[1], gone_on[2]);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_any_call),
        cmocka_unit_test(killed_before),
        cmocka_unit_test(twice),
    };
    return times_read(argc, argv) ? cmocka_run_group_tests(tests, group_begin, group_end) : 2;
}
