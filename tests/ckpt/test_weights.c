/* SPDX-License-Identifier: MIT */
/* Weights alone: written for other programs, and taken from files of anybody's. */
#include "../support/files.h"
#include "model.h"

#include "../support/support.h"

#define SHAPE "5: 4 relu 3"

static support_memory memory;
static kd_context *context;

static io_bytes export_to(const kd_net *net, const char *prefix)
{
    io_bytes file = {.most = 100};
    kd_writer writer = io_writer(&file);
    kd_error e = KD_ERROR_INIT;
    support_ok(kd_export_weights(net, prefix, NULL, &writer, &e), e.text);
    return file;
}

static kd_status import_from(kd_net *net, const char *prefix, io_bytes *file, kd_error *e)
{
    kd_reader reader = io_reader(file);
    return kd_import_weights(net, prefix, NULL, &reader, e);
}

/* 200 bytes, the most. */
static const char *long_prefix(void)
{
    static char prefix[201];
    memset(prefix, 'x', 199);
    prefix[199] = '.';
    return prefix;
}

static void there_and_back(void **state)
{
    (void)state;
    const char *const prefixes[] = {NULL,        "",         "layers.", "student.net.", "1.",
                                    "\xC3\xA9.", "a\"\\\n.", "0",       long_prefix()};
    files_begin();
    for (size_t i = 0; i < COUNT(prefixes); i++) {
        kd_net *net = support_net(context, SHAPE, 1);
        kd_net *other = support_net(context, SHAPE, 2);
        kd_net *third = support_net(context, SHAPE, 3);
        kd_error e = KD_ERROR_INIT;
        io_bytes file = export_to(net, prefixes[i]);
        support_ok(kd_export_weights(net, prefixes[i], files_path("w"), NULL, &e), e.text);
        assert_true(files_has("w", file.bytes, file.size));
        support_ok(import_from(other, prefixes[i], &file, &e), e.text);
        support_ok(kd_import_weights(third, prefixes[i], files_path("w"), NULL, &e), e.text);
        assert_int_equal(support_hash(other), support_hash(net));
        assert_int_equal(support_hash(third), support_hash(net));
        kd_net_destroy(net);
        kd_net_destroy(other);
        kd_net_destroy(third);
        io_free(&file);
    }
    files_done();
}

/* No net can be made of exported weights, but weights can be taken from a net's file. */
static void not_a_net(void **state)
{
    (void)state;
    kd_net *net = support_net(context, SHAPE, 1);
    kd_net *out;
    kd_error e = KD_ERROR_INIT;
    io_bytes file = export_to(net, NULL);
    kd_reader reader = io_reader(&file);
    support_refused(kd_load_net(context, NULL, &reader, &out, &e), KD_ERR_FORMAT, e.text,
                    "kd.format");
    io_bytes whole = {0};
    kd_writer writer = io_writer(&whole);
    support_ok(kd_save_net(net, NULL, &writer, &e), e.text);
    kd_net *other = support_net(context, SHAPE, 2);
    support_ok(import_from(other, NULL, &whole, &e), e.text);
    assert_int_equal(support_hash(other), support_hash(net));
    kd_net_destroy(net);
    kd_net_destroy(other);
    io_free(&file);
    io_free(&whole);
}

/* ---- files of others ---- */

/* A state dict of this net's shape without checksums, all weights of one value. */
static model foreign(const char *prefix)
{
    static const struct {
        const char *name, *shape;
        size_t count;
    } parts[] = {
        {"0.weight", "4,5", 20}, {"0.bias", "4", 4}, {"2.weight", "3,4", 12}, {"2.bias", "3", 3}};
    model m = {.no_sum = true};
    for (size_t i = 0; i < COUNT(parts); i++) {
        char name[300];
        snprintf(name, sizeof name, "%s%s", prefix, parts[i].name);
        model_add(&m, name, parts[i].shape, parts[i].count, (float)i + 0.5f);
        m.tensors[i].no_sum = true;
    }
    return m;
}

/* All elements of a tensor become this number of two bytes. */
static void put_halves(model *m, const char *name, const char *dtype, uint16_t bits)
{
    size_t count = model_find(m, name)->size / 4;
    model_declare(m, name, dtype, NULL, 2 * count);
    unsigned char *bytes = model_find(m, name)->bytes;
    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = (unsigned char)bits;
        bytes[2 * i + 1] = (unsigned char)(bits >> 8);
    }
}

static kd_status import_model(kd_net *net, const char *prefix, const model *m, kd_error *e)
{
    io_bytes file = model_write(m);
    size_t before = atomic_load(&memory.bytes);
    atomic_store(&memory.peak, before);
    kd_status status = import_from(net, prefix, &file, e);
    assert_int_equal(atomic_load(&memory.bytes), before);
    assert_true(atomic_load(&memory.peak) - before <= 2 * file.size + (1 << 20));
    io_free(&file);
    return status;
}

static void halves(void **state)
{
    (void)state;
    static const struct {
        const char *dtype;
        uint16_t bits;
        float value;
    } rows[] = {{"F16", 0x3C00, 1.0f},         {"F16", 0xC500, -5.0f},
                {"F16", 0x0001, 0x1p-24f},     {"F16", 0x7BFF, 65504.0f},
                {"F16", 0x8000, -0.0f},        {"BF16", 0x3F80, 1.0f},
                {"BF16", 0xC0A0, -5.0f},       {"BF16", 0x0001, 0x1p-133f},
                {"BF16", 0x7F7F, 0x1.fep127f}, {"BF16", 0x8000, -0.0f}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        kd_net *net = support_net(context, SHAPE, 1);
        model m = foreign("layers.");
        kd_error e = KD_ERROR_INIT;
        put_halves(&m, "layers.0.weight", rows[i].dtype, rows[i].bits);
        support_ok(import_model(net, NULL, &m, &e), e.text);
        for (size_t j = 0; j < 20; j++) {
            support_same_bits(rows[i].dtype, &support_param(net, 0).values[j], &rows[i].value, 4);
        }
        assert_true(support_param(net, 3).values[2] == 3.5f);
        model_free(&m);
        kd_net_destroy(net);
    }
}

/* More elements than are converted at a time. */
static void many_halves(void **state)
{
    (void)state;
    kd_net *net;
    kd_error e = KD_ERROR_INIT;
    model m = {.no_sum = true};
    support_ok(kd_net_create(context, 100, &net, &e), e.text);
    support_ok(kd_net_add_dense(net, 90), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_HE, 1), kd_net_error(net));
    model_add(&m, "0.weight", "90,100", 9000, 0);
    model_add(&m, "0.bias", "90", 90, 0);
    put_halves(&m, "0.weight", "BF16", 0);
    for (size_t i = 0; i < 9000; i++) { /* 1 and 7 bits of a fraction: 128 values */
        model_find(&m, "0.weight")->bytes[2 * i] = (unsigned char)(0x80 | i % 128);
        model_find(&m, "0.weight")->bytes[2 * i + 1] = 0x3F;
    }
    support_ok(import_model(net, "", &m, &e), e.text);
    for (size_t i = 0; i < 9000; i++) {
        assert_true(support_param(net, 0).values[i] == 1.0f + (float)(i % 128) / 128.0f);
    }
    model_free(&m);
    kd_net_destroy(net);
}

/* The reader fails at each call, in the middle of a tensor too. */
static void halves_that_can_not_be_read(void **state)
{
    (void)state;
    kd_net *net = support_net(context, SHAPE, 1);
    uint64_t before = support_hash(net);
    model m = foreign("layers.");
    put_halves(&m, "layers.0.weight", "F16", 0x3C00);
    io_bytes file = model_write(&m);
    kd_status status = KD_ERR_IO;
    file.answer = -5;
    file.most = 16;
    for (size_t at = 1; status != KD_OK; at++) {
        kd_error e = KD_ERROR_INIT;
        file.calls = 0;
        file.fail_at = at;
        assert_int_equal(support_hash(net), before);
        status = import_from(net, NULL, &file, &e);
        if (status != KD_OK) {
            support_refused(status, KD_ERR_IO, e.text, "-5");
        }
    }
    assert_true(support_hash(net) != before);
    io_free(&file);
    model_free(&m);
    kd_net_destroy(net);
}

/* ---- refusals: the net is as before, bit for bit ---- */

static const struct {
    kd_status due;
    const char *words;
    edit edit;
} refusals[] = {
    {KD_ERR_MISMATCH, "\"n.0.weight\" is missing", {.act = REMOVE, .a = "n.0.weight"}},
    {KD_ERR_MISMATCH, "\"n.2.bias\" is missing", {.act = REMOVE, .a = "n.2.bias"}},
    {KD_ERR_MISMATCH, "is missing", {.act = RENAME, .a = "n.2.bias", .b = "m.2.bias"}},
    {KD_ERR_MISMATCH, "rows", {.act = DECLARE, .a = "n.0.weight", .c = "5,4", .n = 80}},
    {KD_ERR_MISMATCH, "dimensions", {.act = DECLARE, .a = "n.0.weight", .c = "20", .n = 80}},
    {KD_ERR_MISMATCH, "dimensions", {.act = DECLARE, .a = "n.2.bias", .c = "3,1", .n = 12}},
    {KD_ERR_MISMATCH, "F64", {.act = DECLARE, .a = "n.2.bias", .b = "F64", .n = 24}},
    {KD_ERR_MISMATCH, "I32", {.act = DECLARE, .a = "n.2.bias", .b = "I32", .n = 12}},
    {KD_ERR_MISMATCH, "n.1.weight", {.act = ADD, .a = "n.1.weight", .c = "1", .n = 1}},
    {KD_ERR_MISMATCH, "n.3.weight", {.act = ADD, .a = "n.3.weight", .c = "1", .n = 1}},
    {KD_ERR_MISMATCH, "n.0.mask", {.act = ADD, .a = "n.0.mask", .c = "1", .n = 1}},
    {KD_ERR_MISMATCH, "n.00.bias", {.act = ADD, .a = "n.00.bias", .c = "1", .n = 1}},
    {KD_ERR_NOT_FINITE, "n.2.bias", {.act = PUT, .a = "n.2.bias", .n = 2, .value = NAN}},
    {KD_ERR_NOT_FINITE, "n.0.weight", {.act = PUT, .a = "n.0.weight", .value = INFINITY}},
    {KD_ERR_FORMAT, "", {.act = DECLARE, .a = "n.2.bias", .b = "X", .n = 12}},
    {KD_ERR_TOO_LARGE, "", {.act = DECLARE, .a = "n.2.bias", .c = "4611686018427387905", .n = 4}},
};

static void nothing_has_changed(void **state)
{
    (void)state;
    kd_net *net = support_net(context, SHAPE, 1);
    uint64_t before = support_hash(net);
    for (size_t i = 0; i < COUNT(refusals); i++) {
        model m = foreign("n.");
        kd_error e = KD_ERROR_INIT;
        model_apply(&m, &refusals[i].edit);
        kd_status status = import_model(net, "n.", &m, &e);
        support_refused(status, refusals[i].due, e.text, refusals[i].words);
        support_refused(status, refusals[i].due, e.text, "the reader");
        assert_int_equal(support_hash(net), before);
        model_free(&m);
    }
    static const uint16_t no_numbers[] = {0x7C00, 0xFC00, 0x7E00, 0x7C01};
    for (size_t i = 0; i < 2 * COUNT(no_numbers); i++) {
        model m = foreign("n.");
        kd_error e = KD_ERROR_INIT;
        uint16_t bits = no_numbers[i / 2];
        put_halves(&m, "n.2.weight", i % 2 ? "F16" : "BF16", i % 2 ? bits : bits | 0x7F80);
        support_refused(import_model(net, "n.", &m, &e), KD_ERR_NOT_FINITE, e.text, "n.2.weight");
        assert_int_equal(support_hash(net), before);
        model_free(&m);
    }
    kd_net_destroy(net);
}

/* Checksums that are there count, if the header's own is right. */
static void checksums_of_others(void **state)
{
    (void)state;
    kd_net *net = support_net(context, SHAPE, 1);
    uint64_t before = support_hash(net);
    kd_error e = KD_ERROR_INIT;
    model m = foreign("n.");
    m.no_sum = false;
    m.tensors[3].no_sum = false;
    m.tensors[3].wrong_sum = true;
    support_refused(import_model(net, "n.", &m, &e), KD_ERR_CHECKSUM, e.text, "n.2.bias");
    assert_int_equal(support_hash(net), before);
    m.wrong_sum = true; /* then somebody has written over it who knows no checksums */
    support_ok(import_model(net, "n.", &m, &e), e.text);
    assert_true(support_hash(net) != before);
    model_free(&m);
    kd_net_destroy(net);
}

/* Tensors of other names may be there, of whatever type. */
static void names_of_others(void **state)
{
    (void)state;
    static const char *const names[] = {"n",   "n.",        "other",  "m.9.weight", "n.x.weight",
                                        "n.4", "n.-1.bias", "n. 1.b", "N.7.weight", "n.0x.bias"};
    kd_net *net = support_net(context, SHAPE, 1);
    kd_error e = KD_ERROR_INIT;
    model m = foreign("n.");
    for (size_t i = 0; i < COUNT(names); i++) {
        model_add(&m, names[i], "2,0,3", 0, 0);
        model_find(&m, names[i])->no_sum = true;
        model_declare(&m, names[i], i % 2 ? "I64" : "U8", NULL, 0);
    }
    support_ok(import_model(net, "n.", &m, &e), e.text);
    assert_true(support_param(net, 0).values[19] == 0.5f);
    model_free(&m);
    kd_net_destroy(net);
}

static void wrong_calls(void **state)
{
    (void)state;
    char prefix[202] = {0};
    kd_net *net = support_net(context, SHAPE, 1);
    kd_net *bare;
    kd_error e = KD_ERROR_INIT;
    io_bytes file = export_to(net, NULL);
    kd_reader reader = io_reader(&file);
    kd_writer writer = io_writer(&file);
    size_t size = file.size;
    memset(prefix, 'x', 201);
    support_ok(kd_net_create(context, 5, &bare, &e), e.text);
    support_refused(kd_export_weights(NULL, "", NULL, &writer, &e), KD_ERR_NULL, e.text, "net");
    support_refused(kd_export_weights(net, "", NULL, NULL, &e), KD_ERR_NULL, e.text, "both");
    support_refused(kd_export_weights(net, "", "x", &writer, &e), KD_ERR_VALUE, e.text, "one of");
    support_refused(kd_export_weights(bare, "", NULL, &writer, &e), KD_ERR_STATE, e.text, "net");
    support_refused(kd_export_weights(net, prefix, NULL, &writer, &e), KD_ERR_SIZE, e.text, "201");
    support_refused(kd_export_weights(net, "\xFF", NULL, &writer, &e), KD_ERR_VALUE, e.text, "UTF");
    support_refused(kd_import_weights(NULL, "", NULL, &reader, &e), KD_ERR_NULL, e.text, "net");
    support_refused(kd_import_weights(net, "", NULL, NULL, &e), KD_ERR_NULL, e.text, "both");
    support_refused(kd_import_weights(net, "", "x", &reader, &e), KD_ERR_VALUE, e.text, "one of");
    support_refused(kd_import_weights(bare, "", NULL, &reader, &e), KD_ERR_STATE, e.text, "net");
    support_refused(kd_import_weights(net, prefix, NULL, &reader, &e), KD_ERR_SIZE, e.text, "201");
    support_refused(kd_import_weights(net, "y", NULL, &reader, &e), KD_ERR_MISMATCH, e.text, "y0.");
    support_refused(kd_import_weights(net, "", "/nowhere", NULL, &e), KD_ERR_NO_FILE, e.text,
                    "nowhere");
    assert_int_equal(file.size, size);
    kd_net_destroy(bare);
    kd_net_destroy(net);
    io_free(&file);
}

static int begin(void **state)
{
    (void)state;
    context = support_context(&memory);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kd_context_destroy(context);
    support_all_returned(&memory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(not_a_net),
        cmocka_unit_test(halves),
        cmocka_unit_test(many_halves),
        cmocka_unit_test(halves_that_can_not_be_read),
        cmocka_unit_test(nothing_has_changed),
        cmocka_unit_test(checksums_of_others),
        cmocka_unit_test(names_of_others),
        cmocka_unit_test(wrong_calls),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
