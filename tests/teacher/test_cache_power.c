/* SPDX-License-Identifier: MIT */
/*
 * Power cuts: what a recording does to its file is written down, and the file that a cut may leave
 * is made from it, at every moment and in many ways. Since the last fsync each sector of 512 bytes
 * may be as it was at any time, and the file as long. From each such file the recording goes on,
 * without a case lost that was finished, to the same bytes.
 */
#include "recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#define SECTOR 512
#define ROOM 65536
#define MOMENTS 64
#define CASES 40
#define WAYS 16 /* cuts at each moment */

/* ---- what the library does to the file ---- */

typedef struct moment {
    size_t size;
    unsigned char bytes[ROOM]; /* zeros behind the end */
} moment;

/* The file as it is on the disk, and after each call since then. */
static moment *moments;
static size_t n_moments;
static bool watching;

/* Cases that are finished, and that were handed over. */
static size_t least, most;
static size_t cuts, torn;

static void cut_power(void);

static moment *next_moment(void)
{
    if (n_moments == MOMENTS) {
        abort();
    }
    moments[n_moments] = moments[n_moments - 1];
    return &moments[n_moments++];
}

static void wrote(const void *bytes, size_t size, size_t offset)
{
    moment *m = next_moment();
    memcpy(m->bytes + offset, bytes, size);
    m->size = m->size > offset + size ? m->size : offset + size;
    cut_power();
}

static void cut(size_t size)
{
    moment *m = next_moment();
    memset(m->bytes + size, 0, ROOM - size);
    m->size = size;
    cut_power();
}

static void synced(void)
{
    moments[0] = moments[n_moments - 1];
    n_moments = 1;
    cut_power();
}

/* Names that end in 64 are the same calls where sizes of files have 64 bits. */
#define WRAPPED(result, name, parameters, arguments, body)                                         \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        result done = __real_##name arguments;                                                     \
        if (watching && done >= 0) {                                                               \
            watching = false;                                                                      \
            body;                                                                                  \
            watching = true;                                                                       \
        }                                                                                          \
        return done;                                                                               \
    }

#define PWRITE(name, type)                                                                         \
    WRAPPED(ssize_t, name, (int file, const void *bytes, size_t size, type offset),                \
            (file, bytes, size, offset), wrote(bytes, (size_t)done, (size_t)offset))
#define FTRUNCATE(name, type)                                                                      \
    WRAPPED(int, name, (int file, type size), (file, size), cut((size_t)size))

PWRITE(pwrite, off_t)
PWRITE(pwrite64, int64_t)
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, int64_t)

int __wrap_fsync(int file);
int __wrap_fsync(int file)
{
    (void)file; /* what it brings to the disk is known here, so nobody waits for a real one */
    if (watching) {
        watching = false;
        synced();
        watching = true;
    }
    return 0;
}

/* ---- what a cut leaves ---- */

static const recording_form *form;
static recording_data data;
static unsigned char *whole; /* an uninterrupted recording of all cases */
static size_t whole_size;
static char path[300];
static uint64_t seed = 5;

static void make_cut(moment *out)
{
    size_t way = support_below(&seed, 4);
    size_t last = n_moments - 1;
    out->size = moments[way ? last : support_below(&seed, n_moments)].size;
    memset(out->bytes, 0, ROOM);
    for (size_t at = 0; at < out->size; at += SECTOR) {
        size_t from = way < 2                   ? support_below(&seed, n_moments)
                      : support_below(&seed, 4) ? last
                                                : 0;
        memcpy(out->bytes + at, moments[from].bytes + at, SECTOR);
    }
}

static void put(const moment *m)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(m->bytes, 1, m->size, file), m->size);
    assert_int_equal(fclose(file), 0);
}

static void check_end(void)
{
    static unsigned char found[ROOM];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(found, 1, sizeof found, file), whole_size);
    assert_int_equal(fclose(file), 0);
    support_same_bits("gone on with", found, whole, whole_size);
}

static void go_on(const moment *m)
{
    kd_cache_options o = recording_options(form);
    kd_error error = KD_ERROR_INIT;
    kd_cache *cache;
    put(m);
    if (kd_cache_open(recording_context, path, &o, &cache, &error) != KD_OK) {
        fail_msg("%s, %zu bytes, %zu cases: %s", form->name, m->size, most, error.text);
    }
    kd_cache_info info = recording_info(cache);
    assert_in_range(info.cases, least, most);
    torn += info.torn_bytes > 0;
    if (info.cases < CASES) {
        recording_append(cache, &data, (size_t)info.cases, CASES - (size_t)info.cases);
    }
    recording_finish(cache);
    check_end();
    cuts++;
}

static void cut_power(void)
{
    static moment left;
    for (size_t i = 0; i < WAYS; i++) {
        make_cut(&left);
        go_on(&left);
    }
}

/* ---- recordings ---- */

/* Some cases at a time, finished now and then; closed and opened again too. */
static void record(kd_cache *cache)
{
    kd_cache_options o = recording_options(form);
    least = most = 0;
    while (most < CASES) {
        size_t n = 1 + support_below(&seed, 6);
        n = n < CASES - most ? n : CASES - most;
        size_t begin = most;
        most += n;
        recording_append(cache, &data, begin, n);
        if (support_below(&seed, 4) == 0) {
            support_ok(kd_cache_finish(cache), kd_cache_error(cache));
            least = most;
        }
        if (support_below(&seed, 4) == 0) {
            kd_cache_destroy(cache);
            support_ok(kd_cache_open(recording_context, recording_path(), &o, &cache, NULL), "");
        }
    }
    recording_finish(cache);
}

static void every_moment(void **state)
{
    (void)state;
    recording_begin();
    moments = calloc(MOMENTS, sizeof *moments);
    assert_non_null(moments);
    snprintf(path, sizeof path, "%s/cut", recording_folder());
    for (size_t f = 0; f < RECORDING_FORMS; f++) {
        form = &recording_forms[f];
        if (HEADER + CASES * form->bytes + SEAL > ROOM) {
            continue;
        }
        data = recording_fill(form, f + 1, CASES);
        recording_make(form, &data);
        whole = recording_get(&whole_size);
        for (size_t round = 0; round < 3; round++) {
            recording_remove();
            memset(moments, 0, sizeof *moments);
            n_moments = 1;
            least = most = 0;
            watching = true;
            record(recording_open(form));
            watching = false;
        }
        free(whole);
        recording_drop(&data);
    }
    remove(path);
    free(moments);
    recording_end();
    print_message("%zu cuts, %zu left a torn end\n", cuts, torn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_moment)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
