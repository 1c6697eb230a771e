/* SPDX-License-Identifier: MIT */
/* The covariance of predictions against two passes over them; and what is refused. */
#include "../support/support.h"

#define N 60
#define K 7

static support_memory memory;
static kd_context *context;
static float logits[N * K], p[N * K], log_p[N * K];

static int begin(void **state)
{
    (void)state;
    uint64_t seed = 31;
    context = support_context(&memory);
    support_normals(&seed, logits, N * K, 2);
    support_ok(kd_softmax(logits, N, K, 0, 1, p, 0, NULL), "kd_softmax");
    support_ok(kd_log_softmax(logits, N, K, 0, 4, log_p, 0, NULL), "kd_log_softmax");
    return 0;
}

static int end(void **state)
{
    (void)state;
    kd_context_destroy(context);
    support_all_returned(&memory);
    return 0;
}

static kd_covariance *make(void)
{
    kd_error e = KD_ERROR_INIT;
    kd_covariance *c;
    support_ok(kd_covariance_create(context, K, &c, &e), e.text);
    return c;
}

static kd_targets targets_of(kd_target_kind kind, const float *values, float temperature)
{
    kd_targets t = KD_TARGETS_INIT;
    t.kind = kind;
    t.values = values;
    t.temperature = temperature;
    return t;
}

static void add(kd_covariance *c, kd_targets t, size_t n)
{
    kd_error e = KD_ERROR_INIT;
    support_ok(kd_covariance_add(c, &t, n, &e), e.text);
}

static void get(kd_covariance *c, double *out)
{
    kd_error e = KD_ERROR_INIT;
    support_ok(kd_covariance_get(c, out, &e), e.text);
    kd_covariance_destroy(c);
}

/* Means first, then the products of what is left. */
static void two_passes(double *out)
{
    double mean[K] = {0};
    for (size_t i = 0; i < N * K; i++) {
        mean[i % K] += (double)p[i] / N;
    }
    memset(out, 0, K * K * sizeof *out);
    for (size_t row = 0; row < N; row++) {
        for (size_t i = 0; i < K * K; i++) {
            double a = (double)p[row * K + i / K] - mean[i / K];
            out[i] += a * ((double)p[row * K + i % K] - mean[i % K]) / N;
        }
    }
}

static void near_all(const char *what, const double *got, const double *want, double tolerance)
{
    for (size_t i = 0; i < K * K; i++) {
        support_near(what, got[i], want[i], tolerance);
    }
}

static void it_is_that_of_two_passes(void **state)
{
    (void)state;
    double want[K * K], got[K * K];
    kd_covariance *c = make();
    two_passes(want);
    add(c, targets_of(KD_TARGET_PROBABILITIES, p, 1), N);
    get(c, got);
    near_all("covariance", got, want, 1e-15);
    for (size_t i = 0; i < K * K; i++) {
        assert_true(got[i] == got[i % K * K + i / K]);
    }
}

/* Logits and log-probabilities of any temperature are taken to T = 1; -inf is 0. */
static void every_kind_is_taken_at_one(void **state)
{
    (void)state;
    double want[K * K], got[K * K];
    two_passes(want);
    kd_covariance *c = make();
    add(c, targets_of(KD_TARGET_LOGITS, logits, 0), N);
    get(c, got);
    near_all("of logits", got, want, 1e-7);
    c = make();
    add(c, targets_of(KD_TARGET_LOG_PROBABILITIES, log_p, 4), N);
    get(c, got);
    near_all("of log-probabilities", got, want, 1e-6);
    float sure[K], none[2 * K];
    for (size_t i = 0; i < K; i++) {
        sure[i] = i == 2 ? 5 : -INFINITY;
        none[i] = none[K + i] = i == 2;
    }
    none[K + 2] = 0, none[K] = 1;
    c = make();
    add(c, targets_of(KD_TARGET_LOGITS, sure, 0), 1);
    add(c, targets_of(KD_TARGET_PROBABILITIES, none, 0), 2);
    get(c, got);
    support_near("variance", got[2 * K + 2], 2. / 9, 1e-15);
    support_near("covariance", got[2 * K], -2. / 9, 1e-15);
    assert_true(got[K + 1] == 0 && got[K] == 0);
}

static void cuts_into_batches_change_no_bit(void **state)
{
    (void)state;
    double want[K * K], got[K * K];
    float wide[N * (K + 2)];
    kd_covariance *c = make();
    add(c, targets_of(KD_TARGET_LOGITS, logits, 0), N);
    get(c, want);
    for (size_t size = 1; size < N; size++) {
        c = make();
        size_t calls = atomic_load(&memory.calls);
        for (size_t at = 0; at < N; at += size) {
            add(c, targets_of(KD_TARGET_LOGITS, logits + at * K, 0), at + size < N ? size : N - at);
        }
        assert_int_equal(atomic_load(&memory.calls), calls);
        get(c, got);
        support_same_bits("covariance", got, want, sizeof want);
    }
    for (size_t i = 0; i < COUNT(wide); i++) {
        wide[i] = i % (K + 2) < K ? logits[i / (K + 2) * K + i % (K + 2)] : NAN;
    }
    kd_targets t = targets_of(KD_TARGET_LOGITS, wide, 0);
    t.stride = K + 2;
    c = make();
    add(c, t, N);
    get(c, got);
    support_same_bits("with a stride", got, want, sizeof want);
}

/* ---- refusals ---- */

static void refused(kd_covariance *c, kd_targets t, size_t n, kd_status status, const char *words)
{
    kd_error e = KD_ERROR_INIT;
    support_refused(kd_covariance_add(c, &t, n, &e), status, e.text, words);
    assert_int_equal(e.argument, status == KD_ERR_SIZE && n == 0 ? 3 : 2);
}

static void bad_predictions_add_nothing(void **state)
{
    (void)state;
    double want[K * K], got[K * K];
    float bad[N * K];
    const uint32_t index[] = {0};
    kd_error e = KD_ERROR_INIT;
    kd_covariance *c = make();
    add(c, targets_of(KD_TARGET_LOGITS, logits, 0), N);
    kd_targets t = targets_of(KD_TARGET_LOGITS, logits, 0);
    refused(c, t, 0, KD_ERR_SIZE, "n is 0");
    t.k = K + 1;
    refused(c, t, N, KD_ERR_SHAPE, "predictions.k is 8, but all of them have 7 classes");
    refused(c, targets_of(9, logits, 0), N, KD_ERR_KIND, "predictions.kind is 9");
    refused(c, targets_of(KD_TARGET_LOGITS, NULL, 0), N, KD_ERR_NULL, "predictions.values is NULL");
    refused(c, targets_of(KD_TARGET_LOG_PROBABILITIES, log_p, 0), N, KD_ERR_TEMPERATURE,
            "predictions.temperature is 0");
    refused(c, targets_of(KD_TARGET_PROBABILITIES, p, 2), N, KD_ERR_RETEMPER,
            "predictions.temperature is 2");
    refused(c, targets_of(KD_TARGET_PROBABILITIES, logits, 1), N, KD_ERR_PROBABILITY,
            "predictions.values");
    t = targets_of(KD_TARGET_TOPK, logits, 1);
    t.top = 1;
    t.topk_index = index;
    t.tail = logits;
    refused(c, t, 1, KD_ERR_KIND, "KD_TARGET_TOPK, which does not say all classes");
    memcpy(bad, logits, sizeof bad);
    bad[N * K - 1] = NAN;
    refused(c, targets_of(KD_TARGET_LOGITS, bad, 0), N, KD_ERR_NOT_FINITE,
            "predictions.values[59,6] is nan");
    for (size_t i = 0; i < K; i++) {
        bad[(N - 1) * K + i] = -INFINITY;
    }
    refused(c, targets_of(KD_TARGET_LOGITS, bad, 0), N, KD_ERR_SUPPORT, "row 59 of predictions");
    support_refused(kd_covariance_add(NULL, &t, N, &e), KD_ERR_NULL, e.text, "covariance is NULL");
    support_refused(kd_covariance_add(c, NULL, N, &e), KD_ERR_NULL, e.text, "predictions is NULL");
    get(c, got);
    c = make();
    add(c, targets_of(KD_TARGET_LOGITS, logits, 0), N);
    get(c, want);
    support_same_bits("after refusals", got, want, sizeof want);
}

static void without_cases_there_is_none(void **state)
{
    (void)state;
    double got[K * K];
    kd_error e = KD_ERROR_INIT;
    kd_covariance *c = make();
    support_refused(kd_covariance_get(c, got, &e), KD_ERR_STATE, e.text, "no prediction was added");
    support_refused(kd_covariance_get(NULL, got, &e), KD_ERR_NULL, e.text, "covariance is NULL");
    add(c, targets_of(KD_TARGET_LOGITS, logits, 0), 1);
    support_refused(kd_covariance_get(c, NULL, &e), KD_ERR_NULL, e.text, "out_values is NULL");
    get(c, got); /* of one case */
    for (size_t i = 0; i < K * K; i++) {
        support_near("of one case", got[i], 0, 1e-16);
    }
    kd_covariance_destroy(NULL);
}

static void as_many_classes_as_fit(void **state)
{
    (void)state;
    kd_error e = KD_ERROR_INIT;
    kd_covariance *c = (kd_covariance *)&e;
    const struct {
        size_t k;
        kd_status status;
        const char *words;
    } bad[] = {{0, KD_ERR_SIZE, "k is 0"},
               {(size_t)INT32_MAX + 1, KD_ERR_TOO_LARGE, "k is 2147483648"},
               {INT32_MAX, KD_ERR_TOO_LARGE, "2147483647 classes squared are too many bytes"},
               {100000, KD_ERR_MEMORY, "no memory for a covariance"}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        support_refused(kd_covariance_create(context, bad[i].k, &c, &e), bad[i].status, e.text,
                        bad[i].words);
        assert_null(c);
    }
    support_refused(kd_covariance_create(NULL, K, &c, &e), KD_ERR_NULL, e.text, "context is NULL");
    support_refused(kd_covariance_create(context, K, NULL, &e), KD_ERR_NULL, e.text,
                    "out_covariance is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_that_of_two_passes),
        cmocka_unit_test(every_kind_is_taken_at_one),
        cmocka_unit_test(cuts_into_batches_change_no_bit),
        cmocka_unit_test(bad_predictions_add_nothing),
        cmocka_unit_test(without_cases_there_is_none),
        cmocka_unit_test(as_many_classes_as_fit),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
