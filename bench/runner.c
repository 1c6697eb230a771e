/* SPDX-License-Identifier: MIT */
/* Workloads on libkd's public interface: made once, then a step as often as asked for. */
#include "bench.h"

#include <stdlib.h>

enum { MOST_BATCHES = 16 };

struct runner {
    const workload *w;
    kd_context *context;
    size_t batches, at; /* distinct batches, which take turns */
    float *x[MOST_BATCHES], *v[MOST_BATCHES];
    int32_t *labels[MOST_BATCHES];
    kd_net *net;
    kd_distiller *distiller;
    kd_workspace *workspace;
    float *out;
    float *scratch;
    size_t scratch_floats;
    float *members[KD_MAX_MEMBERS];
};

static void need(kd_status status, const char *what, const char *why)
{
    if (status != KD_OK) {
        die("%s: %s: %s", what, kd_status_name(status), why);
    }
}

/* Dense layers with rectifiers between, and dropout before each of them where there is a rate. */
static kd_net *create_net(runner *r, const size_t *sizes, size_t layers, float in, float hidden)
{
    kd_error error = KD_ERROR_INIT;
    kd_net *net;
    need(kd_net_create(r->context, sizes[0], &net, &error), "net", error.text);
    kd_status status = in > 0.0f ? kd_net_add_dropout(net, in) : KD_OK;
    for (size_t i = 0; i < layers && status == KD_OK; i++) {
        status = kd_net_add_dense(net, sizes[i + 1]);
        if (status == KD_OK && i + 1 < layers) {
            status = kd_net_add_relu(net);
        }
        if (status == KD_OK && i + 1 < layers && hidden > 0.0f) {
            status = kd_net_add_dropout(net, hidden);
        }
    }
    need(status, "layer", kd_net_error(net));
    need(kd_net_init(net, KD_INIT_GLOROT, 1), "init", kd_net_error(net));
    return net;
}

static void create_distiller(runner *r)
{
    const workload *w = r->w;
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher = NULL;
    if (w->teacher_layers > 0) {
        kd_net *net = create_net(r, w->teacher, w->teacher_layers, 0.0f, 0.0f);
        need(kd_teacher_from_net(net, &teacher, &error), "teacher", error.text);
        kd_net_destroy(net);
    }
    kd_optimizer_options sgd = KD_OPTIMIZER_OPTIONS_INIT;
    sgd.rate = 0.01f;
    sgd.momentum = 0.9f;
    sgd.max_norm = w->max_norm;
    kd_distiller_options options = KD_DISTILLER_OPTIONS_INIT;
    options.batch = w->n;
    options.temperature = w->temperature > 0.0f ? w->temperature : options.temperature;
    options.soft_weight = w->soft;
    options.hard_weight = w->hard;
    options.optimizer = &sgd;
    need(kd_distiller_create(r->net, teacher, &options, &r->distiller, &error), "distiller",
         error.text);
    kd_teacher_destroy(teacher);
}

/* Inputs, labels and, unless a teacher is asked, its logits. */
static void create_batches(runner *r)
{
    const workload *w = r->w;
    size_t k = workload_classes(w);
    r->batches = w->n * k < 1000000 ? MOST_BATCHES : 2;
    for (size_t i = 0; i < r->batches; i++) {
        r->x[i] = floats(w->n * w->sizes[0]);
        fill_uniform(r->x[i], w->n * w->sizes[0], 3 * i + 1);
        r->labels[i] = malloc(w->n * sizeof **r->labels);
        if (!r->labels[i]) {
            die("no memory");
        }
        fill_labels(r->labels[i], w->n, k, 3 * i + 2);
        if (w->soft > 0.0f && w->teacher_layers == 0) {
            r->v[i] = floats(w->n * k);
            fill_normal(r->v[i], w->n * k, 5.0f, 3 * i + 3);
        }
    }
}

/* Two batches of logits z and v, as a host's own net would give them. */
static void create_logits(runner *r)
{
    size_t count = r->w->n * workload_classes(r->w);
    r->batches = 2;
    for (size_t i = 0; i < r->batches; i++) {
        r->x[i] = floats(count);
        r->v[i] = floats(count);
        fill_normal(r->x[i], count, 3.0f, 2 * i + 1);
        fill_normal(r->v[i], count, 3.0f, 2 * i + 2);
    }
}

static void create_members(runner *r)
{
    size_t count = r->w->n * workload_classes(r->w);
    for (size_t i = 0; i < r->w->members; i++) {
        r->members[i] = floats(count);
        fill_normal(r->members[i], count, 3.0f, i + 1);
    }
}

static void create_context(runner *r, int32_t threads, kd_isa isa)
{
    kd_error error = KD_ERROR_INIT;
    kd_context_options options = KD_CONTEXT_OPTIONS_INIT;
    options.threads = threads;
    options.isa = isa;
    need(kd_context_create(&options, &r->context, &error), "context", error.text);
}

static void create_workspace(runner *r)
{
    kd_error error = KD_ERROR_INIT;
    kd_workspace_options options = KD_WORKSPACE_OPTIONS_INIT;
    options.batch = r->w->n;
    need(kd_workspace_create(r->net, &options, &r->workspace, &error), "workspace", error.text);
}

runner *runner_create(const workload *w, int32_t threads, kd_isa isa)
{
    runner *r = calloc(1, sizeof *r);
    if (!r) {
        die("no memory");
    }
    r->w = w;
    create_context(r, threads, isa);
    r->scratch_floats = workload_classes(w) * (size_t)threads;
    r->scratch = floats(r->scratch_floats);
    r->out = floats(w->n * workload_classes(w));
    if (w->work == WORK_LOSS) {
        create_logits(r);
        return r;
    }
    if (w->work == WORK_MEAN) {
        create_members(r);
        return r;
    }
    r->net = create_net(r, w->sizes, w->layers, w->drop_in, w->drop_hidden);
    create_batches(r);
    if (w->work == WORK_TRAIN) {
        create_distiller(r);
    } else {
        create_workspace(r);
    }
    return r;
}

static void step_train(runner *r, size_t at)
{
    kd_targets targets = KD_TARGETS_INIT;
    targets.kind = KD_TARGET_LOGITS;
    targets.values = r->v[at];
    kd_batch batch = KD_BATCH_INIT;
    batch.n = r->w->n;
    batch.x = r->x[at];
    batch.labels = r->labels[at];
    batch.targets = r->v[at] ? &targets : NULL;
    kd_report report = KD_REPORT_INIT;
    need(kd_distill_step(r->distiller, &batch, &report), "step", kd_distiller_error(r->distiller));
}

static void step_infer(runner *r, size_t at)
{
    need(kd_net_infer(r->workspace, r->x[at], r->w->n, 0, r->out, 0), "infer",
         kd_workspace_error(r->workspace));
}

static void step_loss(runner *r, size_t at)
{
    kd_error error = KD_ERROR_INIT;
    kd_targets targets = KD_TARGETS_INIT;
    targets.kind = KD_TARGET_LOGITS;
    targets.values = r->v[at];
    kd_term term = KD_TERM_INIT;
    term.kind = KD_TERM_KL;
    term.temperature = r->w->temperature;
    kd_loss_in in = KD_LOSS_IN_INIT;
    in.n = r->w->n;
    in.k = workload_classes(r->w);
    in.logits = r->x[at];
    in.targets = &targets;
    in.context = r->context;
    kd_loss_out out = KD_LOSS_OUT_INIT;
    out.d_logits = r->out;
    out.scratch = r->scratch;
    out.scratch_floats = r->scratch_floats;
    need(kd_loss(&term, 1, &in, &out, &error), "loss", error.text);
}

static void step_mean(runner *r)
{
    kd_error error = KD_ERROR_INIT;
    kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    in.kind = r->w->mean;
    in.temperature = r->w->temperature;
    in.members = r->w->members;
    in.n = r->w->n;
    in.k = workload_classes(r->w);
    in.logits = (const float *const *)r->members;
    in.context = r->context;
    in.scratch = r->scratch;
    in.scratch_floats = r->scratch_floats;
    need(kd_ensemble_mean(&in, r->out, 0, &error), "mean", error.text);
}

void runner_step(runner *r)
{
    size_t at = r->at;
    r->at = at + 1 < r->batches ? at + 1 : 0;
    switch (r->w->work) {
    case WORK_TRAIN:
        step_train(r, at);
        break;
    case WORK_INFER:
        step_infer(r, at);
        break;
    case WORK_LOSS:
        step_loss(r, at);
        break;
    default:
        step_mean(r);
    }
}

void runner_destroy(runner *r)
{
    for (size_t i = 0; i < MOST_BATCHES; i++) {
        free(r->x[i]), free(r->v[i]), free(r->labels[i]);
    }
    for (size_t i = 0; i < KD_MAX_MEMBERS; i++) {
        free(r->members[i]);
    }
    free(r->out);
    free(r->scratch);
    kd_distiller_destroy(r->distiller);
    kd_workspace_destroy(r->workspace);
    kd_net_destroy(r->net);
    kd_context_destroy(r->context);
    free(r);
}
