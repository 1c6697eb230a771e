/* SPDX-License-Identifier: MIT */
/*
 * One good call of each function of kd/loss.h, on which a table can change single values, and the
 * check that the change is refused as it should be.
 */
#ifndef KD_TESTS_LOSS_BENCH_H
#define KD_TESTS_LOSS_BENCH_H

#include <kd/loss.h>

#define BENCH_N 3
#define BENCH_K 4
#define BENCH_SIZE 12

/* The functions, as bits. */
enum {
    ON_SOFTMAX = 1,
    ON_LOG_SOFTMAX = 2,
    ON_LOSS = 4,
    ON_HARD = 8,  /* kd_cross_entropy */
    ON_SOFT = 16, /* kd_soft_cross_entropy */
    ON_MATCH = 32,
    ON_METRICS = 64,
    ON_ENSEMBLE = 128,
    ON_ROWS = ON_SOFTMAX | ON_LOG_SOFTMAX,
    ON_LOSSES = ON_LOSS | ON_HARD | ON_SOFT | ON_MATCH,
    ON_BATCH = ON_LOSSES | ON_METRICS,
    ON_LABELS = ON_LOSS | ON_HARD | ON_METRICS,
    ON_TARGETS = ON_LOSS | ON_SOFT | ON_MATCH | ON_METRICS, /* read targets */
    ON_P = ON_LOSS | ON_SOFT | ON_METRICS                   /* read them as probabilities */
};
#define BENCH_CALLS 8

/* Arguments by meaning; where they stand differs from function to function. */
typedef enum bench_argument {
    ARG_ANY, /* not checked */
    ARG_LOGITS,
    ARG_N,
    ARG_K,
    ARG_STRIDE,
    ARG_TEMPERATURE,
    ARG_OUT,
    ARG_OUT_STRIDE,
    ARG_TERMS,
    ARG_N_TERMS,
    ARG_IN
} bench_argument;

/* All arguments of all functions, and the memory behind them. Structs have room to grow. */
typedef struct bench {
    const float *logits;
    size_t n, k, stride;
    float temperature;
    float *out;
    size_t out_stride;
    const kd_term *terms;
    size_t n_terms;
    const kd_loss_in *in;
    kd_loss_out *loss;
    kd_metrics_out *metrics;
    const kd_ensemble_in *ensemble;

    struct {
        kd_loss_in s;
        unsigned char tail[16];
    } big_in;
    struct {
        kd_targets s;
        unsigned char tail[16];
    } big_targets;
    struct {
        kd_loss_out s;
        unsigned char tail[16];
    } big_loss;
    struct {
        kd_metrics_out s;
        unsigned char tail[16];
    } big_metrics;
    struct {
        kd_ensemble_in s;
        unsigned char tail[16];
    } big_ensemble;
    kd_term term[KD_MAX_TERMS + 1]; /* HARD and SOFT at T = 2; the rest like SOFT */

    double term_values[KD_MAX_TERMS + 1];
    /* 16 floats each; the rows are the first 12 */
    float z[16], v[16], p[16], ln_p[16], result[16], weights[16], member_weights[16];
    int32_t labels[16];
    const float *members[2];
} bench;

/* One change: write a value at an offset of the bench. */
typedef enum bench_how {
    SET_NOTHING,
    SET_NULL,
    SET_SIZE,
    SET_FLOAT,
    SET_INT,
    SET_POINTER
} bench_how;
typedef struct bench_change {
    bench_how how;
    size_t at;
    size_t size; /* SET_SIZE: the value; SET_POINTER: the offset to point to */
    double number;
} bench_change;

#define NIL(field)                                                                                 \
    {                                                                                              \
        SET_NULL, offsetof(bench, field), 0, 0                                                     \
    }
#define SIZE(field, value)                                                                         \
    {                                                                                              \
        SET_SIZE, offsetof(bench, field), (value), 0                                               \
    }
#define REAL(field, value)                                                                         \
    {                                                                                              \
        SET_FLOAT, offsetof(bench, field), 0, (double)(value)                                      \
    }
#define INT(field, value)                                                                          \
    {                                                                                              \
        SET_INT, offsetof(bench, field), 0, (value)                                                \
    }
#define POINT(field, target)                                                                       \
    {                                                                                              \
        SET_POINTER, offsetof(bench, field), offsetof(bench, target), 0                            \
    }

/* A refusal: which calls, which status, which words the error must have, after which changes. */
#define BENCH_CHANGES 6
typedef struct bench_row {
    unsigned calls;
    kd_status status;
    bench_argument argument;
    const char *words;  /* one of these, by '|', must be in the text as a word; NULL = any text */
    const char *number; /* must be in the text; "nan" and "inf" too; NULL = none */
    bench_change change[BENCH_CHANGES];
    kd_status or_else; /* a second status that the header allows here; 0 = none */
} bench_row;

void bench_fill(bench *b);
void bench_apply(bench *b, const bench_change *change);
kd_status bench_call(bench *b, unsigned call, kd_error *error);
const char *bench_name(unsigned call);

/* Fail the test unless every call of the row refuses as the row says. */
void bench_refuse(const bench_row *row);
void bench_refuse_all(const bench_row *rows, size_t count);

#endif
