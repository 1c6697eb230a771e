/* SPDX-License-Identifier: MIT */
/* See flows.h. */
#include "flows.h"

#define STUDENT "6: 9 relu drop0.25 5"
#define BATCH 8

support_data flow_data;

/* ---- what there is ---- */

kd_context *flows_begin(support_memory *memory)
{
    (void)files_begin_quick();
    support_fill(&flow_data, 12, FLOW_CASES, FLOW_INPUTS, FLOW_K);
    return support_context(memory);
}

void flows_end(kd_context *context, support_memory *memory)
{
    kd_context_destroy(context);
    support_all_returned(memory);
    files_done();
}

flow_run flow_new(kd_context *context, support_memory *memory, kd_optimizer_kind optimizer)
{
    flow_run f;
    const kd_training training = KD_TRAINING_INIT;
    memset(&f, 0, sizeof f);
    f.memory = memory;
    f.context = context;
    f.optimizer = optimizer;
    f.training = training;
    f.error.struct_size = sizeof f.error;
    return f;
}

kd_status flow_again(const flow *which, flow_run *f)
{
    f->at = 0;
    return which->run(f);
}

void flow_drop(flow_run *f)
{
    for (size_t i = 0; i < FLOW_NETS; i++) {
        kd_net_destroy(f->nets[i]);
    }
    for (size_t i = 0; i < FLOW_TEACHERS; i++) {
        kd_teacher_destroy(f->teachers[i]);
    }
    for (size_t i = 0; i < FLOW_SPACES; i++) {
        kd_workspace_destroy(f->spaces[i]);
        kd_optimizer_destroy(f->optimizers[i]);
    }
    for (size_t i = 0; i < FLOW_DISTILLERS; i++) {
        kd_distiller_destroy(f->distillers[i]);
    }
    kd_teacher_workspace_destroy(f->ask);
    kd_cache_destroy(f->cache);
    kd_covariance_destroy(f->covariance);
    for (size_t i = 0; i < 2; i++) {
        kd_specialist_destroy(f->specialists[i]);
    }
    kd_context_destroy(f->own);
    files_clear();
}

kd_status flow_made(kd_status status, const void *pointer, size_t size, const flow_run *f)
{
    const void *made;
    assert_int_equal(size, sizeof made);
    memcpy(&made, pointer, sizeof made);
    assert_int_equal(made == NULL, status != KD_OK);
    assert_true(status == KD_OK || f->error.status == status);
    return status;
}

kd_status flow_note(flow_run *f, const void *bytes, size_t size)
{
    f->hash = support_hash_bytes(f->hash, bytes, size);
    return KD_OK;
}

kd_status flow_note_net(flow_run *f, size_t net)
{
    uint64_t hash = support_hash(f->nets[net]);
    return flow_note(f, &hash, sizeof hash);
}

kd_status flow_note_file(flow_run *f, const char *name)
{
    io_bytes file = files_get(name);
    (void)flow_note(f, file.bytes, file.size);
    io_free(&file);
    return KD_OK;
}

/* ---- parts ---- */

kd_status flow_build(flow_run *f, size_t net, const char *shape)
{
    support_node nodes[SUPPORT_NODES];
    size_t inputs;
    size_t count = support_read(shape, &inputs, nodes);
    MAKE(f->nets[net], kd_net_create(f->context, inputs, &f->nets[net], &f->error));
    for (size_t i = 0; i < count; i++) {
        DO(nodes[i].kind == 'd'   ? kd_net_add_dense(f->nets[net], nodes[i].width)
           : nodes[i].kind == 'r' ? kd_net_add_relu(f->nets[net])
                                  : kd_net_add_dropout(f->nets[net], nodes[i].rate));
    }
    DO(kd_net_init(f->nets[net], KD_INIT_HE, 3 + net));
    return KD_OK;
}

kd_status flow_net_teacher(flow_run *f, size_t teacher, size_t net, const char *shape)
{
    PART(flow_build(f, net, shape));
    MAKE(f->teachers[teacher], kd_teacher_from_net(f->nets[net], &f->teachers[teacher], &f->error));
    return KD_OK;
}

kd_status flow_distiller(flow_run *f, size_t at, size_t net, kd_teacher *teacher,
                         const kd_distiller_options *options)
{
    kd_optimizer_options optimizer = KD_OPTIMIZER_OPTIONS_INIT;
    kd_distiller_options o = *options;
    optimizer.kind = f->optimizer;
    optimizer.momentum = 0.9f;
    o.optimizer = &optimizer;
    o.batch = BATCH;
    MAKE(f->distillers[at],
         kd_distiller_create(f->nets[net], teacher, &o, &f->distillers[at], &f->error));
    return KD_OK;
}

static kd_status step(flow_run *f, size_t distiller, size_t index, const kd_targets *targets)
{
    size_t begin = index * BATCH % FLOW_CASES;
    kd_report report = KD_REPORT_INIT;
    kd_batch batch = support_batch(&flow_data, begin, BATCH);
    kd_targets some = KD_TARGETS_INIT;
    if (targets) {
        some = *targets;
        some.values += begin * targets->stride;
        some.topk_index += begin * targets->top;
        some.tail += begin;
        batch.targets = &some;
    }
    batch.epoch = (uint32_t)index;
    kd_status status = kd_distill_step(f->distillers[distiller], &batch, &report);
    return status ? status : flow_note(f, &report.total, sizeof report.total);
}

kd_status flow_steps(flow_run *f, size_t distiller, size_t begin, size_t count,
                     const kd_targets *targets)
{
    for (size_t i = begin; i < begin + count; i++) {
        DO(step(f, distiller, i, targets));
    }
    return KD_OK;
}

kd_status flow_distil(flow_run *f, kd_teacher *teacher, const kd_targets *targets,
                      float temperature)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.temperature = temperature;
    PART(flow_build(f, 0, STUDENT));
    PART(flow_distiller(f, 0, 0, teacher, &o));
    PART(flow_steps(f, 0, 0, 4, targets));
    DO(flow_note_net(f, 0));
    return KD_OK;
}

/* ---- workflows ---- */

static kd_status train(flow_run *f)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.soft_weight = 0;
    o.gradient_norm = 1;
    PART(flow_build(f, 0, "6: 9 relu drop0.25 7 relu 5"));
    PART(flow_distiller(f, 0, 0, NULL, &o));
    PART(flow_steps(f, 0, 0, 4, NULL));
    DO(flow_note_net(f, 0));
    return KD_OK;
}

static kd_status from_net(flow_run *f)
{
    PART(flow_net_teacher(f, 0, 1, "6: 12 relu drop0.5 5"));
    return flow_distil(f, f->teachers[0], NULL, 4);
}

static kd_status from_mean(flow_run *f, kd_mean_kind kind)
{
    PART(flow_net_teacher(f, 0, 1, "6: 12 relu 5"));
    PART(flow_net_teacher(f, 1, 2, "6: 7 relu 5"));
    PART(flow_net_teacher(f, 2, 3, "6: 5"));
    MAKE(f->teachers[3],
         kd_teacher_from_ensemble(f->teachers, 3, NULL, kind, &f->teachers[3], &f->error));
    return flow_distil(f, f->teachers[3], NULL, 2);
}

static kd_status from_arithmetic(flow_run *f)
{
    return from_mean(f, KD_MEAN_ARITHMETIC);
}

static kd_status from_geometric(flow_run *f)
{
    return from_mean(f, KD_MEAN_GEOMETRIC);
}

static int32_t answer(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user;
    return kd_softmax(batch->x, batch->n, FLOW_K, FLOW_INPUTS, temperature, out, 0, NULL);
}

static kd_status from_callback(flow_run *f)
{
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    o.k = FLOW_K;
    o.kind = KD_TARGET_PROBABILITIES;
    o.fn = answer;
    MAKE(f->teachers[0], kd_teacher_from_callback(f->context, &o, &f->teachers[0], &f->error));
    return flow_distil(f, f->teachers[0], NULL, 3);
}

static kd_status from_logits(flow_run *f)
{
    MAKE(f->teachers[0], kd_teacher_from_logits(f->context, flow_data.ids, flow_data.v, FLOW_CASES,
                                                FLOW_K, 0, &f->teachers[0], &f->error));
    return flow_distil(f, f->teachers[0], NULL, 4);
}

/* The host's own targets of the two largest classes. */
static kd_status from_topk(flow_run *f)
{
    uint32_t index[2 * FLOW_CASES];
    float values[2 * FLOW_CASES];
    float tail[FLOW_CASES];
    kd_targets t = KD_TARGETS_INIT;
    for (size_t i = 0; i < FLOW_CASES; i++) {
        for (size_t j = 0; j < 2; j++) {
            index[2 * i + j] = (uint32_t)(i % 3 + 2 * j);
            values[2 * i + j] = flow_data.v[2 * i + j];
        }
        tail[i] = -1;
    }
    t.kind = KD_TARGET_TOPK;
    t.temperature = 3;
    t.values = values;
    t.stride = t.top = 2;
    t.topk_index = index;
    t.tail = tail;
    return flow_distil(f, NULL, &t, 3);
}

/* A copy of a net, and the loop of train.h. */
static kd_status own_loop(flow_run *f)
{
    kd_workspace_options w = KD_WORKSPACE_OPTIONS_INIT;
    kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
    kd_batch batch = support_batch(&flow_data, 0, BATCH);
    const float *logits;
    w.batch = BATCH;
    w.training = 1;
    o.kind = f->optimizer;
    PART(flow_build(f, 0, STUDENT));
    MAKE(f->nets[1], kd_net_clone(f->nets[0], &f->nets[1], &f->error));
    MAKE(f->spaces[0], kd_workspace_create(f->nets[1], &w, &f->spaces[0], &f->error));
    MAKE(f->optimizers[0], kd_optimizer_create(f->nets[1], &o, &f->optimizers[0], &f->error));
    for (size_t i = 0; i < 3; i++) {
        DO(kd_net_forward(f->spaces[0], &batch, &logits));
        DO(kd_net_backward(f->spaces[0], flow_data.v, 0, 0));
        DO(kd_optimizer_step(f->optimizers[0], f->spaces[0]));
    }
    DO(flow_note_net(f, 0));
    DO(flow_note_net(f, 1));
    return KD_OK;
}

static kd_status evaluate_all(flow_run *f)
{
    kd_report report = KD_REPORT_INIT;
    kd_batch batch = support_batch(&flow_data, 0, FLOW_CASES);
    kd_status status = kd_distill_evaluate(f->distillers[0], &batch, &report);
    return status ? status : flow_note(f, &report.total, sizeof report.total);
}

/* More cases than fit in a step, so they are cut into pieces. */
static kd_status evaluate(flow_run *f)
{
    PART(from_net(f));
    for (size_t i = 0; i < 3; i++) {
        DO(evaluate_all(f));
    }
    return KD_OK;
}

static kd_status gather(flow_run *f)
{
    kd_targets targets = KD_TARGETS_INIT;
    kd_batch batch = support_batch(&flow_data, 0, FLOW_CASES);
    kd_status status = kd_teacher_targets(f->ask, &batch, 1, &targets, &f->error);
    return status ? status : kd_covariance_add(f->covariance, &targets, FLOW_CASES, &f->error);
}

/* Which classes the generalist confuses. */
static kd_status find_sets(flow_run *f)
{
    kd_cluster_options o = KD_CLUSTER_OPTIONS_INIT;
    o.sets = 2;
    o.classes = 3;
    kd_status status = kd_covariance_cluster(f->covariance, &o, f->sets[0], NULL, &f->error);
    return status ? status : flow_note(f, f->sets, sizeof f->sets);
}

/* What a specialist learns from, and its dustbin's share. */
static kd_status correct(flow_run *f, kd_specialist *specialist)
{
    uint32_t order[2 * FLOW_CASES];
    size_t n = 0;
    double prior;
    kd_status status = kd_specialist_order(specialist, flow_data.labels, FLOW_CASES, 1, 2, order,
                                           &n, &prior, &f->error);
    status = status ? status : kd_specialist_correct(specialist, prior, NULL, &f->error);
    return status ? status : flow_note(f, order, n * sizeof *order);
}

static kd_status from_specialists(flow_run *f)
{
    PART(flow_net_teacher(f, 0, 1, "6: 12 relu drop0.5 5"));
    MAKE(f->ask, kd_teacher_workspace_create(f->teachers[0], FLOW_CASES, &f->ask, &f->error));
    MAKE(f->covariance, kd_covariance_create(f->context, FLOW_K, &f->covariance, &f->error));
    DO(gather(f));
    DO(find_sets(f));
    for (size_t i = 0; i < 2; i++) {
        kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
        o.classes = f->sets[i];
        o.n_classes = 3;
        o.generalist = f->nets[1];
        MAKE(f->specialists[i],
             kd_specialist_create(f->context, &o, &f->specialists[i], &f->error));
        DO(correct(f, f->specialists[i]));
    }
    MAKE(f->teachers[1], kd_teacher_from_specialists(f->teachers[0], f->specialists, 2, NULL,
                                                     &f->teachers[1], &f->error));
    return flow_distil(f, f->teachers[1], NULL, 4);
}

/* Everything in a context of its own, with threads. */
static kd_status threads(flow_run *f)
{
    MAKE(f->own, support_try_context(f->memory, 2, &f->own, &f->error));
    f->context = f->own;
    PART(flow_net_teacher(f, 0, 1, "6: 32 relu 32 relu 5"));
    PART(flow_distil(f, f->teachers[0], NULL, 4));
    DO(evaluate_all(f));
    return KD_OK;
}

const flow flows[] = {
    {"train", train},
    {"distil from a net", from_net},
    {"distil from an arithmetic mean", from_arithmetic},
    {"distil from a geometric mean", from_geometric},
    {"distil from a callback", from_callback},
    {"distil from recorded logits", from_logits},
    {"distil from the host's top classes", from_topk},
    {"record, and distil: f32", flow_record_f32},
    {"record, and distil: f16", flow_record_f16},
    {"record, and distil: top classes", flow_record_topk},
    {"save and load a net", flow_net_file},
    {"export and import weights", flow_weights_file},
    {"save and load a training", flow_training_file},
    {"save and load a training by hand", flow_own_training_file},
    {"matrices for numpy", flow_npy_file},
    {"clone, and train by hand", own_loop},
    {"evaluate in pieces", evaluate},
    {"two threads", threads},
    {"distil from a generalist and specialists", from_specialists},
};
const size_t n_flows = COUNT(flows);
