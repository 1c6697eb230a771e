/* SPDX-License-Identifier: MIT */
/* Batches whose targets are the top classes and a bucket, and the formulas of them in double. */
#include "topk.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *buffer(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    assert_non_null(memory);
    return memory;
}

topk_batch *topk_create(cases_batch *base, size_t top, float t)
{
    const kd_targets targets = KD_TARGETS_INIT;
    topk_batch *batch = buffer(1, sizeof *batch);
    uint32_t *first = buffer(top, sizeof *first);
    batch->base = base;
    batch->values = buffer(base->n * top, sizeof *batch->values);
    batch->index = buffer(base->n * top, sizeof *batch->index);
    batch->tail = buffer(base->n, sizeof *batch->tail);
    batch->targets = targets;
    batch->targets.kind = KD_TARGET_TOPK;
    batch->targets.temperature = t;
    batch->targets.values = batch->values;
    batch->targets.top = top;
    batch->targets.topk_index = batch->index;
    batch->targets.tail = batch->tail;
    base->in.targets = &batch->targets;
    for (size_t j = 0; j < top; j++) {
        first[j] = (uint32_t)j;
    }
    for (size_t row = 0; row < base->n; row++) {
        topk_give(batch, row, first);
    }
    free(first);
    return batch;
}

void topk_destroy(topk_batch *batch)
{
    cases_destroy(batch->base);
    free(batch->values);
    free(batch->index);
    free(batch->tail);
    free(batch);
}

/* Marks the given classes of a row. */
static unsigned char *marks_of(const topk_batch *batch, size_t row)
{
    unsigned char *marks = buffer(batch->base->k, 1);
    for (size_t j = 0; j < batch->targets.top; j++) {
        marks[batch->index[row * batch->targets.top + j]] = 1;
    }
    return marks;
}

/* The unmarked classes together: their largest, -inf without any, and sum exp((x_i - most) / t). */
typedef struct rest {
    double most, sum;
} rest;

static rest sum_rest(const double *x, const unsigned char *marks, size_t k, double t)
{
    rest r = {-(double)INFINITY, 0};
    for (size_t i = 0; i < k; i++) {
        r.most = marks[i] ? r.most : fmax(r.most, x[i]);
    }
    for (size_t i = 0; i < k && !isinf(r.most); i++) {
        r.sum += marks[i] ? 0 : exp((x[i] - r.most) / t);
    }
    return r;
}

void topk_give(topk_batch *batch, size_t row, const uint32_t *index)
{
    size_t top = batch->targets.top, k = batch->base->k;
    double t = (double)batch->targets.temperature, *full = buffer(k, sizeof *full);
    for (size_t i = 0; i < k; i++) {
        full[i] = (double)batch->base->values[row * k + i];
    }
    for (size_t j = 0; j < top; j++) {
        batch->index[row * top + j] = index[j];
        batch->values[row * top + j] = batch->base->values[row * k + index[j]];
    }
    unsigned char *marks = marks_of(batch, row);
    rest r = sum_rest(full, marks, k, t);
    double tail = isinf(r.most) ? r.most : r.most / t + log(r.sum);
    batch->tail[row] = (float)tail;
    free(marks);
    free(full);
}

void topk_give_some(topk_batch *batch, uint64_t *seed)
{
    size_t top = batch->targets.top, k = batch->base->k;
    uint32_t *index = buffer(top, sizeof *index);
    for (size_t row = 0; row < batch->base->n; row++) {
        size_t count = 0;
        for (size_t i = 0; i < k; i++) { /* each class as likely as the others that are left */
            if (cases_below(seed, k - i) < top - count) {
                index[count++] = (uint32_t)i;
            }
        }
        topk_give(batch, row, index);
    }
    free(index);
}

void topk_give_largest(topk_batch *batch)
{
    size_t top = batch->targets.top, k = batch->base->k;
    uint32_t *index = buffer(top, sizeof *index);
    for (size_t row = 0; row < batch->base->n; row++) {
        const float *v = batch->base->values + row * k;
        size_t count = 0;
        for (size_t i = 0; i < k; i++) {
            size_t before = 0; /* classes that are larger, or as large and lower */
            for (size_t j = 0; j < k; j++) {
                before += v[j] > v[i] || (j < i && v[j] >= v[i]);
            }
            if (before < top) {
                index[count++] = (uint32_t)i;
            }
        }
        topk_give(batch, row, index);
    }
    free(index);
}

static double product(double p, double x)
{
    return p > 0 ? p * x : 0;
}

/* The sums over top + 1 classes, and the gradient; marks and ln_* as in topk_case. */
static void sum_up(const topk_batch *batch, size_t row, const double *ln_p, const double *ln_q,
                   topk_truth *out)
{
    size_t top = batch->targets.top;
    const uint32_t *index = batch->index + row * top;
    double t = (double)batch->targets.temperature;
    for (size_t j = 0; j <= top; j++) {
        double p = exp(ln_p[j]), q = exp(ln_q[j]);
        out->entropy_p -= product(p, ln_p[j]);
        out->soft -= t * t * product(p, ln_q[j]);
        out->kl += t * t * (p > 0 ? p * (ln_p[j] - ln_q[j]) : 0);
        out->sizes -= product(p, ln_p[j]) + product(p, ln_q[j]);
        if (out->d != NULL && j < top) {
            out->d[index[j]] = t * (q - p);
            out->d_sizes[index[j]] = p + q;
        }
    }
}

void topk_case(const topk_batch *batch, size_t row, const double *z, topk_truth *out)
{
    size_t top = batch->targets.top, k = batch->base->k;
    double t = (double)batch->targets.temperature;
    double *s_p = buffer(top + 1, sizeof(double)), *s_q = buffer(top + 1, sizeof(double));
    double *ln_p = buffer(top + 1, sizeof(double)), *ln_q = buffer(top + 1, sizeof(double));
    double *ln_z = buffer(k, sizeof(double));
    double most = -(double)INFINITY;
    unsigned char *marks = marks_of(batch, row);
    const topk_truth empty = {.d = out->d, .d_sizes = out->d_sizes};
    *out = empty;
    for (size_t i = 0; i < k; i++) {
        most = fmax(most, z[i]);
    }
    rest r = sum_rest(z, marks, k, t);
    for (size_t j = 0; j < top; j++) {
        s_p[j] = (double)batch->values[row * top + j];
        s_q[j] = z[batch->index[row * top + j]] - most; /* or ln sum would drown in large logits */
    }
    s_p[top] = t * (double)batch->tail[row];
    s_q[top] = isinf(r.most) ? r.most : (r.most - most) + t * log(r.sum);
    ref_log_softmax(s_p, top + 1, t, ln_p);
    ref_log_softmax(s_q, top + 1, t, ln_q);
    sum_up(batch, row, ln_p, ln_q, out);
    ref_log_softmax(z, k, t, ln_z);
    for (size_t i = 0; i < k; i++) {
        out->entropy_q -= product(exp(ln_z[i]), ln_z[i]);
        if (out->d != NULL && !marks[i]) {
            double share = isinf(r.most) ? 0 : exp((z[i] - r.most) / t) / r.sum; /* q_i / q_r */
            out->d[i] = t * share * (exp(ln_q[top]) - exp(ln_p[top]));
            out->d_sizes[i] = share * (exp(ln_q[top]) + exp(ln_p[top]));
        }
    }
    free(s_p);
    free(s_q);
    free(ln_p);
    free(ln_q);
    free(ln_z);
    free(marks);
}

/* One term of one case: value, gradient, and what the header allows. */
static double term_case(const topk_batch *batch, const ref_batch *twin, const kd_term *term,
                        size_t row, topk_truth *room, double *bound)
{
    double t = (double)term->temperature;
    if (term->kind == KD_TERM_HARD) {
        const ref_term hard = {KD_TERM_HARD, 1, 1};
        *bound = ref_term_bound(&hard, twin, row, room->d_sizes);
        return ref_term_case(&hard, twin, row, room->d);
    }
    topk_case(batch, row, twin->z + row * twin->k, room);
    for (size_t i = 0; i < twin->k; i++) {
        room->d_sizes[i] *= 8e-6 * t;
    }
    *bound = 4e-6 * t * t * room->sizes;
    return term->kind == KD_TERM_KL ? room->kl : room->soft;
}

cases_ratio topk_compare(const topk_batch *batch, const kd_term *terms, size_t n_terms)
{
    size_t n = batch->base->n, k = batch->base->k;
    ref_batch twin = cases_twin(batch->base);
    cases_answer got = cases_ask(batch->base, terms, n_terms);
    cases_ratio ratio = {0, 0, {0}};
    double sum = 0, total = 0, total_bound = 0;
    double values[KD_MAX_TERMS] = {0}, bounds[KD_MAX_TERMS] = {0};
    double *d = buffer(k, sizeof *d), *d_bound = buffer(k, sizeof *d_bound);
    topk_truth room = {.d = buffer(k, sizeof(double)), .d_sizes = buffer(k, sizeof(double))};
    for (size_t row = 0; row < n; row++) {
        sum += twin.weights[row];
    }
    for (size_t row = 0; row < n; row++) {
        double share = twin.weights[row] / sum;
        for (size_t i = 0; i < k; i++) {
            d[i] = 0;
            d_bound[i] = 1e-37 * (double)n_terms;
        }
        for (size_t t = 0; t < n_terms; t++) {
            double bound, weight = share * (double)terms[t].weight;
            values[t] += share * term_case(batch, &twin, &terms[t], row, &room, &bound);
            bounds[t] += share * bound;
            for (size_t i = 0; i < k; i++) {
                d[i] += weight * room.d[i];
                d_bound[i] += weight * room.d_sizes[i];
            }
        }
        for (size_t i = 0; i < k; i++) {
            double error = (double)got.d[row * k + i] - d[i];
            ratio.d = fmax(ratio.d, cases_over(error, d_bound[i]));
        }
    }
    for (size_t t = 0; t < n_terms; t++) {
        ratio.term_values[t] = cases_over(got.term_values[t] - values[t], bounds[t]);
        total += (double)terms[t].weight * values[t];
        total_bound += (double)terms[t].weight * bounds[t];
    }
    ratio.total = cases_over(got.out.total - total, total_bound);
    free(d);
    free(d_bound);
    free(room.d);
    free(room.d_sizes);
    cases_forget(&got);
    cases_twin_free(&twin);
    return ratio;
}

void topk_check(const topk_batch *batch, const kd_term *terms, size_t n_terms)
{
    cases_ratio ratio = topk_compare(batch, terms, n_terms);
    cases_near("error/bound of the total", ratio.total, 0, 1);
    cases_near("error/bound of d_logits", ratio.d, 0, 1);
    for (size_t t = 0; t < n_terms; t++) {
        cases_near("error/bound of a term", ratio.term_values[t], 0, 1);
    }
}
