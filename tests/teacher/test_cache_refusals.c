/* SPDX-License-Identifier: MIT */
/* What recordings refuse: the status, the words, and that nothing has changed. */
#define _XOPEN_SOURCE 700
#include "recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const recording_form f32 = {"f32", KD_CACHE_F32, KD_TARGET_LOGITS, 4, 0, 0, 28};
static const recording_form f16 = {"f16", KD_CACHE_F16, KD_TARGET_LOGITS, 4, 0, 0, 24};
static const recording_form given = {"given", KD_CACHE_F32, KD_TARGET_PROBABILITIES, 4, 0, 2, 28};
static const recording_form logs = {"logs", KD_CACHE_F32, KD_TARGET_LOG_PROBABILITIES, 4, 0, 2, 28};
static const recording_form top = {"top", KD_CACHE_TOPK, KD_TARGET_LOGITS, 4, 2, 2, 28};
static const recording_form tops = {"tops", KD_CACHE_TOPK, KD_TARGET_TOPK, 4, 2, 2, 28};

/* ---- opening ---- */

static void try_open(const kd_cache_options *o, kd_status due, const char *needle)
{
    kd_error error = KD_ERROR_INIT;
    kd_cache *cache = (kd_cache *)&error;
    kd_status status = kd_cache_open(recording_context, recording_path(), o, &cache, &error);
    support_refused(status, due, error.text, needle);
    assert_null(cache);
    assert_int_equal(error.argument, due == KD_ERR_FORMAT ? 2 : 3);
}

#define OPEN(form, field, value, due, needle)                                                      \
    do {                                                                                           \
        kd_cache_options o_ = recording_options(&(form));                                          \
        o_.field = value;                                                                          \
        try_open(&o_, due, needle);                                                                \
    } while (0)

static void options_that_make_no_sense(void **state)
{
    (void)state;
    recording_begin();
    OPEN(f32, struct_size, 3, KD_ERR_STRUCT, "options.struct_size");
    OPEN(f32, reserved, 1, KD_ERR_STRUCT, "options.reserved is 1");
    OPEN(f32, k, 0, KD_ERR_SIZE, "options.k is 0");
    OPEN(f32, k, (size_t)INT32_MAX + 1, KD_ERR_TOO_LARGE, "options.k");
    OPEN(f32, encoding, 4, KD_ERR_KIND, "options.encoding is 4");
    OPEN(f32, encoding, -1, KD_ERR_KIND, "options.encoding is -1");
    OPEN(f32, kind, 5, KD_ERR_KIND, "options.kind is 5");
    OPEN(f32, kind, KD_TARGET_TOPK, KD_ERR_KIND, "F32");
    OPEN(f16, kind, KD_TARGET_PROBABILITIES, KD_ERR_KIND, "F16");
    OPEN(f16, kind, KD_TARGET_TOPK, KD_ERR_KIND, "F16");
    OPEN(top, kind, KD_TARGET_LOG_PROBABILITIES, KD_ERR_KIND, "TOPK");
    OPEN(f32, top, 1, KD_ERR_VALUE, "options.top is 1");
    OPEN(top, top, 0, KD_ERR_SIZE, "options.top is 0");
    OPEN(top, top, 5, KD_ERR_VALUE, "options.top is 5");
    OPEN(f32, temperature, 1, KD_ERR_TEMPERATURE, "options.temperature is 1");
    OPEN(f16, temperature, NAN, KD_ERR_TEMPERATURE, "options.temperature is nan");
    OPEN(given, temperature, 0, KD_ERR_TEMPERATURE, "options.temperature is 0");
    OPEN(logs, temperature, -1, KD_ERR_TEMPERATURE, "options.temperature is -1");
    OPEN(top, temperature, INFINITY, KD_ERR_TEMPERATURE, "options.temperature is inf");
    assert_int_equal(access(recording_path(), F_OK), -1); /* the file was not even made */
    recording_end();
}

static void pointers_that_are_missing(void **state)
{
    (void)state;
    kd_cache_options o = recording_options(&f32);
    kd_error error = KD_ERROR_INIT;
    kd_cache *cache;
    kd_teacher *teacher;
    kd_cache_info info = KD_CACHE_INFO_INIT;
    uint64_t hash;
    recording_begin();
    const char *path = recording_path();
    support_refused(kd_cache_open(NULL, path, &o, &cache, &error), KD_ERR_NULL, error.text,
                    "context");
    support_refused(kd_cache_open(recording_context, NULL, &o, &cache, &error), KD_ERR_NULL,
                    error.text, "path");
    support_refused(kd_cache_open(recording_context, path, NULL, &cache, &error), KD_ERR_NULL,
                    error.text, "options");
    support_refused(kd_cache_open(recording_context, path, &o, NULL, &error), KD_ERR_NULL,
                    error.text, "out_cache");
    support_refused(kd_teacher_from_cache(NULL, path, NULL, &teacher, &error), KD_ERR_NULL,
                    error.text, "context");
    support_refused(kd_teacher_from_cache(recording_context, NULL, NULL, &teacher, &error),
                    KD_ERR_NULL, error.text, "path");
    support_refused(kd_teacher_from_cache(recording_context, path, NULL, NULL, &error), KD_ERR_NULL,
                    error.text, "out_teacher");
    support_refused(kd_cache_verify(NULL, &info, &error), KD_ERR_NULL, error.text, "path");
    support_refused(kd_cache_verify(path, NULL, &error), KD_ERR_NULL, error.text, "out_info");
    info.struct_size = 1;
    support_refused(kd_cache_verify(path, &info, &error), KD_ERR_STRUCT, error.text, "out_info");
    support_refused(kd_cache_get_info(NULL, &info, &error), KD_ERR_NULL, error.text, "cache");
    assert_int_equal(kd_cache_append(NULL, NULL, NULL, 0), KD_ERR_NULL);
    assert_int_equal(kd_cache_finish(NULL), KD_ERR_NULL);
    assert_string_equal(kd_cache_error(NULL), "");
    kd_cache_destroy(NULL);
    cache = recording_open(&f32);
    assert_string_equal(kd_cache_error(cache), "");
    support_refused(kd_cache_get_info(cache, NULL, &error), KD_ERR_NULL, error.text, "out_info");
    support_refused(kd_cache_get_info(cache, &info, &error), KD_ERR_STRUCT, error.text, "out_info");
    kd_cache_destroy(cache);
    support_refused(kd_teacher_hash(NULL, &hash, &error), KD_ERR_NULL, error.text, "teacher");
    recording_end();
}

/* Another writer, or the same one twice: the first has it alone. */
static void one_writer_at_a_time(void **state)
{
    (void)state;
    kd_cache_options o = recording_options(&f32);
    kd_error error = KD_ERROR_INIT;
    recording_begin();
    kd_cache *first = recording_open(&f32), *second;
    kd_status status = kd_cache_open(recording_context, recording_path(), &o, &second, &error);
    support_refused(status, KD_ERR_IO, error.text, "another writer");
    kd_cache_destroy(first);
    kd_cache_destroy(recording_open(&f32));
    recording_end();
}

/* ---- files of something else ---- */

static void expect(const kd_cache_options *o, kd_status due, const char *needle)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher;
    kd_status status =
        kd_teacher_from_cache(recording_context, recording_path(), o, &teacher, &error);
    if (due == KD_OK) {
        support_ok(status, error.text);
    } else {
        support_refused(status, due, error.text, needle);
        assert_null(teacher);
    }
    kd_teacher_destroy(teacher);
}

#define MISMATCH(form, field, value, needle)                                                       \
    do {                                                                                           \
        kd_cache_options o_ = recording_options(&(form));                                          \
        o_.field = value;                                                                          \
        expect(&o_, KD_ERR_MISMATCH, needle);                                                      \
        try_open(&o_, KD_ERR_MISMATCH, needle);                                                    \
    } while (0)

static void other_recordings(void **state)
{
    (void)state;
    recording_begin();
    recording_data data = recording_fill(&top, 3, 5);
    size_t size;
    recording_make(&top, &data);
    unsigned char *due = recording_get(&size);
    kd_cache_options o = recording_options(&top);
    expect(&o, KD_OK, NULL);
    expect(NULL, KD_OK, NULL);
    o = (kd_cache_options)KD_CACHE_OPTIONS_INIT;
    expect(&o, KD_OK, NULL);
    o.k = 4;
    expect(&o, KD_OK, NULL);
    o.k = 10;
    expect(&o, KD_ERR_MISMATCH, "options.k is 10, the file has 4");
    o = (kd_cache_options)KD_CACHE_OPTIONS_INIT;
    o.reserved = 1;
    expect(&o, KD_ERR_STRUCT, "reserved");
    o.struct_size = 1;
    expect(&o, KD_ERR_STRUCT, "expected.struct_size");
    MISMATCH(top, k, 5, "options.k is 5, the file has 4");
    MISMATCH(top, kind, KD_TARGET_TOPK, "options.kind is 4, the file has 1");
    MISMATCH(top, top, 3, "options.top is 3, the file has 2");
    MISMATCH(top, temperature, 2.5f, "options.temperature is 2.5, the file has 2");
    MISMATCH(top, teacher_hash, 7, "options.teacher_hash is 7, the file has 1234605616436508552");
    MISMATCH(top, data_hash, 7, "options.data_hash is 7, the file has 11072869122414935808");
    kd_cache_options other = recording_options(&f32);
    expect(&other, KD_ERR_MISMATCH, "options.encoding is 1, the file has 3");
    try_open(&other, KD_ERR_MISMATCH, "options.encoding is 1, the file has 3");
    o = recording_options(&top);
    o.teacher_hash = 0; /* no number is another number for the recorder, none for the teacher */
    try_open(&o, KD_ERR_MISMATCH, "teacher_hash is 0");
    expect(&o, KD_OK, NULL);
    recording_is("refused", due, size);
    free(due);
    recording_drop(&data);
    recording_end();
}

/* ---- appending ---- */

typedef struct trial {
    kd_cache *cache;
    recording_data data;
    kd_targets targets;
    uint64_t ids[4];
} trial;

static void begin(trial *t, const recording_form *form)
{
    recording_remove();
    t->cache = recording_open(form);
    t->data = recording_fill(form, 2, 4);
    t->targets = recording_rows(&t->data, 0);
    memcpy(t->ids, t->data.ids, sizeof t->ids);
}

/* Refused, with these words; then the same, put right, is taken. */
static void end(trial *t, const recording_form *form, kd_status due, const char *needle)
{
    kd_status status = kd_cache_append(t->cache, t->ids, &t->targets, 4);
    support_refused(status, due, kd_cache_error(t->cache), needle);
    size_t size;
    free(recording_get(&size));
    assert_int_equal(size, HEADER);
    assert_int_equal(recording_info(t->cache).cases, 0);
    support_refused(kd_cache_finish(t->cache), KD_ERR_STATE, kd_cache_error(t->cache), "nothing");
    recording_drop(&t->data);
    t->data = recording_fill(form, 2, 4);
    recording_append(t->cache, &t->data, 0, 4);
    recording_finish(t->cache);
    recording_check(form, &t->data, 0, 4);
    recording_drop(&t->data);
}

#define APPEND(form, change, due, needle)                                                          \
    do {                                                                                           \
        trial t;                                                                                   \
        begin(&t, &(form));                                                                        \
        change;                                                                                    \
        end(&t, &(form), due, needle);                                                             \
    } while (0)

static void cases_that_are_refused(void **state)
{
    (void)state;
    recording_begin();
    APPEND(f32, t.targets.struct_size = 2, KD_ERR_STRUCT, "targets.struct_size");
    APPEND(f32, t.targets.values = NULL, KD_ERR_NULL, "targets.values is NULL");
    APPEND(f32, t.targets.stride = 3, KD_ERR_SIZE, "stride");
    APPEND(f32, t.targets.stride = (size_t)INT32_MAX + 1, KD_ERR_TOO_LARGE, "stride");
    APPEND(f32, t.targets.kind = 0, KD_ERR_KIND, "targets.kind is 0");
    APPEND(f32, t.targets.kind = KD_TARGET_PROBABILITIES, KD_ERR_KIND, "targets.kind is 2");
    APPEND(top, t.targets.kind = KD_TARGET_TOPK, KD_ERR_KIND, "targets.kind is 4");
    APPEND(f32, t.targets.k = 5, KD_ERR_SHAPE, "targets.k is 5");
    APPEND(given, t.targets.temperature = 3, KD_ERR_TEMPERATURE, "targets.temperature is 3");
    APPEND(logs, t.targets.temperature = NAN, KD_ERR_TEMPERATURE, "targets.temperature is nan");
    APPEND(f32, t.targets.top = 1, KD_ERR_VALUE, "topk_index or tail is set");
    APPEND(f32, t.targets.topk_index = t.data.index, KD_ERR_VALUE, "topk_index or tail is set");
    APPEND(f32, t.targets.tail = t.data.values, KD_ERR_VALUE, "topk_index or tail is set");
    APPEND(tops, t.targets.temperature = 1, KD_ERR_TEMPERATURE, "targets.temperature is 1");
    APPEND(f32, t.ids[3] = t.ids[0], KD_ERR_ID, "ids[3] is");
    APPEND(f32, t.ids[1] = t.ids[0], KD_ERR_ID, "ids[1] is");
    APPEND(f32, t.data.values[5] = NAN, KD_ERR_NOT_FINITE, "case 1");
    APPEND(f32, t.data.values[15] = INFINITY, KD_ERR_NOT_FINITE, "case 3");
    APPEND(f16, t.data.values[5] = NAN, KD_ERR_NOT_FINITE, "case 1");
    APPEND(top, t.data.values[0] = INFINITY, KD_ERR_NOT_FINITE, "case 0");
    APPEND(f32, for (size_t i = 8; i < 12; i++) t.data.values[i] = -INFINITY, KD_ERR_SUPPORT,
           "-inf throughout");
    APPEND(given, t.data.values[0] += 0.01f, KD_ERR_PROBABILITY, "sums to");
    APPEND(given, t.data.values[0] = -1, KD_ERR_PROBABILITY, "case 0");
    APPEND(logs, t.data.values[4] = 0.5f, KD_ERR_PROBABILITY, "sums to");
    APPEND(f16, t.data.values[2] = -65600 + t.data.values[1] - 100, KD_ERR_VALUE, "above 65504");
    APPEND(top, t.data.values[4] = -1e30f; t.data.values[5] = -2e30f;
           t.data.values[6] = -3e30f, KD_ERR_VALUE, "above 65504");
    APPEND(top, for (size_t i = 1; i < 4; i++) t.data.values[i] = -INFINITY, KD_ERR_NOT_FINITE,
           "fewer than 2 finite");
    APPEND(tops, t.targets.topk_index = NULL, KD_ERR_NULL, "topk_index is NULL");
    APPEND(tops, t.targets.tail = NULL, KD_ERR_NULL, "tail is NULL");
    APPEND(tops, t.targets.top = 3, KD_ERR_SHAPE, "targets.top is 3");
    APPEND(tops, t.targets.stride = 1, KD_ERR_SIZE, "stride");
    APPEND(tops, t.data.index[3] = 4, KD_ERR_INDEX, "topk_index[1,1] is 4");
    APPEND(tops, t.data.index[0] = t.data.index[1], KD_ERR_INDEX, "topk_index[0,1]");
    APPEND(tops, t.data.values[1] = -INFINITY, KD_ERR_NOT_FINITE, "targets.values[0,1]");
    APPEND(tops, t.data.tail[2] = NAN, KD_ERR_NOT_FINITE, "targets.tail[2] is nan");
    APPEND(tops, t.data.tail[0] = INFINITY, KD_ERR_NOT_FINITE, "targets.tail[0] is inf");
    recording_end();
}

/* What is only just allowed. */
static void cases_at_the_edge(void **state)
{
    (void)state;
    recording_begin();
    trial t;
    begin(&t, &f16);
    t.data.values[0] = 65504;
    t.data.values[1] = 0;
    t.data.values[2] = -INFINITY;
    t.data.values[3] = 0.5f;
    recording_append(t.cache, &t.data, 0, 4);
    recording_finish(t.cache);
    recording_check(&f16, &t.data, 0, 4);
    recording_drop(&t.data);
    recording_end();
}

/* A tail that no float can hold can't be given back either. */
static void a_tail_out_of_range(void **state)
{
    (void)state;
    static const recording_form cold = {"cold", KD_CACHE_TOPK, KD_TARGET_LOGITS, 4, 2, 1e-30f, 28};
    static const float values[4] = {3e38f, 3e38f, 3e38f, 3e38f};
    recording_begin();
    trial t;
    begin(&t, &cold);
    t.targets.values = values;
    support_refused(kd_cache_append(t.cache, t.ids, &t.targets, 1), KD_ERR_VALUE,
                    kd_cache_error(t.cache), "no float");
    kd_cache_destroy(t.cache);
    recording_drop(&t.data);
    recording_end();
}

static void sizes_of_an_append(void **state)
{
    (void)state;
    recording_begin();
    trial t;
    begin(&t, &f32);
    support_refused(kd_cache_append(t.cache, t.ids, &t.targets, 0), KD_ERR_SIZE,
                    kd_cache_error(t.cache), "n is 0");
    support_refused(kd_cache_append(t.cache, t.ids, &t.targets, (size_t)INT32_MAX + 1),
                    KD_ERR_TOO_LARGE, kd_cache_error(t.cache), "n is");
    support_refused(kd_cache_append(t.cache, NULL, &t.targets, 4), KD_ERR_NULL,
                    kd_cache_error(t.cache), "ids");
    support_refused(kd_cache_append(t.cache, t.ids, NULL, 4), KD_ERR_NULL, kd_cache_error(t.cache),
                    "targets");
    kd_cache_destroy(t.cache);
    recording_drop(&t.data);
    recording_end();
}

/* ---- asking ---- */

static void questions_that_are_refused(void **state)
{
    (void)state;
    recording_begin();
    recording_data data = recording_fill(&f32, 3, 8);
    recording_make(&f32, &data);
    size_t size;
    unsigned char *bytes = recording_get(&size);
    kd_teacher *teacher = recording_teacher();
    kd_teacher_workspace *ws;
    kd_batch batch = KD_BATCH_INIT;
    kd_targets got = KD_TARGETS_INIT;
    kd_error error = KD_ERROR_INIT;
    uint64_t unknown = 12345;
    assert_int_equal(kd_teacher_workspace_create(teacher, 8, &ws, NULL), KD_OK);
    batch.n = 1;
    support_refused(kd_teacher_targets(ws, &batch, 1, &got, &error), KD_ERR_NULL, error.text,
                    "batch.ids");
    batch.ids = &unknown;
    support_refused(kd_teacher_targets(ws, &batch, 1, &got, &error), KD_ERR_ID, error.text,
                    "12345");
    /* The file is changed under the teacher: found where it is read, and only there. */
    batch.ids = data.ids + 4;
    for (size_t i = 0; i < f32.bytes; i++) {
        bytes[HEADER + 4 * f32.bytes + i] ^= 0x10;
        recording_put(bytes, size);
        support_refused(kd_teacher_targets(ws, &batch, 1, &got, &error), KD_ERR_CHECKSUM,
                        error.text, "/a");
        batch.ids = data.ids;
        assert_int_equal(kd_teacher_targets(ws, &batch, 1, &got, &error), KD_OK);
        batch.ids = data.ids + 4;
        bytes[HEADER + 4 * f32.bytes + i] ^= 0x10;
    }
    memcpy(bytes + HEADER + 4 * f32.bytes, bytes + HEADER, f32.bytes); /* another's case */
    recording_put(bytes, size);
    support_refused(kd_teacher_targets(ws, &batch, 1, &got, &error), KD_ERR_CHECKSUM, error.text,
                    "was changed");
    assert_int_equal(truncate(recording_path(), HEADER + 4), 0);
    support_refused(kd_teacher_targets(ws, &batch, 1, &got, &error), KD_ERR_TRUNCATED, error.text,
                    "/a");
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(teacher);
    free(bytes);
    recording_drop(&data);
    recording_end();
}

/* Hosts of another age: shorter and longer structs. */
static void structs_of_another_age(void **state)
{
    (void)state;
    struct {
        kd_cache_info info;
        uint64_t tail;
    } longer = {KD_CACHE_INFO_INIT, 77};
    kd_cache_info shorter = KD_CACHE_INFO_INIT;
    recording_begin();
    recording_data data = recording_fill(&f32, 3, 8);
    recording_make(&f32, &data);
    longer.info.struct_size = sizeof longer;
    assert_int_equal(kd_cache_verify(recording_path(), &longer.info, NULL), KD_OK);
    assert_int_equal(longer.tail, 77); /* only filled, and this is not ours */
    assert_int_equal(longer.info.cases, 8);
    shorter.struct_size = offsetof(kd_cache_info, cases);
    shorter.cases = 1234;
    assert_int_equal(kd_cache_verify(recording_path(), &shorter, NULL), KD_OK);
    assert_int_equal(shorter.cases, 1234);
    assert_int_equal(shorter.k, 4);
    recording_drop(&data);
    recording_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_that_make_no_sense), cmocka_unit_test(pointers_that_are_missing),
        cmocka_unit_test(one_writer_at_a_time),       cmocka_unit_test(other_recordings),
        cmocka_unit_test(cases_that_are_refused),     cmocka_unit_test(cases_at_the_edge),
        cmocka_unit_test(a_tail_out_of_range),        cmocka_unit_test(sizes_of_an_append),
        cmocka_unit_test(questions_that_are_refused), cmocka_unit_test(structs_of_another_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
