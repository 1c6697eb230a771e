/* SPDX-License-Identifier: MIT */
/*
 * What the tests of tiers 2 and 3 share: random data, small nets, memory that fails,
 * comparisons.
 */
#ifndef KD_TESTS_SUPPORT_H
#define KD_TESTS_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <kd/kd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Sanitizers take their time: by how much more a limit of time may be missed. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) ||                         \
    __has_feature(thread_sanitizer)
#define SUPPORT_SLOW 20
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SUPPORT_SLOW 20
#endif
#ifndef SUPPORT_SLOW
#define SUPPORT_SLOW 1
#endif

/* ---- time: for what a hostile input must not make slow ---- */

/*
 * Work must be done within `seconds` of processor time, or SUPPORT_SLOW times that:
 *
 *     support_limit limit = {.seconds = 0.05, .begin = clock()};
 *     do { work } while (support_again(&limit));
 *
 * A busy machine can make any work slow, but not each time: what was slow is done again, and the
 * test fails if it never was fast enough.
 */
typedef struct support_limit {
    double seconds;
    clock_t begin;
    int slow; /* how often it was */
} support_limit;

bool support_again(support_limit *limit);

/* ---- numbers: splitmix64, so every run sees the same ones; any start is a good seed ---- */

uint64_t support_next(uint64_t *state);
size_t support_below(uint64_t *state, size_t limit);
double support_between(uint64_t *state, double low, double high);
double support_normal(uint64_t *state);
void support_normals(uint64_t *state, float *out, size_t count, double scale);

/* ---- memory: counts, checks sizes, and fails when it is told to ---- */

typedef struct support_memory {
    atomic_size_t calls;   /* allocations asked for */
    atomic_size_t asked;   /* bytes of them */
    atomic_size_t live;    /* allocations that are not given back */
    atomic_size_t bytes;   /* of those */
    atomic_size_t peak;    /* most of them at a time */
    atomic_size_t wrong;   /* given back with another size, twice, or never taken from here */
    atomic_size_t refused; /* calls that got NULL */
    size_t fail_at;        /* this call gets NULL, counted from 1; 0 = none */
    bool lasting;          /* and all later ones */
} support_memory;

/* A context that takes its memory there. The test must outlive neither. */
kd_context *support_context(support_memory *memory);

/* The same with threads; the BLAS must run single-threaded (kd_blas_set_single). */
kd_context *support_context_of(support_memory *memory, int32_t threads);

/* One more of such contexts, which may fail. */
kd_status support_try_context(support_memory *memory, int32_t threads, kd_context **out_context,
                              kd_error *error);

/* Fails the test unless everything was given back, with the right sizes. */
void support_all_returned(support_memory *memory);

/* ---- nets, written as "inputs: nodes", such as "5: 8 relu drop0.5 3" ---- */

#define SUPPORT_NODES 12
#define SUPPORT_WIDTH 32 /* widest node of a net that is written so, and widest x */
#define SUPPORT_CASES 64 /* most cases of a support_data */

typedef struct support_node {
    char kind;    /* 'd' dense, 'r' relu, 'o' dropout */
    size_t width; /* of its output */
    float rate;   /* of dropout */
} support_node;

/* The nodes that a shape means; returns their number. */
size_t support_read(const char *shape, size_t *out_inputs, support_node *out_nodes);

/* Builds and initialises (KD_INIT_HE); the first failure is returned, and nothing is left over. */
kd_status support_try_net(kd_context *context, const char *shape, uint64_t seed, kd_net **out_net);

/* The same; fails the test if that fails. Biases get small random values too. */
kd_net *support_net(kd_context *context, const char *shape, uint64_t seed);

kd_net *support_clone(const kd_net *net);

/* A number that any change of any bit of any weight changes. */
uint64_t support_hash(kd_net *net);

/* The same of some bytes, going on from `before`. */
uint64_t support_hash_bytes(uint64_t before, const void *bytes, size_t count);

kd_param support_param(kd_net *net, size_t index);
kd_param support_gradient(kd_workspace *ws, size_t index);

/* Of all parameters of the net. */
size_t support_values(const kd_net *net);

/* Copies all weights, one parameter after the other. */
void support_get_weights(kd_net *net, float *out);

kd_workspace *support_workspace(kd_net *net, size_t batch, int32_t training, uint64_t seed);

/* ---- teachers and distillers ---- */

kd_teacher *support_teacher(kd_net *net);
kd_distiller *support_distiller(kd_net *student, kd_teacher *teacher,
                                const kd_distiller_options *options);

/* Steps that must succeed, and what they report. */
kd_report support_step(kd_distiller *distiller, const kd_batch *batch);
kd_report support_evaluate(kd_distiller *distiller, const kd_batch *batch);

/*
 * ---- data: random x; the label is the largest of the first k inputs, so a net can learn it
 * ----
 */

typedef struct support_data {
    size_t n, inputs, k;
    float x[SUPPORT_CASES * SUPPORT_WIDTH]; /* [n,inputs], dense */
    int32_t labels[SUPPORT_CASES];
    float weights[SUPPORT_CASES];           /* 0.25 to 2 */
    uint64_t ids[SUPPORT_CASES];            /* all different, not in order */
    float v[SUPPORT_CASES * SUPPORT_WIDTH]; /* [n,k] teacher logits */
    kd_targets targets;                     /* of v */
} support_data;

void support_fill(support_data *data, uint64_t seed, size_t n, size_t inputs, size_t k);

/* Cases begin .. begin+n with x, labels, ids and epoch 0. */
kd_batch support_batch(const support_data *data, size_t begin, size_t n);

uint64_t support_data_hash(const support_data *data);

/* ---- comparisons; all fail the test with words ---- */

/* KD_OK, or the words are shown. */
void support_ok(kd_status status, const char *words);

/* This status and words that contain `needle`. `words` NULL: only the status. */
void support_refused(kd_status status, kd_status expected, const char *words, const char *needle);

void support_near(const char *what, double got, double want, double tolerance);

/* |got - want| <= relative |want| + absolute, everywhere. */
void support_near_row(const char *what, const float *got, const float *want, size_t count,
                      double relative, double absolute);

void support_same_bits(const char *what, const void *got, const void *want, size_t bytes);

#endif
