/* SPDX-License-Identifier: MIT */
/* Bad contents of good buffers, and batches in which nothing counts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bench.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define IN(member) big_in.s.member
#define TARGETS(member) big_targets.s.member
#define ENSEMBLE(member) big_ensemble.s.member
#define LOSS(member) big_loss.s.member
#define INF ((double)INFINITY)
#define NONE NULL, NULL
/* Targets are probabilities, or log-probabilities at T0 = 1. */
#define P_GIVEN INT(TARGETS(kind), KD_TARGET_PROBABILITIES), POINT(TARGETS(values), p)
#define LN_P_GIVEN                                                                                 \
    INT(TARGETS(kind), KD_TARGET_LOG_PROBABILITIES), POINT(TARGETS(values), ln_p),                 \
        REAL(TARGETS(temperature), 1)

static void refuse_element(unsigned calls, size_t at, const char *words, double value,
                           const char *number, kd_status status, bench_argument argument)
{
    const bench_row row = {calls, status, argument, words, number, {{SET_FLOAT, at, 0, value}}, 0};
    bench_refuse(&row);
}

static void nan_and_infinity_in_logits(void **state)
{
    static const double value[] = {(double)NAN, -(double)NAN, (double)INFINITY};
    static const char *const number[] = {"nan", "nan", "inf"};
    (void)state;
    for (size_t i = 0; i < BENCH_SIZE; i++) { /* first, middle, last */
        size_t z = offsetof(bench, z) + i * sizeof(float),
               v = offsetof(bench, v) + i * sizeof(float);
        for (size_t j = 0; j < COUNT(value); j++) {
            refuse_element(ON_ROWS, z, "logits", value[j], number[j], KD_ERR_NOT_FINITE,
                           ARG_LOGITS);
            refuse_element(ON_BATCH | ON_ENSEMBLE, z, "logits", value[j], number[j],
                           KD_ERR_NOT_FINITE, ARG_IN);
            refuse_element(ON_TARGETS, v, "values|targets", value[j], number[j], KD_ERR_NOT_FINITE,
                           ARG_IN);
            refuse_element(ON_ENSEMBLE, v, "logits|member", value[j], number[j], KD_ERR_NOT_FINITE,
                           ARG_IN);
        }
        refuse_element(ON_MATCH, z, "logits", -INF, "-inf", KD_ERR_NOT_FINITE, ARG_IN);
        refuse_element(ON_MATCH, v, "values|targets", -INF, "-inf", KD_ERR_NOT_FINITE, ARG_IN);
    }
}

/* A row that does not count is checked all the same. */
static void rows_that_do_not_count(void **state)
{
    static const bench_row rows[] = {
        {ON_HARD,
         KD_ERR_NOT_FINITE,
         ARG_IN,
         "logits",
         "nan",
         {INT(labels[1], -1), REAL(z[6], NAN)},
         0},
        {ON_HARD,
         KD_ERR_NOT_FINITE,
         ARG_IN,
         "logits",
         "inf",
         {INT(labels[2], -1), REAL(z[11], INF)},
         0},
        {ON_BATCH,
         KD_ERR_NOT_FINITE,
         ARG_IN,
         "logits",
         "nan",
         {REAL(weights[1], 0), REAL(z[6], NAN)},
         0},
        {ON_TARGETS,
         KD_ERR_NOT_FINITE,
         ARG_IN,
         "values|targets",
         "inf",
         {REAL(weights[1], 0), REAL(v[6], INF)},
         0},
        {ON_LOSS,
         KD_ERR_NOT_FINITE,
         ARG_IN,
         "values|targets",
         "nan",
         {REAL(term[1].weight, 0), REAL(v[6], NAN)},
         0},
        {ON_LABELS,
         KD_ERR_LABEL,
         ARG_IN,
         "labels|label",
         "9",
         {REAL(weights[1], 0), INT(labels[1], 9)},
         0},
        {ON_P, KD_ERR_PROBABILITY, ARG_IN, NONE, {P_GIVEN, REAL(weights[0], 0), REAL(p[0], 0)}, 0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

/* The last element of a long row, behind any vector of the kernel. */
static void nan_in_a_long_row(void **state)
{
    static float z[1000], out[1000];
    (void)state;
    for (size_t k = 2; k < 1000; k += k / 3 + 1) {
        for (size_t i = 0; i < 3; i++) {
            size_t at = i == 0 ? 0 : i == 1 ? k / 2 : k - 1;
            memset(z, 0, sizeof z);
            z[at] = NAN;
            assert_int_equal(kd_softmax(z, 1, k, 0, 1, out, 0, NULL), KD_ERR_NOT_FINITE);
            assert_int_equal(kd_log_softmax(z, 1, k, 0, 1, out, 0, NULL), KD_ERR_NOT_FINITE);
            z[at] = INFINITY;
            assert_int_equal(kd_softmax(z, 1, k, 0, 1, out, 0, NULL), KD_ERR_NOT_FINITE);
            assert_int_equal(kd_log_softmax(z, 1, k, 0, 1, out, 0, NULL), KD_ERR_NOT_FINITE);
        }
    }
}

#define ROW_OF_MINUS_INF(x, c)                                                                     \
    REAL(x[4 * (c)], -INF), REAL(x[4 * (c) + 1], -INF), REAL(x[4 * (c) + 2], -INF),                \
        REAL(x[4 * (c) + 3], -INF)

static void support(void **state)
{
    static const bench_row rows[] = {
        {ON_ROWS, KD_ERR_SUPPORT, ARG_LOGITS, "logits", NULL, {ROW_OF_MINUS_INF(z, 0)}, 0},
        {ON_ROWS, KD_ERR_SUPPORT, ARG_LOGITS, "logits", NULL, {ROW_OF_MINUS_INF(z, 2)}, 0},
        {ON_HARD | ON_SOFT, KD_ERR_SUPPORT, ARG_IN, NULL, NULL, {ROW_OF_MINUS_INF(z, 1)}, 0},
        {ON_LOSS | ON_METRICS, KD_ERR_SUPPORT, ARG_IN, NULL, NULL, {ROW_OF_MINUS_INF(z, 2)}, 0},
        {ON_P, KD_ERR_SUPPORT, ARG_IN, "values|targets", NULL, {ROW_OF_MINUS_INF(v, 0)}, 0},
        {ON_P, KD_ERR_SUPPORT, ARG_IN, "values|targets", NULL, {ROW_OF_MINUS_INF(v, 2)}, 0},
        {ON_ENSEMBLE, KD_ERR_SUPPORT, ARG_IN, NULL, NULL, {ROW_OF_MINUS_INF(z, 1)}, 0},
        {ON_ENSEMBLE, KD_ERR_SUPPORT, ARG_IN, NULL, NULL, {ROW_OF_MINUS_INF(v, 2)}, 0},
        /* each class is ruled out by one member of a geometric mean */
        {ON_ENSEMBLE,
         KD_ERR_SUPPORT,
         ARG_IN,
         NONE,
         {REAL(z[0], -INF), REAL(z[1], -INF), REAL(v[2], -INF), REAL(v[3], -INF)},
         0},
        /* at the label; where p > 0 */
        {ON_HARD | ON_LOSS, KD_ERR_SUPPORT, ARG_IN, NULL, NULL, {REAL(z[0], -INF)}, 0},
        {ON_HARD | ON_LOSS, KD_ERR_SUPPORT, ARG_IN, NULL, NULL, {REAL(z[10], -INF)}, 0},
        {ON_P, KD_ERR_SUPPORT, ARG_IN, NONE, {REAL(z[3], -INF)}, 0},
        {ON_P, KD_ERR_SUPPORT, ARG_IN, NONE, {REAL(z[11], -INF)}, 0},
        {ON_P, KD_ERR_SUPPORT, ARG_IN, NONE, {P_GIVEN, REAL(z[7], -INF)}, 0},
        {ON_P, KD_ERR_SUPPORT, ARG_IN, NONE, {LN_P_GIVEN, REAL(z[7], -INF)}, 0},
        {ON_MATCH, KD_ERR_NOT_FINITE, ARG_IN, NONE, {LN_P_GIVEN, REAL(ln_p[7], -INF)}, 0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

static void probabilities(void **state)
{
    const char *const words = "values|targets|row|probabilities|probability";
    const bench_row rows[] = {
        {ON_P,
         KD_ERR_PROBABILITY,
         ARG_IN,
         words,
         "-0.125",
         {P_GIVEN, REAL(p[3], -0.125), REAL(p[2], 0.375)},
         0},
        {ON_P,
         KD_ERR_PROBABILITY,
         ARG_IN,
         words,
         "-1e-06",
         {P_GIVEN, REAL(p[11], -1e-6), REAL(p[8], 0.625 + 1e-6)},
         0},
        {ON_P, KD_ERR_PROBABILITY, ARG_IN, words, "0.999", {P_GIVEN, REAL(p[0], 0.499)}, 0},
        {ON_P, KD_ERR_PROBABILITY, ARG_IN, words, "1.0002", {P_GIVEN, REAL(p[11], 0.5002)}, 0},
        {ON_P, KD_ERR_PROBABILITY, ARG_IN, words, "0.9998", {P_GIVEN, REAL(p[4], 0.2498)}, 0},
        {ON_P,
         KD_ERR_PROBABILITY,
         ARG_IN,
         words,
         "nan",
         {P_GIVEN, REAL(p[5], NAN)},
         KD_ERR_NOT_FINITE},
        {ON_P,
         KD_ERR_PROBABILITY,
         ARG_IN,
         words,
         "inf",
         {P_GIVEN, REAL(p[11], INF)},
         KD_ERR_NOT_FINITE},
        {ON_P,
         KD_ERR_PROBABILITY,
         ARG_IN,
         words,
         "-inf",
         {P_GIVEN, REAL(p[0], -INF)},
         KD_ERR_NOT_FINITE},
        {ON_P, KD_ERR_PROBABILITY, ARG_IN, words, "0.5", {P_GIVEN, REAL(p[0], 0)}, 0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

static void log_probabilities(void **state)
{
    const char *const words = "values|targets|row|probabilities|probability";
    const bench_row rows[] = {
        {ON_P, KD_ERR_PROBABILITY, ARG_IN, words, NULL, {LN_P_GIVEN, REAL(ln_p[0], 0)}, 0},
        {ON_P, KD_ERR_PROBABILITY, ARG_IN, words, "1.5", {LN_P_GIVEN, REAL(ln_p[0], 0)}, 0},
        {ON_P, KD_ERR_PROBABILITY, ARG_IN, words, "0.5", {LN_P_GIVEN, REAL(ln_p[0], -INF)}, 0},
        {ON_P,
         KD_ERR_PROBABILITY,
         ARG_IN,
         words,
         "0.999",
         {LN_P_GIVEN, REAL(ln_p[0], -0.695149)},
         0},
        {ON_P,
         KD_ERR_PROBABILITY,
         ARG_IN,
         words,
         "nan",
         {LN_P_GIVEN, REAL(ln_p[6], NAN)},
         KD_ERR_NOT_FINITE},
        {ON_P,
         KD_ERR_PROBABILITY,
         ARG_IN,
         words,
         "inf",
         {LN_P_GIVEN, REAL(ln_p[11], INF)},
         KD_ERR_NOT_FINITE},
        /* logits or probabilities under the wrong name */
        {ON_P | ON_MATCH,
         KD_ERR_PROBABILITY,
         ARG_IN,
         words,
         NULL,
         {LN_P_GIVEN, POINT(TARGETS(values), v)},
         0},
        {ON_P | ON_MATCH,
         KD_ERR_PROBABILITY,
         ARG_IN,
         words,
         NULL,
         {LN_P_GIVEN, POINT(TARGETS(values), p)},
         0},
        {ON_P, KD_ERR_PROBABILITY, ARG_IN, words, NULL, {P_GIVEN, POINT(TARGETS(values), v)}, 0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

/* Within 1e-4 a row counts as it is. */
static void probabilities_that_are_close_enough(void **state)
{
    static const float first[] = {0.5f - 9e-5f, 0.5f, 0.5f + 9e-5f};
    (void)state;
    for (size_t i = 0; i < COUNT(first); i++) {
        for (unsigned call = 1; call < 1u << BENCH_CALLS; call <<= 1) {
            bench b;
            bench_fill(&b);
            b.TARGETS(kind) = KD_TARGET_PROBABILITIES;
            b.TARGETS(values) = b.p;
            b.p[0] = first[i];
            assert_int_equal((call & ON_P) == 0 ? KD_OK : bench_call(&b, call, NULL), KD_OK);
            b.TARGETS(kind) = KD_TARGET_LOG_PROBABILITIES;
            b.TARGETS(values) = b.ln_p;
            b.TARGETS(temperature) = 3;
            b.ln_p[0] = logf(first[i]);
            assert_int_equal((call & ON_P) == 0 ? KD_OK : bench_call(&b, call, NULL), KD_OK);
        }
    }
}

static void targets_that_do_not_fit_the_term(void **state)
{
    static const bench_row rows[] = {
        {ON_P,
         KD_ERR_RETEMPER,
         ARG_ANY,
         "temperature",
         "3",
         {P_GIVEN, REAL(TARGETS(temperature), 3)},
         0},
        {ON_P,
         KD_ERR_RETEMPER,
         ARG_ANY,
         "temperature",
         "2.5",
         {P_GIVEN, REAL(TARGETS(temperature), 2.5)},
         0},
        {ON_LOSS,
         KD_ERR_RETEMPER,
         ARG_ANY,
         "temperature",
         NULL,
         {P_GIVEN, REAL(TARGETS(temperature), 3), REAL(term[1].weight, 0)},
         0},
        {ON_MATCH, KD_ERR_KIND, ARG_IN, "kind|targets", NULL, {P_GIVEN}, 0},
        {ON_LOSS,
         KD_ERR_KIND,
         ARG_ANY,
         "kind|targets",
         NULL,
         {P_GIVEN, INT(term[1].kind, KD_TERM_MATCH)},
         0},
        {ON_LOSS,
         KD_ERR_KIND,
         ARG_ANY,
         "kind|targets",
         NULL,
         {P_GIVEN, INT(term[1].kind, KD_TERM_MATCH_RAW)},
         0},
        {ON_LOSS,
         KD_ERR_KIND,
         ARG_ANY,
         "kind|targets",
         NULL,
         {LN_P_GIVEN, INT(term[1].kind, KD_TERM_MATCH_RAW)},
         0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

static void empty_batches(void **state)
{
#define NO_WEIGHT REAL(weights[0], 0), REAL(weights[1], -0.0), REAL(weights[2], 0)
#define NO_LABEL INT(labels[0], -1), INT(labels[1], -1), INT(labels[2], -1)
    static const bench_row rows[] = {
        {ON_BATCH, KD_ERR_EMPTY_BATCH, ARG_IN, NONE, {NO_WEIGHT}, 0},
        {ON_HARD, KD_ERR_EMPTY_BATCH, ARG_IN, NONE, {NO_LABEL}, 0},
        {ON_LOSS, KD_ERR_EMPTY_BATCH, ARG_IN, NONE, {NO_LABEL, SIZE(n_terms, 1)}, 0},
        {ON_LOSS,
         KD_ERR_EMPTY_BATCH,
         ARG_IN,
         NONE,
         {NO_LABEL, INT(term[1].kind, KD_TERM_HARD), REAL(term[1].temperature, 0)},
         0},
        {ON_HARD,
         KD_ERR_EMPTY_BATCH,
         ARG_IN,
         NONE,
         {REAL(weights[0], 0), INT(labels[1], -1), INT(labels[2], -1)},
         0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

/* Temperatures at the edge of sense: finite and positive, so legal, and no NaN comes out. */
static void far_temperatures_are_legal(void **state)
{
    static const float t[] = {1e-30f, 1e-10f, 1e10f, 1e30f};
    (void)state;
    for (size_t i = 0; i < COUNT(t); i++) {
        for (unsigned call = 1; call < 1u << BENCH_CALLS; call <<= 1) {
            bench b;
            kd_error error = KD_ERROR_INIT;
            bench_fill(&b);
            b.temperature = b.term[1].temperature = b.ENSEMBLE(temperature) = t[i];
            if (bench_call(&b, call, &error) != KD_OK) {
                fail_msg("%s at T = %g: %s", bench_name(call), (double)t[i], error.text);
            }
            for (size_t j = 0; j < BENCH_SIZE; j++) {
                assert_true(b.result[j] - b.result[j] == 0); /* finite */
            }
            assert_true(b.LOSS(total) == b.LOSS(total));
            assert_true(b.big_metrics.s.kl == b.big_metrics.s.kl);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nan_and_infinity_in_logits),
        cmocka_unit_test(rows_that_do_not_count),
        cmocka_unit_test(nan_in_a_long_row),
        cmocka_unit_test(support),
        cmocka_unit_test(probabilities),
        cmocka_unit_test(log_probabilities),
        cmocka_unit_test(probabilities_that_are_close_enough),
        cmocka_unit_test(targets_that_do_not_fit_the_term),
        cmocka_unit_test(empty_batches),
        cmocka_unit_test(far_temperatures_are_legal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
