/* SPDX-License-Identifier: MIT */
/* Checksums, numbers as bytes, half precision, sorting: against definitions written out slowly. */
#include "common.h"

#include "io/parts.h"

#include <math.h>

/* ---- CRC-32C ---- */

static uint32_t slow_crc(const unsigned char *bytes, size_t size)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
        }
    }
    return ~crc;
}

static void the_published_checksums(void **state)
{
    (void)state;
    unsigned char bytes[32];
    assert_int_equal(kdi_io_crc(0, "123456789", 9), 0xE3069283u);
    assert_int_equal(kdi_io_crc(0, "", 0), 0);
    /* RFC 3720, appendix B.4 */
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(kdi_io_crc(0, bytes, 32), 0x8A9136AAu);
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(kdi_io_crc(0, bytes, 32), 0x62A8AB43u);
    for (size_t i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_int_equal(kdi_io_crc(0, bytes, 32), 0x46DD794Eu);
    for (size_t i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)(31 - i);
    }
    assert_int_equal(kdi_io_crc(0, bytes, 32), 0x113FDB5Cu);
}

static void checksums_of_any_length_in_any_pieces(void **state)
{
    (void)state;
    unsigned char bytes[600];
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)io_random(&seed);
    }
    for (size_t size = 0; size <= 500; size++) {
        const unsigned char *at = bytes + size % 9;
        uint32_t due = slow_crc(at, size);
        size_t cut = size ? (size_t)(io_random(&seed) % (size + 1)) : 0;
        assert_int_equal(kdi_io_crc(0, at, size), due);
        assert_int_equal(kdi_io_crc(kdi_io_crc(0, at, cut), at + cut, size - cut), due);
    }
}

/* ---- numbers ---- */

static void numbers_and_their_bytes(void **state)
{
    (void)state;
    unsigned char bytes[9];
    memset(bytes, 0x77, sizeof bytes);
    kdi_io_store(bytes, 8, UINT64_C(0x8877665544332211));
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(bytes[i], 0x11 * (i + 1));
    }
    assert_int_equal(bytes[8], 0x77);
    assert_int_equal(kdi_io_load(bytes, 8), UINT64_C(0x8877665544332211));
    assert_int_equal(kdi_io_load(bytes, 2), 0x2211);
    kdi_io_store(bytes, 2, UINT64_MAX);
    assert_int_equal(kdi_io_load(bytes, 3), 0x33FFFF);
}

static void hexadecimal_digits(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0123456",  "0123456A", "0123456g", " 1234567", "+1234567",
                                        "0x123456", "0123456/", "0123456:", "0123456`"};
    char digits[9] = {0};
    uint32_t value = 0;
    uint64_t seed = 2;
    for (int i = 0; i < 1000; i++) {
        uint32_t due = (uint32_t)io_random(&seed);
        char text[16];
        snprintf(text, sizeof text, "%08x", (unsigned)due);
        kdi_io_put_hex(digits, due);
        assert_string_equal(digits, text);
        assert_true(kdi_io_get_hex(digits, &value));
        assert_int_equal(value, due);
    }
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char padded[9] = {0};
        memcpy(padded, wrong[i], strlen(wrong[i]));
        assert_false(kdi_io_get_hex(padded, &value));
    }
}

static void all_halves(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 65536; half++) {
        int exponent = (int)(half >> 10 & 31);
        double fraction = (double)(half & 1023);
        double due = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        float got = kdi_io_from_half((uint16_t)half);
        if (exponent == 31 && fraction > 0) {
            assert_true(isnan(got));
            continue;
        }
        due = exponent == 31 ? (double)INFINITY : due;
        assert_true((double)got == (half & 0x8000 ? -due : due));
        assert_int_equal(signbit(got) != 0, half >> 15);
    }
}

/* Halves come back as they were, NaN with all that tells one from the other. */
static void halves_and_back(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 65536; half++) {
        assert_int_equal(kdi_io_to_half(kdi_io_from_half((uint16_t)half)), half);
    }
}

static void rounds_to(float value, uint32_t half)
{
    assert_int_equal(kdi_io_to_half(value), half);
    assert_int_equal(kdi_io_to_half(-value), half | 0x8000u);
}

/* Between two neighbours: the nearer one, and in the middle the even one. */
static void rounding_to_halves(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x7c00u; half++) {
        float here = kdi_io_from_half((uint16_t)half);
        float next = half + 1 == 0x7c00u ? 65536.0f : kdi_io_from_half((uint16_t)(half + 1));
        float middle = here + (next - here) / 2; /* exact: one bit more than a half has */
        rounds_to(middle, half + (half & 1));
        rounds_to(nextafterf(middle, 0), half);
        rounds_to(nextafterf(middle, INFINITY), half + 1);
        rounds_to(nextafterf(here, INFINITY), half);
        rounds_to(nextafterf(next, 0), half + 1);
    }
    rounds_to(0x1p-149f, 0);
    rounds_to(3.4028235e38f, 0x7c00);
    rounds_to(INFINITY, 0x7c00);
    uint32_t bits = 0x7f800001u; /* nothing of it is left in the bits of a half */
    float nan;
    memcpy(&nan, &bits, sizeof nan);
    assert_true(isnan(kdi_io_from_half(kdi_io_to_half(nan))));
}

/* ---- sorting ---- */

static bool less(const void *user, size_t a, size_t b)
{
    const uint64_t *numbers = user;
    return numbers[a] < numbers[b];
}

static void swap(void *user, size_t a, size_t b)
{
    uint64_t *numbers = user;
    uint64_t swapped = numbers[a];
    numbers[a] = numbers[b];
    numbers[b] = swapped;
}

static void sorting(void **state)
{
    (void)state;
    uint64_t numbers[200];
    uint64_t seed = 3;
    for (size_t n = 0; n <= 200; n++) {
        uint64_t kinds = n % 3 == 0 ? 5 : 1000000;
        uint64_t sum = 0;
        uint64_t after = 0;
        for (size_t i = 0; i < n; i++) {
            numbers[i] = io_random(&seed) % kinds;
            sum += numbers[i] * numbers[i];
        }
        kdi_io_sort(&(kdi_io_order){numbers, less, swap}, n);
        for (size_t i = 0; i < n; i++) {
            after += numbers[i] * numbers[i];
            assert_true(i == 0 || numbers[i - 1] <= numbers[i]);
        }
        assert_true(after == sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_checksums),
        cmocka_unit_test(checksums_of_any_length_in_any_pieces),
        cmocka_unit_test(numbers_and_their_bytes),
        cmocka_unit_test(hexadecimal_digits),
        cmocka_unit_test(all_halves),
        cmocka_unit_test(halves_and_back),
        cmocka_unit_test(rounding_to_halves),
        cmocka_unit_test(sorting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
