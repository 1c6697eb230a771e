/* SPDX-License-Identifier: MIT */
/* Structs of hosts that are older or newer than the library: a size smaller or larger than ours. */
#include "../support/support.h"

#define INPUTS 5
#define K 4
#define CASES 12
#define BATCH 8
#define TAIL 64

static support_memory memory;
static kd_context *context;
static support_data data;
static size_t seen; /* struct_size of the last batch that the callback saw */

static int32_t answer(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user;
    (void)temperature;
    seen = batch->struct_size;
    memcpy(out, data.v, batch->n * K * sizeof *out);
    return 0;
}

static void start(void)
{
    context = support_context(&memory);
    support_fill(&data, 8, CASES, INPUTS, K);
}

static void stop(void)
{
    kd_context_destroy(context);
    support_all_returned(&memory);
}

static kd_teacher *from_callback(void)
{
    kd_callback_options o = {.struct_size = sizeof o, .k = K, .fn = answer};
    kd_teacher *teacher;
    support_ok(kd_teacher_from_callback(context, &o, &teacher, NULL), "callback");
    return teacher;
}

static kd_net *student(void)
{
    return support_net(context, "5: 9 relu drop0.3 4", 5);
}

/* What is left of the weights after one step. */
static uint64_t after_step(const kd_distiller_options *o, const kd_batch *batch)
{
    kd_net *net = student();
    kd_teacher *teacher = from_callback();
    kd_distiller *d = support_distiller(net, teacher, o);
    support_step(d, batch);
    uint64_t hash = support_hash(net);
    kd_distiller_destroy(d);
    kd_teacher_destroy(teacher);
    kd_net_destroy(net);
    return hash;
}

/* ---- older hosts: a missing tail means the defaults ---- */

static void short_options_have_defaults(void **state)
{
    (void)state;
    kd_distiller_options full = KD_DISTILLER_OPTIONS_INIT, cut;
    kd_optimizer_options rate = KD_OPTIMIZER_OPTIONS_INIT, none;
    start();
    kd_batch batch = support_batch(&data, 0, BATCH);
    full.temperature = 7;
    cut = full;
    memset((char *)&cut + offsetof(kd_distiller_options, soft_weight), 0x77,
           sizeof cut - offsetof(kd_distiller_options, soft_weight));
    cut.struct_size = offsetof(kd_distiller_options, soft_weight);
    assert_true(after_step(&cut, &batch) == after_step(&full, &batch));
    memset(&none, 0x77, sizeof none);
    none.struct_size = offsetof(kd_optimizer_options, kind);
    full.optimizer = &none;
    uint64_t hash = after_step(&full, &batch);
    full.optimizer = &rate;
    assert_true(hash == after_step(&full, &batch));
    kd_net *net = student();
    kd_workspace_options o, one = KD_WORKSPACE_OPTIONS_INIT;
    size_t got, want;
    memset(&o, 0x77, sizeof o);
    o.struct_size = offsetof(kd_workspace_options, batch);
    support_ok(kd_workspace_size(net, &o, &got, NULL), "short");
    support_ok(kd_workspace_size(net, &one, &want, NULL), "full");
    assert_int_equal(got, want);
    kd_net_destroy(net);
    kd_context_options c = {.struct_size = offsetof(kd_context_options, threads), .threads = 77};
    kd_context *made;
    support_ok(kd_context_create(&c, &made, NULL), "short");
    kd_context_destroy(made);
    stop();
}

static void short_batches_have_defaults(void **state)
{
    (void)state;
    start();
    kd_batch full = support_batch(&data, 0, BATCH), cut;
    full.labels = NULL;
    full.ids = NULL;
    cut = full;
    memset((char *)&cut + offsetof(kd_batch, labels), 0x77,
           sizeof cut - offsetof(kd_batch, labels));
    cut.struct_size = offsetof(kd_batch, labels);
    assert_true(after_step(NULL, &cut) == after_step(NULL, &full));
    kd_targets targets = data.targets;
    targets.struct_size = offsetof(kd_targets, stride);
    targets.stride = 1;
    targets.k = 99;
    cut = full;
    cut.targets = &targets;
    full.targets = &data.targets;
    assert_true(after_step(NULL, &cut) == after_step(NULL, &full));
    stop();
}

/* Outputs end where the host's struct ends. */
static void short_outputs_are_not_overrun(void **state)
{
    (void)state;
    start();
    kd_net *net = student();
    kd_net_info info, info_before;
    kd_param p, p_before;
    kd_error e = KD_ERROR_INIT, e_before;
    memset(&info, 0x77, sizeof info);
    info.struct_size = offsetof(kd_net_info, nodes);
    info_before = info;
    support_ok(kd_net_get_info(net, &info, NULL), "info");
    assert_true(info.inputs == INPUTS && info.outputs == K && info.nodes == info_before.nodes);
    assert_memory_equal(&info.nodes, &info_before.nodes,
                        sizeof info - offsetof(kd_net_info, nodes));
    memset(&p, 0x77, sizeof p);
    p.struct_size = offsetof(kd_param, columns);
    p_before = p;
    support_ok(kd_net_get_param(net, 0, &p), kd_net_error(net));
    assert_true(p.rows == 9);
    assert_memory_equal(&p.columns, &p_before.columns, sizeof p - offsetof(kd_param, columns));
    memset(e.text, 0x77, sizeof e.text);
    e.struct_size = offsetof(kd_error, text) + 9;
    e_before = e;
    assert_int_equal(kd_net_clone(NULL, &(kd_net *){NULL}, &e), KD_ERR_NULL);
    assert_string_equal(e.text, "net is N"); /* cut, and ended */
    assert_memory_equal(e.text + 9, e_before.text + 9, sizeof e.text - 9);
    kd_net_destroy(net);
    stop();
}

/* ---- newer hosts: a tail that we do not know must be 0 ---- */

typedef struct new_batch {
    kd_batch known;
    uint64_t tail[TAIL];
} new_batch;

typedef struct new_targets {
    kd_targets known;
    uint64_t tail[TAIL];
} new_targets;

typedef struct new_options {
    kd_distiller_options known;
    uint64_t tail[TAIL];
} new_options;

static void tails_of_zeros_are_accepted(void **state)
{
    (void)state;
    start();
    new_batch batch = {support_batch(&data, 0, BATCH), {0}};
    new_options options = {KD_DISTILLER_OPTIONS_INIT, {0}};
    uint64_t want = after_step(NULL, &batch.known);
    batch.known.struct_size = sizeof batch;
    options.known.struct_size = sizeof options;
    assert_true(after_step(&options.known, &batch.known) == want);
    new_targets targets = {data.targets, {0}};
    targets.known.struct_size = sizeof targets;
    batch.known.targets = &targets.known;
    assert_true(after_step(&options.known, &batch.known) == want);
    stop();
}

/* An evaluation cuts batch and targets into pieces; these are the library's own structs. */
static void an_evaluation_accepts_them_too(void **state)
{
    (void)state;
    start();
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    kd_net *net = student();
    o.batch = BATCH;
    kd_distiller *d = support_distiller(net, NULL, &o);
    new_batch batch = {support_batch(&data, 0, CASES), {0}};
    new_targets targets = {data.targets, {0}};
    batch.known.targets = &data.targets;
    kd_report want = support_evaluate(d, &batch.known);
    batch.known.struct_size = sizeof batch;
    batch.known.targets = &targets.known;
    targets.known.struct_size = sizeof targets;
    kd_report got = support_evaluate(d, &batch.known);
    assert_memory_equal(&got, &want, sizeof got);
    kd_distiller_destroy(d);
    kd_net_destroy(net);
    stop();
}

/* A callback may trust struct_size: what it says is there. */
static void a_callback_sees_the_librarys_size(void **state)
{
    (void)state;
    start();
    new_batch batch = {support_batch(&data, 0, BATCH), {0}};
    after_step(NULL, &batch.known);
    assert_int_equal(seen, sizeof(kd_batch));
    batch.known.struct_size = sizeof batch;
    after_step(NULL, &batch.known);
    assert_int_equal(seen, sizeof(kd_batch));
    stop();
}

static void tails_of_anything_else_are_refused(void **state)
{
    (void)state;
    start();
    kd_net *net = student();
    kd_teacher *teacher = from_callback();
    kd_distiller *d = support_distiller(net, teacher, NULL), *other;
    kd_error e = KD_ERROR_INIT;
    kd_report r = KD_REPORT_INIT;
    uint64_t before = support_hash(net);
    for (size_t i = 0; i < TAIL; i++) {
        new_batch batch = {support_batch(&data, 0, BATCH), {0}};
        new_options options = {KD_DISTILLER_OPTIONS_INIT, {0}};
        new_targets targets = {data.targets, {0}};
        batch.known.struct_size = sizeof batch;
        batch.tail[i] = (uint64_t)1 << 63;
        support_refused(kd_distill_step(d, &batch.known, &r), KD_ERR_STRUCT, kd_distiller_error(d),
                        "batch.struct_size");
        support_refused(kd_distill_evaluate(d, &batch.known, &r), KD_ERR_STRUCT,
                        kd_distiller_error(d), "batch.struct_size");
        batch.tail[i] = 0;
        targets.known.struct_size = sizeof targets;
        targets.tail[i] = 1;
        batch.known.targets = &targets.known;
        support_refused(kd_distill_step(d, &batch.known, &r), KD_ERR_STRUCT, kd_distiller_error(d),
                        "batch.targets.struct_size");
        options.known.struct_size = sizeof options;
        options.tail[i] = 1;
        support_refused(kd_distiller_create(net, teacher, &options.known, &other, &e),
                        KD_ERR_STRUCT, e.text, "options.struct_size");
        assert_null(other);
    }
    assert_true(support_hash(net) == before);
    kd_distiller_destroy(d);
    kd_teacher_destroy(teacher);
    kd_net_destroy(net);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_options_have_defaults),
        cmocka_unit_test(short_batches_have_defaults),
        cmocka_unit_test(short_outputs_are_not_overrun),
        cmocka_unit_test(tails_of_zeros_are_accepted),
        cmocka_unit_test(an_evaluation_accepts_them_too),
        cmocka_unit_test(a_callback_sees_the_librarys_size),
        cmocka_unit_test(tails_of_anything_else_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
