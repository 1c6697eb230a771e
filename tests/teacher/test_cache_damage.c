/* SPDX-License-Identifier: MIT */
/*
 * Recordings that were cut off or damaged: the exact status of each, from the check, the teacher
 * and the recorder; and never more memory than twice the file and 1 MiB.
 */
#define _XOPEN_SOURCE 700
#include "damage.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
        unsigned char *bytes = damage_make(form, &data, &size);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            recording_put(bytes, size);
            kd_status due = bit < 64 ? KD_ERR_FORMAT : bit < 96 ? KD_ERR_VERSION : KD_ERR_CHECKSUM;
            damage_answers a = damage_ask(form);
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
        unsigned char *bytes = damage_make(form, &data, &size);
        size_t step = form->bytes > 1000 ? 997 : 1;
        for (size_t length = 0; length < size; length += step) {
            size_t whole = length < HEADER ? 0 : (length - HEADER) / form->bytes;
            whole = whole < DAMAGE_CASES ? whole : DAMAGE_CASES;
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
            if (whole < DAMAGE_CASES) {
                recording_append(cache, &data, whole, DAMAGE_CASES - whole);
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
        unsigned char *bytes = damage_make(form, &data, &size);
        unsigned char *torn = malloc(size + 3 * form->bytes);
        for (size_t round = 0; round < 200; round++) {
            size_t whole = support_below(&seed, DAMAGE_CASES + 1);
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
            if (whole < DAMAGE_CASES) {
                recording_append(cache, &data, whole, DAMAGE_CASES - whole);
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
        unsigned char *bytes = damage_make(form, &data, &size);
        for (size_t row = 0; row < DAMAGE_CASES; row++) {
            for (size_t torn = 0; torn < 2; torn++) {
                size_t length = size - SEAL - torn;
                bytes[HEADER + row * form->bytes + 9] ^= 4;
                recording_put(bytes, length);
                bool last = row + 1 + torn == DAMAGE_CASES;
                bool gone = row + torn == DAMAGE_CASES;
                damage_answers a = damage_ask(form);
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

/* ---- cases that were moved about, and what stands behind the seal ---- */

static void cases_moved_about(void **state)
{
    (void)state;
    const recording_form *form = &recording_forms[0];
    size_t unit = form->bytes;
    recording_data data;
    size_t size;
    recording_begin();
    unsigned char *good = damage_make(form, &data, &size);
    unsigned char *bytes = calloc(1, 3 * size);
    /* a case left out: the first, one in the middle, the last */
    for (size_t i = 0; i < DAMAGE_CASES; i++) {
        size_t at = HEADER + i * unit;
        memcpy(bytes, good, at);
        memcpy(bytes + at, good + at + unit, size - at - unit);
        recording_put(bytes, size - unit);
        damage_answers a = damage_ask(form);
        assert_true(a.verify == KD_ERR_TRUNCATED && a.teach == a.verify && a.open == a.verify);
    }
    /* one twice */
    memcpy(bytes, good, HEADER + unit);
    memcpy(bytes + HEADER + unit, good + HEADER, size - HEADER);
    recording_put(bytes, size + unit);
    damage_answers a = damage_ask(form);
    assert_true(a.verify == KD_ERR_CHECKSUM && a.teach == a.verify && a.open == a.verify);
    /* two exchanged */
    memcpy(bytes, good, size);
    memcpy(bytes + HEADER, good + HEADER + unit, unit);
    memcpy(bytes + HEADER + unit, good + HEADER, unit);
    recording_put(bytes, size);
    a = damage_ask(form);
    assert_true(a.verify == KD_ERR_CHECKSUM && a.teach == a.verify && a.open == a.verify);
    /* the same without a seal is a recording like any other */
    recording_put(bytes, size - SEAL);
    a = damage_ask(form);
    assert_true(a.verify == KD_OK && a.teach == KD_ERR_STATE && a.open == KD_OK);
    /* anything behind the seal: bytes, a case, another seal */
    for (size_t more = 1; more <= 2 * unit; more++) {
        memcpy(bytes, good, size);
        memcpy(bytes + size, more % 2 ? good + HEADER : good + size - SEAL,
               more <= SEAL || more % 2 ? more : SEAL);
        recording_put(bytes, size + more);
        a = damage_ask(form);
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
    damage_answers a = damage_ask(form); /* there is none: the recorder makes one */
    assert_true(a.verify == KD_ERR_NO_FILE && a.teach == KD_ERR_NO_FILE && a.open == KD_OK);
    a = damage_ask(form);
    assert_true(a.verify == KD_OK && a.teach == KD_ERR_STATE && a.open == KD_OK);
    recording_put("", 0);
    a = damage_ask(form);
    assert_true(a.verify == KD_ERR_TRUNCATED && a.teach == KD_ERR_TRUNCATED && a.open == KD_OK);
    for (size_t i = 0; i < 3 * COUNT(sizes); i++) {
        size_t n = sizes[i / 3];
        for (size_t j = 0; j < n; j++) {
            bytes[j] = (unsigned char)(i % 3 == 0 ? 0 : i % 3 == 1 ? 'K' : support_next(&seed));
        }
        bool begins = i % 3 == 1 && n == 1;         /* "K" is how one begins */
        bool unwritten = i % 3 == 0 && n <= HEADER; /* its bytes never came to the disk */
        recording_put(bytes, n);
        a = damage_ask(form);
        assert_int_equal(a.verify, begins ? KD_ERR_TRUNCATED : KD_ERR_FORMAT);
        assert_int_equal(a.teach, begins ? KD_ERR_TRUNCATED : KD_ERR_FORMAT);
        assert_int_equal(a.open, begins || unwritten ? KD_OK : KD_ERR_FORMAT);
        if (!begins && !unwritten) {
            recording_is("not ours", bytes, n);
        }
    }
    recording_remove();
    assert_int_equal(mkdir(recording_path(), 0700), 0);
    a = damage_ask(form);
    assert_true(a.verify == KD_ERR_IO && a.teach == KD_ERR_IO && a.open == KD_ERR_IO);
    assert_int_equal(rmdir(recording_path()), 0);
    assert_int_equal(mkfifo(recording_path(), 0700), 0);
    a = damage_ask(form);
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
        damage_answers a = damage_ask(&recording_forms[f]);
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
        cmocka_unit_test(cases_moved_about), cmocka_unit_test(other_files),
        cmocka_unit_test(a_file_of_holes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
