/* SPDX-License-Identifier: MIT */
/* The way back against central differences of the way forth, which is redone here in double. */
#include "../support/support.h"

#define MOST_VALUES 500
#define CASES 12
#define SEED 99

static const char *const shapes[] = {
    "4: 3",
    "4: 6 3",
    "4: 6 relu 3",
    "4: 6 relu drop0.5 5 relu 3",
    "4: drop0.25 6 relu 3",
    "4: relu 5 3",
    "4: drop0.25 relu 5 relu 3",
    "4: 6 drop0.5 relu 3 drop0.25",
    "4: 6 relu relu 3 relu",
    "4: 6 drop0.3 drop0.4 relu drop0.2 3",
    "4: 6 relu drop0.5 3 relu drop0.5",
    "17: 19 relu drop0.5 3",
};

typedef struct bench {
    support_memory memory;
    kd_context *context;
    kd_net *net;
    kd_workspace *ws;
    support_data data;
    kd_batch batch;
    float c[CASES * 3]; /* the objective is sum c z */
    const char *shape;
    support_node nodes[SUPPORT_NODES];
    size_t count;
    float masks[SUPPORT_NODES][CASES * SUPPORT_WIDTH]; /* 0 or the scale; of dropout nodes */
    double w[MOST_VALUES];                             /* all weights */
} bench;

static void start(bench *b, const char *shape)
{
    uint64_t seed = 11;
    size_t inputs;
    b->count = support_read(shape, &inputs, b->nodes);
    b->shape = shape;
    b->context = support_context(&b->memory);
    b->net = support_net(b->context, shape, 5);
    b->ws = support_workspace(b->net, CASES, 1, SEED);
    support_fill(&b->data, 21, CASES, inputs, 3);
    b->batch = support_batch(&b->data, 0, CASES);
    b->batch.epoch = 4;
    support_normals(&seed, b->c, COUNT(b->c), 1);
    assert_true(support_values(b->net) <= MOST_VALUES);
}

static void stop(bench *b)
{
    kd_workspace_destroy(b->ws);
    kd_net_destroy(b->net);
    kd_context_destroy(b->context);
    support_all_returned(&b->memory);
}

static void forward(kd_workspace *ws, const kd_batch *batch, float *out)
{
    const float *logits;
    support_ok(kd_net_forward(ws, batch, &logits), kd_workspace_error(ws));
    memcpy(out, logits, batch->n * 3 * sizeof *out);
}

static void run(bench *b)
{
    float z[CASES * 3];
    forward(b->ws, &b->batch, z);
}

static void backward(kd_workspace *ws, const float *d, int32_t add)
{
    support_ok(kd_net_backward(ws, d, 0, add), kd_workspace_error(ws));
}

/* All gradients, one after the other. */
static void get_gradients(kd_net *net, kd_workspace *ws, float *out)
{
    kd_net_info info = KD_NET_INFO_INIT;
    support_ok(kd_net_get_info(net, &info, NULL), "info");
    for (size_t i = 0; i < info.params; i++) {
        kd_param g = support_gradient(ws, i);
        memcpy(out, g.values, g.rows * g.columns * sizeof *out);
        out += g.rows * g.columns;
    }
}

/*
 * What a dropout node does to ones: a net in which the node has the same number shows it, because a
 * mask depends on seed, epoch, id and node only.
 */
static void read_mask(bench *b, size_t node)
{
    size_t width = b->nodes[node].width;
    float x[CASES * SUPPORT_WIDTH];
    const float *logits;
    kd_batch batch = b->batch;
    kd_net *net;
    support_ok(kd_net_create(b->context, width, &net, NULL), "create");
    for (size_t i = 0; i < node; i++) {
        support_ok(kd_net_add_relu(net), kd_net_error(net));
    }
    support_ok(kd_net_add_dropout(net, b->nodes[node].rate), kd_net_error(net));
    support_ok(kd_net_add_dense(net, width), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_HE, 0), kd_net_error(net));
    kd_param identity = support_param(net, 0);
    for (size_t i = 0; i < width * width; i++) {
        identity.values[i] = i % (width + 1) == 0;
    }
    for (size_t i = 0; i < CASES * width; i++) {
        x[i] = 1;
    }
    kd_workspace *ws = support_workspace(net, CASES, 1, SEED);
    batch.x = x;
    support_ok(kd_net_forward(ws, &batch, &logits), kd_workspace_error(ws));
    memcpy(b->masks[node], logits, CASES * width * sizeof *logits);
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
}

/*
 * One case forth in double. With `size`, everything is taken as its absolute value and rectifiers
 * are left out: the sum of the absolute values of all paths, which bounds what rounding can do.
 */
static void walk(const bench *b, size_t n, bool size, double *at)
{
    const double *w = b->w;
    for (size_t i = 0; i < b->data.inputs; i++) {
        double x = (double)b->batch.x[n * b->data.inputs + i];
        at[i] = size ? fabs(x) : x;
    }
    for (size_t node = 0, in = b->data.inputs; node < b->count; in = b->nodes[node++].width) {
        size_t width = b->nodes[node].width;
        double y[SUPPORT_WIDTH];
        for (size_t i = 0; i < width; i++) {
            double a = i < in ? at[i] : 0;
            if (b->nodes[node].kind == 'r') {
                y[i] = a > 0 ? a : 0;
            } else if (b->nodes[node].kind == 'o') {
                y[i] = a * (double)b->masks[node][n * width + i];
            } else {
                double bias = w[width * in + i];
                y[i] = size ? fabs(bias) : bias;
                for (size_t j = 0; j < in; j++) {
                    double weight = w[i * in + j];
                    y[i] += (size ? fabs(weight) : weight) * at[j];
                }
            }
        }
        memcpy(at, y, width * sizeof *at);
        w += b->nodes[node].kind == 'd' ? width * in + width : 0;
    }
}

static double objective(const bench *b, bool size)
{
    double sum = 0;
    for (size_t n = 0; n < CASES; n++) {
        double z[SUPPORT_WIDTH];
        walk(b, n, size, z);
        for (size_t j = 0; j < 3; j++) {
            double c = (double)b->c[n * 3 + j];
            sum += (size ? fabs(c) : c) * z[j];
        }
    }
    return sum;
}

/* Roundings that one path through the net meets, forth, back and over the cases. */
static double roundings(const bench *b)
{
    double count = CASES;
    for (size_t node = 0, in = b->data.inputs; node < b->count; in = b->nodes[node++].width) {
        count += b->nodes[node].kind == 'd' ? (double)(in + b->nodes[node].width + 4) : 2;
    }
    return count;
}

/* Central difference for one weight. A smaller step is taken if a rectifier switches on the way:
 * without one the objective is linear in a single weight. */
static double slope_of(bench *b, size_t i, bool size)
{
    const double here = b->w[i];
    double middle = objective(b, size);
    for (double step = 0x1p-10; step > 0x1p-30; step /= 4) {
        b->w[i] = here + (size && here < 0 ? -step : step);
        double above = objective(b, size);
        b->w[i] = here - (size && here < 0 ? -step : step);
        double below = objective(b, size);
        b->w[i] = here;
        if (fabs(above - 2 * middle + below) <= 1e-13 * (1 + fabs(middle)) || size) {
            return (above - below) / (2 * step);
        }
    }
    fail_msg("%s: no smooth step", b->shape);
    return 0;
}

static void check_slopes(bench *b, const float *gradients)
{
    size_t alive = 0, count = support_values(b->net);
    for (size_t i = 0; i < count; i++) {
        double slope = slope_of(b, i, false);
        double size = slope_of(b, i, true);
        support_near(b->shape, (double)gradients[i], slope,
                     roundings(b) * size * 0x1p-24 + 1e-8 * (1 + fabs(slope)));
        alive += gradients[i] != 0;
    }
    assert_true(3 * alive > count); /* or the test would say little */
}

static void gradients_are_slopes(void **state)
{
    (void)state;
    static bench b;
    for (size_t s = 0; s < COUNT(shapes); s++) {
        float z[CASES * 3], values[MOST_VALUES];
        start(&b, shapes[s]);
        for (size_t node = 0; node < b.count; node++) {
            if (b.nodes[node].kind == 'o') {
                read_mask(&b, node);
            }
        }
        support_get_weights(b.net, values);
        for (size_t i = 0; i < support_values(b.net); i++) {
            b.w[i] = (double)values[i];
        }
        forward(b.ws, &b.batch, z);
        for (size_t n = 0; n < CASES; n++) {
            double want[SUPPORT_WIDTH], size[SUPPORT_WIDTH];
            walk(&b, n, false, want);
            walk(&b, n, true, size);
            for (size_t j = 0; j < 3; j++) {
                support_near(shapes[s], (double)z[n * 3 + j], want[j],
                             roundings(&b) * size[j] * 0x1p-24);
            }
        }
        backward(b.ws, b.c, 0);
        get_gradients(b.net, b.ws, values);
        check_slopes(&b, values);
        stop(&b);
    }
}

/* d_logits may have wide rows; twice the same way back is the same; `add` adds. */
static void adding_doubles(void **state)
{
    (void)state;
    static bench b;
    for (size_t s = 0; s < COUNT(shapes); s++) {
        float once[MOST_VALUES], again[MOST_VALUES], wide[CASES * 8];
        start(&b, shapes[s]);
        size_t count = support_values(b.net);
        for (size_t i = 0; i < CASES * 8; i++) {
            wide[i] = i % 8 < 3 ? b.c[i / 8 * 3 + i % 8] : NAN;
        }
        run(&b);
        backward(b.ws, b.c, 0);
        get_gradients(b.net, b.ws, once);
        support_ok(kd_net_backward(b.ws, wide, 8, 0), kd_workspace_error(b.ws));
        get_gradients(b.net, b.ws, again);
        support_same_bits("stride", again, once, count * sizeof *once);
        backward(b.ws, b.c, 1);
        get_gradients(b.net, b.ws, again);
        for (size_t i = 0; i < count; i++) {
            once[i] *= 2;
        }
        support_near_row(shapes[s], again, once, count, 1e-5,
                         1e-5); /* a BLAS may sum in any order */
        stop(&b);
    }
}

/*
 * One batch of twelve, and the same cases in two of six in another order, epoch and ids as they
 * were: the same logits and the same sum of gradients, to rounding.
 */
static void cutting_changes_nothing(void **state)
{
    (void)state;
    static const size_t order[CASES] = {4, 0, 5, 11, 1, 3, 9, 2, 10, 6, 7, 8};
    static bench b;
    for (size_t s = 0; s < COUNT(shapes); s++) {
        float whole[CASES * 3], z[CASES * 3], want[MOST_VALUES], got[MOST_VALUES];
        start(&b, shapes[s]);
        size_t inputs = b.data.inputs;
        forward(b.ws, &b.batch, whole);
        backward(b.ws, b.c, 0);
        get_gradients(b.net, b.ws, want);
        for (size_t cut = 0; cut < CASES; cut += 6) {
            float x[6 * SUPPORT_WIDTH], c[6 * 3];
            uint64_t ids[6];
            for (size_t i = 0; i < 6; i++) {
                size_t from = order[cut + i];
                memcpy(x + i * inputs, b.data.x + from * inputs, inputs * sizeof *x);
                memcpy(c + i * 3, b.c + from * 3, 3 * sizeof *c);
                ids[i] = b.data.ids[from];
            }
            kd_batch part = b.batch;
            part.n = 6;
            part.x = x;
            part.ids = ids;
            forward(b.ws, &part, z);
            backward(b.ws, c, cut > 0);
            for (size_t i = 0; i < 6; i++) {
                support_near_row("logits", z + i * 3, whole + order[cut + i] * 3, 3, 1e-5, 1e-5);
            }
        }
        get_gradients(b.net, b.ws, got);
        support_near_row(shapes[s], got, want, support_values(b.net), 1e-5, 1e-5);
        stop(&b);
    }
}

/* A delta that is not finite: nothing has changed, and the next way back is as if nothing was. */
static void a_bad_gradient_changes_nothing(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    static bench b;
    for (size_t s = 0; s < COUNT(shapes); s++) {
        float before[MOST_VALUES], after[MOST_VALUES], d[CASES * 3];
        start(&b, shapes[s]);
        size_t bytes = support_values(b.net) * sizeof *before;
        run(&b);
        backward(b.ws, b.c, 0);
        get_gradients(b.net, b.ws, before);
        for (size_t i = 0; i < COUNT(bad) * COUNT(d); i++) {
            memcpy(d, b.c, sizeof d);
            d[i % COUNT(d)] = bad[i / COUNT(d)];
            support_refused(kd_net_backward(b.ws, d, 0, (int32_t)(i % 2)), KD_ERR_NOT_FINITE,
                            kd_workspace_error(b.ws), "delta");
            get_gradients(b.net, b.ws, after);
            support_same_bits(shapes[s], after, before, bytes);
        }
        backward(b.ws, b.c, 0);
        get_gradients(b.net, b.ws, after);
        support_same_bits("next", after, before, bytes);
        stop(&b);
    }
}

static void an_overflowing_delta_changes_nothing(void **state)
{
    (void)state;
    static bench b;
    float before[MOST_VALUES], after[MOST_VALUES], d[CASES * 3];
    start(&b, "4: 6 5 3");
    run(&b);
    backward(b.ws, b.c, 0);
    get_gradients(b.net, b.ws, before);
    for (size_t i = 0; i < COUNT(d); i++) {
        d[i] = 3e38f;
    }
    kd_param last = support_param(b.net, 4);
    for (size_t i = 0; i < last.rows * last.columns; i++) {
        last.values[i] = 2;
    }
    support_refused(kd_net_backward(b.ws, d, 0, 0), KD_ERR_NOT_FINITE, kd_workspace_error(b.ws),
                    "node 1");
    get_gradients(b.net, b.ws, after);
    support_same_bits("gradients", after, before, support_values(b.net) * sizeof *before);
    stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_slopes),
        cmocka_unit_test(adding_doubles),
        cmocka_unit_test(cutting_changes_nothing),
        cmocka_unit_test(a_bad_gradient_changes_nothing),
        cmocka_unit_test(an_overflowing_delta_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
