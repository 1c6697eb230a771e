/* SPDX-License-Identifier: MIT */
/* The formulas of kd/loss.h in double precision, one function for each line of its table. */
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *row_of_doubles(size_t k)
{
    double *row = calloc(k, sizeof *row);
    if (row == NULL) {
        abort();
    }
    return row;
}

/* The class with the largest value; the lowest of equals. */
static size_t largest(const double *x, size_t k)
{
    size_t best = 0;
    for (size_t i = 1; i < k; i++) {
        if (x[i] > x[best]) {
            best = i;
        }
    }
    return best;
}

static double mean(const double *x, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < k; i++) {
        sum += x[i];
    }
    return sum / (double)k;
}

static double largest_magnitude(const double *x, size_t k)
{
    double most = 0;
    for (size_t i = 0; i < k; i++) {
        most = fmax(most, fabs(x[i]));
    }
    return most;
}

/* sum_i p_i * x_i, where p_i = 0 wins over an infinite x_i. */
static double expectation(const double *p, const double *x, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < k; i++) {
        sum += p[i] == 0 ? 0 : p[i] * x[i];
    }
    return sum;
}

void ref_log_softmax(const double *x, size_t k, double t, double *out)
{
    size_t top = largest(x, k);
    double rest = 0; /* sum over the other classes, so that log1p keeps a small result */
    for (size_t i = 0; i < k; i++) {
        rest += i == top ? 0 : exp((x[i] - x[top]) / t);
    }
    double shift = x[top], ln_sum = log1p(rest);
    for (size_t i = 0; i < k; i++) {
        out[i] = (x[i] - shift) / t - ln_sum;
    }
}

void ref_softmax(const double *x, size_t k, double t, double *out)
{
    ref_log_softmax(x, k, t, out);
    for (size_t i = 0; i < k; i++) {
        out[i] = exp(out[i]);
    }
}

void ref_soft_targets(const ref_batch *batch, size_t row, double t, double *p, double *ln_p)
{
    const double *value = batch->values + row * batch->k;
    if (batch->kind == KD_TARGET_PROBABILITIES) {
        for (size_t i = 0; i < batch->k; i++) {
            ln_p[i] = log(value[i]);
            p[i] = value[i];
        }
        return;
    }
    /* ln softmax(v/T0) is v/T0 less a constant, and softmax doesn't see constants. */
    double own = batch->kind == KD_TARGET_LOG_PROBABILITIES ? batch->t0 : 1;
    ref_log_softmax(value, batch->k, t / own, ln_p);
    for (size_t i = 0; i < batch->k; i++) {
        p[i] = exp(ln_p[i]);
    }
}

static int label_of(const ref_batch *batch, size_t row)
{
    return batch->labels == NULL ? -1 : (int)batch->labels[row];
}

/* p, ln p, q, ln q of one case as one term sees them. */
typedef struct view {
    double t;
    double *p, *ln_p, *q, *ln_q;
} view;

static view look(const ref_term *term, const ref_batch *batch, size_t row)
{
    size_t k = batch->k;
    view s = {term->t, row_of_doubles(k), row_of_doubles(k), row_of_doubles(k), row_of_doubles(k)};
    if (term->kind == KD_TERM_HARD) {
        s.t = 1;
        for (size_t i = 0; i < k; i++) {
            s.p[i] = (int)i == label_of(batch, row) ? 1 : 0;
            s.ln_p[i] = log(s.p[i]);
        }
    } else {
        ref_soft_targets(batch, row, s.t, s.p, s.ln_p);
    }
    ref_log_softmax(batch->z + row * k, k, s.t, s.ln_q);
    for (size_t i = 0; i < k; i++) {
        s.q[i] = exp(s.ln_q[i]);
    }
    return s;
}

static void look_away(view *s)
{
    free(s->p);
    free(s->ln_p);
    free(s->q);
    free(s->ln_q);
}

/* HARD, SOFT and KL. */
static double softmax_term(const ref_term *term, const ref_batch *batch, size_t row, double *d)
{
    size_t k = batch->k;
    view s = look(term, batch, row);
    double value = -s.t * s.t * expectation(s.p, s.ln_q, k);
    if (term->kind == KD_TERM_KL) {
        double *ln_ratio = row_of_doubles(k);
        for (size_t i = 0; i < k; i++) {
            ln_ratio[i] = s.p[i] == 0 ? 0 : s.ln_p[i] - s.ln_q[i];
        }
        value = s.t * s.t * expectation(s.p, ln_ratio, k);
        free(ln_ratio);
    }
    for (size_t i = 0; d != NULL && i < k; i++) {
        d[i] = s.t * (s.q[i] - s.p[i]);
    }
    look_away(&s);
    return value;
}

/* d_i = (z_i-z~)-(v_i-v~), or z_i - v_i; log-probabilities at T0 are v/T0 less a constant. */
static double *differences(const ref_term *term, const ref_batch *batch, size_t row)
{
    size_t k = batch->k;
    const double *z = batch->z + row * k, *value = batch->values + row * k;
    double own = batch->kind == KD_TARGET_LOG_PROBABILITIES ? batch->t0 : 1;
    double z_mean = mean(z, k), v_mean = own * mean(value, k);
    double *d = row_of_doubles(k);
    for (size_t i = 0; i < k; i++) {
        double v = own * value[i];
        d[i] = term->kind == KD_TERM_MATCH ? (z[i] - z_mean) - (v - v_mean) : z[i] - v;
    }
    return d;
}

static double match_term(const ref_term *term, const ref_batch *batch, size_t row, double *d)
{
    size_t k = batch->k;
    double *differ = differences(term, batch, row);
    double value = expectation(differ, differ, k) / (2 * (double)k);
    for (size_t i = 0; d != NULL && i < k; i++) {
        d[i] = differ[i] / (double)k;
    }
    free(differ);
    return value;
}

static int is_match(const ref_term *term)
{
    return term->kind == KD_TERM_MATCH || term->kind == KD_TERM_MATCH_RAW;
}

/* Does the term say anything of this case? */
static int speaks(const ref_term *term, const ref_batch *batch, size_t row)
{
    return term->kind != KD_TERM_HARD || label_of(batch, row) >= 0;
}

double ref_term_case(const ref_term *term, const ref_batch *batch, size_t row, double *d)
{
    if (!speaks(term, batch, row)) {
        if (d != NULL) {
            memset(d, 0, batch->k * sizeof *d);
        }
        return 0;
    }
    return is_match(term) ? match_term(term, batch, row, d) : softmax_term(term, batch, row, d);
}

static double softmax_bound(const ref_term *term, const ref_batch *batch, size_t row, double *d)
{
    view s = look(term, batch, row);
    double sizes = -expectation(s.p, s.ln_p, batch->k) - expectation(s.p, s.ln_q, batch->k);
    for (size_t i = 0; d != NULL && i < batch->k; i++) {
        d[i] = 8e-6 * s.t * (s.p[i] + s.q[i]);
    }
    look_away(&s);
    return 4e-6 * s.t * s.t * sizes;
}

static double match_bound(const ref_term *term, const ref_batch *batch, size_t row, double *d)
{
    size_t k = batch->k;
    double own = batch->kind == KD_TARGET_LOG_PROBABILITIES ? batch->t0 : 1;
    double size = largest_magnitude(batch->z + row * k, k) +
                  own * largest_magnitude(batch->values + row * k, k);
    double *differ = differences(term, batch, row);
    double sum = 0;
    for (size_t i = 0; i < k; i++) {
        sum += fabs(differ[i]);
        if (d != NULL) {
            d[i] = 1e-6 * size / (double)k;
        }
    }
    free(differ);
    return 1e-6 * size * sum / (double)k + 0.5e-12 * size * size;
}

double ref_term_bound(const ref_term *term, const ref_batch *batch, size_t row, double *d_bound)
{
    if (!speaks(term, batch, row)) {
        if (d_bound != NULL) {
            memset(d_bound, 0, batch->k * sizeof *d_bound);
        }
        return 0;
    }
    return is_match(term) ? match_bound(term, batch, row, d_bound)
                          : softmax_bound(term, batch, row, d_bound);
}

static double weight_of(const ref_batch *batch, size_t row)
{
    return batch->weights == NULL ? 1 : batch->weights[row];
}

/* The weight with which a case counts: 0 if no term speaks of it. */
static double share(const ref_batch *batch, const ref_term *terms, size_t n_terms, size_t row)
{
    for (size_t t = 0; t < n_terms; t++) {
        if (speaks(&terms[t], batch, row)) {
            return weight_of(batch, row);
        }
    }
    return 0;
}

static void add_scaled(double *sum, double scale, const double *x, size_t k)
{
    for (size_t i = 0; sum != NULL && i < k; i++) {
        sum[i] += scale * x[i];
    }
}

/* One case's part of the means; `part` is its weight over the sum of all weights. */
static void add_case(const ref_batch *batch, const ref_term *terms, size_t n_terms, size_t row,
                     double part, ref_result *result)
{
    size_t k = batch->k;
    double *d = row_of_doubles(k);
    for (size_t t = 0; t < n_terms; t++) {
        result->term_values[t] += part * ref_term_case(&terms[t], batch, row, d);
        add_scaled(result->d == NULL ? NULL : result->d + row * k, part * terms[t].weight, d, k);
        result->term_bounds[t] += part * ref_term_bound(&terms[t], batch, row, d);
        add_scaled(result->d_bound == NULL ? NULL : result->d_bound + row * k,
                   part * terms[t].weight, d, k);
    }
    free(d);
}

void ref_loss(const ref_batch *batch, const ref_term *terms, size_t n_terms, ref_result *result)
{
    size_t size = batch->n * batch->k;
    ref_result empty = {.d = result->d, .d_bound = result->d_bound};
    *result = empty;
    for (size_t row = 0; row < batch->n; row++) {
        double weight = share(batch, terms, n_terms, row);
        result->case_weight += weight;
        result->cases += weight > 0;
    }
    for (size_t i = 0; i < size; i++) {
        if (result->d != NULL) {
            result->d[i] = 0;
        }
        if (result->d_bound != NULL) {
            result->d_bound[i] = 1e-37 * (double)n_terms;
        }
    }
    for (size_t row = 0; row < batch->n; row++) {
        double weight = share(batch, terms, n_terms, row);
        if (weight > 0) {
            add_case(batch, terms, n_terms, row, weight / result->case_weight, result);
        }
    }
    for (size_t t = 0; t < n_terms; t++) {
        result->total += terms[t].weight * result->term_values[t];
        result->total_bound += terms[t].weight * result->term_bounds[t];
    }
}

static void measure_case(const ref_batch *batch, double t, size_t row, kd_metrics_out *sum)
{
    const ref_term kl = {KD_TERM_KL, t, 1};
    size_t k = batch->k, guess = largest(batch->z + row * k, k);
    double weight = weight_of(batch, row);
    double *q = row_of_doubles(k), *ln_q = row_of_doubles(k);
    ref_softmax(batch->z + row * k, k, t, q);
    ref_log_softmax(batch->z + row * k, k, t, ln_q);
    sum->student_entropy -= weight * expectation(q, ln_q, k);
    if (batch->values != NULL) {
        ref_soft_targets(batch, row, t, q, ln_q);
        sum->teacher_entropy -= weight * expectation(q, ln_q, k);
        sum->kl += weight * ref_term_case(&kl, batch, row, NULL) / (t * t);
        sum->agreement += guess == largest(batch->values + row * k, k) ? weight : 0;
    }
    sum->case_weight += weight;
    sum->cases += weight > 0;
    if (label_of(batch, row) >= 0) {
        int right = (int)guess == label_of(batch, row);
        sum->label_weight += weight;
        sum->labelled += weight > 0;
        sum->accuracy += right ? weight : 0;
        sum->errors += weight > 0 && !right;
    }
    free(q);
    free(ln_q);
}

void ref_metrics(const ref_batch *batch, double t, kd_metrics_out *out)
{
    const kd_metrics_out empty = KD_METRICS_OUT_INIT;
    *out = empty;
    for (size_t row = 0; row < batch->n; row++) {
        measure_case(batch, t, row, out);
    }
    double nan_without_targets = batch->values == NULL ? (double)NAN : 1;
    out->student_entropy /= out->case_weight;
    out->teacher_entropy *= nan_without_targets / out->case_weight;
    out->kl *= nan_without_targets / out->case_weight;
    out->agreement *= nan_without_targets / out->case_weight;
    out->accuracy = out->label_weight > 0 ? out->accuracy / out->label_weight : (double)NAN;
}

void ref_ensemble(kd_mean_kind kind, double t, size_t members, size_t k,
                  const double *const *logits, const double *weights, double *out)
{
    double *sum = row_of_doubles(k), *p = row_of_doubles(k), sum_of_weights = 0;
    for (size_t m = 0; m < members; m++) {
        sum_of_weights += weights == NULL ? 1 : weights[m];
    }
    for (size_t m = 0; m < members; m++) {
        double share_of_m = (weights == NULL ? 1 : weights[m]) / sum_of_weights;
        if (share_of_m == 0) {
            continue;
        }
        if (kind == KD_MEAN_ARITHMETIC) {
            ref_softmax(logits[m], k, t, p);
        } else {
            memcpy(p, logits[m], k * sizeof *p);
        }
        add_scaled(sum, share_of_m, p, k);
    }
    if (kind == KD_MEAN_ARITHMETIC) {
        memcpy(out, sum, k * sizeof *out);
    } else {
        ref_softmax(sum, k, t, out);
    }
    free(sum);
    free(p);
}
