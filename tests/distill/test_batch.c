/* SPDX-License-Identifier: MIT */
/* What a batch brings along: case weights, order, strides, and soft targets of every kind. */
#include "../support/support.h"

#define INPUTS 5
#define K 4
#define CASES 12
#define MOST_VALUES 128

static support_memory memory;
static kd_context *context;
static support_data data;
static size_t asked; /* calls of the callback */

static int32_t count_calls(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user;
    (void)temperature;
    asked++;
    memcpy(out, data.v, batch->n * K * sizeof *out);
    return 0;
}

static void start(void)
{
    context = support_context(&memory);
    support_fill(&data, 8, CASES, INPUTS, K);
}

static void stop(void)
{
    kd_context_destroy(context);
    support_all_returned(&memory);
}

static kd_teacher *from_callback(void)
{
    kd_error error = KD_ERROR_INIT;
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    kd_teacher *teacher;
    o.k = K;
    o.fn = count_calls;
    support_ok(kd_teacher_from_callback(context, &o, &teacher, &error), error.text);
    return teacher;
}

static kd_distiller_options options_of(kd_term_kind soft)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.batch = 2 * CASES;
    o.temperature = 3;
    o.soft_weight = 0.7f;
    o.hard_weight = 0.2f;
    o.soft_kind = soft;
    return o;
}

/* The weights of a net with dropout after one update from a fixed start. */
static size_t after_step(const kd_batch *batch, kd_term_kind soft, kd_teacher *teacher, float *out)
{
    static kd_optimizer_options optimizer = KD_OPTIMIZER_OPTIONS_INIT;
    kd_distiller_options o = options_of(soft);
    kd_net *net = support_net(context, "5: 9 relu drop0.3 4", 5);
    size_t count = support_values(net);
    optimizer.rate = 1;
    o.optimizer = &optimizer;
    kd_distiller *d = support_distiller(net, teacher, &o);
    support_step(d, batch);
    support_get_weights(net, out);
    kd_distiller_destroy(d);
    kd_net_destroy(net);
    return count;
}

static kd_batch taught_batch(void)
{
    kd_batch batch = support_batch(&data, 0, CASES);
    batch.targets = &data.targets;
    batch.epoch = 9;
    return batch;
}

/* ---- cases ---- */

/* A batch of the rows of another. */
typedef struct rows {
    float x[2 * CASES * INPUTS], v[2 * CASES * K], weights[2 * CASES];
    int32_t labels[2 * CASES];
    uint64_t ids[2 * CASES];
    kd_targets targets;
    kd_batch batch;
} rows;

static void pick(rows *r, const size_t *order, size_t n, const float *weights)
{
    r->batch = taught_batch();
    r->targets = data.targets;
    for (size_t i = 0; i < n; i++) {
        memcpy(r->x + i * INPUTS, data.x + order[i] * INPUTS, INPUTS * sizeof(float));
        memcpy(r->v + i * K, data.v + order[i] * K, K * sizeof(float));
        r->labels[i] = data.labels[order[i]];
        r->ids[i] = data.ids[order[i]];
        r->weights[i] = weights ? weights[i] : 1;
    }
    r->targets.values = r->v;
    r->batch.n = n;
    r->batch.x = r->x;
    r->batch.labels = r->labels;
    r->batch.ids = r->ids;
    r->batch.case_weights = weights ? r->weights : NULL;
    r->batch.targets = &r->targets;
}

/*
 * A weight of 2 is the case twice, one of 0 leaves it out, and only ratios count. Masks go with
 * ids, so all of this holds with dropout, and for any order.
 */
static void weights_are_numbers_of_cases(void **state)
{
    (void)state;
    static rows r;
    static const size_t order[] = {0, 1, 2, 3, 4};
    static const float counts[] = {1, 2, 0, 3, 1}, halves[] = {0.5f, 1, 0, 1.5f, 0.5f};
    static const size_t repeated[] = {3, 1, 0, 3, 4, 1, 3};
    float want[MOST_VALUES], got[MOST_VALUES];
    start();
    pick(&r, order, 5, counts);
    size_t values = after_step(&r.batch, 0, NULL, want);
    pick(&r, order, 5, halves);
    after_step(&r.batch, 0, NULL, got);
    support_near_row("halves", got, want, values, 1e-6, 1e-6);
    pick(&r, repeated, COUNT(repeated), NULL);
    after_step(&r.batch, 0, NULL, got);
    support_near_row("repeated", got, want, values, 1e-6, 1e-6);
    stop();
}

static void rows_may_be_wide(void **state)
{
    (void)state;
    enum { WIDE = INPUTS + 4, APART = K + 1 };
    float x[CASES * WIDE], v[CASES * APART], want[MOST_VALUES], got[MOST_VALUES];
    start();
    for (size_t i = 0; i < COUNT(x); i++) {
        x[i] = i % WIDE < INPUTS ? data.x[i / WIDE * INPUTS + i % WIDE] : NAN;
    }
    for (size_t i = 0; i < COUNT(v); i++) {
        v[i] = i % APART < K ? data.v[i / APART * K + i % APART] : NAN;
    }
    kd_batch batch = taught_batch();
    kd_targets wide = data.targets;
    size_t values = after_step(&batch, 0, NULL, want);
    batch.x = x;
    batch.x_stride = WIDE;
    wide.values = v;
    wide.stride = APART;
    wide.k = K;
    batch.targets = &wide;
    after_step(&batch, 0, NULL, got);
    support_near_row("wide", got, want, values, 1e-6, 1e-6);
    stop();
}

/* ---- soft targets of the host's ---- */

static kd_targets targets_of(kd_target_kind kind, float t0, const float *values)
{
    kd_targets targets = KD_TARGETS_INIT;
    targets.kind = kind;
    targets.temperature = t0;
    targets.values = values;
    return targets;
}

/* Softened by the host or by the term, they teach the same; and the teacher is not asked. */
static void targets_of_the_host_come_first(void **state)
{
    (void)state;
    static const kd_term_kind kinds[] = {KD_TERM_SOFT, KD_TERM_KL, KD_TERM_MATCH,
                                         KD_TERM_MATCH_RAW};
    float soft[CASES * K], logs[CASES * K], want[MOST_VALUES], got[MOST_VALUES];
    start();
    support_ok(kd_softmax(data.v, CASES, K, 0, 3, soft, 0, NULL), "softmax");
    support_ok(kd_log_softmax(data.v, CASES, K, 0, 2, logs, 0, NULL), "log_softmax");
    const kd_targets given[] = {
        targets_of(KD_TARGET_LOGITS, 0, data.v),
        targets_of(KD_TARGET_LOG_PROBABILITIES, 2, logs),
        targets_of(KD_TARGET_PROBABILITIES, 3, soft),
        targets_of(KD_TARGET_PROBABILITIES, 0, soft),
    };
    kd_teacher *teacher = from_callback();
    for (size_t i = 0; i < COUNT(kinds); i++) {
        kd_batch batch = taught_batch();
        size_t usable = kinds[i] == KD_TERM_MATCH ? 2 : kinds[i] == KD_TERM_MATCH_RAW ? 1 : 4;
        batch.targets = NULL;
        asked = 0;
        size_t values = after_step(&batch, kinds[i], teacher, want);
        assert_int_equal(asked, 1);
        for (size_t t = 0; t < usable; t++) {
            batch.targets = &given[t];
            after_step(&batch, kinds[i], t % 2 ? NULL : teacher, got);
            support_near_row("given", got, want, values, 4e-6, 4e-6);
        }
        assert_int_equal(asked, 1);
    }
    kd_teacher_destroy(teacher);
    stop();
}

static void targets_must_fit_the_term(void **state)
{
    (void)state;
    float soft[CASES * K];
    const struct {
        kd_target_kind given;
        float t0;
        kd_term_kind kind;
        kd_status status;
    } cases[] = {
        {KD_TARGET_PROBABILITIES, 0, KD_TERM_MATCH, KD_ERR_KIND},
        {KD_TARGET_PROBABILITIES, 0, KD_TERM_MATCH_RAW, KD_ERR_KIND},
        {KD_TARGET_LOG_PROBABILITIES, 2, KD_TERM_MATCH_RAW, KD_ERR_KIND},
        {KD_TARGET_PROBABILITIES, 4, KD_TERM_SOFT, KD_ERR_RETEMPER},
    };
    start();
    support_ok(kd_softmax(data.v, CASES, K, 0, 3, soft, 0, NULL), "softmax");
    for (size_t i = 0; i < COUNT(cases); i++) {
        kd_distiller_options o = options_of(cases[i].kind);
        kd_net *net = support_net(context, "5: 4", 5);
        kd_distiller *d = support_distiller(net, NULL, &o);
        kd_batch batch = taught_batch();
        kd_report r = KD_REPORT_INIT;
        uint64_t before = support_hash(net);
        kd_targets targets = targets_of(cases[i].given, cases[i].t0, soft);
        batch.targets = &targets;
        support_refused(kd_distill_step(d, &batch, NULL), cases[i].status, kd_distiller_error(d),
                        "batch.targets");
        support_refused(kd_distill_evaluate(d, &batch, &r), cases[i].status, kd_distiller_error(d),
                        "batch.targets");
        assert_true(support_hash(net) == before);
        kd_distiller_destroy(d);
        kd_net_destroy(net);
    }
    stop();
}

/* Nobody gives soft targets: only a soft weight of 0 makes sense then. */
static void a_soft_weight_needs_targets(void **state)
{
    (void)state;
    start();
    kd_net *net = support_net(context, "5: 4", 5);
    kd_distiller *d = support_distiller(net, NULL, NULL); /* soft_weight is 1 */
    kd_batch batch = support_batch(&data, 0, CASES);
    kd_report r = KD_REPORT_INIT;
    uint64_t before = support_hash(net);
    support_refused(kd_distill_step(d, &batch, &r), KD_ERR_NULL, kd_distiller_error(d),
                    "soft_weight is 1");
    assert_true(support_hash(net) == before);
    r = support_evaluate(d, &batch); /* what there is can be measured */
    assert_true(r.soft == 0 && r.hard > 0 && isnan(r.kl) && r.cases == CASES);
    batch.targets = &data.targets;
    support_step(d, &batch);
    kd_distiller_destroy(d);
    kd_distiller_options o = options_of(0);
    o.soft_weight = 0;
    d = support_distiller(net, NULL, &o);
    batch.targets = NULL;
    batch.labels = NULL;
    support_refused(kd_distill_step(d, &batch, &r), KD_ERR_EMPTY_BATCH, kd_distiller_error(d),
                    "batch.labels is NULL");
    kd_distiller_destroy(d);
    kd_net_destroy(net);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_numbers_of_cases),
        cmocka_unit_test(rows_may_be_wide),
        cmocka_unit_test(targets_of_the_host_come_first),
        cmocka_unit_test(targets_must_fit_the_term),
        cmocka_unit_test(a_soft_weight_needs_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
