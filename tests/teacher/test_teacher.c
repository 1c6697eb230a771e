/* SPDX-License-Identifier: MIT */
/* What any teacher must do: one suite, run over every kind. */
#include "../support/support.h"

#include <pthread.h>

#define INPUTS 5
#define K 4
#define CASES 8

typedef struct world {
    support_memory memory;
    kd_context *context;
    support_data data;
} world;

/* ---- the kinds ---- */

/* The host lets go of a net at once: the teacher keeps it. */
static kd_teacher *from_net(world *w, uint64_t seed)
{
    kd_error error = KD_ERROR_INIT;
    kd_net *net = support_net(w->context, "5: 9 relu drop0.5 4", seed);
    kd_teacher *teacher;
    support_ok(kd_teacher_from_net(net, &teacher, &error), error.text);
    kd_net_destroy(net);
    return teacher;
}

static int32_t give_logits(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user;
    (void)temperature;
    for (size_t i = 0; i < batch->n; i++) {
        for (size_t j = 0; j < K; j++) {
            const float *x = batch->x + i * (batch->x_stride ? batch->x_stride : INPUTS);
            out[i * K + j] = 2 * x[j] - x[(j + 1) % INPUTS] * x[INPUTS - 1];
        }
    }
    return 0;
}

/* `user` points to T0, or is NULL for probabilities at whatever is asked for. */
static int32_t give_probabilities(void *user, const kd_batch *batch, float temperature, float *out)
{
    give_logits(NULL, batch, temperature, out);
    float t0 = user ? *(const float *)user : temperature;
    return kd_softmax(out, batch->n, K, 0, t0, out, 0, NULL);
}

static int32_t give_log_probabilities(void *user, const kd_batch *batch, float temperature,
                                      float *out)
{
    give_logits(NULL, batch, temperature, out);
    return kd_log_softmax(out, batch->n, K, 0, *(const float *)user, out, 0, NULL);
}

/* T0 is 0 or 2. */
static kd_teacher *from_callback(world *w, kd_teacher_fn fn, kd_target_kind kind, float t0)
{
    static float two = 2;
    kd_error error = KD_ERROR_INIT;
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    kd_teacher *teacher;
    o.k = K;
    o.kind = kind;
    o.temperature = t0;
    o.fn = fn;
    o.user = t0 > 0 ? &two : NULL;
    support_ok(kd_teacher_from_callback(w->context, &o, &teacher, &error), error.text);
    return teacher;
}

static kd_teacher *from_records(world *w)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher;
    support_ok(kd_teacher_from_logits(w->context, w->data.ids, w->data.v, w->data.n, K, 0, &teacher,
                                      &error),
               error.text);
    return teacher;
}

/* Members are let go of in an order of their own. */
static kd_teacher *together(kd_mean_kind kind, kd_teacher *a, kd_teacher *b, kd_teacher *c)
{
    static const float weights[] = {1, 2, 0.5f};
    kd_error error = KD_ERROR_INIT;
    kd_teacher *members[] = {a, b, c}, *teacher;
    size_t m = c ? 3 : b ? 2 : 1;
    support_ok(kd_teacher_from_ensemble(members, m, weights, kind, &teacher, &error), error.text);
    kd_teacher_destroy(b);
    kd_teacher_destroy(a);
    kd_teacher_destroy(c);
    return teacher;
}

static kd_teacher *make_net(world *w)
{
    return from_net(w, 1);
}

static kd_teacher *make_geometric(world *w)
{
    return together(KD_MEAN_GEOMETRIC, from_net(w, 1), from_net(w, 2), from_net(w, 3));
}

static kd_teacher *make_arithmetic(world *w)
{
    return together(KD_MEAN_ARITHMETIC, from_net(w, 1), from_net(w, 2), from_net(w, 3));
}

static kd_teacher *make_one(world *w)
{
    return together(KD_MEAN_ARITHMETIC, from_net(w, 1), NULL, NULL);
}

static kd_teacher *make_logits(world *w)
{
    return from_callback(w, give_logits, 0, 0);
}

static kd_teacher *make_probabilities(world *w)
{
    return from_callback(w, give_probabilities, KD_TARGET_PROBABILITIES, 0);
}

static kd_teacher *make_log_probabilities(world *w)
{
    return from_callback(w, give_log_probabilities, KD_TARGET_LOG_PROBABILITIES, 2);
}

static kd_teacher *make_records(world *w)
{
    return from_records(w);
}

static kd_teacher *make_nested(world *w)
{
    return together(KD_MEAN_ARITHMETIC, make_geometric(w), make_probabilities(w),
                    make_arithmetic(w));
}

static kd_teacher *make_mixed(world *w)
{
    kd_teacher *inner =
        together(KD_MEAN_GEOMETRIC, make_logits(w), make_log_probabilities(w), NULL);
    return together(KD_MEAN_GEOMETRIC, from_records(w), inner, make_one(w));
}

static kd_teacher *make_softened(world *w)
{
    return together(KD_MEAN_ARITHMETIC, make_log_probabilities(w), make_records(w),
                    make_probabilities(w));
}

/* What its specialists know is as the generalist has it: they are copies. */
static kd_teacher *with_specialists(world *w, kd_teacher *generalist)
{
    static const uint32_t classes[2][3] = {{0, 1, 3}, {3, 2, 0}};
    kd_error error = KD_ERROR_INIT;
    kd_specialist *specialists[2];
    kd_teacher *teacher;
    kd_net *net = support_net(w->context, "5: 9 relu drop0.5 4", 4);
    for (size_t i = 0; i < 2; i++) {
        kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
        o.classes = classes[i];
        o.n_classes = 3;
        o.generalist = net;
        support_ok(kd_specialist_create(w->context, &o, &specialists[i], &error), error.text);
    }
    support_ok(kd_teacher_from_specialists(generalist, specialists, 2, NULL, &teacher, &error),
               error.text);
    for (size_t i = 0; i < 2; i++) {
        kd_specialist_destroy(specialists[i]);
    }
    kd_net_destroy(net);
    kd_teacher_destroy(generalist);
    return teacher;
}

static kd_teacher *make_specialists(world *w)
{
    return with_specialists(w, from_net(w, 1));
}

static kd_teacher *make_deep(world *w)
{
    return together(KD_MEAN_ARITHMETIC, with_specialists(w, make_specialists(w)),
                    with_specialists(w, make_mixed(w)), make_softened(w));
}

typedef struct teacher_kind {
    const char *name;
    kd_teacher *(*make)(world *w);
    kd_target_kind gives;
} teacher_kind;

static const teacher_kind kinds[] = {
    {"net", make_net, KD_TARGET_LOGITS},
    {"geometric", make_geometric, KD_TARGET_LOGITS},
    {"arithmetic", make_arithmetic, KD_TARGET_PROBABILITIES},
    {"one", make_one, KD_TARGET_LOGITS},
    {"logits", make_logits, KD_TARGET_LOGITS},
    {"probabilities", make_probabilities, KD_TARGET_PROBABILITIES},
    {"log-probabilities", make_log_probabilities, KD_TARGET_LOG_PROBABILITIES},
    {"records", make_records, KD_TARGET_LOGITS},
    {"nested", make_nested, KD_TARGET_PROBABILITIES},
    {"mixed", make_mixed, KD_TARGET_LOGITS},
    {"softened", make_softened, KD_TARGET_PROBABILITIES},
    {"specialists", make_specialists, KD_TARGET_LOG_PROBABILITIES},
    {"deep", make_deep, KD_TARGET_PROBABILITIES},
};

/* ---- the suite ---- */

static kd_teacher_workspace *open_workspace(kd_teacher *teacher, size_t batch)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher_workspace *ws;
    support_ok(kd_teacher_workspace_create(teacher, batch, &ws, &error), error.text);
    return ws;
}

static kd_targets ask(kd_teacher_workspace *ws, const kd_batch *batch, float t)
{
    kd_targets targets = KD_TARGETS_INIT;
    kd_error error = KD_ERROR_INIT;
    support_ok(kd_teacher_targets(ws, batch, t, &targets, &error), error.text);
    return targets;
}

/* Kind and classes are right, and a loss takes the values as they are. */
static void check_targets(const teacher_kind *kind, const kd_targets *targets, float t)
{
    float z[CASES * K];
    uint64_t seed = 3;
    kd_loss_in in = KD_LOSS_IN_INIT;
    kd_loss_out out = KD_LOSS_OUT_INIT;
    kd_error error = KD_ERROR_INIT;
    assert_int_equal(targets->kind, kind->gives);
    assert_int_equal(targets->k, K);
    assert_true(targets->stride == 0 || targets->stride == K);
    support_normals(&seed, z, CASES * K, 2);
    in.n = CASES;
    in.k = K;
    in.logits = z;
    in.targets = targets;
    support_ok(kd_soft_cross_entropy(&in, t, &out, &error), error.text);
    assert_true(isfinite(out.total) && out.total > 0);
}

static void check_answers(world *w, const teacher_kind *kind, kd_teacher *teacher)
{
    static const float temperatures[] = {1, 2, 3.5f, 20};
    kd_teacher_workspace *ws = open_workspace(teacher, CASES);
    kd_teacher_workspace *other = open_workspace(teacher, 5);
    kd_batch whole = support_batch(&w->data, 0, CASES);
    kd_batch begin = support_batch(&w->data, 0, 3), end = support_batch(&w->data, 3, 5);
    uint64_t data_before = support_data_hash(&w->data);
    size_t calls = w->memory.calls;
    for (size_t i = 0; i < COUNT(temperatures); i++) {
        float t = temperatures[i], first[CASES * K];
        kd_targets targets = ask(ws, &whole, t);
        check_targets(kind, &targets, t);
        memcpy(first, targets.values, sizeof first);
        targets = ask(other, &begin, t);
        support_near_row(kind->name, targets.values, first, 3 * K, 1e-5, 1e-5);
        targets = ask(ws, &end, t);
        support_near_row(kind->name, targets.values, first + 3 * K, 5 * K, 1e-5, 1e-5);
        targets = ask(ws, &whole, t);
        support_same_bits(kind->name, targets.values, first, sizeof first);
    }
    assert_int_equal(w->memory.calls, calls); /* asking takes no memory */
    assert_true(support_data_hash(&w->data) == data_before);
    kd_teacher_workspace_destroy(other);
    kd_teacher_workspace_destroy(ws);
}

static void check_refusals(world *w, kd_teacher *teacher)
{
    kd_teacher_workspace *ws = open_workspace(teacher, CASES);
    const kd_batch good = support_batch(&w->data, 0, CASES);
    const kd_targets empty = KD_TARGETS_INIT;
    kd_targets targets = empty;
    kd_error e = KD_ERROR_INIT;
    support_refused(kd_teacher_targets(NULL, &good, 1, &targets, &e), KD_ERR_NULL, e.text,
                    "workspace");
    support_refused(kd_teacher_targets(ws, NULL, 1, &targets, &e), KD_ERR_NULL, e.text, "batch");
    support_refused(kd_teacher_targets(ws, &good, 1, NULL, &e), KD_ERR_NULL, e.text, "out_targets");
    const struct {
        size_t n, size;
        kd_status status;
        const char *words;
    } batches[] = {
        {0, sizeof(kd_batch), KD_ERR_SIZE, "batch.n is 0"},
        {CASES + 1, sizeof(kd_batch), KD_ERR_WORKSPACE, "batch.n is 9"},
        {(size_t)INT32_MAX + 1, sizeof(kd_batch), KD_ERR_TOO_LARGE, "batch.n is 2147483648"},
        {SIZE_MAX, sizeof(kd_batch), KD_ERR_TOO_LARGE, "batch.n is 18446744073709551615"},
        {CASES, 0, KD_ERR_STRUCT, "batch.struct_size is 0"},
        {CASES, SIZE_MAX, KD_ERR_STRUCT, "batch.struct_size"},
    };
    for (size_t i = 0; i < COUNT(batches); i++) {
        kd_batch bad = good;
        bad.n = batches[i].n;
        bad.struct_size = batches[i].size;
        support_refused(kd_teacher_targets(ws, &bad, 1, &targets, &e), batches[i].status, e.text,
                        batches[i].words);
    }
    static const float cold[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < COUNT(cold); i++) {
        support_refused(kd_teacher_targets(ws, &good, cold[i], &targets, &e), KD_ERR_TEMPERATURE,
                        e.text, "temperature is ");
    }
    targets.struct_size = 1;
    support_refused(kd_teacher_targets(ws, &good, 1, &targets, &e), KD_ERR_STRUCT, e.text,
                    "out_targets.struct_size is 1");
    targets.struct_size = sizeof targets;
    assert_memory_equal(&targets, &empty, sizeof targets); /* nothing was written */
    kd_teacher_workspace_destroy(ws);
}

/* The workspace keeps the teacher, and the teacher the context, when the host lets go of them. */
static void check_lifetimes(world *w, const teacher_kind *kind)
{
    world own = *w;
    own.context = support_context(&own.memory);
    kd_teacher *teacher = kind->make(&own);
    kd_teacher_workspace *ws = open_workspace(teacher, CASES);
    kd_batch batch = support_batch(&w->data, 0, CASES);
    kd_context_destroy(own.context);
    kd_teacher_destroy(teacher);
    kd_targets targets = ask(ws, &batch, 2);
    check_targets(kind, &targets, 2);
    kd_teacher_workspace_destroy(ws);
    support_all_returned(&own.memory);
}

static void every_kind_does_what_a_teacher_must(void **state)
{
    (void)state;
    static world w;
    support_fill(&w.data, 8, 2 * CASES, INPUTS, K);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        w.context = support_context(&w.memory);
        kd_teacher *teacher = kinds[i].make(&w);
        check_answers(&w, &kinds[i], teacher);
        check_refusals(&w, teacher);
        kd_teacher_destroy(teacher);
        kd_context_destroy(w.context);
        support_all_returned(&w.memory);
        check_lifetimes(&w, &kinds[i]);
    }
}

/* ---- one teacher, many threads ---- */

typedef struct worker {
    pthread_t thread;
    kd_teacher_workspace *ws;
    const kd_batch *batch;
    const float *want;
    bool good;
} worker;

static void *ask_often(void *given)
{
    worker *w = given;
    w->good = true;
    for (size_t i = 0; i < 50; i++) {
        kd_targets targets = KD_TARGETS_INIT;
        w->good = w->good && kd_teacher_targets(w->ws, w->batch, 3, &targets, NULL) == KD_OK &&
                  memcmp(targets.values, w->want, CASES * K * sizeof(float)) == 0;
    }
    kd_teacher_workspace_destroy(w->ws); /* references are counted from all threads at once */
    return NULL;
}

static void many_threads_ask_one_teacher(void **state)
{
    (void)state;
    static world w;
    worker workers[8];
    support_fill(&w.data, 8, 2 * CASES, INPUTS, K);
    w.context = support_context(&w.memory);
    kd_teacher *teacher = make_nested(&w);
    kd_teacher_workspace *ws = open_workspace(teacher, CASES);
    kd_batch batch = support_batch(&w.data, 0, CASES);
    kd_targets want = ask(ws, &batch, 3);
    for (size_t i = 0; i < COUNT(workers); i++) {
        workers[i] = (worker){0, open_workspace(teacher, CASES), &batch, want.values, false};
    }
    kd_teacher_destroy(teacher);
    for (size_t i = 0; i < COUNT(workers); i++) {
        assert_int_equal(pthread_create(&workers[i].thread, NULL, ask_often, &workers[i]), 0);
    }
    for (size_t i = 0; i < COUNT(workers); i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_true(workers[i].good);
    }
    kd_teacher_workspace_destroy(ws);
    kd_context_destroy(w.context);
    support_all_returned(&w.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_does_what_a_teacher_must),
        cmocka_unit_test(many_threads_ask_one_teacher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
