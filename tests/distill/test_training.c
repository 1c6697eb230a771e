/* SPDX-License-Identifier: MIT */
/* Many steps: nets learn from labels and from teachers, repeatably, along schedules. */
#include "../support/support.h"

#include <fenv.h>

#define INPUTS 5
#define K 4
#define CASES 64
#define BATCH 16

static support_memory memory;
static kd_context *context;
static support_data data;

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

static kd_optimizer_options optimizer_of(kd_optimizer_kind kind)
{
    kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
    o.kind = kind;
    o.rate = kind == KD_SGD ? 0.1f : 0.02f;
    o.momentum = 0.9f;
    return o;
}

/* The batch that comes after `step` others, in the order of its epoch. */
static kd_batch batch_at(size_t step, float *x, int32_t *labels, uint64_t *ids)
{
    uint32_t order[CASES];
    uint32_t epoch = (uint32_t)(step / (CASES / BATCH));
    kd_batch batch = KD_BATCH_INIT;
    support_ok(kd_shuffle(4, epoch, CASES, order, NULL), "kd_shuffle");
    for (size_t i = 0; i < BATCH; i++) {
        size_t from = order[step % (CASES / BATCH) * BATCH + i];
        memcpy(x + i * INPUTS, data.x + from * INPUTS, INPUTS * sizeof *x);
        labels[i] = data.labels[from];
        ids[i] = data.ids[from];
    }
    batch.n = BATCH;
    batch.x = x;
    batch.labels = labels;
    batch.ids = ids;
    batch.epoch = epoch;
    return batch;
}

/* Trains, without labels if told so, and gives a report on all cases. */
static kd_report train(kd_net *net, kd_teacher *teacher, const kd_distiller_options *o,
                       size_t steps, bool labelled)
{
    kd_distiller *d = support_distiller(net, teacher, o);
    for (size_t t = 0; t < steps; t++) {
        float x[BATCH * INPUTS];
        int32_t labels[BATCH];
        uint64_t ids[BATCH];
        kd_batch batch = batch_at(t, x, labels, ids);
        batch.labels = labelled ? labels : NULL;
        support_step(d, &batch);
    }
    kd_batch all = support_batch(&data, 0, CASES);
    kd_report r = support_evaluate(d, &all);
    kd_distiller_destroy(d);
    return r;
}

static kd_distiller_options plain(const kd_optimizer_options *optimizer)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.batch = BATCH;
    o.soft_weight = 0;
    o.hard_weight = 1;
    o.optimizer = optimizer;
    return o;
}

/* ---- learning ---- */

static void labels_are_learnt_without_a_teacher(void **state)
{
    (void)state;
    start();
    for (kd_optimizer_kind kind = KD_SGD; kind <= KD_ADAMW; kind++) {
        kd_optimizer_options optimizer = optimizer_of(kind);
        kd_distiller_options o = plain(&optimizer);
        kd_net *net = support_net(context, "5: 24 relu drop0.1 4", 3);
        kd_report before = train(net, NULL, &o, 0, true);
        kd_report after = train(net, NULL, &o, 400, true);
        assert_true(before.accuracy < 0.6);
        assert_true(after.accuracy > 0.95);
        assert_true(after.hard < before.hard / 4);
        assert_true(after.total == after.hard && after.soft == 0);
        assert_true(isnan(after.kl) && isnan(after.agreement) && isnan(after.teacher_entropy));
        kd_net_destroy(net);
    }
    stop();
}

static void a_teacher_is_followed_without_labels(void **state)
{
    (void)state;
    static const kd_term_kind soft[] = {KD_TERM_SOFT, KD_TERM_KL, KD_TERM_MATCH, KD_TERM_MATCH_RAW};
    kd_optimizer_options optimizer = optimizer_of(KD_ADAM);
    kd_distiller_options o = plain(&optimizer);
    start();
    kd_net *net = support_net(context, "5: 24 relu drop0.5 4", 3);
    train(net, NULL, &o, 400, true);
    kd_teacher *teacher = support_teacher(net);
    uint64_t taught = support_hash(net);
    o.soft_weight = 1;
    o.temperature = 4;
    for (size_t i = 0; i < COUNT(soft); i++) {
        kd_net *student = support_net(context, "5: 16 relu 4", 9);
        o.soft_kind = soft[i];
        kd_report before = train(student, teacher, &o, 0, false);
        kd_report after = train(student, teacher, &o, 400, false);
        assert_true(before.agreement < 0.6 && before.kl > 0.01);
        assert_true(after.agreement > 0.9 && after.kl < before.kl / 4);
        assert_true(after.accuracy > 0.85); /* though it has seen no label */
        support_near("entropy", after.teacher_entropy, before.teacher_entropy, 1e-12);
        kd_net_destroy(student);
    }
    assert_true(support_hash(net) == taught);
    kd_teacher_destroy(teacher);
    kd_net_destroy(net);
    stop();
}

/* A host that traps bad arithmetic may train: no step of a valid run divides by 0 or overflows. */
static void valid_steps_raise_no_flag(void **state)
{
    (void)state;
    start();
    kd_net *net = support_net(context, "5: 24 relu drop0.5 4", 3);
    kd_teacher *teacher = support_teacher(net);
    for (size_t i = 0; i < 12; i++) {
        kd_optimizer_options optimizer = optimizer_of(1 + (kd_optimizer_kind)(i % 3));
        kd_distiller_options o = plain(&optimizer);
        kd_net *student = support_net(context, "5: 16 relu drop0.3 4", 9);
        optimizer.weight_decay = 0.01f;
        optimizer.max_norm = 1;
        optimizer.clip_norm = i % 2 ? 0.5f : 0;
        o.soft_weight = 1;
        o.soft_kind = KD_TERM_SOFT + (kd_term_kind)(i / 3);
        o.gradient_norm = 1;
        feclearexcept(FE_ALL_EXCEPT);
        train(student, teacher, &o, 20, i % 2);
        assert_int_equal(fetestexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW), 0);
        kd_net_destroy(student);
    }
    kd_teacher_destroy(teacher);
    kd_net_destroy(net);
    stop();
}

/* ---- repeating ---- */

/* Same seeds, same bits, whatever else the teacher serves meanwhile; another seed, other bits. */
static void seeds_decide_everything(void **state)
{
    (void)state;
    static const uint64_t seeds[] = {6, 6, 7};
    uint64_t hashes[COUNT(seeds)];
    start();
    kd_net *net = support_net(context, "5: 24 relu drop0.5 4", 3);
    kd_teacher *teacher = support_teacher(net);
    kd_net_destroy(net);
    for (kd_optimizer_kind kind = KD_SGD; kind <= KD_ADAMW; kind++) {
        kd_optimizer_options optimizer = optimizer_of(kind);
        kd_distiller_options o = plain(&optimizer);
        kd_distiller *distillers[COUNT(seeds)];
        kd_net *students[COUNT(seeds)];
        o.soft_weight = 1;
        for (size_t i = 0; i < COUNT(seeds); i++) {
            o.seed = seeds[i];
            students[i] = support_net(context, "5: drop0.1 16 relu drop0.3 4", 9);
            distillers[i] = support_distiller(students[i], teacher, &o);
        }
        for (size_t t = 0; t < 20; t++) {
            for (size_t i = 0; i < COUNT(seeds); i++) {
                float x[BATCH * INPUTS];
                int32_t labels[BATCH];
                uint64_t ids[BATCH];
                kd_batch batch = batch_at(t, x, labels, ids);
                support_step(distillers[i], &batch);
            }
        }
        for (size_t i = 0; i < COUNT(seeds); i++) {
            hashes[i] = support_hash(students[i]);
            kd_distiller_destroy(distillers[i]);
            kd_net_destroy(students[i]);
        }
        assert_true(hashes[0] == hashes[1]);
        assert_true(hashes[0] != hashes[2]);
    }
    kd_teacher_destroy(teacher);
    stop();
}

/* ---- schedules ---- */

static kd_schedule ramp(float from, float to)
{
    kd_schedule s = KD_SCHEDULE_INIT;
    s.kind = KD_SCHEDULE_LINEAR;
    s.from = from;
    s.to = to;
    s.steps = 8;
    return s;
}

static double at(const kd_schedule *s, uint64_t done)
{
    double value;
    support_ok(kd_schedule_value(s, done, &value, NULL), "kd_schedule_value");
    return value;
}

/* Each step is the one that a distiller without schedules would make with the values of now. */
static void schedules_are_followed(void **state)
{
    (void)state;
    kd_schedule t = ramp(20, 2), soft = ramp(1, 0), hard = ramp(0, 0.5f), rate = ramp(0.1f, 0.01f);
    kd_optimizer_options varying = KD_OPTIMIZER_OPTIONS_INIT, fixed = varying;
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT, now = o;
    varying.rate = 77;
    varying.rate_schedule = &rate;
    o.temperature = 55; /* of no account beside a schedule */
    o.soft_weight = 55;
    o.hard_weight = 55;
    o.temperature_schedule = &t;
    o.soft_weight_schedule = &soft;
    o.hard_weight_schedule = &hard;
    o.optimizer = &varying;
    now.optimizer = &fixed;
    start();
    kd_net *student = support_net(context, "5: 16 relu 4", 9);
    kd_distiller *d = support_distiller(student, NULL, &o);
    t.from = 99; /* options were copied */
    rate.from = 99;
    t = ramp(20, 2);
    rate = ramp(0.1f, 0.01f);
    for (uint64_t done = 0; done < 12; done++) {
        kd_batch batch = support_batch(&data, done, BATCH);
        batch.targets = &data.targets;
        kd_net *twin = support_clone(student);
        now.temperature = (float)at(&t, done);
        now.soft_weight = (float)at(&soft, done);
        now.hard_weight = (float)at(&hard, done);
        fixed.rate = (float)at(&rate, done);
        kd_distiller *once = support_distiller(twin, NULL, &now);
        kd_report r = support_step(d, &batch), want = support_step(once, &batch);
        assert_true(r.temperature == (double)now.temperature);
        support_near("rate", r.rate, (double)fixed.rate, 1e-7 * (double)fixed.rate);
        assert_true(r.total == want.total && r.soft == want.soft && r.hard == want.hard);
        assert_true(support_hash(student) == support_hash(twin));
        kd_report seen = support_evaluate(d, &batch); /* at the values of the next step */
        assert_true(seen.temperature == (double)(float)at(&t, done + 1));
        kd_distiller_destroy(once);
        kd_net_destroy(twin);
    }
    kd_distiller_destroy(d);
    kd_net_destroy(student);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_learnt_without_a_teacher),
        cmocka_unit_test(a_teacher_is_followed_without_labels),
        cmocka_unit_test(valid_steps_raise_no_flag),
        cmocka_unit_test(seeds_decide_everything),
        cmocka_unit_test(schedules_are_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
