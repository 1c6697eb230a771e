/* SPDX-License-Identifier: MIT */
/*
 * Steps that fail. Nothing may have changed: the weights are the same bits, and all that comes
 * after is what a twin does who never met the failure.
 */
#include "../support/support.h"

#define INPUTS 5
#define K 4
#define BATCH 12
#define STUDENT "5: 9 relu drop0.3 4"

static support_memory memory;
static kd_context *context;
static support_data data;
static kd_teacher *teacher;

/* ---- a teacher that can be spoilt ---- */

typedef enum mood { GOOD, STOPS, SAYS_NAN, SAYS_INF, SAYS_NOTHING, REENTERS } mood;

static struct {
    mood mood;
    kd_distiller *distiller;
    kd_status step, evaluation;
} host;

static int32_t answer(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user;
    (void)temperature;
    for (size_t i = 0; i < batch->n * K; i++) {
        out[i] = data.v[(i * 7 + batch->n) % (BATCH * K)];
    }
    if (host.mood == SAYS_NAN || host.mood == SAYS_INF) {
        out[K + 2] = host.mood == SAYS_NAN ? NAN : INFINITY;
    }
    for (size_t k = 0; host.mood == SAYS_NOTHING && k < K; k++) {
        out[2 * K + k] = -INFINITY;
    }
    if (host.mood == REENTERS) {
        kd_report report = KD_REPORT_INIT;
        kd_batch own = *batch; /* with targets, so that the teacher would not be asked again */
        own.targets = &data.targets;
        host.step = kd_distill_step(host.distiller, &own, &report);
        host.evaluation = kd_distill_evaluate(host.distiller, &own, &report);
    }
    return host.mood == STOPS ? 5 : 0;
}

static void start(void)
{
    kd_error error = KD_ERROR_INIT;
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    context = support_context(&memory);
    support_fill(&data, 8, 3 * BATCH, INPUTS, K);
    o.k = K;
    o.fn = answer;
    host.mood = GOOD;
    support_ok(kd_teacher_from_callback(context, &o, &teacher, &error), error.text);
}

static void stop(void)
{
    kd_teacher_destroy(teacher);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* ---- what can go wrong ---- */

/* A batch to spoil, with buffers of its own. */
typedef struct spoilt {
    kd_batch batch;
    float x[BATCH * INPUTS];
    float weights[BATCH];
    float v[BATCH * K];
    int32_t labels[BATCH];
    kd_targets targets;
} spoilt;

typedef struct failure {
    const char *words;
    kd_status status;
    mood mood;
    bool second_phase; /* found when gradients are formed: micro-batches before it are dropped */
    void (*spoil)(spoilt *s);
} failure;

#define SPOIL(name, what)                                                                          \
    static void name(spoilt *s)                                                                    \
    {                                                                                              \
        what;                                                                                      \
    }
SPOIL(x_nan, s->x[2 * INPUTS + 1] = NAN)
SPOIL(x_inf, s->x[3 * INPUTS + 4] = -INFINITY)
SPOIL(label_high, s->labels[3] = K)
SPOIL(label_low, s->labels[4] = -2)
SPOIL(weight_nan, s->weights[1] = NAN)
SPOIL(weight_negative, s->weights[2] = -0.5f)
SPOIL(weights_none, memset(s->weights, 0, sizeof s->weights))
SPOIL(n_none, s->batch.n = 0)
SPOIL(n_many, s->batch.n = BATCH + 1)
SPOIL(n_huge, s->batch.n = (size_t)INT32_MAX + 1)
SPOIL(stride_short, s->batch.x_stride = INPUTS - 1)
SPOIL(x_none, s->batch.x = NULL)
SPOIL(more_what, s->batch.more = 2)
SPOIL(size_short, s->batch.struct_size = 7)
SPOIL(nothing, (void)s)
SPOIL(sum_wrong, s->targets.kind = KD_TARGET_PROBABILITIES)
SPOIL(target_nan, s->v[1] = NAN)
SPOIL(target_kind, s->targets.kind = 9)
SPOIL(target_k, s->targets.k = K + 1)
SPOIL(target_none, s->targets.values = NULL)
SPOIL(target_own, s->targets.kind = KD_TARGET_PROBABILITIES; s->targets.temperature = 7)

static void fill_x(spoilt *s, float scale)
{
    for (size_t i = 0; i < COUNT(s->x); i++) {
        s->x[i] *= scale;
    }
}
SPOIL(logits_explode, fill_x(s, 1e38f))
SPOIL(gradient_explodes, fill_x(s, 1e32f))

static const failure failures[] = {
    {"batch.x[2,1] is nan", KD_ERR_NOT_FINITE, GOOD, false, x_nan},
    {"batch.x[3,4] is -inf", KD_ERR_NOT_FINITE, GOOD, false, x_inf},
    {"batch.labels[3] is 4", KD_ERR_LABEL, GOOD, false, label_high},
    {"batch.labels[4] is -2", KD_ERR_LABEL, GOOD, false, label_low},
    {"batch.case_weights[1] is nan", KD_ERR_WEIGHT, GOOD, false, weight_nan},
    {"batch.case_weights[2] is -0.5", KD_ERR_WEIGHT, GOOD, false, weight_negative},
    {"none of the 12 cases", KD_ERR_EMPTY_BATCH, GOOD, false, weights_none},
    {"n is 0", KD_ERR_SIZE, GOOD, false, n_none},
    {"n is 13", KD_ERR_WORKSPACE, GOOD, false, n_many},
    {"n is 2147483648", KD_ERR_TOO_LARGE, GOOD, false, n_huge},
    {"stride of batch.x is 4", KD_ERR_SIZE, GOOD, false, stride_short},
    {"batch.x is NULL", KD_ERR_NULL, GOOD, false, x_none},
    {"batch.more is 2", KD_ERR_VALUE, GOOD, false, more_what},
    {"batch.struct_size is 7", KD_ERR_STRUCT, GOOD, false, size_short},
    {"callback returned 5", KD_ERR_CALLBACK, STOPS, false, nothing},
    {"teacher's targets.values[1,2] is nan", KD_ERR_NOT_FINITE, SAYS_NAN, false, nothing},
    {"teacher's targets.values[1,2] is inf", KD_ERR_NOT_FINITE, SAYS_INF, false, nothing},
    {"row 2 of the teacher's targets", KD_ERR_SUPPORT, SAYS_NOTHING, false, nothing},
    {"batch.targets.values", KD_ERR_PROBABILITY, GOOD, false, sum_wrong},
    {"batch.targets.values[0,1] is nan", KD_ERR_NOT_FINITE, GOOD, false, target_nan},
    {"batch.targets.kind is 9", KD_ERR_KIND, GOOD, false, target_kind},
    {"batch.targets.k is 5", KD_ERR_SHAPE, GOOD, false, target_k},
    {"batch.targets.values is NULL", KD_ERR_NULL, GOOD, false, target_none},
    {"temperature 7 and can't serve 3", KD_ERR_RETEMPER, GOOD, false, target_own},
    {"the student's logits[", KD_ERR_NOT_FINITE, GOOD, false, logits_explode},
    {"overflow", KD_ERR_NOT_FINITE, GOOD, true, gradient_explodes},
};

static void spoil(spoilt *s, const failure *f, bool numbered)
{
    s->batch = support_batch(&data, 0, BATCH);
    memcpy(s->x, data.x, sizeof s->x);
    memcpy(s->v, data.v, sizeof s->v);
    memcpy(s->labels, data.labels, sizeof s->labels);
    memcpy(s->weights, data.weights, sizeof s->weights);
    s->targets = data.targets;
    s->targets.values = s->v;
    s->batch.x = s->x;
    s->batch.labels = s->labels;
    s->batch.case_weights = s->weights;
    s->batch.ids = numbered ? s->batch.ids : NULL;
    f->spoil(s);
    if (strstr(f->words, "batch.targets") || f->status == KD_ERR_RETEMPER) {
        s->batch.targets = &s->targets;
    }
}

/* ---- victims and twins ---- */

static kd_distiller *distiller_of(kd_net *net, size_t kind, kd_nonfinite_policy policy)
{
    kd_optimizer_options optimizer = KD_OPTIMIZER_OPTIONS_INIT;
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    optimizer.kind = 1 + (kd_optimizer_kind)kind;
    optimizer.momentum = 0.9f;
    o.batch = BATCH;
    o.temperature = 3;
    o.optimizer = &optimizer;
    o.nonfinite = policy;
    return support_distiller(net, teacher, &o);
}

typedef struct pair {
    kd_net *net, *twin_net;
    kd_distiller *victim, *twin;
    size_t step;
    bool numbered;
} pair;

static pair start_pair(size_t kind, bool numbered, kd_nonfinite_policy policy)
{
    pair p = {support_net(context, STUDENT, 5), NULL, NULL, NULL, 0, numbered};
    p.twin_net = support_clone(p.net);
    p.victim = distiller_of(p.net, kind, policy);
    p.twin = distiller_of(p.twin_net, kind, policy);
    return p;
}

static void stop_pair(pair *p)
{
    kd_distiller_destroy(p->victim);
    kd_distiller_destroy(p->twin);
    kd_net_destroy(p->net);
    kd_net_destroy(p->twin_net);
}

static void good_step(pair *p, bool victim, bool twin, int32_t more)
{
    kd_batch batch = support_batch(&data, p->step % 3 * BATCH, BATCH - p->step % 2);
    p->step++;
    batch.ids = p->numbered ? batch.ids : NULL;
    batch.more = more;
    if (victim) {
        support_step(p->victim, &batch);
    }
    if (twin) {
        support_step(p->twin, &batch);
    }
}

static void good_steps(pair *p, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        good_step(p, true, true, 0);
        assert_true(support_hash(p->net) == support_hash(p->twin_net));
    }
}

/* The victim alone meets the failure; the weights stay as they are. */
static kd_status fail_once(pair *p, const failure *f, kd_report *report)
{
    static spoilt s;
    uint64_t before = support_hash(p->net);
    spoil(&s, f, p->numbered);
    host.mood = f->mood;
    kd_status status = kd_distill_step(p->victim, &s.batch, report);
    host.mood = GOOD;
    assert_true(support_hash(p->net) == before);
    return status;
}

static void failed_steps_change_nothing(void **state)
{
    (void)state;
    start();
    for (size_t i = 0; i < COUNT(failures) * 3 * 2 * 2; i++) {
        const failure *f = &failures[i % COUNT(failures)];
        size_t rest = i / COUNT(failures);
        bool numbered = rest / 3 % 2, pending = rest / 6;
        if (f->second_phase && !numbered) {
            continue; /* see below; and micro-batches that are dropped have moved the position */
        }
        if (f->status == KD_ERR_EMPTY_BATCH && pending) {
            continue; /* no failure then: a micro-batch may be empty */
        }
        pair p = start_pair(rest % 3, numbered, KD_NONFINITE_ERROR);
        good_steps(&p, 2);
        if (pending) {
            good_step(&p, true, !f->second_phase, 1);
        }
        kd_report report = KD_REPORT_INIT, untouched = report;
        support_refused(fail_once(&p, f, &report), f->status, kd_distiller_error(p.victim),
                        f->words);
        assert_memory_equal(&report, &untouched, sizeof report);
        assert_int_equal(fail_once(&p, f, NULL), f->status);
        good_steps(&p, 3);
        stop_pair(&p);
    }
    stop();
}

/* The other policy: a step that is not finite is counted, and the loop goes on. */
static void steps_that_are_not_finite_can_be_skipped(void **state)
{
    (void)state;
    start();
    for (size_t i = 0; i < COUNT(failures) * 3 * 2; i++) {
        const failure *f = &failures[i % COUNT(failures)];
        size_t rest = i / COUNT(failures);
        pair p = start_pair(rest % 3, rest / 3 || f->second_phase, KD_NONFINITE_SKIP);
        kd_report report = KD_REPORT_INIT, sum = report;
        good_steps(&p, 2);
        bool skipped = f->status == KD_ERR_NOT_FINITE;
        assert_int_equal(fail_once(&p, f, &report), skipped ? KD_OK : f->status);
        assert_int_equal(report.skipped, skipped);
        assert_true(report.updates == 0 && report.cases == 0 && report.case_weight == 0);
        assert_int_equal(isnan(report.total) && isnan(report.hard) && isnan(report.soft), skipped);
        support_ok(kd_report_merge(&sum, &report, NULL), "merge");
        assert_int_equal(sum.skipped, skipped);
        good_steps(&p, 3);
        stop_pair(&p);
    }
    stop();
}

/* Cases without ids: a step that failed late has not moved their running position either. */
static void a_late_failure_does_not_move_the_position(void **state)
{
    (void)state;
    const failure *late = &failures[COUNT(failures) - 1];
    assert_true(late->second_phase);
    start();
    for (kd_nonfinite_policy policy = KD_NONFINITE_ERROR; policy <= KD_NONFINITE_SKIP; policy++) {
        pair p = start_pair(0, false, policy);
        good_steps(&p, 2);
        fail_once(&p, late, NULL);
        good_steps(&p, 3);
        stop_pair(&p);
    }
    stop();
}

/* The callback asks the distiller that is asking it. */
static void reentry_is_refused_and_harmless(void **state)
{
    (void)state;
    start();
    pair p = start_pair(0, true, KD_NONFINITE_ERROR);
    good_steps(&p, 1);
    kd_batch batch = support_batch(&data, 0, BATCH);
    host.distiller = p.victim;
    host.mood = REENTERS;
    support_step(p.victim, &batch);
    assert_int_equal(host.step, KD_ERR_BUSY);
    assert_int_equal(host.evaluation, KD_ERR_BUSY);
    support_evaluate(p.victim, &batch);
    assert_int_equal(host.step, KD_ERR_BUSY);
    host.distiller = NULL; /* and NULL is no distiller at all */
    support_step(p.twin, &batch);
    assert_int_equal(host.step, KD_ERR_NULL);
    host.mood = GOOD;
    good_steps(&p, 3);
    stop_pair(&p);
    stop();
}

/* A recorded teacher does not know the case. */
static void an_unknown_id_changes_nothing(void **state)
{
    (void)state;
    start();
    kd_teacher *callback = teacher;
    kd_error error = KD_ERROR_INIT;
    uint64_t ids[BATCH];
    support_ok(kd_teacher_from_logits(context, data.ids, data.v, 3 * BATCH, K, 0, &teacher, &error),
               error.text);
    pair p = start_pair(0, true, KD_NONFINITE_SKIP);
    good_steps(&p, 2);
    kd_batch batch = support_batch(&data, 0, BATCH);
    memcpy(ids, data.ids, sizeof ids);
    ids[6] = 42;
    batch.ids = ids;
    uint64_t before = support_hash(p.net);
    support_refused(kd_distill_step(p.victim, &batch, NULL), KD_ERR_ID,
                    kd_distiller_error(p.victim), "batch.ids[6] is 42");
    batch.ids = NULL;
    support_refused(kd_distill_step(p.victim, &batch, NULL), KD_ERR_NULL,
                    kd_distiller_error(p.victim), "batch.ids is NULL");
    assert_true(support_hash(p.net) == before);
    good_steps(&p, 2);
    stop_pair(&p);
    kd_teacher_destroy(teacher);
    teacher = callback;
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_steps_change_nothing),
        cmocka_unit_test(steps_that_are_not_finite_can_be_skipped),
        cmocka_unit_test(a_late_failure_does_not_move_the_position),
        cmocka_unit_test(reentry_is_refused_and_harmless),
        cmocka_unit_test(an_unknown_id_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
