/* SPDX-License-Identifier: MIT */
/* After creation nothing allocates: not a step, not an evaluation, not a failure. */
#include "../support/support.h"

#include <stdio.h>

#define INPUTS 5
#define K 4
#define CASES 24
#define BATCH 8

static support_memory memory;
static kd_context *context;
static support_data data;

static int32_t answer(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user;
    return kd_softmax(data.v, batch->n, K, 0, temperature, out, 0, NULL);
}

enum { NONE, NET, GEOMETRIC, ARITHMETIC, CALLBACK, RECORDED, KINDS };

static kd_teacher *make(size_t kind)
{
    kd_error e = KD_ERROR_INIT;
    kd_teacher *teacher = NULL, *members[2];
    kd_callback_options o = {
        .struct_size = sizeof o, .k = K, .kind = KD_TARGET_PROBABILITIES, .fn = answer};
    kd_net *net;
    switch (kind) {
    case NET:
        net = support_net(context, "5: 7 relu drop0.5 4", 2);
        teacher = support_teacher(net);
        kd_net_destroy(net);
        break;
    case GEOMETRIC:
    case ARITHMETIC:
        members[0] = make(NET);
        members[1] = make(kind == GEOMETRIC ? RECORDED : CALLBACK);
        support_ok(kd_teacher_from_ensemble(
                       members, 2, NULL, kind == GEOMETRIC ? KD_MEAN_GEOMETRIC : KD_MEAN_ARITHMETIC,
                       &teacher, &e),
                   e.text);
        kd_teacher_destroy(members[0]);
        kd_teacher_destroy(members[1]);
        break;
    case CALLBACK:
        support_ok(kd_teacher_from_callback(context, &o, &teacher, &e), e.text);
        break;
    case RECORDED:
        support_ok(kd_teacher_from_logits(context, data.ids, data.v, CASES, K, 0, &teacher, &e),
                   e.text);
        break;
    default:
        break;
    }
    return teacher;
}

/* Everything one can do with a distiller, good and bad. */
static void use_distiller(kd_distiller *d)
{
    kd_report r = KD_REPORT_INIT, sum = r;
    for (size_t i = 0; i < 6; i++) {
        kd_batch batch = support_batch(&data, i % 3 * BATCH, BATCH);
        batch.more = i % 2 == 0;
        batch.case_weights = data.weights;
        r = support_step(d, &batch);
        support_ok(kd_report_merge(&sum, &r, NULL), "merge");
        kd_batch all = support_batch(&data, 0, CASES);
        support_evaluate(d, &all);
        batch.targets = &data.targets;
        support_step(d, &batch);
        float x[BATCH * INPUTS] = {NAN};
        batch.x = x;
        assert_int_equal(kd_distill_step(d, &batch, &r), KD_ERR_NOT_FINITE);
        batch.n = CASES;
        assert_int_equal(kd_distill_step(d, &batch, &r), KD_ERR_WORKSPACE);
        assert_int_not_equal(strlen(kd_distiller_error(d)), 0);
    }
}

static void distillers_take_all_their_memory_at_once(void **state)
{
    (void)state;
    kd_schedule falling = KD_SCHEDULE_INIT;
    falling.kind = KD_SCHEDULE_COSINE;
    falling.from = 0.5f;
    falling.steps = 5;
    falling.warmup = 2;
    support_fill(&data, 8, CASES, INPUTS, K);
    for (size_t i = 0; i < KINDS * 3 * 2; i++) {
        kd_optimizer_options optimizer = KD_OPTIMIZER_OPTIONS_INIT;
        kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
        context = support_context(&memory);
        kd_net *net = support_net(context, "5: 9 relu drop0.3 4", 1);
        kd_teacher *teacher = make(i % KINDS);
        optimizer.kind = 1 + (kd_optimizer_kind)(i / KINDS % 3);
        optimizer.momentum = 0.9f;
        optimizer.rate_schedule = i / KINDS / 3 ? &falling : NULL;
        optimizer.clip_norm = i / KINDS / 3 ? 1 : 0;
        optimizer.max_norm = 2;
        o.batch = BATCH;
        o.optimizer = &optimizer;
        o.gradient_norm = 1;
        o.soft_weight_schedule = i % KINDS && i / KINDS / 3 ? &falling : NULL;
        o.soft_weight = i % KINDS ? 1 : 0;
        kd_distiller *d = support_distiller(net, teacher, &o);
        size_t calls = memory.calls, live = memory.live;
        use_distiller(d);
        assert_int_equal(memory.calls, calls);
        assert_int_equal(memory.live, live);
        kd_distiller_destroy(d);
        kd_teacher_destroy(teacher);
        kd_net_destroy(net);
        kd_context_destroy(context);
        support_all_returned(&memory);
    }
}

/* The same of a loop by hand, and of all that only asks. */
static void loops_by_hand_allocate_nothing(void **state)
{
    (void)state;
    support_fill(&data, 8, CASES, INPUTS, K);
    context = support_context(&memory);
    kd_error e = KD_ERROR_INIT;
    kd_net *net = support_net(context, "5: 9 relu drop0.3 4", 1);
    kd_workspace *ws = support_workspace(net, BATCH, 1, 0),
                 *infers = support_workspace(net, BATCH, 0, 0);
    kd_optimizer *optimizer;
    support_ok(kd_optimizer_create(net, NULL, &optimizer, &e), e.text);
    size_t calls = memory.calls;
    for (size_t i = 0; i < 5; i++) {
        kd_batch batch = support_batch(&data, 0, BATCH);
        kd_net_info info = KD_NET_INFO_INIT;
        kd_param param = KD_PARAM_INIT;
        float out[BATCH * K];
        uint32_t order[CASES];
        size_t bytes;
        const float *logits;
        support_ok(kd_net_forward(ws, &batch, &logits), kd_workspace_error(ws));
        support_ok(kd_net_backward(ws, data.v, 0, 0), kd_workspace_error(ws));
        support_ok(kd_optimizer_step(optimizer, ws), kd_optimizer_error(optimizer));
        support_ok(kd_net_infer(infers, data.x, BATCH, 0, out, 0), kd_workspace_error(infers));
        support_ok(kd_net_get_info(net, &info, NULL), "info");
        support_ok(kd_net_find_param(net, "layers.3.bias", &param), kd_net_error(net));
        support_ok(kd_workspace_get_gradient(ws, 1, &param), kd_workspace_error(ws));
        support_ok(kd_workspace_size(net, NULL, &bytes, &e), e.text);
        support_ok(kd_shuffle(1, 2, CASES, order, NULL), "kd_shuffle");
        support_ok(kd_net_init(net, KD_INIT_HE, i), kd_net_error(net)); /* but for the first time */
    }
    assert_int_equal(memory.calls, calls);
    kd_optimizer_destroy(optimizer);
    kd_workspace_destroy(infers);
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* Wide layers and many classes, so that tiles and chunks go to threads. */
#define WIDE_INPUTS 300
#define WIDE 512
#define WIDE_BATCH 32

static kd_net *wide_net(void)
{
    kd_error e = KD_ERROR_INIT;
    kd_net *net = NULL;
    support_ok(kd_net_create(context, WIDE_INPUTS, &net, &e), e.text);
    support_ok(kd_net_add_dropout(net, 0.2f), kd_net_error(net));
    support_ok(kd_net_add_dense(net, WIDE), kd_net_error(net));
    support_ok(kd_net_add_relu(net), kd_net_error(net));
    support_ok(kd_net_add_dropout(net, 0.5f), kd_net_error(net));
    support_ok(kd_net_add_dense(net, 4 * WIDE), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_HE, 1), kd_net_error(net));
    return net;
}

static void steps_with_threads_allocate_nothing(void **state)
{
    (void)state;
    static float x[WIDE_BATCH * WIDE_INPUTS];
    uint64_t seed = 9;
    support_normals(&seed, x, COUNT(x), 1);
    for (int32_t threads = 1; threads <= 3; threads++) {
        context = support_context_of(&memory, threads);
        kd_net *student = wide_net(), *net = wide_net();
        kd_teacher *teacher = support_teacher(net);
        kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
        o.batch = WIDE_BATCH;
        kd_distiller *d = support_distiller(student, teacher, &o);
        size_t calls = memory.calls;
        for (size_t i = 0; i < 20; i++) {
            kd_batch batch = KD_BATCH_INIT;
            batch.n = i % 5 ? WIDE_BATCH : 1;
            batch.x = x;
            support_step(d, &batch);
            support_evaluate(d, &batch);
        }
        assert_int_equal(memory.calls, calls);
        kd_distiller_destroy(d);
        kd_teacher_destroy(teacher);
        kd_net_destroy(net);
        kd_net_destroy(student);
        kd_context_destroy(context);
        support_all_returned(&memory);
    }
}

/* Pages that the process has in memory; 0 where the system does not tell. */
static size_t resident_pages(void)
{
    unsigned long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%lu %lu", &all, &resident) != 2) {
        resident = 0;
    }
    if (file) {
        fclose(file);
    }
    return resident;
}

static void a_hundred_thousand_steps_leave_memory_flat(void **state)
{
    (void)state;
    support_fill(&data, 8, CASES, INPUTS, K);
    context = support_context(&memory);
    kd_net *student = support_net(context, "5: 9 relu drop0.3 4", 1);
    kd_teacher *teacher = make(NET);
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.batch = BATCH;
    kd_distiller *d = support_distiller(student, teacher, &o);
    size_t calls = 0, pages = 0;
    for (size_t i = 0; i < 100000; i++) {
        kd_batch batch = support_batch(&data, i % 3 * BATCH, BATCH);
        batch.epoch = (uint32_t)i;
        support_step(d, &batch);
        if (i == 1000) {
            calls = memory.calls;
            pages = resident_pages();
        }
    }
    assert_int_equal(memory.calls, calls);
    assert_true(resident_pages() <= pages + 64);
    kd_distiller_destroy(d);
    kd_teacher_destroy(teacher);
    kd_net_destroy(student);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* Two thousand lives of everything: what is alive afterwards is what was before. */
static void memory_stays_flat(void **state)
{
    (void)state;
    support_fill(&data, 8, CASES, INPUTS, K);
    context = support_context(&memory);
    kd_net *net = support_net(context, "5: 9 relu drop0.3 4", 1);
    size_t live = memory.live, bytes = memory.bytes;
    for (size_t i = 0; i < 2000; i++) {
        kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
        kd_batch batch = support_batch(&data, 0, BATCH);
        o.batch = BATCH;
        kd_net *student = support_clone(net);
        kd_teacher *teacher = make(1 + i % (KINDS - 1));
        kd_distiller *d = support_distiller(student, teacher, &o);
        kd_net_destroy(student);
        kd_teacher_destroy(teacher);
        support_step(d, &batch);
        kd_distiller_destroy(d);
        assert_int_equal(memory.live, live);
        assert_int_equal(memory.bytes, bytes);
    }
    kd_net_destroy(net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distillers_take_all_their_memory_at_once),
        cmocka_unit_test(loops_by_hand_allocate_nothing),
        cmocka_unit_test(memory_stays_flat),
        cmocka_unit_test(steps_with_threads_allocate_nothing),
        cmocka_unit_test(a_hundred_thousand_steps_leave_memory_flat),
    };
    if (kd_blas_set_single(NULL, NULL, NULL) != KD_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
