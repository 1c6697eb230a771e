/* SPDX-License-Identifier: MIT */
/*
 * How long a training of many cases would take, from a few steps of it: on this machine, and on
 * several ranks that are such machines. Each rank takes a step with a batch of its own, then the
 * gradients of all are averaged. With a ring that moves 2 (N - 1) / N of the gradient's bytes into
 * and out of each rank, at the speed of its link; latency is left out, and nothing overlaps.
 */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { LEAST_STEPS = 3, MOST_STEPS = 10000 };

/* Times of single steps, after one that does not count; how many. */
static size_t time_steps(runner *r, double seconds, double us[MOST_STEPS])
{
    size_t steps = 0;
    runner_step(r);
    for (double begin = now_us();
         steps < LEAST_STEPS || (steps < MOST_STEPS && now_us() - begin < seconds * 1e6);) {
        double before = now_us();
        runner_step(r);
        us[steps++] = now_us() - before;
    }
    return steps;
}

static double peak_mib(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)used.ru_maxrss / 1024.0; /* Linux counts KiB */
}

static void say_ranks(const workload *w, const projection *p, double us, double ranks, bool first)
{
    double steps = ceil(p->cases / (ranks * (double)w->n));
    double bytes = 2.0 * (ranks - 1.0) / ranks * 4.0 * (double)workload_params(w);
    double average_us = bytes * 8.0 / (p->link * 1e3); /* of Gbit/s */
    printf("%s{\"ranks\": %.0f, \"steps\": %.0f, \"hours\": %.6g, \"hours_with_link\": %.6g}",
           first ? "" : ", ", ranks, steps, steps * us / 3.6e9, steps * (us + average_us) / 3.6e9);
}

void project_run(const workload *w, const projection *p, int32_t threads, kd_isa isa,
                 double seconds)
{
    static double us[MOST_STEPS];
    if (w->work != WORK_TRAIN) {
        die("--project: %s does not train", w->name);
    }
    runner *r = runner_create(w, threads, isa);
    size_t steps = time_steps(r, seconds, us);
    runner_destroy(r);
    double middle = median(us, steps);
    printf("{\"project\": \"%s\", \"cases\": %.0f, \"threads\": %d, \"batch\": %zu, "
           "\"params\": %zu, \"steps\": %zu, \"us\": %.4f, \"least\": %.4f, \"most\": %.4f, "
           "\"steps_per_s\": %.6g, \"cases_per_s\": %.6g, \"gflops\": %.6g, \"peak_mib\": %.1f, "
           "\"link_gbit\": %g, \"ranks\": [",
           w->name, p->cases, (int)threads, w->n, workload_params(w), steps, middle, us[0],
           us[steps - 1], 1e6 / middle, (double)w->n * 1e6 / middle,
           workload_flop(w) * 1e-3 / middle, peak_mib(), p->link);
    for (size_t i = 0; i < p->n; i++) {
        say_ranks(w, p, middle, p->ranks[i], i == 0);
    }
    printf("]}\n");
}
