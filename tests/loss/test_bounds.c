/* SPDX-License-Identifier: MIT */
/*
 * The float library against the double reference over random batches, within the bounds of
 * kd/loss.h. Each test prints the largest error over its bound.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"

#include <kd/context.h>

#define MOST_CLASSES 10000
#define ROUNDS 10000

/* One row of logits: how they are spread. */
static void spread(uint64_t *seed, float *x, size_t k)
{
    size_t style = cases_below(seed, 5);
    double scale = cases_log_between(seed, 0.01, 1e4);
    for (size_t i = 0; i < k; i++) {
        double normal = style == 3 ? (double)cases_below(seed, 3) - 1 : cases_normal(seed);
        x[i] = (float)(style == 2 ? normal : scale * normal); /* style 2: see below */
    }
    if (style == 2) {
        x[cases_below(seed, k)] += (float)scale; /* close to one-hot */
    }
    if (style == 4) {
        for (size_t i = 1; i < k; i++) {
            x[i] = x[0]; /* all the same */
        }
    }
}

static void shift(float *x, size_t k, float offset)
{
    for (size_t i = 0; i < k; i++) {
        x[i] += offset;
    }
}

/* z = -inf only where v is, and never in class 0. */
static void mask(uint64_t *seed, float *z, float *v, size_t k, int both)
{
    for (size_t i = 1; i < k; i++) {
        if (cases_below(seed, 3) == 0) {
            v[i] = -INFINITY;
            z[i] = both ? -INFINITY : z[i];
        }
    }
}

/* How the student's row and the teacher's relate. Returns whether all logits are finite. */
static int relate(uint64_t *seed, float *z, float *v, size_t k)
{
    size_t style = cases_below(seed, 10);
    if (style == 0) {
        memcpy(z, v, k * sizeof *z);
    } else if (style == 1) {
        for (size_t i = 0; i < k; i++) {
            z[i] = v[i] * (1 + 1e-6f * (float)cases_normal(seed));
        }
    } else if (style == 2) {
        shift(z, k, 1e8f);
    } else if (style == 3) {
        shift(z, k, 1e8f);
        shift(v, k, -1e8f);
    } else if (style == 4 || style == 5) {
        mask(seed, z, v, k, style == 5);
        return 0;
    }
    return 1;
}

/* A random label that the student gives some probability, or none. Case 0 always has one. */
static int32_t some_label(uint64_t *seed, const float *z, size_t k, size_t c)
{
    size_t y = cases_below(seed, k);
    if (c > 0 && cases_below(seed, 4) == 0) {
        return -1;
    }
    return isinf(z[y]) ? 0 : (int32_t)y;
}

static float some_temperature(uint64_t *seed)
{
    return (float)cases_log_between(seed, 0.5, 1000);
}

typedef struct round {
    cases_batch *batch;
    int finite;
    kd_term terms[4];
    size_t n_terms;
} round_of;

/* One for each instruction set, and none; batches take turns. */
static kd_context *levels[KD_ISA_AVX512 + 1];

static kd_context *next_level(void)
{
    static size_t turn;
    return levels[turn++ % (sizeof levels / sizeof *levels)];
}

static cases_batch *some_batch(uint64_t *seed, size_t most, int *finite)
{
    size_t k = (size_t)cases_log_between(seed, 2, (double)most + 1), n = 1 + cases_below(seed, 3);
    cases_batch *batch = cases_create(n, k);
    *finite = 1;
    for (size_t c = 0; c < n; c++) {
        float *z = batch->z + c * k, *v = batch->values + c * k;
        spread(seed, z, k);
        spread(seed, v, k);
        *finite &= relate(seed, z, v, k);
        batch->labels[c] = some_label(seed, z, k, c);
        int none = c > 0 && cases_below(seed, 6) == 0;
        batch->weights[c] = none ? 0 : (float)cases_log_between(seed, 0.01, 10);
    }
    if (cases_below(seed, 4) == 0) {
        batch->in.case_weights = NULL;
    }
    batch->in.context = next_level();
    return batch;
}

/* Targets of a random kind; a kind other than logits is made at t. */
static void some_targets(uint64_t *seed, cases_batch *batch, float t)
{
    kd_target_kind kind = (kd_target_kind)(1 + cases_below(seed, 3));
    if (kind == KD_TARGET_LOGITS) {
        return;
    }
    if (kind == KD_TARGET_LOG_PROBABILITIES) {
        const float t0[] = {t, 1, 3, some_temperature(seed)};
        t = t0[cases_below(seed, 4)];
    }
    cases_soften(batch, kind, t);
    if (kind == KD_TARGET_PROBABILITIES && cases_below(seed, 2) == 0) {
        batch->targets.temperature = 0; /* unknown: serves every T */
    }
}

/* The last kind of term that these targets can serve. */
static size_t last_kind(const round_of *r)
{
    if (r->batch->targets.kind == KD_TARGET_PROBABILITIES || !r->finite) {
        return KD_TERM_KL;
    }
    return r->batch->targets.kind == KD_TARGET_LOGITS ? KD_TERM_MATCH_RAW : KD_TERM_MATCH;
}

static round_of some_round(uint64_t *seed)
{
    round_of r = {0};
    float t = some_temperature(seed);
    r.batch = some_batch(seed, MOST_CLASSES, &r.finite);
    some_targets(seed, r.batch, t);
    int fixed =
        r.batch->targets.kind == KD_TARGET_PROBABILITIES && r.batch->targets.temperature > 0;
    r.n_terms = cases_below(seed, 2) == 0 ? 1 : 2 + cases_below(seed, 3);
    for (size_t i = 0; i < r.n_terms; i++) {
        kd_term_kind kind = (kd_term_kind)(1 + cases_below(seed, last_kind(&r)));
        float own = fixed || i == 0 ? t : some_temperature(seed);
        float weight = (float)cases_log_between(seed, 0.01, 10);
        weight = i > 0 && cases_below(seed, 10) == 0 ? 0 : weight;
        r.terms[i] = cases_term(kind, kind == KD_TERM_HARD ? 1 : own, weight);
    }
    return r;
}

static void raise_to(double *worst, double ratio)
{
    *worst = fmax(*worst, ratio);
}

/* The worst of a test: of each kind of term by itself, of sums of terms, of totals. */
typedef struct record {
    double value[6], d[6];
    double total, sum;
} record;

static void enter(record *worst, const round_of *r, const cases_ratio *ratio)
{
    for (size_t t = 0; t < r->n_terms; t++) {
        raise_to(&worst->value[r->terms[t].kind], ratio->term_values[t]);
        if (ratio->term_values[t] > 1) {
            print_message("kind %d T %g, k = %zu, targets %d: %g times the bound\n",
                          (int)r->terms[t].kind, (double)r->terms[t].temperature, r->batch->k,
                          (int)r->batch->targets.kind, ratio->term_values[t]);
        }
    }
    raise_to(r->n_terms == 1 ? &worst->d[r->terms[0].kind] : &worst->sum, ratio->d);
    raise_to(&worst->total, ratio->total);
}

static void show_and_judge(const record *worst)
{
    static const char *const name[] = {"", "HARD", "SOFT", "KL", "MATCH", "MATCH_RAW"};
    double most = fmax(worst->total, worst->sum);
    for (size_t kind = KD_TERM_HARD; kind <= KD_TERM_MATCH_RAW; kind++) {
        print_message("error/bound %-9s value %.2g gradient %.2g\n", name[kind], worst->value[kind],
                      worst->d[kind]);
        raise_to(&most, fmax(worst->value[kind], worst->d[kind]));
    }
    print_message("error/bound sums      total %.2g gradient %.2g\n", worst->total, worst->sum);
    assert_true(most <= 1);
}

static void losses_and_gradients(void **state)
{
    record worst = {{0}, {0}, 0, 0};
    uint64_t seed = 2015;
    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        round_of r = some_round(&seed);
        cases_ratio ratio = cases_compare(r.batch, r.terms, r.n_terms);
        enter(&worst, &r, &ratio);
        cases_destroy(r.batch);
    }
    show_and_judge(&worst);
}

static void softmax_rows(void **state)
{
    static float out[3 * MOST_CLASSES], ln_out[3 * MOST_CLASSES];
    static double want[MOST_CLASSES];
    double worst = 0, worst_log = 0;
    uint64_t seed = 1503;
    (void)state;
    for (size_t i = 0; i < ROUNDS / 2; i++) {
        int finite;
        float t = some_temperature(&seed);
        cases_batch *batch = some_batch(&seed, MOST_CLASSES, &finite);
        ref_batch twin = cases_twin(batch);
        size_t n = batch->n, k = batch->k;
        assert_int_equal(kd_softmax(batch->z, n, k, 0, t, out, 0, NULL), KD_OK);
        assert_int_equal(kd_log_softmax(batch->z, n, k, 0, t, ln_out, 0, NULL), KD_OK);
        for (size_t j = 0; j < n * k; j++) {
            if (j % k == 0) {
                ref_log_softmax(twin.z + j, k, (double)t, want);
            }
            raise_to(&worst, cases_softmax_ratio((double)out[j], exp(want[j % k])));
            raise_to(&worst_log, cases_log_softmax_ratio((double)ln_out[j], want[j % k]));
        }
        cases_twin_free(&twin);
        cases_destroy(batch);
    }
    print_message("error/bound softmax %.2g log-softmax %.2g\n", worst, worst_log);
    assert_true(worst <= 1);
    assert_true(worst_log <= 1);
}

#define MOST_MEMBERS 5

/* Members that differ by noise, weights; one case. Returns the largest error over bound. */
static double ensemble_round(uint64_t *seed, kd_mean_kind kind)
{
    cases_batch *members[MOST_MEMBERS];
    ref_batch twins[MOST_MEMBERS];
    const float *logits[MOST_MEMBERS];
    const double *exact[MOST_MEMBERS];
    float weights[MOST_MEMBERS];
    double exact_weights[MOST_MEMBERS], worst = 0, scale = cases_log_between(seed, 0.1, 100);
    size_t k = (size_t)cases_log_between(seed, 2, 1000);
    float *out = calloc(k, sizeof *out);
    double *want = calloc(k, sizeof *want);
    kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    in.kind = kind;
    in.temperature = some_temperature(seed);
    in.members = 1 + cases_below(seed, MOST_MEMBERS);
    in.n = 1;
    in.k = k;
    in.logits = logits;
    in.weights = cases_below(seed, 3) == 0 ? NULL : weights;
    for (size_t m = 0; m < in.members; m++) {
        members[m] = cases_random(seed, 1, k, scale);
        twins[m] = cases_twin(members[m]);
        logits[m] = members[m]->z;
        exact[m] = twins[m].z;
        weights[m] = (float)cases_between(seed, 0.1, 3);
        exact_weights[m] = (double)weights[m];
    }
    assert_int_equal(kd_ensemble_mean(&in, out, 0, NULL), KD_OK);
    ref_ensemble(kind, (double)in.temperature, in.members, k, exact,
                 in.weights == NULL ? NULL : exact_weights, want);
    for (size_t i = 0; i < k; i++) {
        raise_to(&worst, cases_softmax_ratio((double)out[i], want[i]));
    }
    for (size_t m = 0; m < in.members; m++) {
        cases_twin_free(&twins[m]);
        cases_destroy(members[m]);
    }
    free(out);
    free(want);
    return worst;
}

static void ensemble_means(void **state)
{
    double worst[3] = {0};
    uint64_t seed = 61;
    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        kd_mean_kind kind = i % 2 == 0 ? KD_MEAN_ARITHMETIC : KD_MEAN_GEOMETRIC;
        raise_to(&worst[kind], ensemble_round(&seed, kind));
    }
    print_message("error/bound arithmetic mean %.2g geometric mean %.2g\n", worst[1], worst[2]);
    assert_true(worst[KD_MEAN_ARITHMETIC] <= 1);
    assert_true(worst[KD_MEAN_GEOMETRIC] <= 1);
}

/* An entropy is a cross-entropy with itself: 4e-6 of twice its size. */
static double metrics_ratio(const kd_metrics_out *got, const kd_metrics_out *want)
{
    double worst = 0, cross = want->kl + want->teacher_entropy;
    raise_to(&worst, cases_over(got->student_entropy - want->student_entropy,
                                8e-6 * want->student_entropy));
    raise_to(&worst, cases_over(got->teacher_entropy - want->teacher_entropy,
                                8e-6 * want->teacher_entropy));
    raise_to(&worst, cases_over(got->kl - want->kl, 4e-6 * (want->teacher_entropy + cross)));
    cases_near("accuracy", got->accuracy, want->accuracy, 1e-12);
    cases_near("agreement", got->agreement, want->agreement, 1e-12);
    cases_near("case_weight", got->case_weight, want->case_weight, 1e-12 * want->case_weight);
    cases_near("label_weight", got->label_weight, want->label_weight, 1e-12 * want->case_weight);
    assert_int_equal(got->cases, want->cases);
    assert_int_equal(got->labelled, want->labelled);
    assert_int_equal(got->errors, want->errors);
    return worst;
}

static void metrics(void **state)
{
    double worst = 0;
    uint64_t seed = 8;
    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        int finite;
        float t = some_temperature(&seed);
        cases_batch *batch = some_batch(&seed, 300, &finite);
        kd_metrics_out got = KD_METRICS_OUT_INIT, want;
        some_targets(&seed, batch, t);
        ref_batch twin = cases_twin(batch);
        ref_metrics(&twin, (double)t, &want);
        assert_int_equal(kd_metrics(&batch->in, t, &got, NULL), KD_OK);
        raise_to(&worst, metrics_ratio(&got, &want));
        cases_twin_free(&twin);
        cases_destroy(batch);
    }
    print_message("error/bound metrics %.2g\n", worst);
    assert_true(worst <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_and_gradients),
        cmocka_unit_test(softmax_rows),
        cmocka_unit_test(ensemble_means),
        cmocka_unit_test(metrics),

    };
    for (kd_isa isa = KD_ISA_PORTABLE; isa <= KD_ISA_AVX512; isa++) {
        kd_context_options options = KD_CONTEXT_OPTIONS_INIT;
        options.isa = isa;
        if (kd_context_create(&options, &levels[isa], NULL) != KD_OK) {
            return 1;
        }
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (kd_isa isa = KD_ISA_PORTABLE; isa <= KD_ISA_AVX512; isa++) {
        kd_context_destroy(levels[isa]);
    }
    return failed;
}
