/* SPDX-License-Identifier: MIT */
/* Memory that runs out, readers and writers that fail or do little: a status, and nothing left. */
#include "common.h"

#include <math.h>

/* One thing that reads or writes, run again and again with another fault. */
typedef struct work {
    const char *name;
    kd_status (*run)(const kdi_allocator *allocator, io_bytes *file, kd_error *error);
    void (*prepare)(io_bytes *file);
} work;

static kd_status read_tensors(const kdi_allocator *allocator, io_bytes *file, kd_error *error)
{
    return io_read_sample(file, allocator, error);
}

static kd_status write_tensors(const kdi_allocator *allocator, io_bytes *file, kd_error *error)
{
    static const float values[3] = {1, 2, 3};
    const kdi_io_item items[] = {
        {.name = "a", .dtype = KDI_IO_F32, .rank = 1, .shape = {3}, .bytes = values},
        {.name = "b", .dtype = KDI_IO_U8, .rank = 1, .shape = {3}, .bytes = values}};
    const kdi_io_word words[] = {{"k", "v"}};
    kdi_io_sink sink = io_sink(file);
    return kdi_io_tensors_write(allocator, &sink, items, 2, words, 1, error);
}

static kd_status read_npy(const kdi_allocator *allocator, io_bytes *file, kd_error *error)
{
    kdi_io_source source = io_source(file);
    kdi_io_npy npy;
    float values[12];
    kd_status status = kdi_io_npy_open(&npy, allocator, &source, error);
    return status ? status : kdi_io_npy_read(&npy, 0, npy.rows, values, error);
}

static kd_status write_npy(const kdi_allocator *allocator, io_bytes *file, kd_error *error)
{
    (void)allocator;
    static const float values[12] = {1, 2, 3};
    kdi_io_sink sink = io_sink(file);
    return kdi_io_npy_write(&sink, values, 2, 3, 4, 4, error);
}

static void prepare_npy(io_bytes *file)
{
    io_add_npy(file, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", 48);
}

static const work works[] = {
    {"reading safetensors", read_tensors, io_write_sample},
    {"writing safetensors", write_tensors, NULL},
    {"reading npy", read_npy, prepare_npy},
    {"writing npy", write_npy, NULL},
};

static kd_status run(const work *w, io_memory *memory, io_bytes *file, kd_error *error)
{
    kdi_allocator allocator = io_allocator(memory);
    kd_status status = w->run(&allocator, file, error);
    io_all_returned(memory);
    return status;
}

static io_bytes prepared(const work *w)
{
    io_bytes file = {0};
    if (w->prepare) {
        w->prepare(&file);
    }
    file.calls = 0;
    return file;
}

static void memory_runs_out(void **state)
{
    (void)state;
    size_t failures = 0;
    for (size_t i = 0; i < 2 * COUNT(works); i++) {
        const work *w = &works[i / 2];
        kd_status status = KD_ERR_MEMORY;
        for (size_t at = 1; status != KD_OK; at++) {
            io_memory memory = {.fail_at = at, .lasting = i % 2};
            io_bytes file = prepared(w);
            kd_error error = KD_ERROR_INIT;
            status = run(w, &memory, &file, &error);
            if (status != KD_OK) {
                io_refused(w->name, status, KD_ERR_MEMORY, &error, "no memory for");
                assert_int_equal(error.argument, 0);
                assert_true(memory.calls >= at);
                failures++;
            } else {
                assert_true(memory.calls < at);
            }
            io_free(&file);
        }
    }
    assert_true(failures >= 2 * (3 + 2 + 1));
}

static void callbacks_fail(void **state)
{
    (void)state;
    static const int64_t answers[] = {-1, -28, INT64_MIN, 0, INT64_MAX, (int64_t)1 << 32};
    for (size_t i = 0; i < COUNT(works) * COUNT(answers); i++) {
        const work *w = &works[i / COUNT(answers)];
        int64_t answer = answers[i % COUNT(answers)];
        bool reads = w->prepare != NULL;
        kd_status status = KD_ERR_IO;
        size_t at = 1;
        for (; status != KD_OK; at++) {
            io_memory memory = {0};
            io_bytes file = prepared(w);
            kd_error error = KD_ERROR_INIT;
            file.fail_at = at;
            file.answer = answer;
            status = run(w, &memory, &file, &error);
            if (status != KD_OK) {
                bool ended = reads && answer == 0;
                io_refused(w->name, status, ended ? KD_ERR_TRUNCATED : KD_ERR_IO, &error,
                           ended        ? "it ends at byte"
                           : answer > 0 ? "it claims"
                           : reads      ? "reading"
                                        : "writing");
                assert_non_null(strstr(error.text, reads ? "in the reader" : "in the writer"));
                assert_int_equal(file.calls, at);
            } else {
                assert_true(file.calls < at);
            }
            io_free(&file);
        }
        assert_true(at > 3);
    }
}

static void callbacks_do_little(void **state)
{
    (void)state;
    static const size_t most[] = {1, 2, 3, 7, 8, 9, 63};
    for (size_t i = 0; i < COUNT(works); i++) {
        io_memory memory = {0};
        io_bytes whole = prepared(&works[i]);
        kd_error error = KD_ERROR_INIT;
        io_ok(run(&works[i], &memory, &whole, &error), &error);
        for (size_t j = 0; j < COUNT(most); j++) {
            io_bytes file = prepared(&works[i]);
            file.most = most[j];
            io_ok(run(&works[i], &memory, &file, &error), &error);
            assert_true(file.calls > whole.calls);
            assert_int_equal(file.size, whole.size);
            assert_memory_equal(file.bytes, whole.bytes, whole.size);
            io_free(&file);
        }
        io_free(&whole);
    }
}

/* Short reads and a failure later on, and memory that fails as well: the cleanup holds. */
static void two_faults(void **state)
{
    (void)state;
    size_t pairs = 0;
    for (size_t i = 0; i < COUNT(works); i++) {
        for (size_t at = 1; at < 60; at++) {
            for (size_t alloc = 0; alloc < 5; alloc++, pairs++) {
                io_memory memory = {.fail_at = alloc, .lasting = true};
                io_bytes file = prepared(&works[i]);
                kd_error error = KD_ERROR_INIT;
                file.most = 5;
                file.fail_at = at;
                file.answer = -5;
                kd_status status = run(&works[i], &memory, &file, &error);
                assert_true(status == KD_OK || status == KD_ERR_IO || status == KD_ERR_MEMORY);
                assert_int_equal(status, error.status);
                io_free(&file);
            }
        }
    }
    print_message("%zu pairs of faults\n", pairs);
}

/* ---- what a host hands in ---- */

static int64_t never_read(void *user, uint64_t offset, void *out_bytes, size_t size)
{
    (void)user, (void)offset, (void)out_bytes, (void)size;
    fail();
    return -1;
}

static int64_t never_write(void *user, const void *bytes, size_t size)
{
    (void)user, (void)bytes, (void)size;
    fail();
    return -1;
}

static void readers_and_writers_of_a_host(void **state)
{
    (void)state;
    kd_reader reader = KD_READER_INIT;
    kd_writer writer = KD_WRITER_INIT;
    kd_error error = KD_ERROR_INIT;
    kdi_io_source source;
    kdi_io_sink sink;
    char byte;
    io_refused("NULL", kdi_io_from_reader(&source, NULL, 2, &error), KD_ERR_NULL, &error, "reader");
    assert_int_equal(error.argument, 2);
    io_refused("NULL", kdi_io_from_writer(&sink, NULL, 3, &error), KD_ERR_NULL, &error, "writer");
    assert_int_equal(error.argument, 3);
    io_refused("read", kdi_io_from_reader(&source, &reader, 1, &error), KD_ERR_NULL, &error,
               "reader.read is NULL");
    io_refused("write", kdi_io_from_writer(&sink, &writer, 1, &error), KD_ERR_NULL, &error,
               "writer.write is NULL");
    reader.read = never_read;
    writer.write = never_write;
    reader.size = 10;
    io_ok(kdi_io_from_reader(&source, &reader, 1, &error), &error);
    io_ok(kdi_io_from_writer(&sink, &writer, 1, &error), &error);
    io_ok(kdi_io_read(&source, 10, &byte, 0, &error), &error);
    io_ok(kdi_io_write(&sink, &byte, 0, &error), &error);
    io_refused("beyond", kdi_io_read(&source, 10, &byte, 1, &error), KD_ERR_TRUNCATED, &error,
               "1 bytes are due at byte 10, but there are 10 in all");
    io_refused("beyond", kdi_io_read(&source, UINT64_MAX, &byte, 2, &error), KD_ERR_TRUNCATED,
               &error, "in all");
    io_refused("beyond", kdi_io_read(&source, 9, &byte, SIZE_MAX, &error), KD_ERR_TRUNCATED, &error,
               "in all");
    reader.struct_size = writer.struct_size = 3;
    io_refused("size", kdi_io_from_reader(&source, &reader, 1, &error), KD_ERR_STRUCT, &error,
               NULL);
    io_refused("size", kdi_io_from_writer(&sink, &writer, 1, &error), KD_ERR_STRUCT, &error, NULL);
}

/* The words of a failure fit whatever the caller's kd_error is, and NULL. */
static void words_and_the_name_of_the_file(void **state)
{
    (void)state;
    char name[400];
    kd_error error = KD_ERROR_INIT;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(kdi_io_where(NULL, KD_ERR_IO, name), KD_ERR_IO);
    (void)kdi_base_fail(&error, KD_ERR_IO, 3, "why");
    assert_int_equal(kdi_io_where(&error, KD_ERR_IO, "a.npy"), KD_ERR_IO);
    assert_string_equal(error.text, "why; in a.npy");
    assert_int_equal(error.argument, 3);
    assert_int_equal(kdi_io_where(&error, KD_ERR_IO, name), KD_ERR_IO);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
    error = (kd_error)KD_ERROR_INIT;
    error.struct_size = offsetof(kd_error, text) + 6;
    (void)kdi_base_fail(&error, KD_ERR_IO, 3, "because");
    assert_int_equal(kdi_io_where(&error, KD_ERR_IO, "a"), KD_ERR_IO);
    assert_string_equal(error.text, "becau");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(callbacks_fail),
        cmocka_unit_test(callbacks_do_little),
        cmocka_unit_test(two_faults),
        cmocka_unit_test(readers_and_writers_of_a_host),
        cmocka_unit_test(words_and_the_name_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
