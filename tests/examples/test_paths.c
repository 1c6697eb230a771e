/* SPDX-License-Identifier: MIT */
/* Best paths through words, against all paths there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "hmm.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Whole numbers, so that sums are exact and ties are frequent. */
static void make_scores(float *score, size_t n, uint32_t random)
{
    for (size_t i = 0; i < n * HMM_TARGETS; i++) {
        random = random * 1664525u + 1013904223u;
        score[i] = (float)(random >> 24) / 16.0f > 8.0f ? -1.0f : (float)(random >> 29);
    }
}

/* The best of all paths from state `from` at frame `at` to the end, one after the other. */
static double brute_force(const float *score, size_t n, size_t at, size_t from)
{
    double here = (double)score[at * HMM_TARGETS + from];
    if (at == n - 1) {
        return from == HMM_STATES - 1 ? here : -(double)INFINITY;
    }
    double stay = brute_force(score, n, at + 1, from);
    double move =
        from + 1 < HMM_STATES ? brute_force(score, n, at + 1, from + 1) : -(double)INFINITY;
    return here + (stay > move ? stay : move);
}

/* From the first state to the last, none left out. */
static void check_path(const uint8_t *states, size_t n)
{
    assert_int_equal(states[0], 0);
    assert_int_equal(states[n - 1], HMM_STATES - 1);
    for (size_t t = 1; t < n; t++) {
        assert_in_range(states[t] - states[t - 1], 0, 1);
    }
}

static void test_best_path_is_the_best_of_all(void **state)
{
    float score[14 * HMM_TARGETS];
    uint8_t states[14];
    (void)state;
    for (size_t n = HMM_STATES; n <= 14; n++) {
        for (uint32_t seed = 0; seed < 30; seed++) {
            double sum = 0.0;
            make_scores(score, n, seed);
            double total = hmm_path(score, n, states);
            assert_true(total == brute_force(score, n, 0, 0));
            assert_true(total == hmm_path(score, n, NULL));
            check_path(states, n);
            for (size_t t = 0; t < n; t++) {
                sum += (double)score[t * HMM_TARGETS + states[t]];
            }
            assert_true(sum == total);
        }
    }
}

static void test_words_are_decoded(void **state)
{
    float score[11 * HMM_TARGETS];
    unsigned seen = 0;
    (void)state;
    for (uint32_t seed = 0; seed < 100; seed++) {
        unsigned due = 0;
        make_scores(score, 11, seed);
        for (unsigned word = 1; word < HMM_WORDS; word++) {
            if (brute_force(score + (size_t)8 * word, 11, 0, 0) >
                brute_force(score + (size_t)8 * due, 11, 0, 0)) {
                due = word;
            }
        }
        assert_int_equal(hmm_decode(score, 11), due);
        seen |= 1u << due;
    }
    assert_int_equal(seen, (1u << HMM_WORDS) - 1);
    memset(score, 0, sizeof score);
    assert_int_equal(hmm_decode(score, 11), 0);
}

/* Fewer frames than states: the uniform path, whatever the scores. */
static void test_short_recordings(void **state)
{
    static const uint8_t of_five[] = {0, 1, 3, 4, 6}, of_nine[] = {0, 0, 1, 2, 3, 4, 5, 6, 7};
    float score[8 * HMM_TARGETS];
    uint8_t states[9];
    (void)state;
    make_scores(score, 8, 1);
    hmm_uniform(5, states);
    assert_memory_equal(states, of_five, 5);
    hmm_uniform(9, states);
    assert_memory_equal(states, of_nine, 9);
    for (size_t n = 1; n < 8; n++) {
        double sum = 0.0;
        double total = hmm_path(score, n, states);
        for (size_t t = 0; t < n; t++) {
            assert_int_equal(states[t], t * 8 / n);
            sum += (double)score[t * HMM_TARGETS + states[t]];
        }
        assert_true(total == sum);
        assert_in_range(hmm_decode(score, n), 0, 9);
    }
    (void)hmm_path(score, 8, states);
    check_path(states, 8);
}

static void test_paths_of_bad_numbers(void **state)
{
    const float values[] = {NAN, INFINITY, -INFINITY};
    float score[12 * HMM_TARGETS];
    uint8_t states[12];
    (void)state;
    for (size_t v = 0; v < COUNT(values); v++) {
        for (size_t i = 0; i < COUNT(score); i++) {
            score[i] = values[v];
        }
        (void)hmm_path(score, 12, states);
        check_path(states, 12);
        assert_in_range(hmm_decode(score, 12), 0, 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_path_is_the_best_of_all),
        cmocka_unit_test(test_words_are_decoded),
        cmocka_unit_test(test_short_recordings),
        cmocka_unit_test(test_paths_of_bad_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
