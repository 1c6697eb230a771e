/* SPDX-License-Identifier: MIT */
/* Every function with every kind of bad number: refused with the right status and words. */
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

static void the_bench_itself_is_accepted(void **state)
{
    (void)state;
    for (unsigned call = 1; call < 1u << BENCH_CALLS; call <<= 1) {
        bench b;
        kd_error error = KD_ERROR_INIT;
        bench_fill(&b);
        if (bench_call(&b, call, &error) != KD_OK) {
            fail_msg("%s: %s", bench_name(call), error.text);
        }
        assert_int_equal(bench_call(&b, call, NULL), KD_OK);
    }
}

static const bench_row null_pointers[] = {
    {ON_ROWS, KD_ERR_NULL, ARG_LOGITS, "logits", NULL, {NIL(logits)}, 0},
    {ON_ROWS | ON_ENSEMBLE, KD_ERR_NULL, ARG_OUT, "out", NULL, {NIL(out)}, 0},
    {ON_LOSS, KD_ERR_NULL, ARG_TERMS, "terms", NULL, {NIL(terms)}, 0},
    {ON_BATCH, KD_ERR_NULL, ARG_IN, "in", NULL, {NIL(in)}, 0},
    {ON_LOSSES, KD_ERR_NULL, ARG_OUT, "out", NULL, {NIL(loss)}, 0},
    {ON_METRICS, KD_ERR_NULL, ARG_OUT, "out", NULL, {NIL(metrics)}, 0},
    {ON_ENSEMBLE, KD_ERR_NULL, ARG_IN, "in", NULL, {NIL(ensemble)}, 0},
    {ON_BATCH, KD_ERR_NULL, ARG_IN, "logits", NULL, {NIL(IN(logits))}, 0},
    {ON_LOSS | ON_HARD, KD_ERR_NULL, ARG_IN, "labels", NULL, {NIL(IN(labels))}, 0},
    {ON_LOSS | ON_SOFT | ON_MATCH, KD_ERR_NULL, ARG_IN, "targets", NULL, {NIL(IN(targets))}, 0},
    {ON_TARGETS, KD_ERR_NULL, ARG_IN, "values", NULL, {NIL(TARGETS(values))}, 0},
    {ON_ENSEMBLE, KD_ERR_NULL, ARG_IN, "logits", NULL, {NIL(ENSEMBLE(logits))}, 0},
    {ON_ENSEMBLE, KD_ERR_NULL, ARG_IN, "logits|member", NULL, {NIL(members[0])}, 0},
    {ON_ENSEMBLE, KD_ERR_NULL, ARG_IN, "logits|member", "1", {NIL(members[1])}, 0},
    /* a term of weight 0 needs its inputs all the same */
    {ON_LOSS, KD_ERR_NULL, ARG_IN, "labels", NULL, {NIL(IN(labels)), REAL(term[0].weight, 0)}, 0},
};

static void pointers(void **state)
{
    (void)state;
    bench_refuse_all(null_pointers, COUNT(null_pointers));
}

/* A size: where it stands and how the text may call it. */
typedef struct size_field {
    unsigned calls;
    size_t at;
    bench_argument argument;
    const char *words;
    int may_be_zero;
} size_field;

static const size_field sizes[] = {
    {ON_ROWS, offsetof(bench, n), ARG_N, "n", 0},
    {ON_ROWS, offsetof(bench, k), ARG_K, "k", 0},
    {ON_ROWS, offsetof(bench, stride), ARG_STRIDE, "stride", 1},
    {ON_ROWS | ON_ENSEMBLE, offsetof(bench, out_stride), ARG_OUT_STRIDE, "out_stride|stride", 1},
    {ON_BATCH, offsetof(bench, IN(n)), ARG_IN, "n", 0},
    {ON_BATCH, offsetof(bench, IN(k)), ARG_IN, "k", 0},
    {ON_BATCH, offsetof(bench, IN(logits_stride)), ARG_IN, "logits_stride|stride", 1},
    {ON_LOSSES, offsetof(bench, big_loss.s.d_stride), ARG_OUT, "d_stride|stride", 1},
    {ON_TARGETS, offsetof(bench, TARGETS(stride)), ARG_IN, "stride", 1},
    {ON_ENSEMBLE, offsetof(bench, ENSEMBLE(n)), ARG_IN, "n", 0},
    {ON_ENSEMBLE, offsetof(bench, ENSEMBLE(k)), ARG_IN, "k", 0},
    {ON_ENSEMBLE, offsetof(bench, ENSEMBLE(members)), ARG_IN, "members", 0},
    {ON_ENSEMBLE, offsetof(bench, ENSEMBLE(stride)), ARG_IN, "stride", 1},
    {ON_LOSS, offsetof(bench, n_terms), ARG_N_TERMS, "n_terms", 0},
};

/* At the borders of int, of unsigned, of 4 GiB and of all that can be addressed. */
static const size_t hostile[] = {
    (size_t)INT32_MAX + 1,
    (size_t)INT32_MAX + 2,
    UINT32_MAX,
#if SIZE_MAX > UINT32_MAX
    (size_t)UINT32_MAX + 1,
    (size_t)UINT32_MAX + 2,
    (size_t)UINT32_MAX + 1 + BENCH_K,
#endif
    SIZE_MAX / 16,
    SIZE_MAX / 16 + 1,
    SIZE_MAX / BENCH_K,
    SIZE_MAX / BENCH_K + 1,
    SIZE_MAX / 2 + 1,
    SIZE_MAX - 1,
    SIZE_MAX,
};

static void refuse_size(const size_field *field, size_t size, kd_status status)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", size);
    const bench_row row = {field->calls,
                           status,
                           field->argument,
                           field->words,
                           number,
                           {{SET_SIZE, field->at, size, 0}},
                           0};
    bench_refuse(&row);
}

static void sizes_and_strides(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (size_t j = 0; j < COUNT(hostile); j++) {
            refuse_size(&sizes[i], hostile[j], KD_ERR_TOO_LARGE);
        }
        if (sizes[i].may_be_zero) { /* a stride */
            refuse_size(&sizes[i], 1, KD_ERR_SIZE);
            refuse_size(&sizes[i], BENCH_K - 1, KD_ERR_SIZE);
        } else {
            refuse_size(&sizes[i], 0, KD_ERR_SIZE);
        }
    }
}

static void products_of_sizes(void **state)
{
    const size_t most = INT32_MAX;
    const bench_row rows[] = {
        {ON_ROWS, KD_ERR_TOO_LARGE, ARG_ANY, NULL, NULL, {SIZE(n, most), SIZE(k, most)}, 0},
        {ON_ROWS, KD_ERR_TOO_LARGE, ARG_ANY, NULL, NULL, {SIZE(n, most), SIZE(stride, most)}, 0},
        {ON_ROWS,
         KD_ERR_TOO_LARGE,
         ARG_ANY,
         NULL,
         NULL,
         {SIZE(n, most), SIZE(out_stride, most)},
         0},
        {ON_BATCH,
         KD_ERR_TOO_LARGE,
         ARG_ANY,
         NULL,
         NULL,
         {SIZE(IN(n), most), SIZE(IN(k), most)},
         0},
        {ON_ENSEMBLE,
         KD_ERR_TOO_LARGE,
         ARG_ANY,
         NULL,
         NULL,
         {SIZE(ENSEMBLE(n), most), SIZE(ENSEMBLE(k), most)},
         0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

static void counts_of_terms_members_and_classes(void **state)
{
    static const bench_row rows[] = {
        {ON_LOSS, KD_ERR_TOO_LARGE, ARG_N_TERMS, "n_terms", "17", {SIZE(n_terms, 17)}, 0},
        {ON_ENSEMBLE,
         KD_ERR_TOO_LARGE,
         ARG_IN,
         "members",
         "257",
         {SIZE(ENSEMBLE(members), 257)},
         0},
        {ON_TARGETS, KD_ERR_SHAPE, ARG_IN, "k", "3", {SIZE(TARGETS(k), 3)}, 0},
        {ON_TARGETS, KD_ERR_SHAPE, ARG_IN, "k", "5", {SIZE(TARGETS(k), 5)}, 0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

/* A float: where it stands, and its calls. */
typedef struct float_field {
    unsigned calls;
    size_t at;
    bench_argument argument;
    const char *words;
    bench_change first; /* before it */
} float_field;

typedef struct bad_float {
    double value;
    const char *number;
} bad_float;

static void refuse_floats(const float_field *fields, size_t n_fields, const bad_float *bad,
                          size_t n_bad, kd_status status)
{
    for (size_t i = 0; i < n_fields; i++) {
        for (size_t j = 0; j < n_bad; j++) {
            const bench_row row = {fields[i].calls,
                                   status,
                                   fields[i].argument,
                                   fields[i].words,
                                   bad[j].number,
                                   {fields[i].first, {SET_FLOAT, fields[i].at, 0, bad[j].value}},
                                   0};
            bench_refuse(&row);
        }
    }
}

static const bad_float not_positive[] = {{0, "0"},
                                         {-0.0, "0"},
                                         {-1, "-1"},
                                         {-1e-30, "-1e-30"},
                                         {(double)NAN, "nan"},
                                         {(double)INFINITY, "inf"},
                                         {-(double)INFINITY, "-inf"}};

static void temperatures(void **state)
{
    static const float_field fields[] = {
        {ON_ROWS | ON_SOFT | ON_METRICS,
         offsetof(bench, temperature),
         ARG_TEMPERATURE,
         "temperature",
         {SET_NOTHING, 0, 0, 0}},
        {ON_LOSS,
         offsetof(bench, term[1].temperature),
         ARG_TERMS,
         "temperature",
         {SET_NOTHING, 0, 0, 0}},
        {ON_LOSS, offsetof(bench, term[1].temperature), ARG_TERMS, "temperature",
         INT(term[1].kind, KD_TERM_KL)},
        {ON_ENSEMBLE,
         offsetof(bench, ENSEMBLE(temperature)),
         ARG_IN,
         "temperature",
         {SET_NOTHING, 0, 0, 0}},
        {ON_TARGETS, offsetof(bench, TARGETS(temperature)), ARG_IN, "temperature",
         INT(TARGETS(kind), KD_TARGET_LOG_PROBABILITIES)},
    };
    static const float_field known[] = {{ON_P, offsetof(bench, TARGETS(temperature)), ARG_IN,
                                         "temperature",
                                         INT(TARGETS(kind), KD_TARGET_PROBABILITIES)}};
    static const float_field hard[] = {{ON_LOSS,
                                        offsetof(bench, term[0].temperature),
                                        ARG_TERMS,
                                        "temperature",
                                        {SET_NOTHING, 0, 0, 0}}};
    static const bad_float not_one[] = {{2, "2"}, {0.5, "0.5"}, {1.001, "1.001"}};
    (void)state;
    refuse_floats(fields, COUNT(fields), not_positive, COUNT(not_positive), KD_ERR_TEMPERATURE);
    refuse_floats(known, 1, not_positive + 2, COUNT(not_positive) - 2, KD_ERR_TEMPERATURE);
    refuse_floats(hard, 1, not_positive + 2, COUNT(not_positive) - 2, KD_ERR_TEMPERATURE);
    refuse_floats(hard, 1, not_one, COUNT(not_one), KD_ERR_TEMPERATURE);
}

static void weights(void **state)
{
    static const bad_float bad[] = {{-1, "-1"},
                                    {-1e-30, "-1e-30"},
                                    {(double)NAN, "nan"},
                                    {(double)INFINITY, "inf"},
                                    {-(double)INFINITY, "-inf"}};
    const bench_change nothing = {SET_NOTHING, 0, 0, 0};
    const float_field fields[] = {
        {ON_LOSS, offsetof(bench, term[0].weight), ARG_TERMS, "weight", nothing},
        {ON_LOSS, offsetof(bench, term[1].weight), ARG_TERMS, "weight", nothing},
        {ON_BATCH, offsetof(bench, weights[0]), ARG_IN, "case_weights", nothing},
        {ON_BATCH, offsetof(bench, weights[1]), ARG_IN, "case_weights", nothing},
        {ON_BATCH, offsetof(bench, weights[2]), ARG_IN, "case_weights", nothing},
        {ON_ENSEMBLE, offsetof(bench, member_weights[0]), ARG_IN, "weights", nothing},
        {ON_ENSEMBLE, offsetof(bench, member_weights[1]), ARG_IN, "weights", nothing},
    };
    static const bench_row none = {ON_ENSEMBLE,
                                   KD_ERR_WEIGHT,
                                   ARG_IN,
                                   "weights",
                                   NULL,
                                   {REAL(member_weights[0], 0), REAL(member_weights[1], 0)},
                                   0};
    (void)state;
    refuse_floats(fields, COUNT(fields), bad, COUNT(bad), KD_ERR_WEIGHT);
    bench_refuse(&none);
}

static void labels(void **state)
{
    static const int32_t bad[] = {-2, BENCH_K, BENCH_K + 1, INT32_MAX, INT32_MIN};
    (void)state;
    for (size_t i = 0; i < COUNT(bad) * BENCH_N; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", (int)bad[i / BENCH_N]);
        const bench_change change = {SET_INT, offsetof(bench, labels) + i % BENCH_N * sizeof bad[0],
                                     0, bad[i / BENCH_N]};
        const bench_row row = {ON_LABELS, KD_ERR_LABEL, ARG_IN, "labels|label",
                               number,    {change},     0};
        bench_refuse(&row);
    }
}

static void kinds(void **state)
{
    static const int32_t bad[] = {0, 6, 7, -1, 100, INT32_MAX, INT32_MIN};
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", (int)bad[i]);
        const bench_row rows[] = {
            {ON_LOSS, KD_ERR_KIND, ARG_TERMS, "kind", number, {INT(term[0].kind, bad[i])}, 0},
            {ON_LOSS, KD_ERR_KIND, ARG_TERMS, "kind", number, {INT(term[1].kind, bad[i])}, 0},
            {ON_TARGETS, KD_ERR_KIND, ARG_IN, "kind", number, {INT(TARGETS(kind), bad[i])}, 0},
            {ON_ENSEMBLE, KD_ERR_KIND, ARG_IN, "kind", number, {INT(ENSEMBLE(kind), bad[i])}, 0},
        };
        bench_refuse_all(rows, COUNT(rows));
    }
    static const bench_row next[] = {
        {ON_TARGETS, KD_ERR_KIND, ARG_IN, "kind", "5", {INT(TARGETS(kind), 5)}, 0},
        {ON_ENSEMBLE, KD_ERR_KIND, ARG_IN, "kind", "3", {INT(ENSEMBLE(kind), 3)}, 0},
    };
    bench_refuse_all(next, COUNT(next));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bench_itself_is_accepted),
        cmocka_unit_test(pointers),
        cmocka_unit_test(sizes_and_strides),
        cmocka_unit_test(products_of_sizes),
        cmocka_unit_test(counts_of_terms_members_and_classes),
        cmocka_unit_test(temperatures),
        cmocka_unit_test(weights),
        cmocka_unit_test(labels),
        cmocka_unit_test(kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
