/* SPDX-License-Identifier: MIT */
/*
 * The second phase of a step, where gradients and updates are made tile by tile and momentum rides
 * on the product: it must learn what the calls of tier 3 learn, which make gradients first, and it
 * must refuse what they refuse, before the first weight has changed.
 */
#include "../support/support.h"

#include <stdlib.h>

#define INPUTS 40
#define WIDE 1400
#define K 500
#define BATCH 64

typedef struct world {
    float x[BATCH * INPUTS];
    float d[BATCH * K];
    int32_t labels[BATCH];
} world;

static kd_context *context;

/* Wide enough that every product of 64 cases is cut into tiles: 1400 into 4, 500 into 2. */
static kd_net *make_net(void)
{
    kd_error e = KD_ERROR_INIT;
    kd_net *net = NULL;
    support_ok(kd_net_create(context, INPUTS, &net, &e), e.text);
    support_ok(kd_net_add_dense(net, WIDE), kd_net_error(net));
    support_ok(kd_net_add_relu(net), kd_net_error(net));
    support_ok(kd_net_add_dense(net, K), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_HE, 3), kd_net_error(net));
    return net;
}

#define SGD .struct_size = sizeof(kd_optimizer_options), .kind = KD_SGD, .rate = 0.05f
#define ADAM .struct_size = sizeof(kd_optimizer_options), .rate = 0.001f
static const struct recipe {
    const char *name;
    kd_optimizer_options optimizer;
} recipes[] = {
    {"plain", {SGD}},
    {"momentum", {SGD, .momentum = 0.9f}},
    {"nesterov", {SGD, .momentum = 0.9f, .nesterov = 1}},
    {"decay", {SGD, .momentum = 0.9f, .weight_decay = 0.05f}},
    {"max norm", {SGD, .momentum = 0.9f, .max_norm = 1.2f}},
    {"max norm alone", {SGD, .max_norm = 1.2f}},
    {"clip", {SGD, .momentum = 0.9f, .clip_norm = 0.05f}},
    {"Adam", {ADAM, .kind = KD_ADAM, .weight_decay = 0.01f}},
    {"AdamW", {ADAM, .kind = KD_ADAMW, .weight_decay = 0.5f}},
};

static kd_batch batch_of(const world *w, size_t n)
{
    kd_batch batch = KD_BATCH_INIT;
    batch.n = n;
    batch.x = w->x;
    batch.labels = w->labels;
    return batch;
}

/* The same step by the calls of tier 3. */
static void step_by_hand(world *w, kd_workspace *ws, kd_optimizer *optimizer, size_t n)
{
    kd_error e = KD_ERROR_INIT;
    const float *logits;
    kd_batch batch = batch_of(w, n);
    kd_loss_in in = KD_LOSS_IN_INIT;
    kd_loss_out out = KD_LOSS_OUT_INIT;
    support_ok(kd_net_forward(ws, &batch, &logits), kd_workspace_error(ws));
    in.n = n;
    in.k = K;
    in.logits = logits;
    in.labels = w->labels;
    out.d_logits = w->d;
    support_ok(kd_cross_entropy(&in, &out, &e), e.text);
    support_ok(kd_net_backward(ws, w->d, 0, 0), kd_workspace_error(ws));
    support_ok(kd_optimizer_step(optimizer, ws), kd_optimizer_error(optimizer));
}

static kd_distiller *distiller_of(kd_net *net, const kd_optimizer_options *optimizer, float weight)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.batch = BATCH;
    o.temperature = 1;
    o.soft_weight = 0;
    o.hard_weight = weight;
    o.optimizer = optimizer;
    return support_distiller(net, NULL, &o);
}

static void a_step_learns_what_the_calls_of_tier_3_learn(void **state)
{
    static const size_t sizes[] = {64, 1, 2, 9, 64, 8, 1, 33};
    world *w = *state;
    for (size_t r = 0; r < COUNT(recipes); r++) {
        kd_error e = KD_ERROR_INIT;
        kd_net *one = make_net();
        kd_net *two = support_clone(one);
        size_t count = support_values(one);
        float *a = calloc(count, sizeof *a), *b = calloc(count, sizeof *b);
        assert_true(a && b);
        kd_distiller *d = distiller_of(one, &recipes[r].optimizer, 1);
        kd_workspace *ws = support_workspace(two, BATCH, 1, 0);
        kd_optimizer *optimizer = NULL;
        support_ok(kd_optimizer_create(two, &recipes[r].optimizer, &optimizer, &e), e.text);
        for (size_t s = 0; s < COUNT(sizes); s++) {
            kd_batch batch = batch_of(w, sizes[s]);
            support_step(d, &batch);
            step_by_hand(w, ws, optimizer, sizes[s]);
        }
        support_get_weights(one, a);
        support_get_weights(two, b);
        bool adam = recipes[r].optimizer.kind != KD_SGD; /* whose steps have the size of the rate */
        support_near_row(recipes[r].name, a, b, count, 1e-6, adam ? 2e-4 : 1e-6);
        kd_optimizer_destroy(optimizer);
        kd_workspace_destroy(ws);
        kd_distiller_destroy(d);
        kd_net_destroy(two);
        kd_net_destroy(one);
        free(a);
        free(b);
    }
}

/* A step that must be refused, twice, with not a bit changed; then the net is as good as new. */
static void refuse(kd_net *net, const world *w, size_t n, float weight)
{
    kd_optimizer_options o = {SGD, .momentum = 0.9f};
    o.rate = 1e-9f;
    kd_distiller *d = distiller_of(net, &o, weight);
    kd_batch batch = batch_of(w, n);
    uint64_t before = support_hash(net);
    for (int i = 0; i < 2; i++) {
        support_refused(kd_distill_step(d, &batch, NULL), KD_ERR_NOT_FINITE, kd_distiller_error(d),
                        "");
        assert_true(support_hash(net) == before);
    }
    kd_distiller_destroy(d);
}

/* Activations far larger than x: the bound must follow them from stage to stage. */
static void a_gradient_that_overflows_behind_large_activations(void **state)
{
    world *w = *state;
    kd_net *net = make_net();
    kd_param first = support_param(net, 0), last = support_param(net, 2);
    for (size_t i = 0; i < WIDE * INPUTS; i++) {
        first.values[i] = 1e33f;
    }
    for (size_t i = 0; i < K * WIDE; i++) {
        last.values[i] = 0;
    }
    refuse(net, w, BATCH, 1e9f);
    kd_net_destroy(net);
}

/* x so small that only the gradients of the biases overflow. */
static void a_gradient_of_a_bias_that_overflows(void **state)
{
    (void)state;
    kd_net *net = make_net();
    world *small = calloc(1, sizeof *small);
    assert_non_null(small);
    for (size_t i = 0; i < WIDE * INPUTS; i++) {
        support_param(net, 0).values[i] = 0;
    }
    for (size_t i = 0; i < K * WIDE; i++) {
        support_param(net, 2).values[i] = 0;
    }
    refuse(net, small, BATCH, 3e38f); /* all labels are 0 */
    free(small);
    kd_net_destroy(net);
}

/* Infinity less infinity in one tile only, and not in the last one. */
static void a_nan_in_one_tile_of_a_delta(void **state)
{
    enum { CLASSES = 1000, CASES = 300, HIDDEN = 400 };
    (void)state;
    kd_error e = KD_ERROR_INIT;
    kd_net *net = NULL;
    support_ok(kd_net_create(context, INPUTS, &net, &e), e.text);
    support_ok(kd_net_add_dense(net, HIDDEN), kd_net_error(net));
    support_ok(kd_net_add_dense(net, CLASSES), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_HE, 1), kd_net_error(net));
    for (size_t i = 0; i < INPUTS; i++) {
        support_param(net, 0).values[i] = 0;
    }
    float *last = support_param(net, 2).values;
    last[0] = 3e38f;
    last[(CLASSES - 1) * HIDDEN] = 3e38f;
    float *x = calloc((size_t)CASES * INPUTS, sizeof *x);
    int32_t *labels = calloc(CASES, sizeof *labels);
    assert_true(x && labels);
    uint64_t seed = 3;
    support_normals(&seed, x, (size_t)CASES * INPUTS, 1);
    for (size_t i = 0; i < CASES; i++) {
        labels[i] = i % 2 ? CLASSES - 1 : 0;
    }
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    kd_optimizer_options oo = {SGD, .momentum = 0.9f};
    oo.rate = 1e-9f;
    o.batch = CASES;
    o.temperature = 1;
    o.soft_weight = 0;
    o.hard_weight = 1e6f;
    o.optimizer = &oo;
    kd_distiller *d = support_distiller(net, NULL, &o);
    kd_batch batch = KD_BATCH_INIT;
    batch.n = CASES;
    batch.x = x;
    batch.labels = labels;
    uint64_t before = support_hash(net);
    support_refused(kd_distill_step(d, &batch, NULL), KD_ERR_NOT_FINITE, kd_distiller_error(d),
                    "the delta at node 0");
    assert_true(support_hash(net) == before);
    kd_distiller_destroy(d);
    kd_net_destroy(net);
    free(x);
    free(labels);
}

int main(void)
{
    kd_error e = KD_ERROR_INIT;
    world *w = calloc(1, sizeof *w);
    uint64_t seed = 5;
    if (!w || kd_context_create(NULL, &context, &e) != KD_OK) {
        return 1;
    }
    support_normals(&seed, w->x, COUNT(w->x), 1);
    for (size_t i = 0; i < BATCH; i++) {
        w->labels[i] = (int32_t)support_below(&seed, K);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_step_learns_what_the_calls_of_tier_3_learn, w),
        cmocka_unit_test_prestate(a_gradient_that_overflows_behind_large_activations, w),
        cmocka_unit_test_prestate(a_gradient_of_a_bias_that_overflows, w),
        cmocka_unit_test_prestate(a_nan_in_one_tile_of_a_delta, w),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kd_context_destroy(context);
    free(w);
    return failed;
}
