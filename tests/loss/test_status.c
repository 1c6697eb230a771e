/* SPDX-License-Identifier: MIT */
/* Version, names and texts of a status; their numbers are pinned here a second time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kd/base.h>

typedef struct known {
    const char *name;
    kd_status number;
} known;

/* Written by hand: a renumbered KD_STATUS_LIST must fail here. Only ever append. */
static const known pinned[] = {
    {"KD_OK", 0},
    {"KD_ERR_NULL", -1},
    {"KD_ERR_SIZE", -2},
    {"KD_ERR_TOO_LARGE", -3},
    {"KD_ERR_STRUCT", -4},
    {"KD_ERR_KIND", -5},
    {"KD_ERR_TEMPERATURE", -6},
    {"KD_ERR_WEIGHT", -7},
    {"KD_ERR_VALUE", -8},
    {"KD_ERR_LABEL", -9},
    {"KD_ERR_PROBABILITY", -10},
    {"KD_ERR_NOT_FINITE", -11},
    {"KD_ERR_SUPPORT", -12},
    {"KD_ERR_OVERLAP", -13},
    {"KD_ERR_RETEMPER", -14},
    {"KD_ERR_EMPTY_BATCH", -15},
    {"KD_ERR_SHAPE", -16},
    {"KD_ERR_WORKSPACE", -17},
    {"KD_ERR_STATE", -18},
    {"KD_ERR_MEMORY", -19},
    {"KD_ERR_BUSY", -20},
    {"KD_ERR_CALLBACK", -21},
    {"KD_ERR_ID", -22},
    {"KD_ERR_UNSUPPORTED", -23},
    {"KD_ERR_INDEX", -24},
    {"KD_ERR_BLAS_THREADS", -25},
    {"KD_ERR_THREADS", -26},
    {"KD_ERR_IO", -27},
    {"KD_ERR_FORMAT", -28},
    {"KD_ERR_TRUNCATED", -29},
    {"KD_ERR_CHECKSUM", -30},
    {"KD_ERR_VERSION", -31},
    {"KD_ERR_MISMATCH", -32},
    {"KD_ERR_NO_FILE", -33},
    {"KD_CANCELLED", -34},
};

typedef struct listed {
    const char *name;
    kd_status number, constant;
    const char *text;
} listed;

static const listed list[] = {
#define ROW(name, number, text) {#name, number, name, text},
    KD_STATUS_LIST(ROW)
#undef ROW
};

#define PINNED (sizeof pinned / sizeof pinned[0])
#define LISTED (sizeof list / sizeof list[0])

static void version_of_header_and_library_agree(void **state)
{
    (void)state;
    assert_int_equal(kd_version(), KD_VERSION_NUM);
    assert_int_equal(KD_VERSION_NUM,
                     KD_VERSION_MAJOR * 10000 + KD_VERSION_MINOR * 100 + KD_VERSION_PATCH);
}

static void numbers_are_pinned(void **state)
{
    (void)state;
    assert_int_equal(LISTED, PINNED);
    for (size_t i = 0; i < PINNED; i++) {
        assert_string_equal(list[i].name, pinned[i].name);
        assert_int_equal(list[i].number, pinned[i].number);
        assert_int_equal(list[i].constant, pinned[i].number);
        assert_string_equal(kd_status_name(pinned[i].number), pinned[i].name);
    }
}

static void texts_are_those_of_the_list(void **state)
{
    (void)state;
    for (size_t i = 0; i < LISTED; i++) {
        assert_string_equal(kd_status_name(list[i].number), list[i].name);
        assert_string_equal(kd_status_text(list[i].number), list[i].text);
    }
}

static void numbers_names_and_texts_are_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < LISTED; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(list[i].number, list[j].number);
            assert_string_not_equal(list[i].name, list[j].name);
            assert_string_not_equal(list[i].text, list[j].text);
        }
    }
}

static void unknown_numbers_have_a_name_too(void **state)
{
    static const kd_status unknown[] = {1, 2, 100, -35, -1000, INT32_MAX, INT32_MIN};
    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_string_equal(kd_status_name(unknown[i]), "KD_ERR_?");
        assert_non_null(kd_status_text(unknown[i]));
        assert_int_not_equal(strlen(kd_status_text(unknown[i])), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_of_header_and_library_agree),
        cmocka_unit_test(numbers_are_pinned),
        cmocka_unit_test(texts_are_those_of_the_list),
        cmocka_unit_test(numbers_names_and_texts_are_unique),
        cmocka_unit_test(unknown_numbers_have_a_name_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
