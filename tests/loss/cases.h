/* SPDX-License-Identifier: MIT */
/* Random batches from a seed, their twins in double, and the comparison of the two. */
#ifndef KD_TESTS_LOSS_CASES_H
#define KD_TESTS_LOSS_CASES_H

#include "reference.h"

/* splitmix64; any start is a good seed. */
uint64_t cases_next(uint64_t *state);
size_t cases_below(uint64_t *state, size_t limit);
double cases_between(uint64_t *state, double low, double high);
double cases_log_between(uint64_t *state, double low, double high);
double cases_normal(uint64_t *state);

/* A batch that owns its buffers, dense rows. `in` and `targets` point to them. */
typedef struct cases_batch {
    size_t n, k;
    float *z, *values; /* [n,k] */
    float *weights;    /* [n] */
    int32_t *labels;   /* [n] */
    kd_targets targets;
    kd_loss_in in;
} cases_batch;

/* All zeros, weights 1, targets are logits. */
cases_batch *cases_create(size_t n, size_t k);
void cases_destroy(cases_batch *batch);

/* The same with everything filled: normal logits of this scale, weights, a label for each case. */
cases_batch *cases_random(uint64_t *state, size_t n, size_t k, double scale);
cases_batch *cases_copy(const cases_batch *batch);

/* Turn teacher logits into float (log-)probabilities at t. */
void cases_soften(cases_batch *batch, kd_target_kind kind, float t);

/* What in->... says now, in double; free with cases_twin_free. */
ref_batch cases_twin(const cases_batch *batch);
void cases_twin_free(ref_batch *twin);

/* A term in one line. */
kd_term cases_term(kd_term_kind kind, float t, float weight);

/* What kd_loss answers; the call must succeed. */
typedef struct cases_answer {
    kd_loss_out out;
    double term_values[KD_MAX_TERMS];
    float *d; /* [n,k] */
} cases_answer;
cases_answer cases_ask(const cases_batch *batch, const kd_term *terms, size_t n_terms);
void cases_forget(cases_answer *answer);

/* What the reference answers, with bounds; free with cases_truth_free. */
ref_result cases_truth(const cases_batch *batch, const kd_term *terms, size_t n_terms);
void cases_truth_free(ref_result *truth);

/* Error over bound; infinite for a NaN. 1 is the limit. */
double cases_over(double error, double bound);

/* The same for an element of a softmax (8e-6 relative where p > 1e-30) and of its logarithm (8e-6,
 * from ln 1e-30 on growing as |ln p|; -inf is exact). */
double cases_softmax_ratio(double got, double want);
double cases_log_softmax_ratio(double got, double want);

/* The largest of them, each quantity by itself. */
typedef struct cases_ratio {
    double total, d;
    double term_values[KD_MAX_TERMS];
} cases_ratio;

/* kd_loss against the reference. Where the bounds are below 1e-300, nothing is asked. */
cases_ratio cases_compare(const cases_batch *batch, const kd_term *terms, size_t n_terms);

/* The same; fails the test where a bound is passed. */
void cases_check(const cases_batch *batch, const kd_term *terms, size_t n_terms);

/* Fail the test, with words, unless |got - want| <= tolerance. */
void cases_near(const char *what, double got, double want, double tolerance);
/* The same for every element. */
void cases_near_row(const char *what, const float *got, const float *want, size_t count,
                    double relative, double absolute);
/* Equal in every bit. */
void cases_same(const char *what, const void *got, const void *want, size_t bytes);

#endif
