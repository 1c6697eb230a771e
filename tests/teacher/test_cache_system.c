/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out, and calls of the system that fail, at every point of recording and of
 * teaching: a status, nothing left over, and the file as it was. The linker puts the system's calls
 * through here (--wrap).
 */
#define _XOPEN_SOURCE 700
#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- calls that fail ---- */

typedef struct fault {
    bool armed;
    size_t calls;
    size_t at;    /* this call fails, counted from 1 */
    bool lasting; /* and all later ones */
    size_t also;  /* and this one */
    int number;   /* errno */
    size_t part;  /* a write that fails does so many bytes before, in a call of their own */
    bool slow;    /* every call of more than a byte does one, after an EINTR */
    bool again;
    const char *what;
    char trace[32]; /* the calls that change the file */
} fault;

static fault now;

static bool fails(const char *name)
{
    static const char *const changes[][2] = {
        {"fsync", "sync "}, {"pwrite", "write "}, {"ftruncate", "cut "}};
    if (!now.armed) {
        return false;
    }
    for (size_t i = 0; i < COUNT(changes); i++) {
        size_t used = strlen(now.trace);
        if (strcmp(name, changes[i][0]) == 0) {
            snprintf(now.trace + used, sizeof now.trace - used, "%s", changes[i][1]);
        }
    }
    if (now.slow) {
        now.again = !now.again;
        errno = EINTR;
        return now.again && strcmp(name, "fstat") != 0;
    }
    now.calls++;
    if (now.calls != now.at && now.calls != now.also && !(now.lasting && now.calls > now.at)) {
        return false;
    }
    now.what = now.what ? now.what : name;
    errno = now.number;
    return true;
}

static size_t little(size_t size)
{
    return now.armed && now.slow && size > 1 ? 1 : size;
}

#define WRAPPED(result, name, parameters, body)                                                    \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        body                                                                                       \
    }
#define OPEN(name)                                                                                 \
    WRAPPED(int, name, (int folder, const char *path, int flags, mode_t mode),                     \
            return fails("openat") ? -1 : __real_##name(folder, path, flags, mode);)
#define STAT(name)                                                                                 \
    WRAPPED(int, name, (int file, struct stat *s),                                                 \
            return fails("fstat") ? -1 : __real_##name(file, s);)
#define CUT(name)                                                                                  \
    WRAPPED(int, name, (int file, off_t size),                                                     \
            return fails("ftruncate") ? -1 : __real_##name(file, size);)
#define PREAD(name)                                                                                \
    WRAPPED(ssize_t, name, (int file, void *bytes, size_t size, off_t at),                         \
            return fails("pread") ? -1 : __real_##name(file, bytes, little(size), at);)
#define PWRITE(name)                                                                               \
    WRAPPED(                                                                                       \
        ssize_t, name, (int file, const void *bytes, size_t size, off_t at),                       \
        if (fails("pwrite")) {                                                                     \
            if (now.part > 0 && !now.slow) {                                                       \
                (void)!__real_##name(file, bytes, now.part < size ? now.part : size, at);          \
            }                                                                                      \
            errno = now.slow ? EINTR : now.number;                                                 \
            return -1;                                                                             \
        } return __real_##name(file, bytes, little(size), at);)

OPEN(openat)
OPEN(openat64)
STAT(fstat)
STAT(fstat64)
CUT(ftruncate)
CUT(ftruncate64)
PREAD(pread)
PREAD(pread64)
PWRITE(pwrite)
PWRITE(pwrite64)
WRAPPED(int, fsync, (int file), (void)file; return fails("fsync") ? -1 : 0;) /* quickly */
WRAPPED(int, flock, (int file, int how), return fails("flock") ? -1 : __real_flock(file, how);)

/* ---- works ---- */

#define N 12

static const recording_form *form;
static recording_data data;
static kd_error error = KD_ERROR_INIT;

static kd_status record(void)
{
    return recording_try(form, &data, &error);
}

static kd_status teach(void)
{
    return recording_try_teacher(&data, &error);
}

static kd_status verify(void)
{
    kd_cache_info info = KD_CACHE_INFO_INIT;
    return kd_cache_verify(recording_path(), &info, &error);
}

static size_t open_files(void)
{
    size_t count = 0;
    for (int i = 0; i < 64; i++) {
        count += fcntl(i, F_GETFD) >= 0;
    }
    return count;
}

/* The file is as good as it can be: what is missing can be recorded, and it is then `due`. */
static void mend(const unsigned char *due, size_t size)
{
    if (record() != KD_OK) {
        fail_msg("after %s: %s", now.what ? now.what : "?", error.text);
    }
    recording_is(form->name, due, size);
}

typedef struct start {
    const char *name;
    size_t cases;
    bool finished;
} start;

static const start starts[] = {{"none", 0, false}, {"some", 5, false}, {"finished", 5, true}};

static void put_start(const start *s)
{
    recording_remove();
    if (s->cases > 0) {
        kd_cache *cache = recording_open(form);
        recording_append(cache, &data, 0, s->cases);
        if (s->finished) {
            recording_finish(cache);
        } else {
            kd_cache_destroy(cache);
        }
    }
}

/* ---- memory ---- */

static void memory_runs_out(void **state)
{
    (void)state;
    size_t runs = 0;
    recording_begin();
    for (size_t f = 0; f < RECORDING_FORMS; f++) {
        form = &recording_forms[f];
        data = recording_fill(form, f, N);
        size_t size;
        recording_make(form, &data);
        unsigned char *due = recording_get(&size);
        for (size_t what = 0; what < 2 * (COUNT(starts) + 1); what++) {
            bool recording = what / 2 < COUNT(starts);
            for (size_t at = 1;; at++, runs++) {
                if (recording) {
                    put_start(&starts[what / 2]);
                }
                size_t refused = atomic_load(&recording_memory.refused);
                recording_memory.fail_at = atomic_load(&recording_memory.calls) + at;
                recording_memory.lasting = what % 2;
                kd_status status = recording ? record() : teach();
                recording_memory.fail_at = 0;
                if (atomic_load(&recording_memory.refused) == refused) {
                    support_ok(status, error.text);
                    break; /* there is no such call any more */
                }
                support_refused(status, KD_ERR_MEMORY, error.text, "no memory");
                mend(due, size);
            }
            recording_is(form->name, due, size);
        }
        free(due);
        recording_drop(&data);
    }
    recording_end();
    print_message("%zu allocations failed\n", runs);
}

/* ---- the system ---- */

static const int numbers[] = {EIO, ENOSPC, EACCES, 9999};

/* Whether a failed recording left the file sound: all cases up to some call, the seal or not. */
static void check_left(const start *s, const unsigned char *due)
{
    size_t size;
    unsigned char *bytes = recording_get(&size);
    if (size < HEADER) {
        assert_int_equal(s->cases, 0);
        free(bytes);
        return;
    }
    kd_cache_info info = recording_verify();
    support_same_bits(now.what, bytes, due, HEADER + (size_t)info.cases * form->bytes);
    assert_true(info.cases >= s->cases);
    free(bytes);
}

static void calls_fail(void **state)
{
    (void)state;
    static const size_t which[] = {0, 2, 8, 9};
    size_t runs = 0;
    recording_begin();
    for (size_t f = 0; f < COUNT(which); f++) {
        form = &recording_forms[which[f]];
        data = recording_fill(form, f, N);
        size_t size;
        recording_make(form, &data);
        unsigned char *due = recording_get(&size);
        for (size_t i = 0; i < COUNT(numbers) * 4 * COUNT(starts); i++) {
            const start *s = &starts[i / 4 / COUNT(numbers)];
            for (size_t at = 1;; at++, runs++) {
                put_start(s);
                size_t files = open_files();
                now = (fault){.armed = true, .at = at, .lasting = i & 1};
                now.part = i & 2 ? 13 : 0;
                now.number = numbers[i / 4 % COUNT(numbers)];
                kd_status status = record();
                now.armed = false;
                assert_int_equal(open_files(), files);
                if (!now.what) {
                    support_ok(status, error.text);
                    break;
                }
                bool forgiven = strcmp(now.what, "flock") == 0; /* where there are no locks */
                if (!forgiven || status != KD_OK) {
                    support_refused(status, KD_ERR_IO, error.text, "");
                }
                if (access(recording_path(), F_OK) == 0) {
                    check_left(s, due);
                }
                mend(due, size);
            }
        }
        for (size_t i = 0; i < 2; i++) {
            for (size_t at = 1;; at++, runs++) {
                size_t files = open_files();
                now = (fault){.armed = true, .at = at, .number = EIO};
                kd_status status = i ? verify() : teach();
                now.armed = false;
                assert_int_equal(open_files(), files);
                if (!now.what) {
                    support_ok(status, error.text);
                    break;
                }
                support_refused(status, KD_ERR_IO, error.text, "/a");
            }
        }
        now = (fault){.armed = true, .slow = true};
        recording_remove();
        support_ok(record(), error.text);
        support_ok(teach(), error.text);
        support_ok(verify(), error.text);
        now.armed = false;
        recording_is("a byte at a time", due, size);
        free(due);
        recording_drop(&data);
    }
    recording_end();
    print_message("%zu calls failed\n", runs);
}

/* Each call of verifying a file whose end is damaged, or whose cases fill a buffer without their
 * checksums. */
static void reads_fail(void **state)
{
    (void)state;
    static const recording_form full = {
        "4096 and a checksum", KD_CACHE_F32, KD_TARGET_LOGITS, 1022, 0, 0, 12 + 4088};
    recording_begin();
    for (size_t f = 0; f < 2; f++) {
        size_t size;
        form = f == 0 ? &recording_forms[0] : &full;
        data = recording_fill(form, f, 2);
        recording_make(form, &data);
        unsigned char *bytes = recording_get(&size);
        bytes[size - SEAL] ^= f == 0;
        recording_put(bytes, size);
        for (size_t at = 1;; at++) {
            now = (fault){.armed = true, .at = at, .number = EIO};
            kd_status status = verify();
            now.armed = false;
            if (!now.what) {
                assert_int_equal(status, f == 0 ? KD_ERR_CHECKSUM : KD_OK);
                break;
            }
            support_refused(status, KD_ERR_IO, error.text, "/a");
        }
        free(bytes);
        recording_drop(&data);
    }
    recording_end();
}

/* One append that fails leaves the file as it was, with its seal, and the same handle goes on. */
static void a_failed_append(void **state)
{
    (void)state;
    static const char *const calls[] = {"ftruncate", "fsync", "pwrite"};
    recording_begin();
    form = &recording_forms[0];
    data = recording_fill(form, 5, N);
    size_t size, before_size;
    recording_make(form, &data);
    unsigned char *due = recording_get(&size);
    for (size_t i = 0; i < COUNT(starts) * 6; i++) {
        const start *s = &starts[i / 6];
        size_t expected = s->finished ? i % 3 : 2; /* the seal is cut off first */
        put_start(s);
        kd_cache *cache = recording_open(form);
        unsigned char *before = recording_get(&before_size);
        kd_targets t = recording_rows(&data, s->cases);
        now = (fault){.armed = true, .number = ENOSPC, .part = i % 6 < 3 ? 100 : 0};
        now.at = s->finished ? i % 3 + 1 : 1;
        kd_status status = kd_cache_append(cache, data.ids + s->cases, &t, N - s->cases);
        now.armed = false;
        support_refused(status, KD_ERR_IO, kd_cache_error(cache), "no space left");
        assert_string_equal(now.what, calls[expected]);
        recording_is("a failed append", before, before_size);
        assert_int_equal(recording_info(cache).cases, s->cases);
        assert_int_equal(recording_info(cache).finished, s->finished);
        recording_append(cache, &data, s->cases, N - s->cases);
        if (expected == 1) { /* the disk is not trusted again */
            support_refused(kd_cache_finish(cache), KD_ERR_IO, kd_cache_error(cache), "may lack");
            kd_cache_destroy(cache);
            cache = recording_open(form);
        }
        recording_finish(cache);
        recording_is("and again", due, size);
        free(before);
    }
    free(due);
    recording_drop(&data);
    recording_end();
}

/* If not even cutting off works, the same handle cuts before it goes on: whole cases of a call that
 * failed, behind one that did not, would be taken for recorded. */
static void leftovers_of_a_failed_append(void **state)
{
    (void)state;
    recording_begin();
    form = &recording_forms[0];
    data = recording_fill(form, 5, N);
    for (size_t i = 0; i < COUNT(starts); i++) {
        const start *s = &starts[i];
        put_start(s);
        kd_cache *cache = recording_open(form);
        kd_targets t = recording_rows(&data, s->cases);
        now = (fault){.armed = true, .number = ENOSPC, .part = 4 * form->bytes, .lasting = true};
        now.at = s->finished ? 3 : 1;
        kd_status status = kd_cache_append(cache, data.ids + s->cases, &t, N - s->cases);
        now.armed = false;
        support_refused(status, KD_ERR_IO, kd_cache_error(cache), "no space left");
        assert_int_equal(recording_info(cache).finished, 0); /* the seal could not be put back */
        assert_int_equal(recording_verify().cases, s->cases + 4); /* whole, but nobody's */
        recording_append(cache, &data, s->cases, 1);
        assert_int_equal(recording_verify().cases, s->cases + 1);
        recording_finish(cache);
        recording_check(form, &data, 0, s->cases + 1);
    }
    recording_drop(&data);
    recording_end();
}

/* The seal can't be put back either: cut, sync, and its own write and sync. */
static void a_seal_that_is_lost(void **state)
{
    (void)state;
    recording_begin();
    form = &recording_forms[0];
    data = recording_fill(form, 5, N);
    for (size_t also = 5; also <= 8; also++) { /* 4: what was half written is cut off */
        put_start(&starts[2]);
        kd_cache *cache = recording_open(form);
        kd_targets t = recording_rows(&data, 5);
        now = (fault){.armed = true, .number = EIO, .at = 3, .also = also};
        kd_status status = kd_cache_append(cache, data.ids + 5, &t, N - 5);
        now.armed = false;
        support_refused(status, KD_ERR_IO, kd_cache_error(cache), "");
        assert_string_equal(now.what, "pwrite");
        assert_true(now.calls >= also);
        assert_int_equal(recording_info(cache).finished, 0);
        assert_int_equal(recording_info(cache).cases, 5);
        assert_int_equal(recording_verify().cases, 5);
        kd_cache_destroy(cache);
        cache = recording_open(form);
        recording_append(cache, &data, 5, N - 5);
        recording_finish(cache);
        recording_check(form, &data, 0, N);
    }
    recording_drop(&data);
    recording_end();
}

/* Finishing whose sync fails once never succeeds on this handle; another one can. */
static void a_failed_finish(void **state)
{
    (void)state;
    recording_begin();
    form = &recording_forms[0];
    data = recording_fill(form, 5, N);
    for (size_t at = 1; at <= 3; at += 2) { /* of the cases, of the seal */
        recording_remove();
        kd_cache *cache = recording_open(form);
        recording_append(cache, &data, 0, N);
        now = (fault){.armed = true, .at = at, .number = EIO};
        support_refused(kd_cache_finish(cache), KD_ERR_IO, kd_cache_error(cache), "disk");
        now.armed = false;
        assert_string_equal(now.what, "fsync");
        for (size_t i = 0; i < 2; i++) {
            support_refused(kd_cache_finish(cache), KD_ERR_IO, kd_cache_error(cache), "may lack");
            assert_int_equal(recording_info(cache).finished, 0);
        }
        assert_int_equal(recording_verify().finished, 0);
        kd_cache_destroy(cache);
        recording_finish(recording_open(form));
        recording_check(form, &data, 0, N);
    }
    recording_drop(&data);
    recording_end();
}

/* What was recorded is on the disk before the seal says so; the seal is off it before there is
 * more. */
static void the_order_of_calls(void **state)
{
    (void)state;
    recording_begin();
    form = &recording_forms[0];
    data = recording_fill(form, 5, N);
    kd_cache *cache = recording_open(form);
    recording_append(cache, &data, 0, 5);
    now = (fault){.armed = true};
    assert_int_equal(kd_cache_finish(cache), KD_OK);
    assert_string_equal(now.trace, "sync write sync ");
    now = (fault){.armed = true};
    recording_append(cache, &data, 5, 2);
    assert_string_equal(now.trace, "cut sync write ");
    now = (fault){.armed = true};
    recording_append(cache, &data, 7, 2);
    assert_string_equal(now.trace, "write ");
    now.armed = false;
    recording_finish(cache);
    recording_drop(&data);
    recording_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(calls_fail),
        cmocka_unit_test(reads_fail),
        cmocka_unit_test(a_failed_append),
        cmocka_unit_test(a_failed_finish),
        cmocka_unit_test(a_seal_that_is_lost),
        cmocka_unit_test(leftovers_of_a_failed_append),
        cmocka_unit_test(the_order_of_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
