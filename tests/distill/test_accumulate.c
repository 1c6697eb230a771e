/* SPDX-License-Identifier: MIT */
/* Micro-batches: together they are the batch that they were cut from. */
#include "../support/support.h"

#define INPUTS 5
#define K 4
#define CASES 48
#define MOST_VALUES 200

static support_memory memory;
static kd_context *context;
static support_data data;
static kd_teacher *teacher;

/* Ways to cut 48 cases; 0 ends. */
static const size_t cuts[][7] = {
    {12, 12, 12, 12, 0}, {24, 24, 0}, {1, 47, 0},
    {30, 5, 1, 12, 0},   {47, 1, 0},  {20, 1, 1, 1, 20, 5, 0},
};

static void start(void)
{
    context = support_context(&memory);
    support_fill(&data, 8, CASES, INPUTS, K);
    kd_net *net = support_net(context, "5: 12 relu drop0.9 4", 77);
    teacher = support_teacher(net);
    kd_net_destroy(net);
    for (size_t i = 3; i < CASES; i += 5) { /* in no piece of one case, but see below */
        data.labels[i] = -1;
    }
    data.weights[7] = 0;
}

static void stop(void)
{
    kd_teacher_destroy(teacher);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* What a run looks like: all that a cut must not change. */
typedef struct plan {
    const char *shape;
    kd_optimizer_options optimizer;
    kd_distiller_options options;
    bool weighted, numbered, taught;
} plan;

static plan plan_of(size_t variant)
{
    plan p = {"5: 9 relu drop0.3 4", KD_OPTIMIZER_OPTIONS_INIT, KD_DISTILLER_OPTIONS_INIT, 0, 0, 0};
    p.optimizer.rate = 1; /* so that rounding of the weights does not show in their change */
    p.options.batch = CASES;
    p.options.temperature = 3;
    p.options.soft_weight = 0.7f;
    p.options.hard_weight = 0.4f;
    p.options.gradient_norm = 1;
    p.weighted = variant % 2;
    p.numbered = variant / 2 % 2;
    p.taught = variant / 4 % 2;
    p.options.soft_weight *= (float)p.taught;
    return p;
}

static kd_batch piece(const plan *p, size_t begin, size_t n)
{
    kd_batch batch = support_batch(&data, begin, n);
    batch.case_weights = p->weighted ? data.weights + begin : NULL;
    batch.ids = p->numbered ? batch.ids : NULL;
    batch.more = begin + n < CASES;
    return batch;
}

/* One update by the pieces of a cut, with a look at the net in between if asked for. */
static kd_report update(kd_distiller *d, const plan *p, const size_t *cut, bool look)
{
    kd_report sum = KD_REPORT_INIT;
    for (size_t begin = 0; *cut; begin += *cut++) {
        kd_batch batch = piece(p, begin, *cut);
        kd_report r = support_step(d, &batch);
        assert_int_equal(r.updates, !batch.more);
        assert_int_equal(isnan(r.gradient_norm), batch.more);
        assert_true(r.rate == (batch.more ? 0 : (double)p->optimizer.rate));
        support_ok(kd_report_merge(&sum, &r, NULL), "merge");
        if (look) {
            kd_batch all = piece(p, 0, CASES);
            all.more = 0;
            support_evaluate(d, &all);
        }
    }
    return sum;
}

static const size_t whole[] = {CASES, 0};

static double distance(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sqrt(sum);
}

static void same_report(const kd_report *a, const kd_report *b)
{
    const struct {
        const char *what;
        double a, b;
    } numbers[] = {
        {"total", a->total, b->total},
        {"hard", a->hard, b->hard},
        {"soft", a->soft, b->soft},
        {"student_entropy", a->student_entropy, b->student_entropy},
        {"case_weight", a->case_weight, b->case_weight},
        {"label_weight", a->label_weight, b->label_weight},
        {"gradient_norm", a->gradient_norm, b->gradient_norm},
        {"accuracy", a->accuracy, b->accuracy},
    };
    for (size_t i = 0; i < COUNT(numbers); i++) {
        support_near(numbers[i].what, numbers[i].a, numbers[i].b, 1e-5 * fabs(numbers[i].b));
    }
    assert_true(a->cases == b->cases && a->labelled == b->labelled && a->errors == b->errors);
    assert_true(a->updates == b->updates);
}

/* The change of all weights agrees to 1e-5, and what is reported too. */
static void check_cuts(plan *p)
{
    float before[MOST_VALUES], want[MOST_VALUES], got[MOST_VALUES];
    kd_net *net = support_net(context, p->shape, 5), *copy = support_clone(net);
    size_t values = support_values(net);
    p->options.optimizer = &p->optimizer;
    support_get_weights(net, before);
    kd_distiller *d = support_distiller(copy, p->taught ? teacher : NULL, &p->options);
    kd_report report = update(d, p, whole, false);
    support_get_weights(copy, want);
    kd_distiller_destroy(d);
    kd_net_destroy(copy);
    double change = distance(want, before, values);
    assert_true(change > 0.1);
    for (size_t c = 0; c < COUNT(cuts); c++) {
        copy = support_clone(net);
        d = support_distiller(copy, p->taught ? teacher : NULL, &p->options);
        kd_report r = update(d, p, cuts[c], false);
        support_get_weights(copy, got);
        support_near("change", distance(got, want, values), 0, 1e-5 * change);
        same_report(&r, &report);
        kd_distiller_destroy(d);
        kd_net_destroy(copy);
    }
    kd_net_destroy(net);
}

/* Whatever the sizes, weights and labels, with dropout, with ids and without. */
static void pieces_are_the_whole(void **state)
{
    (void)state;
    start();
    for (size_t variant = 0; variant < 8; variant++) {
        plan p = plan_of(variant);
        check_cuts(&p);
    }
    stop();
}

/* Cases that do not count are cases of the batch: without ids they have their positions. */
static void pieces_without_labels_have_positions_too(void **state)
{
    (void)state;
    start();
    for (size_t i = 0; i < CASES; i += 5) {
        data.labels[i] = -1; /* here some pieces are of such a case alone */
    }
    for (size_t variant = 0; variant < 4; variant++) {
        plan p = plan_of(variant);
        check_cuts(&p);
    }
    stop();
}

/* The same pieces give the same bits, update after update, whoever measures in between. */
static void the_same_pieces_are_the_same_bits(void **state)
{
    (void)state;
    start();
    for (size_t variant = 0; variant < 24; variant++) {
        plan p = plan_of(variant % 8);
        p.optimizer.kind = 1 + (kd_optimizer_kind)(variant / 8);
        p.optimizer.rate = 0.01f;
        p.optimizer.momentum = 0.9f;
        p.optimizer.clip_norm = 0.5f;
        p.options.optimizer = &p.optimizer;
        kd_net *a = support_net(context, p.shape, 5), *b = support_clone(a);
        kd_distiller *da = support_distiller(a, p.taught ? teacher : NULL, &p.options);
        kd_distiller *db = support_distiller(b, p.taught ? teacher : NULL, &p.options);
        for (size_t c = 0; c < COUNT(cuts); c++) {
            kd_report ra = update(da, &p, cuts[c], false), rb = update(db, &p, cuts[c], true);
            assert_memory_equal(&ra, &rb, sizeof ra);
            assert_true(support_hash(a) == support_hash(b));
        }
        kd_distiller_destroy(da);
        kd_distiller_destroy(db);
        kd_net_destroy(a);
        kd_net_destroy(b);
    }
    stop();
}

/* Several pieces are one update: schedules count it once, and Adam corrects for it once. */
static void several_pieces_are_one_update(void **state)
{
    (void)state;
    kd_schedule rates = KD_SCHEDULE_INIT;
    rates.kind = KD_SCHEDULE_STEP;
    rates.from = 1;
    rates.factor = 0.5f;
    start();
    for (kd_optimizer_kind kind = KD_SGD; kind <= KD_ADAMW; kind++) {
        plan p = plan_of(7);
        float want[MOST_VALUES], got[MOST_VALUES];
        p.optimizer.kind = kind;
        p.optimizer.rate_schedule = &rates;
        p.optimizer.momentum = 0.5f;
        p.optimizer.epsilon = 0.01f; /* or tiny gradients would weigh as much as any */
        p.options.optimizer = &p.optimizer;
        kd_net *a = support_net(context, p.shape, 5), *b = support_clone(a);
        kd_distiller *da = support_distiller(a, teacher, &p.options);
        kd_distiller *db = support_distiller(b, teacher, &p.options);
        for (size_t t = 0; t < 4; t++) {
            rates.from = 1; /* of no account: it was copied */
            p.optimizer.rate = (float)pow(0.5, (double)t);
            update(da, &p, whole, false);
            update(db, &p, cuts[t], true);
            support_get_weights(a, want);
            support_get_weights(b, got);
            support_near_row("weights", got, want, support_values(a), 1e-4, 1e-4);
        }
        kd_distiller_destroy(da);
        kd_distiller_destroy(db);
        kd_net_destroy(a);
        kd_net_destroy(b);
    }
    stop();
}

/*
 * A piece without any case that counts adds nothing, wherever it comes; only if all are so,
 * there is nothing to learn.
 */
static void a_piece_may_be_empty(void **state)
{
    (void)state;
    plan p = plan_of(0);
    p.options.optimizer = &p.optimizer;
    start();
    kd_net *a = support_net(context, "5: 9 relu 4", 5), *b = support_clone(a);
    kd_distiller *da = support_distiller(a, NULL, &p.options);
    kd_distiller *db = support_distiller(b, NULL, &p.options);
    kd_batch empty = support_batch(&data, 3, 1), whole_batch = support_batch(&data, 9, 4);
    kd_batch first = support_batch(&data, 9, 2), last = support_batch(&data, 11, 2);
    support_refused(kd_distill_step(da, &empty, NULL), KD_ERR_EMPTY_BATCH, kd_distiller_error(da),
                    "none of the 1 cases");
    for (size_t where = 0; where < 3; where++) {
        float want[MOST_VALUES], got[MOST_VALUES];
        kd_batch pieces[3] = {first, first, last};
        pieces[where > 0 ? 0 : 1] = first;
        pieces[where > 1 ? 1 : 2] = last;
        pieces[where] = empty;
        for (size_t i = 0; i < 3; i++) {
            pieces[i].more = i < 2;
            kd_report r = support_step(da, &pieces[i]);
            assert_int_equal(r.updates, i == 2);
            assert_int_equal(r.cases, i == where ? 0 : 2);
            assert_true(r.temperature == 3);
        }
        support_step(db, &whole_batch);
        support_get_weights(a, got);
        support_get_weights(b, want);
        support_near_row("weights", got, want, support_values(a), 1e-5, 1e-5);
    }
    empty.more = 1;
    uint64_t before = support_hash(a);
    support_step(da, &empty);
    empty.more = 0;
    assert_int_equal(kd_distill_step(da, &empty, NULL), KD_ERR_EMPTY_BATCH);
    assert_true(support_hash(a) == before);
    kd_distiller_destroy(da);
    kd_distiller_destroy(db);
    kd_net_destroy(a);
    kd_net_destroy(b);
    stop();
}

/* What is not finite is skipped alone while more is to come, else with all that waited. */
static void skipped_pieces_take_their_update_along(void **state)
{
    (void)state;
    plan p = plan_of(6);
    float x[12 * INPUTS];
    p.options.optimizer = &p.optimizer;
    p.options.nonfinite = KD_NONFINITE_SKIP;
    start();
    kd_net *a = support_net(context, p.shape, 5), *b = support_clone(a);
    kd_distiller *da = support_distiller(a, teacher, &p.options);
    kd_distiller *db = support_distiller(b, teacher, &p.options);
    kd_batch first = support_batch(&data, 0, 12), last = support_batch(&data, 12, 30), bad = first;
    memcpy(x, data.x, sizeof x);
    x[5] = INFINITY;
    bad.x = x;
    first.more = 1;
    for (int32_t more = 0; more < 2; more++) {
        bad.more = more;
        support_step(da, &first);
        assert_int_equal(support_step(da, &bad).skipped, 1);
        support_step(da, &last);
        if (more) {
            support_step(db, &first);
        }
        support_step(db, &last);
        assert_true(support_hash(a) == support_hash(b));
    }
    kd_distiller_destroy(da);
    kd_distiller_destroy(db);
    kd_net_destroy(a);
    kd_net_destroy(b);
    stop();
}

/* The update of those that waited is skipped too if the last piece is empty. */
static void an_empty_last_piece_can_be_skipped(void **state)
{
    (void)state;
    plan p = plan_of(0);
    float x[2 * INPUTS];
    p.options.optimizer = &p.optimizer;
    p.options.nonfinite = KD_NONFINITE_SKIP;
    start();
    kd_net *net = support_net(context, "5: 9 relu 4", 5);
    kd_distiller *d = support_distiller(net, NULL, &p.options);
    kd_batch first = support_batch(&data, 9, 2), empty = support_batch(&data, 3, 1);
    for (size_t i = 0; i < COUNT(x); i++) {
        x[i] = 1e32f * data.x[i]; /* found when the gradient is looked at, not before */
    }
    first.x = x;
    first.more = 1;
    uint64_t before = support_hash(net);
    assert_int_equal(support_step(d, &first).skipped, 0);
    kd_report r = support_step(d, &empty);
    assert_true(r.skipped == 1 && r.updates == 0 && isnan(r.total));
    assert_true(support_hash(net) == before);
    kd_distiller_destroy(d);
    kd_net_destroy(net);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_the_whole),
        cmocka_unit_test(pieces_without_labels_have_positions_too),
        cmocka_unit_test(the_same_pieces_are_the_same_bits),
        cmocka_unit_test(several_pieces_are_one_update),
        cmocka_unit_test(a_piece_may_be_empty),
        cmocka_unit_test(an_empty_last_piece_can_be_skipped),
        cmocka_unit_test(skipped_pieces_take_their_update_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
