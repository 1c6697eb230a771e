/* SPDX-License-Identifier: MIT */
/* A host of the first version that has its own network: every function and struct of loss.h. */
#include "host.h"

static const float z[2][K] = {{1, 2, 0}, {0, 1, -1}};
static const float v[2][K] = {{4, 1, 0}, {-2, 5, 1}};
static const int32_t labels[2] = {0, -1};

static kd_loss_in input(const kd_targets *targets)
{
    kd_loss_in in = KD_LOSS_IN_INIT;
    in.n = 2;
    in.k = K;
    in.logits = z[0];
    in.labels = labels;
    in.targets = targets;
    return in;
}

static kd_targets logits(void)
{
    kd_targets targets = KD_TARGETS_INIT;
    targets.kind = KD_TARGET_LOGITS;
    targets.values = v[0];
    return targets;
}

/* log(sum(exp(row/T))) in double. */
static double log_sum(const float *row, double t)
{
    return log(exp((double)row[0] / t) + exp((double)row[1] / t) + exp((double)row[2] / t));
}

static double p_of(const float *row, size_t i, double t)
{
    return exp((double)row[i] / t - log_sum(row, t));
}

/* T^2 times the mean cross-entropy with softmax(v/T), and its gradient. */
static double soft_by_hand(double t, double d_z[2][K])
{
    double sum = 0;
    for (size_t c = 0; c < 2; c++) {
        for (size_t i = 0; i < K; i++) {
            sum -= p_of(v[c], i, t) * ((double)z[c][i] / t - log_sum(z[c], t)) / 2;
            d_z[c][i] = t * (p_of(z[c], i, t) - p_of(v[c], i, t)) / 2;
        }
    }
    return t * t * sum;
}

static void versions_and_statuses(void **state)
{
    (void)state;
    assert_true(kd_version() >= KD_VERSION_NUM);
#define CHECK(name, number, text)                                                                  \
    assert_string_equal(kd_status_name(number), #name);                                            \
    assert_true(strlen(kd_status_text(number)) > 0);
    KD_STATUS_LIST(CHECK)
#undef CHECK
    assert_string_equal(kd_status_name(1), "KD_ERR_?");
}

static void softmaxes(void **state)
{
    float out[2][K];
    kd_error error = KD_ERROR_INIT;
    (void)state;
    host_ok(kd_softmax(z[0], 2, K, 0, 2.0f, out[0], 0, &error), error.text);
    for (size_t i = 0; i < 2 * K; i++) {
        host_near((double)out[i / K][i % K], p_of(z[i / K], i % K, 2), 1e-5);
    }
    host_ok(kd_log_softmax(z[0], 2, K, 0, 2.0f, out[0], 0, &error), error.text);
    for (size_t i = 0; i < 2 * K; i++) {
        host_near((double)out[i / K][i % K], log(p_of(z[i / K], i % K, 2)), 1e-5);
    }
}

static void losses(void **state)
{
    float d_z[2][K], same[2][K];
    double by_hand[2][K], values[1];
    kd_error error = KD_ERROR_INIT;
    kd_targets targets = logits();
    kd_loss_in in = input(&targets);
    kd_loss_out out = KD_LOSS_OUT_INIT;
    (void)state;
    out.d_logits = d_z[0];
    host_ok(kd_soft_cross_entropy(&in, 4, &out, &error), error.text);
    host_near(out.total, soft_by_hand(4, by_hand), 1e-5);
    assert_true(out.cases == 2 && out.case_weight == 2);
    for (size_t i = 0; i < 2 * K; i++) {
        assert_true(fabs((double)d_z[i / K][i % K] - by_hand[i / K][i % K]) < 1e-5);
    }
    kd_term term = KD_TERM_INIT; /* a named loss is the sum of one term: the same bits */
    kd_loss_out sum = KD_LOSS_OUT_INIT;
    term.kind = KD_TERM_SOFT;
    term.temperature = 4;
    sum.d_logits = same[0];
    sum.term_values = values;
    host_ok(kd_loss(&term, 1, &in, &sum, &error), error.text);
    assert_true(sum.total == out.total && values[0] == out.total);
    assert_memory_equal(same, d_z, sizeof d_z);
    host_ok(kd_cross_entropy(&in, &out, &error), error.text);
    host_near(out.total, -log(p_of(z[0], 0, 1)), 1e-5);
    assert_true(out.cases == 1);
    double want = 0; /* (1/2k) sum of ((z - mean z) - (v - mean v))^2 */
    for (size_t c = 0; c < 2; c++) {
        double mean = 0;
        for (size_t i = 0; i < K; i++) {
            mean += ((double)z[c][i] - (double)v[c][i]) / K;
        }
        for (size_t i = 0; i < K; i++) {
            want += pow((double)z[c][i] - (double)v[c][i] - mean, 2) / (2 * K) / 2;
        }
    }
    host_ok(kd_match_logits(&in, &out, &error), error.text);
    host_near(out.total, want, 1e-5);
}

/* Two terms in a row: the library walks them with the size that this program knows. */
static void sums_of_terms(void **state)
{
    double by_hand[2][K], values[2];
    kd_error error = KD_ERROR_INIT;
    kd_targets targets = logits();
    kd_loss_in in = input(&targets);
    kd_loss_out out = KD_LOSS_OUT_INIT;
    kd_term terms[2] = {KD_TERM_INIT, KD_TERM_INIT};
    (void)state;
    terms[0].kind = KD_TERM_SOFT;
    terms[0].temperature = 4;
    terms[1].kind = KD_TERM_HARD;
    terms[1].weight = 0.5f;
    out.term_values = values;
    host_ok(kd_loss(terms, 2, &in, &out, &error), error.text);
    host_near(values[0], soft_by_hand(4, by_hand), 1e-5);
    host_near(out.total, values[0] + 0.5 * values[1], 1e-12);
}

static void metrics(void **state)
{
    kd_error error = KD_ERROR_INIT;
    kd_targets targets = logits();
    kd_loss_in in = input(&targets);
    kd_metrics_out out = KD_METRICS_OUT_INIT;
    double entropy = 0;
    (void)state;
    host_ok(kd_metrics(&in, 2, &out, &error), error.text);
    for (size_t i = 0; i < 2 * K; i++) {
        double q = p_of(z[i / K], i % K, 2);
        entropy -= q * log(q) / 2;
    }
    host_near(out.student_entropy, entropy, 1e-5);
    assert_true(out.accuracy == 0 && out.agreement == 0.5 && out.kl > 0);
    assert_true(out.cases == 2 && out.labelled == 1 && out.errors == 1);
    assert_true(out.case_weight == 2 && out.label_weight == 1 && out.teacher_entropy > 0);
}

static void ensembles(void **state)
{
    float out[2][K], alone[2][K];
    const float *members[2] = {z[0], v[0]};
    kd_error error = KD_ERROR_INIT;
    kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    (void)state;
    in.kind = KD_MEAN_ARITHMETIC;
    in.temperature = 2;
    in.members = 2;
    in.n = 2;
    in.k = K;
    in.logits = members;
    host_ok(kd_ensemble_mean(&in, out[0], 0, &error), error.text);
    host_near((double)out[1][2], (p_of(z[1], 2, 2) + p_of(v[1], 2, 2)) / 2, 1e-5);
    in.members = 1; /* one member is no ensemble: the same bits */
    host_ok(kd_ensemble_mean(&in, out[0], 0, &error), error.text);
    host_ok(kd_softmax(z[0], 2, K, 0, 2, alone[0], 0, &error), error.text);
    assert_memory_equal(out, alone, sizeof out);
}

static void failures_have_words(void **state)
{
    kd_error error = KD_ERROR_INIT;
    float out[K];
    (void)state;
    assert_int_equal(kd_softmax(z[0], 1, K, 0, -1.0f, out, 0, &error), KD_ERR_TEMPERATURE);
    assert_int_equal(error.status, KD_ERR_TEMPERATURE);
    assert_int_equal(error.argument, 5);
    assert_non_null(strstr(error.text, "-1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_and_statuses),
        cmocka_unit_test(softmaxes),
        cmocka_unit_test(losses),
        cmocka_unit_test(sums_of_terms),
        cmocka_unit_test(metrics),
        cmocka_unit_test(ensembles),
        cmocka_unit_test(failures_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
