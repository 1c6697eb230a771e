/* SPDX-License-Identifier: MIT */
/* Dropout's masks: what they depend on, and how much they drop. */
#include "../support/support.h"

#define WIDTH 32
#define CASES 64

/* A net that shows the mask of its first node: dropout, then the identity. */
static kd_net *mirror(kd_context *context, float rate, size_t node)
{
    kd_net *net;
    support_ok(kd_net_create(context, WIDTH, &net, NULL), "create");
    for (size_t i = 0; i < node; i++) {
        support_ok(kd_net_add_relu(net), kd_net_error(net));
    }
    support_ok(kd_net_add_dropout(net, rate), kd_net_error(net));
    support_ok(kd_net_add_dense(net, WIDTH), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_HE, 0), kd_net_error(net));
    kd_param identity = support_param(net, 0);
    for (size_t i = 0; i < (size_t)WIDTH * WIDTH; i++) {
        identity.values[i] = i % (WIDTH + 1) == 0;
    }
    return net;
}

typedef struct bench {
    support_memory memory;
    kd_context *context;
    uint64_t ids[CASES];
    float x[CASES * WIDTH];
    float y[CASES * WIDTH];
} bench;

static void start(bench *b)
{
    b->context = support_context(&b->memory);
    for (size_t i = 0; i < CASES; i++) {
        b->ids[i] = i * i;
    }
    for (size_t i = 0; i < (size_t)CASES * WIDTH; i++) {
        b->x[i] = 1 + (float)(i % 7);
    }
}

static void stop(bench *b)
{
    kd_context_destroy(b->context);
    support_all_returned(&b->memory);
}

static void run(kd_workspace *ws, const float *x, const uint64_t *ids, size_t n, uint32_t epoch,
                float *out)
{
    kd_batch batch = KD_BATCH_INIT;
    const float *logits;
    batch.n = n;
    batch.x = x;
    batch.ids = ids;
    batch.epoch = epoch;
    support_ok(kd_net_forward(ws, &batch, &logits), kd_workspace_error(ws));
    memcpy(out, logits, n * WIDTH * sizeof *out);
}

/* The net's answer to b->x with a net, seed and epoch of its own. */
static void ask(bench *b, float rate, size_t node, uint64_t seed, uint32_t epoch, float *out)
{
    kd_net *net = mirror(b->context, rate, node);
    kd_workspace *ws = support_workspace(net, CASES, 1, seed);
    run(ws, b->x, b->ids, CASES, epoch, out);
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
}

/* Written down once: a change of the mapping from seeds to masks must fail here. */
static void first_masks_are_pinned(void **state)
{
    (void)state;
    static const struct {
        uint32_t epoch;
        uint64_t id;
        uint32_t kept; /* bit j = element j */
    } pinned[] = {{2, 3, 0x455a5a65}, {0, (UINT64_C(1) << 40) + 5, 0x1d58efb6}};
    static bench b;
    start(&b);
    for (size_t i = 0; i < COUNT(pinned); i++) {
        b.ids[0] = pinned[i].id;
        ask(&b, 0.5f, 0, 1, pinned[i].epoch, b.y);
        for (size_t j = 0; j < WIDTH; j++) {
            assert_int_equal(b.y[j] != 0, pinned[i].kept >> j & 1);
        }
    }
    stop(&b);
}

/*
 * What is kept is divided by the keep rate, in steps of 1/65536; five standard errors for
 * shares.
 */
static void rates_are_kept(void **state)
{
    (void)state;
    static const float rates[] = {0, 0x1p-16f, 0.1f, 0.25f, 0.5f, 0.9f, 0.99f, 0.9999999f};
    static bench b;
    start(&b);
    for (size_t r = 0; r < COUNT(rates); r++) {
        double dropped = fmin(floor((double)rates[r] * 65536 + 0.5), 65535);
        double scale = 65536 / (65536 - dropped);
        double p = dropped / 65536;
        double zeros = 0, count = 0;
        for (uint32_t epoch = 0; epoch < 20; epoch++) {
            ask(&b, rates[r], 0, 6, epoch, b.y);
            for (size_t i = 0; i < (size_t)CASES * WIDTH; i++, count++) {
                if (b.y[i] == 0) {
                    zeros++;
                } else {
                    double want = (double)b.x[i] * scale;
                    support_near("kept", (double)b.y[i], want, want * 0x1p-22);
                }
            }
        }
        support_near("share", zeros / count, p, 5 * sqrt(p * (1 - p) / count));
    }
    stop(&b);
}

static void seed_epoch_id_and_node_make_the_mask(void **state)
{
    (void)state;
    static bench b;
    float other[CASES * WIDTH];
    start(&b);
    ask(&b, 0.5f, 0, 1, 0, b.y);
    ask(&b, 0.5f, 0, 1, 0, other);
    support_same_bits("again", other, b.y, sizeof other);
    ask(&b, 0.5f, 0, 2, 0, other);
    assert_true(memcmp(other, b.y, sizeof other) != 0);
    ask(&b, 0.5f, 0, 1, 1, other);
    assert_true(memcmp(other, b.y, sizeof other) != 0);
    ask(&b, 0.5f, 1, 1, 0, other);
    assert_true(memcmp(other, b.y, sizeof other) != 0);
    for (size_t i = 0; i < CASES; i++) { /* also where only the upper half of an id differs */
        b.ids[i] += UINT64_C(1) << 32;
    }
    ask(&b, 0.5f, 0, 1, 0, other);
    for (size_t i = 0; i < CASES; i++) {
        assert_true(memcmp(other + i * WIDTH, b.y + i * WIDTH, WIDTH * sizeof *other) != 0);
    }
    stop(&b);
}

/* Not on the values, nor on who else is in the batch, nor on what ran before. */
static void nothing_else_makes_the_mask(void **state)
{
    (void)state;
    static bench b;
    start(&b);
    ask(&b, 0.5f, 0, 1, 3, b.y);
    kd_net *net = mirror(b.context, 0.5f, 0);
    kd_workspace *ws = support_workspace(net, CASES, 1, 1);
    uint64_t seed = 5;
    for (size_t round = 0; round < 200; round++) {
        float x[5 * WIDTH], y[5 * WIDTH];
        uint64_t ids[5];
        size_t from[5], n = 1 + support_below(&seed, 5);
        for (size_t i = 0; i < n; i++) {
            from[i] = support_below(&seed, CASES);
            ids[i] = b.ids[from[i]];
        }
        for (size_t i = 0; i < COUNT(x); i++) {
            x[i] = (float)(1 + support_between(&seed, 0, 1));
        }
        run(ws, x, ids, n, 3, y);
        for (size_t i = 0; i < n * WIDTH; i++) {
            bool kept = b.y[from[i / WIDTH] * WIDTH + i % WIDTH] != 0;
            assert_int_equal(y[i] != 0, kept);
        }
    }
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
    stop(&b);
}

/* Without ids a case has its running position, which no other call moves. */
static void positions_run_on(void **state)
{
    (void)state;
    static bench b;
    static const uint64_t far[] = {900, 901};
    float other[CASES * WIDTH];
    const float *none;
    start(&b);
    kd_net *net = mirror(b.context, 0.5f, 0);
    kd_workspace *ws = support_workspace(net, CASES, 1, 1);
    for (size_t i = 0; i < CASES; i++) {
        b.ids[i] = i;
    }
    ask(&b, 0.5f, 0, 1, 0, b.y);
    for (size_t begin = 0; begin < CASES; begin += 2) {
        run(ws, b.x + begin * WIDTH, NULL, 2, 0, other);
        support_same_bits("position", other, b.y + begin * WIDTH, 2 * WIDTH * sizeof *other);
        support_ok(kd_net_infer(ws, b.x, CASES, 0, other, 0), kd_workspace_error(ws));
        run(ws, b.x, far, 2, 0, other); /* with ids */
        kd_batch bad = KD_BATCH_INIT;
        bad.n = CASES + 1;
        bad.x = b.x;
        none = b.x;
        assert_int_equal(kd_net_forward(ws, &bad, &none), KD_ERR_WORKSPACE);
        assert_null(none);
    }
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
    stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_masks_are_pinned),
        cmocka_unit_test(rates_are_kept),
        cmocka_unit_test(seed_epoch_id_and_node_make_the_mask),
        cmocka_unit_test(nothing_else_makes_the_mask),
        cmocka_unit_test(positions_run_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
