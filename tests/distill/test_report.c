/* SPDX-License-Identifier: MIT */
/* What reports say: evaluations of any size, sums of reports, cases without label or weight. */
#include "../support/support.h"

#define INPUTS 5
#define K 4
#define CASES 40
#define BATCH 8
#define STUDENT "5: 9 relu drop0.3 4"

static support_memory memory;
static kd_context *context;
static support_data data;
static kd_teacher *teacher;
static kd_net *teacher_net, *student;

static void start(void)
{
    context = support_context(&memory);
    support_fill(&data, 8, CASES, INPUTS, K);
    teacher_net = support_net(context, "5: 12 relu drop0.9 4", 77);
    teacher = support_teacher(teacher_net);
    student = support_net(context, STUDENT, 5);
    for (size_t i = 0; i < CASES; i += 3) {
        data.labels[i] = -1;
    }
    data.weights[4] = 0;
}

static void stop(void)
{
    kd_net_destroy(student);
    kd_teacher_destroy(teacher);
    kd_net_destroy(teacher_net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

static kd_distiller *distiller_of(kd_teacher *with, float soft, float hard)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.batch = BATCH;
    o.temperature = 3;
    o.soft_weight = soft;
    o.hard_weight = hard;
    return support_distiller(student, with, &o);
}

static void infer(kd_net *net, float *out)
{
    kd_workspace *ws = support_workspace(net, CASES, 0, 0);
    support_ok(kd_net_infer(ws, data.x, CASES, 0, out, 0), kd_workspace_error(ws));
    kd_workspace_destroy(ws);
}

/* ---- evaluation ---- */

static void near(const char *what, double got, double want)
{
    if (!(isnan(got) && isnan(want))) {
        support_near(what, got, want, 1e-5 * (1 + fabs(want)));
    }
}

static void check_metrics(const kd_report *r, const kd_loss_in *in)
{
    kd_metrics_out m = KD_METRICS_OUT_INIT;
    kd_error error = KD_ERROR_INIT;
    support_ok(kd_metrics(in, 3, &m, &error), error.text);
    near("kl", r->kl, m.kl);
    near("teacher_entropy", r->teacher_entropy, m.teacher_entropy);
    near("student_entropy", r->student_entropy, m.student_entropy);
    near("agreement", r->agreement, m.agreement);
    near("accuracy", r->accuracy, m.accuracy);
    near("case_weight", r->case_weight, m.case_weight);
    near("label_weight", r->label_weight, m.label_weight);
    assert_true(r->cases == m.cases && r->labelled == m.labelled && r->errors == m.errors);
}

static void check_losses(const kd_report *r, const kd_loss_in *in)
{
    kd_term terms[] = {KD_TERM_INIT, KD_TERM_INIT};
    kd_loss_out out = KD_LOSS_OUT_INIT;
    kd_error error = KD_ERROR_INIT;
    double values[] = {0, 0};
    terms[0].kind = KD_TERM_SOFT;
    terms[0].temperature = 3;
    terms[0].weight = 0.7f;
    terms[1].kind = KD_TERM_HARD;
    terms[1].weight = 0.2f;
    out.term_values = values;
    support_ok(kd_loss(terms, in->labels ? 2 : 1, in, &out, &error), error.text);
    near("total", r->total, out.total);
    near("soft", r->soft, values[0]);
    near("hard", r->hard, values[1]);
    support_near("sum", r->total, (double)0.7f * r->soft + (double)0.2f * r->hard,
                 1e-12 * r->total);
    assert_true(r->updates == 0 && r->skipped == 0 && r->rate == 0 && r->temperature == 3);
    assert_true(isnan(r->gradient_norm));
}

/* Of any number of cases, with wide rows too: what kd_metrics and kd_loss say of the logits. */
static void an_evaluation_is_kd_metrics(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 7, 8, 9, 16, 39, 40};
    enum { WIDE = INPUTS + 2, APART = K + 3 };
    float z[CASES * K], v[CASES * K], x[CASES * WIDE], wide[CASES * APART];
    start();
    kd_distiller *d = distiller_of(teacher, 0.7f, 0.2f);
    infer(student, z);
    infer(teacher_net, v);
    for (size_t i = 0; i < CASES * WIDE; i++) {
        x[i] = i % WIDE < INPUTS ? data.x[i / WIDE * INPUTS + i % WIDE] : NAN;
    }
    for (size_t i = 0; i < CASES * APART; i++) {
        wide[i] = i % APART < K ? data.v[i / APART * K + i % APART] : NAN;
    }
    uint64_t before = support_hash(student);
    for (size_t i = 0; i < COUNT(sizes) * 8; i++) {
        kd_targets taught = data.targets, given = data.targets;
        kd_batch batch = support_batch(&data, 0, sizes[i / 8]);
        kd_loss_in in = KD_LOSS_IN_INIT;
        taught.values = v;
        given.values = wide;
        given.stride = APART;
        batch.x = x;
        batch.x_stride = WIDE;
        batch.labels = i % 2 ? batch.labels : NULL;
        batch.case_weights = i / 2 % 2 ? data.weights : NULL;
        batch.targets = i / 4 % 2 ? &given : NULL;
        in.n = batch.n;
        in.k = K;
        in.logits = z;
        in.labels = batch.labels;
        in.case_weights = batch.case_weights;
        in.targets = batch.targets ? batch.targets : &taught;
        kd_report r = support_evaluate(d, &batch);
        check_metrics(&r, &in);
        check_losses(&r, &in);
    }
    assert_true(support_hash(student) == before);
    kd_distiller_destroy(d);
    stop();
}

/* Neither weights nor the running position of cases without ids: the next step is a twin's. */
static void an_evaluation_changes_nothing(void **state)
{
    (void)state;
    start();
    kd_net *twin = support_clone(student);
    kd_distiller *d = distiller_of(teacher, 0.7f, 0.2f);
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.batch = BATCH;
    o.temperature = 3;
    o.soft_weight = 0.7f;
    o.hard_weight = 0.2f;
    kd_distiller *undisturbed = support_distiller(twin, teacher, &o);
    for (size_t t = 0; t < 5; t++) {
        kd_batch all = support_batch(&data, 0, CASES), batch = support_batch(&data, t * 8, 8);
        all.ids = NULL;
        batch.ids = NULL;
        support_evaluate(d, &all);
        support_step(d, &batch);
        support_step(undisturbed, &batch);
        assert_true(support_hash(student) == support_hash(twin));
    }
    kd_distiller_destroy(undisturbed);
    kd_distiller_destroy(d);
    kd_net_destroy(twin);
    stop();
}

/* ---- cases that count ---- */

/* Labels are missing: the hard mean is over all cases that the soft term speaks of; without soft
 * targets only labelled cases count, be they a whole piece or none of one. */
static void cases_without_label_count_where_they_can(void **state)
{
    (void)state;
    int32_t few[CASES], none[CASES];
    for (size_t i = 0; i < CASES; i++) {
        few[i] = i == 20 || i == 22 ? 1 : -1;
        none[i] = -1;
    }
    start();
    kd_distiller *d = distiller_of(teacher, 1, 1), *plain = distiller_of(NULL, 0, 1);
    kd_batch batch = support_batch(&data, 0, CASES);
    batch.labels = few;
    kd_report taught = support_evaluate(d, &batch), alone = support_evaluate(plain, &batch);
    assert_true(taught.cases == CASES && taught.labelled == 2);
    assert_true(alone.cases == 2 && alone.labelled == 2 && alone.case_weight == 2);
    near("hard", taught.hard * CASES, alone.hard * 2);
    near("accuracy", taught.accuracy, alone.accuracy);
    batch.labels = none;
    taught = support_evaluate(d, &batch);
    assert_true(taught.hard == 0 && taught.labelled == 0 && isnan(taught.accuracy));
    kd_report r = KD_REPORT_INIT;
    support_refused(kd_distill_evaluate(plain, &batch, &r), KD_ERR_EMPTY_BATCH,
                    kd_distiller_error(plain), "none of the 40 cases");
    batch.labels = NULL;
    assert_int_equal(kd_distill_evaluate(plain, &batch, &r), KD_ERR_EMPTY_BATCH);
    kd_distiller_destroy(plain);
    kd_distiller_destroy(d);
    stop();
}

/* Where in the whole batch the culprit is, not where in a piece of it. */
static void the_words_of_an_evaluation_count_from_its_start(void **state)
{
    (void)state;
    float x[CASES * INPUTS], v[CASES * K];
    start();
    kd_distiller *d = distiller_of(teacher, 1, 1);
    kd_batch batch = support_batch(&data, 0, CASES);
    kd_targets targets = data.targets;
    kd_report r = KD_REPORT_INIT;
    memcpy(x, data.x, sizeof x);
    memcpy(v, data.v, sizeof v);
    data.labels[30] = 9;
    support_refused(kd_distill_evaluate(d, &batch, &r), KD_ERR_LABEL, kd_distiller_error(d),
                    "batch.labels[30] is 9");
    data.labels[30] = 1;
    x[31 * INPUTS + 2] = NAN;
    batch.x = x;
    support_refused(kd_distill_evaluate(d, &batch, &r), KD_ERR_NOT_FINITE, kd_distiller_error(d),
                    "batch.x[31,2] is nan");
    batch.x = data.x;
    v[32 * K + 1] = INFINITY;
    targets.values = v;
    batch.targets = &targets;
    support_refused(kd_distill_evaluate(d, &batch, &r), KD_ERR_NOT_FINITE, kd_distiller_error(d),
                    "[32,1] is inf");
    kd_distiller_destroy(d);
    stop();
}

/* A piece without labelled cases is no failure, so there is nothing to say of one. */
static void a_good_evaluation_says_nothing(void **state)
{
    (void)state;
    start();
    kd_distiller *d = distiller_of(NULL, 0, 1);
    kd_batch batch = support_batch(&data, 0, CASES);
    for (size_t i = 0; i < BATCH; i++) {
        data.labels[i] = -1;
    }
    kd_report r = support_evaluate(d, &batch);
    assert_true(r.cases > 0);
    assert_string_equal(kd_distiller_error(d), "");
    kd_distiller_destroy(d);
    stop();
}

/* ---- sums ---- */

static void same_means(const kd_report *a, const kd_report *b)
{
    near("total", a->total, b->total);
    near("hard", a->hard, b->hard);
    near("soft", a->soft, b->soft);
    near("kl", a->kl, b->kl);
    near("teacher_entropy", a->teacher_entropy, b->teacher_entropy);
    near("student_entropy", a->student_entropy, b->student_entropy);
    near("agreement", a->agreement, b->agreement);
    near("accuracy", a->accuracy, b->accuracy);
    near("case_weight", a->case_weight, b->case_weight);
    near("label_weight", a->label_weight, b->label_weight);
    assert_true(a->cases == b->cases && a->labelled == b->labelled && a->errors == b->errors);
}

static void merged_reports_are_those_of_one_batch(void **state)
{
    (void)state;
    static const size_t sizes[] = {5, 20, 1, 14};
    start();
    kd_distiller *distillers[] = {distiller_of(teacher, 0.7f, 0.2f), distiller_of(NULL, 0, 1)};
    for (size_t i = 0; i < COUNT(distillers); i++) {
        kd_report sum = KD_REPORT_INIT;
        kd_batch all = support_batch(&data, 0, CASES);
        all.case_weights = data.weights;
        kd_report whole = support_evaluate(distillers[i], &all);
        for (size_t p = 0, begin = 0; p < COUNT(sizes); begin += sizes[p++]) {
            kd_batch part = support_batch(&data, begin, sizes[p]);
            part.case_weights = data.weights + begin;
            kd_report r = support_evaluate(distillers[i], &part);
            r.updates = p;
            r.skipped = 1;
            r.rate = (double)p;
            r.temperature = 7;
            support_ok(kd_report_merge(&sum, &r, NULL), "merge");
        }
        same_means(&sum, &whole);
        assert_true(sum.updates == 6 && sum.skipped == 4);
        assert_true(sum.rate == 3 && sum.temperature == 7); /* the latest */
        kd_distiller_destroy(distillers[i]);
    }
    stop();
}

/* Each mean is over the cases that know of it; a rate is that of an update. */
static void a_sum_keeps_what_only_some_reports_know(void **state)
{
    (void)state;
    start();
    kd_distiller *taught = distiller_of(teacher, 0.7f, 0.2f), *plain = distiller_of(NULL, 0, 1);
    kd_batch first = support_batch(&data, 0, 9), second = support_batch(&data, 9, 20);
    kd_report with = support_evaluate(taught, &first), without = support_evaluate(plain, &second);
    with.rate = 5;
    with.gradient_norm = 6;
    with.updates = 1;
    for (size_t order = 0; order < 2; order++) {
        kd_report sum = KD_REPORT_INIT;
        support_ok(kd_report_merge(&sum, order ? &with : &without, NULL), "merge");
        support_ok(kd_report_merge(&sum, order ? &without : &with, NULL), "merge");
        near("kl", sum.kl, with.kl);
        near("agreement", sum.agreement, with.agreement);
        near("teacher_entropy", sum.teacher_entropy, with.teacher_entropy);
        near("target_weight", sum.target_weight, 9);
        near("case_weight", sum.case_weight, 9 + without.case_weight);
        assert_true(sum.rate == 5 && sum.gradient_norm == 6);
        assert_true(sum.errors == with.errors + without.errors);
    }
    kd_distiller_destroy(plain);
    kd_distiller_destroy(taught);
    stop();
}

/* Recorded targets go with the ids of their cases; without ids the soft term is left out. */
static void an_evaluation_asks_by_id(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    kd_teacher *recorded;
    start();
    support_ok(kd_teacher_from_logits(context, data.ids, data.v, CASES, K, 0, &recorded, &error),
               error.text);
    kd_distiller *d = distiller_of(recorded, 0.7f, 0.2f);
    kd_batch batch = support_batch(&data, 0, CASES);
    kd_report found = support_evaluate(d, &batch);
    batch.ids = NULL;
    kd_report lost = support_evaluate(d, &batch);
    batch.targets = &data.targets;
    kd_report given = support_evaluate(d, &batch);
    same_means(&found, &given);
    assert_true(isnan(lost.kl) && lost.soft == 0 && lost.target_weight == 0);
    near("hard", lost.hard * lost.case_weight, given.hard * given.case_weight);
    kd_distiller_destroy(d);
    kd_teacher_destroy(recorded);
    stop();
}

/* Structs of an older host: nothing is read or written beyond its end. */
static void short_reports_are_respected(void **state)
{
    (void)state;
    start();
    kd_distiller *d = distiller_of(teacher, 0.7f, 0.2f);
    kd_batch batch = support_batch(&data, 0, BATCH);
    kd_report full = support_evaluate(d, &batch), r, sum = KD_REPORT_INIT;
    memset(&r, 0x77, sizeof r);
    kd_report untouched = r;
    r.struct_size = offsetof(kd_report, soft);
    support_ok(kd_distill_evaluate(d, &batch, &r), kd_distiller_error(d));
    assert_true(r.total == full.total && r.hard == full.hard);
    assert_memory_equal(&r.soft, &untouched.soft, sizeof r - offsetof(kd_report, soft));
    assert_int_equal(kd_report_merge(NULL, &full, NULL), KD_ERR_NULL);
    assert_int_equal(kd_report_merge(&sum, NULL, NULL), KD_ERR_NULL);
    r.struct_size = 3;
    assert_int_equal(kd_report_merge(&sum, &r, NULL), KD_ERR_STRUCT);
    assert_int_equal(kd_report_merge(&r, &full, NULL), KD_ERR_STRUCT);
    assert_int_equal(kd_distill_evaluate(d, &batch, &r), KD_ERR_STRUCT);
    uint64_t before = support_hash(student);
    support_refused(kd_distill_step(d, &batch, &r), KD_ERR_STRUCT, kd_distiller_error(d),
                    "out_report.struct_size is 3");
    assert_true(support_hash(student) == before);
    kd_distiller_destroy(d);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_evaluation_is_kd_metrics),
        cmocka_unit_test(an_evaluation_changes_nothing),
        cmocka_unit_test(cases_without_label_count_where_they_can),
        cmocka_unit_test(the_words_of_an_evaluation_count_from_its_start),
        cmocka_unit_test(a_good_evaluation_says_nothing),
        cmocka_unit_test(merged_reports_are_those_of_one_batch),
        cmocka_unit_test(a_sum_keeps_what_only_some_reports_know),
        cmocka_unit_test(an_evaluation_asks_by_id),
        cmocka_unit_test(short_reports_are_respected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
