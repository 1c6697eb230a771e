/* SPDX-License-Identifier: MIT */
/* The libkd side of bench/: times a workload or its limit, or serves blocks of it to run.py. */
#include "bench.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: kd_bench --workload NAME [OPTION]...\n"
    "       kd_bench --scale AXIS [OPTION]...\n"
    "       kd_bench --project CASES [OPTION]...\n"
    "       kd_bench --merge [OPTION]...\n"
    "Times a workload of bench/README.md on libkd and prints JSON, one object a line.\n"
    "\n"
    "  --workload NAME   W1, W2, W3, W3b1, W4a, W4b, W5, W6b1, W6b32, W7a, W7g or W8\n"
    "  --scale AXIS      batch, width, depth or classes: how the cost grows with it\n"
    "  --project CASES   how long a training of so many cases would take, here and on several\n"
    "                    ranks, and its peak of memory; of W5 if no other workload is named\n"
    "  --ranks N,...     numbers of ranks to project to (default 1,8,64,512): machines like this\n"
    "                    one with batches of their own, that average gradients after each step\n"
    "  --link GBIT       Gbit/s of a rank's link, for a ring that averages (default 10)\n"
    "  --merge           what merging the answers of 12 specialists costs beside their nets\n"
    "  --threads N       threads of the context (default 1)\n"
    "  --isa NAME        the most that libkd's kernels may use: portable, avx2 or avx512\n"
    "                    (default: what the processor has)\n"
    "  --limit           measure what the machine would need, instead of libkd\n"
    "  --seconds S       measuring time, after warm-up (default 1)\n"
    "  --steps N         exactly N steps and no warm-up, for counting instructions\n"
    "  --serve           obey lines on the standard input, sleeping in between: 'run N' is N\n"
    "                    steps, 'limit S' is S seconds of measuring the limit, 'quit' ends\n"
    "  --help            this text\n";

typedef struct settings {
    const workload *w;
    const char *scale;
    projection project; /* 0 cases: none */
    int32_t threads;
    kd_isa isa;
    bool limit, serve, merge;
    double seconds;
    size_t steps;
} settings;

static double number(const char *option, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most)) {
        die("--%s %s: not a number from %g to %g", option, text, least, most);
    }
    return value;
}

static void read_ranks(projection *p, const char *text)
{
    char part[40];
    p->n = 0;
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, ",");
        if (p->n == MAX_RANKS || length == 0 || length >= sizeof part) {
            die("--ranks %s: not up to %d numbers", text, MAX_RANKS);
        }
        memcpy(part, at, length);
        part[length] = '\0';
        double ranks = number("ranks", part, 1, 1e6);
        if (ranks != floor(ranks)) {
            die("--ranks %s: not whole", part);
        }
        p->ranks[p->n++] = ranks;
        at += length + (at[length] == ',');
    }
    if (p->n == 0) {
        die("--ranks: no numbers");
    }
}

static const workload *named_workload(const char *text)
{
    const workload *w = workload_find(text);
    if (!w) {
        die("--workload %s: there is none of this name. Try 'kd_bench --help'", text);
    }
    return w;
}

static kd_isa named_isa(const char *text)
{
    static const char *const names[] = {"", "portable", "avx2", "avx512"};
    for (kd_isa i = KD_ISA_PORTABLE; i <= KD_ISA_AVX512; i++) {
        if (strcmp(names[i], text) == 0) {
            return i;
        }
    }
    die("--isa %s: not portable, avx2 or avx512", text);
}

static void read_option(settings *s, int option, const char *value)
{
    switch (option) {
    case 'w':
        s->w = named_workload(value);
        break;
    case 'c':
        s->scale = value;
        break;
    case 'p':
        s->project.cases = number("project", value, 1, 1e15);
        break;
    case 'r':
        read_ranks(&s->project, value);
        break;
    case 'k':
        s->project.link = number("link", value, 1e-3, 1e6);
        break;
    case 'm':
        s->merge = true;
        break;
    case 't':
        s->threads = (int32_t)number("threads", value, 1, KD_MAX_THREADS);
        break;
    case 'i':
        s->isa = named_isa(value);
        break;
    case 'l':
        s->limit = true;
        break;
    case 'e':
        s->seconds = number("seconds", value, 0.001, 1e6);
        break;
    case 'n':
        s->steps = (size_t)number("steps", value, 1, 1e12);
        break;
    case 's':
        s->serve = true;
        break;
    case 'h':
        fputs(help, stdout);
        exit(0);
    default:
        fputs("Try 'kd_bench --help'.\n", stderr);
        exit(2);
    }
}

static settings read_settings(int argc, char **argv)
{
    static const struct option options[] = {
        {"workload", required_argument, NULL, 'w'}, {"scale", required_argument, NULL, 'c'},
        {"project", required_argument, NULL, 'p'},  {"ranks", required_argument, NULL, 'r'},
        {"link", required_argument, NULL, 'k'},     {"threads", required_argument, NULL, 't'},
        {"isa", required_argument, NULL, 'i'},      {"limit", no_argument, NULL, 'l'},
        {"seconds", required_argument, NULL, 'e'},  {"steps", required_argument, NULL, 'n'},
        {"serve", no_argument, NULL, 's'},          {"merge", no_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    settings s = {
        .threads = 1, .seconds = 1.0, .project = {.link = 10.0, .n = 4, .ranks = {1, 8, 64, 512}}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        read_option(&s, option, optarg);
    }
    if (s.project.cases > 0.0 && !s.w) {
        s.w = workload_find("W5");
    }
    if (optind < argc || (!s.w && !s.scale && !s.merge)) {
        fputs(help, stderr);
        exit(2);
    }
    return s;
}

static double run_us(runner *r, size_t steps)
{
    double begin = now_us();
    for (size_t i = 0; i < steps; i++) {
        runner_step(r);
    }
    return (now_us() - begin) / (double)steps;
}

/* At least three steps and 0.2 s, then an estimate of the time of a step. */
static double warm_us(runner *r)
{
    size_t steps = 0;
    for (double begin = now_us(); steps < 3 || now_us() - begin < 2e5;) {
        runner_step(r);
        steps++;
    }
    return run_us(r, steps / 2);
}

static void say_limit(limit *l, double seconds)
{
    limit_parts p;
    limit_measure(l, seconds, &p);
    printf("{\"us\": %.4f, \"gemm_us\": %.4f, \"stream_us\": %.4f, \"exp_us\": %.4f, "
           "\"gflop\": %.6f, \"bytes\": %.0f, \"exps\": %.0f}\n",
           p.gemm + p.stream + p.exps, p.gemm, p.stream, p.exps, p.flop * 1e-9, p.bytes, p.count);
}

static void say_ready(const settings *s, double us)
{
    printf("{\"ready\": \"%s\", \"us\": %.4f, \"libkd\": %d, \"blas\": \"%s\", "
           "\"gflop\": %.6f, \"elements\": %zu, \"cases\": %zu}\n",
           s->w->name, us, (int)kd_version(), blas_name(), workload_flop(s->w) * 1e-9,
           workload_elements(s->w), s->w->n);
    fflush(stdout);
}

static void serve(const settings *s)
{
    limit *l = s->limit ? limit_create(s->w, s->threads) : NULL;
    runner *r = s->limit ? NULL : runner_create(s->w, s->threads, s->isa);
    say_ready(s, r ? warm_us(r) : 0.0);
    char line[128];
    while (fgets(line, sizeof line, stdin) && strncmp(line, "quit", 4) != 0) {
        if (r && strncmp(line, "run ", 4) == 0) {
            size_t steps = strtoul(line + 4, NULL, 10);
            for (size_t i = 0; i < steps / 10; i++) {
                runner_step(r); /* wakes threads and fills caches */
            }
            printf("{\"us\": %.4f}\n", run_us(r, steps > 0 ? steps : 1));
        } else if (l && strncmp(line, "limit ", 6) == 0) {
            say_limit(l, strtod(line + 6, NULL));
        } else {
            die("%s: not understood", line);
        }
        fflush(stdout);
    }
    if (r) {
        runner_destroy(r);
    } else {
        limit_destroy(l);
    }
}

static void measure(const settings *s)
{
    enum { RUNS = 9 };
    double us[RUNS];
    runner *r = runner_create(s->w, s->threads, s->isa);
    if (s->steps > 0) {
        printf("{\"workload\": \"%s\", \"steps\": %zu, \"us\": %.4f}\n", s->w->name, s->steps,
               run_us(r, s->steps));
        runner_destroy(r);
        return;
    }
    double room = s->seconds * 1e6 / RUNS / warm_us(r);
    size_t steps = room < 1.0 ? 1 : (size_t)room;
    for (size_t i = 0; i < RUNS; i++) {
        us[i] = run_us(r, steps);
    }
    double middle = median(us, RUNS);
    printf("{\"workload\": \"%s\", \"threads\": %d, \"us\": %.4f, \"least\": %.4f, \"most\": %.4f",
           s->w->name, (int)s->threads, middle, us[0], us[RUNS - 1]);
    if (workload_elements(s->w) > 0) {
        printf(", \"ns_per_element\": %.4f", middle * 1e3 / (double)workload_elements(s->w));
    } else {
        printf(", \"gflops\": %.2f, \"cases_per_s\": %.1f", workload_flop(s->w) * 1e-3 / middle,
               (double)s->w->n * 1e6 / middle);
    }
    printf("}\n");
    runner_destroy(r);
}

int main(int argc, char **argv)
{
    settings s = read_settings(argc, argv);
    kd_error error = KD_ERROR_INIT;
    if (kd_blas_set_single(NULL, NULL, &error) != KD_OK) {
        die("%s", error.text);
    }
    if (s.scale) {
        return scale_run(s.scale, s.threads, s.isa, s.seconds) ? 0 : 2;
    }
    if (s.merge) {
        merge_run(s.threads, s.isa, s.seconds);
    } else if (s.project.cases > 0.0) {
        project_run(s.w, &s.project, s.threads, s.isa, s.seconds);
    } else if (s.serve) {
        serve(&s);
    } else if (s.limit) {
        limit *l = limit_create(s.w, s.threads);
        say_limit(l, s.seconds);
        limit_destroy(l);
    } else {
        measure(&s);
    }
    return 0;
}
