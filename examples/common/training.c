/* SPDX-License-Identifier: MIT */
/* The host's side of training: order, jitter, batches, epochs. The step itself is one call. */
#include "training.h"

#include "progress.h"
#include "say.h"
#include "state.h"

#include <stdio.h>
#include <stdlib.h>

/* Buffers of one batch. */
typedef struct loader {
    const case_set *data;
    uint32_t *order; /* [2 data->n] */
    int32_t *all;    /* [data->n] labels, for a specialist; else NULL */
    size_t n;        /* cases of an epoch */
    float *x;        /* [batch,inputs] */
    int32_t *labels;
    uint64_t *ids;
} loader;

static void close_loader(loader *l)
{
    free(l->order);
    free(l->all);
    free(l->x);
    free(l->labels);
    free(l->ids);
}

/* The cases of an epoch, in order. */
static bool put_in_order(loader *l, const training *t, uint32_t epoch)
{
    kd_error error = KD_ERROR_INIT;
    l->n = l->data->n;
    kd_status status = t->specialist
                           ? kd_specialist_order(t->specialist, l->all, l->data->n, t->seed, epoch,
                                                 l->order, &l->n, NULL, &error)
                           : kd_shuffle(t->seed, epoch, l->data->n, l->order, &error);
    return status == KD_OK || say("order", error.text);
}

static bool open_loader(loader *l, const training *t)
{
    const case_set *data = t->data;
    size_t batch = t->plan->batch;
    *l = (loader){.data = data};
    l->order = calloc(2 * data->n, sizeof *l->order);
    l->all = t->specialist ? labels_of(data) : NULL;
    l->x = calloc(batch * data->inputs, sizeof *l->x);
    l->labels = calloc(batch, sizeof *l->labels);
    l->ids = calloc(batch, sizeof *l->ids);
    bool good = l->order && l->x && l->labels && l->ids && (l->all || !t->specialist);
    good = good ? put_in_order(l, t, 0) : say("batches", "out of memory");
    if (!good) {
        close_loader(l);
    }
    return good;
}

static kd_net *make_net(const training *t)
{
    const plan *p = t->plan;
    kd_error error = KD_ERROR_INIT;
    kd_net *net;
    if (kd_net_create(t->context, t->data->inputs, &net, &error) != KD_OK) {
        say("net", error.text);
        return NULL;
    }
    kd_status status = KD_OK;
    if (p->input_dropout > 0.0f) {
        status = kd_net_add_dropout(net, p->input_dropout);
    }
    for (size_t i = 0; i < p->layers && status == KD_OK; i++) {
        status = kd_net_add_dense(net, p->hidden);
        status = status == KD_OK ? kd_net_add_relu(net) : status;
        if (p->hidden_dropout > 0.0f && status == KD_OK) {
            status = kd_net_add_dropout(net, p->hidden_dropout);
        }
    }
    status = status == KD_OK ? kd_net_add_dense(net, t->data->classes) : status;
    status = status == KD_OK ? kd_net_init(net, KD_INIT_HE, t->seed) : status;
    if (status != KD_OK) {
        say("net", kd_net_error(net));
        kd_net_destroy(net);
        return NULL;
    }
    return net;
}

static kd_distiller *make_distiller(const training *t, kd_net *net, size_t steps)
{
    const plan *p = t->plan;
    kd_schedule cosine = KD_SCHEDULE_INIT;
    cosine.kind = KD_SCHEDULE_COSINE;
    cosine.from = p->rate;
    cosine.steps = steps * p->epochs;
    cosine.warmup = steps;
    kd_optimizer_options sgd = KD_OPTIMIZER_OPTIONS_INIT;
    sgd.momentum = p->momentum;
    sgd.nesterov = 1;
    sgd.max_norm = p->max_norm;
    sgd.rate_schedule = &cosine;
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.batch = p->batch;
    o.temperature = p->temperature;
    o.soft_kind = KD_TERM_KL; /* the gradient of the cross-entropy, and a loss that can reach 0 */
    o.soft_weight = t->teacher ? p->soft_weight : 0.0f;
    o.hard_weight = t->teacher ? p->hard_weight : 1.0f;
    o.seed = t->seed;
    o.optimizer = &sgd;
    kd_distiller *distiller;
    kd_error error = KD_ERROR_INIT;
    if (kd_distiller_create(net, t->teacher, &o, &distiller, &error) != KD_OK) {
        say("distiller", error.text);
        return NULL;
    }
    return distiller;
}

static bool run_epoch(kd_distiller *d, const training *t, loader *l, uint32_t epoch, progress *bar,
                      double *out_loss, size_t *out_diverged)
{
    const distortion distorted = {t->plan->jitter, t->seed, epoch};
    size_t most = t->plan->batch;
    kd_report sum = KD_REPORT_INIT;
    if (!put_in_order(l, t, epoch)) {
        return false;
    }
    for (size_t begin = 0; begin < l->n; begin += most) {
        size_t left = l->n - begin;
        kd_batch batch = KD_BATCH_INIT;
        batch.n = left < most ? left : most;
        batch.x = l->x;
        batch.labels = l->labels;
        batch.ids = l->ids;
        batch.epoch = epoch;
        l->data->load(l->data->kept, l->order + begin, batch.n, &distorted, l->x, l->labels);
        for (size_t i = 0; i < batch.n; i++) {
            l->ids[i] = l->order[begin + i];
        }
        if (t->dustbin) {
            (void)kd_specialist_labels(t->specialist, l->labels, batch.n, l->labels, NULL);
        }
        kd_report report = KD_REPORT_INIT;
        kd_status status = kd_distill_step(d, &batch, &report);
        if (status != KD_OK) {
            *out_diverged = status == KD_ERR_NOT_FINITE ? epoch + 1 : 0;
            return say("step", kd_distiller_error(d));
        }
        kd_report_merge(&sum, &report, NULL);
        char note[64];
        snprintf(note, sizeof note, "epoch %u, loss %.4f", (unsigned)epoch + 1, sum.total);
        progress_update(bar, (size_t)epoch * l->n + begin + batch.n, note);
    }
    *out_loss = sum.total;
    return true;
}

/* Two operations a weight forward, two for its gradient, two to go back but for the first layer. */
static double flop_of_training(const training *t, size_t cases)
{
    const plan *p = t->plan;
    double h = (double)p->hidden;
    double first = (double)t->data->inputs * h;
    double rest = (double)(p->layers - 1) * h * h + h * (double)t->data->classes;
    return (4.0 * first + 6.0 * rest) * (double)(cases * p->epochs);
}

/* The epochs that are left, and the state after each. */
static bool run_epochs(kd_distiller *d, kd_net *net, const training *t, loader *l, trained *out)
{
    const plan *p = t->plan;
    state kept;
    progress bar;
    size_t epoch;
    double before;
    if (!state_open(&kept, t) || !state_load(&kept, d, &epoch, &before)) {
        return false;
    }
    if (epoch > 0) {
        printf("%s: %zu of %zu epochs are done already\n", t->name, epoch, p->epochs);
    }
    progress_begin(&bar, t->name, l->n * p->epochs);
    bar.start -= before;
    out->seconds = before;
    bool good = true;
    for (; good && epoch < p->epochs; epoch++) {
        double loss = 0.0;
        good = run_epoch(d, t, l, (uint32_t)epoch, &bar, &loss, &out->diverged);
        out->seconds = progress_clock() - bar.start;
        good = good && (!t->after_epoch || t->after_epoch(t->user, epoch + 1, loss, net)) &&
               state_save(&kept, d, epoch + 1, out->seconds);
    }
    progress_end(&bar);
    return good;
}

bool train(const training *t, trained *out)
{
    const plan *p = t->plan;
    loader l;
    *out = (trained){0};
    if (!open_loader(&l, t)) {
        return false;
    }
    kd_net *net = t->net ? t->net : make_net(t);
    kd_distiller *d = net ? make_distiller(t, net, (l.n + p->batch - 1) / p->batch) : NULL;
    bool good = d && run_epochs(d, net, t, &l, out);
    kd_distiller_destroy(d);
    close_loader(&l);
    if (!good) {
        kd_net_destroy(t->net ? NULL : net);
        return false;
    }
    out->net = net;
    out->flop = flop_of_training(t, l.n);
    return true;
}

/* Cases 0, 1, 2... at most PIECE at once. */
enum { PIECE = 500 };

static bool infer(kd_workspace *ws, const case_set *data, float *x, float *z)
{
    uint32_t cases[PIECE];
    for (size_t begin = 0; begin < data->n; begin += PIECE) {
        size_t n = data->n - begin < PIECE ? data->n - begin : PIECE;
        for (size_t i = 0; i < n; i++) {
            cases[i] = (uint32_t)(begin + i);
        }
        data->load(data->kept, cases, n, NULL, x, NULL);
        if (kd_net_infer(ws, x, n, 0, z + begin * data->classes, 0) != KD_OK) {
            return say("inference", kd_workspace_error(ws));
        }
    }
    return true;
}

float *logits_of(kd_net *net, const case_set *data)
{
    kd_error error = KD_ERROR_INIT;
    kd_workspace_options o = KD_WORKSPACE_OPTIONS_INIT;
    o.batch = PIECE;
    kd_workspace *ws;
    if (kd_workspace_create(net, &o, &ws, &error) != KD_OK) {
        say("workspace", error.text);
        return NULL;
    }
    float *x = calloc(PIECE * data->inputs, sizeof *x);
    float *z = calloc(data->n * data->classes, sizeof *z);
    bool good = ((x && z) || say("logits", "out of memory")) && infer(ws, data, x, z);
    kd_workspace_destroy(ws);
    free(x);
    if (!good) {
        free(z);
        return NULL;
    }
    return z;
}

int32_t *labels_of(const case_set *data)
{
    float *x = calloc(data->inputs, sizeof *x);
    int32_t *labels = calloc(data->n, sizeof *labels);
    for (uint32_t i = 0; x && labels && i < data->n; i++) {
        data->load(data->kept, &i, 1, NULL, x, labels + i);
    }
    if (!x || !labels) {
        say("labels", "out of memory");
        free(labels);
        labels = NULL;
    }
    free(x);
    return labels;
}

long count_errors(kd_net *net, const case_set *data)
{
    float *z = logits_of(net, data);
    int32_t *labels = z ? labels_of(data) : NULL;
    long errors = -1;
    if (labels) {
        kd_loss_in in = KD_LOSS_IN_INIT;
        in.n = data->n;
        in.k = data->classes;
        in.logits = z;
        in.labels = labels;
        kd_metrics_out metrics = KD_METRICS_OUT_INIT;
        kd_error error = KD_ERROR_INIT;
        if (kd_metrics(&in, 1.0f, &metrics, &error) == KD_OK) {
            errors = (long)metrics.errors;
        } else {
            say("metrics", error.text);
        }
    }
    free(labels);
    free(z);
    return errors;
}
