/* SPDX-License-Identifier: MIT */
/* The room base: structs whose host may be older or newer than the library. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

typedef struct young { /* what the library knows */
    size_t struct_size;
    int32_t first, second;
    double third;
} young;

typedef struct future { /* what a newer host has */
    young known;
    int32_t fourth, fifth;
} future;

static void structs_are_read_as_far_as_they_go(void **state)
{
    (void)state;
    young given = {sizeof given, 1, 2, 3.0}, read;
    assert_int_equal(kdi_base_read_struct(&read, sizeof read, &given), KD_OK);
    assert_memory_equal(&read, &given, sizeof given);
    given.struct_size = offsetof(young, second);
    read = (young){sizeof read, 7, 8, 9.0}; /* defaults, kept where the host has nothing */
    assert_int_equal(kdi_base_read_struct(&read, sizeof read, &given), KD_OK);
    assert_int_equal(read.first, 1);
    assert_int_equal(read.second, 8);
    assert_true(read.third <= 9.0 && read.third >= 9.0);
    future newer = {{sizeof newer, 1, 2, 3.0}, 0, 0};
    assert_int_equal(kdi_base_read_struct(&read, sizeof read, &newer), KD_OK);
    assert_int_equal(read.second, 2);
    newer.fifth = 1 << 30;
    assert_int_equal(kdi_base_read_struct(&read, sizeof read, &newer), KD_ERR_STRUCT);
    static const size_t absurd[] = {0, 1, sizeof(size_t) - 1, 1 << 20, SIZE_MAX};
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        given.struct_size = absurd[i];
        assert_false(kdi_base_struct_ok(&given));
        assert_int_equal(kdi_base_read_struct(&read, sizeof read, &given), KD_ERR_STRUCT);
    }
}

static void structs_are_written_as_far_as_they_go(void **state)
{
    (void)state;
    young known = {sizeof known, 1, 2, 3.0};
    for (size_t size = sizeof(size_t); size <= sizeof(future); size++) {
        future given;
        memset(&given, 0x55, sizeof given);
        given.known.struct_size = size;
        future before = given;
        kdi_base_write_struct(&given, &known, sizeof known);
        size_t end = size < sizeof known ? size : sizeof known;
        assert_int_equal(given.known.struct_size, size);
        assert_memory_equal(&given.known.first, &known.first, end - sizeof(size_t));
        assert_memory_equal((unsigned char *)&given + end, (unsigned char *)&before + end,
                            sizeof given - end);
    }
}

static void doors_name_what_they_refuse(void **state)
{
    (void)state;
    young given = {sizeof given, 1, 2, 3.0}, read;
    kd_error error = KD_ERROR_INIT;
    assert_int_equal(kdi_base_open(&read, sizeof read, &given, "in", 3, &error), KD_OK);
    assert_int_equal(kdi_base_open(&read, sizeof read, NULL, "in", 3, &error), KD_ERR_NULL);
    assert_non_null(strstr(error.text, "in"));
    assert_int_equal(error.argument, 3);
    given.struct_size = 70000;
    assert_int_equal(kdi_base_open(&read, sizeof read, &given, "batch", 1, &error), KD_ERR_STRUCT);
    assert_non_null(strstr(error.text, "batch.struct_size is 70000"));
    assert_int_equal(kdi_base_open(&read, sizeof read, &given, "batch", 1, NULL), KD_ERR_STRUCT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structs_are_read_as_far_as_they_go),
        cmocka_unit_test(structs_are_written_as_far_as_they_go),
        cmocka_unit_test(doors_name_what_they_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
