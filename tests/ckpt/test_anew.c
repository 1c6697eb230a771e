/* SPDX-License-Identifier: MIT */
/*
 * Objects that were in use already are loaded into: nothing of what they did before gets into the
 * training that goes on.
 */
#include "recipes.h"

static kd_context *context;
static support_memory memory;
static kd_net *net;
static kd_training training;
static support_data data;

static void open_all(void)
{
    kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
    o.rate = 0.1f;
    o.momentum = 0.5f;
    memory = (support_memory){0};
    context = support_context(&memory);
    net = support_net(context, "6: 8 relu drop0.25 4", 3);
    training = (kd_training)KD_TRAINING_INIT;
    training.workspace = support_workspace(net, 16, 1, 5);
    support_ok(kd_optimizer_create(net, &o, &training.optimizer, NULL), "optimizer");
}

static void close_all(void)
{
    kd_workspace_destroy(training.workspace);
    kd_optimizer_destroy(training.optimizer);
    kd_net_destroy(net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* A gradient, of the logits themselves. */
static void pull(size_t begin, int32_t add)
{
    const float *logits;
    kd_batch batch = support_batch(&data, begin, 16);
    support_ok(kd_net_forward(training.workspace, &batch, &logits), "forward");
    support_ok(kd_net_backward(training.workspace, logits, 0, add), "backward");
}

static void step(size_t begin, int32_t add)
{
    pull(begin, add);
    support_ok(kd_optimizer_step(training.optimizer, training.workspace), "step");
}

static void nothing_is_left_of_before(void **state)
{
    (void)state;
    io_bytes file = {0};
    kd_writer writer = io_writer(&file);
    support_fill(&data, 4, 48, 6, 4);
    open_all();
    step(0, 0);
    support_ok(kd_save_training(&training, NULL, &writer, NULL), "save");
    close_all();

    kd_reader reader = io_reader(&file);
    open_all();
    support_ok(kd_load_training(&training, NULL, &reader, NULL), "load");
    step(16, 1);
    uint64_t due = support_hash(net);
    close_all();

    open_all();
    pull(32, 0);
    support_ok(kd_load_training(&training, NULL, &reader, NULL), "load");
    assert_int_equal(kd_optimizer_step(training.optimizer, training.workspace), KD_ERR_STATE);
    assert_int_equal(kd_net_backward(training.workspace, data.x, 0, 0), KD_ERR_STATE);
    step(16, 1);
    assert_true(support_hash(net) == due);
    close_all();
    io_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_left_of_before)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
