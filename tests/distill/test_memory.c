/* SPDX-License-Identifier: MIT */
/*
 * Memory. Whole workflows in which each allocation in turn is refused: once, from then on, and once
 * with the call made again; and steps that must not allocate at all.
 */
#include "../support/support.h"

#define INPUTS 5
#define K 4
#define CASES 12

static support_memory memory;
static kd_context *context;
static support_data data;

/* ---- workflows ---- */

enum { NETS = 4, TEACHERS = 10, SPACES = 6 };

/* All that a workflow may make; it is let go of by the caller. */
typedef struct things {
    kd_net *nets[NETS];
    kd_teacher *teachers[TEACHERS];
    kd_workspace *spaces[SPACES];
    kd_optimizer *optimizers[SPACES];
    kd_teacher_workspace *asks[SPACES];
    kd_distiller *distillers[SPACES];
    kd_error error;
    uint64_t hash;
} things;

static void let_go(things *t)
{
    for (size_t i = 0; i < NETS; i++) {
        kd_net_destroy(t->nets[i]);
    }
    for (size_t i = 0; i < TEACHERS; i++) {
        kd_teacher_destroy(t->teachers[i]);
    }
    for (size_t i = 0; i < SPACES; i++) {
        kd_workspace_destroy(t->spaces[i]);
        kd_optimizer_destroy(t->optimizers[i]);
        kd_teacher_workspace_destroy(t->asks[i]);
        kd_distiller_destroy(t->distillers[i]);
    }
}

static bool retrying; /* a call that fails for want of memory is made once more */

/* A call, after which `out` is NULL just if it failed. */
#define MAKE(out, call)                                                                            \
    do {                                                                                           \
        for (int attempt = 0; attempt < 2; attempt++) {                                            \
            kd_status status_ = (call);                                                            \
            assert_int_equal((out) == NULL, status_ != KD_OK);                                     \
            if (status_ == KD_OK) {                                                                \
                break;                                                                             \
            }                                                                                      \
            assert_non_null(strstr(t->error.text, "no memory"));                                   \
            assert_int_equal(t->error.status, status_);                                            \
            if (!retrying || attempt > 0) {                                                        \
                return status_;                                                                    \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static kd_status build(things *t, size_t at, const char *shape, uint64_t seed)
{
    support_node nodes[SUPPORT_NODES];
    size_t inputs, count = support_read(shape, &inputs, nodes);
    kd_net *net;
    MAKE(t->nets[at], kd_net_create(context, inputs, &t->nets[at], &t->error));
    net = t->nets[at];
    for (size_t i = 0; i <= count; i++) {
        for (int attempt = 0; attempt < 2; attempt++) {
            kd_status status = i == count             ? kd_net_init(net, KD_INIT_HE, seed)
                               : nodes[i].kind == 'd' ? kd_net_add_dense(net, nodes[i].width)
                               : nodes[i].kind == 'r' ? kd_net_add_relu(net)
                                                      : kd_net_add_dropout(net, nodes[i].rate);
            if (status == KD_OK) {
                break;
            }
            assert_non_null(strstr(kd_net_error(net), "no memory"));
            if (!retrying || attempt > 0) {
                return status;
            }
        }
    }
    t->hash = support_hash_bytes(t->hash, &(uint64_t){support_hash(net)}, sizeof(uint64_t));
    return KD_OK;
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        kd_status tried_ = (call);                                                                 \
        if (tried_ != KD_OK) {                                                                     \
            return tried_;                                                                         \
        }                                                                                          \
    } while (0)

/* More nodes than fit at first, and a copy. */
static kd_status nets(things *t)
{
    TRY(build(t, 0, "5: 6 relu drop0.1 6 relu drop0.1 6 relu drop0.1 6 relu 4", 1));
    MAKE(t->nets[1], kd_net_clone(t->nets[0], &t->nets[1], &t->error));
    assert_true(support_hash(t->nets[0]) == support_hash(t->nets[1]));
    return KD_OK;
}

/* The custom loop of train.h, with every optimiser. */
static kd_status loop_by_hand(things *t)
{
    kd_workspace_options o = {.struct_size = sizeof o, .batch = CASES, .training = 1};
    kd_batch batch = support_batch(&data, 0, CASES);
    const float *logits;
    TRY(build(t, 0, "5: 9 relu drop0.3 4", 2));
    MAKE(t->spaces[0], kd_workspace_create(t->nets[0], &o, &t->spaces[0], &t->error));
    for (size_t i = 0; i < 4; i++) {
        kd_optimizer_options options = KD_OPTIMIZER_OPTIONS_INIT;
        options.kind = i ? (kd_optimizer_kind)i : KD_SGD;
        options.momentum = i ? 0.9f : 0;
        MAKE(t->optimizers[i],
             kd_optimizer_create(t->nets[0], &options, &t->optimizers[i], &t->error));
        TRY(kd_net_forward(t->spaces[0], &batch, &logits));
        TRY(kd_net_backward(t->spaces[0], data.v, 0, 0));
        TRY(kd_optimizer_step(t->optimizers[i], t->spaces[0]));
    }
    o.training = 0;
    MAKE(t->spaces[1], kd_workspace_create(t->nets[0], &o, &t->spaces[1], &t->error));
    t->hash ^= support_hash(t->nets[0]);
    return KD_OK;
}

static int32_t answer(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user;
    return kd_softmax(data.v, batch->n, K, 0, temperature, out, 0, NULL);
}

static kd_status from_callback(things *t, size_t at)
{
    kd_callback_options o = {
        .struct_size = sizeof o, .k = K, .kind = KD_TARGET_PROBABILITIES, .fn = answer};
    MAKE(t->teachers[at], kd_teacher_from_callback(context, &o, &t->teachers[at], &t->error));
    return KD_OK;
}

static kd_status from_records(things *t, size_t at)
{
    MAKE(t->teachers[at], kd_teacher_from_logits(context, data.ids, data.v, CASES, K, 0,
                                                 &t->teachers[at], &t->error));
    return KD_OK;
}

static kd_status from_net(things *t, size_t at, size_t net)
{
    TRY(build(t, net, "5: 7 relu drop0.5 4", 10 + at));
    MAKE(t->teachers[at], kd_teacher_from_net(t->nets[net], &t->teachers[at], &t->error));
    return KD_OK;
}

static kd_status together(things *t, size_t at, size_t first, size_t m, kd_mean_kind kind)
{
    MAKE(t->teachers[at],
         kd_teacher_from_ensemble(&t->teachers[first], m, NULL, kind, &t->teachers[at], &t->error));
    return KD_OK;
}

/* Asks teacher `at` in a new workspace, and counts its answer in. */
static kd_status ask(things *t, size_t at, size_t space)
{
    kd_targets targets = KD_TARGETS_INIT;
    kd_batch batch = support_batch(&data, 0, CASES);
    MAKE(t->asks[space],
         kd_teacher_workspace_create(t->teachers[at], CASES, &t->asks[space], &t->error));
    TRY(kd_teacher_targets(t->asks[space], &batch, 3, &targets, &t->error));
    t->hash = support_hash_bytes(t->hash, targets.values, CASES * K * sizeof(float));
    return KD_OK;
}

static kd_status a_net_teacher(things *t)
{
    TRY(from_net(t, 0, 0));
    return ask(t, 0, 0);
}

static kd_status host_teachers(things *t)
{
    TRY(from_callback(t, 0));
    TRY(from_records(t, 1));
    TRY(ask(t, 0, 0));
    return ask(t, 1, 1);
}

/* Teachers 0 to 3, their means 4 and 5, the mean of these and all others 6. */
static kd_status ensembles(things *t)
{
    TRY(from_net(t, 0, 0));
    TRY(from_net(t, 1, 1));
    TRY(from_records(t, 2));
    TRY(from_callback(t, 3));
    TRY(together(t, 4, 0, 3, KD_MEAN_GEOMETRIC));
    TRY(together(t, 5, 1, 3, KD_MEAN_ARITHMETIC));
    TRY(together(t, 6, 0, 6, KD_MEAN_ARITHMETIC));
    TRY(together(t, 7, 6, 1, KD_MEAN_ARITHMETIC));
    TRY(ask(t, 4, 0));
    TRY(ask(t, 6, 1));
    return ask(t, 7, 2);
}

static kd_status distil(things *t, size_t teacher, size_t net, size_t space)
{
    kd_optimizer_options optimizer = KD_OPTIMIZER_OPTIONS_INIT;
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    kd_batch batch = support_batch(&data, 0, CASES);
    optimizer.kind = 1 + (kd_optimizer_kind)(space % 3);
    optimizer.momentum = 0.9f;
    o.batch = CASES;
    o.optimizer = &optimizer;
    o.soft_weight = teacher < TEACHERS ? 1 : 0;
    MAKE(t->distillers[space],
         kd_distiller_create(t->nets[net], teacher < TEACHERS ? t->teachers[teacher] : NULL, &o,
                             &t->distillers[space], &t->error));
    for (size_t i = 0; i < 3; i++) {
        TRY(kd_distill_step(t->distillers[space], &batch, NULL));
    }
    t->hash ^= support_hash(t->nets[net]);
    return KD_OK;
}

static kd_status training(things *t)
{
    TRY(build(t, 3, "5: 9 relu drop0.3 4", 2));
    for (size_t space = 0; space < 3; space++) {
        TRY(distil(t, TEACHERS, 3, space));
    }
    return KD_OK;
}

static kd_status distilling(things *t)
{
    TRY(from_net(t, 0, 0));
    TRY(build(t, 3, "5: 9 relu drop0.3 4", 2));
    return distil(t, 0, 3, 0);
}

static kd_status everything(things *t)
{
    TRY(ensembles(t));
    TRY(build(t, 3, "5: 9 relu drop0.3 4", 2));
    for (size_t space = 0; space < 3; space++) {
        TRY(distil(t, 4 + space, 3, space));
    }
    MAKE(t->nets[2], kd_net_clone(t->nets[3], &t->nets[2], &t->error));
    return KD_OK;
}

/* ---- refusing each allocation ---- */

typedef kd_status (*workflow)(things *t);

static kd_status run(workflow flow, uint64_t *out_hash)
{
    things t;
    memset(&t, 0, sizeof t);
    t.error.struct_size = sizeof t.error;
    kd_status status = flow(&t);
    *out_hash = t.hash;
    let_go(&t);
    return status;
}

static size_t check_workflow(workflow flow, kd_workspace *bystander, const float *want)
{
    uint64_t clean, hash;
    float out[CASES * K];
    size_t live = memory.live, begin = memory.calls;
    support_ok(run(flow, &clean), "without a fault");
    size_t count = memory.calls - begin;
    for (size_t i = 0; i < 3 * count; i++) {
        memory.lasting = i % 3 == 1;
        retrying = i % 3 == 2;
        memory.fail_at = memory.calls + i / 3 + 1;
        size_t refused = memory.refused;
        kd_status status = run(flow, &hash);
        memory.fail_at = 0;
        assert_true(memory.refused > refused);
        assert_int_equal(status, retrying ? KD_OK : KD_ERR_MEMORY);
        assert_true(!retrying || hash == clean);
        assert_int_equal(memory.live, live);
        support_ok(kd_net_infer(bystander, data.x, CASES, 0, out, 0),
                   kd_workspace_error(bystander));
        support_same_bits("bystander", out, want, sizeof out);
    }
    retrying = false;
    support_ok(run(flow, &hash), "after all faults");
    assert_true(hash == clean);
    return count;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const workflow flows[] = {nets,      loop_by_hand, a_net_teacher, host_teachers,
                                     ensembles, training,     distilling,    everything};
    float want[CASES * K];
    size_t count = 0;
    context = support_context(&memory);
    support_fill(&data, 8, CASES, INPUTS, K);
    kd_net *net = support_net(context, "5: 9 relu 4", 1);
    kd_workspace *ws = support_workspace(net, CASES, 0, 0);
    support_ok(kd_net_infer(ws, data.x, CASES, 0, want, 0), kd_workspace_error(ws));
    for (size_t i = 0; i < COUNT(flows); i++) {
        count += check_workflow(flows[i], ws, want);
    }
    assert_true(count > 300);
    kd_workspace_destroy(ws);
    kd_net_destroy(net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

static void *refuse(void *user, size_t size, size_t align)
{
    (void)size;
    (void)align;
    ++*(size_t *)user;
    return NULL;
}

static void never(void *user, void *pointer, size_t size)
{
    (void)pointer;
    (void)size;
    ++*(size_t *)user;
}

static void a_context_may_fail(void **state)
{
    (void)state;
    kd_context_options o = KD_CONTEXT_OPTIONS_INIT;
    kd_error error = KD_ERROR_INIT;
    size_t calls = 0;
    o.alloc = refuse;
    o.release = never;
    o.user = &calls;
    context = (kd_context *)&calls;
    support_refused(kd_context_create(&o, &context, &error), KD_ERR_MEMORY, error.text,
                    "no memory");
    assert_null(context);
    assert_int_equal(calls, 1);
}

/* What cannot be had on any machine: the sizes are asked for, and refused. */
static void too_much_is_no_memory(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    kd_workspace_options o = {.struct_size = sizeof o, .batch = INT32_MAX, .training = 1};
    kd_workspace *ws;
    kd_teacher_workspace *ask;
    kd_distiller_options d = KD_DISTILLER_OPTIONS_INIT;
    kd_distiller *distiller;
    context = support_context(&memory);
    kd_net *net = support_net(context, "5: 4", 1), *huge;
    kd_teacher *teacher = support_teacher(net);
    d.batch = INT32_MAX;
    support_refused(kd_workspace_create(net, &o, &ws, &error), KD_ERR_MEMORY, error.text, "bytes");
    support_refused(kd_teacher_workspace_create(teacher, INT32_MAX, &ask, &error), KD_ERR_MEMORY,
                    error.text, "bytes");
    support_refused(kd_distiller_create(net, NULL, &d, &distiller, &error), KD_ERR_MEMORY,
                    error.text, "bytes");
    assert_true(!ws && !ask && !distiller);
    support_ok(kd_net_create(context, INT32_MAX, &huge, NULL), "create");
    support_ok(kd_net_add_dense(huge, 3), kd_net_error(huge));
    support_refused(kd_net_init(huge, KD_INIT_HE, 1), KD_ERR_MEMORY, kd_net_error(huge), "bytes");
    support_ok(kd_net_add_dense(huge, INT32_MAX), kd_net_error(huge)); /* it is still being built */
    support_refused(kd_net_init(huge, KD_INIT_HE, 1), KD_ERR_MEMORY, kd_net_error(huge), "bytes");
    support_ok(kd_net_add_dense(huge, INT32_MAX), kd_net_error(huge));
    support_refused(kd_net_init(huge, KD_INIT_HE, 1), KD_ERR_TOO_LARGE, kd_net_error(huge),
                    "more bytes than fit");
    kd_net_destroy(huge);
    kd_teacher_destroy(teacher);
    kd_net_destroy(net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_context_may_fail),
        cmocka_unit_test(too_much_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
