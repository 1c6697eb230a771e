/* SPDX-License-Identifier: MIT */
/*
 * Files of nets that no libkd has written, with checksums that are right: each is refused with its
 * status and its words, costs little, and leaves nothing behind.
 */
#include "hostile.h"

/* The net is "5: 4 relu drop0.25 3". */
static const char *const formats[] = {
    "0", "2", "01", "1 ", "", "1.0",
};
static const char *const sorts[] = {
    "cache",
    "",
    "Net",
    "net ",
};
static const char *const inputs[] = {
    "0",
    "-5",
    "+5",
    "5 ",
    " 5",
    "05",
    "2147483648",
    "18446744073709551616",
    "184467440737095516160",
    "",
    "5.0",
    "0x5",
    "x",
};
/* Before them stands nothing, behind them the layers that are right. */
static const char *const firsts[] = {
    "dense 0",
    "dense 2147483648",
    "dense 4294967300",
    "dense 18446744073709551620",
    "dense 04",
    "dense",
    "dense ",
    "dense -4",
    "dense +4",
    "dense  4",
    "Dense 4",
    "dense 4x",
    "dense 0x4",
    "dense 4.0",
    "dense 44444444444444444444444444444444444444444444",
    "dropout 65536/65536",
    "dropout 016384/65536",
    "dropout 00/65536",
    "dropout /65536",
    "dropout -1/65536",
    "dropout 1/65535",
    "dropout 0.25",
    "dropout 16384",
    "dropout 1/65536/65536",
    "dropout1/65536",
    "relu; ",
    "relu;relu",
};
/* The whole word. */
static const char *const grammar[] = {
    "",
    "; ",
    ";",
    " ",
    "dense 4; relu; dropout 16384/65536; dense 3; ",
    "; dense 4; relu; dropout 16384/65536; dense 3",
    " dense 4; relu; dropout 16384/65536; dense 3",
    "dense 4; relu; dropout 16384/65536; dense 3 ",
    "dense 4; relu; dropout 16384/65536; dense 3;",
    "dense 4;relu; dropout 16384/65536; dense 3",
    "dense 4;  relu; dropout 16384/65536; dense 3",
    "dense 4; conv 3; dropout 16384/65536; dense 3",
    "dense 4; relu 4; dropout 16384/65536; dense 3",
    "dense 4; Relu; dropout 16384/65536; dense 3",
    "dense 4; rel; dropout 16384/65536; dense 3",
    "dense 4; reluu; dropout 16384/65536; dense 3",
    "dense 4; ; dropout 16384/65536; dense 3",
    "dense 4\\u0001",
    "dense 4; r\\u00e9lu; dense 3",
    "dense 4; dense 3; nothing",
};
/* Layers that are none of this file. */
static const char *const chains[] = {
    "dense 4; relu; dropout 16384/65536; dense 4",
    "dense 5; relu; dropout 16384/65536; dense 3",
    "dense 3; relu; dropout 16384/65536; dense 3",
    "dense 4",
    "dense 4; relu; dropout 16384/65536; dense 3; dense 3",
    "relu; dense 4; relu; dropout 16384/65536; dense 3",
    "dense 4; relu; dense 3",
    "dense 2147483647; relu; dropout 16384/65536; dense 3",
    "dense 4; relu; dropout 16384/65536; dense 2147483647",
    "dense 2147483647; dense 2147483647; dense 2147483647; dense 2147483647",
    "dense 4; dense 4; dropout 16384/65536; dense 3",
    "dense 4; dense 2147483647; dropout 16384/65536; dense 3",
    "dense 4; relu; dropout 16384/65536; relu",
    "dense 3; relu; dropout 16384/65536; dense 4",
};
static const char *const later[] = {
    "kd.rng", "kd.future", "kd.", "kd.optimizer", "kd.layers2",
};
static const char *const tensors[] = {
    "layers.0.weight",
    "layers.0.bias",
    "layers.3.weight",
    "layers.3.bias",
};
static const char *const names[] = {
    "layers.00.weight",
    "layers.1.weight",
    "Layers.0.weight",
    "layers.0.weights",
    "layers.0",
    "0.weight",
    "",
};
static const char *const strays[] = {
    "layers.1.weight",
    "layers.2.bias",
    "layers.4.weight",
    "layers.0.extra",
    "layers.0.",
    "layers.03.weight",
    "layers.18446744073709551616.weight",
    "layers.999999999999999999999999999999999999999999999999.bias",
};
static const char *const others[] = {
    "other",
    "momentum.layers.0.weight",
    "layers.x.weight",
    "layers.",
};

static const struct {
    kd_status due;
    const char *words;
    edit edit;
} rows[] = {
    {KD_ERR_FORMAT, "kd.format", {.act = SET, .a = "kd.format"}},
    {KD_ERR_FORMAT, "kd.sort", {.act = SET, .a = "kd.sort"}},
    {KD_ERR_FORMAT, "kd.inputs", {.act = SET, .a = "kd.inputs"}},
    {KD_ERR_FORMAT, "kd.layers", {.act = SET, .a = "kd.layers"}},
    {KD_ERR_MISMATCH, "layers.0.weight", {.act = SET, .a = "kd.inputs", .b = "4"}},
    {KD_ERR_MISMATCH, "layers.0.weight", {.act = SET, .a = "kd.inputs", .b = "6"}},
    {KD_ERR_MISMATCH, "layers.0.weight", {.act = SET, .a = "kd.inputs", .b = "2147483647"}},
    {KD_ERR_FORMAT,
     "no dense layer",
     {.act = SET, .a = "kd.layers", .b = "relu; dropout 0/65536; relu"}},
    {KD_ERR_FORMAT, "", {.act = SET, .a = "kd.layers", .b = "dense 4\\u0000"}},
    {KD_ERR_MISMATCH, "5 tensors", {.act = ADD, .a = "other", .c = "0", .n = 0}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "F16", .n = 40}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "BF16", .n = 40}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "F64", .n = 160}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "I8", .n = 20}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "U8", .n = 20}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "BOOL", .n = 20}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "I16", .n = 40}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "U16", .n = 40}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "I32", .n = 80}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "U32", .n = 80}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "I64", .n = 160}},
    {KD_ERR_MISMATCH,
     "has elements of",
     {.act = DECLARE, .a = "layers.0.weight", .b = "U64", .n = 160}},
    {KD_ERR_FORMAT, "", {.act = DECLARE, .a = "layers.0.weight", .b = "F31", .n = 80}},
    {KD_ERR_UNSUPPORTED, "", {.act = DECLARE, .a = "layers.0.weight", .b = "F8_E4M3", .n = 20}},
    {KD_ERR_MISMATCH, "dimensions", {.act = DECLARE, .a = "layers.0.weight", .c = "20", .n = 80}},
    {KD_ERR_MISMATCH,
     "dimensions",
     {.act = DECLARE, .a = "layers.0.weight", .c = "4,5,1", .n = 80}},
    {KD_ERR_MISMATCH,
     "dimensions",
     {.act = DECLARE, .a = "layers.0.weight", .c = "1,4,5", .n = 80}},
    {KD_ERR_MISMATCH,
     "dimensions",
     {.act = DECLARE, .a = "layers.0.weight", .c = "1,1,1,1,1,1,4,5", .n = 80}},
    {KD_ERR_MISMATCH, "dimensions", {.act = DECLARE, .a = "layers.0.weight", .c = "", .n = 4}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.weight", .c = "5,4", .n = 80}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.weight", .c = "2,10", .n = 80}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.weight", .c = "10,2", .n = 80}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.weight", .c = "4,4", .n = 64}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.weight", .c = "4,6", .n = 96}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.weight", .c = "0,5", .n = 0}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.weight", .c = "4,0", .n = 0}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.weight", .c = "0,0", .n = 0}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.weight", .c = "1,1", .n = 4}},
    {KD_ERR_MISMATCH, "dimensions", {.act = DECLARE, .a = "layers.0.bias", .c = "4,1", .n = 16}},
    {KD_ERR_MISMATCH, "dimensions", {.act = DECLARE, .a = "layers.0.bias", .c = "1,4", .n = 16}},
    {KD_ERR_MISMATCH, "dimensions", {.act = DECLARE, .a = "layers.0.bias", .c = "2,2", .n = 16}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.bias", .c = "3", .n = 12}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.bias", .c = "5", .n = 20}},
    {KD_ERR_MISMATCH, "rows and", {.act = DECLARE, .a = "layers.0.bias", .c = "0", .n = 0}},
    {KD_ERR_FORMAT, "", {.act = DECLARE, .a = "layers.0.weight", .c = "2147483648,5", .n = 80}},
    {KD_ERR_FORMAT, "", {.act = DECLARE, .a = "layers.0.weight", .c = "4,5,0", .n = 80}},
    {KD_ERR_FORMAT, "", {.act = DECLARE, .a = "layers.0.weight", .c = "-4,5", .n = 80}},
    {KD_ERR_FORMAT, "", {.act = DECLARE, .a = "layers.0.weight", .c = "4.0,5", .n = 80}},
    {KD_ERR_FORMAT, "", {.act = DECLARE, .a = "layers.0.weight", .c = "04,5", .n = 80}},
    {KD_ERR_TOO_LARGE,
     "",
     {.act = DECLARE, .a = "layers.0.weight", .c = "18446744073709551616,5", .n = 80}},
    {KD_ERR_TOO_LARGE,
     "",
     {.act = DECLARE, .a = "layers.0.weight", .c = "4611686018427387908,1", .n = 80}},
    {KD_ERR_TOO_LARGE,
     "",
     {.act = DECLARE,
      .a = "layers.0.weight",
      .c = "18446744073709551615,18446744073709551615",
      .n = 80}},
    {KD_ERR_TOO_LARGE,
     "",
     {.act = DECLARE, .a = "layers.0.weight", .c = "9223372036854775808,2", .n = 80}},
    {KD_ERR_TOO_LARGE,
     "",
     {.act = DECLARE, .a = "layers.0.weight", .c = "4294967296,4294967296", .n = 80}},
    {KD_ERR_UNSUPPORTED,
     "",
     {.act = DECLARE, .a = "layers.0.weight", .c = "1,1,1,1,1,1,1,4,5", .n = 80}},
    {KD_ERR_CHECKSUM, "header", {.act = WRONG}},
    {KD_ERR_FORMAT, "checksum", {.act = SUMLESS}},
};

static void set_all(const char *key, const char *const *values, size_t count, kd_status due,
                    const char *words)
{
    for (size_t i = 0; i < count; i++) {
        hostile_edit((edit){.act = SET, .a = key, .b = values[i]}, due, words);
    }
}

static void words_of_ours(void **state)
{
    (void)state;
    set_all("kd.format", formats, COUNT(formats), KD_ERR_VERSION, "kd.format is");
    set_all("kd.sort", sorts, COUNT(sorts), KD_ERR_MISMATCH, "it is the file of a");
    set_all("kd.inputs", inputs, COUNT(inputs), KD_ERR_FORMAT, "kd.inputs is no width");
    for (size_t i = 0; i < COUNT(later); i++) {
        hostile_edit((edit){.act = SET, .a = later[i], .b = "1"}, KD_ERR_VERSION, later[i]);
    }
}

static void layers(void **state)
{
    (void)state;
    set_all("kd.layers", grammar, COUNT(grammar), KD_ERR_FORMAT, "kd.layers has no layer");
    set_all("kd.layers", chains, COUNT(chains), KD_ERR_MISMATCH, "tensor \"layers.");
    for (size_t i = 0; i < COUNT(firsts); i++) {
        char word[200];
        snprintf(word, sizeof word, "%s; relu; dropout 16384/65536; dense 3", firsts[i]);
        hostile_edit((edit){.act = SET, .a = "kd.layers", .b = word}, KD_ERR_FORMAT,
                     "kd.layers has no layer");
    }
}

static void each_tensor(void **state)
{
    (void)state;
    static const float values[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < COUNT(tensors); i++) {
        const char *name = tensors[i];
        hostile_edit((edit){.act = REMOVE, .a = name}, KD_ERR_MISMATCH, "is missing");
        hostile_edit((edit){.act = WRONG, .a = name}, KD_ERR_CHECKSUM, name);
        hostile_edit((edit){.act = SUMLESS, .a = name}, KD_ERR_FORMAT, name);
        for (size_t j = 0; j < COUNT(values); j++) {
            hostile_edit((edit){.act = PUT, .a = name, .n = 2, .value = values[j]},
                         KD_ERR_NOT_FINITE, name);
        }
    }
}

static void names_of_tensors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        hostile_edit((edit){.act = RENAME, .a = "layers.0.weight", .b = names[i]}, KD_ERR_MISMATCH,
                     "is missing");
    }
    for (size_t i = 0; i < COUNT(strays); i++) {
        hostile_edit((edit){.act = ADD, .a = strays[i], .c = "2", .n = 2}, KD_ERR_MISMATCH,
                     "belongs to no layer");
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        hostile_edit((edit){.act = ADD, .a = others[i], .c = "2", .n = 2}, KD_ERR_MISMATCH,
                     "5 tensors");
    }
}

static void each_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        hostile_edit(rows[i].edit, rows[i].due, rows[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_ours), cmocka_unit_test(layers),
        cmocka_unit_test(each_tensor),   cmocka_unit_test(names_of_tensors),
        cmocka_unit_test(each_row),
    };
    return cmocka_run_group_tests(tests, hostile_begin, hostile_end);
}
