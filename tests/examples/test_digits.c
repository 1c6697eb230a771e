/* SPDX-License-Identifier: MIT */
/* Drawn digits are the same everywhere, balanced, legible and different from each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "digits.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static digit_set drawn(uint64_t seed, size_t n)
{
    digit_set set = {0};
    assert_true(digits_draw(seed, n, &set));
    assert_int_equal(set.n, n);
    return set;
}

static uint64_t fnv1a(uint64_t hash, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

/* Which bytes these are is free to choose; but every machine must draw the same. */
static void test_bytes_are_pinned(void **state)
{
    (void)state;
    digit_set set = drawn(1, 100);
    uint64_t hash = fnv1a(UINT64_C(14695981039346656037), set.pixels, set.n * DIGIT_PIXELS);
    hash = fnv1a(hash, set.labels, set.n);
    digit_set_free(&set);
    assert_true(hash == UINT64_C(0x7c35952fe94392a3));
}

static void test_a_beginning_is_the_same(void **state)
{
    (void)state;
    const size_t beginnings[] = {0, 1, 9, 10, 123, 200};
    digit_set all = drawn(5, 200);
    for (size_t i = 0; i < COUNT(beginnings); i++) {
        digit_set some = drawn(5, beginnings[i]);
        assert_memory_equal(some.pixels, all.pixels, some.n * DIGIT_PIXELS);
        assert_memory_equal(some.labels, all.labels, some.n);
        digit_set_free(&some);
    }
    digit_set_free(&all);
}

static void test_labels_are_balanced_and_mixed(void **state)
{
    (void)state;
    digit_set set = drawn(6, 5000);
    size_t counts[DIGIT_CLASSES] = {0};
    size_t first[DIGIT_CLASSES] = {0};
    for (size_t i = 0; i < set.n; i++) {
        assert_in_range(set.labels[i], 0, DIGIT_CLASSES - 1);
        counts[set.labels[i]]++;
        first[set.labels[i]] += i % DIGIT_CLASSES == 0;
        if (i % DIGIT_CLASSES == DIGIT_CLASSES - 1) {
            for (size_t k = 0; k < DIGIT_CLASSES; k++) {
                assert_int_equal(counts[k], i / DIGIT_CLASSES + 1);
            }
        }
    }
    for (size_t k = 0; k < DIGIT_CLASSES; k++) {
        assert_in_range(first[k], 25, 80); /* of 500, each 50 give or take 6.7 */
    }
    digit_set_free(&set);
}

/* No image is empty or a blot, and the outermost pixels have noise at most. */
static void test_ink_stays_in_the_frame(void **state)
{
    (void)state;
    digit_set set = drawn(7, 5000);
    for (size_t i = 0; i < set.n; i++) {
        const uint8_t *pixels = set.pixels + i * DIGIT_PIXELS;
        size_t inked = 0;
        for (size_t p = 0; p < DIGIT_PIXELS; p++) {
            size_t row = p / DIGIT_SIDE, column = p % DIGIT_SIDE;
            inked += pixels[p] > 80;
            if (row == 0 || row == DIGIT_SIDE - 1 || column == 0 || column == DIGIT_SIDE - 1) {
                assert_in_range(pixels[p], 0, 107);
            }
        }
        assert_in_range(inked, 12, 400);
    }
    digit_set_free(&set);
}

/* The mean image of a class differs from that of every other: labels belong to their images. */
static void test_classes_differ(void **state)
{
    (void)state;
    digit_set set = drawn(8, 2000);
    static double means[DIGIT_CLASSES][DIGIT_PIXELS];
    for (size_t i = 0; i < set.n; i++) {
        for (size_t p = 0; p < DIGIT_PIXELS; p++) {
            means[set.labels[i]][p] += set.pixels[i * DIGIT_PIXELS + p] / 200.0;
        }
    }
    for (size_t a = 0; a < DIGIT_CLASSES; a++) {
        for (size_t b = 0; b < a; b++) {
            double distance = 0;
            for (size_t p = 0; p < DIGIT_PIXELS; p++) {
                distance += (means[a][p] - means[b][p]) * (means[a][p] - means[b][p]);
            }
            assert_true(distance > 150000); /* two halves of one class: 83,000 at most */
        }
    }
    digit_set_free(&set);
}

static void test_seeds_and_images_differ(void **state)
{
    (void)state;
    const uint64_t seeds[] = {0, 1, 2, UINT64_C(1) << 32, UINT64_MAX};
    uint64_t hashes[COUNT(seeds) * 20];
    for (size_t s = 0; s < COUNT(seeds); s++) {
        digit_set set = drawn(seeds[s], 20);
        for (size_t i = 0; i < 20; i++) {
            hashes[s * 20 + i] = fnv1a(0, set.pixels + i * DIGIT_PIXELS, DIGIT_PIXELS);
        }
        digit_set_free(&set);
    }
    for (size_t a = 0; a < COUNT(hashes); a++) {
        for (size_t b = 0; b < a; b++) {
            assert_true(hashes[a] != hashes[b]);
        }
    }
}

static void test_too_many(void **state)
{
    (void)state;
    digit_set set = {.n = 3};
    assert_false(digits_draw(1, SIZE_MAX, &set));
    assert_false(digits_draw(1, SIZE_MAX / DIGIT_PIXELS, &set));
    assert_int_equal(set.n, 3);
    digit_set_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_pinned),
        cmocka_unit_test(test_a_beginning_is_the_same),
        cmocka_unit_test(test_labels_are_balanced_and_mixed),
        cmocka_unit_test(test_ink_stays_in_the_frame),
        cmocka_unit_test(test_classes_differ),
        cmocka_unit_test(test_seeds_and_images_differ),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
