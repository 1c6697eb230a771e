/* SPDX-License-Identifier: MIT */
/*
 * Every odd float in every input of a step, with every optimiser: the step is refused and no weight
 * has changed, or all weights are finite.
 */
#include "../support/support.h"

#include <float.h>

enum { N = 4, INPUTS = 3, K = 3 };

static const float odd[] = {NAN,     -NAN,     INFINITY, -INFINITY, -0.0f, FLT_TRUE_MIN, -FLT_MIN,
                            FLT_MAX, -FLT_MAX, 1e30f,    -1e20f,    -1,    1e-30f,       1e10f};

static const kd_optimizer_options optimizers[] = {
    {sizeof(kd_optimizer_options), KD_SGD, .rate = 0.1f},
    {sizeof(kd_optimizer_options), KD_SGD, .rate = 0.1f, .momentum = 0.9f},
    {sizeof(kd_optimizer_options), KD_SGD, .rate = 0.1f, .momentum = 0.9f, .nesterov = 1},
    {sizeof(kd_optimizer_options), KD_SGD, .rate = 0.1f, .weight_decay = 0.1f},
    {sizeof(kd_optimizer_options), KD_SGD, .rate = 0.1f, .max_norm = 1},
    {sizeof(kd_optimizer_options), KD_SGD, .rate = 0.1f, .clip_norm = 1},
    {sizeof(kd_optimizer_options), KD_ADAM, .rate = 0.1f},
    {sizeof(kd_optimizer_options), KD_ADAM, .rate = 0.1f, .weight_decay = 0.1f, .clip_norm = 1},
    {sizeof(kd_optimizer_options), KD_ADAMW, .rate = 0.1f, .weight_decay = 0.1f, .max_norm = 1},
};

static support_memory memory;
static kd_context *context;
static size_t taken, refused;

/* What has happened to the weights. */
static void look(kd_net *net, kd_status status, uint64_t before)
{
    float weights[64];
    size_t count = support_values(net);
    taken += status == KD_OK;
    refused += status != KD_OK;
    if (status != KD_OK) {
        assert_true(support_hash(net) == before);
        return;
    }
    support_get_weights(net, weights);
    for (size_t i = 0; i < count; i++) {
        assert_true(isfinite(weights[i]));
    }
}

/* A step of the distiller, with one float of its batch or of the weights replaced. */
static void distil(const kd_optimizer_options *o, size_t where, float value, kd_term_kind soft)
{
    kd_distiller_options d = KD_DISTILLER_OPTIONS_INIT;
    support_data data;
    support_fill(&data, 4, N, INPUTS, K);
    kd_net *net = support_net(context, "3: 4 relu 3", 5);
    d.batch = N;
    d.optimizer = o;
    d.soft_kind = soft;
    d.gradient_norm = where % 2;
    kd_distiller *distiller = support_distiller(net, NULL, &d);
    kd_batch batch = support_batch(&data, 0, N);
    batch.targets = &data.targets;
    batch.case_weights = data.weights;
    (void)support_step(distiller, &batch);
    float *places[] = {&data.x[1],
                       &data.x[N * INPUTS - 1],
                       &data.v[0],
                       &data.v[N * K - 1],
                       &data.weights[2],
                       support_param(net, 0).values,
                       support_param(net, 3).values + K - 1};
    *places[where] = value;
    uint64_t before = support_hash(net);
    for (int i = 0; i < 3; i++) { /* what the first leaves in the optimiser meets the next ones */
        look(net, kd_distill_step(distiller, &batch, NULL), before);
        before = support_hash(net);
    }
    kd_distiller_destroy(distiller);
    kd_net_destroy(net);
}

static void odd_numbers_in_a_step(void **state)
{
    (void)state;
    for (size_t o = 0; o < COUNT(optimizers); o++) {
        for (size_t i = 0; i < 7 * COUNT(odd); i++) {
            distil(&optimizers[o], i / COUNT(odd), odd[i % COUNT(odd)],
                   (kd_term_kind)(KD_TERM_SOFT + (kd_term_kind)(i % 4)));
        }
    }
    print_message("%zu steps taken, %zu refused\n", taken, refused);
    assert_true(taken > 500 && refused > 500);
}

/* The same of gradients that the host hands over. */
static void odd_numbers_in_a_gradient(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(optimizers) * COUNT(odd); i++) {
        kd_net *net = support_net(context, "3: 4 relu 3", 5);
        kd_workspace *ws = support_workspace(net, N, 1, 1);
        kd_optimizer *optimizer;
        const float *logits;
        support_data data;
        support_fill(&data, 4, N, INPUTS, K);
        kd_batch batch = support_batch(&data, 0, N);
        kd_error e = KD_ERROR_INIT;
        support_ok(kd_optimizer_create(net, &optimizers[i / COUNT(odd)], &optimizer, &e), e.text);
        for (size_t at = 0; at < 4; at++) {
            uint64_t before = support_hash(net);
            support_ok(kd_net_forward(ws, &batch, &logits), kd_workspace_error(ws));
            support_ok(kd_net_backward(ws, data.v, 0, 0), kd_workspace_error(ws));
            support_gradient(ws, at).values[0] = odd[i % COUNT(odd)];
            look(net, kd_optimizer_step(optimizer, ws), before);
        }
        kd_optimizer_destroy(optimizer);
        kd_workspace_destroy(ws);
        kd_net_destroy(net);
    }
    print_message("%zu steps taken, %zu refused\n", taken, refused);
}

static int begin(void **state)
{
    (void)state;
    context = support_context(&memory);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kd_context_destroy(context);
    support_all_returned(&memory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(odd_numbers_in_a_step),
                                       cmocka_unit_test(odd_numbers_in_a_gradient)};
    return cmocka_run_group_tests(tests, begin, end);
}
