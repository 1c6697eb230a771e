/* SPDX-License-Identifier: MIT */
/* Nets: shapes, names, first values, copies, orders of cases, and what inference gives. */
#include "../support/support.h"

#include <pthread.h>

/* Every order of nodes that the workspaces must cope with. */
static const char *const shapes[] = {
    "5: 8 relu 3",
    "5: 8 relu drop0.5 7 relu 3",
    "5: 3",
    "5: 6 3",
    "5: drop0.3 8 relu 3",
    "5: relu 8 relu 3",
    "5: relu drop0.3 relu 8 3",
    "5: drop0.3 relu 4 3",
    "5: 8 relu 3 relu",
    "5: 8 relu 3 drop0.5",
    "5: 8 relu relu 3",
    "5: 8 drop0.3 relu drop0.3 3 relu drop0.3",
    "1: 1",
    "31: 1 relu 32 relu 2",
};

/* ---- what a net says of itself ---- */

static void a_net_knows_its_sizes(void **state)
{
    (void)state;
    support_memory memory;
    kd_context *context = support_context(&memory);
    kd_net_info info = KD_NET_INFO_INIT;
    kd_net *net;
    support_ok(kd_net_create(context, 5, &net, NULL), "create");
    support_ok(kd_net_get_info(net, &info, NULL), "info");
    assert_int_equal(info.inputs, 5);
    assert_int_equal(info.outputs, 5);
    assert_int_equal(info.nodes, 0);
    support_ok(kd_net_add_dense(net, 8), kd_net_error(net));
    support_ok(kd_net_add_relu(net), kd_net_error(net));
    support_ok(kd_net_add_dropout(net, 0.5f), kd_net_error(net));
    support_ok(kd_net_add_dense(net, 3), kd_net_error(net));
    support_ok(kd_net_get_info(net, &info, NULL), "info");
    assert_int_equal(info.outputs, 3);
    assert_int_equal(info.nodes, 4);
    assert_int_equal(info.params, 0);
    assert_int_equal(info.values, 0);
    support_ok(kd_net_init(net, KD_INIT_GLOROT, 1), kd_net_error(net));
    support_ok(kd_net_get_info(net, &info, NULL), "info");
    assert_int_equal(info.params, 4);
    assert_int_equal(info.values, 8 * 5 + 8 + 3 * 8 + 3);
    assert_string_equal(kd_net_error(net), "");
    kd_context_destroy(context); /* the net keeps it */
    kd_net_destroy(net);
    support_all_returned(&memory);
}

static void parameters_have_pytorch_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t rows, columns;
    } known[] = {{"layers.0.weight", 8, 5},
                 {"layers.0.bias", 8, 1},
                 {"layers.3.weight", 3, 8},
                 {"layers.3.bias", 3, 1}};
    support_memory memory;
    kd_context *context = support_context(&memory);
    kd_net *net = support_net(context, "5: 8 relu drop0.5 3", 1);
    kd_workspace *ws = support_workspace(net, 2, 1, 0);
    for (size_t i = 0; i < COUNT(known); i++) {
        kd_param by_index = support_param(net, i);
        kd_param gradient = support_gradient(ws, i);
        kd_param by_name = KD_PARAM_INIT;
        support_ok(kd_net_find_param(net, known[i].name, &by_name), kd_net_error(net));
        assert_string_equal(by_index.name, known[i].name);
        assert_int_equal(by_index.rows, known[i].rows);
        assert_int_equal(by_index.columns, known[i].columns);
        assert_memory_equal(&by_index, &by_name, sizeof by_name);
        assert_string_equal(gradient.name, known[i].name);
        assert_int_equal(gradient.rows, known[i].rows);
        assert_int_equal(gradient.columns, known[i].columns);
        assert_ptr_not_equal(gradient.values, by_index.values);
    }
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* ---- inference against the same net in double ---- */

/* One case through a net in double, with a bound of what a net in float may be off by. */
typedef struct exact {
    double y[SUPPORT_WIDTH];
    double error[SUPPORT_WIDTH];
} exact;

static exact dense(kd_net *net, size_t param, const exact *x)
{
    exact out = {{0}, {0}};
    kd_param w = support_param(net, param);
    kd_param b = support_param(net, param + 1);
    for (size_t i = 0; i < w.rows; i++) {
        double size = fabs((double)b.values[i]);
        out.y[i] = (double)b.values[i];
        for (size_t j = 0; j < w.columns; j++) {
            double weight = (double)w.values[i * w.columns + j];
            out.y[i] += weight * x->y[j];
            size += fabs(weight * x->y[j]);
            out.error[i] += fabs(weight) * x->error[j];
        }
        out.error[i] += size * (double)(w.columns + 2) * 0x1p-24;
    }
    return out;
}

static exact exact_logits(kd_net *net, const char *shape, const float *x)
{
    support_node nodes[SUPPORT_NODES];
    exact at = {{0}, {0}};
    size_t inputs;
    size_t param = 0;
    size_t count = support_read(shape, &inputs, nodes);
    for (size_t i = 0; i < inputs; i++) {
        at.y[i] = (double)x[i];
    }
    for (size_t i = 0; i < count; i++) {
        if (nodes[i].kind == 'd') {
            at = dense(net, param, &at);
            param += 2;
        }
        for (size_t j = 0; nodes[i].kind == 'r' && j < nodes[i].width; j++) {
            at.y[j] = at.y[j] > 0 ? at.y[j] : 0;
        }
    }
    return at;
}

/* Runs n cases from rows of a stride into rows of another, and looks at every float. */
static void check_infer(kd_net *net, kd_workspace *ws, const char *shape, size_t n, size_t gap)
{
    float x[SUPPORT_CASES * (SUPPORT_WIDTH + 3)];
    float out[SUPPORT_CASES * (SUPPORT_WIDTH + 3)];
    kd_net_info info = KD_NET_INFO_INIT;
    support_ok(kd_net_get_info(net, &info, NULL), "info");
    size_t x_stride = info.inputs + gap;
    size_t out_stride = info.outputs + gap;
    uint64_t seed = n;
    support_normals(&seed, x, n * x_stride, 1);
    memset(out, 0x7f, sizeof out);
    float untouched = out[0];
    support_ok(kd_net_infer(ws, x, n, gap ? x_stride : 0, out, gap ? out_stride : 0),
               kd_workspace_error(ws));
    for (size_t i = 0; i < n; i++) {
        exact want = exact_logits(net, shape, x + i * x_stride);
        for (size_t j = 0; j < info.outputs; j++) {
            support_near(shape, (double)out[i * out_stride + j], want.y[j], want.error[j] + 1e-30);
        }
        for (size_t j = info.outputs; j < out_stride; j++) {
            support_same_bits("gap", &out[i * out_stride + j], &untouched, sizeof untouched);
        }
    }
    support_same_bits("behind", &out[n * out_stride], &untouched, sizeof untouched);
}

static void inference_is_the_formula(void **state)
{
    (void)state;
    support_memory memory;
    kd_context *context = support_context(&memory);
    for (size_t s = 0; s < COUNT(shapes); s++) {
        kd_net *net = support_net(context, shapes[s], s);
        for (int32_t training = 0; training < 2; training++) {
            kd_workspace *ws = support_workspace(net, 9, training, 7);
            for (size_t n = 1; n <= 9; n++) {
                check_infer(net, ws, shapes[s], n, 0);
                check_infer(net, ws, shapes[s], n, 3);
            }
            kd_workspace_destroy(ws);
        }
        kd_net_destroy(net);
    }
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* Forward is inference where dropout's rate is 0, to rounding; and inference knows no dropout. */
static void dropout_is_in_forward_only(void **state)
{
    (void)state;
    static const struct {
        const char *with, *without;
        bool same;
    } pairs[] = {
        {"5: 8 relu drop0 3", "5: 8 relu 3", true},
        {"5: drop0 8 relu 3 drop0", "5: 8 relu 3", true},
        {"5: 8 relu drop0.9 3", "5: 8 relu 3", false},
        {"5: drop0.9 8 relu 3", "5: 8 relu 3", false},
        {"5: 8 relu 3 drop0.9", "5: 8 relu 3", false},
    };
    support_memory memory;
    kd_context *context = support_context(&memory);
    support_data data;
    support_fill(&data, 3, 9, 5, 3);
    for (size_t p = 0; p < COUNT(pairs); p++) {
        kd_net *with = support_net(context, pairs[p].with, 1);
        kd_net *without = support_net(context, pairs[p].without, 1);
        kd_workspace *run = support_workspace(with, 9, 1, 7);
        kd_workspace *plain = support_workspace(without, 9, 0, 7);
        for (size_t i = 0; i < 4; i++) { /* the same weights, whatever the nodes' numbers */
            kd_param from = support_param(without, i);
            memcpy(support_param(with, i).values, from.values,
                   from.rows * from.columns * sizeof(float));
        }
        float want[9 * 3], got[9 * 3];
        const float *forward;
        kd_batch batch = support_batch(&data, 0, 9);
        support_ok(kd_net_infer(plain, data.x, 9, 0, want, 0), kd_workspace_error(plain));
        support_ok(kd_net_forward(run, &batch, &forward), kd_workspace_error(run));
        double farthest = 0.0;
        for (size_t i = 0; i < COUNT(want); i++) {
            farthest = fmax(farthest, fabs((double)forward[i] - (double)want[i]));
        }
        assert_int_equal(farthest < 1e-5, pairs[p].same);
        support_ok(kd_net_infer(run, data.x, 9, 0, got, 0), kd_workspace_error(run));
        support_same_bits(pairs[p].with, got, want, sizeof want);
        kd_workspace_destroy(run);
        kd_workspace_destroy(plain);
        kd_net_destroy(with);
        kd_net_destroy(without);
    }
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* NaN and infinities come out again, in their own row only. */
static void inference_passes_on_what_is_not_finite(void **state)
{
    (void)state;
    support_memory memory;
    kd_context *context = support_context(&memory);
    kd_net *net = support_net(context, "2: 2 relu 2", 1);
    kd_workspace *ws = support_workspace(net, 3, 0, 0);
    const float one[] = {1, 1, 1, 1};
    const float x[] = {NAN, 1, 1, 1, INFINITY, 1};
    float out[6];
    memcpy(support_param(net, 0).values, one, sizeof one);
    memcpy(support_param(net, 2).values, one, sizeof one);
    support_ok(kd_net_infer(ws, x, 3, 0, out, 0), kd_workspace_error(ws));
    assert_true(isnan(out[0]) && isnan(out[1]));
    assert_true(isfinite(out[2]) && isfinite(out[3]));
    assert_true(isinf(out[4]) && isinf(out[5]));
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

static void a_clone_is_equal_and_independent(void **state)
{
    (void)state;
    support_memory memory;
    kd_context *context = support_context(&memory);
    kd_net *net = support_net(context, "5: drop0.2 8 relu drop0.5 3", 1);
    kd_net *copy = support_clone(net);
    kd_net_info a = KD_NET_INFO_INIT, b = KD_NET_INFO_INIT;
    support_ok(kd_net_get_info(net, &a, NULL), "info");
    support_ok(kd_net_get_info(copy, &b, NULL), "info");
    assert_memory_equal(&a, &b, sizeof a);
    uint64_t before = support_hash(net);
    assert_true(support_hash(copy) == before);
    for (size_t i = 0; i < a.params; i++) {
        assert_ptr_not_equal(support_param(net, i).values, support_param(copy, i).values);
    }
    support_param(copy, 3).values[2] += 1;
    assert_true(support_hash(net) == before);
    assert_true(support_hash(copy) != before);
    kd_net_destroy(net); /* the copy needs nothing of it */
    kd_workspace *ws = support_workspace(copy, 2, 0, 0);
    check_infer(copy, ws, "5: drop0.2 8 relu drop0.5 3", 2, 1);
    kd_workspace_destroy(ws);
    kd_net_destroy(copy);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* ---- memory and threads ---- */

static void a_workspace_takes_what_it_said(void **state)
{
    (void)state;
    support_memory memory;
    kd_context *context = support_context(&memory);
    for (size_t s = 0; s < COUNT(shapes); s++) {
        kd_net *net = support_net(context, shapes[s], 1);
        for (size_t batch = 1; batch < 200; batch = 3 * batch + 1) {
            for (int32_t training = 0; training < 2; training++) {
                kd_workspace_options options = KD_WORKSPACE_OPTIONS_INIT;
                size_t bytes;
                options.batch = batch;
                options.training = training;
                size_t calls = memory.calls;
                support_ok(kd_workspace_size(net, &options, &bytes, NULL), "size");
                assert_int_equal(memory.calls, calls);
                size_t before = memory.bytes;
                kd_workspace *ws = support_workspace(net, batch, training, 0);
                assert_int_equal(memory.bytes - before, bytes);
                kd_workspace_destroy(ws);
                assert_int_equal(memory.bytes, before);
            }
        }
        kd_net_destroy(net);
    }
    kd_context_destroy(context);
    support_all_returned(&memory);
}

enum { THREADS = 8, ROUNDS = 200, CASES = 16 };

typedef struct worker {
    pthread_t thread;
    kd_net *net;
    kd_workspace *ws;
    const support_data *data;
    const float *want;
    bool good;
} worker;

static void *infer_often(void *given)
{
    worker *w = given;
    float out[CASES * 3];
    w->good = true;
    for (size_t i = 0; i < ROUNDS; i++) {
        memset(out, 0, sizeof out);
        w->good = w->good && kd_net_infer(w->ws, w->data->x, CASES, 0, out, 0) == KD_OK &&
                  memcmp(out, w->want, sizeof out) == 0;
    }
    kd_workspace_destroy(w->ws); /* references are counted from all threads at once */
    kd_net_destroy(w->net);
    return NULL;
}

static void many_threads_infer_on_one_net(void **state)
{
    (void)state;
    support_memory memory;
    kd_context *context = support_context(&memory);
    kd_net *net = support_net(context, "5: 32 relu drop0.5 31 relu 3", 1);
    kd_workspace *ws = support_workspace(net, CASES, 0, 0);
    support_data data;
    float want[CASES * 3];
    worker workers[THREADS];
    support_fill(&data, 1, CASES, 5, 3);
    support_ok(kd_net_infer(ws, data.x, CASES, 0, want, 0), kd_workspace_error(ws));
    for (size_t i = 0; i < THREADS; i++) {
        kd_net *own = NULL;
        support_ok(kd_net_clone(net, &own, NULL), "clone");
        workers[i] = (worker){0, own, support_workspace(net, CASES, i % 2, 0), &data, want, false};
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&workers[i].thread, NULL, infer_often, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_true(workers[i].good);
    }
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_net_knows_its_sizes),
        cmocka_unit_test(parameters_have_pytorch_names),
        cmocka_unit_test(inference_is_the_formula),
        cmocka_unit_test(dropout_is_in_forward_only),
        cmocka_unit_test(inference_passes_on_what_is_not_finite),
        cmocka_unit_test(a_clone_is_equal_and_independent),
        cmocka_unit_test(a_workspace_takes_what_it_said),
        cmocka_unit_test(many_threads_infer_on_one_net),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
