/* SPDX-License-Identifier: MIT */
/*
 * Nets that are wide enough for their work to be cut into tiles, in batches for which the kernels
 * for few cases serve and in larger ones: logits, gradients, and what one step of plain SGD and of
 * momentum makes of the weights, against the same sums in double.
 */
#include "../support/support.h"

#include <stdlib.h>

#define INPUTS 40
#define WIDE 1300 /* four tiles in a batch of 64; one of them is short */
#define K 500
#define MOST 64

typedef struct world {
    kd_net *net;
    float x[MOST * INPUTS], d[MOST * K];
    int32_t labels[MOST];
    double y[MOST * WIDE], z[MOST * K], dy[MOST * WIDE];
    double dw1[WIDE * INPUTS], db1[WIDE], dw2[K * WIDE], db2[K];
    float before[WIDE * INPUTS + WIDE + K * WIDE + K], after[WIDE * INPUTS + WIDE + K * WIDE + K];
} world;

static const size_t sizes[] = {1, 2, 7, 8, 9, MOST};

/* Rows of a chain whose rectifier is exact only away from 0: biases keep it there. */
static kd_net *make_net(void)
{
    kd_error e = KD_ERROR_INIT;
    kd_net *net = NULL;
    kd_context *context = NULL;
    support_ok(kd_context_create(NULL, &context, &e), e.text);
    support_ok(kd_net_create(context, INPUTS, &net, &e), e.text);
    kd_context_destroy(context);
    support_ok(kd_net_add_dense(net, WIDE), kd_net_error(net));
    support_ok(kd_net_add_relu(net), kd_net_error(net));
    support_ok(kd_net_add_dense(net, K), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_HE, 7), kd_net_error(net));
    uint64_t seed = 8;
    support_normals(&seed, support_param(net, 1).values, WIDE, 0.5);
    support_normals(&seed, support_param(net, 3).values, K, 0.5);
    return net;
}

static void forward(world *w, size_t n)
{
    const float *w1 = support_param(w->net, 0).values, *b1 = support_param(w->net, 1).values;
    const float *w2 = support_param(w->net, 2).values, *b2 = support_param(w->net, 3).values;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < WIDE; j++) {
            double sum = (double)b1[j];
            for (size_t c = 0; c < INPUTS; c++) {
                sum += (double)w1[j * INPUTS + c] * (double)w->x[i * INPUTS + c];
            }
            w->y[i * WIDE + j] = sum > 0 ? sum : 0;
        }
        for (size_t j = 0; j < K; j++) {
            double sum = (double)b2[j];
            for (size_t c = 0; c < WIDE; c++) {
                sum += (double)w2[j * WIDE + c] * w->y[i * WIDE + c];
            }
            w->z[i * K + j] = sum;
        }
    }
}

/* From w->d, in double. */
static void backward(world *w, size_t n)
{
    const float *w2 = support_param(w->net, 2).values;
    memset(w->dw1, 0, sizeof w->dw1);
    memset(w->db1, 0, sizeof w->db1);
    memset(w->dw2, 0, sizeof w->dw2);
    memset(w->db2, 0, sizeof w->db2);
    memset(w->dy, 0, sizeof w->dy);
    for (size_t i = 0; i < n; i++) {
        double *dy = w->dy + i * WIDE;
        for (size_t j = 0; j < K; j++) {
            double d = (double)w->d[i * K + j];
            w->db2[j] += d;
            for (size_t c = 0; c < WIDE; c++) {
                w->dw2[j * WIDE + c] += d * w->y[i * WIDE + c];
                dy[c] += d * (double)w2[j * WIDE + c];
            }
        }
        for (size_t j = 0; j < WIDE; j++) {
            dy[j] = w->y[i * WIDE + j] > 0 ? dy[j] : 0;
            w->db1[j] += dy[j];
            for (size_t c = 0; c < INPUTS; c++) {
                w->dw1[j * INPUTS + c] += dy[j] * (double)w->x[i * INPUTS + c];
            }
        }
    }
}

static void near_all(const char *what, const float *got, const double *want, size_t count)
{
    double size = 0;
    for (size_t i = 0; i < count; i++) {
        size = fmax(size, fabs(want[i]));
    }
    for (size_t i = 0; i < count; i++) {
        if (!(fabs((double)got[i] - want[i]) <= 3e-5 * size)) {
            fail_msg("%s[%zu] is %g, not %g", what, i, (double)got[i], want[i]);
        }
    }
}

static void logits_and_gradients(void **state)
{
    world *w = *state;
    kd_workspace *ws = support_workspace(w->net, MOST, 1, 0);
    for (size_t s = 0; s < COUNT(sizes); s++) {
        size_t n = sizes[s];
        const float *logits;
        kd_batch batch = KD_BATCH_INIT;
        batch.n = n;
        batch.x = w->x;
        forward(w, n);
        support_ok(kd_net_forward(ws, &batch, &logits), kd_workspace_error(ws));
        near_all("logits", logits, w->z, n * K);
        uint64_t seed = n;
        support_normals(&seed, w->d, n * K, 0.01);
        backward(w, n);
        support_ok(kd_net_backward(ws, w->d, 0, 0), kd_workspace_error(ws));
        near_all("dW1", support_gradient(ws, 0).values, w->dw1, COUNT(w->dw1));
        near_all("db1", support_gradient(ws, 1).values, w->db1, COUNT(w->db1));
        near_all("dW2", support_gradient(ws, 2).values, w->dw2, COUNT(w->dw2));
        near_all("db2", support_gradient(ws, 3).values, w->db2, COUNT(w->db2));
    }
    kd_workspace_destroy(ws);
}

/* The first step, where momentum is the gradient. The rate makes the change as large as that. */
static void what_one_step_changes(void **state)
{
    world *w = *state;
    for (size_t s = 0; s < COUNT(sizes); s++) {
        for (int m = 0; m < 2; m++) {
            size_t n = sizes[s];
            kd_error e = KD_ERROR_INIT;
            kd_optimizer_options optimizer = KD_OPTIMIZER_OPTIONS_INIT;
            optimizer.rate = 1;
            optimizer.momentum = m ? 0.9f : 0;
            kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
            o.batch = MOST;
            o.temperature = 1;
            o.soft_weight = 0;
            o.hard_weight = 100;
            o.optimizer = &optimizer;
            kd_batch batch = KD_BATCH_INIT;
            batch.n = n;
            batch.x = w->x;
            batch.labels = w->labels;
            forward(w, n);
            float *z = calloc(n * K, sizeof *z);
            assert_non_null(z);
            for (size_t i = 0; i < n * K; i++) {
                z[i] = (float)w->z[i];
            }
            kd_term term = {sizeof term, KD_TERM_HARD, 0, 100, 0};
            kd_loss_in in = KD_LOSS_IN_INIT;
            kd_loss_out out = KD_LOSS_OUT_INIT;
            in.n = n;
            in.k = K;
            in.logits = z;
            in.labels = w->labels;
            out.d_logits = w->d;
            support_ok(kd_loss(&term, 1, &in, &out, &e), e.text);
            free(z);
            backward(w, n);
            kd_net *net = support_clone(w->net);
            kd_distiller *d = support_distiller(net, NULL, &o);
            support_get_weights(net, w->before);
            support_step(d, &batch);
            support_get_weights(net, w->after);
            for (size_t i = 0; i < COUNT(w->after); i++) {
                w->after[i] = w->before[i] - w->after[i];
            }
            const float *at = w->after;
            near_all("step of W1", at, w->dw1, COUNT(w->dw1));
            near_all("step of b1", at += COUNT(w->dw1), w->db1, COUNT(w->db1));
            near_all("step of W2", at += COUNT(w->db1), w->dw2, COUNT(w->dw2));
            near_all("step of b2", at += COUNT(w->dw2), w->db2, COUNT(w->db2));
            kd_distiller_destroy(d);
            kd_net_destroy(net);
        }
    }
}

int main(void)
{
    world *w = calloc(1, sizeof *w);
    uint64_t seed = 5;
    if (!w) {
        return 1;
    }
    w->net = make_net();
    support_normals(&seed, w->x, COUNT(w->x), 1);
    for (size_t i = 0; i < MOST; i++) {
        w->labels[i] = (int32_t)support_below(&seed, K);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(logits_and_gradients, w),
        cmocka_unit_test_prestate(what_one_step_changes, w),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kd_net_destroy(w->net);
    free(w);
    return failed;
}
