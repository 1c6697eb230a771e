/* SPDX-License-Identifier: MIT */
/*
 * Recordings that were cut off, damaged, or made to deceive: the exact status of each, from the
 * check, the teacher and the recorder; and never more memory than twice the file and 1 MiB.
 */
#define _XOPEN_SOURCE 700
#include "recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CASES 3
#define SPARE ((size_t)1 << 20)

/* ---- what the three say to a file ---- */

typedef struct answers {
    kd_status verify, teach, open;
    kd_cache_info info;
} answers;

static answers ask(const recording_form *form)
{
    answers a = {.info = KD_CACHE_INFO_INIT};
    struct stat s = {0};
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher;
    kd_cache *cache;
    kd_cache_options o = recording_options(form);
    size_t before = atomic_load(&recording_memory.bytes);
    (void)stat(recording_path(), &s);
    atomic_store(&recording_memory.peak, before);
    a.verify = kd_cache_verify(recording_path(), &a.info, &error);
    assert_true(a.verify == KD_OK || (error.status == a.verify && strstr(error.text, "/a")));
    assert_true(a.verify == KD_OK || error.argument == 0); /* the file is at fault */
    a.teach = kd_teacher_from_cache(recording_context, recording_path(), NULL, &teacher, &error);
    assert_true(a.teach == KD_OK || (error.status == a.teach && !teacher));
    assert_true(a.teach == KD_OK || a.teach == KD_ERR_STATE || error.argument == 0);
    kd_teacher_destroy(teacher);
    a.open = kd_cache_open(recording_context, recording_path(), &o, &cache, &error);
    assert_true(a.open == KD_OK || (error.status == a.open && !cache));
    kd_cache_destroy(cache);
    assert_true(atomic_load(&recording_memory.peak) - before <= 2 * (size_t)s.st_size + SPARE);
    assert_int_equal(atomic_load(&recording_memory.bytes), before);
    return a;
}

/* A finished recording of three cases. */
static unsigned char *make(const recording_form *form, recording_data *data, size_t *out_size)
{
    *data = recording_fill(form, 11, CASES);
    recording_make(form, data);
    return recording_get(out_size);
}

/* ---- every bit, every length ---- */

static void every_bit(void **state)
{
    (void)state;
    size_t flips = 0;
    recording_begin();
    for (size_t f = 0; f < RECORDING_FORMS; f++) {
        const recording_form *form = &recording_forms[f];
        recording_data data;
        size_t size;
        if (form->bytes > 1000) {
            continue;
        }
        unsigned char *bytes = make(form, &data, &size);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            recording_put(bytes, size);
            kd_status due = bit < 64 ? KD_ERR_FORMAT : bit < 96 ? KD_ERR_VERSION : KD_ERR_CHECKSUM;
            answers a = ask(form);
            if (a.verify != due || a.teach != due || a.open != due) {
                fail_msg("%s, bit %zu: %d %d %d", form->name, bit, (int)a.verify, (int)a.teach,
                         (int)a.open);
            }
            recording_is("a damaged file", bytes, size);
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            flips++;
        }
        free(bytes);
        recording_drop(&data);
    }
    recording_end();
    print_message("%zu flips\n", flips);
}

/* Cut off anywhere: never taken for whole, and gone on with to the same file. */
static void every_length(void **state)
{
    (void)state;
    recording_begin();
    for (size_t f = 0; f < RECORDING_FORMS; f++) {
        const recording_form *form = &recording_forms[f];
        recording_data data;
        size_t size;
        unsigned char *bytes = make(form, &data, &size);
        size_t step = form->bytes > 1000 ? 997 : 1;
        for (size_t length = 0; length < size; length += step) {
            size_t whole = length < HEADER ? 0 : (length - HEADER) / form->bytes;
            whole = whole < CASES ? whole : CASES;
            recording_put(bytes, length);
            kd_cache_info info = KD_CACHE_INFO_INIT;
            kd_status status = kd_cache_verify(recording_path(), &info, NULL);
            if (length < HEADER) {
                assert_int_equal(status, KD_ERR_TRUNCATED);
            } else {
                assert_int_equal(status, KD_OK);
                assert_int_equal(info.finished, 0);
                assert_int_equal(info.cases, whole);
                assert_int_equal(info.torn_bytes, length - HEADER - whole * form->bytes);
            }
            kd_teacher *teacher;
            assert_int_equal(
                kd_teacher_from_cache(recording_context, recording_path(), NULL, &teacher, NULL),
                length < HEADER ? KD_ERR_TRUNCATED : KD_ERR_STATE);
            recording_is("after a look", bytes, length);
            kd_cache *cache = recording_open(form);
            info = recording_info(cache);
            assert_int_equal(info.cases, whole);
            assert_int_equal(info.torn_bytes,
                             length < HEADER ? 0 : length - HEADER - whole * form->bytes);
            if (whole < CASES) {
                recording_append(cache, &data, whole, CASES - whole);
            }
            recording_finish(cache);
            recording_is("gone on with", bytes, size);
        }
        free(bytes);
        recording_drop(&data);
    }
    recording_end();
}

/* A tail of anything that was being written, as a power cut leaves it: it is cut off. */
static void tails_of_anything(void **state)
{
    (void)state;
    uint64_t seed = 8;
    recording_begin();
    for (size_t f = 0; f < RECORDING_FORMS; f++) {
        const recording_form *form = &recording_forms[f];
        recording_data data;
        size_t size;
        unsigned char *bytes = make(form, &data, &size);
        unsigned char *torn = malloc(size + 3 * form->bytes);
        for (size_t round = 0; round < 200; round++) {
            size_t whole = support_below(&seed, CASES + 1);
            size_t at = HEADER + whole * form->bytes;
            size_t tail = 1 + support_below(&seed, 3 * form->bytes);
            memcpy(torn, bytes, at);
            for (size_t i = 0; i < tail; i++) {
                torn[at + i] = (unsigned char)(round % 2 ? support_next(&seed) : 0);
            }
            recording_put(torn, at + tail);
            kd_cache_info info = recording_verify();
            assert_int_equal(info.cases, whole);
            assert_int_equal(info.torn_bytes, tail);
            kd_cache *cache = recording_open(form);
            assert_int_equal(recording_info(cache).torn_bytes, tail);
            if (whole < CASES) {
                recording_append(cache, &data, whole, CASES - whole);
            }
            recording_finish(cache);
            recording_is(form->name, bytes, size);
        }
        free(torn);
        free(bytes);
        recording_drop(&data);
    }
    recording_end();
}

/* A case that is damaged, finished or not, is not cut off if a good one follows. */
static void damage_in_the_middle(void **state)
{
    (void)state;
    recording_begin();
    for (size_t f = 0; f < RECORDING_FORMS; f++) {
        const recording_form *form = &recording_forms[f];
        recording_data data;
        size_t size;
        unsigned char *bytes = make(form, &data, &size);
        for (size_t row = 0; row < CASES; row++) {
            for (size_t torn = 0; torn < 2; torn++) {
                size_t length = size - SEAL - torn;
                bytes[HEADER + row * form->bytes + 9] ^= 4;
                recording_put(bytes, length);
                bool last = row + 1 + torn == CASES;
                bool gone = row + torn == CASES;
                answers a = ask(form);
                kd_status due = last || gone ? KD_OK : KD_ERR_CHECKSUM;
                assert_int_equal(a.verify, due);
                assert_int_equal(a.open, due);
                assert_int_equal(a.teach, due ? due : KD_ERR_STATE);
                assert_true(!last || a.info.cases == row);
                recording_is(form->name, bytes,
                             due ? length : HEADER + (size_t)a.info.cases * form->bytes);
                bytes[HEADER + row * form->bytes + 9] ^= 4;
            }
        }
        free(bytes);
        recording_drop(&data);
    }
    recording_end();
}

/* ---- files made to deceive: right checksums around what no recording has ---- */

enum { F32 = 0, PROBABILITIES = 3, LOG_PROBABILITIES = 4, F16 = 6, TOP = 8, WIDE = 10 };
enum { NOTHING, HEAD = 1, RECORD = 2, END = 4, ALL = 7 }; /* which checksums are made right */

typedef struct lie {
    int form;
    size_t at, bytes; /* what is written there; from SEAL_AT on within the seal */
    uint64_t value;
    int fix;
    kd_status verify, teach, open;
} lie;

#define SEAL_AT 100000
#define CASE(field) (HEADER + (field))
#define EVERY(status) status, status, status
#define SOUND(teach, open) KD_OK, teach, open /* what only who reads the values can know */
#define NAN32 0x7fc00000
#define INF32 0x7f800000
#define NEG32 0xff800000

static const lie lies[] = {
    /* the header */
    {F32, 0, 1, 'k', ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 7, 1, '\r', ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 0, 8, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 8, 4, 0, ALL, EVERY(KD_ERR_VERSION)},
    {F32, 8, 4, 2, ALL, EVERY(KD_ERR_VERSION)},
    {F32, 8, 4, 0xffffffff, ALL, EVERY(KD_ERR_VERSION)},
    {F32, 8, 4, 0x01000000, ALL, EVERY(KD_ERR_VERSION)},
    {F32, 12, 4, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 12, 4, 79, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 12, 4, 81, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 12, 4, 0xffffffff, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 16, 4, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 16, 4, 4, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 16, 4, 3, ALL, EVERY(KD_ERR_FORMAT)}, /* TOPK without top */
    {F32, 16, 4, 0x80000000, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 20, 4, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 20, 4, 2, ALL, EVERY(KD_ERR_FORMAT)}, /* probabilities without T0 */
    {F32, 20, 4, 4, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 20, 4, 5, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 20, 4, 0xffffffff, ALL, EVERY(KD_ERR_FORMAT)},
    {F16, 20, 4, 3, ALL, EVERY(KD_ERR_FORMAT)},
    {PROBABILITIES, 16, 4, 2, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 20, 4, 2, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, UINT64_C(1) << 31, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, (UINT64_C(1) << 32) + 10, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, UINT64_C(1) << 62, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, UINT64_C(1) << 63, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, UINT64_MAX, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, INT32_MAX, ALL, KD_ERR_TRUNCATED, KD_ERR_TRUNCATED, KD_ERR_MISMATCH},
    {F32, 24, 8, INT32_MAX, HEAD, KD_ERR_CHECKSUM, KD_ERR_CHECKSUM, KD_ERR_MISMATCH},
    {F32, 24, 8, 11, ALL, KD_ERR_TRUNCATED, KD_ERR_TRUNCATED, KD_ERR_MISMATCH},
    {F32, 24, 8, 9, ALL, KD_ERR_CHECKSUM, KD_ERR_CHECKSUM, KD_ERR_MISMATCH},
    {F32, 24, 8, 11, HEAD, KD_ERR_CHECKSUM, KD_ERR_CHECKSUM, KD_ERR_MISMATCH},
    {TOP, 24, 8, 2, ALL, EVERY(KD_ERR_FORMAT)}, /* fewer classes than are kept */
    {F32, 32, 8, 1, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 32, 8, UINT64_C(1) << 63, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 32, 8, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 32, 8, 11, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 32, 8, UINT64_MAX / 4 + 1, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 40, 4, 0x3f800000, ALL, EVERY(KD_ERR_FORMAT)}, /* logits at 1 */
    {F32, 40, 4, 0x80000000, ALL, EVERY(KD_ERR_FORMAT)}, /* at -0 */
    {F32, 40, 4, NAN32, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 40, 4, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 40, 4, 0xbf800000, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 40, 4, NAN32, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 40, 4, INF32, ALL, EVERY(KD_ERR_FORMAT)},
    {PROBABILITIES, 40, 4, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 44, 4, 1, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 64, 4, 1, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 72, 4, 0x80000000, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 76, 4, 0, NOTHING, EVERY(KD_ERR_CHECKSUM)},
    {F32, 48, 8, 1, ALL, SOUND(KD_OK, KD_ERR_MISMATCH)},
    {F32, 56, 8, 1, ALL, SOUND(KD_OK, KD_ERR_MISMATCH)},
    {F32, 48, 8, 1, HEAD, KD_ERR_CHECKSUM, KD_ERR_CHECKSUM, KD_ERR_MISMATCH}, /* another's seal */
    /* the seal */
    {F32, SEAL_AT + 8, 8, 0, END, EVERY(KD_ERR_FORMAT)},
    {F32, SEAL_AT + 8, 8, 2, END, EVERY(KD_ERR_CHECKSUM)},
    {F32, SEAL_AT + 8, 8, 4, END, EVERY(KD_ERR_TRUNCATED)},
    {F32, SEAL_AT + 8, 8, UINT64_MAX, END, EVERY(KD_ERR_TRUNCATED)},
    {F32, SEAL_AT + 8, 8, (UINT64_C(1) << 62) + 3, END, EVERY(KD_ERR_TRUNCATED)},
    {F32, SEAL_AT + 8, 8, 4, NOTHING, EVERY(KD_ERR_CHECKSUM)},
    {F32, SEAL_AT, 8, 0, NOTHING, EVERY(KD_ERR_CHECKSUM)},
    {F32, SEAL_AT + 16, 8, 0, NOTHING, EVERY(KD_ERR_CHECKSUM)},
    /* cases */
    {F32, CASE(3), 1, 77, END, EVERY(KD_ERR_CHECKSUM)},
    {F32, CASE(3), 1, 77, RECORD, EVERY(KD_ERR_CHECKSUM)},
    {F32, CASE(0), 8, 0, ALL, SOUND(KD_ERR_ID, KD_ERR_ID)}, /* the second case has it */
    {F32, CASE(8), 4, NAN32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F32, CASE(44), 4, INF32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F32, CASE(8), 4, NEG32, ALL, SOUND(KD_OK, KD_OK)},
    {1, CASE(8), 4, NEG32, ALL, SOUND(KD_ERR_SUPPORT, KD_OK)},
    {PROBABILITIES, CASE(8), 4, NAN32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {PROBABILITIES, CASE(8), 4, 0xbf800000, ALL, SOUND(KD_ERR_PROBABILITY, KD_OK)},
    {PROBABILITIES, CASE(8), 4, 0x40000000, ALL, SOUND(KD_ERR_PROBABILITY, KD_OK)},
    {LOG_PROBABILITIES, CASE(8), 4, 0x40000000, ALL, SOUND(KD_ERR_PROBABILITY, KD_OK)},
    {LOG_PROBABILITIES, CASE(8), 4, INF32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(8), 4, NAN32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(8), 4, INF32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(8), 4, NEG32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(12), 2, 0x7e00, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(12), 2, 0x7c00, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(12), 2, 0x3c00, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {F16, CASE(12), 2, 0x0001, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {7, CASE(12), 8, UINT64_C(0xbc00bc00bc00bc00), ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {7, CASE(12), 8, UINT64_C(0xfc00fc00fc00fc00), ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(8), 4, NAN32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {TOP, CASE(8), 4, NEG32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {TOP, CASE(12), 4, NAN32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {TOP, CASE(12), 4, INF32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {TOP, CASE(12), 4, NEG32, ALL, SOUND(KD_OK, KD_OK)},
    {TOP, CASE(20), 2, 10, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(20), 2, 0xffff, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(16), 6, UINT64_C(0x000200020001), ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(16), 6, UINT64_C(0x000100020003), ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(22), 2, 0xfc00, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {TOP, CASE(22), 2, 0x3c00, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(22), 6, UINT64_C(0xbc00bc00bc00), ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {WIDE, CASE(20), 4, 65537, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {WIDE, CASE(20), 4, 0xffffffff, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
};

static void files_that_lie(void **state)
{
    (void)state;
    recording_begin();
    for (size_t i = 0; i < COUNT(lies); i++) {
        const lie *l = &lies[i];
        const recording_form *form = &recording_forms[l->form];
        recording_data data;
        size_t size;
        unsigned char *bytes = make(form, &data, &size);
        size_t at = l->at < SEAL_AT ? l->at : l->at - SEAL_AT + size - SEAL;
        recording_store(bytes + at, l->bytes, l->value);
        if (l->fix & HEAD) {
            recording_fix_header(bytes);
        }
        if (l->fix & RECORD) {
            recording_fix_case(bytes + HEADER, form->bytes);
        }
        if (l->fix & END) {
            recording_fix_seal(bytes, size, form->bytes);
        }
        recording_put(bytes, size);
        answers a = ask(form);
        if (a.verify != l->verify || a.teach != l->teach || a.open != l->open) {
            fail_msg("lie %zu (%s, %zu bytes at %zu): %s %s %s", i, form->name, l->bytes, l->at,
                     kd_status_name(a.verify), kd_status_name(a.teach), kd_status_name(a.open));
        }
        recording_is("a look changes nothing", bytes, size);
        free(bytes);
        recording_drop(&data);
    }
    recording_end();
    print_message("%zu files\n", COUNT(lies));
}

/* ---- cases that were moved about, and what stands behind the seal ---- */

static void cases_moved_about(void **state)
{
    (void)state;
    const recording_form *form = &recording_forms[0];
    size_t unit = form->bytes;
    recording_data data;
    size_t size;
    recording_begin();
    unsigned char *good = make(form, &data, &size);
    unsigned char *bytes = calloc(1, 3 * size);
    /* a case left out: the first, one in the middle, the last */
    for (size_t i = 0; i < CASES; i++) {
        size_t at = HEADER + i * unit;
        memcpy(bytes, good, at);
        memcpy(bytes + at, good + at + unit, size - at - unit);
        recording_put(bytes, size - unit);
        answers a = ask(form);
        assert_true(a.verify == KD_ERR_TRUNCATED && a.teach == a.verify && a.open == a.verify);
    }
    /* one twice */
    memcpy(bytes, good, HEADER + unit);
    memcpy(bytes + HEADER + unit, good + HEADER, size - HEADER);
    recording_put(bytes, size + unit);
    answers a = ask(form);
    assert_true(a.verify == KD_ERR_CHECKSUM && a.teach == a.verify && a.open == a.verify);
    /* two exchanged */
    memcpy(bytes, good, size);
    memcpy(bytes + HEADER, good + HEADER + unit, unit);
    memcpy(bytes + HEADER + unit, good + HEADER, unit);
    recording_put(bytes, size);
    a = ask(form);
    assert_true(a.verify == KD_ERR_CHECKSUM && a.teach == a.verify && a.open == a.verify);
    /* the same without a seal is a recording like any other */
    recording_put(bytes, size - SEAL);
    a = ask(form);
    assert_true(a.verify == KD_OK && a.teach == KD_ERR_STATE && a.open == KD_OK);
    /* anything behind the seal: bytes, a case, another seal */
    for (size_t more = 1; more <= 2 * unit; more++) {
        memcpy(bytes, good, size);
        memcpy(bytes + size, more % 2 ? good + HEADER : good + size - SEAL,
               more <= SEAL || more % 2 ? more : SEAL);
        recording_put(bytes, size + more);
        a = ask(form);
        assert_true(a.verify == KD_ERR_CHECKSUM && a.teach == a.verify && a.open == a.verify);
    }
    free(bytes);
    free(good);
    recording_drop(&data);
    recording_end();
}

/* ---- what is no recording ---- */

static void other_files(void **state)
{
    (void)state;
    const recording_form *form = &recording_forms[0];
    static unsigned char bytes[4096];
    static const size_t sizes[] = {1, 7, 8, 12, 79, 80, 81, 104, 4096};
    uint64_t seed = 5;
    recording_begin();
    answers a = ask(form); /* there is none: the recorder makes one */
    assert_true(a.verify == KD_ERR_NO_FILE && a.teach == KD_ERR_NO_FILE && a.open == KD_OK);
    a = ask(form);
    assert_true(a.verify == KD_OK && a.teach == KD_ERR_STATE && a.open == KD_OK);
    recording_put("", 0);
    a = ask(form);
    assert_true(a.verify == KD_ERR_TRUNCATED && a.teach == KD_ERR_TRUNCATED && a.open == KD_OK);
    for (size_t i = 0; i < 3 * COUNT(sizes); i++) {
        size_t n = sizes[i / 3];
        for (size_t j = 0; j < n; j++) {
            bytes[j] = (unsigned char)(i % 3 == 0 ? 0 : i % 3 == 1 ? 'K' : support_next(&seed));
        }
        bool begins = i % 3 == 1 && n == 1;         /* "K" is how one begins */
        bool unwritten = i % 3 == 0 && n <= HEADER; /* its bytes never came to the disk */
        recording_put(bytes, n);
        a = ask(form);
        assert_int_equal(a.verify, begins ? KD_ERR_TRUNCATED : KD_ERR_FORMAT);
        assert_int_equal(a.teach, begins ? KD_ERR_TRUNCATED : KD_ERR_FORMAT);
        assert_int_equal(a.open, begins || unwritten ? KD_OK : KD_ERR_FORMAT);
        if (!begins && !unwritten) {
            recording_is("not ours", bytes, n);
        }
    }
    recording_remove();
    assert_int_equal(mkdir(recording_path(), 0700), 0);
    a = ask(form);
    assert_true(a.verify == KD_ERR_IO && a.teach == KD_ERR_IO && a.open == KD_ERR_IO);
    assert_int_equal(rmdir(recording_path()), 0);
    assert_int_equal(mkfifo(recording_path(), 0700), 0);
    a = ask(form);
    assert_true(a.verify == KD_ERR_IO && a.teach == KD_ERR_IO && a.open == KD_ERR_IO);
    recording_end();
}

/* A file full of holes: 24 MiB of nothing behind a header that is right. */
static void a_file_of_holes(void **state)
{
    (void)state;
    recording_begin();
    for (size_t f = 0; f < 2; f++) {
        kd_cache_destroy(recording_open(&recording_forms[f]));
        assert_int_equal(truncate(recording_path(), (24 << 20) + 5), 0);
        answers a = ask(&recording_forms[f]);
        assert_int_equal(a.verify, KD_OK);
        assert_int_equal(a.info.cases, 0);
        assert_int_equal(a.info.torn_bytes, (24 << 20) + 5 - HEADER);
        assert_int_equal(a.teach, KD_ERR_STATE);
        assert_int_equal(a.open, KD_OK);
        recording_remove();
    }
    recording_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit),         cmocka_unit_test(every_length),
        cmocka_unit_test(tails_of_anything), cmocka_unit_test(damage_in_the_middle),
        cmocka_unit_test(files_that_lie),    cmocka_unit_test(cases_moved_about),
        cmocka_unit_test(other_files),       cmocka_unit_test(a_file_of_holes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
