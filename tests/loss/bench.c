/* SPDX-License-Identifier: MIT */
/* One good call of each function of kd/loss.h, changes to it, and the check of a refusal. */
#include "bench.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void fill_rows(bench *b)
{
    static const float p[BENCH_SIZE] = {0.5f,  0.25f, 0.125f, 0.125f, 0.25f, 0.25f,
                                        0.25f, 0.25f, 0.125f, 0.125f, 0.25f, 0.5f};
    for (size_t i = 0; i < BENCH_SIZE; i++) {
        b->z[i] = (float)(i % 5) - 1.5f;
        b->v[i] = 2 - (float)(i % 7) / 2;
        b->p[i] = p[i];
        b->ln_p[i] = logf(p[i]);
    }
    for (size_t c = 0; c < BENCH_N; c++) {
        b->labels[c] = (int32_t)c;
        b->weights[c] = b->member_weights[c] = 1 + (float)c;
    }
}

static void fill_structs(bench *b)
{
    const kd_loss_in in = KD_LOSS_IN_INIT;
    const kd_targets targets = KD_TARGETS_INIT;
    const kd_loss_out loss = KD_LOSS_OUT_INIT;
    const kd_metrics_out metrics = KD_METRICS_OUT_INIT;
    const kd_ensemble_in ensemble = KD_ENSEMBLE_IN_INIT;
    b->big_targets.s = targets;
    b->big_targets.s.kind = KD_TARGET_LOGITS;
    b->big_targets.s.values = b->v;
    b->big_in.s = in;
    b->big_in.s.n = BENCH_N;
    b->big_in.s.k = BENCH_K;
    b->big_in.s.logits = b->z;
    b->big_in.s.labels = b->labels;
    b->big_in.s.case_weights = b->weights;
    b->big_in.s.targets = &b->big_targets.s;
    b->big_loss.s = loss;
    b->big_loss.s.d_logits = b->result;
    b->big_loss.s.term_values = b->term_values;
    b->big_metrics.s = metrics;
    b->big_ensemble.s = ensemble;
    b->big_ensemble.s.members = 2;
    b->big_ensemble.s.n = BENCH_N;
    b->big_ensemble.s.k = BENCH_K;
    b->big_ensemble.s.logits = b->members;
    b->big_ensemble.s.weights = b->member_weights;
}

void bench_fill(bench *b)
{
    const kd_term term = KD_TERM_INIT;
    memset(b, 0, sizeof *b);
    fill_rows(b);
    fill_structs(b);
    for (size_t t = 0; t <= KD_MAX_TERMS; t++) {
        b->term[t] = term;
        b->term[t].kind = t == 0 ? KD_TERM_HARD : KD_TERM_SOFT;
        b->term[t].temperature = t == 0 ? 1 : 2;
    }
    b->members[0] = b->z;
    b->members[1] = b->v;
    b->logits = b->z;
    b->n = BENCH_N;
    b->k = BENCH_K;
    b->temperature = 2;
    b->out = b->result;
    b->terms = b->term;
    b->n_terms = 2;
    b->in = &b->big_in.s;
    b->loss = &b->big_loss.s;
    b->metrics = &b->big_metrics.s;
    b->ensemble = &b->big_ensemble.s;
}

void bench_apply(bench *b, const bench_change *change)
{
    unsigned char *at = (unsigned char *)b + change->at;
    const void *target = NULL;
    const float real = (float)change->number;
    const int32_t integer = change->how == SET_INT ? (int32_t)change->number : 0;
    const void *const null = NULL;
    switch (change->how) {
    case SET_NOTHING:
        break;
    case SET_NULL:
        memcpy(at, &null, sizeof null);
        break;
    case SET_SIZE:
        memcpy(at, &change->size, sizeof change->size);
        break;
    case SET_FLOAT:
        memcpy(at, &real, sizeof real);
        break;
    case SET_INT:
        memcpy(at, &integer, sizeof integer);
        break;
    case SET_POINTER:
        target = (unsigned char *)b + change->size;
        memcpy(at, &target, sizeof target);
        break;
    }
}

kd_status bench_call(bench *b, unsigned call, kd_error *error)
{
    switch (call) {
    case ON_SOFTMAX:
        return kd_softmax(b->logits, b->n, b->k, b->stride, b->temperature, b->out, b->out_stride,
                          error);
    case ON_LOG_SOFTMAX:
        return kd_log_softmax(b->logits, b->n, b->k, b->stride, b->temperature, b->out,
                              b->out_stride, error);
    case ON_LOSS:
        return kd_loss(b->terms, b->n_terms, b->in, b->loss, error);
    case ON_HARD:
        return kd_cross_entropy(b->in, b->loss, error);
    case ON_SOFT:
        return kd_soft_cross_entropy(b->in, b->temperature, b->loss, error);
    case ON_MATCH:
        return kd_match_logits(b->in, b->loss, error);
    case ON_METRICS:
        return kd_metrics(b->in, b->temperature, b->metrics, error);
    default:
        return kd_ensemble_mean(b->ensemble, b->out, b->out_stride, error);
    }
}

const char *bench_name(unsigned call)
{
    static const char *const name[BENCH_CALLS] = {
        "kd_softmax",       "kd_log_softmax",        "kd_loss",
        "kd_cross_entropy", "kd_soft_cross_entropy", "kd_match_logits",
        "kd_metrics",       "kd_ensemble_mean"};
    size_t bit = 0;
    while (call >> bit != 1) {
        bit++;
    }
    return name[bit];
}

/* Where an argument stands, counted from 1. */
static int32_t position(unsigned call, bench_argument argument)
{
    static const int32_t rows[] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0};
    static const int32_t loss[] = {0, 0, 0, 0, 0, 0, 4, 0, 1, 2, 3};
    static const int32_t two[] = {0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1};
    static const int32_t with_t[] = {0, 0, 0, 0, 0, 2, 3, 0, 0, 0, 1};
    static const int32_t ensemble[] = {0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 1};
    const int32_t *table = call & ON_ROWS                  ? rows
                           : call & ON_LOSS                ? loss
                           : call & (ON_SOFT | ON_METRICS) ? with_t
                           : call & ON_ENSEMBLE            ? ensemble
                                                           : two;
    return table[argument];
}

static int in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Does `word` stand in the text, not as a part of a longer one? */
static int has_word(const char *text, const char *word, size_t length)
{
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) {
        if ((at == text || !in_word(at[-1])) && !in_word(at[length])) {
            return 1;
        }
    }
    return 0;
}

static int has_one_of(const char *text, const char *words)
{
    char word[64];
    while (*words != 0) {
        size_t length = strcspn(words, "|");
        memcpy(word, words, length);
        word[length] = 0;
        if (has_word(text, word, length)) {
            return 1;
        }
        words += length + (words[length] == '|');
    }
    return 0;
}

/* The number as it is written here; a fraction may also be written with more or fewer digits. */
static int has_number(const char *text, const char *number)
{
    const char *digits = number[0] == '-' ? number + 1 : number;
    if (has_word(text, digits, strlen(digits)) && strstr(text, number) != NULL) {
        return 1;
    }
    double want = strtod(number, NULL);
    for (const char *at = text; strpbrk(number, ".e") != NULL && *at != 0; at++) {
        if ((at == text || !in_word(at[-1])) &&
            fabs(strtod(at, NULL) - want) <= 2e-6 * fabs(want)) {
            return 1;
        }
    }
    return 0;
}

#define FILL 0xa5

typedef struct guarded_error {
    kd_error error;
    unsigned char guard[16];
} guarded_error;

static kd_status try_row(const bench_row *row, unsigned call, kd_error *error)
{
    bench b;
    bench_fill(&b);
    for (size_t i = 0; i < BENCH_CHANGES; i++) {
        bench_apply(&b, &row->change[i]);
    }
    return bench_call(&b, call, error);
}

/* Nothing may be written from byte `size` on, and a text must end before. */
static void check_cut_error(const bench_row *row, unsigned call, kd_status status, size_t size)
{
    guarded_error cut;
    unsigned char *bytes = (unsigned char *)&cut;
    memset(&cut, FILL, sizeof cut);
    cut.error.struct_size = size;
    assert_int_equal(try_row(row, call, &cut.error), status);
    assert_int_equal(cut.error.struct_size, size);
    for (size_t i = size; i < sizeof cut; i++) {
        if (bytes[i] != FILL) {
            fail_msg("%s wrote byte %zu of a kd_error of %zu", bench_name(call), i, size);
        }
    }
    if (size >= offsetof(kd_error, argument)) {
        assert_int_equal(cut.error.status, status);
    }
    if (size > offsetof(kd_error, text)) {
        size_t room = size - offsetof(kd_error, text);
        assert_non_null(memchr(cut.error.text, 0, room));
    }
}

static void check_words(const bench_row *row, unsigned call, const kd_error *error)
{
    const char *text = error->text;
    if (memchr(text, 0, sizeof error->text) == NULL || text[0] == 0) {
        fail_msg("%s: text is empty or has no end", bench_name(call));
    }
    if (row->words != NULL && !has_one_of(text, row->words)) {
        fail_msg("%s: \"%s\" does not name %s", bench_name(call), text, row->words);
    }
    if (row->number != NULL && !has_number(text, row->number)) {
        fail_msg("%s: \"%s\" does not say %s", bench_name(call), text, row->number);
    }
    int32_t argument = position(call, row->argument);
    if (argument != 0 && error->argument != argument) {
        fail_msg("%s: \"%s\" blames argument %d, should be %d", bench_name(call), text,
                 (int)error->argument, (int)argument);
    }
}

static void refuse(const bench_row *row, unsigned call)
{
    kd_error error = KD_ERROR_INIT;
    kd_status status = try_row(row, call, &error);
    if (status != row->status && (row->or_else == 0 || status != row->or_else)) {
        fail_msg("%s: %s (\"%s\"), should be %s for %s %s", bench_name(call),
                 kd_status_name(status), error.text, kd_status_name(row->status),
                 row->words == NULL ? "" : row->words, row->number == NULL ? "" : row->number);
    }
    assert_int_equal(error.status, status);
    assert_int_equal(error.struct_size, sizeof error);
    check_words(row, call, &error);
    assert_int_equal(try_row(row, call, NULL), status);
    static const size_t cuts[] = {offsetof(kd_error, argument), offsetof(kd_error, text),
                                  offsetof(kd_error, text) + 1, offsetof(kd_error, text) + 25,
                                  sizeof(kd_error) - 1,         sizeof(kd_error)};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        check_cut_error(row, call, status, cuts[i]);
    }
}

void bench_refuse(const bench_row *row)
{
    for (unsigned call = 1; call < 1u << BENCH_CALLS; call <<= 1) {
        if ((row->calls & call) != 0) {
            refuse(row, call);
        }
    }
}

void bench_refuse_all(const bench_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bench_refuse(&rows[i]);
    }
}
