/* SPDX-License-Identifier: MIT */
/* Shifted biases of examples/paper: errors by hand, and both rules do what they promise. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shift.h"

enum { CASES = 400 };

static float logits[CASES * DIGIT_CLASSES];
static uint8_t labels[CASES];

/* Logits that favour the label; those of class 3 and 7 are too low by `low`. */
static void fill(double low)
{
    uint32_t random = 1;
    for (size_t i = 0; i < CASES; i++) {
        labels[i] = (uint8_t)(i % DIGIT_CLASSES);
        for (size_t k = 0; k < DIGIT_CLASSES; k++) {
            random = random * 1664525u + 1013904223u;
            double z = (double)(random >> 8) / 8388608.0 + (k == labels[i] ? 3.0 : 0.0);
            logits[i * DIGIT_CLASSES + k] = (float)(z - (k == 3 || k == 7 ? low : 0.0));
        }
    }
}

static const bool both[DIGIT_CLASSES] = {[3] = true, [7] = true};
static const bool three[DIGIT_CLASSES] = {[3] = true};

static void test_errors_are_counted(void **state)
{
    (void)state;
    static const float z[3 * DIGIT_CLASSES] = {[0] = 2, [3] = 1, [13] = 1, [14] = 4.05f, [29] = 1};
    /* Two are wrong, by 1 and by 3.05; the third is right unless the shift is above 1. */
    static const uint8_t truth[3] = {3, 3, 9};
    const shift_cases cases = {3, z, truth, both, three};
    const struct {
        double shift;
        size_t all, missing;
    } rows[] = {{0, 2, 2}, {0.9, 2, 2}, {1.1, 2, 1}, {3, 2, 1}, {3.1, 1, 0}, {-20, 2, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        shift_errors errors = shift_count(&cases, rows[i].shift);
        assert_int_equal(errors.all, rows[i].all);
        assert_int_equal(errors.missing, rows[i].missing);
    }
    double best = shift_oracle(&cases);
    assert_true(best > 3.05 && best < 3.15);
}

static void test_the_oracle_is_the_best_of_its_steps(void **state)
{
    (void)state;
    const shift_cases cases = {CASES, logits, labels, both, both};
    static const double lows[] = {0.0, 4.0, -6.0};
    for (size_t l = 0; l < 3; l++) {
        fill(lows[l]);
        double best = shift_oracle(&cases);
        for (int step = -200; step <= 200; step++) {
            size_t errors = shift_count(&cases, 0.1 * step).all;
            assert_true(shift_count(&cases, best).all <= errors);
        }
        assert_true(fabs(best - lows[l]) < 2.0); /* logits differ by up to 2 at random */
    }
}

/* What 20 mends, the oracle mends; what takes more than 20, it leaves. */
static void test_the_oracle_goes_as_far_as_it_says(void **state)
{
    (void)state;
    for (int within = 0; within < 2; within++) {
        float z[2 * DIGIT_CLASSES] = {0};
        z[0] = z[DIGIT_CLASSES + 3] = within ? 19.95f : 20.05f;
        for (uint8_t high = 0; high < 2; high++) {
            const uint8_t truth = high ? 0 : 3;
            const shift_cases one = {1, z + high * DIGIT_CLASSES, &truth, three, three};
            double due = !within ? 0.0 : high ? -20.0 : 20.0;
            assert_true(fabs(shift_oracle(&one) - due) < 0.01);
        }
    }
}

static void test_the_honest_rule_meets_the_share(void **state)
{
    (void)state;
    const shift_cases cases = {CASES, logits, labels, both, three};
    static const double lows[] = {0.0, 4.0, -6.0}, shares[] = {0.05, 0.2, 0.9};
    for (size_t l = 0; l < 3; l++) {
        fill(lows[l]);
        for (size_t i = 0; i < 3; i++) {
            double shift = shift_honest(&cases, shares[i]);
            assert_true(fabs(shift_mean_share(&cases, shift) - shares[i]) < 1e-9);
        }
    }
    /* What was taken away is given back. */
    fill(0.0);
    double without = shift_honest(&cases, 0.2);
    fill(4.0);
    assert_true(fabs(shift_honest(&cases, 0.2) - without - 4.0) < 1e-5);
}

static void test_mean_shares_are_softmax(void **state)
{
    (void)state;
    static const float z[2 * DIGIT_CLASSES] = {[3] = 200.0f, [10] = 200.0f};
    static const uint8_t truth[2] = {3, 0};
    const shift_cases cases = {2, z, truth, three, three};
    assert_true(fabs(shift_mean_share(&cases, 0.0) - 0.5) < 1e-12);
    assert_true(fabs(shift_mean_share(&cases, 200.0) - 0.75) < 1e-12);
    assert_true(fabs(shift_mean_share(&cases, -200.0 + log(9.0)) - 0.25) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_are_counted),
        cmocka_unit_test(test_the_oracle_is_the_best_of_its_steps),
        cmocka_unit_test(test_the_oracle_goes_as_far_as_it_says),
        cmocka_unit_test(test_the_honest_rule_meets_the_share),
        cmocka_unit_test(test_mean_shares_are_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
