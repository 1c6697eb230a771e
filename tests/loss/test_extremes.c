/* SPDX-License-Identifier: MIT */
/* Logits and temperatures at the ends of what a float holds: the same bounds, no NaN, no trap. */
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"

/* Numbers at the ends of float, at temperatures at the ends of float. */
static const float extreme_rows[][4] = {
    {FLT_MAX, -FLT_MAX, 0, 1},         {-FLT_MAX, -FLT_MAX, FLT_MAX, FLT_MAX},
    {FLT_MIN, -FLT_MIN, 0, -0.0f},     {FLT_TRUE_MIN, 0, -FLT_TRUE_MIN, 0},
    {-FLT_MAX, -FLT_MAX, -1, -2},      {1e30f, 1e30f, -1e30f, 0},
    {-INFINITY, 2, -FLT_MAX, FLT_MAX}, {5, 5, 5, 5},
};
static const float extreme_t[] = {FLT_TRUE_MIN, FLT_MIN, 1e-30f, 1e-3f, 1, 4, 1e3f, 1e30f, FLT_MAX};
#define EXTREMES (sizeof extreme_rows / sizeof extreme_rows[0])
#define EXTREME_TS (sizeof extreme_t / sizeof extreme_t[0])

static void extreme_softmax(const float *row, float t)
{
    double wide[4], want[4];
    float out[4], ln_out[4];
    for (size_t i = 0; i < 4; i++) {
        wide[i] = (double)row[i];
    }
    assert_int_equal(kd_softmax(row, 1, 4, 0, t, out, 0, NULL), KD_OK);
    assert_int_equal(kd_log_softmax(row, 1, 4, 0, t, ln_out, 0, NULL), KD_OK);
    ref_log_softmax(wide, 4, (double)t, want);
    for (size_t i = 0; i < 4; i++) {
        if (want[i] < -(double)FLT_MAX) {
            want[i] = -(double)INFINITY; /* no float for it */
        }
        if (cases_softmax_ratio((double)out[i], exp(want[i])) > 1 ||
            cases_log_softmax_ratio((double)ln_out[i], want[i]) > 1) {
            fail_msg("T = %g, element %zu of {%g %g %g %g}: p %g, ln p %g, should be ln p %g",
                     (double)t, i, wide[0], wide[1], wide[2], wide[3], (double)out[i],
                     (double)ln_out[i], want[i]);
        }
    }
}

static void extreme_loss(const float *z, const float *v, float t)
{
    cases_batch *batch = cases_create(1, 4);
    const kd_term terms[] = {cases_term(KD_TERM_SOFT, t, 1), cases_term(KD_TERM_KL, t, 1),
                             cases_term(KD_TERM_HARD, 0, 1), cases_term(KD_TERM_MATCH, 0, 1)};
    size_t n_terms = isinf(z[0] + v[0]) ? 3 : 4;
    memcpy(batch->z, z, 4 * sizeof *z);
    memcpy(batch->values, v, 4 * sizeof *v);
    batch->labels[0] = 1;
    if (!isinf(z[0]) || isinf(v[0])) {
        for (size_t i = 0; i < n_terms; i++) {
            cases_check(batch, &terms[i], 1);
        }
    }
    cases_destroy(batch);
}

static void ends_of_float(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXTREMES; i++) {
        for (size_t t = 0; t < EXTREME_TS; t++) {
            extreme_softmax(extreme_rows[i], extreme_t[t]);
        }
    }
}

static void losses_at_the_ends_of_float(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXTREMES * EXTREMES; i++) {
        for (size_t t = 2; t < EXTREME_TS - 1; t++) {
            extreme_loss(extreme_rows[i / EXTREMES], extreme_rows[i % EXTREMES], extreme_t[t]);
        }
    }
}

/* Exceptions of arithmetic that a host may have told its CPU to trap. */
#define TRAPS (FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW)

static void no_flag(const char *what, kd_status status)
{
    int raised = fetestexcept(TRAPS);
    assert_int_equal(status, KD_OK);
    if (raised != 0) {
        fail_msg("%s raises%s%s%s", what, raised & FE_INVALID ? " FE_INVALID" : "",
                 raised & FE_DIVBYZERO ? " FE_DIVBYZERO" : "",
                 raised & FE_OVERFLOW ? " FE_OVERFLOW" : "");
    }
    feclearexcept(FE_ALL_EXCEPT);
}

/*
 * Valid input with zeros, -inf and margins that underflow: no call may trap in such a host. clang
 * keeps `p > 0 ? p * x : 0` from computing 0 times -inf only with -ftrapping-math, gcc by default.
 */
static void calls_raise_no_flags(const char *what, cases_batch *batch, kd_term_kind last)
{
    kd_metrics_out metrics = KD_METRICS_OUT_INIT;
    float out[8];
    const float *const members[] = {batch->z, batch->z};
    kd_ensemble_in ensemble = KD_ENSEMBLE_IN_INIT;
    ensemble.members = 2;
    ensemble.n = 2;
    ensemble.k = 4;
    ensemble.logits = members;
    feclearexcept(FE_ALL_EXCEPT);
    no_flag("kd_softmax", kd_softmax(batch->z, 2, 4, 0, 2, out, 0, NULL));
    no_flag("kd_log_softmax", kd_log_softmax(batch->z, 2, 4, 0, 2, out, 0, NULL));
    no_flag("geometric mean", kd_ensemble_mean(&ensemble, out, 0, NULL));
    ensemble.kind = KD_MEAN_ARITHMETIC;
    no_flag("arithmetic mean", kd_ensemble_mean(&ensemble, out, 0, NULL));
    for (kd_term_kind kind = KD_TERM_HARD; kind <= last; kind++) {
        const kd_term term = cases_term(kind, kind == KD_TERM_HARD ? 1 : 2, 1);
        kd_loss_out loss = KD_LOSS_OUT_INIT;
        loss.d_logits = out;
        no_flag(what, kd_loss(&term, 1, &batch->in, &loss, NULL));
    }
    no_flag(what, kd_metrics(&batch->in, 2, &metrics, NULL));
}

static void valid_input_raises_no_flags(void **state)
{
    static const float z[] = {0, 3, -200, 5000, -1, -INFINITY, 0, 2};
    static const float v[] = {4, -3000, 0, 1, 1, -INFINITY, -INFINITY, 0};
    static const float p[] = {0, 0.5f, 0, 0.5f, 0.25f, 0, 0, 0.75f};
    static const float ln_p[] = {-INFINITY, -0.6931472f, -900,      -0.6931472f,
                                 0,         -INFINITY,   -INFINITY, -INFINITY};
    (void)state;
    cases_batch *batch = cases_create(2, 4);
    memcpy(batch->z, z, sizeof z);
    memcpy(batch->values, v, sizeof v);
    calls_raise_no_flags("with logits", batch, KD_TERM_KL);
    batch->targets.kind = KD_TARGET_PROBABILITIES;
    memcpy(batch->values, p, sizeof p);
    calls_raise_no_flags("with probabilities", batch, KD_TERM_KL);
    batch->targets.kind = KD_TARGET_LOG_PROBABILITIES;
    batch->targets.temperature = 3;
    memcpy(batch->values, ln_p, sizeof ln_p);
    calls_raise_no_flags("with log-probabilities", batch, KD_TERM_KL);
    batch->targets.kind = KD_TARGET_LOGITS;
    batch->z[5] = 7;
    memcpy(batch->values, z, sizeof z);
    batch->values[5] = 1;
    calls_raise_no_flags("with finite logits", batch, KD_TERM_MATCH_RAW);
    cases_destroy(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_of_float),
        cmocka_unit_test(losses_at_the_ends_of_float),
        cmocka_unit_test(valid_input_raises_no_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
