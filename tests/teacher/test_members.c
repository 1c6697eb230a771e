/* SPDX-License-Identifier: MIT */
/* Nets as teachers, and their means: no dropout, normalised weights, ensembles of one. */
#include "../support/support.h"

#define INPUTS 5
#define K 4
#define CASES 8
#define ANSWER (CASES * K)

static support_memory memory;
static kd_context *context;
static support_data data;

static void start(void)
{
    context = support_context(&memory);
    support_fill(&data, 8, 40, INPUTS, K);
}

static void stop(void)
{
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* The answer to the first cases; the teacher is let go of. */
static kd_targets ask_once(kd_teacher *teacher, float t, float *out)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher_workspace *ws;
    kd_targets targets = KD_TARGETS_INIT;
    kd_batch batch = support_batch(&data, 0, CASES);
    support_ok(kd_teacher_workspace_create(teacher, CASES, &ws, &error), error.text);
    support_ok(kd_teacher_targets(ws, &batch, t, &targets, &error), error.text);
    memcpy(out, targets.values, ANSWER * sizeof *out);
    targets.values = NULL;
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(teacher);
    return targets;
}

static kd_teacher *from_net(kd_net *net)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher;
    support_ok(kd_teacher_from_net(net, &teacher, &error), error.text);
    return teacher;
}

static kd_teacher *from_logits(const float *logits)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher;
    support_ok(kd_teacher_from_logits(context, data.ids, logits, CASES, K, 0, &teacher, &error),
               error.text);
    return teacher;
}

/* ---- nets ---- */

/* Whatever dropout a net has and whatever key a batch brings: the bits of inference. */
static void a_net_teacher_never_drops(void **state)
{
    (void)state;
    static const char *const shapes[] = {"5: 20 relu drop0.9 4", "5: drop0.9 20 relu 4",
                                         "5: 20 relu 4 drop0.9", "5: 4"};
    start();
    for (size_t s = 0; s < COUNT(shapes); s++) {
        float want[ANSWER];
        kd_error error = KD_ERROR_INIT;
        kd_net *net = support_net(context, shapes[s], 2);
        kd_workspace *infers = support_workspace(net, CASES, 0, 0);
        kd_teacher *teacher = from_net(net);
        kd_teacher_workspace *ws;
        support_ok(kd_net_infer(infers, data.x, CASES, 0, want, 0), kd_workspace_error(infers));
        support_ok(kd_teacher_workspace_create(teacher, CASES, &ws, &error), error.text);
        uint64_t before = support_hash(net);
        for (uint32_t epoch = 0; epoch < 5; epoch++) {
            kd_targets targets = KD_TARGETS_INIT;
            kd_batch batch = support_batch(&data, 0, CASES);
            batch.epoch = epoch;
            batch.ids = epoch % 2 ? batch.ids : NULL;
            support_ok(kd_teacher_targets(ws, &batch, 2, &targets, &error), error.text);
            support_same_bits(shapes[s], targets.values, want, sizeof want);
        }
        assert_true(support_hash(net) == before);
        kd_teacher_workspace_destroy(ws);
        kd_teacher_destroy(teacher);
        kd_workspace_destroy(infers);
        kd_net_destroy(net);
    }
    stop();
}

/* ---- ensembles ---- */

/* Logits of three members, and an ensemble of them in a given order. */
typedef struct panel {
    float logits[3][ANSWER];
} panel;

static panel panel_of(double scale)
{
    panel p;
    uint64_t seed = 31;
    support_normals(&seed, &p.logits[0][0], 3 * ANSWER, scale);
    return p;
}

static kd_teacher *mean_of(const panel *p, const size_t *order, size_t m, const float *weights,
                           kd_mean_kind kind)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *members[3], *teacher;
    for (size_t i = 0; i < m; i++) {
        members[i] = from_logits(p->logits[order[i]]);
    }
    support_ok(kd_teacher_from_ensemble(members, m, weights, kind, &teacher, &error), error.text);
    for (size_t i = 0; i < m; i++) {
        kd_teacher_destroy(members[i]);
    }
    return teacher;
}

/* kd_ensemble_mean of the same. */
static void exact_mean(const panel *p, const float *weights, kd_mean_kind kind, float t, float *out)
{
    const float *logits[] = {p->logits[0], p->logits[1], p->logits[2]};
    kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    kd_error error = KD_ERROR_INIT;
    in.kind = kind;
    in.temperature = t;
    in.members = 3;
    in.n = CASES;
    in.k = K;
    in.logits = logits;
    in.weights = weights;
    support_ok(kd_ensemble_mean(&in, out, 0, &error), error.text);
}

static const size_t in_order[] = {0, 1, 2};
static const float weights[] = {1, 2, 0.5f};

static void means_are_those_of_the_paper(void **state)
{
    (void)state;
    static const float temperatures[] = {1, 4, 20};
    panel p = panel_of(4);
    start();
    for (size_t i = 0; i < COUNT(temperatures); i++) {
        float t = temperatures[i], want[ANSWER], got[ANSWER];
        kd_targets targets =
            ask_once(mean_of(&p, in_order, 3, weights, KD_MEAN_ARITHMETIC), t, got);
        assert_int_equal(targets.kind, KD_TARGET_PROBABILITIES);
        assert_true(targets.temperature == t);
        exact_mean(&p, weights, KD_MEAN_ARITHMETIC, t, want);
        support_near_row("arithmetic", got, want, ANSWER, 0, 1e-6);
        targets = ask_once(mean_of(&p, in_order, 3, weights, KD_MEAN_GEOMETRIC), t, got);
        assert_int_equal(targets.kind, KD_TARGET_LOGITS);
        for (size_t j = 0; j < ANSWER; j++) {
            double mean = (1 * (double)p.logits[0][j] + 2 * (double)p.logits[1][j] +
                           0.5 * (double)p.logits[2][j]) /
                          3.5;
            support_near("mean logits", (double)got[j], mean, 4e-6);
        }
        exact_mean(&p, weights, KD_MEAN_GEOMETRIC, t, want);
        support_ok(kd_softmax(got, CASES, K, 0, t, got, 0, NULL), "softmax");
        support_near_row("geometric", got, want, ANSWER, 0, 4e-6);
    }
    stop();
}

/* Only the ratio of weights counts, nor does the order of members; 0 leaves a member out. */
static void weights_are_divided_by_their_sum(void **state)
{
    (void)state;
    static const float fourfold[] = {4, 8, 2}, tenfold[] = {10, 20, 5}, fives[] = {5, 5, 5};
    static const float turned[] = {0.5f, 1, 2}, without[] = {1, 0, 0.5f};
    static const size_t turned_order[] = {2, 0, 1}, without_order[] = {0, 2};
    static const float rest[] = {1, 0.5f};
    panel p = panel_of(4);
    start();
    for (kd_mean_kind kind = KD_MEAN_ARITHMETIC; kind <= KD_MEAN_GEOMETRIC; kind++) {
        float want[ANSWER], got[ANSWER];
        ask_once(mean_of(&p, in_order, 3, weights, kind), 3, want);
        ask_once(mean_of(&p, in_order, 3, fourfold, kind), 3, got);
        support_same_bits("fourfold", got, want, sizeof want);
        ask_once(mean_of(&p, in_order, 3, tenfold, kind), 3, got);
        support_near_row("tenfold", got, want, ANSWER, 1e-6, 1e-6);
        ask_once(mean_of(&p, turned_order, 3, turned, kind), 3, got);
        support_near_row("permuted", got, want, ANSWER, 1e-6, 1e-6);
        ask_once(mean_of(&p, in_order, 3, NULL, kind), 3, want);
        ask_once(mean_of(&p, in_order, 3, fives, kind), 3, got);
        support_same_bits("equal", got, want, sizeof want);
        ask_once(mean_of(&p, without_order, 2, rest, kind), 3, want);
        ask_once(mean_of(&p, in_order, 3, without, kind), 3, got);
        support_near_row("without", got, want, ANSWER, 1e-6, 1e-6);
    }
    stop();
}

static int32_t give_softened(void *user, const kd_batch *batch, float temperature, float *out)
{
    const kd_callback_options *o = user;
    float t = o->temperature > 0 ? o->temperature : temperature;
    if (o->kind == KD_TARGET_LOG_PROBABILITIES) {
        return kd_log_softmax(data.v, batch->n, K, 0, t, out, 0, NULL);
    }
    return kd_softmax(data.v, batch->n, K, 0, t, out, 0, NULL);
}

static kd_teacher *softened(kd_callback_options *o, kd_target_kind kind, float t0)
{
    const kd_callback_options empty = KD_CALLBACK_OPTIONS_INIT;
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher;
    *o = empty;
    o->k = K;
    o->kind = kind;
    o->temperature = t0;
    o->fn = give_softened;
    o->user = o;
    support_ok(kd_teacher_from_callback(context, o, &teacher, &error), error.text);
    return teacher;
}

/* An ensemble of one is that one: kind, temperature and every bit. */
static void one_member_is_handed_through(void **state)
{
    (void)state;
    static const float weight[] = {0.3f};
    kd_callback_options o[3];
    start();
    kd_net *net = support_net(context, "5: 20 relu 4", 2);
    kd_teacher *ones[] = {from_net(net), from_logits(data.v),
                          softened(&o[0], KD_TARGET_PROBABILITIES, 0),
                          softened(&o[1], KD_TARGET_PROBABILITIES, 3),
                          softened(&o[2], KD_TARGET_LOG_PROBABILITIES, 2)};
    for (size_t i = 0; i < COUNT(ones); i++) {
        float want[ANSWER], got[ANSWER];
        kd_error error = KD_ERROR_INIT;
        kd_teacher *inner, *outer;
        support_ok(
            kd_teacher_from_ensemble(&ones[i], 1, weight, KD_MEAN_ARITHMETIC, &inner, &error),
            error.text);
        support_ok(kd_teacher_from_ensemble(&inner, 1, NULL, KD_MEAN_ARITHMETIC, &outer, &error),
                   error.text);
        kd_targets a = ask_once(outer, 3, got), b = ask_once(inner, 3, want);
        support_same_bits("of one of one", got, want, sizeof want);
        kd_targets c = ask_once(ones[i], 3, want);
        support_same_bits("of one", got, want, sizeof want);
        assert_memory_equal(&a, &c, sizeof a);
        assert_memory_equal(&b, &c, sizeof a);
    }
    kd_net_destroy(net);
    stop();
}

/* Members that are softened already: at their own temperature, or by any from logarithms. */
static void softened_members_are_taken_as_they_are(void **state)
{
    (void)state;
    kd_callback_options o[3];
    float want[ANSWER], got[ANSWER];
    start();
    kd_teacher *members[] = {softened(&o[0], KD_TARGET_PROBABILITIES, 3),
                             softened(&o[1], KD_TARGET_LOG_PROBABILITIES, 2), from_logits(data.v)};
    kd_teacher *teacher;
    kd_teacher_workspace *ws;
    kd_error error = KD_ERROR_INIT;
    kd_targets targets = KD_TARGETS_INIT;
    kd_batch batch = support_batch(&data, 0, CASES);
    support_ok(kd_teacher_from_ensemble(members, 3, weights, KD_MEAN_ARITHMETIC, &teacher, &error),
               error.text);
    support_ok(kd_teacher_workspace_create(teacher, CASES, &ws, &error), error.text);
    support_refused(kd_teacher_targets(ws, &batch, 2, &targets, &error), KD_ERR_RETEMPER,
                    error.text, "temperature 3, not at 2");
    kd_teacher_workspace_destroy(ws);
    ask_once(teacher, 3, got); /* all three say the same, so their mean does */
    support_ok(kd_softmax(data.v, CASES, K, 0, 3, want, 0, NULL), "softmax");
    support_near_row("arithmetic", got, want, ANSWER, 0, 1e-6);
    support_ok(
        kd_teacher_from_ensemble(members + 1, 2, weights, KD_MEAN_GEOMETRIC, &teacher, &error),
        error.text);
    ask_once(teacher, 5, got);
    support_ok(kd_softmax(got, CASES, K, 0, 5, got, 0, NULL), "softmax");
    support_ok(kd_softmax(data.v, CASES, K, 0, 5, want, 0, NULL), "softmax");
    support_near_row("geometric", got, want, ANSWER, 0, 2e-6);
    for (size_t i = 0; i < 3; i++) {
        kd_teacher_destroy(members[i]);
    }
    stop();
}

/* As many members as there may be, all the same one: the mean is that one. */
static void the_most_members_are_256(void **state)
{
    (void)state;
    kd_teacher *members[KD_MAX_MEMBERS + 1], *teacher;
    float got[ANSWER];
    start();
    for (size_t i = 0; i <= KD_MAX_MEMBERS; i++) {
        members[i] = i ? members[0] : from_logits(data.v);
    }
    support_ok(
        kd_teacher_from_ensemble(members, KD_MAX_MEMBERS, NULL, KD_MEAN_GEOMETRIC, &teacher, NULL),
        "256");
    ask_once(teacher, 1, got);
    support_near_row("mean of copies", got, data.v, ANSWER, 2e-5, 2e-5);
    assert_int_equal(kd_teacher_from_ensemble(members, KD_MAX_MEMBERS + 1, NULL, KD_MEAN_GEOMETRIC,
                                              &teacher, NULL),
                     KD_ERR_TOO_LARGE);
    kd_teacher_destroy(members[0]);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_net_teacher_never_drops),
        cmocka_unit_test(means_are_those_of_the_paper),
        cmocka_unit_test(weights_are_divided_by_their_sum),
        cmocka_unit_test(one_member_is_handed_through),
        cmocka_unit_test(softened_members_are_taken_as_they_are),
        cmocka_unit_test(the_most_members_are_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
