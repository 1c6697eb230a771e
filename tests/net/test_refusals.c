/* SPDX-License-Identifier: MIT */
/*
 * Bad arguments of tiers 2 and 3: the exact status, words that name the culprit, nothing
 * changed.
 */
#include "../support/support.h"

#define HUGE ((size_t)INT32_MAX + 1)

static support_memory memory;
static kd_context *context;
static kd_error e; /* of the last call */

static void check(kd_status status, kd_status expected, int32_t argument, const char *words)
{
    support_refused(status, expected, e.text, words);
    assert_int_equal(e.status, expected);
    assert_int_equal(e.argument, argument);
    memset(e.text, 0, sizeof e.text);
}

/* What a handle has to say of its own failed call. */
static void check_handle(kd_status status, kd_status expected, const char *said, const char *words)
{
    support_refused(status, expected, said, words);
}

static void start(void)
{
    const kd_error empty = KD_ERROR_INIT;
    e = empty;
    context = support_context(&memory);
}

static void stop(void)
{
    kd_context_destroy(context);
    support_all_returned(&memory);
}

static void nothing_is_let_go_of_quietly(void **state)
{
    (void)state;
    kd_context_destroy(NULL);
    kd_net_destroy(NULL);
    kd_workspace_destroy(NULL);
    kd_optimizer_destroy(NULL);
    kd_teacher_destroy(NULL);
    kd_teacher_workspace_destroy(NULL);
    kd_distiller_destroy(NULL);
    assert_string_equal(kd_net_error(NULL), "");
    assert_string_equal(kd_workspace_error(NULL), "");
    assert_string_equal(kd_optimizer_error(NULL), "");
    assert_string_equal(kd_distiller_error(NULL), "");
}

static void *unused_alloc(void *user, size_t size, size_t align)
{
    (void)size;
    (void)align;
    return user;
}

static void unused_release(void *user, void *pointer, size_t size)
{
    (void)user;
    (void)pointer;
    (void)size;
}

static void contexts(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        kd_alloc_fn alloc;
        kd_free_fn release;
        int32_t threads;
        kd_status status;
        const char *words;
    } cases[] = {
        {0, NULL, NULL, 0, KD_ERR_STRUCT, "options.struct_size is 0"},
        {5000, NULL, NULL, 0, KD_ERR_STRUCT, "options.struct_size is 5000"},
        {sizeof(kd_context_options), unused_alloc, NULL, 0, KD_ERR_NULL, "options.release"},
        {sizeof(kd_context_options), NULL, unused_release, 0, KD_ERR_NULL, "options.alloc"},
        {sizeof(kd_context_options), NULL, NULL, -1, KD_ERR_VALUE, "threads is -1"},
        {sizeof(kd_context_options), NULL, NULL, 257, KD_ERR_VALUE, "threads is 257"},
    };
    const kd_error empty = KD_ERROR_INIT;
    e = empty;
    check(kd_context_create(NULL, NULL, &e), KD_ERR_NULL, 2, "out_context");
    for (size_t i = 0; i < COUNT(cases); i++) {
        kd_context_options o = KD_CONTEXT_OPTIONS_INIT;
        kd_context *made = (kd_context *)&e;
        o.struct_size = cases[i].size;
        o.alloc = cases[i].alloc;
        o.release = cases[i].release;
        o.threads = cases[i].threads;
        check(kd_context_create(&o, &made, &e), cases[i].status, 1, cases[i].words);
        assert_null(made);
    }
    for (int32_t threads = 0; threads <= 1; threads++) { /* the C library's memory */
        kd_context_options o = KD_CONTEXT_OPTIONS_INIT;
        kd_context *made;
        o.threads = threads;
        support_ok(kd_context_create(threads ? &o : NULL, &made, NULL), "defaults");
        kd_net *net = support_net(made, "5: 8 relu 3", 1);
        kd_context_destroy(made);
        kd_net_destroy(net);
    }
}

static void nets_that_are_built(void **state)
{
    (void)state;
    static const float rates[] = {-0.1f, 1, NAN, INFINITY, -INFINITY};
    kd_net *net = NULL, *copy;
    kd_param p = KD_PARAM_INIT;
    start();
    check(kd_net_create(NULL, 4, &net, &e), KD_ERR_NULL, 1, "context");
    check(kd_net_create(context, 0, &net, &e), KD_ERR_SIZE, 2, "inputs is 0");
    check(kd_net_create(context, HUGE, &net, &e), KD_ERR_TOO_LARGE, 2, "inputs is 2147483648");
    check(kd_net_create(context, SIZE_MAX, &net, &e), KD_ERR_TOO_LARGE, 2, "inputs is 1844674407");
    check(kd_net_create(context, 4, NULL, &e), KD_ERR_NULL, 3, "out_net");
    assert_null(net);
    assert_int_equal(kd_net_add_dense(NULL, 3), KD_ERR_NULL);
    assert_int_equal(kd_net_add_relu(NULL), KD_ERR_NULL);
    assert_int_equal(kd_net_add_dropout(NULL, 0.5f), KD_ERR_NULL);
    assert_int_equal(kd_net_init(NULL, KD_INIT_HE, 1), KD_ERR_NULL);
    support_ok(kd_net_create(context, 4, &net, &e), e.text);
    const char *said = kd_net_error(net);
    check_handle(kd_net_init(net, KD_INIT_HE, 1), KD_ERR_STATE, said, "0 nodes");
    check_handle(kd_net_add_dense(net, 0), KD_ERR_SIZE, said, "units is 0");
    check_handle(kd_net_add_dense(net, HUGE), KD_ERR_TOO_LARGE, said, "units is 2147483648");
    check_handle(kd_net_add_dense(net, SIZE_MAX), KD_ERR_TOO_LARGE, said, "units is ");
    for (size_t i = 0; i < COUNT(rates); i++) {
        check_handle(kd_net_add_dropout(net, rates[i]), KD_ERR_VALUE, said, "rate is ");
    }
    support_ok(kd_net_add_relu(net), said);
    check_handle(kd_net_init(net, KD_INIT_HE, 1), KD_ERR_STATE, said, "none of them is dense");
    support_ok(kd_net_add_dense(net, 3), said);
    check_handle(kd_net_init(net, 9, 1), KD_ERR_KIND, said, "kind is 9");
    check_handle(kd_net_get_param(net, 0, &p), KD_ERR_STATE, said, "not initialised");
    check_handle(kd_net_find_param(net, "layers.1.weight", &p), KD_ERR_STATE, said, "initialised");
    check(kd_net_clone(net, &copy, &e), KD_ERR_STATE, 1, "not initialised");
    assert_null(copy);
    kd_net_info info = KD_NET_INFO_INIT; /* all that was refused has left no trace */
    support_ok(kd_net_get_info(net, &info, NULL), "info");
    assert_true(info.nodes == 2 && info.inputs == 4 && info.outputs == 3 && info.params == 0);
    kd_net_destroy(net);
    stop();
}

static void nets_that_are_initialised(void **state)
{
    (void)state;
    start();
    kd_net *net = support_net(context, "4: 6 relu 3", 1), *copy;
    kd_net_info info = KD_NET_INFO_INIT;
    kd_param p = KD_PARAM_INIT, untouched = p;
    const char *said = kd_net_error(net);
    uint64_t before = support_hash(net);
    check_handle(kd_net_add_dense(net, 3), KD_ERR_STATE, said, "3 nodes are fixed");
    check_handle(kd_net_add_relu(net), KD_ERR_STATE, said, "fixed");
    check_handle(kd_net_add_dropout(net, 0.5f), KD_ERR_STATE, said, "fixed");
    check(kd_net_clone(NULL, &copy, &e), KD_ERR_NULL, 1, "net");
    check(kd_net_clone(net, NULL, &e), KD_ERR_NULL, 2, "out_net");
    assert_int_equal(kd_net_get_info(NULL, &info, NULL), KD_ERR_NULL);
    assert_int_equal(kd_net_get_info(net, NULL, NULL), KD_ERR_NULL);
    assert_int_equal(kd_net_get_param(NULL, 0, &p), KD_ERR_NULL);
    assert_int_equal(kd_net_get_param(net, 0, NULL), KD_ERR_NULL);
    assert_int_equal(kd_net_find_param(NULL, "layers.0.bias", &p), KD_ERR_NULL);
    assert_int_equal(kd_net_find_param(net, NULL, &p), KD_ERR_NULL);
    assert_int_equal(kd_net_find_param(net, "layers.0.bias", NULL), KD_ERR_NULL);
    check_handle(kd_net_get_param(net, 4, &p), KD_ERR_INDEX, said, "index is 4, but there are 4");
    check_handle(kd_net_get_param(net, SIZE_MAX, &p), KD_ERR_INDEX, said, "index is 18446744073");
    char name[300];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    static const char *const unknown[] = {
        "", "layers.1.weight", "layers.0.Weight", "layers.0.weight ", "layers.00.weight", "weight"};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        check_handle(kd_net_find_param(net, unknown[i], &p), KD_ERR_INDEX, said, unknown[i]);
    }
    check_handle(kd_net_find_param(net, name, &p), KD_ERR_INDEX, said, "xxxx");
    for (size_t size = 0; size < 8; size += 7) {
        info.struct_size = size;
        p.struct_size = size;
        assert_int_equal(kd_net_get_info(net, &info, NULL), KD_ERR_STRUCT);
        assert_int_equal(kd_net_get_param(net, 0, &p), KD_ERR_STRUCT);
        assert_int_equal(kd_net_find_param(net, "layers.0.bias", &p), KD_ERR_STRUCT);
    }
    p.struct_size = sizeof p;
    assert_memory_equal(&p, &untouched, sizeof p);
    assert_true(support_hash(net) == before);
    kd_net_destroy(net);
    stop();
}

static void workspaces(void **state)
{
    (void)state;
    static const struct {
        size_t size, batch;
        int32_t training;
        kd_status status;
        const char *words;
    } cases[] = {
        {0, 1, 0, KD_ERR_STRUCT, "options.struct_size is 0"},
        {SIZE_MAX, 1, 0, KD_ERR_STRUCT, "options.struct_size is 1844"},
        {sizeof(kd_workspace_options), 0, 0, KD_ERR_SIZE, "options.batch is 0"},
        {sizeof(kd_workspace_options), HUGE, 0, KD_ERR_TOO_LARGE, "options.batch is 2147483648"},
        {sizeof(kd_workspace_options), SIZE_MAX, 0, KD_ERR_TOO_LARGE, "options.batch is "},
        {sizeof(kd_workspace_options), 1, 2, KD_ERR_VALUE, "options.training is 2"},
        {sizeof(kd_workspace_options), 1, -1, KD_ERR_VALUE, "options.training is -1"},
    };
    start();
    kd_net *net = support_net(context, "4: 6 relu 3", 1), *raw;
    kd_workspace *ws = (kd_workspace *)net;
    size_t bytes = 77;
    support_ok(kd_net_create(context, 4, &raw, NULL), "create");
    for (size_t i = 0; i < COUNT(cases); i++) {
        kd_workspace_options o = KD_WORKSPACE_OPTIONS_INIT;
        o.struct_size = cases[i].size;
        o.batch = cases[i].batch;
        o.training = cases[i].training;
        check(kd_workspace_create(net, &o, &ws, &e), cases[i].status, 2, cases[i].words);
        assert_null(ws);
        check(kd_workspace_size(net, &o, &bytes, &e), cases[i].status, 2, cases[i].words);
    }
    check(kd_workspace_create(NULL, NULL, &ws, &e), KD_ERR_NULL, 1, "net");
    check(kd_workspace_create(raw, NULL, &ws, &e), KD_ERR_STATE, 1, "not initialised");
    check(kd_workspace_create(net, NULL, NULL, &e), KD_ERR_NULL, 3, "out_workspace");
    check(kd_workspace_size(NULL, NULL, &bytes, &e), KD_ERR_NULL, 1, "net");
    check(kd_workspace_size(raw, NULL, &bytes, &e), KD_ERR_STATE, 1, "not initialised");
    check(kd_workspace_size(net, NULL, NULL, &e), KD_ERR_NULL, 3, "out_bytes");
    assert_int_equal(bytes, 77);
    kd_net_destroy(raw);
    kd_net_destroy(net);
    stop();
}

static void inference(void **state)
{
    (void)state;
    start();
    kd_net *net = support_net(context, "4: 6 relu 3", 1);
    kd_workspace *ws = support_workspace(net, 5, 0, 0);
    const char *said = kd_workspace_error(ws);
    float x[60] = {0}, out[60] = {0};
    const struct {
        const float *x;
        size_t n, x_stride;
        float *out;
        size_t out_stride;
        kd_status status;
        const char *words;
    } cases[] = {
        {NULL, 1, 0, out, 0, KD_ERR_NULL, "x is NULL"},
        {x, 1, 0, NULL, 0, KD_ERR_NULL, "out_logits is NULL"},
        {x, 0, 0, out, 0, KD_ERR_SIZE, "n is 0"},
        {x, 6, 0, out, 0, KD_ERR_WORKSPACE, "n is 6, but the workspace was made for 5"},
        {x, HUGE, 0, out, 0, KD_ERR_TOO_LARGE, "n is 2147483648"},
        {x, SIZE_MAX, 0, out, 0, KD_ERR_TOO_LARGE, "n is "},
        {x, 1, 3, out, 0, KD_ERR_SIZE, "stride of x is 3"},
        {x, 1, HUGE, out, 0, KD_ERR_TOO_LARGE, "stride of x is 2147483648"},
        {x, 2, SIZE_MAX, out, 0, KD_ERR_TOO_LARGE, "stride of x"},
        {x, 1, 0, out, 2, KD_ERR_SIZE, "stride of out_logits is 2"},
        {x, 1, 0, out, HUGE, KD_ERR_TOO_LARGE, "stride of out_logits"},
        {x, 2, 0, x, 0, KD_ERR_OVERLAP, "out_logits overlaps x"},
        {x, 2, 0, x + 7, 0, KD_ERR_OVERLAP, "overlaps"},
        {x + 5, 2, 0, x, 0, KD_ERR_OVERLAP, "overlaps"},
        {x, 5, 7, x + 3, 7, KD_ERR_OVERLAP, "overlaps"},
        {x, 5, 7, x + 4, 7, KD_OK, ""}, /* side by side in wide rows */
        {x, 2, 0, x + 8, 0, KD_OK, ""},
    };
    assert_int_equal(kd_net_infer(NULL, x, 1, 0, out, 0), KD_ERR_NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_handle(kd_net_infer(ws, cases[i].x, cases[i].n, cases[i].x_stride, cases[i].out,
                                  cases[i].out_stride),
                     cases[i].status, cases[i].status == KD_OK ? "" : said, cases[i].words);
    }
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_let_go_of_quietly),
        cmocka_unit_test(contexts),
        cmocka_unit_test(nets_that_are_built),
        cmocka_unit_test(nets_that_are_initialised),
        cmocka_unit_test(workspaces),
        cmocka_unit_test(inference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
