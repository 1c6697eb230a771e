/* SPDX-License-Identifier: MIT */
/*
 * The formulas of kd/loss.h in double precision, written for clarity: the specification as code,
 * with the error that the header allows the float library.
 */
#ifndef KD_TESTS_LOSS_REFERENCE_H
#define KD_TESTS_LOSS_REFERENCE_H

#include <kd/loss.h>

/* Softmax of x/t of one row (Hinton 2015, eq. 1). At least one element is finite. */
void ref_softmax(const double *x, size_t k, double t, double *out);

/* Its natural logarithm. Accurate also where the result is close to 0. */
void ref_log_softmax(const double *x, size_t k, double t, double *out);

/* A term: kd_term in double. */
typedef struct ref_term {
    kd_term_kind kind;
    double t;
    double weight;
} ref_term;

/* A batch: kd_loss_in and kd_targets in double, all rows dense. */
typedef struct ref_batch {
    size_t n, k;
    const double *z;       /* [n,k] */
    const int32_t *labels; /* [n] or NULL */
    const double *weights; /* [n] or NULL */
    kd_target_kind kind;
    double t0;
    const double *values; /* [n,k] or NULL */
} ref_batch;

/* Soft targets of one case at temperature t: probabilities p and their logarithms, [k] each. */
void ref_soft_targets(const ref_batch *batch, size_t row, double t, double *p, double *ln_p);

/*
 * Value of one term for one case, without the term's weight; d [k] receives its gradient unless
 * NULL. A HARD term of a case without label is 0.
 */
double ref_term_case(const ref_term *term, const ref_batch *batch, size_t row, double *d);

/*
 * The error that the header allows ref_term_case's value; d_bound [k] receives that of the
 * gradient, without the 1e-37, unless NULL. The header says nothing of the MATCH kinds; an honest
 * float bound for them is 1e-6 of the largest |z| + |v| of the row for each difference
 * d_i = (z_i-z~)-(v_i-v~), so 1e-6 S / k for the gradient and, for the value,
 * 1e-6 S sum |d_i| / k + (1e-6 S)^2 / 2.
 */
double ref_term_bound(const ref_term *term, const ref_batch *batch, size_t row, double *d_bound);

/* What ref_loss finds. d and d_bound are buffers of the caller, [n,k], or NULL. */
typedef struct ref_result {
    double total, case_weight;
    uint64_t cases;
    double term_values[KD_MAX_TERMS];
    double *d;
    double total_bound;
    double term_bounds[KD_MAX_TERMS];
    double *d_bound; /* with 1e-37 for each term */
} ref_result;

/* The weighted mean over the cases of a batch, its gradient, and their bounds. */
void ref_loss(const ref_batch *batch, const ref_term *terms, size_t n_terms, ref_result *result);

/* kd_metrics in double. */
void ref_metrics(const ref_batch *batch, double t, kd_metrics_out *out);

/* One row of kd_ensemble_mean in double; weights [members] or NULL. */
void ref_ensemble(kd_mean_kind kind, double t, size_t members, size_t k,
                  const double *const *logits, const double *weights, double *out);

#endif
