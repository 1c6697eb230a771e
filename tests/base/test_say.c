/* SPDX-License-Identifier: MIT */
/* Sentences for failures: the formats against printf, whatever the locale; cutting; kd_error. */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

enum { TEXT = 64, RANDOM = 20000 };

static uint64_t next(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* A double of any exponent and sign, or one of the size that errors are made of. */
static double any_double(uint64_t *state)
{
    uint64_t bits = next(state);
    if (bits % 4 == 0) {
        return (double)(int64_t)next(state) * 0x1p-63 * pow(10.0, (double)(bits / 4 % 20) - 8.0);
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return isfinite(value) ? value : 1.0;
}

static void same_number(double value)
{
    char said[TEXT], printed[TEXT];
    kdi_base_say(said, sizeof said, "%g", value);
    snprintf(printed, sizeof printed, "%g", value);
    char *end;
    double got = strtod(said, &end), want = strtod(printed, NULL);
    if (*end || memcmp(&got, &want, sizeof got) != 0) {
        fail_msg("%.17g is said as %s, printed as %s", value, said, printed);
    }
    assert_true(strlen(said) <= 13);
}

/* The same value as printf's %g: six digits, to the last. */
static void doubles_are_said_as_printf_does(void **state)
{
    (void)state;
    static const double special[] = {0.0,
                                     -0.0,
                                     1.0,
                                     -1.0,
                                     0.1,
                                     1e-5,
                                     9.99e-5,
                                     1e5,
                                     999999.0,
                                     999999.4,
                                     999999.6,
                                     1e6,
                                     1e22,
                                     123456.,
                                     0x1p-149,
                                     1.4e-45,
                                     5e-324,
                                     2.5e-320,
                                     (double)FLT_MIN,
                                     (double)FLT_MAX,
                                     DBL_MIN,
                                     DBL_MAX,
                                     -DBL_MAX,
                                     1e-300,
                                     1e300,
                                     0.5,
                                     1.0 / 3,
                                     9.999994e9,
                                     9.999996e9,
                                     20.0};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        same_number(special[i]);
    }
    for (int exponent = -323; exponent <= 308; exponent++) {
        same_number(pow(10.0, exponent));
        same_number(9.999999 * pow(10.0, exponent - 1));
    }
    uint64_t random = 1;
    for (int i = 0; i < RANDOM; i++) {
        same_number(any_double(&random));
    }
}

static void says(const char *expected, double value)
{
    char text[TEXT];
    kdi_base_say(text, sizeof text, "%g", value);
    assert_string_equal(text, expected);
}

static void doubles_look_plain(void **state)
{
    (void)state;
    says("0", 0.0);
    says("-0", -0.0);
    says("-1.5", -1.5);
    says("100000", 100000.0);
    says("1e6", 1e6);
    says("123457", 123456.7);
    says("0.00001", 1e-5);
    says("1e-6", 1e-6);
    says("nan", (double)NAN);
    says("inf", (double)INFINITY);
    says("-inf", (double)-INFINITY);
    says("3.40282e38", (double)FLT_MAX);
    says("1e-45", 1e-45);
}

static void no_locale_changes_a_point(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++) {
        found = setlocale(LC_ALL, names[i]);
    }
    if (!found) {
        skip(); /* no locale with a decimal comma on this machine */
    }
    char text[TEXT], comma[TEXT];
    snprintf(comma, sizeof comma, "%g", 1.5);
    kdi_base_say(text, sizeof text, "%g %g %z", 1.5, 1e-20, (size_t)1234567);
    setlocale(LC_ALL, "C");
    assert_string_equal(comma, "1,5");
    assert_string_equal(text, "1.5 1e-20 1234567");
}

static void formats_are_few(void **state)
{
    (void)state;
    char text[TEXT];
    kdi_base_say(text, sizeof text, "%s is %z, not %i!", "n", SIZE_MAX, INT64_MIN);
    assert_string_equal(text, "n is 18446744073709551615, not -9223372036854775808!");
    kdi_base_say(text, sizeof text, "%z %i %i", (size_t)0, (int64_t)0, INT64_MAX);
    assert_string_equal(text, "0 0 9223372036854775807");
    kdi_base_say(text, sizeof text, "100 %% sure");
    assert_string_equal(text, "100 % sure");
}

static void text_is_cut_to_fit(void **state)
{
    (void)state;
    static const char whole[] = "the value 12345 is -2.5e-10 in all";
    for (size_t size = 1; size <= sizeof whole + 3; size++) {
        char text[TEXT];
        memset(text, '#', sizeof text);
        kdi_base_say(text, size, "%s value %z is %g in all", "the", (size_t)12345, -2.5e-10);
        size_t length = size - 1 < sizeof whole - 1 ? size - 1 : sizeof whole - 1;
        assert_int_equal(strlen(text), length);
        assert_memory_equal(text, whole, length);
        for (size_t i = length + 1; i < sizeof text; i++) {
            assert_int_equal(text[i], '#');
        }
    }
}

static void failures_fill_the_error(void **state)
{
    (void)state;
    assert_int_equal(kdi_base_fail(NULL, KD_ERR_LABEL, 1, "x"), KD_ERR_LABEL);
    kd_error error = KD_ERROR_INIT;
    assert_int_equal(
        kdi_base_fail(&error, KD_ERR_LABEL, 3, "labels[%z] is %i", (size_t)7, (int64_t)10),
        KD_ERR_LABEL);
    assert_int_equal(error.struct_size, sizeof error);
    assert_int_equal(error.status, KD_ERR_LABEL);
    assert_int_equal(error.argument, 3);
    assert_string_equal(error.text, "labels[7] is 10");
    kdi_base_fail(&error, KD_ERR_SIZE, 1, "%s%s%s%s%s", "0123456789012345678901234567890123456789",
                  "0123456789012345678901234567890123456789012345678901234567890123456789",
                  "0123456789012345678901234567890123456789012345678901234567890123456789",
                  "0123456789012345678901234567890123456789012345678901234567890123456789", "end");
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
}

/* A host that was built with another kd_error: only its own bytes are written. */
static void failures_respect_the_hosts_size(void **state)
{
    (void)state;
    for (size_t size = sizeof(size_t); size <= sizeof(kd_error); size++) {
        union {
            kd_error error;
            unsigned char bytes[sizeof(kd_error)];
        } host;
        memset(&host, 0x55, sizeof host);
        host.error.struct_size = size;
        kdi_base_fail(&host.error, KD_ERR_LABEL, 3, "labels[%z] is %i", (size_t)7, (int64_t)10);
        assert_int_equal(host.error.struct_size, size);
        for (size_t i = size; i < sizeof host.bytes; i++) {
            assert_int_equal(host.bytes[i], 0x55);
        }
        size_t room = size > offsetof(kd_error, text) ? size - offsetof(kd_error, text) : 0;
        if (room) {
            assert_non_null(memchr(host.error.text, '\0', room));
        }
    }
    kd_error absurd = KD_ERROR_INIT;
    absurd.struct_size = SIZE_MAX;
    kdi_base_fail(&absurd, KD_ERR_LABEL, 3, "text");
    assert_string_equal(absurd.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_said_as_printf_does),
        cmocka_unit_test(doubles_look_plain),
        cmocka_unit_test(no_locale_changes_a_point),
        cmocka_unit_test(formats_are_few),
        cmocka_unit_test(text_is_cut_to_fit),
        cmocka_unit_test(failures_fill_the_error),
        cmocka_unit_test(failures_respect_the_hosts_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
