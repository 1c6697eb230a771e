/* SPDX-License-Identifier: MIT */
/*
 * What merging costs beside the nets whose answers it merges: 62 classes, a generalist
 * 784-512-512-62 and 12 specialists 784-512-512-16, batches of 128. The answers are drawn:
 * specialists see the generalist's logits with noise of their own.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

enum { N = 128, K = 62, M = 12, OWN = 15, X = 784, H = 512, RUNS = 9 };

typedef struct panel {
    kd_context *context;
    kd_workspace *nets[M + 1]; /* the generalist is the last one */
    kd_specialist *specialists[M];
    float *x, *out, *p, *answers[M], *q;
    kd_merge_options options;
    kd_merge_in in;
    kd_merge_out merged;
    uint32_t active[N], steps[N];
} panel;

static void must(kd_status status, const kd_error *e)
{
    if (status != KD_OK) {
        die("%s: %s", kd_status_name(status), e->text);
    }
}

static kd_workspace *make_net(kd_context *context, size_t outputs)
{
    kd_error e = KD_ERROR_INIT;
    kd_net *net;
    kd_workspace *ws;
    kd_workspace_options o = KD_WORKSPACE_OPTIONS_INIT;
    o.batch = N;
    must(kd_net_create(context, X, &net, &e), &e);
    for (size_t i = 0; i < 2; i++) {
        must(kd_net_add_dense(net, H), &e);
        must(kd_net_add_relu(net), &e);
    }
    must(kd_net_add_dense(net, outputs), &e);
    must(kd_net_init(net, KD_INIT_HE, outputs), &e);
    must(kd_workspace_create(net, &o, &ws, &e), &e);
    kd_net_destroy(net);
    return ws;
}

/* Specialist m knows the classes from 5 m on, so each class is known by three. */
static void make_specialist(panel *a, const float *logits, size_t m)
{
    uint32_t classes[OWN];
    kd_error e = KD_ERROR_INIT;
    kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
    kd_targets given = KD_TARGETS_INIT, folded = KD_TARGETS_INIT;
    float *seen = floats(N * K);
    for (size_t i = 0; i < OWN; i++) {
        classes[i] = (uint32_t)((5 * m + i) % K);
    }
    o.classes = classes;
    o.n_classes = OWN;
    o.k = K;
    must(kd_specialist_create(a->context, &o, &a->specialists[m], &e), &e);
    fill_normal(seen, N * K, 1.5f, 100 + m);
    for (size_t i = 0; i < N * K; i++) {
        seen[i] += logits[i];
    }
    given.kind = KD_TARGET_LOGITS;
    given.values = seen;
    a->answers[m] = floats(N * (OWN + 1));
    must(kd_specialist_targets(a->specialists[m], &given, N, a->answers[m], &folded, &e), &e);
    must(kd_softmax(a->answers[m], N, OWN + 1, 0, 1, a->answers[m], 0, &e), &e);
    a->nets[m] = make_net(a->context, OWN + 1);
    free(seen);
}

static void make_panel(panel *a, int32_t threads, kd_isa isa)
{
    kd_error e = KD_ERROR_INIT;
    kd_context_options c = KD_CONTEXT_OPTIONS_INIT;
    float *logits = floats(N * K);
    size_t room = (K + M) * (M + 5) * (size_t)threads;
    c.threads = threads;
    c.isa = isa;
    must(kd_context_create(&c, &a->context, &e), &e);
    fill_normal(logits, N * K, 3, 1);
    a->x = floats(N * X);
    a->out = floats(N * K);
    a->q = floats(N * K);
    a->p = floats(N * K);
    fill_uniform(a->x, N * X, 2);
    must(kd_softmax(logits, N, K, 0, 1, a->p, 0, &e), &e);
    for (size_t m = 0; m < M; m++) {
        make_specialist(a, logits, m);
    }
    a->nets[M] = make_net(a->context, K);
    free(logits);
    a->in = (kd_merge_in)KD_MERGE_IN_INIT;
    a->in.n = N;
    a->in.k = K;
    a->in.generalist = a->p;
    a->in.m = M;
    a->in.specialists = (const kd_specialist *const *)a->specialists;
    a->in.answers = (const float *const *)a->answers;
    a->in.context = a->context;
    a->in.scratch = malloc(room * sizeof *a->in.scratch);
    a->in.scratch_doubles = room;
    a->options = (kd_merge_options)KD_MERGE_OPTIONS_INIT;
    a->merged = (kd_merge_out)KD_MERGE_OUT_INIT;
    a->merged.q = a->q;
    a->merged.active = a->active;
    a->merged.steps = a->steps;
}

static void drop_panel(panel *a)
{
    for (size_t m = 0; m < M; m++) {
        kd_specialist_destroy(a->specialists[m]);
        free(a->answers[m]);
    }
    for (size_t m = 0; m <= M; m++) {
        kd_workspace_destroy(a->nets[m]);
    }
    kd_context_destroy(a->context);
    free(a->x);
    free(a->out);
    free(a->p);
    free(a->q);
    free(a->in.scratch);
}

static void infer(panel *a, size_t which)
{
    kd_status status = kd_net_infer(a->nets[which], a->x, N, 0, a->out, 0);
    if (status != KD_OK) {
        die("%s", kd_workspace_error(a->nets[which]));
    }
}

static void one_generalist(panel *a)
{
    infer(a, M);
}

static void one_specialist(panel *a)
{
    infer(a, 0);
}

static void merge(panel *a)
{
    kd_error e = KD_ERROR_INIT;
    must(kd_merge(&a->options, &a->in, &a->merged, &e), &e);
}

/* Median of the blocks, in microseconds. */
static double time_us(panel *a, void (*call)(panel *a), double seconds)
{
    double us[RUNS];
    for (size_t run = 0; run < RUNS; run++) {
        size_t count = 0;
        double begin = now_us();
        do {
            call(a);
            count++;
        } while (now_us() - begin < seconds * 1e6 / RUNS);
        us[run] = (now_us() - begin) / (double)count;
    }
    return median(us, RUNS);
}

static double mean(const uint32_t *values)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        sum += values[i];
    }
    return sum / N;
}

void merge_run(int32_t threads, kd_isa isa, double seconds)
{
    static const char *const names[] = {"", "fixed point", "descent"};
    static const size_t bests[] = {1, 3, K};
    static panel a;
    make_panel(&a, threads, isa);
    double generalist = time_us(&a, one_generalist, seconds);
    double specialist = time_us(&a, one_specialist, seconds);
    printf("{\"generalist_us\": %.1f, \"specialist_us\": %.1f}\n", generalist, specialist);
    for (size_t i = 0; i < sizeof bests / sizeof *bests; i++) {
        for (a.options.kind = KD_MERGE_FIXED_POINT; a.options.kind <= KD_MERGE_DESCENT;
             a.options.kind++) {
            a.options.best = bests[i];
            double us = time_us(&a, merge, seconds);
            double nets = generalist + mean(a.active) * specialist;
            printf("{\"kind\": \"%s\", \"best\": %zu, \"active\": %.2f, \"steps\": %.1f, "
                   "\"merge_us\": %.1f, \"nets_us\": %.1f, \"ratio\": %.3f}\n",
                   names[a.options.kind], bests[i], mean(a.active), mean(a.steps), us, nets,
                   us / nets);
        }
    }
    drop_panel(&a);
}
