/* SPDX-License-Identifier: MIT */
/* safetensors files that are odd or large, but sound: what a reader takes, and what it costs. */
#include "common.h"

#define X "{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}"

/* What the format allows, and a strict reader may not refuse. */
static void the_freedoms_of_the_format(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
    } good[] = {
        {"{\t\r\n \"x\" :\n{ \"data_offsets\": [ 0 , 4 ] , \"shape\" : [ 4 ],\t\"dtype\":\"U8\" } "
         "} ",
         4},
        {"{\"x\":" X ",\"__metadata__\":{}}", 4},
        {"{\"\":" X "}", 4},
        {"{\"../a/b\":" X "}", 4},
        {"{\"x\":{\"\\u0064type\":\"U\\u0038\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4},
        {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]},\"y\":" X "}", 8},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4},
        {"{\"x\":{\"dtype\":\"F64\",\"shape\":[9223372036854775808,0,9],\"data_offsets\":[0,0]}}",
         0},
        {"{\"__metadata__\":{\"kd.header_crc32c\":\"no sum\"}}", 0},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        io_bytes file = {0};
        kd_error error = KD_ERROR_INIT;
        kdi_allocator libc = kdi_base_libc_allocator();
        kdi_io_tensors *tensors;
        io_add_tensors(&file, good[i].header, strlen(good[i].header), good[i].data);
        kdi_io_source source = io_source(&file);
        io_ok(kdi_io_tensors_open(&libc, &source, KDI_IO_FOREIGN, &tensors, &error), &error);
        kdi_io_tensors_close(tensors);
        io_free(&file);
    }
}

/* A file that is not there: `{` `}` and spaces, as many as it says. */
static int64_t read_spaces(void *user, uint64_t offset, void *out_bytes, size_t size)
{
    unsigned char start[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    unsigned char *bytes = out_bytes;
    size_t known = offset < sizeof start ? sizeof start - (size_t)offset : 0;
    kdi_io_store(start, 8, *(uint64_t *)user);
    memset(bytes, ' ', size);
    if (known > 0) {
        memcpy(bytes, start + offset, known < size ? known : size);
    }
    return (int64_t)size;
}

static void the_longest_header(void **state)
{
    (void)state;
    for (uint64_t length = KDI_IO_HEADER; length <= KDI_IO_HEADER + 1; length++) {
        io_memory memory = {0};
        kdi_allocator allocator = io_allocator(&memory);
        kdi_io_source source = {.reader = KD_READER_INIT, .name = "spaces"};
        kdi_io_tensors *tensors;
        source.reader.read = read_spaces;
        source.reader.user = &length;
        source.reader.size = 8 + length;
        kd_status status = kdi_io_tensors_open(&allocator, &source, KDI_IO_FOREIGN, &tensors, NULL);
        assert_int_equal(status, length == KDI_IO_HEADER ? KD_OK : KD_ERR_FORMAT);
        assert_true(memory.peak < 2 * length);
        kdi_io_tensors_close(tensors);
        io_all_returned(&memory);
    }
}

/* Names of few bytes, all different: a letter, then digits of base 90 that need no escape. */
static size_t short_name(char out[8], size_t number)
{
    size_t length = 0;
    for (; number > 0; number /= 90) {
        out[length++] = (char)('#' + number % 90 + (number % 90 + '#' >= '\\'));
    }
    out[length] = '\0';
    return length;
}

/* As many tensors, or strings, as fit into a header of 4 MB: what is the index of it worth? */
static void crowded_headers(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        io_memory memory = {0};
        kdi_allocator allocator = io_allocator(&memory);
        io_bytes file = {0};
        kd_error error = KD_ERROR_INIT;
        size_t count = 0;
        io_add_tensors(&file, kind ? "{\"__metadata__\":{" : "{", kind ? 17 : 1, 0);
        for (; file.size < 4000000; count++) {
            char name[8];
            char part[120];
            io_add(&file, count ? ",\"" : "\"", count ? 2 : 1);
            io_add(&file, name, short_name(name, count));
            int length = snprintf(part, sizeof part, "\":\"\"");
            if (kind == 0) {
                length = snprintf(part, sizeof part,
                                  "\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[%zu,%zu]}",
                                  count, count + 1);
            }
            io_add(&file, part, (size_t)length);
        }
        io_add(&file, kind ? "}}" : "}", kind ? 2 : 1);
        kdi_io_store(file.bytes, 8, file.size - 8);
        for (size_t i = 0; kind == 0 && i < count; i++) {
            io_add(&file, "", 1);
        }
        kdi_io_source source = io_source(&file);
        kdi_io_tensors *tensors;
        io_ok(kdi_io_tensors_open(&allocator, &source, KDI_IO_FOREIGN, &tensors, &error), &error);
        assert_int_equal(kind ? kdi_io_tensors_words(tensors) : kdi_io_tensors_count(tensors),
                         count);
        print_message("%zu %s, %.2f of the file\n", count, kind ? "strings" : "tensors",
                      (double)memory.peak / (double)file.size);
        assert_true(memory.peak < 2 * file.size);
        kdi_io_tensors_close(tensors);
        io_all_returned(&memory);
        io_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_freedoms_of_the_format),
        cmocka_unit_test(the_longest_header),
        cmocka_unit_test(crowded_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
