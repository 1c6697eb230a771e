/* SPDX-License-Identifier: MIT */
/* Random batches from a seed, their twins in double, and the comparison of the two. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"

uint64_t cases_next(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

size_t cases_below(uint64_t *state, size_t limit)
{
    return (size_t)(cases_next(state) % limit);
}

double cases_between(uint64_t *state, double low, double high)
{
    return low + (high - low) * (double)(cases_next(state) >> 11) * 0x1p-53;
}

double cases_log_between(uint64_t *state, double low, double high)
{
    return exp(cases_between(state, log(low), log(high)));
}

double cases_normal(uint64_t *state)
{
    double radius = sqrt(-2 * log(cases_between(state, 0x1p-53, 1)));
    return radius * cos(6.283185307179586 * cases_between(state, 0, 1));
}

static void *buffer(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    assert_non_null(memory);
    return memory;
}

cases_batch *cases_create(size_t n, size_t k)
{
    const kd_targets targets = KD_TARGETS_INIT;
    const kd_loss_in in = KD_LOSS_IN_INIT;
    cases_batch *batch = buffer(1, sizeof *batch);
    batch->n = n;
    batch->k = k;
    batch->z = buffer(n * k, sizeof(float));
    batch->values = buffer(n * k, sizeof(float));
    batch->weights = buffer(n, sizeof(float));
    batch->labels = buffer(n, sizeof(int32_t));
    for (size_t c = 0; c < n; c++) {
        batch->weights[c] = 1;
    }
    batch->targets = targets;
    batch->targets.kind = KD_TARGET_LOGITS;
    batch->targets.values = batch->values;
    batch->in = in;
    batch->in.n = n;
    batch->in.k = k;
    batch->in.logits = batch->z;
    batch->in.labels = batch->labels;
    batch->in.case_weights = batch->weights;
    batch->in.targets = &batch->targets;
    return batch;
}

void cases_destroy(cases_batch *batch)
{
    free(batch->z);
    free(batch->values);
    free(batch->weights);
    free(batch->labels);
    free(batch);
}

cases_batch *cases_random(uint64_t *state, size_t n, size_t k, double scale)
{
    cases_batch *batch = cases_create(n, k);
    for (size_t i = 0; i < n * k; i++) {
        batch->z[i] = (float)(scale * cases_normal(state));
        batch->values[i] = (float)(scale * cases_normal(state));
    }
    for (size_t c = 0; c < n; c++) {
        batch->weights[c] = (float)cases_between(state, 0.25, 2);
        batch->labels[c] = (int32_t)cases_below(state, k);
    }
    return batch;
}

cases_batch *cases_copy(const cases_batch *batch)
{
    cases_batch *copy = cases_create(batch->n, batch->k);
    memcpy(copy->z, batch->z, batch->n * batch->k * sizeof(float));
    memcpy(copy->values, batch->values, batch->n * batch->k * sizeof(float));
    memcpy(copy->weights, batch->weights, batch->n * sizeof(float));
    memcpy(copy->labels, batch->labels, batch->n * sizeof(int32_t));
    copy->targets.kind = batch->targets.kind;
    copy->targets.temperature = batch->targets.temperature;
    copy->in.labels = batch->in.labels == NULL ? NULL : copy->labels;
    copy->in.case_weights = batch->in.case_weights == NULL ? NULL : copy->weights;
    copy->in.targets = batch->in.targets == NULL ? NULL : &copy->targets;
    return copy;
}

void cases_soften(cases_batch *batch, kd_target_kind kind, float t)
{
    ref_batch twin = cases_twin(batch);
    double *p = buffer(batch->k, sizeof *p), *ln_p = buffer(batch->k, sizeof *ln_p);
    for (size_t c = 0; c < batch->n; c++) {
        ref_soft_targets(&twin, c, (double)t, p, ln_p);
        for (size_t i = 0; i < batch->k; i++) {
            double value = kind == KD_TARGET_PROBABILITIES ? p[i] : ln_p[i];
            batch->values[c * batch->k + i] = (float)value;
        }
    }
    batch->targets.kind = kind;
    batch->targets.temperature = t;
    free(p);
    free(ln_p);
    cases_twin_free(&twin);
}

static double *widened(const float *x, size_t count)
{
    double *wide = buffer(count, sizeof *wide);
    for (size_t i = 0; i < count; i++) {
        wide[i] = (double)x[i];
    }
    return wide;
}

ref_batch cases_twin(const cases_batch *batch)
{
    size_t size = batch->n * batch->k;
    ref_batch twin = {batch->n, batch->k, NULL, batch->in.labels, NULL, 0, 0, NULL};
    twin.z = widened(batch->z, size);
    if (batch->in.case_weights != NULL) {
        twin.weights = widened(batch->weights, batch->n);
    }
    if (batch->in.targets != NULL) {
        twin.values = widened(batch->values, size);
        twin.kind = batch->targets.kind;
        twin.t0 = (double)batch->targets.temperature;
    }
    return twin;
}

/* free() of what widened() made; the twin shows it as const. */
static void release(const double *wide)
{
    union {
        const double *seen;
        void *made;
    } memory;
    memory.seen = wide;
    free(memory.made);
}

void cases_twin_free(ref_batch *twin)
{
    release(twin->z);
    release(twin->weights);
    release(twin->values);
}

kd_term cases_term(kd_term_kind kind, float t, float weight)
{
    kd_term term = KD_TERM_INIT;
    term.kind = kind;
    term.temperature = t;
    term.weight = weight;
    return term;
}

cases_answer cases_ask(const cases_batch *batch, const kd_term *terms, size_t n_terms)
{
    const kd_loss_out out = KD_LOSS_OUT_INIT;
    kd_error error = KD_ERROR_INIT;
    cases_answer answer = {.out = out};
    answer.d = buffer(batch->n * batch->k, sizeof(float));
    answer.out.d_logits = answer.d;
    answer.out.term_values = answer.term_values;
    if (kd_loss(terms, n_terms, &batch->in, &answer.out, &error) != KD_OK) {
        fail_msg("kd_loss: %s: %s", kd_status_name(error.status), error.text);
    }
    answer.out.term_values = NULL; /* the answer moves */
    return answer;
}

void cases_forget(cases_answer *answer)
{
    free(answer->d);
}

ref_result cases_truth(const cases_batch *batch, const kd_term *terms, size_t n_terms)
{
    ref_term exact[KD_MAX_TERMS];
    ref_batch twin = cases_twin(batch);
    ref_result truth = {.d = buffer(batch->n * batch->k, sizeof(double)),
                        .d_bound = buffer(batch->n * batch->k, sizeof(double))};
    for (size_t t = 0; t < n_terms; t++) {
        exact[t].kind = terms[t].kind;
        exact[t].t = (double)terms[t].temperature;
        exact[t].weight = (double)terms[t].weight;
    }
    ref_loss(&twin, exact, n_terms, &truth);
    cases_twin_free(&twin);
    return truth;
}

void cases_truth_free(ref_result *truth)
{
    free(truth->d);
    free(truth->d_bound);
}

double cases_over(double error, double bound)
{
    double size = fabs(error);
    return size <= 1e-300 ? 0 : size <= (double)INFINITY ? size / bound : (double)INFINITY;
}

double cases_softmax_ratio(double got, double want)
{
    return want > 1e-30 ? cases_over(got - want, 8e-6 * want) : got >= 0 && got < 2e-30 ? 0 : 2;
}

double cases_log_softmax_ratio(double got, double want)
{
    double bound = 8e-6 * fmax(1, fabs(want) / 69.0775527898);
    return got == want ? 0 : got > 0 ? (double)INFINITY : cases_over(got - want, bound);
}

cases_ratio cases_compare(const cases_batch *batch, const kd_term *terms, size_t n_terms)
{
    cases_ratio ratio = {0, 0, {0}};
    cases_answer got = cases_ask(batch, terms, n_terms);
    ref_result want = cases_truth(batch, terms, n_terms);
    assert_int_equal(got.out.cases, want.cases);
    cases_near("case_weight", got.out.case_weight, want.case_weight, 1e-12 * want.case_weight);
    for (size_t t = 0; t < n_terms; t++) {
        double error = got.term_values[t] - want.term_values[t];
        ratio.term_values[t] = cases_over(error, want.term_bounds[t]);
    }
    ratio.total = cases_over(got.out.total - want.total, want.total_bound);
    for (size_t i = 0; i < batch->n * batch->k; i++) {
        double error = (double)got.d[i] - want.d[i];
        ratio.d = fmax(ratio.d, cases_over(error, want.d_bound[i]));
    }
    cases_forget(&got);
    cases_truth_free(&want);
    return ratio;
}

void cases_check(const cases_batch *batch, const kd_term *terms, size_t n_terms)
{
    cases_ratio ratio = cases_compare(batch, terms, n_terms);
    cases_near("error/bound of the total", ratio.total, 0, 1);
    cases_near("error/bound of d_logits", ratio.d, 0, 1);
    for (size_t t = 0; t < n_terms; t++) {
        cases_near("error/bound of a term", ratio.term_values[t], 0, 1);
    }
}

void cases_near(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) {
        fail_msg("%s is %.12g, should be %.12g within %g", what, got, want, tolerance);
    }
}

void cases_near_row(const char *what, const float *got, const float *want, size_t count,
                    double relative, double absolute)
{
    for (size_t i = 0; i < count; i++) {
        double expected = (double)want[i];
        if (expected != (double)got[i]) { /* equal infinities are near */
            cases_near(what, (double)got[i], expected, relative * fabs(expected) + absolute);
        }
    }
}

void cases_same(const char *what, const void *got, const void *want, size_t bytes)
{
    if (memcmp(got, want, bytes) != 0) {
        fail_msg("%s: not the same bits", what);
    }
}
