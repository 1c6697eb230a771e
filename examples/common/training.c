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
    const digit_set *data;
    uint64_t seed;
    int jitter;
    uint32_t *order; /* [data->n] */
    float *x;        /* [batch,784] */
    int32_t *labels;
    uint64_t *ids;
} loader;

/* Depends on its arguments only, so an image's jitter does not depend on its place. */
static uint64_t hash(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t x = a * 0x9E3779B97F4A7C15u ^ (b + 0xD1B54A32D192ED03u) * 0xBF58476D1CE4E5B9u ^ c;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* The image moved by (right, down), with paper at the edges. */
static void move_image(const uint8_t *pixels, int right, int down, float *x)
{
    for (int row = 0; row < DIGIT_SIDE; row++) {
        for (int column = 0; column < DIGIT_SIDE; column++) {
            int from_row = row - down;
            int from_column = column - right;
            bool inside = from_row >= 0 && from_row < DIGIT_SIDE && from_column >= 0 &&
                          from_column < DIGIT_SIDE;
            x[row * DIGIT_SIDE + column] =
                inside ? (float)pixels[from_row * DIGIT_SIDE + from_column] / 255.0f : 0.0f;
        }
    }
}

static void load(loader *l, size_t begin, size_t n, uint32_t epoch)
{
    unsigned span = (unsigned)(2 * l->jitter + 1);
    for (size_t i = 0; i < n; i++) {
        size_t image = l->order[begin + i];
        uint64_t random = hash(l->seed, epoch, image);
        int right = (int)(random % span) - l->jitter;
        int down = (int)(random / span % span) - l->jitter;
        move_image(l->data->pixels + image * DIGIT_PIXELS, right, down, l->x + i * DIGIT_PIXELS);
        l->labels[i] = l->data->labels[image];
        l->ids[i] = image;
    }
}

static void close_loader(loader *l)
{
    free(l->order);
    free(l->x);
    free(l->labels);
    free(l->ids);
}

static bool open_loader(loader *l, const digit_set *data, size_t batch, uint64_t seed, int jitter)
{
    *l = (loader){.data = data, .seed = seed, .jitter = jitter};
    l->order = calloc(data->n, sizeof *l->order);
    l->x = calloc(batch * DIGIT_PIXELS, sizeof *l->x);
    l->labels = calloc(batch, sizeof *l->labels);
    l->ids = calloc(batch, sizeof *l->ids);
    if (l->order && l->x && l->labels && l->ids) {
        return true;
    }
    close_loader(l);
    return say("batches", "out of memory");
}

static kd_net *make_net(kd_context *context, const plan *p, uint64_t seed)
{
    kd_error error = KD_ERROR_INIT;
    kd_net *net;
    if (kd_net_create(context, DIGIT_PIXELS, &net, &error) != KD_OK) {
        say("net", error.text);
        return NULL;
    }
    kd_status status = KD_OK;
    if (p->input_dropout > 0.0f) {
        status = kd_net_add_dropout(net, p->input_dropout);
    }
    for (int i = 0; i < 2 && status == KD_OK; i++) {
        status = kd_net_add_dense(net, p->hidden);
        status = status == KD_OK ? kd_net_add_relu(net) : status;
        if (p->hidden_dropout > 0.0f && status == KD_OK) {
            status = kd_net_add_dropout(net, p->hidden_dropout);
        }
    }
    status = status == KD_OK ? kd_net_add_dense(net, DIGIT_CLASSES) : status;
    status = status == KD_OK ? kd_net_init(net, KD_INIT_HE, seed) : status;
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

static bool run_epoch(kd_distiller *d, size_t most, loader *l, uint32_t epoch, progress *bar,
                      double *out_loss)
{
    kd_report sum = KD_REPORT_INIT;
    if (kd_shuffle(l->seed, epoch, l->data->n, l->order, NULL) != KD_OK) {
        return say("shuffle", "no images");
    }
    for (size_t begin = 0; begin < l->data->n; begin += most) {
        size_t left = l->data->n - begin;
        kd_batch batch = KD_BATCH_INIT;
        batch.n = left < most ? left : most;
        batch.x = l->x;
        batch.labels = l->labels;
        batch.ids = l->ids;
        batch.epoch = epoch;
        load(l, begin, batch.n, epoch);
        kd_report report = KD_REPORT_INIT;
        if (kd_distill_step(d, &batch, &report) != KD_OK) {
            return say("step", kd_distiller_error(d));
        }
        kd_report_merge(&sum, &report, NULL);
        char note[64];
        snprintf(note, sizeof note, "epoch %u, loss %.4f", (unsigned)epoch + 1, sum.total);
        progress_update(bar, (size_t)epoch * l->data->n + begin + batch.n, note);
    }
    *out_loss = sum.total;
    return true;
}

/* Two operations a weight forward, two for its gradient, two to go back but for the first layer. */
static double flop_of_training(const plan *p, size_t cases)
{
    double h = (double)p->hidden;
    double first = DIGIT_PIXELS * h;
    double rest = h * h + h * DIGIT_CLASSES;
    return (4.0 * first + 6.0 * rest) * (double)cases;
}

/* The epochs that are left, and the state after each. */
static bool run_epochs(kd_distiller *d, kd_net *net, const training *t, loader *l,
                       double *out_seconds)
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
    progress_begin(&bar, t->name, l->data->n * p->epochs);
    bar.start -= before;
    *out_seconds = before;
    bool good = true;
    for (; good && epoch < p->epochs; epoch++) {
        double loss = 0.0;
        good = run_epoch(d, p->batch, l, (uint32_t)epoch, &bar, &loss);
        *out_seconds = progress_clock() - bar.start;
        good = good && (!t->after_epoch || t->after_epoch(t->user, epoch + 1, loss, net)) &&
               state_save(&kept, d, epoch + 1, *out_seconds);
    }
    progress_end(&bar);
    return good;
}

bool train(const training *t, trained *out)
{
    const plan *p = t->plan;
    size_t steps = (t->data->n + p->batch - 1) / p->batch;
    double seconds;
    loader l;
    if (!open_loader(&l, t->data, p->batch, t->seed, p->jitter)) {
        return false;
    }
    kd_net *net = make_net(t->context, p, t->seed);
    kd_distiller *d = net ? make_distiller(t, net, steps) : NULL;
    bool good = d && run_epochs(d, net, t, &l, &seconds);
    kd_distiller_destroy(d);
    close_loader(&l);
    if (!good) {
        kd_net_destroy(net);
        return false;
    }
    *out = (trained){net, seconds, flop_of_training(p, t->data->n * p->epochs)};
    return true;
}

float *logits_of(kd_net *net, const digit_set *data)
{
    enum { PIECE = 500 };
    kd_error error = KD_ERROR_INIT;
    kd_workspace_options o = KD_WORKSPACE_OPTIONS_INIT;
    o.batch = PIECE;
    kd_workspace *ws;
    if (kd_workspace_create(net, &o, &ws, &error) != KD_OK) {
        say("workspace", error.text);
        return NULL;
    }
    float *x = calloc((size_t)PIECE * DIGIT_PIXELS, sizeof *x);
    float *z = calloc(data->n * DIGIT_CLASSES, sizeof *z);
    bool good = (x && z) || say("logits", "out of memory");
    for (size_t begin = 0; good && begin < data->n; begin += PIECE) {
        size_t n = data->n - begin < PIECE ? data->n - begin : PIECE;
        for (size_t i = 0; i < n; i++) {
            move_image(data->pixels + (begin + i) * DIGIT_PIXELS, 0, 0, x + i * DIGIT_PIXELS);
        }
        good = kd_net_infer(ws, x, n, 0, z + begin * DIGIT_CLASSES, 0) == KD_OK ||
               say("inference", kd_workspace_error(ws));
    }
    kd_workspace_destroy(ws);
    free(x);
    if (!good) {
        free(z);
        return NULL;
    }
    return z;
}

long count_errors(kd_net *net, const digit_set *data)
{
    float *z = logits_of(net, data);
    int32_t *labels = calloc(data->n, sizeof *labels);
    long errors = -1;
    if (z && labels) {
        for (size_t i = 0; i < data->n; i++) {
            labels[i] = data->labels[i];
        }
        kd_loss_in in = KD_LOSS_IN_INIT;
        in.n = data->n;
        in.k = DIGIT_CLASSES;
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
