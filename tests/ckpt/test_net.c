/* SPDX-License-Identifier: MIT */
/* Nets go into files and come back with all their bits; and whatever can be wrong with a call. */
#include "../support/files.h"
#include "model.h"
#include "recipes.h"

static support_memory memory;
static kd_context *context;

static const char *const shapes[] = {
    "1: 1",
    "5: 3",
    "5: 4 relu 3",
    "5: relu 4 drop0.5 3",
    "5: drop0.2 8 relu drop0.5 8 relu drop0 3",
    "7: drop0.9999 relu 32 relu relu drop0.00001 1 31 relu",
    "32: 32 32 32 32 32 32 32 32 32 32 32 32",
};

static io_bytes save(const kd_net *net, size_t most)
{
    io_bytes file = {.most = most};
    kd_writer writer = io_writer(&file);
    kd_error e = KD_ERROR_INIT;
    support_ok(kd_save_net(net, NULL, &writer, &e), e.text);
    return file;
}

static kd_net *load(io_bytes *file)
{
    kd_reader reader = io_reader(file);
    kd_net *net;
    kd_error e = KD_ERROR_INIT;
    support_ok(kd_load_net(context, NULL, &reader, &net, &e), e.text);
    return net;
}

/* The same layers and the same bits. */
static void same_nets(const kd_net *a, kd_net *b)
{
    kd_net_info info[2] = {KD_NET_INFO_INIT, KD_NET_INFO_INIT};
    kd_net *copy = support_clone(a);
    support_ok(kd_net_get_info(a, &info[0], NULL), "kd_net_get_info");
    support_ok(kd_net_get_info(b, &info[1], NULL), "kd_net_get_info");
    support_same_bits("info", &info[0], &info[1], sizeof info[0]);
    for (size_t i = 0; i < info[0].nodes; i++) {
        kd_node node[2] = {KD_NODE_INIT, KD_NODE_INIT};
        support_ok(kd_net_get_node(a, i, &node[0], NULL), "kd_net_get_node");
        support_ok(kd_net_get_node(b, i, &node[1], NULL), "kd_net_get_node");
        support_same_bits("node", &node[0], &node[1], sizeof node[0]);
    }
    for (size_t i = 0; i < info[0].params; i++) {
        kd_param p = support_param(copy, i);
        kd_param q = support_param(b, i);
        assert_string_equal(p.name, q.name);
        assert_int_equal(p.rows, q.rows);
        assert_int_equal(p.columns, q.columns);
        support_same_bits(p.name, p.values, q.values, p.rows * p.columns * sizeof *p.values);
    }
    kd_net_destroy(copy);
}

static void there_and_back(void **state)
{
    (void)state;
    static const size_t most[] = {0, 1, 7};
    files_begin();
    for (size_t i = 0; i < COUNT(shapes) * COUNT(most); i++) {
        kd_net *net = support_net(context, shapes[i / COUNT(most)], i);
        kd_error e = KD_ERROR_INIT;
        kd_net *by_path;
        io_bytes file = save(net, most[i % COUNT(most)]);
        support_ok(kd_save_net(net, files_path("net"), NULL, &e), e.text);
        assert_true(files_has("net", file.bytes, file.size));
        support_ok(kd_load_net(context, files_path("net"), NULL, &by_path, &e), e.text);
        kd_net *by_reader = load(&file);
        same_nets(net, by_path);
        same_nets(net, by_reader);
        io_bytes again = save(by_reader, 0); /* equal nets, equal files */
        assert_int_equal(again.size, file.size);
        support_same_bits("saved again", again.bytes, file.bytes, file.size);
        kd_net_destroy(net);
        kd_net_destroy(by_path);
        kd_net_destroy(by_reader);
        io_free(&file);
        io_free(&again);
    }
    files_done();
}

/* Denormals, negative zeros, the largest of all: bits, not values. */
static void all_bits_of_weights(void **state)
{
    (void)state;
    static const uint32_t bits[] = {0x80000000u, 1u, 0x807FFFFFu, 0x7F7FFFFFu, 0xFF7FFFFFu, 0u};
    kd_net *net = support_net(context, "3: 2", 1);
    kd_param p = support_param(net, 0);
    memcpy(p.values, bits, sizeof bits);
    io_bytes file = save(net, 0);
    kd_net *again = load(&file);
    support_same_bits("weights", support_param(again, 0).values, bits, sizeof bits);
    kd_net_destroy(net);
    kd_net_destroy(again);
    io_free(&file);
}

/* The format that docs and header tell of: what a file says of a net. */
static void what_the_file_says(void **state)
{
    (void)state;
    kd_net *net = support_net(context, "5: drop0.2 4 relu drop0.5 3", 1);
    io_bytes file = save(net, 0);
    model m = model_read(&file);
    assert_int_equal(m.n_words, 4);
    assert_string_equal(model_get(&m, "kd.format"), "1");
    assert_string_equal(model_get(&m, "kd.sort"), "net");
    assert_string_equal(model_get(&m, "kd.inputs"), "5");
    assert_string_equal(model_get(&m, "kd.layers"),
                        "dropout 13107/65536; dense 4; relu; dropout 32768/65536; dense 3");
    assert_int_equal(m.n_tensors, 4);
    assert_string_equal(model_find(&m, "layers.1.weight")->shape, "4,5");
    assert_string_equal(model_find(&m, "layers.1.bias")->shape, "4");
    assert_string_equal(model_find(&m, "layers.4.weight")->shape, "3,4");
    model_free(&m);
    io_free(&file);
    kd_net_destroy(net);
}

static void from_a_training(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_recipes; i++) {
        rig r;
        rig_open(&r, &recipes[i], 1);
        rig_step(&r);
        io_bytes file = rig_save(&r);
        kd_net *student = load(&file);
        same_nets(r.net, student);
        kd_net_destroy(student);
        io_free(&file);
        rig_close(&r);
    }
}

/* ---- calls that are wrong ---- */

static int64_t never_write(void *user, const void *bytes, size_t size)
{
    (void)user;
    (void)bytes;
    (void)size;
    fail_msg("the writer was called");
    return -1;
}

static void saving_refuses(void **state)
{
    (void)state;
    kd_writer writer = KD_WRITER_INIT;
    kd_error e = KD_ERROR_INIT;
    kd_net *bare;
    kd_net *net = support_net(context, "5: 4 relu 3", 1);
    writer.write = never_write;
    support_ok(kd_net_create(context, 3, &bare, &e), e.text);
    support_ok(kd_net_add_dense(bare, 2), kd_net_error(bare));
    support_refused(kd_save_net(NULL, NULL, &writer, &e), KD_ERR_NULL, e.text, "net is NULL");
    support_refused(kd_save_net(net, NULL, NULL, &e), KD_ERR_NULL, e.text, "both NULL");
    support_refused(kd_save_net(net, "x", &writer, &e), KD_ERR_VALUE, e.text, "one of the two");
    support_refused(kd_save_net(bare, NULL, &writer, &e), KD_ERR_STATE, e.text, "initialised");
    support_refused(kd_save_net(NULL, NULL, NULL, NULL), KD_ERR_NULL, NULL, "");
    writer.struct_size = 3;
    support_refused(kd_save_net(net, NULL, &writer, &e), KD_ERR_STRUCT, e.text, "writer");
    writer.struct_size = sizeof writer;
    writer.write = NULL;
    support_refused(kd_save_net(net, NULL, &writer, &e), KD_ERR_NULL, e.text, "writer.write");
    writer.write = never_write;
    for (size_t i = 0; i < 4; i++) { /* before the first byte is written */
        kd_param p = support_param(net, i);
        float kept = p.values[1];
        p.values[1] = i % 2 ? NAN : -INFINITY;
        support_refused(kd_save_net(net, NULL, &writer, &e), KD_ERR_NOT_FINITE, e.text, p.name);
        p.values[1] = kept;
    }
    kd_net_destroy(bare);
    kd_net_destroy(net);
}

static void loading_refuses(void **state)
{
    (void)state;
    kd_net *net = support_net(context, "5: 4 relu 3", 1);
    kd_net *out = net;
    kd_error e = KD_ERROR_INIT;
    io_bytes file = save(net, 0);
    kd_reader reader = io_reader(&file);
    support_refused(kd_load_net(context, NULL, &reader, NULL, &e), KD_ERR_NULL, e.text, "out_net");
    support_refused(kd_load_net(NULL, NULL, &reader, &out, &e), KD_ERR_NULL, e.text, "context");
    assert_null(out);
    out = net;
    support_refused(kd_load_net(context, NULL, NULL, &out, &e), KD_ERR_NULL, e.text, "both NULL");
    assert_null(out);
    support_refused(kd_load_net(context, "x", &reader, &out, &e), KD_ERR_VALUE, e.text, "reader");
    support_refused(kd_load_net(context, "/nowhere/x", NULL, &out, &e), KD_ERR_NO_FILE, e.text,
                    "/nowhere/x");
    support_refused(kd_load_net(context, "/tmp", NULL, &out, &e), KD_ERR_IO, e.text, "/tmp");
    reader.struct_size = 1;
    support_refused(kd_load_net(context, NULL, &reader, &out, &e), KD_ERR_STRUCT, e.text, "reader");
    reader = io_reader(&file);
    reader.read = NULL;
    support_refused(kd_load_net(context, NULL, &reader, &out, &e), KD_ERR_NULL, e.text, "read");
    reader = io_reader(&file);
    reader.size = (uint64_t)1 << 63; /* it claims more than it has */
    support_refused(kd_load_net(context, NULL, &reader, &out, NULL), KD_ERR_FORMAT, NULL, "");
    kd_net_destroy(net);
    io_free(&file);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),     cmocka_unit_test(all_bits_of_weights),
        cmocka_unit_test(what_the_file_says), cmocka_unit_test(from_a_training),
        cmocka_unit_test(saving_refuses),     cmocka_unit_test(loading_refuses),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
