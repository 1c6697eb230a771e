/* SPDX-License-Identifier: MIT */
/* See hostile.h. */
#include "hostile.h"

static size_t refused;

kd_context *hostile_context;
support_memory hostile_memory;

static kd_status load(io_bytes *file, kd_net **net, kd_error *error)
{
    kd_reader reader = io_reader(file);
    size_t before = atomic_load(&hostile_memory.bytes);
    atomic_store(&hostile_memory.peak, before);
    kd_status status = kd_load_net(hostile_context, NULL, &reader, net, error);
    size_t peak = atomic_load(&hostile_memory.peak) - before;
    if (peak > 2 * file->size + (1 << 20)) {
        fail_msg("%zu bytes of memory for a file of %zu", peak, file->size);
    }
    if (status != KD_OK) {
        assert_null(*net);
        assert_int_equal(atomic_load(&hostile_memory.bytes), before);
    }
    return status;
}

kd_status hostile_load(io_bytes *file, kd_net **net, kd_error *error)
{
    support_limit limit = {.seconds = 0.05, .begin = clock()};
    kd_status status = load(file, net, error);
    while (support_again(&limit)) {
        kd_net_destroy(*net);
        status = load(file, net, error);
    }
    return status;
}

void hostile_refuse(const char *what, const model *m, kd_status due, const char *words)
{
    io_bytes file = model_write(m);
    kd_error e = KD_ERROR_INIT;
    kd_net *net = NULL;
    kd_status status = hostile_load(&file, &net, &e);
    if (status != due || !strstr(e.text, words ? words : "") || e.status != due) {
        fail_msg("%s: %s instead of %s (\"%s\")", what, kd_status_name(status), kd_status_name(due),
                 e.text);
    }
    assert_non_null(strstr(e.text, "the reader"));
    assert_int_equal(e.argument, 0); /* the file is at fault */
    refused++;
    io_free(&file);
}

model hostile_sample(void)
{
    kd_net *net = support_net(hostile_context, "5: 4 relu drop0.25 3", 1);
    io_bytes file = {0};
    kd_writer writer = io_writer(&file);
    support_ok(kd_save_net(net, NULL, &writer, NULL), "kd_save_net");
    model m = model_read(&file);
    io_bytes again = model_write(&m);
    assert_int_equal(again.size, file.size); /* so it is taken apart and put together rightly */
    support_same_bits("put together again", again.bytes, file.bytes, file.size);
    io_free(&file);
    io_free(&again);
    kd_net_destroy(net);
    return m;
}

void hostile_edit(edit e, kd_status due, const char *words)
{
    char what[200];
    model m = hostile_sample();
    model_describe(&e, what);
    model_apply(&m, &e);
    hostile_refuse(what, &m, due, words);
    model_free(&m);
}

int hostile_begin(void **state)
{
    (void)state;
    hostile_context = support_context(&hostile_memory);
    return 0;
}

int hostile_end(void **state)
{
    (void)state;
    kd_context_destroy(hostile_context);
    support_all_returned(&hostile_memory);
    print_message("%zu files refused\n", refused);
    return 0;
}
