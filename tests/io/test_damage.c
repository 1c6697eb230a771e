/* SPDX-License-Identifier: MIT */
/* Files of ours that were damaged: every flipped bit, every cut, and thousands of wild changes. */
#include "common.h"

static void check(io_bytes *file, const char *what, size_t at)
{
    io_memory memory = {0};
    kdi_allocator allocator = io_allocator(&memory);
    kd_error error = KD_ERROR_INIT;
    kd_status status = io_read_sample(file, &allocator, &error);
    if (status == KD_OK) {
        fail_msg("%s at %zu: not detected", what, at);
    }
    switch (status) {
    case KD_ERR_FORMAT:
    case KD_ERR_TRUNCATED:
    case KD_ERR_CHECKSUM:
    case KD_ERR_TOO_LARGE:
    case KD_ERR_UNSUPPORTED:
        break;
    default:
        fail_msg("%s at %zu: %s", what, at, kd_status_name(status));
    }
    assert_true(error.status == status && error.text[0]);
    assert_true(memory.peak < 2 * file->size + (1u << 20));
    io_all_returned(&memory);
}

static void every_bit(void **state)
{
    (void)state;
    io_bytes file = {0};
    io_write_sample(&file);
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        unsigned char mask = (unsigned char)(1u << bit % 8);
        file.bytes[bit / 8] ^= mask;
        check(&file, "bit", bit);
        file.bytes[bit / 8] ^= mask;
    }
    print_message("%zu flipped bits, all detected\n", 8 * file.size);
    io_free(&file);
}

static void every_byte_to_every_value(void **state)
{
    (void)state;
    io_bytes file = {0};
    io_write_sample(&file);
    for (size_t at = 0; at < file.size; at++) {
        unsigned char before = file.bytes[at];
        for (unsigned value = 0; value < 256; value++) {
            file.bytes[at] = (unsigned char)value;
            if (file.bytes[at] != before) {
                check(&file, "byte", at);
            }
        }
        file.bytes[at] = before;
    }
    io_free(&file);
}

static void every_length(void **state)
{
    (void)state;
    io_bytes file = {0};
    io_write_sample(&file);
    size_t size = file.size;
    size_t header = (size_t)kdi_io_load(file.bytes, 8);
    const kdi_allocator libc = kdi_base_libc_allocator();
    for (file.size = 0; file.size < size; file.size++) {
        kd_error error = KD_ERROR_INIT;
        io_refused("cut", io_read_sample(&file, &libc, &error), KD_ERR_TRUNCATED, &error, NULL);
        check(&file, "cut", file.size);
    }
    for (size_t more = 1; more < 20; more++) {
        kd_error error = KD_ERROR_INIT;
        io_add(&file, "    ", 1);
        io_refused("more", io_read_sample(&file, &libc, &error), KD_ERR_FORMAT, &error,
                   "follow the header");
    }
    file.size = size;
    for (size_t at = 0; at < size; at++) { /* a byte less, and one more, in the middle */
        io_bytes other = {0};
        io_add(&other, file.bytes, at);
        io_add(&other, file.bytes + at + 1, size - at - 1);
        check(&other, "left out", at);
        other.size = at;
        io_add(&other, "0", 1);
        io_add(&other, file.bytes + at, size - at);
        check(&other, "put in", at);
        io_free(&other);
    }
    assert_true(header > 0);
    io_free(&file);
}

/* A change of the kind that breaks readers: bytes, numbers, pieces moved about, a cut. */
static void change(io_bytes *file, uint64_t *seed)
{
    static const char *const magic[] = {"18446744073709551615",
                                        "4294967296",
                                        "-1",
                                        "0",
                                        "{",
                                        "}",
                                        "[",
                                        "]",
                                        "\"",
                                        ",",
                                        ":",
                                        "\\u",
                                        "\\",
                                        "null",
                                        " ",
                                        "1e9"};
    size_t at = (size_t)(io_random(seed) % file->size);
    size_t other = (size_t)(io_random(seed) % file->size);
    size_t longest = file->size - (at > other ? at : other);
    size_t size = 1 + (size_t)(io_random(seed) % (longest < 40 ? longest : 40));
    const char *word = magic[io_random(seed) % COUNT(magic)];
    switch (io_random(seed) % 5) {
    case 0:
        file->bytes[at] ^= (unsigned char)(1u << io_random(seed) % 8);
        break;
    case 1:
        file->bytes[at] = (unsigned char)io_random(seed);
        break;
    case 2:
        memmove(file->bytes + at, file->bytes + other, size < longest ? size : longest);
        break;
    case 3:
        memcpy(file->bytes + at, word,
               strlen(word) < file->size - at ? strlen(word) : file->size - at);
        break;
    default:
        file->size -= io_random(seed) % 16 == 0 ? at : 0;
        break;
    }
}

static void wild_changes(void **state)
{
    (void)state;
    io_bytes good = {0};
    uint64_t seed = 11;
    size_t different = 0;
    io_write_sample(&good);
    for (int round = 0; round < 20000; round++) {
        io_bytes file = {0};
        io_add(&file, good.bytes, good.size);
        for (uint64_t changes = 1 + io_random(&seed) % 3; changes > 0; changes--) {
            change(&file, &seed);
        }
        if (file.size != good.size || memcmp(file.bytes, good.bytes, good.size) != 0) {
            check(&file, "round", (size_t)round);
            different++;
        }
        io_free(&file);
    }
    print_message("%zu wild changes, all detected\n", different);
    io_free(&good);
}

/* As a foreign file it may be accepted or not; it must only be harmless. */
static void wild_changes_of_foreign_files(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"\\u00e9\\n\":\"\\ud83d\\ude00\"},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
        "\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[16,17]},"
        "\"c\":{\"dtype\":\"F16\",\"shape\":[0,3],\"data_offsets\":[17,17]}}   ";
    uint64_t seed = 13;
    size_t accepted = 0;
    for (int round = 0; round < 40000; round++) {
        io_memory memory = {0};
        kdi_allocator allocator = io_allocator(&memory);
        io_bytes file = {0};
        kdi_io_tensors *t;
        io_add_tensors(&file, header, sizeof header - 1, 17);
        for (uint64_t changes = 1 + io_random(&seed) % 3; changes > 0; changes--) {
            change(&file, &seed);
        }
        kdi_io_source source = io_source(&file);
        kd_status status = kdi_io_tensors_open(&allocator, &source, KDI_IO_FOREIGN, &t, NULL);
        for (size_t i = 0; status == KD_OK && i < kdi_io_tensors_count(t); i++) {
            unsigned char bytes[64];
            kdi_io_tensor tensor = kdi_io_tensors_get(t, i);
            kdi_io_tensor found;
            assert_true(kdi_io_tensors_find(t, tensor.name, &found));
            assert_int_equal(kdi_io_tensors_read(t, &tensor, bytes, NULL), KD_OK);
        }
        for (size_t i = 0; status == KD_OK && i < kdi_io_tensors_words(t); i++) {
            kdi_io_word word = kdi_io_tensors_get_word(t, i);
            assert_ptr_equal(kdi_io_tensors_word(t, word.key), word.value);
        }
        accepted += status == KD_OK;
        kdi_io_tensors_close(t);
        assert_true(memory.peak < 2 * file.size + (1u << 20));
        io_all_returned(&memory);
        io_free(&file);
    }
    print_message("%zu of 40000 changed foreign files accepted\n", accepted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit),
        cmocka_unit_test(every_byte_to_every_value),
        cmocka_unit_test(every_length),
        cmocka_unit_test(wild_changes),
        cmocka_unit_test(wild_changes_of_foreign_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
