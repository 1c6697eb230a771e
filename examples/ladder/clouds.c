/* SPDX-License-Identifier: MIT */
/* Points around the corners of a hexagon, and nets trained on them. */
#include "clouds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CASES = 600, BATCH = 60, EPOCHS = 20 };

/* splitmix64, mapped to [-1, 1). */
static float noise(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (float)((x ^ (x >> 31)) >> 40) / 8388608.0f - 1.0f;
}

void draw_clouds(uint64_t seed, size_t n, float *x, int32_t *labels)
{
    uint64_t state = seed;
    for (size_t i = 0; i < n; i++) {
        labels[i] = (int32_t)(i % CLASSES);
        double angle = 6.283185307179586 * (double)labels[i] / CLASSES;
        for (size_t j = 0; j < INPUTS; j++) {
            float corner = j == 0 ? (float)cos(angle) : j == 1 ? (float)sin(angle) : 0.0f;
            x[i * INPUTS + j] = corner + 0.5f * (noise(&state) + noise(&state));
        }
    }
}

static kd_net *make_net(kd_context *context, size_t hidden, uint64_t seed)
{
    kd_net *net;
    if (kd_net_create(context, INPUTS, &net, NULL) != KD_OK) {
        return NULL;
    }
    if (kd_net_add_dense(net, hidden) == KD_OK && kd_net_add_relu(net) == KD_OK &&
        kd_net_add_dense(net, CLASSES) == KD_OK && kd_net_init(net, KD_INIT_HE, seed) == KD_OK) {
        return net;
    }
    fprintf(stderr, "net: %s\n", kd_net_error(net));
    kd_net_destroy(net);
    return NULL;
}

static int train(kd_distiller *distiller, uint64_t seed)
{
    static float x[CASES * INPUTS];
    static int32_t labels[CASES];
    draw_clouds(seed, CASES, x, labels);
    for (size_t step = 0; step < EPOCHS * (CASES / BATCH); step++) {
        size_t begin = step % (CASES / BATCH) * BATCH;
        kd_batch batch = KD_BATCH_INIT;
        batch.n = BATCH;
        batch.x = x + begin * INPUTS;
        batch.labels = labels + begin;
        if (kd_distill_step(distiller, &batch, NULL) != KD_OK) {
            fprintf(stderr, "step: %s\n", kd_distiller_error(distiller));
            return 0;
        }
    }
    return 1;
}

kd_net *train_on_clouds(kd_context *context, size_t hidden, uint64_t seed)
{
    kd_optimizer_options sgd = KD_OPTIMIZER_OPTIONS_INIT;
    sgd.rate = 0.05f;
    sgd.momentum = 0.9f;
    kd_distiller_options options = KD_DISTILLER_OPTIONS_INIT;
    options.batch = BATCH;
    options.soft_weight = 0.0f;
    options.hard_weight = 1.0f;
    options.optimizer = &sgd;
    kd_net *net = make_net(context, hidden, seed);
    kd_distiller *distiller = NULL;
    if (!net || kd_distiller_create(net, NULL, &options, &distiller, NULL) != KD_OK ||
        !train(distiller, seed)) {
        kd_net_destroy(net);
        net = NULL;
    }
    kd_distiller_destroy(distiller);
    return net;
}

double accuracy_on_clouds(kd_net *net, uint64_t seed, size_t n)
{
    kd_workspace_options options = KD_WORKSPACE_OPTIONS_INIT;
    options.batch = n;
    kd_workspace *workspace = NULL;
    kd_metrics_out metrics = KD_METRICS_OUT_INIT;
    float *x = malloc(n * INPUTS * sizeof *x);
    float *logits = malloc(n * CLASSES * sizeof *logits);
    int32_t *labels = malloc(n * sizeof *labels);
    if (x && logits && labels && kd_workspace_create(net, &options, &workspace, NULL) == KD_OK) {
        draw_clouds(seed, n, x, labels);
        kd_loss_in in = KD_LOSS_IN_INIT;
        in.n = n;
        in.k = CLASSES;
        in.logits = logits;
        in.labels = labels;
        if (kd_net_infer(workspace, x, n, 0, logits, 0) == KD_OK) {
            kd_metrics(&in, 1.0f, &metrics, NULL);
        }
    }
    kd_workspace_destroy(workspace);
    free(x);
    free(logits);
    free(labels);
    return metrics.accuracy;
}
