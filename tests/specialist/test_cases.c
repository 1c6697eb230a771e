/* SPDX-License-Identifier: MIT */
/* What a specialist learns from: labels, soft targets, and an order that is half its own cases. */
#include "../support/support.h"

#define N 200
#define K 9
#define OWN 4

static const uint32_t classes[OWN] = {7, 2, 3, 5};
static const int32_t output_of[K] = {4, 4, 0, 1, 4, 2, 4, 3, 4};

static support_memory memory;
static kd_context *context;
static kd_specialist *specialist, *whole;
static int32_t labels[N];
static float logits[N * K];

static kd_specialist *make(const uint32_t *own, size_t n)
{
    kd_error e = KD_ERROR_INIT;
    kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
    kd_specialist *s;
    o.classes = own;
    o.n_classes = n;
    o.k = K;
    support_ok(kd_specialist_create(context, &o, &s, &e), e.text);
    return s;
}

static int begin(void **state)
{
    (void)state;
    static const uint32_t all[K] = {8, 7, 6, 5, 4, 3, 2, 1, 0};
    uint64_t seed = 61;
    context = support_context(&memory);
    specialist = make(classes, OWN);
    whole = make(all, K);
    for (size_t i = 0; i < N; i++) {
        size_t label = support_below(&seed, K + 12);
        labels[i] = label < K ? (int32_t)label : label < K + 2 ? -1 : 0; /* half are of class 0 */
    }
    support_normals(&seed, logits, N * K, 3);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kd_specialist_destroy(specialist);
    kd_specialist_destroy(whole);
    kd_context_destroy(context);
    support_all_returned(&memory);
    return 0;
}

static void refused(kd_status status, kd_status due, const kd_error *e, int32_t argument,
                    const char *words)
{
    support_refused(status, due, e->text, words);
    assert_int_equal(e->status, due);
    assert_int_equal(e->argument, argument);
}

/* ---- labels ---- */

static void labels_are_outputs(void **state)
{
    (void)state;
    int32_t got[N + 1];
    got[N] = 77;
    support_ok(kd_specialist_labels(specialist, labels, N, got, NULL), "labels");
    assert_int_equal(got[N], 77);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(got[i], labels[i] < 0 ? -1 : output_of[labels[i]]);
    }
    memcpy(got, labels, sizeof labels);
    support_ok(kd_specialist_labels(specialist, got, N, got, NULL), "in place");
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(got[i], labels[i] < 0 ? -1 : output_of[labels[i]]);
    }
    support_ok(kd_specialist_labels(whole, labels, N, got, NULL), "of all classes");
    support_same_bits("of all classes", got, labels, sizeof labels);
}

static void bad_labels(void **state)
{
    (void)state;
    static const int32_t bad[] = {-2, K, INT32_MIN, INT32_MAX};
    int32_t given[N], got[N] = {77};
    uint32_t order[2 * N];
    size_t n;
    kd_error e = KD_ERROR_INIT;
    for (size_t i = 0; i < COUNT(bad); i++) {
        memcpy(given, labels, sizeof given);
        given[N - 1] = bad[i];
        refused(kd_specialist_labels(specialist, given, N, got, &e), KD_ERR_LABEL, &e, 2,
                "labels[199] is ");
        refused(kd_specialist_order(specialist, given, N, 1, 0, order, &n, NULL, &e), KD_ERR_LABEL,
                &e, 2, "labels[199] is ");
    }
    assert_int_equal(got[0], 77);
    refused(kd_specialist_labels(NULL, labels, N, got, &e), KD_ERR_NULL, &e, 1,
            "specialist is NULL");
    refused(kd_specialist_labels(specialist, NULL, N, got, &e), KD_ERR_NULL, &e, 2,
            "labels is NULL");
    refused(kd_specialist_labels(specialist, labels, N, NULL, &e), KD_ERR_NULL, &e, 4,
            "out_labels is NULL");
    refused(kd_specialist_labels(specialist, labels, 0, got, &e), KD_ERR_SIZE, &e, 3, "n is 0");
    refused(kd_specialist_labels(specialist, given, N - 1, given + 1, &e), KD_ERR_OVERLAP, &e, 4,
            "out_labels overlaps labels");
}

/* ---- soft targets ---- */

static kd_targets targets_of(kd_target_kind kind, const float *values, float temperature)
{
    kd_targets t = KD_TARGETS_INIT;
    t.kind = kind;
    t.values = values;
    t.temperature = temperature;
    return t;
}

static kd_targets fold(const kd_specialist *s, kd_targets t, float *out)
{
    kd_error e = KD_ERROR_INIT;
    kd_targets got = KD_TARGETS_INIT;
    support_ok(kd_specialist_targets(s, &t, N, out, &got, &e), e.text);
    assert_ptr_equal(got.values, out);
    assert_int_equal(got.kind, t.kind);
    assert_true(got.temperature == t.temperature);
    assert_int_equal(got.k, s == whole ? K : OWN + 1);
    assert_true(got.stride == 0 || got.stride == got.k);
    return got;
}

static bool is_own(size_t class)
{
    return output_of[class] < OWN;
}

static void logits_are_folded_at_one(void **state)
{
    (void)state;
    static float got[N * (OWN + 1)], all[N * K], p[N * K], q[N * (OWN + 1)];
    fold(specialist, targets_of(KD_TARGET_LOGITS, logits, 0), got);
    support_ok(kd_softmax(logits, N, K, 0, 1, p, 0, NULL), "softmax");
    support_ok(kd_softmax(got, N, OWN + 1, 0, 1, q, 0, NULL), "softmax");
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t c = 0; c < K; c++) {
            float *to = q + i * (OWN + 1) + output_of[c];
            sum += is_own(c) ? 0 : exp((double)logits[i * K + c]);
            if (is_own(c)) {
                support_near("p", (double)*to, (double)p[i * K + c], 1e-6);
                assert_true(got[i * (OWN + 1) + (size_t)output_of[c]] == logits[i * K + c]);
            }
        }
        support_near("dustbin", (double)got[i * (OWN + 1) + OWN], log(sum), 2e-6);
    }
    fold(whole, targets_of(KD_TARGET_LOGITS, logits, 0), all);
    support_same_bits("of all classes", all, logits, sizeof all);
}

static void probabilities_are_added(void **state)
{
    (void)state;
    static float p[N * K], log_p[N * K], got[N * (OWN + 1)], logs[N * (OWN + 1)];
    support_ok(kd_softmax(logits, N, K, 0, 3, p, 0, NULL), "softmax");
    support_ok(kd_log_softmax(logits, N, K, 0, 3, log_p, 0, NULL), "log_softmax");
    fold(specialist, targets_of(KD_TARGET_PROBABILITIES, p, 3), got);
    fold(specialist, targets_of(KD_TARGET_LOG_PROBABILITIES, log_p, 3), logs);
    for (size_t i = 0; i < N; i++) {
        double dustbin = 0;
        for (size_t c = 0; c < K; c++) {
            dustbin += is_own(c) ? 0 : (double)p[i * K + c];
            assert_true(!is_own(c) || got[i * (OWN + 1) + (size_t)output_of[c]] == p[i * K + c]);
        }
        support_near("dustbin", (double)got[i * (OWN + 1) + OWN], dustbin, 1e-7);
        support_near("its log", (double)logs[i * (OWN + 1) + OWN], log(dustbin), 2e-6);
    }
}

static void what_can_not_be_is_minus_infinity(void **state)
{
    (void)state;
    static float given[N * K], got[N * (OWN + 1)];
    for (size_t i = 0; i < N * K; i++) {
        given[i] = is_own(i % K) ? -3e38f : i / K % 2 && i % K != 4 ? -1 : -INFINITY;
    }
    given[K + 4] = 3e38f; /* far above the others */
    fold(specialist, targets_of(KD_TARGET_LOGITS, given, 0), got);
    for (size_t i = 0; i < N; i++) {
        float dustbin = got[i * (OWN + 1) + OWN];
        assert_true(i % 2 ? isfinite(dustbin) != 0 : isinf(dustbin) && dustbin < 0);
    }
    assert_true(got[OWN + 1 + OWN] == 3e38f);
}

static void bad_targets(void **state)
{
    (void)state;
    static float bad[N * K], out[N * (OWN + 1)];
    kd_error e = KD_ERROR_INIT;
    kd_targets got = KD_TARGETS_INIT, t = targets_of(KD_TARGET_LOGITS, logits, 0);
    const kd_targets empty = got;
    memcpy(bad, logits, sizeof bad);
    bad[N * K - 1] = NAN;
    const struct {
        kd_targets t;
        kd_status status;
        const char *words;
    } all[] = {
        {targets_of(KD_TARGET_LOGITS, bad, 0), KD_ERR_NOT_FINITE, "targets.values[199,8] is nan"},
        {targets_of(KD_TARGET_PROBABILITIES, logits, 1), KD_ERR_PROBABILITY, "targets.values"},
        {targets_of(KD_TARGET_LOG_PROBABILITIES, logits, 1), KD_ERR_PROBABILITY, "targets"},
        {targets_of(KD_TARGET_LOG_PROBABILITIES, logits, 0), KD_ERR_TEMPERATURE,
         "targets.temperature is 0"},
        {targets_of(KD_TARGET_TOPK, logits, 1), KD_ERR_SIZE, "targets.top is 0"},
        {targets_of(7, logits, 1), KD_ERR_KIND, "targets.kind is 7"},
        {targets_of(KD_TARGET_LOGITS, NULL, 0), KD_ERR_NULL, "targets.values is NULL"},
    };
    for (size_t i = 0; i < COUNT(all); i++) {
        support_refused(kd_specialist_targets(specialist, &all[i].t, N, out, &got, &e),
                        all[i].status, e.text, all[i].words);
        assert_int_equal(e.argument, 2);
    }
    refused(kd_specialist_targets(NULL, &t, N, out, &got, &e), KD_ERR_NULL, &e, 1,
            "specialist is NULL");
    refused(kd_specialist_targets(specialist, NULL, N, out, &got, &e), KD_ERR_NULL, &e, 2,
            "targets is NULL");
    refused(kd_specialist_targets(specialist, &t, 0, out, &got, &e), KD_ERR_SIZE, &e, 3, "n is 0");
    refused(kd_specialist_targets(specialist, &t, N, NULL, &got, &e), KD_ERR_NULL, &e, 4,
            "values is NULL");
    refused(kd_specialist_targets(specialist, &t, N, out, NULL, &e), KD_ERR_NULL, &e, 5,
            "out_targets is NULL");
    t.values = bad;
    bad[N * K - 1] = 0;
    refused(kd_specialist_targets(specialist, &t, N, bad + 1, &got, &e), KD_ERR_OVERLAP, &e, 4,
            "values overlaps targets.values");
    t.k = K + 1;
    refused(kd_specialist_targets(specialist, &t, N, out, &got, &e), KD_ERR_SHAPE, &e, 2,
            "targets.k is 10, but all of them have 9 classes");
    assert_memory_equal(&got, &empty, sizeof got);
}

/* ---- order ---- */

static size_t count_own(void)
{
    size_t own = 0;
    for (size_t i = 0; i < N; i++) {
        own += labels[i] >= 0 && is_own((size_t)labels[i]);
    }
    return own;
}

static size_t count_labels(void)
{
    size_t n = 0;
    for (size_t i = 0; i < N; i++) {
        n += labels[i] >= 0;
    }
    return n;
}

/* Every second case is of its classes, and each of those comes once. */
static void half_of_an_epoch_is_its_own(void **state)
{
    (void)state;
    uint32_t order[2 * N], before[2 * N] = {0};
    size_t used[N] = {0};
    size_t own = count_own(), others = count_labels() - own;
    assert_true(own > 20 && others > 2 * own);
    for (uint32_t epoch = 0; epoch < 100; epoch++) {
        size_t n = 0, seen[N] = {0};
        double prior;
        support_ok(kd_specialist_order(specialist, labels, N, 5, epoch, order, &n, &prior, NULL),
                   "order");
        assert_int_equal(n, 2 * own);
        assert_true(prior == (double)own / (double)(own + others));
        for (size_t i = 0; i < n; i++) {
            assert_true(order[i] < N && labels[order[i]] >= 0);
            assert_int_equal(is_own((size_t)labels[order[i]]), i % 2 == 0);
            assert_int_equal(seen[order[i]]++, 0);
            used[order[i]]++;
        }
        assert_true(memcmp(order, before, n * sizeof *order) != 0);
        memcpy(before, order, sizeof before);
    }
    for (size_t i = 0; i < N; i++) { /* others: as often as chance has it, within 5 deviations */
        double share = (double)own / (double)others;
        double mean = labels[i] < 0 ? 0 : is_own((size_t)labels[i]) ? 100 : 100 * share;
        double deviation = mean > 0 && mean < 100 ? sqrt(100 * share * (1 - share)) : 0;
        support_near("uses", (double)used[i], mean, 5 * deviation);
    }
}

static void an_order_is_that_of_its_key(void **state)
{
    (void)state;
    uint32_t a[2 * N], b[2 * N];
    size_t n;
    support_ok(kd_specialist_order(specialist, labels, N, 5, 3, a, &n, NULL, NULL), "order");
    support_ok(kd_specialist_order(specialist, labels, N, 5, 3, b, &n, NULL, NULL), "order");
    support_same_bits("again", a, b, n * sizeof *a);
    support_ok(kd_specialist_order(specialist, labels, N, 6, 3, b, &n, NULL, NULL), "order");
    assert_true(memcmp(a, b, n * sizeof *a) != 0);
}

/* As many others as own cases: which of them comes next is not always the same. */
static void both_halves_have_orders_of_their_own(void **state)
{
    (void)state;
    int32_t both[50];
    uint32_t order[100];
    size_t n, apart = 0;
    for (size_t i = 0; i < 50; i++) {
        both[i] = i % 2 ? 0 : 3;
    }
    support_ok(kd_specialist_order(specialist, both, 50, 1, 0, order, &n, NULL, NULL), "order");
    for (size_t i = 0; i < n; i += 2) { /* if one permutation served both, sums would be equal */
        uint32_t sum = order[i] + order[i + 1];
        apart += sum != order[0] + order[1];
    }
    assert_true(n == 50 && apart > 20);
}

/* Fewer others than own cases: they come again, each as often as the next, but for one. */
static void few_others_come_again(void **state)
{
    (void)state;
    int32_t few[50];
    uint32_t order[100];
    for (size_t others = 1; others < 50; others++) {
        size_t n, used[50] = {0};
        double prior;
        for (size_t i = 0; i < 50; i++) {
            few[i] = i < others ? 0 : 3;
        }
        support_ok(kd_specialist_order(specialist, few, 50, 1, 0, order, &n, &prior, NULL),
                   "order");
        assert_int_equal(n, 2 * (50 - others));
        support_near("prior", prior, (double)(50 - others) / 50, 1e-15);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(few[order[i]], i % 2 == 0 ? 3 : 0);
            used[order[i]]++;
        }
        for (size_t i = 0; i < 50; i++) {
            size_t least = i < others ? (50 - others) / others : 1;
            assert_true(used[i] >= least && used[i] <= least + (i < others));
        }
    }
}

static void without_a_dustbin_all_cases_come_once(void **state)
{
    (void)state;
    uint32_t order[2 * N];
    size_t n, seen[N] = {0};
    double prior;
    support_ok(kd_specialist_order(whole, labels, N, 1, 0, order, &n, &prior, NULL), "order");
    assert_int_equal(n, count_labels());
    assert_true(prior == 1);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(seen[order[i]]++, 0);
    }
}

static void no_order_of_nothing(void **state)
{
    (void)state;
    static const int32_t own[] = {7, 2, -1}, others[] = {0, 1, -1}, none[] = {-1, -1, -1};
    union {
        uint32_t order[6];
        int32_t labels[6];
    } both = {{0}};
    uint32_t order[6];
    size_t n = 9;
    kd_error e = KD_ERROR_INIT;
    refused(kd_specialist_order(specialist, own, 3, 1, 0, order, &n, NULL, &e), KD_ERR_EMPTY_BATCH,
            &e, 2, "none of 3 labels is of another class than the specialist's");
    refused(kd_specialist_order(specialist, others, 3, 1, 0, order, &n, NULL, &e),
            KD_ERR_EMPTY_BATCH, &e, 2, "none of 3 labels is of the specialist's classes");
    refused(kd_specialist_order(whole, none, 3, 1, 0, order, &n, NULL, &e), KD_ERR_EMPTY_BATCH, &e,
            2, "none of 3 labels is of the specialist's classes");
    refused(kd_specialist_order(specialist, NULL, 3, 1, 0, order, &n, NULL, &e), KD_ERR_NULL, &e, 2,
            "labels is NULL");
    refused(kd_specialist_order(specialist, own, 3, 1, 0, NULL, &n, NULL, &e), KD_ERR_NULL, &e, 6,
            "out_order is NULL");
    refused(kd_specialist_order(specialist, own, 3, 1, 0, order, NULL, NULL, &e), KD_ERR_NULL, &e,
            7, "out_n is NULL");
    refused(kd_specialist_order(specialist, both.labels, 3, 1, 0, both.order, &n, NULL, &e),
            KD_ERR_OVERLAP, &e, 6, "out_order overlaps labels");
    assert_int_equal(n, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_outputs),
        cmocka_unit_test(bad_labels),
        cmocka_unit_test(logits_are_folded_at_one),
        cmocka_unit_test(probabilities_are_added),
        cmocka_unit_test(what_can_not_be_is_minus_infinity),
        cmocka_unit_test(bad_targets),
        cmocka_unit_test(half_of_an_epoch_is_its_own),
        cmocka_unit_test(an_order_is_that_of_its_key),
        cmocka_unit_test(both_halves_have_orders_of_their_own),
        cmocka_unit_test(few_others_come_again),
        cmocka_unit_test(without_a_dustbin_all_cases_come_once),
        cmocka_unit_test(no_order_of_nothing),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
