/* SPDX-License-Identifier: MIT */
/*
 * How cost grows along one axis, all else as in W2 (784-800-800-10, batch 128, cached logits) or,
 * for classes, as in W4 (one soft term at T = 2).
 */
#include "bench.h"

#include <stdio.h>
#include <string.h>

enum { RUNS = 7, MOST_VALUES = 12, MOST_ROWS = 256, MOST_LOGITS = 64 * 128000 };

typedef struct axis {
    const char *name;
    size_t values[MOST_VALUES]; /* ends with a 0 */
} axis;

static const axis axes[] = {
    {"batch", {1, 2, 4, 8, 16, 32, 64, 128, 256, 512}},
    {"width", {100, 200, 400, 800, 1600, 3200}},
    {"depth", {1, 2, 3, 4, 5, 6, 7, 8}},
    {"classes", {10, 100, 1000, 4000, 14000, 32000, 64000, 128000}},
};

/* A net of `depth` hidden layers. */
static workload dense(size_t n, size_t width, size_t depth)
{
    workload w = *workload_find("W2");
    w.n = n;
    w.layers = depth + 1;
    for (size_t i = 1; i <= depth; i++) {
        w.sizes[i] = width;
    }
    w.sizes[depth + 1] = 10;
    return w;
}

static workload at(const char *name, size_t value)
{
    if (strcmp(name, "batch") == 0) {
        return dense(value, 800, 2);
    }
    if (strcmp(name, "width") == 0) {
        return dense(128, value, 2);
    }
    if (strcmp(name, "depth") == 0) {
        return dense(128, 800, value);
    }
    workload w = *workload_find("W4a");
    w.sizes[0] = value;
    w.n = MOST_LOGITS / value < MOST_ROWS ? MOST_LOGITS / value : MOST_ROWS;
    return w;
}

static double step_us(const workload *w, int32_t threads, kd_isa isa, double seconds)
{
    double us[RUNS];
    runner *r = runner_create(w, threads, isa);
    double begin = now_us();
    runner_step(r);
    runner_step(r);
    double once = 0.5 * (now_us() - begin);
    double room = seconds * 1e6 / RUNS / once;
    size_t steps = room < 1.0 ? 1 : (size_t)room;
    for (size_t i = 0; i < RUNS; i++) {
        begin = now_us();
        for (size_t j = 0; j < steps; j++) {
            runner_step(r);
        }
        us[i] = (now_us() - begin) / (double)steps;
    }
    runner_destroy(r);
    return median(us, RUNS);
}

static const axis *find(const char *name)
{
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++) {
        if (strcmp(axes[i].name, name) == 0) {
            return &axes[i];
        }
    }
    return NULL;
}

bool scale_run(const char *name, int32_t threads, kd_isa isa, double seconds)
{
    const axis *a = find(name);
    if (!a) {
        fprintf(stderr, "kd_bench: --scale %s: not batch, width, depth or classes\n", name);
        return false;
    }
    for (size_t i = 0; i < MOST_VALUES && a->values[i] > 0; i++) {
        workload w = at(name, a->values[i]);
        double us = step_us(&w, threads, isa, seconds);
        printf("{\"scale\": \"%s\", \"value\": %zu, \"cases\": %zu, \"threads\": %d, \"us\": %.3f",
               name, a->values[i], w.n, (int)threads, us);
        if (workload_elements(&w) > 0) {
            printf(", \"ns_per_element\": %.4f", us * 1e3 / (double)workload_elements(&w));
        } else {
            printf(", \"gflops\": %.2f", workload_flop(&w) * 1e-3 / us);
        }
        printf("}\n");
        fflush(stdout);
    }
    return true;
}
