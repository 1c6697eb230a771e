/* SPDX-License-Identifier: MIT */
/* Batches that bring the top classes of their soft targets: steps, evaluations, what is refused. */
#include "../support/support.h"

#define INPUTS 5
#define K 6
#define CASES 12
#define PIECE 5
#define T 3

static support_memory memory;
static kd_context *context;
static support_data data;

/* The `top` largest of each row of data.v, and the rest. */
typedef struct given {
    float values[CASES * K], tail[CASES];
    uint32_t index[CASES * K];
    kd_targets targets;
} given;

static void give_row(given *g, size_t row, size_t top)
{
    const float *v = data.v + row * K;
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < K; i++) {
        size_t larger = 0;
        for (size_t j = 0; j < K; j++) {
            larger += v[j] > v[i];
        }
        if (larger < top) {
            g->index[row * top + count] = (uint32_t)i;
            g->values[row * top + count++] = v[i];
        } else {
            sum += exp((double)v[i] / T);
        }
    }
    g->tail[row] = count < K ? (float)log(sum) : -INFINITY;
}

static void give(given *g, size_t top)
{
    memset(g, 0, sizeof *g);
    for (size_t row = 0; row < CASES; row++) {
        give_row(g, row, top);
    }
    g->targets = (kd_targets)KD_TARGETS_INIT;
    g->targets.kind = KD_TARGET_TOPK;
    g->targets.temperature = T;
    g->targets.values = g->values;
    g->targets.top = top;
    g->targets.topk_index = g->index;
    g->targets.tail = g->tail;
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

static kd_distiller *distiller_of(kd_net *net, size_t batch, kd_term_kind soft)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.batch = batch;
    o.temperature = T;
    o.soft_weight = 0.7f;
    o.hard_weight = 0.2f;
    o.soft_kind = soft;
    return support_distiller(net, NULL, &o);
}

static kd_batch batch_of(const kd_targets *targets)
{
    kd_batch batch = support_batch(&data, 0, CASES);
    batch.case_weights = data.weights;
    batch.targets = targets;
    return batch;
}

/* The weights after one step, and its report. */
static size_t step(const kd_targets *targets, kd_term_kind soft, float *out, kd_report *report)
{
    kd_net *net = support_net(context, "5: 9 relu 6", 5);
    kd_distiller *d = distiller_of(net, CASES, soft);
    kd_batch batch = batch_of(targets);
    *report = support_step(d, &batch);
    support_get_weights(net, out);
    size_t count = support_values(net);
    kd_distiller_destroy(d);
    kd_net_destroy(net);
    return count;
}

/* With every class given, the step of the logits themselves; with fewer, another, with less KL. */
static void steps(void **state)
{
    (void)state;
    static const kd_term_kind kinds[] = {KD_TERM_SOFT, KD_TERM_KL};
    float dense[200], bucket[200];
    kd_report full, r;
    given g;
    start();
    for (size_t i = 0; i < COUNT(kinds); i++) {
        double before;
        size_t count = step(&data.targets, kinds[i], dense, &full);
        before = full.kl * (1 + 1e-5);
        for (size_t top = K; top > 0; top--) {
            give(&g, top);
            step(&g.targets, kinds[i], bucket, &r);
            if (top == K) {
                support_near_row("all", bucket, dense, count, 1e-5, 1e-6);
                support_near("kl", r.kl, full.kl, 1e-5 * full.kl);
                support_near("soft", r.soft, full.soft, 1e-5 * full.soft);
                support_near("entropy", r.teacher_entropy, full.teacher_entropy, 1e-5);
            }
            assert_true(r.kl <= before && r.kl >= 0);
            support_near("agreement", r.agreement, full.agreement, 0);
            support_near("student", r.student_entropy, full.student_entropy, 1e-5);
            support_near("hard", r.hard, full.hard, 1e-12);
            before = r.kl * (1 + 1e-5);
        }
    }
    stop();
}

/* In pieces of the workspace's size it is the mean that kd_metrics finds in one. */
static void evaluations_in_pieces(void **state)
{
    (void)state;
    float logits[CASES * K], wide[CASES * (K + 2)];
    given g;
    start();
    kd_net *net = support_net(context, "5: 9 relu 6", 5);
    kd_workspace *ws = support_workspace(net, CASES, 0, 0);
    support_ok(kd_net_infer(ws, data.x, CASES, 0, logits, 0), "infer");
    for (size_t top = 1; top <= K; top++) {
        give(&g, top);
        kd_batch batch = batch_of(&g.targets);
        kd_metrics_out m = KD_METRICS_OUT_INIT;
        kd_loss_in in = KD_LOSS_IN_INIT;
        in.n = CASES;
        in.k = K;
        in.logits = logits;
        in.labels = data.labels;
        in.case_weights = data.weights;
        in.targets = &g.targets;
        support_ok(kd_metrics(&in, T, &m, NULL), "metrics");
        for (size_t apart = 0; apart <= 2; apart += 2) {
            kd_distiller *d = distiller_of(net, PIECE, KD_TERM_KL);
            for (size_t i = 0; i < CASES * top; i++) {
                wide[i / top * (top + apart) + i % top] = g.values[i];
            }
            g.targets.values = wide;
            g.targets.stride = apart ? top + apart : 0;
            kd_report r = support_evaluate(d, &batch);
            support_near("kl", r.kl, m.kl, 1e-6);
            support_near("soft", r.soft, T * T * m.kl, 1e-5);
            support_near("teacher", r.teacher_entropy, m.teacher_entropy, 1e-6);
            support_near("student", r.student_entropy, m.student_entropy, 1e-6);
            support_near("agreement", r.agreement, m.agreement, 1e-12);
            assert_int_equal(r.cases, CASES);
            kd_distiller_destroy(d);
        }
    }
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
    stop();
}

/* By a step and by an evaluation alike, with nothing learned. */
static void refused_by(const kd_targets *targets, kd_term_kind soft, kd_status status,
                       const char *words)
{
    kd_net *net = support_net(context, "5: 9 relu 6", 5);
    kd_distiller *d = distiller_of(net, CASES, soft);
    kd_distiller *small = distiller_of(net, PIECE, soft);
    kd_batch batch = batch_of(targets);
    kd_report r = KD_REPORT_INIT;
    uint64_t before = support_hash(net);
    support_refused(kd_distill_step(d, &batch, NULL), status, kd_distiller_error(d), words);
    support_refused(kd_distill_evaluate(d, &batch, &r), status, kd_distiller_error(d), words);
    support_refused(kd_distill_evaluate(small, &batch, &r), status, kd_distiller_error(small),
                    words);
    assert_true(support_hash(net) == before);
    kd_distiller_destroy(small);
    kd_distiller_destroy(d);
    kd_net_destroy(net);
}

static void refusals(void **state)
{
    (void)state;
    given g;
    start();
    give(&g, 2);
    refused_by(&g.targets, KD_TERM_MATCH, KD_ERR_KIND, "batch.targets.kind is 4");
    refused_by(&g.targets, KD_TERM_MATCH_RAW, KD_ERR_KIND, "batch.targets.kind is 4");
    g.targets.temperature = 2;
    refused_by(&g.targets, KD_TERM_SOFT, KD_ERR_RETEMPER, "batch.targets.tail is at temperature 2");
    give(&g, 2);
    g.targets.top = 0;
    refused_by(&g.targets, KD_TERM_SOFT, KD_ERR_SIZE, "batch.targets.top is 0");
    g.targets.top = K + 1;
    refused_by(&g.targets, KD_TERM_SOFT, KD_ERR_SHAPE, "batch.targets.top is 7");
    give(&g, 2);
    g.targets.topk_index = NULL;
    refused_by(&g.targets, KD_TERM_SOFT, KD_ERR_NULL, "batch.targets.topk_index is NULL");
    give(&g, 2);
    g.targets.tail = NULL;
    refused_by(&g.targets, KD_TERM_SOFT, KD_ERR_NULL, "batch.targets.tail is NULL");
    give(&g, 2); /* rows are counted from the start of the batch, whatever the piece */
    g.tail[CASES - 1] = NAN;
    refused_by(&g.targets, KD_TERM_SOFT, KD_ERR_NOT_FINITE, "batch.targets.tail[11] is nan");
    give(&g, 2);
    g.index[2 * 7 + 1] = K;
    refused_by(&g.targets, KD_TERM_SOFT, KD_ERR_INDEX, "batch.targets.topk_index[7,1] is 6");
    give(&g, 2);
    g.values[2 * 9] = INFINITY;
    refused_by(&g.targets, KD_TERM_SOFT, KD_ERR_NOT_FINITE, "batch.targets.values[9,0] is inf");
    kd_targets forgotten = data.targets;
    forgotten.top = 2;
    refused_by(&forgotten, KD_TERM_SOFT, KD_ERR_VALUE, "batch.targets.top is set");
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps),
        cmocka_unit_test(evaluations_in_pieces),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
