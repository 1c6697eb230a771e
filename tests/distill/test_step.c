/* SPDX-License-Identifier: MIT */
/* One step: the same as its parts done by hand, with each term under its own weight. */
#include "../support/support.h"

#define INPUTS 5
#define K 4
#define CASES 12
#define STUDENT "5: 9 relu drop0.3 4"
#define TEACHER "5: 12 relu drop0.9 4"

static support_memory memory;
static kd_context *context;
static support_data data;
static kd_teacher *teacher;
static uint64_t teacher_hash;
static kd_net *teacher_net;

static void start(void)
{
    context = support_context(&memory);
    support_fill(&data, 8, 2 * CASES, INPUTS, K);
    teacher_net = support_net(context, TEACHER, 77);
    teacher_hash = support_hash(teacher_net);
    teacher = support_teacher(teacher_net);
}

static void stop(void)
{
    assert_true(support_hash(teacher_net) == teacher_hash);
    kd_teacher_destroy(teacher);
    kd_net_destroy(teacher_net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* A batch with everything: weights, some labels missing. */
static kd_batch full_batch(size_t begin)
{
    kd_batch batch = support_batch(&data, begin, CASES);
    data.labels[begin + 1] = -1;
    data.labels[begin + 5] = -1;
    data.weights[begin + 3] = 0;
    batch.case_weights = data.weights + begin;
    batch.epoch = 3;
    return batch;
}

/* ---- against the parts ---- */

/* A loop of the host's own, as train.h writes it. */
typedef struct hand {
    kd_net *net;
    kd_workspace *ws;
    kd_optimizer *optimizer;
    kd_teacher_workspace *ask;
    kd_loss_out out;
    double values[2]; /* soft, hard */
    kd_metrics_out metrics;
    double norm;
} hand;

static hand take_in_hand(kd_net *net, const kd_distiller_options *o)
{
    kd_error error = KD_ERROR_INIT;
    hand h = {net,
              support_workspace(net, o->batch, 1, o->seed),
              NULL,
              NULL,
              KD_LOSS_OUT_INIT,
              {0, 0},
              KD_METRICS_OUT_INIT,
              0};
    support_ok(kd_optimizer_create(net, o->optimizer, &h.optimizer, &error), error.text);
    support_ok(kd_teacher_workspace_create(teacher, o->batch, &h.ask, &error), error.text);
    return h;
}

static void let_go(hand *h)
{
    kd_teacher_workspace_destroy(h->ask);
    kd_optimizer_destroy(h->optimizer);
    kd_workspace_destroy(h->ws);
    kd_net_destroy(h->net);
}

static double norm_of(kd_net *net, kd_workspace *ws)
{
    kd_net_info info = KD_NET_INFO_INIT;
    double sum = 0;
    support_ok(kd_net_get_info(net, &info, NULL), "info");
    for (size_t i = 0; i < info.params; i++) {
        kd_param g = support_gradient(ws, i);
        for (size_t j = 0; j < g.rows * g.columns; j++) {
            sum += (double)g.values[j] * (double)g.values[j];
        }
    }
    return sqrt(sum);
}

static void step_by_hand(hand *h, const kd_distiller_options *o, const kd_batch *batch)
{
    kd_error error = KD_ERROR_INIT;
    kd_targets targets = KD_TARGETS_INIT;
    kd_term terms[] = {KD_TERM_INIT, KD_TERM_INIT};
    kd_loss_in in = KD_LOSS_IN_INIT;
    float d[CASES * K];
    const float *logits;
    if (batch->targets) {
        targets = *batch->targets;
    } else {
        support_ok(kd_teacher_targets(h->ask, batch, o->temperature, &targets, &error), error.text);
    }
    support_ok(kd_net_forward(h->ws, batch, &logits), kd_workspace_error(h->ws));
    terms[0].kind = o->soft_kind ? o->soft_kind : KD_TERM_SOFT;
    terms[0].temperature = o->temperature;
    terms[0].weight = o->soft_weight;
    terms[1].kind = KD_TERM_HARD;
    terms[1].weight = o->hard_weight;
    in.n = batch->n;
    in.k = K;
    in.logits = logits;
    in.labels = batch->labels;
    in.case_weights = batch->case_weights;
    in.targets = &targets;
    h->out.d_logits = d;
    h->out.term_values = h->values;
    h->values[1] = 0;
    support_ok(kd_loss(terms, batch->labels ? 2 : 1, &in, &h->out, &error), error.text);
    support_ok(kd_metrics(&in, o->temperature, &h->metrics, &error), error.text);
    support_ok(kd_net_backward(h->ws, d, 0, 0), kd_workspace_error(h->ws));
    h->norm = norm_of(h->net, h->ws);
    support_ok(kd_optimizer_step(h->optimizer, h->ws), kd_optimizer_error(h->optimizer));
}

static void same_number(const char *what, double got, double want)
{
    if (!(isnan(got) && isnan(want))) {
        support_near(what, got, want, 1e-12 * fabs(want));
    }
}

static void check_report(const kd_report *r, const hand *h, const kd_distiller_options *o)
{
    const kd_metrics_out *m = &h->metrics;
    double sum = (double)o->soft_weight * r->soft + (double)o->hard_weight * r->hard;
    same_number("total", r->total, h->out.total);
    same_number("total", r->total, sum);
    same_number("soft", r->soft, h->values[0]);
    same_number("hard", r->hard, h->values[1]);
    same_number("kl", r->kl, m->kl);
    same_number("teacher_entropy", r->teacher_entropy, m->teacher_entropy);
    same_number("student_entropy", r->student_entropy, m->student_entropy);
    same_number("agreement", r->agreement, m->agreement);
    same_number("accuracy", r->accuracy, m->accuracy);
    same_number("case_weight", r->case_weight, m->case_weight);
    same_number("label_weight", r->label_weight, m->label_weight);
    assert_true(r->cases == m->cases && r->labelled == m->labelled && r->errors == m->errors);
    assert_true(r->updates == 1 && r->skipped == 0);
    assert_true(r->temperature == (double)o->temperature);
    assert_true(r->rate == (double)o->optimizer->rate);
    if (o->gradient_norm) {
        support_near("gradient_norm", r->gradient_norm, h->norm, 1e-12 * h->norm);
    } else {
        assert_true(isnan(r->gradient_norm));
    }
}

/* Bit for bit, over several steps, with every kind of term, labels, targets and numbering. */
static void check_by_hand(const kd_distiller_options *o, size_t variant)
{
    kd_net *net = support_net(context, STUDENT, 5);
    hand h = take_in_hand(support_clone(net), o);
    kd_distiller *d = support_distiller(net, teacher, o);
    assert_string_equal(kd_distiller_error(d), "");
    for (size_t t = 0; t < 4; t++) {
        kd_batch batch = full_batch(t % 2 * CASES);
        batch.n = CASES - t;
        batch.labels = variant % 2 ? NULL : batch.labels;
        batch.ids = variant / 2 % 2 ? NULL : batch.ids;
        batch.case_weights = variant / 4 % 2 ? NULL : batch.case_weights;
        batch.targets = variant / 8 % 2 ? &data.targets : NULL;
        kd_batch before = batch;
        uint64_t data_before = support_data_hash(&data);
        kd_report r = support_step(d, &batch);
        assert_memory_equal(&batch, &before, sizeof batch);
        assert_true(support_data_hash(&data) == data_before);
        step_by_hand(&h, o, &batch);
        check_report(&r, &h, o);
        assert_true(support_hash(net) == support_hash(h.net));
    }
    kd_distiller_destroy(d);
    kd_net_destroy(net);
    let_go(&h);
}

static void a_step_is_its_parts(void **state)
{
    (void)state;
    static const kd_term_kind soft[] = {0, KD_TERM_SOFT, KD_TERM_KL, KD_TERM_MATCH,
                                        KD_TERM_MATCH_RAW};
    start();
    for (size_t i = 0; i < COUNT(soft) * 3 * 16; i++) {
        kd_optimizer_options optimizer = KD_OPTIMIZER_OPTIONS_INIT;
        kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
        optimizer.kind = 1 + (kd_optimizer_kind)(i / COUNT(soft) % 3);
        optimizer.momentum = 0.9f;
        optimizer.rate = 0.02f;
        optimizer.weight_decay = 0.01f;
        optimizer.max_norm = 2;
        optimizer.clip_norm = i % 2 ? 0.125f : 0; /* the norm is that before clipping */
        o.batch = CASES;
        o.temperature = 20;
        o.soft_weight = 0.7f;
        o.hard_weight = 0.2f;
        o.soft_kind = soft[i % COUNT(soft)];
        o.seed = i;
        o.gradient_norm = i % 2;
        o.optimizer = &optimizer;
        check_by_hand(&o, i / COUNT(soft) / 3);
    }
    stop();
}

/* ---- T^2 ---- */

/*
 * A net without hidden layers, so that value and gradient can be written down: T^2 times the
 * cross-entropy, and d = T (q - p) / n, whose norm does not shrink as T grows.
 */
static void the_soft_term_has_its_t_squared(void **state)
{
    (void)state;
    static const float temperatures[] = {1, 4, 20, 100};
    start();
    for (size_t i = 0; i < COUNT(temperatures); i++) {
        kd_net *net = support_net(context, "5: 4", 5);
        kd_param w = support_param(net, 0), b = support_param(net, 1);
        double t = (double)temperatures[i], value = 0, squares = 0, dw[K][INPUTS + 1] = {{0}};
        for (size_t n = 0; n < CASES; n++) {
            double q[K], p[K], q_sum = 0, p_sum = 0;
            const float *x = data.x + n * INPUTS;
            for (size_t k = 0; k < K; k++) {
                double z = (double)b.values[k];
                for (size_t j = 0; j < INPUTS; j++) {
                    z += (double)w.values[k * INPUTS + j] * (double)x[j];
                }
                q_sum += q[k] = exp(z / t);
                p_sum += p[k] = exp((double)data.v[n * K + k] / t);
            }
            for (size_t k = 0; k < K; k++) {
                double d = t * (q[k] / q_sum - p[k] / p_sum) / CASES;
                value -= t * t * p[k] / p_sum * log(q[k] / q_sum) / CASES;
                for (size_t j = 0; j <= INPUTS; j++) {
                    dw[k][j] += d * (j < INPUTS ? (double)x[j] : 1);
                }
            }
        }
        for (size_t j = 0; j < K * (INPUTS + 1); j++) {
            squares +=
                dw[j / (INPUTS + 1)][j % (INPUTS + 1)] * dw[j / (INPUTS + 1)][j % (INPUTS + 1)];
        }
        kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
        o.temperature = temperatures[i];
        o.hard_weight = 0;
        o.gradient_norm = 1;
        kd_distiller *distiller = support_distiller(net, NULL, &o);
        kd_batch batch = support_batch(&data, 0, CASES);
        batch.targets = &data.targets;
        kd_report r = support_step(distiller, &batch);
        support_near("soft", r.soft, value, 1e-6 * value);
        support_near("norm", r.gradient_norm, sqrt(squares), 1e-5 * sqrt(squares));
        assert_true(r.total == r.soft);
        kd_distiller_destroy(distiller);
        kd_net_destroy(net);
    }
    stop();
}

/* ---- weights ---- */

/* The student's weights after one step of plain SGD from a fixed start. */
static void after_step(float soft, float hard, const kd_batch *batch, float *out)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    kd_net *net = support_net(context, STUDENT, 5);
    o.soft_weight = soft;
    o.hard_weight = hard;
    kd_distiller *d = support_distiller(net, teacher, &o);
    support_step(d, batch);
    support_get_weights(net, out);
    kd_distiller_destroy(d);
    kd_net_destroy(net);
}

enum { VALUES = 9 * 5 + 9 + 4 * 9 + 4 };

/* A weight of 0 silences its own term, and only that. */
static void each_weight_serves_its_own_term(void **state)
{
    (void)state;
    float a[VALUES], b[VALUES], neither[VALUES], both[VALUES];
    int32_t labels[CASES];
    start();
    const kd_batch batch = support_batch(&data, 0, CASES);
    kd_batch other_labels = batch, other_targets = batch;
    for (size_t i = 0; i < CASES; i++) {
        labels[i] = (batch.labels[i] + 1) % K;
    }
    other_labels.labels = labels;
    other_targets.targets = &data.targets;
    after_step(0, 1, &batch, a);
    after_step(0, 1, &other_targets, b);
    support_same_bits("only hard", b, a, sizeof a);
    after_step(0, 1, &other_labels, b);
    assert_true(memcmp(a, b, sizeof a) != 0);
    after_step(1, 0, &batch, b);
    after_step(1, 0, &other_labels, both);
    support_same_bits("only soft", both, b, sizeof b);
    after_step(1, 0, &other_targets, both);
    assert_true(memcmp(b, both, sizeof b) != 0);
    after_step(0, 0, &batch, neither);
    after_step(2, 3, &batch, both);
    for (size_t i = 0; i < VALUES; i++) { /* the step is linear in the weights */
        double start_at = (double)neither[i];
        double move = 2 * ((double)b[i] - start_at) + 3 * ((double)a[i] - start_at);
        support_near("2 soft + 3 hard", (double)both[i], start_at + move,
                     0x1p-21 * (fabs(start_at) + fabs(move)));
    }
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_its_parts),
        cmocka_unit_test(the_soft_term_has_its_t_squared),
        cmocka_unit_test(each_weight_serves_its_own_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
