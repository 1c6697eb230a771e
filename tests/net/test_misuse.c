/* SPDX-License-Identifier: MIT */
/* Calls in the wrong state and with pointers that are missing: training, teachers, distillers. */
#include "../support/support.h"

#define HUGE ((size_t)INT32_MAX + 1)
#define INPUTS 4
#define K 3
#define CASES 5

static support_memory memory;
static kd_context *context;
static support_data data;
static kd_error e; /* of the last call */

static void check(kd_status status, kd_status expected, int32_t argument, const char *words)
{
    support_refused(status, expected, e.text, words);
    assert_int_equal(e.argument, argument);
    memset(e.text, 0, sizeof e.text);
}

static void start(void)
{
    const kd_error empty = KD_ERROR_INIT;
    e = empty;
    context = support_context(&memory);
    support_fill(&data, 8, 2 * CASES, INPUTS, K);
}

static void stop(void)
{
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* ---- forward and backward ---- */

static void check_batches(kd_workspace *ws)
{
    static const struct {
        size_t size, n;
        bool x;
        size_t stride;
        kd_status status;
        const char *words;
    } cases[] = {
        {0, 1, true, 0, KD_ERR_STRUCT, "batch.struct_size is 0"},
        {SIZE_MAX, 1, true, 0, KD_ERR_STRUCT, "batch.struct_size"},
        {sizeof(kd_batch), 1, false, 0, KD_ERR_NULL, "batch.x is NULL"},
        {sizeof(kd_batch), 0, true, 0, KD_ERR_SIZE, "n is 0"},
        {sizeof(kd_batch), CASES + 1, true, 0, KD_ERR_WORKSPACE, "n is 6"},
        {sizeof(kd_batch), HUGE, true, 0, KD_ERR_TOO_LARGE, "n is 2147483648"},
        {sizeof(kd_batch), SIZE_MAX, true, 0, KD_ERR_TOO_LARGE, "n is "},
        {sizeof(kd_batch), 1, true, INPUTS - 1, KD_ERR_SIZE, "stride of batch.x is 3"},
        {sizeof(kd_batch), 1, true, HUGE, KD_ERR_TOO_LARGE, "stride of batch.x"},
        {sizeof(kd_batch), 2, true, SIZE_MAX, KD_ERR_TOO_LARGE, "stride of batch.x"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        kd_batch batch = support_batch(&data, 0, CASES);
        const float *logits = data.x;
        batch.struct_size = cases[i].size;
        batch.n = cases[i].n;
        batch.x = cases[i].x ? data.x : NULL;
        batch.x_stride = cases[i].stride;
        support_refused(kd_net_forward(ws, &batch, &logits), cases[i].status,
                        kd_workspace_error(ws), cases[i].words);
        assert_null(logits);
    }
}

static void training_calls(void **state)
{
    (void)state;
    start();
    kd_net *net = support_net(context, "4: 6 relu 3", 1);
    kd_workspace *ws = support_workspace(net, CASES, 1, 0),
                 *infers = support_workspace(net, CASES, 0, 0);
    const char *said = kd_workspace_error(ws), *other = kd_workspace_error(infers);
    kd_batch batch = support_batch(&data, 0, CASES);
    const float *logits;
    const float *d = data.v;
    float out[CASES * K];
    kd_param p = KD_PARAM_INIT;
    assert_int_equal(kd_net_forward(NULL, &batch, &logits), KD_ERR_NULL);
    assert_int_equal(kd_net_backward(NULL, d, 0, 0), KD_ERR_NULL);
    assert_int_equal(kd_workspace_get_gradient(NULL, 0, &p), KD_ERR_NULL);
    assert_int_equal(kd_workspace_get_gradient(ws, 0, NULL), KD_ERR_NULL);
    support_refused(kd_net_forward(ws, NULL, &logits), KD_ERR_NULL, said, "batch is NULL");
    support_refused(kd_net_forward(ws, &batch, NULL), KD_ERR_NULL, said, "out_logits");
    check_batches(ws);
    support_refused(kd_net_forward(infers, &batch, &logits), KD_ERR_STATE, other, "for inference");
    support_refused(kd_net_backward(infers, d, 0, 0), KD_ERR_STATE, other, "for inference");
    support_refused(kd_workspace_get_gradient(infers, 0, &p), KD_ERR_STATE, other, "for inference");
    support_refused(kd_net_backward(ws, d, 0, 0), KD_ERR_STATE, said, "kd_net_forward");
    support_ok(kd_net_forward(ws, &batch, &logits), said);
    support_ok(kd_net_infer(ws, data.x, 1, 0, out, 0), said); /* overwrites what forward kept */
    support_refused(kd_net_backward(ws, d, 0, 0), KD_ERR_STATE, said, "kd_net_forward");
    support_ok(kd_net_forward(ws, &batch, &logits), said);
    support_refused(kd_net_backward(ws, NULL, 0, 0), KD_ERR_NULL, said, "d_logits");
    support_refused(kd_net_backward(ws, d, K - 1, 0), KD_ERR_SIZE, said, "stride of d_logits is 2");
    support_refused(kd_net_backward(ws, d, HUGE, 0), KD_ERR_TOO_LARGE, said, "stride of d_logits");
    support_refused(kd_net_backward(ws, d, 0, 2), KD_ERR_VALUE, said, "add is 2");
    support_refused(kd_net_backward(ws, d, 0, -1), KD_ERR_VALUE, said, "add is -1");
    support_refused(kd_workspace_get_gradient(ws, 4, &p), KD_ERR_INDEX, said, "index is 4");
    support_refused(kd_workspace_get_gradient(ws, SIZE_MAX, &p), KD_ERR_INDEX, said, "index is 18");
    p.struct_size = 7;
    assert_int_equal(kd_workspace_get_gradient(ws, 0, &p), KD_ERR_STRUCT);
    kd_param gradient = support_gradient(ws, 0); /* no refused way back has written anything */
    for (size_t i = 0; i < gradient.rows * gradient.columns; i++) {
        assert_true(gradient.values[i] == 0);
    }
    support_ok(kd_net_backward(ws, d, 0, 0), said);
    kd_workspace_destroy(infers);
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
    stop();
}

static void optimizers(void **state)
{
    (void)state;
    start();
    kd_net *net = support_net(context, "4: 3", 1), *raw;
    kd_workspace *ws = support_workspace(net, CASES, 1, 0);
    kd_optimizer *optimizer = (kd_optimizer *)net;
    kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
    support_ok(kd_net_create(context, 4, &raw, NULL), "create");
    check(kd_optimizer_create(NULL, &o, &optimizer, &e), KD_ERR_NULL, 1, "net");
    assert_null(optimizer);
    check(kd_optimizer_create(raw, &o, &optimizer, &e), KD_ERR_STATE, 1, "not initialised");
    check(kd_optimizer_create(net, &o, NULL, &e), KD_ERR_NULL, 3, "out_optimizer");
    o.struct_size = 7;
    check(kd_optimizer_create(net, &o, &optimizer, &e), KD_ERR_STRUCT, 2, "struct_size is 7");
    support_ok(kd_optimizer_create(net, NULL, &optimizer, &e), e.text);
    assert_int_equal(kd_optimizer_step(NULL, ws), KD_ERR_NULL);
    support_refused(kd_optimizer_step(optimizer, NULL), KD_ERR_NULL, kd_optimizer_error(optimizer),
                    "workspace");
    kd_optimizer_destroy(optimizer);
    kd_workspace_destroy(ws);
    kd_net_destroy(raw);
    kd_net_destroy(net);
    stop();
}

/* ---- teachers ---- */

static int32_t answer(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user;
    (void)temperature;
    memcpy(out, data.v, batch->n * K * sizeof *out);
    return 0;
}

static void teachers(void **state)
{
    (void)state;
    start();
    kd_net *net = support_net(context, "4: 3", 1), *raw;
    kd_teacher *t = (kd_teacher *)net, *good = support_teacher(net);
    kd_teacher *const members[] = {good};
    kd_callback_options o = {.struct_size = sizeof o, .k = K, .fn = answer};
    support_ok(kd_net_create(context, 4, &raw, NULL), "create");
    check(kd_teacher_from_net(NULL, &t, &e), KD_ERR_NULL, 1, "net");
    assert_null(t);
    check(kd_teacher_from_net(raw, &t, &e), KD_ERR_STATE, 1, "not initialised");
    check(kd_teacher_from_net(net, NULL, &e), KD_ERR_NULL, 2, "out_teacher");
    check(kd_teacher_from_ensemble(NULL, 1, NULL, KD_MEAN_GEOMETRIC, &t, &e), KD_ERR_NULL, 1,
          "members");
    check(kd_teacher_from_ensemble(members, 1, NULL, KD_MEAN_GEOMETRIC, NULL, &e), KD_ERR_NULL, 5,
          "out_teacher");
    check(kd_teacher_from_callback(NULL, &o, &t, &e), KD_ERR_NULL, 1, "context");
    check(kd_teacher_from_callback(context, NULL, &t, &e), KD_ERR_NULL, 2, "options");
    check(kd_teacher_from_callback(context, &o, NULL, &e), KD_ERR_NULL, 3, "out_teacher");
    check(kd_teacher_from_logits(NULL, data.ids, data.v, 2, K, 0, &t, &e), KD_ERR_NULL, 1,
          "context");
    check(kd_teacher_from_logits(context, NULL, data.v, 2, K, 0, &t, &e), KD_ERR_NULL, 2, "ids");
    check(kd_teacher_from_logits(context, data.ids, NULL, 2, K, 0, &t, &e), KD_ERR_NULL, 3,
          "logits");
    check(kd_teacher_from_logits(context, data.ids, data.v, 2, K, 0, NULL, &e), KD_ERR_NULL, 7,
          "out_teacher");
    assert_null(t);
    kd_teacher_destroy(good);
    kd_net_destroy(raw);
    kd_net_destroy(net);
    stop();
}

static void teacher_workspaces(void **state)
{
    (void)state;
    start();
    kd_net *net = support_net(context, "4: 3", 1);
    kd_teacher *good = support_teacher(net), *wide;
    kd_teacher_workspace *ws = (kd_teacher_workspace *)net;
    kd_callback_options o = {.struct_size = sizeof o, .k = INT32_MAX, .fn = answer};
    check(kd_teacher_workspace_create(NULL, 1, &ws, &e), KD_ERR_NULL, 1, "teacher");
    assert_null(ws);
    check(kd_teacher_workspace_create(good, 0, &ws, &e), KD_ERR_SIZE, 2, "batch is 0");
    check(kd_teacher_workspace_create(good, HUGE, &ws, &e), KD_ERR_TOO_LARGE, 2, "batch is 2147");
    check(kd_teacher_workspace_create(good, SIZE_MAX, &ws, &e), KD_ERR_TOO_LARGE, 2, "batch is 18");
    check(kd_teacher_workspace_create(good, 1, NULL, &e), KD_ERR_NULL, 3, "out_workspace");
    support_ok(kd_teacher_from_callback(context, &o, &wide, &e), e.text);
    support_refused(kd_teacher_workspace_create(wide, INT32_MAX, &ws, &e), KD_ERR_TOO_LARGE, e.text,
                    "too many bytes");
    assert_null(ws);
    kd_batch batch = support_batch(&data, 0, 1);
    kd_targets targets = KD_TARGETS_INIT;
    support_ok(kd_teacher_workspace_create(good, 1, &ws, &e), e.text);
    batch.x = NULL;
    check(kd_teacher_targets(ws, &batch, 1, &targets, &e), KD_ERR_NULL, 2, "batch.x");
    batch.x = data.x;
    batch.x_stride = INPUTS - 1;
    check(kd_teacher_targets(ws, &batch, 1, &targets, &e), KD_ERR_SIZE, 2,
          "stride of batch.x is 3");
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(wide);
    kd_teacher_destroy(good);
    kd_net_destroy(net);
    stop();
}

/* ---- distillers ---- */

static void distillers(void **state)
{
    (void)state;
    start();
    kd_net *net = support_net(context, "4: 3", 1);
    kd_distiller *d = support_distiller(net, NULL, NULL);
    const char *said = kd_distiller_error(d);
    kd_batch batch = support_batch(&data, 0, CASES);
    kd_report r = KD_REPORT_INIT;
    uint64_t before = support_hash(net);
    batch.targets = &data.targets;
    assert_int_equal(kd_distill_step(NULL, &batch, &r), KD_ERR_NULL);
    assert_int_equal(kd_distill_evaluate(NULL, &batch, &r), KD_ERR_NULL);
    support_refused(kd_distill_step(d, NULL, &r), KD_ERR_NULL, said, "batch is NULL");
    support_refused(kd_distill_evaluate(d, NULL, &r), KD_ERR_NULL, said, "batch is NULL");
    support_refused(kd_distill_evaluate(d, &batch, NULL), KD_ERR_NULL, said, "out_report");
    kd_batch bad = batch;
    bad.n = 0;
    support_refused(kd_distill_evaluate(d, &bad, &r), KD_ERR_SIZE, said, "n is 0");
    bad.n = SIZE_MAX;
    support_refused(kd_distill_evaluate(d, &bad, &r), KD_ERR_TOO_LARGE, said, "n is 18446744");
    bad.n = CASES;
    bad.x = NULL;
    support_refused(kd_distill_evaluate(d, &bad, &r), KD_ERR_NULL, said, "batch.x is NULL");
    kd_targets narrow = data.targets;
    narrow.stride = K - 1;
    bad = batch;
    bad.targets = &narrow;
    support_refused(kd_distill_step(d, &bad, &r), KD_ERR_SIZE, said, "batch.targets.values is 2");
    support_refused(kd_distill_evaluate(d, &bad, &r), KD_ERR_SIZE, said, "targets.values is 2");
    narrow.struct_size = 7;
    support_refused(kd_distill_step(d, &bad, &r), KD_ERR_STRUCT, said, "targets.struct_size is 7");
    support_refused(kd_distill_evaluate(d, &bad, &r), KD_ERR_STRUCT, said, "targets.struct_size");
    assert_true(support_hash(net) == before);
    support_ok(kd_distill_step(d, &batch, NULL), said); /* a report may be left out */
    kd_distiller_destroy(d);
    kd_net_destroy(net);
    stop();
}

/* Calls without a handle to keep their words say them to the caller's error. */
static void calls_without_a_handle(void **state)
{
    (void)state;
    uint32_t order[2];
    kd_net_info info = KD_NET_INFO_INIT;
    kd_report report = KD_REPORT_INIT, cut = KD_REPORT_INIT;
    cut.struct_size = 3;
    start();
    check(kd_shuffle(1, 0, 2, NULL, &e), KD_ERR_NULL, 4, "out_order is NULL");
    check(kd_shuffle(1, 0, 0, order, &e), KD_ERR_SIZE, 3, "n is 0");
    check(kd_shuffle(1, 0, HUGE, order, &e), KD_ERR_TOO_LARGE, 3, "n is 2147483648");
    check(kd_net_get_info(NULL, &info, &e), KD_ERR_NULL, 1, "net is NULL");
    check(kd_report_merge(NULL, &report, &e), KD_ERR_NULL, 1, "into is NULL");
    check(kd_report_merge(&report, NULL, &e), KD_ERR_NULL, 2, "from is NULL");
    check(kd_report_merge(&report, &cut, &e), KD_ERR_STRUCT, 2, "from.struct_size is 3");
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_calls), cmocka_unit_test(optimizers),
        cmocka_unit_test(teachers),       cmocka_unit_test(teacher_workspaces),
        cmocka_unit_test(distillers),     cmocka_unit_test(calls_without_a_handle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
