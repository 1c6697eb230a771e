/* SPDX-License-Identifier: MIT */
/* struct_size: callers older and newer than the library, and what may be written for them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bench.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define FILL 0xa5
#define ROOM 16 /* of the tails in bench */

/* The structs that the bench holds, and the calls that read them. */
typedef struct sized {
    unsigned calls;
    bench_argument argument;
    size_t at, size; /* of the struct in the bench; its own size */
} sized;

static const sized structs[] = {
    {ON_BATCH, ARG_IN, offsetof(bench, big_in), sizeof(kd_loss_in)},
    {ON_TARGETS, ARG_IN, offsetof(bench, big_targets), sizeof(kd_targets)},
    {ON_LOSSES, ARG_OUT, offsetof(bench, big_loss), sizeof(kd_loss_out)},
    {ON_METRICS, ARG_OUT, offsetof(bench, big_metrics), sizeof(kd_metrics_out)},
    {ON_ENSEMBLE, ARG_IN, offsetof(bench, big_ensemble), sizeof(kd_ensemble_in)},
};

/* Nor is any struct as large as the memory; to look for its tail would crash. */
static void as_large_as_the_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(structs); i++) {
        const bench_row row = {structs[i].calls,
                               KD_ERR_STRUCT,
                               structs[i].argument,
                               "struct_size",
                               NULL,
                               {{SET_SIZE, structs[i].at, SIZE_MAX, 0}},
                               0};
        bench_refuse(&row);
    }
    static const bench_row terms = {ON_LOSS,   KD_ERR_STRUCT,
                                    ARG_TERMS, "struct_size",
                                    NULL,      {SIZE(term[0].struct_size, SIZE_MAX)},
                                    0};
    bench_refuse(&terms);
}

static void too_small_for_itself(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(size_t); size++) {
        char number[8];
        snprintf(number, sizeof number, "%zu", size);
        for (size_t i = 0; i < COUNT(structs); i++) {
            const bench_row row = {structs[i].calls,
                                   KD_ERR_STRUCT,
                                   structs[i].argument,
                                   "struct_size",
                                   number,
                                   {{SET_SIZE, structs[i].at, size, 0}},
                                   0};
            bench_refuse(&row);
        }
        const bench_row terms[] = {
            {ON_LOSS,
             KD_ERR_STRUCT,
             ARG_TERMS,
             "struct_size",
             number,
             {SIZE(term[0].struct_size, size)},
             0},
            {ON_LOSS,
             KD_ERR_STRUCT,
             ARG_TERMS,
             "terms[1]",
             number,
             {SIZE(term[1].struct_size, size)},
             0},
        };
        bench_refuse_all(terms, COUNT(terms));
    }
}

static void grow(bench *b, const sized *s, size_t by)
{
    const bench_change longer = {SET_SIZE, s->at, s->size + by, 0};
    bench_apply(b, &longer);
}

static void a_newer_struct_with_a_zero_tail_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(structs); i++) {
        for (unsigned call = 1; call < 1u << BENCH_CALLS; call <<= 1) {
            bench plain, grown;
            kd_error error = KD_ERROR_INIT;
            bench_fill(&plain);
            bench_fill(&grown);
            grow(&grown, &structs[i], ROOM);
            assert_int_equal(bench_call(&plain, call, NULL), KD_OK);
            if (bench_call(&grown, call, &error) != KD_OK) {
                fail_msg("%s: %s", bench_name(call), error.text);
            }
            assert_memory_equal(grown.result, plain.result, sizeof plain.result);
            assert_true(grown.big_loss.s.total == plain.big_loss.s.total);
        }
    }
}

static void a_newer_struct_with_a_tail_that_is_not_zero_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(structs); i++) {
        if (structs[i].calls == ON_METRICS) {
            continue; /* only filled: its tail is the host's */
        }
        for (size_t byte = 0; byte + sizeof(int32_t) <= ROOM; byte++) {
            const bench_row row = {structs[i].calls,
                                   KD_ERR_STRUCT,
                                   structs[i].argument,
                                   NULL,
                                   NULL,
                                   {{SET_SIZE, structs[i].at, structs[i].size + ROOM, 0},
                                    {SET_INT, structs[i].at + structs[i].size + byte, 0, 1}},
                                   0};
            bench_refuse(&row);
        }
        const bench_row last = {
            structs[i].calls,
            KD_ERR_STRUCT,
            structs[i].argument,
            NULL,
            NULL,
            {{SET_SIZE, structs[i].at, structs[i].size + ROOM, 0},
             {SET_INT, structs[i].at + structs[i].size + ROOM - 4, 0, INT32_MIN}},
            0};
        bench_refuse(&last);
    }
}

/* Terms of a newer caller stand further apart. */
typedef struct newer_term {
    kd_term term;
    uint64_t more[2];
} newer_term;

static kd_status loss_of_newer_terms(bench *b, uint64_t more, size_t which)
{
    newer_term terms[2];
    for (size_t t = 0; t < 2; t++) {
        memset(&terms[t], 0, sizeof terms[t]);
        terms[t].term = b->term[t];
        terms[t].term.struct_size = sizeof(newer_term);
    }
    terms[which].more[1] = more;
    b->terms = &terms[0].term;
    kd_status status = bench_call(b, ON_LOSS, NULL);
    b->terms = b->term;
    return status;
}

static void newer_terms(void **state)
{
    (void)state;
    bench plain, grown;
    bench_fill(&plain);
    bench_fill(&grown);
    assert_int_equal(bench_call(&plain, ON_LOSS, NULL), KD_OK);
    assert_int_equal(loss_of_newer_terms(&grown, 0, 0), KD_OK);
    assert_memory_equal(grown.result, plain.result, sizeof plain.result);
    assert_true(grown.big_loss.s.total == plain.big_loss.s.total);
    for (size_t t = 0; t < 2; t++) {
        assert_int_equal(loss_of_newer_terms(&grown, 1, t), KD_ERR_STRUCT);
        assert_int_equal(loss_of_newer_terms(&grown, UINT64_C(1) << 63, t), KD_ERR_STRUCT);
    }
}

/* An older caller: the struct ends before `field`, and what lies behind is not part of it. */
typedef struct prefix {
    unsigned calls;
    size_t at, size, whole; /* the struct in the bench; its cut size; its full size */
    bench_change same_as;   /* the default of the missing tail */
    bench_change also;
} prefix;

#define CUT(big, type, field) offsetof(bench, big), offsetof(type, field), sizeof(type)
static const prefix prefixes[] = {
    {ON_HARD, CUT(big_in, kd_loss_in, targets), NIL(big_in.s.targets), {SET_NOTHING, 0, 0, 0}},
    {ON_HARD, CUT(big_in, kd_loss_in, case_weights), NIL(big_in.s.case_weights),
     NIL(big_in.s.targets)},
    {ON_TARGETS, CUT(big_targets, kd_targets, k), SIZE(big_targets.s.k, 0), {SET_NOTHING, 0, 0, 0}},
    {ON_TARGETS,
     CUT(big_targets, kd_targets, stride),
     SIZE(big_targets.s.stride, 0),
     {SET_NOTHING, 0, 0, 0}},
    {ON_ENSEMBLE,
     CUT(big_ensemble, kd_ensemble_in, weights),
     NIL(big_ensemble.s.weights),
     {SET_NOTHING, 0, 0, 0}},
    {ON_ENSEMBLE, CUT(big_ensemble, kd_ensemble_in, stride), SIZE(big_ensemble.s.stride, 0),
     NIL(big_ensemble.s.weights)},
};

static void check_prefix(const prefix *p, unsigned call)
{
    bench whole, cut;
    kd_error error = KD_ERROR_INIT;
    const bench_change shorter = {SET_SIZE, p->at, p->size, 0};
    bench_fill(&whole);
    bench_apply(&whole, &p->same_as);
    bench_apply(&whole, &p->also);
    assert_int_equal(bench_call(&whole, call, NULL), KD_OK);
    bench_fill(&cut);
    bench_apply(&cut, &shorter);
    memset((unsigned char *)&cut + p->at + p->size, FILL, p->whole - p->size);
    if (bench_call(&cut, call, &error) != KD_OK) {
        fail_msg("%s with %zu bytes of a struct: %s", bench_name(call), p->size, error.text);
    }
    assert_memory_equal(cut.result, whole.result, sizeof whole.result);
    assert_true(cut.big_loss.s.total == whole.big_loss.s.total);
    assert_true(cut.big_metrics.s.kl == whole.big_metrics.s.kl);
}

static void a_missing_tail_means_the_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(prefixes); i++) {
        for (unsigned call = 1; call < 1u << BENCH_CALLS; call <<= 1) {
            if ((prefixes[i].calls & call) != 0) {
                check_prefix(&prefixes[i], call);
            }
        }
    }
}

/* A term without its last field has the weight of KD_TERM_INIT: 1. */
static void a_term_without_weight_weighs_1(void **state)
{
    const size_t step = offsetof(kd_term, weight);
    union {
        kd_term first;
        unsigned char bytes[2 * sizeof(kd_term)];
    } terms;
    bench whole, cut;
    (void)state;
    bench_fill(&whole);
    bench_fill(&cut);
    memset(&terms, FILL, sizeof terms);
    for (size_t t = 0; t < 2; t++) {
        cut.term[t].struct_size = step;
        memcpy(terms.bytes + t * step, &cut.term[t], step);
    }
    cut.terms = &terms.first;
    assert_int_equal(bench_call(&whole, ON_LOSS, NULL), KD_OK);
    assert_int_equal(bench_call(&cut, ON_LOSS, NULL), KD_OK);
    assert_memory_equal(cut.result, whole.result, sizeof whole.result);
    assert_true(cut.big_loss.s.total == whole.big_loss.s.total);
}

/* Only the caller's bytes of an output struct are read or written. */
static void check_output(unsigned call, size_t at, size_t cut_size, size_t first_number,
                         size_t whole_size)
{
    bench whole, cut;
    const bench_change shorter = {SET_SIZE, at, cut_size, 0};
    unsigned char *bytes = (unsigned char *)&cut + at;
    const unsigned char *want = (const unsigned char *)&whole + at;
    bench_fill(&whole);
    bench_fill(&cut);
    memset(bytes + cut_size, FILL, whole_size + ROOM - cut_size);
    bench_apply(&cut, &shorter);
    assert_int_equal(bench_call(&whole, call, NULL), KD_OK);
    assert_int_equal(bench_call(&cut, call, NULL), KD_OK);
    if (cut_size > first_number) {
        assert_memory_equal(bytes + first_number, want + first_number, cut_size - first_number);
    }
    for (size_t i = cut_size; i < whole_size + ROOM; i++) {
        if (bytes[i] != FILL) {
            fail_msg("%s wrote byte %zu of a struct of %zu", bench_name(call), i, cut_size);
        }
    }
}

static void outputs_of_older_callers(void **state)
{
    static const size_t losses[] = {
        offsetof(kd_loss_out, d_stride), offsetof(kd_loss_out, term_values),
        offsetof(kd_loss_out, total),    offsetof(kd_loss_out, case_weight),
        offsetof(kd_loss_out, cases),    sizeof(kd_loss_out)};
    (void)state;
    for (unsigned call = 1; call < 1u << BENCH_CALLS; call <<= 1) {
        for (size_t i = 0; (call & ON_LOSSES) != 0 && i < COUNT(losses); i++) {
            check_output(call, offsetof(bench, big_loss), losses[i], offsetof(kd_loss_out, total),
                         sizeof(kd_loss_out));
        }
    }
    for (size_t size = offsetof(kd_metrics_out, accuracy); size <= sizeof(kd_metrics_out);
         size += 8) {
        check_output(ON_METRICS, offsetof(bench, big_metrics), size,
                     offsetof(kd_metrics_out, accuracy), sizeof(kd_metrics_out));
    }
}

/* A call that fails, with a kd_error of this size; nothing else of it may be written. */
static kd_status fail_with(size_t struct_size, unsigned call, int good)
{
    struct {
        kd_error error;
        unsigned char more[ROOM];
    } words;
    const unsigned char *bytes = (const unsigned char *)&words;
    bench b;
    bench_fill(&b);
    b.logits = good ? b.logits : NULL;
    b.in = good ? b.in : NULL;
    b.ensemble = good ? b.ensemble : NULL;
    memset(&words, FILL, sizeof words);
    words.error.struct_size = struct_size;
    kd_status status = bench_call(&b, call, &words.error);
    size_t allowed = struct_size < sizeof words.error ? struct_size : sizeof words.error;
    allowed = allowed < sizeof(size_t) || good ? sizeof(size_t) : allowed;
    assert_int_equal(words.error.struct_size, struct_size);
    for (size_t i = allowed; i < sizeof words; i++) {
        if (bytes[i] != FILL) {
            fail_msg("%s wrote byte %zu of a kd_error of %zu", bench_name(call), i, struct_size);
        }
    }
    return status;
}

/* A kd_error of any size never changes what a call returns, unless the size itself is refused. */
static void errors_of_any_size(void **state)
{
    (void)state;
    for (unsigned call = 1; call < 1u << BENCH_CALLS; call <<= 1) {
        for (size_t size = 0; size <= sizeof(kd_error) + ROOM; size++) {
            kd_status bad = fail_with(size, call, 0), good = fail_with(size, call, 1);
            if (bad != KD_ERR_STRUCT || good != KD_ERR_STRUCT) {
                assert_int_equal(bad, KD_ERR_NULL);
                assert_int_equal(good, KD_OK);
            }
        }
        assert_int_equal(fail_with(sizeof(kd_error), call, 0), KD_ERR_NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_small_for_itself),
        cmocka_unit_test(as_large_as_the_memory),
        cmocka_unit_test(a_newer_struct_with_a_zero_tail_is_accepted),
        cmocka_unit_test(a_newer_struct_with_a_tail_that_is_not_zero_is_refused),
        cmocka_unit_test(newer_terms),
        cmocka_unit_test(a_missing_tail_means_the_defaults),
        cmocka_unit_test(a_term_without_weight_weighs_1),
        cmocka_unit_test(outputs_of_older_callers),
        cmocka_unit_test(errors_of_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
