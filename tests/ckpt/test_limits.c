/* SPDX-License-Identifier: MIT */
/* The longest chains of layers, and what else may stand in a file. */
#include "hostile.h"

/* What took too long is done again; what was fast enough is not. */
static void limits_of_time(void **state)
{
    (void)state;
    support_limit limit = {.seconds = 1, .begin = clock() - 2 * SUPPORT_SLOW * CLOCKS_PER_SEC};
    assert_true(support_again(&limit));
    assert_int_equal(limit.slow, 1);
    assert_false(support_again(&limit));
    assert_int_equal(limit.slow, 1);
}

/* "relu; relu; ..." with `last` behind the last of them */
static char *chain(size_t nodes, const char *node, const char *last)
{
    size_t step = strlen(node) + 2;
    char *word = calloc(1, nodes * step + strlen(last) + 1);
    assert_non_null(word);
    for (size_t i = 0; i < nodes; i++) {
        memcpy(word + i * step, node, step - 2);
        memcpy(word + i * step + step - 2, "; ", 2);
    }
    strcpy(word + nodes * step - (*last ? 0 : 2), last);
    return word;
}

static void refuse_chain(size_t nodes, const char *node, const char *last, kd_status due,
                         const char *words)
{
    model m = hostile_sample();
    char *word = chain(nodes, node, last);
    model_set(&m, "kd.layers", word);
    hostile_refuse(words, &m, due, words);
    free(word);
    model_free(&m);
}

static void long_chains(void **state)
{
    (void)state;
    refuse_chain(4096, "relu", "", KD_ERR_FORMAT, "no dense layer");
    refuse_chain(4097, "relu", "", KD_ERR_TOO_LARGE, "more than 4096 layers");
    refuse_chain(100000, "relu", "", KD_ERR_TOO_LARGE, "more than 4096 layers");
    refuse_chain(4096, "dense 1", "", KD_ERR_MISMATCH, "layers.0.weight");
    refuse_chain(4096, "dense 2147483647", "", KD_ERR_MISMATCH, "layers.0.weight");
    refuse_chain(4096, "relu", "dense 1", KD_ERR_TOO_LARGE, "more than 4096 layers");
    refuse_chain(4095, "dropout 1/65536", "dense 1", KD_ERR_MISMATCH, "layers.4095.weight");
    refuse_chain(4096, "relu", "what", KD_ERR_TOO_LARGE, "more than 4096 layers");
    refuse_chain(4095, "relu", "what", KD_ERR_FORMAT, "no layer 4095");
}

/* What is not ours in the metadata is left alone; and order does not matter. */
static void words_of_others(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"format", "pt"}, {"", ""}, {"KD.x", "1"}, {"k", "d."}};
    model m = hostile_sample();
    for (size_t i = 0; i < COUNT(pairs); i++) {
        model_set(&m, pairs[i][0], pairs[i][1]);
    }
    io_bytes file = model_write(&m);
    kd_net *net;
    kd_error e = KD_ERROR_INIT;
    support_ok(hostile_load(&file, &net, &e), e.text);
    kd_net_destroy(net);
    io_free(&file);
    model_free(&m);
}

static kd_net *the_longest(void)
{
    kd_net *net;
    kd_error e = KD_ERROR_INIT;
    support_ok(kd_net_create(hostile_context, 1, &net, &e), e.text);
    for (size_t i = 0; i < 4096; i++) {
        support_ok(kd_net_add_dense(net, 1), kd_net_error(net));
    }
    support_ok(kd_net_init(net, KD_INIT_HE, 1), kd_net_error(net));
    return net;
}

static void one_layer_more(void **state)
{
    (void)state;
    kd_net *net;
    kd_error e = KD_ERROR_INIT;
    io_bytes file = {0};
    kd_writer writer = io_writer(&file);
    kd_training t = KD_TRAINING_INIT;
    support_ok(kd_net_create(hostile_context, 1, &net, &e), e.text);
    for (size_t i = 0; i < 4097; i++) {
        support_ok(i ? kd_net_add_relu(net) : kd_net_add_dense(net, 1), kd_net_error(net));
    }
    support_ok(kd_net_init(net, KD_INIT_HE, 1), kd_net_error(net));
    support_ok(kd_optimizer_create(net, NULL, &t.optimizer, &e), e.text);
    t.workspace = support_workspace(net, 1, 1, 0);
    support_refused(kd_save_net(net, NULL, &writer, &e), KD_ERR_TOO_LARGE, e.text, "4097");
    support_refused(kd_save_training(&t, NULL, &writer, &e), KD_ERR_TOO_LARGE, e.text, "4097");
    assert_int_equal(file.size, 0);
    kd_optimizer_destroy(t.optimizer);
    kd_workspace_destroy(t.workspace);
    kd_net_destroy(net);
}

/* The same of a training, with all the tensors that it can have. */
static void the_most_layers_in_training(void **state)
{
    (void)state;
    kd_net *net = the_longest();
    kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
    kd_distiller_options d = KD_DISTILLER_OPTIONS_INIT;
    kd_training t = KD_TRAINING_INIT;
    kd_error e = KD_ERROR_INIT;
    io_bytes file = {0};
    io_bytes again = {0};
    kd_writer writer = io_writer(&file);
    const float x = 0;
    const int32_t label = 0;
    kd_batch batch = KD_BATCH_INIT;
    o.kind = KD_ADAM;
    d.optimizer = &o;
    d.batch = 1;
    d.soft_weight = 0;
    t.distiller = support_distiller(net, NULL, &d);
    batch.n = 1;
    batch.x = &x;
    batch.labels = &label;
    batch.more = 1;
    (void)support_step(t.distiller, &batch);
    support_ok(kd_save_training(&t, NULL, &writer, &e), e.text);
    kd_reader reader = io_reader(&file);
    size_t before = atomic_load(&hostile_memory.bytes);
    atomic_store(&hostile_memory.peak, before);
    support_ok(kd_load_training(&t, NULL, &reader, &e), e.text);
    size_t peak = atomic_load(&hostile_memory.peak) - before;
    print_message("in training: a file of %zu bytes, at most %zu of memory\n", file.size, peak);
    assert_true(peak <= 2 * file.size + (1 << 20));
    writer = io_writer(&again);
    support_ok(kd_save_training(&t, NULL, &writer, &e), e.text);
    assert_int_equal(again.size, file.size);
    support_same_bits("saved again", again.bytes, file.bytes, file.size);
    kd_distiller_destroy(t.distiller);
    kd_net_destroy(net);
    io_free(&file);
    io_free(&again);
}

/* The most layers that a file can have, of the least size: memory stays within bounds. */
static void the_most_layers(void **state)
{
    (void)state;
    kd_net *net = the_longest();
    kd_net *again;
    kd_error e = KD_ERROR_INIT;
    io_bytes file = {0};
    kd_writer writer = io_writer(&file);
    support_ok(kd_save_net(net, NULL, &writer, &e), e.text);
    kd_reader reader = io_reader(&file);
    size_t before = atomic_load(&hostile_memory.bytes);
    atomic_store(&hostile_memory.peak, before);
    support_ok(kd_load_net(hostile_context, NULL, &reader, &again, &e), e.text);
    size_t peak = atomic_load(&hostile_memory.peak) - before;
    print_message("4,096 layers: a file of %zu bytes, at most %zu of memory\n", file.size, peak);
    assert_true(peak <= 2 * file.size + (1 << 20));
    assert_int_equal(support_hash(again), support_hash(net));
    kd_net_destroy(again);
    kd_net_destroy(net);
    io_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_time),  cmocka_unit_test(long_chains),
        cmocka_unit_test(words_of_others), cmocka_unit_test(the_most_layers),
        cmocka_unit_test(one_layer_more),  cmocka_unit_test(the_most_layers_in_training),
    };
    return cmocka_run_group_tests(tests, hostile_begin, hostile_end);
}
