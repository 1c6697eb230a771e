/* SPDX-License-Identifier: MIT */
/** What the files of kd_bench share: workloads, their runs, their limits, timing. */
#ifndef BENCH_H
#define BENCH_H

#include <kd/kd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- workloads.c ---- */

enum { MAX_LAYERS = 9, MAX_PRODUCTS = 64, MAX_RANKS = 16 };

/** What a step of a workload does. */
typedef enum work { WORK_TRAIN, WORK_INFER, WORK_LOSS, WORK_MEAN } work;

/** A workload: the sizes that its run and its limit are made from. README.md describes each. */
typedef struct workload {
    const char *name;
    work work;
    size_t n;                       /* cases in a batch */
    size_t layers;                  /* dense layers of the student, or of the net that infers */
    size_t sizes[MAX_LAYERS + 1];   /* its inputs and the outputs of each layer */
    size_t teacher_layers;          /* of the live teacher; 0 = none */
    size_t teacher[MAX_LAYERS + 1]; /* its inputs and the outputs of each layer */
    size_t members;                 /* of an ensemble */
    kd_mean_kind mean;              /* of an ensemble */
    float temperature;
    float soft;        /* weight of the soft term; 0 = no teacher */
    float hard;        /* weight of the hard term */
    float drop_in;     /* dropout on the inputs */
    float drop_hidden; /* dropout after each hidden layer */
    float max_norm;    /* of a hidden unit's incoming weights */
    bool one_thread;   /* too small for two: the limit of more threads is that of one */
} workload;

/** The workload of this name; NULL = none. */
const workload *workload_find(const char *name);

/** The names, counted from 0; NULL behind the last. */
const char *workload_name(size_t index);

/** Classes: the outputs of the last layer. */
size_t workload_classes(const workload *w);

/** Floats in the student's parameters. */
size_t workload_params(const workload *w);

/** Floating point operations of a step in its matrix products. */
double workload_flop(const workload *w);

/** Logits that a loss or an ensemble reads: the elements of "ns/element". 0 for nets. */
size_t workload_elements(const workload *w);

/* ---- runner.c ---- */

/** A workload on libkd's public interface. */
typedef struct runner runner;

/** Makes it; ends the program with words if it can't. */
runner *runner_create(const workload *w, int32_t threads, kd_isa isa);

/** One step. */
void runner_step(runner *r);

/** Frees it. */
void runner_destroy(runner *r);

/* ---- limit.c ---- */

/** Memory and threads that the limit of one workload is measured with. */
typedef struct limit limit;

/** What the machine needs for a step of a workload, in microseconds. */
typedef struct limit_parts {
    double gemm;   /* the matrix products alone, whole and hot */
    double stream; /* bytes that have to move, at the speed that such a stream has */
    double exps;   /* exponentials, at the speed of a vectorised polynomial in the first cache */
    double flop;   /* in the products */
    double bytes;  /* in the stream */
    double count;  /* of exponentials */
} limit_parts;

limit *limit_create(const workload *w, int32_t threads);

/** Measures for about `seconds`. */
void limit_measure(limit *l, double seconds, limit_parts *out_parts);

void limit_destroy(limit *l);

/* ---- products.c ---- */

/** One kind of matrix product of a step, with how often it occurs. All row-major. */
typedef struct product {
    char op; /* 'f' y = x w^T, 'w' dw = dy^T x, 'd' dx = dy w */
    size_t n, in, out;
    size_t count;
} product;

/** Fills in the products of a step and returns how many kinds there are. */
size_t products_list(const workload *w, product out_products[MAX_PRODUCTS]);

/** Computes one on operands that are large enough; `vector` by the BLAS's matrix-vector call. */
void product_run(const product *p, bool vector, const float *a, const float *b, float *c);

/* ---- streams.c ---- */

/** An update of SGD with momentum: reads w, m and g, writes w and m. */
void stream_sgd(float *w, float *m, const float *g, size_t count);

/** out = a + b: the traffic of a loss with its gradient. */
void stream_add(const float *a, const float *b, float *out, size_t count);

/** Only reads; the sum depends on all of it. */
void stream_read(const float *a, size_t count, uint32_t *out_sum);

/** out = the sum of `members` arrays, from element `begin` to `end`. */
void stream_mean(const float *const *a, size_t members, float *out, size_t begin, size_t end);

/** out = exp(a), within 3e-7, for -87 < a < 88. */
void stream_exp(const float *a, float *out, size_t count);

/* ---- support.c ---- */

/** Prints words and ends the program. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Microseconds of a clock that only moves forward. */
double now_us(void);

/** Median of values, which are put into order. */
double median(double *values, size_t count);

/** Aligned floats, set to 0. */
float *floats(size_t count);

/** Fills with uniform numbers from 0 to 1, or with normal ones of mean 0. */
void fill_uniform(float *out, size_t count, uint64_t seed);
void fill_normal(float *out, size_t count, float deviation, uint64_t seed);

/** Fills with whole numbers from 0 to k-1. */
void fill_labels(int32_t *out, size_t count, size_t k, uint64_t seed);

/** The name of the linked BLAS, with whatever it says of its version and kernels. */
const char *blas_name(void);

/* ---- merge.c ---- */

/** Times the merging of specialists' answers beside their nets: a JSON object a line. */
void merge_run(int32_t threads, kd_isa isa, double seconds);

/* ---- scale.c ---- */

/** Measures how cost grows along one axis: a JSON object a line. False if there is no such axis. */
bool scale_run(const char *axis, int32_t threads, kd_isa isa, double seconds);

/* ---- project.c ---- */

/** A training that is too long to be run here. */
typedef struct projection {
    double cases;
    double link;             /* between ranks, in Gbit/s */
    size_t n;                /* numbers of ranks */
    double ranks[MAX_RANKS]; /* which */
} projection;

/** Takes steps for so many seconds, at least three, and prints the time of all as JSON. */
void project_run(const workload *w, const projection *p, int32_t threads, kd_isa isa,
                 double seconds);

#endif
