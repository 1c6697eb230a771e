/* SPDX-License-Identifier: MIT */
/* Buffers that overlap in part, or fully where the header does not allow it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define IN(member) big_in.s.member
#define TARGETS(member) big_targets.s.member
#define LOSS(member) big_loss.s.member
#define NONE NULL, NULL

/* No output may share floats with an input, except as exactly the same rows where that is said. */
static void out_and_logits(void **state)
{
    static const bench_row rows[] = {
        {ON_ROWS, KD_ERR_OVERLAP, ARG_ANY, "out|logits", NULL, {POINT(out, z[1])}, 0},
        {ON_ROWS, KD_ERR_OVERLAP, ARG_ANY, "out|logits", NULL, {POINT(out, z[11])}, 0},
        {ON_ROWS,
         KD_ERR_OVERLAP,
         ARG_ANY,
         "out|logits",
         NULL,
         {POINT(out, z), POINT(logits, z[1])},
         0},
        {ON_ROWS,
         KD_ERR_OVERLAP,
         ARG_ANY,
         "out|logits",
         NULL,
         {POINT(out, z), SIZE(out_stride, 5)},
         0},
        {ON_ROWS, KD_ERR_OVERLAP, ARG_ANY, "out|logits", NULL, {POINT(out, z), SIZE(stride, 5)}, 0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

static void d_logits_and_inputs(void **state)
{
    static const bench_row rows[] = {
        {ON_LOSSES, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(d_logits), z[1])}, 0},
        {ON_LOSSES, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(d_logits), z[11])}, 0},
        {ON_LOSSES,
         KD_ERR_OVERLAP,
         ARG_ANY,
         NONE,
         {POINT(LOSS(d_logits), z), POINT(IN(logits), z[1])},
         0},
        {ON_LOSSES,
         KD_ERR_OVERLAP,
         ARG_ANY,
         NONE,
         {POINT(LOSS(d_logits), z), SIZE(LOSS(d_stride), 5)},
         0},
        {ON_LOSSES,
         KD_ERR_OVERLAP,
         ARG_ANY,
         NONE,
         {POINT(LOSS(d_logits), z), SIZE(IN(logits_stride), 5)},
         0},
        {ON_LOSSES & ON_TARGETS, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(d_logits), v)}, 0},
        {ON_LOSSES & ON_TARGETS, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(d_logits), v[5])}, 0},
        {ON_LOSS | ON_HARD, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(d_logits), labels)}, 0},
        {ON_LOSS | ON_HARD, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(d_logits), labels[2])}, 0},
        {ON_LOSSES, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(d_logits), weights)}, 0},
        {ON_LOSSES, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(d_logits), weights[2])}, 0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

static void term_values_and_others(void **state)
{
    static const bench_row rows[] = {
        {ON_LOSSES, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(term_values), z)}, 0},
        {ON_LOSSES, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(term_values), z[10])}, 0},
        {ON_LOSSES & ON_TARGETS,
         KD_ERR_OVERLAP,
         ARG_ANY,
         NONE,
         {POINT(LOSS(term_values), v[4])},
         0},
        {ON_LOSS | ON_HARD, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(term_values), labels)}, 0},
        {ON_LOSSES, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(term_values), weights)}, 0},
        {ON_LOSSES, KD_ERR_OVERLAP, ARG_ANY, NONE, {POINT(LOSS(term_values), result[2])}, 0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

static void targets_and_logits(void **state)
{
    static const bench_row rows[] = {
        {ON_TARGETS,
         KD_ERR_OVERLAP,
         ARG_IN,
         "values|targets|logits",
         NULL,
         {POINT(TARGETS(values), z)},
         0},
        {ON_TARGETS,
         KD_ERR_OVERLAP,
         ARG_IN,
         "values|targets|logits",
         NULL,
         {POINT(TARGETS(values), z[1])},
         0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

static void ensembles(void **state)
{
    static const bench_row rows[] = {
        {ON_ENSEMBLE, KD_ERR_OVERLAP, ARG_ANY, "out", NULL, {POINT(out, z[1])}, 0},
        {ON_ENSEMBLE, KD_ERR_OVERLAP, ARG_ANY, "out", NULL, {POINT(out, v[11])}, 0},
        {ON_ENSEMBLE,
         KD_ERR_OVERLAP,
         ARG_ANY,
         "out",
         NULL,
         {POINT(out, v), SIZE(out_stride, 5)},
         0},
        {ON_ENSEMBLE, KD_ERR_OVERLAP, ARG_ANY, "out", NULL, {POINT(out, member_weights)}, 0},
        {ON_ENSEMBLE, KD_ERR_OVERLAP, ARG_ANY, "out", NULL, {POINT(out, member_weights[1])}, 0},
    };
    (void)state;
    bench_refuse_all(rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_and_logits),
        cmocka_unit_test(d_logits_and_inputs),
        cmocka_unit_test(term_values_and_others),
        cmocka_unit_test(targets_and_logits),
        cmocka_unit_test(ensembles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
