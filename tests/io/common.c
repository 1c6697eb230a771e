/* SPDX-License-Identifier: MIT */
/* See common.h. */
#include "common.h"

/* ---- memory ---- */

#define BEYOND 0xA5 /* behind what was asked for; in UTF-8 it goes on with what came before */

static void *take(void *user, size_t size, size_t align)
{
    io_memory *m = user;
    m->calls++;
    if (m->fail_at && (m->calls == m->fail_at || (m->lasting && m->calls > m->fail_at))) {
        return NULL;
    }
    size_t rounded = (size + 2 * align - 1) / align * align; /* and some that nobody may touch */
    unsigned char *pointer = aligned_alloc(align, rounded);
    assert_non_null(pointer);
    memset(pointer, BEYOND, rounded);
    m->live++;
    m->bytes += size;
    m->peak = m->bytes > m->peak ? m->bytes : m->peak;
    return pointer;
}

static void give(void *user, void *pointer, size_t size)
{
    io_memory *m = user;
    assert_true(m->live > 0 && m->bytes >= size);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(((unsigned char *)pointer)[size + i], BEYOND);
    }
    m->live--;
    m->bytes -= size;
    free(pointer);
}

kdi_allocator io_allocator(io_memory *memory)
{
    return (kdi_allocator){take, give, memory};
}

void io_all_returned(const io_memory *memory)
{
    assert_int_equal(memory->live, 0);
    assert_int_equal(memory->bytes, 0);
}

/* ---- files in memory ---- */

kdi_io_source io_source(io_bytes *file)
{
    kd_reader reader = io_reader(file);
    kdi_io_source source;
    assert_int_equal(kdi_io_from_reader(&source, &reader, 1, NULL), KD_OK);
    return source;
}

kdi_io_sink io_sink(io_bytes *file)
{
    kd_writer writer = io_writer(file);
    kdi_io_sink sink;
    assert_int_equal(kdi_io_from_writer(&sink, &writer, 1, NULL), KD_OK);
    return sink;
}

void io_add_tensors(io_bytes *file, const char *header, size_t length, size_t data)
{
    unsigned char prefix[8];
    kdi_io_store(prefix, 8, length);
    io_add(file, prefix, 8);
    io_add(file, header, length);
    for (size_t i = 0; i < data; i++) {
        unsigned char byte = (unsigned char)i;
        io_add(file, &byte, 1);
    }
}

void io_add_npy(io_bytes *file, const char *header, size_t data)
{
    unsigned char start[10] = "\x93NUMPY\x01";
    const char zero = 0;
    size_t length = strlen(header);
    size_t padding = 63 - (sizeof start + length) % 64;
    kdi_io_store(start + 8, 2, length + padding + 1);
    io_add(file, start, sizeof start);
    io_add(file, header, length);
    for (size_t i = 0; i < padding; i++) {
        io_add(file, " ", 1);
    }
    io_add(file, "\n", 1);
    for (size_t i = 0; i < data; i++) {
        io_add(file, &zero, 1);
    }
}

/* ---- a small file of ours ---- */

void io_write_sample(io_bytes *out)
{
    static const float weight[6] = {1.0f, -2.0f, 0.5f, 3.0f, -0.0f, 1e-40f};
    static const uint64_t step[1] = {20};
    static const unsigned char bytes[3] = {1, 2, 3};
    const kdi_io_item items[] = {
        {.name = "layers.0.weight",
         .dtype = KDI_IO_F32,
         .rank = 2,
         .shape = {2, 3},
         .bytes = weight},
        {.name = "step", .dtype = KDI_IO_U64, .rank = 0, .bytes = step},
        {.name = "b", .dtype = KDI_IO_U8, .rank = 1, .shape = {3}, .bytes = bytes},
    };
    const kdi_io_word words[] = {{"kd.net", "784-10"}, {"kd.format", "1"}};
    const kdi_allocator libc = kdi_base_libc_allocator();
    kd_error error = KD_ERROR_INIT;
    kdi_io_sink sink = io_sink(out);
    io_ok(kdi_io_tensors_write(&libc, &sink, items, COUNT(items), words, COUNT(words), &error),
          &error);
}

kd_status io_read_sample(io_bytes *file, const kdi_allocator *allocator, kd_error *error)
{
    kdi_io_source source = io_source(file);
    kdi_io_tensors *tensors;
    kd_status status = kdi_io_tensors_open(allocator, &source, KDI_IO_OURS, &tensors, error);
    for (size_t i = 0; status == KD_OK && i < kdi_io_tensors_count(tensors); i++) {
        unsigned char bytes[64];
        kdi_io_tensor tensor = kdi_io_tensors_get(tensors, i);
        assert_true(tensor.size <= sizeof bytes);
        status = kdi_io_tensors_read(tensors, &tensor, bytes, error);
    }
    kdi_io_tensors_close(tensors);
    return status;
}

/* ---- the rest ---- */

void io_ok(kd_status status, const kd_error *error)
{
    if (status != KD_OK) {
        fail_msg("%s: %s", kd_status_name(status), error->text);
    }
}

void io_refused(const char *what, kd_status got, kd_status due, const kd_error *error,
                const char *needle)
{
    if (got != due) {
        fail_msg("%s: %s instead of %s (\"%s\")", what, kd_status_name(got), kd_status_name(due),
                 error->text);
    }
    if (error->status != due || !strstr(error->text, needle ? needle : "")) {
        fail_msg("%s: \"%s\" is not in \"%s\" (%s)", what, needle, error->text,
                 kd_status_name(error->status));
    }
}
