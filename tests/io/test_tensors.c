/* SPDX-License-Identifier: MIT */
/* safetensors: what is written is read again, and stands in the file as the format says. */
#include "common.h"

static const kdi_io_dtype all_dtypes[] = {
    KDI_IO_BOOL, KDI_IO_U8,  KDI_IO_I8,  KDI_IO_I16, KDI_IO_U16, KDI_IO_F16, KDI_IO_BF16,
    KDI_IO_I32,  KDI_IO_U32, KDI_IO_F32, KDI_IO_F64, KDI_IO_I64, KDI_IO_U64};

static kdi_allocator libc;

static kdi_io_tensors *opened(io_bytes *file, kdi_io_origin origin)
{
    kd_error error = KD_ERROR_INIT;
    kdi_io_source source = io_source(file);
    kdi_io_tensors *tensors;
    io_ok(kdi_io_tensors_open(&libc, &source, origin, &tensors, &error), &error);
    return tensors;
}

static kd_status written(io_bytes *out, const kdi_io_item *items, size_t n_items,
                         const kdi_io_word *words, size_t n_words, kd_error *error)
{
    kdi_io_sink sink = io_sink(out);
    kd_status status = kdi_io_tensors_write(&libc, &sink, items, n_items, words, n_words, error);
    if (status == KD_OK) {
        assert_int_equal(sink.written, out->size);
        assert_int_equal(kdi_io_load(out->bytes, 8) % 8, 0);
    }
    return status;
}

/* ---- the bytes of a file ---- */

static void the_sample_byte_for_byte(void **state)
{
    (void)state;
    io_bytes file = {0};
    char header[1024];
    uint32_t sums[3];
    io_write_sample(&file);
    size_t size = (size_t)kdi_io_load(file.bytes, 8);
    assert_int_equal(size % 8, 0);
    assert_int_equal(file.size, 8 + size + 8 + 24 + 3);
    sums[0] = kdi_io_crc(0, file.bytes + 8 + size, 8);
    sums[1] = kdi_io_crc(0, file.bytes + 8 + size + 8, 24);
    sums[2] = kdi_io_crc(0, file.bytes + 8 + size + 32, 3);
    int length = snprintf(
        header, sizeof header,
        "{\"__metadata__\":{\"kd.header_crc32c\":\"00000000\",\"kd.format\":\"1\","
        "\"kd.net\":\"784-10\",\"crc32c.step\":\"%08x\",\"crc32c.layers.0.weight\":\"%08x\","
        "\"crc32c.b\":\"%08x\"},\"step\":{\"dtype\":\"U64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"layers.0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
        "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[32,35]}}",
        (unsigned)sums[0], (unsigned)sums[1], (unsigned)sums[2]);
    while (length % 8) {
        header[length++] = ' ';
    }
    assert_int_equal(size, length);
    char *digits = strstr(header, "00000000");
    snprintf(digits, 9, "%08x", (unsigned)kdi_io_crc(0, header, size));
    digits[8] = '"';
    assert_memory_equal(file.bytes + 8, header, size);
    assert_int_equal(kdi_io_load(file.bytes + 8 + size, 8), 20);
    assert_memory_equal(file.bytes + 8 + size + 32, "\1\2\3", 3);
    io_free(&file);
}

static void order_of_the_input_does_not_matter(void **state)
{
    (void)state;
    static const float values[2] = {1, 2};
    kdi_io_item items[6];
    kdi_io_word words[4] = {{"b", "1"}, {"a", "2"}, {"", "3"}, {"ab", "4"}};
    const char *const names[] = {"w", "v", "a", "b", "", "aa"};
    io_bytes first = {0};
    kd_error error = KD_ERROR_INIT;
    uint64_t seed = 5;
    for (size_t i = 0; i < 6; i++) {
        items[i] = (kdi_io_item){.name = names[i], .rank = 1, .shape = {2}, .bytes = values};
        items[i].dtype = i % 2 ? KDI_IO_F32 : KDI_IO_I32;
    }
    io_ok(written(&first, items, 6, words, 4, &error), &error);
    for (int round = 0; round < 50; round++) {
        io_bytes file = {0};
        size_t i = (size_t)(io_random(&seed) % 6);
        kdi_io_item item = items[0];
        items[0] = items[i];
        items[i] = item;
        kdi_io_word word = words[0];
        words[0] = words[i % 4];
        words[i % 4] = word;
        io_ok(written(&file, items, 6, words, 4, &error), &error);
        assert_int_equal(file.size, first.size);
        assert_memory_equal(file.bytes, first.bytes, first.size);
        io_free(&file);
    }
    io_free(&first);
}

/* ---- there and back ---- */

static void check_walk(const kdi_io_tensors *t, const kdi_io_tensor *tensor, const void *due,
                       uint64_t *seed)
{
    unsigned char bytes[256];
    kd_error error = KD_ERROR_INIT;
    kdi_io_walk walk = kdi_io_walk_begin(tensor);
    assert_true(tensor->size <= sizeof bytes);
    while (walk.done < tensor->size) {
        size_t left = tensor->size - walk.done;
        size_t size = (size_t)(io_random(seed) % (left + 1));
        io_ok(kdi_io_walk_next(t, &walk, bytes + walk.done, size, &error), &error);
    }
    assert_memory_equal(bytes, due, tensor->size);
    io_refused("past the end", kdi_io_walk_next(t, &walk, bytes, 1, &error), KD_ERR_SIZE, &error,
               "0 bytes left");
    assert_int_equal(error.argument, 0);
    memset(bytes, 0, sizeof bytes);
    io_ok(kdi_io_tensors_read(t, tensor, bytes, &error), &error);
    assert_memory_equal(bytes, due, tensor->size);
}

static void every_dtype_and_rank(void **state)
{
    (void)state;
    enum { N = COUNT(all_dtypes) * 9 };
    unsigned char data[8 * 16];
    char names[N][24];
    kdi_io_item items[N];
    io_bytes file = {0};
    kd_error error = KD_ERROR_INIT;
    uint64_t seed = 7;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)io_random(&seed);
    }
    for (size_t i = 0; i < N; i++) {
        items[i] = (kdi_io_item){.name = names[i], .dtype = all_dtypes[i / 9], .rank = i % 9};
        snprintf(names[i], sizeof names[i], "%s.%zu", kdi_io_dtype_name(items[i].dtype), i % 9);
        for (size_t r = 0; r < items[i].rank; r++) {
            items[i].shape[r] = r < 4 ? 1 + io_random(&seed) % 2 : 1;
        }
        items[i].shape[0] = i % 9 == 3 ? 0 : items[i].shape[0];
        items[i].bytes = data;
    }
    io_ok(written(&file, items, N, NULL, 0, &error), &error);
    kdi_io_tensors *t = opened(&file, KDI_IO_OURS);
    assert_int_equal(kdi_io_tensors_count(t), N);
    assert_int_equal(kdi_io_tensors_words(t), N + 1);
    for (size_t i = 0; i < N; i++) {
        kdi_io_tensor tensor;
        size_t bits = strtoul(strpbrk(names[i], "0123456789."), NULL, 10); /* "BF16.3", "BOOL.0" */
        size_t size = items[i].dtype == KDI_IO_BOOL ? 1 : bits / 8;
        assert_int_equal(kdi_io_dtype_size(items[i].dtype), size);
        assert_true(kdi_io_tensors_find(t, names[i], &tensor));
        assert_string_equal(tensor.name, names[i]);
        assert_int_equal(tensor.dtype, items[i].dtype);
        assert_int_equal(tensor.rank, items[i].rank);
        for (size_t r = 0; r < tensor.rank; r++) {
            assert_int_equal(tensor.shape[r], items[i].shape[r]);
            size *= tensor.shape[r];
        }
        assert_int_equal(tensor.size, size);
        assert_true(tensor.has_crc);
        assert_int_equal(tensor.crc, kdi_io_crc(0, data, size));
        assert_int_equal(tensor.offset % kdi_io_dtype_size(tensor.dtype), 0);
        check_walk(t, &tensor, data, &seed);
    }
    for (size_t i = 1; i < N; i++) {
        kdi_io_tensor a = kdi_io_tensors_get(t, i - 1);
        kdi_io_tensor b = kdi_io_tensors_get(t, i);
        assert_true(a.offset + a.size == b.offset);
    }
    kdi_io_tensors_close(t);
    io_free(&file);
}

static void strings_of_every_character(void **state)
{
    (void)state;
    char low[128];
    for (int i = 1; i < 128; i++) {
        low[i - 1] = (char)i;
    }
    low[127] = '\0';
    const char high[] = "\u00e9 \u20ac \U0001F600 \xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF "
                        "\xEE\x80\x80 \xF4\x8F\xBF\xBF";
    const kdi_io_word words[] = {{low, high}, {high, low}, {"", ""}, {"k", ""}, {"\"", "\\"}};
    const kdi_io_item items[] = {{.name = low, .dtype = KDI_IO_F32, .rank = 1, .shape = {0}},
                                 {.name = high, .dtype = KDI_IO_F32, .rank = 1, .shape = {0}},
                                 {.name = "", .dtype = KDI_IO_F32, .rank = 1, .shape = {0}}};
    io_bytes file = {0};
    kd_error error = KD_ERROR_INIT;
    kdi_io_tensor tensor;
    io_ok(written(&file, items, COUNT(items), words, COUNT(words), &error), &error);
    kdi_io_tensors *t = opened(&file, KDI_IO_OURS);
    for (size_t i = 0; i < COUNT(words); i++) {
        assert_string_equal(kdi_io_tensors_word(t, words[i].key), words[i].value);
    }
    for (size_t i = 0; i < COUNT(items); i++) {
        assert_true(kdi_io_tensors_find(t, items[i].name, &tensor));
        assert_string_equal(tensor.name, items[i].name);
        assert_true(tensor.has_crc);
    }
    assert_null(kdi_io_tensors_word(t, "kd"));
    assert_null(kdi_io_tensors_word(t, "zzz"));
    assert_false(kdi_io_tensors_find(t, "a", &tensor));
    assert_int_equal(kdi_io_tensors_words(t), COUNT(words) + 1 + COUNT(items));
    for (size_t i = 1; i < kdi_io_tensors_words(t); i++) {
        assert_true(
            strcmp(kdi_io_tensors_get_word(t, i - 1).key, kdi_io_tensors_get_word(t, i).key) < 0);
    }
    kdi_io_tensors_close(t);
    io_free(&file);
}

static void nothing_at_all(void **state)
{
    (void)state;
    io_bytes file = {0};
    io_bytes foreign = {0};
    kd_error error = KD_ERROR_INIT;
    io_ok(written(&file, NULL, 0, NULL, 0, &error), &error);
    kdi_io_tensors *t = opened(&file, KDI_IO_OURS);
    assert_int_equal(kdi_io_tensors_count(t), 0);
    assert_int_equal(kdi_io_tensors_words(t), 1);
    kdi_io_tensors_close(t);
    io_add_tensors(&foreign, "{}      ", 8, 0);
    t = opened(&foreign, KDI_IO_FOREIGN);
    assert_int_equal(kdi_io_tensors_count(t), 0);
    assert_int_equal(kdi_io_tensors_words(t), 0);
    assert_null(kdi_io_tensors_word(t, ""));
    kdi_io_tensors_close(t);
    io_free(&foreign);
    io_free(&file);
}

/* ---- bytes that are handed out in pieces ---- */

typedef struct giver {
    size_t calls;
    size_t fail_at;
    size_t change_at; /* the bytes of this call differ from those of the first time */
    size_t size;
    size_t next;
} giver;

static unsigned char byte_of(size_t at)
{
    return (unsigned char)(at * 7 + at / 256);
}

static kd_status give(void *user, size_t offset, void *out_bytes, size_t size, kd_error *error)
{
    giver *g = user;
    unsigned char *bytes = out_bytes;
    g->calls++;
    assert_int_equal(offset, g->next);
    assert_true(size > 0 && size <= g->size - offset);
    g->next = offset + size == g->size ? 0 : offset + size;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = byte_of(offset + i);
    }
    bytes[0] ^= g->calls == g->change_at;
    return g->calls == g->fail_at ? kdi_base_fail(error, KD_ERR_CALLBACK, 0, "no more") : KD_OK;
}

static void pieces(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 4095, 4096, 4097, 8192, 20000};
    kd_error error = KD_ERROR_INIT;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        giver g = {.size = sizes[i]};
        kdi_io_item item = {.name = "x", .dtype = KDI_IO_U8, .rank = 1, .give = give, .user = &g};
        io_bytes file = {0};
        item.shape[0] = sizes[i];
        io_ok(written(&file, &item, 1, NULL, 0, &error), &error);
        size_t calls = g.calls;
        for (size_t at = 0; at < sizes[i]; at++) {
            assert_int_equal(file.bytes[file.size - sizes[i] + at], byte_of(at));
        }
        kdi_io_tensors_close(opened(&file, KDI_IO_OURS));
        for (size_t at = 1; at <= calls; at++) {
            g = (giver){.size = sizes[i], .fail_at = at};
            io_refused("give", written(&file, &item, 1, NULL, 0, &error), KD_ERR_CALLBACK, &error,
                       "no more");
            assert_int_equal(g.calls, at);
            g = (giver){.size = sizes[i], .change_at = at};
            io_refused("change", written(&file, &item, 1, NULL, 0, &error), KD_ERR_CHECKSUM, &error,
                       "changed while it was written");
        }
        io_free(&file);
    }
}

/* ---- what can't be written ---- */

static void refused_items(void **state)
{
    (void)state;
    static const float value[1] = {1};
    const kdi_io_item good = {.name = "x", .dtype = KDI_IO_F32, .bytes = value};
    kd_error error = KD_ERROR_INIT;
    io_bytes file = {0};
    kdi_io_item items[2] = {good, good};
#define REFUSED(status, needle)                                                                    \
    io_refused(needle, written(&file, items, 2, NULL, 0, &error), status, &error, needle);         \
    assert_int_equal(file.size, 0);                                                                \
    items[0] = items[1] = good;                                                                    \
    items[1].name = "y"

    items[1].dtype = KDI_IO_I8;
    REFUSED(KD_ERR_VALUE, "two tensors are called \"x\"");
    items[1].name = "__metadata__";
    REFUSED(KD_ERR_VALUE, "__metadata__");
    items[1].name = "a\xC0\x80";
    REFUSED(KD_ERR_VALUE, "not UTF-8 at byte 1");
    items[1].name = "\xED\xA0\x80";
    REFUSED(KD_ERR_VALUE, "not UTF-8 at byte 0");
    items[1].rank = 9;
    REFUSED(KD_ERR_UNSUPPORTED, "9 dimensions");
    items[1].rank = 2;
    items[1].shape[0] = items[1].shape[1] = (size_t)1 << (sizeof(size_t) * 4);
    REFUSED(KD_ERR_TOO_LARGE, "\"y\" has too many bytes");
    items[0].rank = items[1].rank = 1;
    items[0].shape[0] = items[1].shape[0] = SIZE_MAX / 4;
    REFUSED(KD_ERR_TOO_LARGE, "\"y\" has too many bytes");
    items[1].bytes = NULL;
    REFUSED(KD_ERR_NULL, "\"y\" has no bytes");
#undef REFUSED
    io_free(&file);
}

static void refused_words(void **state)
{
    (void)state;
    static const struct {
        kdi_io_word words[2];
        const char *needle;
    } rows[] = {
        {{{"kd.header_crc32c", ""}, {"a", ""}}, "for checksums"},
        {{{"a", ""}, {"crc32c.x", ""}}, "for checksums"},
        {{{"crc32c.", ""}, {"a", ""}}, "for checksums"},
        {{{"a", "1"}, {"a", "2"}}, "two strings have the key \"a\""},
        {{{"a", "\xF5"}, {"b", ""}}, "a value of the metadata is not UTF-8"},
        {{{"\xF5", ""}, {"b", ""}}, "a key of the metadata is not UTF-8"},
    };
    kd_error error = KD_ERROR_INIT;
    io_bytes file = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        io_refused("words", written(&file, NULL, 0, rows[i].words, 2, &error), KD_ERR_VALUE, &error,
                   rows[i].needle);
        assert_int_equal(file.size, 0);
    }
    /* One byte more than a header may have: the least that is around the value is 49 bytes. */
    char *value = malloc(KDI_IO_HEADER + 1);
    assert_non_null(value);
    memset(value, 'x', KDI_IO_HEADER);
    value[KDI_IO_HEADER] = '\0';
    const kdi_io_word word = {"a", value};
    io_refused("header", written(&file, NULL, 0, &word, 1, &error), KD_ERR_TOO_LARGE, &error,
               "a header of 100000");
    free(value);
    io_free(&file);
}

/* ---- whose checksums count ---- */

static void damage_in_a_tensor(void **state)
{
    (void)state;
    io_bytes file = {0};
    unsigned char bytes[64];
    kd_error error = KD_ERROR_INIT;
    kdi_io_tensor tensor;
    io_write_sample(&file);
    file.bytes[file.size - 1] ^= 1;
    for (int origin = KDI_IO_FOREIGN; origin <= KDI_IO_OURS; origin++) {
        kdi_io_tensors *t = opened(&file, (kdi_io_origin)origin);
        assert_true(kdi_io_tensors_find(t, "b", &tensor));
        io_refused("b", kdi_io_tensors_read(t, &tensor, bytes, &error), KD_ERR_CHECKSUM, &error,
                   "tensor \"b\" does not have its checksum; in the reader");
        assert_true(kdi_io_tensors_find(t, "step", &tensor));
        io_ok(kdi_io_tensors_read(t, &tensor, bytes, &error), &error);
        kdi_io_tensors_close(t);
    }
    io_free(&file);
}

/* Somebody changed the file and kept the metadata: a foreign file with sums that mean nothing. */
static void old_checksums_in_a_foreign_file(void **state)
{
    (void)state;
    io_bytes file = {0};
    unsigned char bytes[64];
    kd_error error = KD_ERROR_INIT;
    kdi_io_tensor tensor;
    io_write_sample(&file);
    kdi_io_source source = io_source(&file);
    unsigned char *name = file.bytes + 8;
    while (memcmp(name, "784-10", 6) != 0) {
        name++;
    }
    *name = '9';
    file.bytes[file.size - 1] ^= 1;
    kdi_io_tensors *t = opened(&file, KDI_IO_FOREIGN);
    assert_true(kdi_io_tensors_find(t, "b", &tensor));
    assert_false(tensor.has_crc);
    io_ok(kdi_io_tensors_read(t, &tensor, bytes, &error), &error);
    assert_int_equal(bytes[2], 2);
    kdi_io_tensors_close(t);
    io_refused("ours", kdi_io_tensors_open(&libc, &source, KDI_IO_OURS, &t, &error),
               KD_ERR_CHECKSUM, &error, "the header does not have its checksum");
    assert_null(t);
    io_free(&file);
}

/* Words for an error hold 63 bytes of a name, and no part of a character. */
static void quotes_end_with_a_character(void **state)
{
    (void)state;
    for (size_t before = 59; before < 64; before++) {
        char name[80] = {0};
        memset(name, 'x', before);
        memcpy(name + before, "\xF0\x9F\x98\x80y", 5);
        kdi_io_quote quote = kdi_io_quoted(name);
        size_t due = before == 59 ? 63 : before;
        assert_int_equal(strlen(quote.text), due);
        assert_memory_equal(quote.text, name, due);
    }
    char stray[80];
    memset(stray, 0x80, sizeof stray - 1); /* no character begins anywhere */
    stray[79] = 0;
    assert_int_equal(strlen(kdi_io_quoted(stray).text), 0);
    assert_string_equal(kdi_io_quoted("a\nb\x7F").text, "a?b?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_byte_for_byte),
        cmocka_unit_test(order_of_the_input_does_not_matter),
        cmocka_unit_test(every_dtype_and_rank),
        cmocka_unit_test(strings_of_every_character),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(pieces),
        cmocka_unit_test(refused_items),
        cmocka_unit_test(refused_words),
        cmocka_unit_test(damage_in_a_tensor),
        cmocka_unit_test(quotes_end_with_a_character),
        cmocka_unit_test(old_checksums_in_a_foreign_file),
    };
    libc = kdi_base_libc_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
