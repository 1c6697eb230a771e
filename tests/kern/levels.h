/* SPDX-License-Identifier: MIT */
/*
 * Each test of a kernel runs on each table: the reference and those of the processor's instruction
 * sets. What the processor has not is shown as skipped. With --bench the same program measures.
 */
#ifndef KD_TESTS_KERN_LEVELS_H
#define KD_TESTS_KERN_LEVELS_H

#include <fenv.h>
#include <kd/context.h>
#include <stdio.h>
#include <time.h>

#include "arrays.h"
#include "port/port.h"

enum { LEVELS = 3, LEVELS_TESTS = 16 };

static const char *const level_names[LEVELS + 1] = {"", "portable", "AVX2", "AVX-512"};

typedef void (*level_test_fn)(const kdi_kernels *kern);

typedef struct level_test {
    const char *name;
    level_test_fn run;
} level_test;

#define LEVEL_TEST(function)                                                                       \
    {                                                                                              \
#function, function                                                                        \
    }

typedef struct level_case {
    level_test_fn run;
    int32_t isa;
    char name[96];
} level_case;

static inline void level_run(void **state)
{
    const level_case *c = *state;
    if (c->isa > kdi_port_cpu_isa()) {
        print_message("%s: not on this processor\n", level_names[c->isa]);
        skip();
    }
    const kdi_kernels *kern = kdi_kern(c->isa);
    assert_string_equal(kern->name, level_names[c->isa]);
    c->run(kern);
}

/* Runs `tests`, or `bench` on each table if the one argument is --bench. */
static inline int levels_main(const level_test *tests, size_t count, level_test_fn bench, int argc,
                              char **argv)
{
    static level_case cases[LEVELS * LEVELS_TESTS];
    static struct CMUnitTest units[LEVELS * LEVELS_TESTS];
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        for (int32_t isa = 1; isa <= kdi_port_cpu_isa(); isa++) {
            bench(kdi_kern(isa));
        }
        return 0;
    }
    size_t n = 0;
    for (int32_t isa = 1; isa <= LEVELS; isa++) {
        for (size_t i = 0; i < count && i < LEVELS_TESTS; i++) {
            level_case *c = &cases[n];
            *c = (level_case){.run = tests[i].run, .isa = isa};
            (void)snprintf(c->name, sizeof c->name, "%s: %s", level_names[isa], tests[i].name);
            units[n++] = (struct CMUnitTest){c->name, level_run, NULL, NULL, c};
        }
    }
    return _cmocka_run_group_tests("kernels", units, n, NULL, NULL);
}

/* ---- exceptions ---- */

/* Valid input raises none of these, whatever is computed in lanes that nobody asked for. */
#define LEVEL_FLAGS (FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW)

#define LEVEL_QUIET(call)                                                                          \
    do {                                                                                           \
        feclearexcept(FE_ALL_EXCEPT);                                                              \
        call;                                                                                      \
        level_quiet(fetestexcept(LEVEL_FLAGS), #call);                                             \
    } while (0)

static inline void level_quiet(int raised, const char *call)
{
    if (raised) {
        fail_msg("%s raised%s%s%s", call, raised & FE_INVALID ? " invalid" : "",
                 raised & FE_DIVBYZERO ? " division by zero" : "",
                 raised & FE_OVERFLOW ? " overflow" : "");
    }
}

/* ---- benchmarks ---- */

static const size_t bench_sizes[] = {10, 100, 1000, 14000, 128000};
enum { BENCH_SIZES = 5, BENCH_ROUNDS = 9 };

static inline double bench_now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline int bench_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The compiler must take all memory as read and written here. */
#define BENCH_FENCE() __asm__ volatile("" ::: "memory")

/* Sets `out_ns` to the median time of one call, in ns; each of the rounds takes about `work` ns. */
#define BENCH(out_ns, call)                                                                        \
    do {                                                                                           \
        double bench_times[BENCH_ROUNDS];                                                          \
        size_t bench_calls = 1;                                                                    \
        for (size_t bench_round = 0; bench_round < BENCH_ROUNDS;) {                                \
            double bench_start = bench_now();                                                      \
            for (size_t bench_i = 0; bench_i < bench_calls; bench_i++) {                           \
                call;                                                                              \
                BENCH_FENCE();                                                                     \
            }                                                                                      \
            double bench_time = bench_now() - bench_start;                                         \
            if (bench_time < 3e5) {                                                                \
                bench_calls *= 2;                                                                  \
            } else {                                                                               \
                bench_times[bench_round++] = bench_time / (double)bench_calls;                     \
            }                                                                                      \
        }                                                                                          \
        qsort(bench_times, BENCH_ROUNDS, sizeof *bench_times, bench_order);                        \
        out_ns = bench_times[BENCH_ROUNDS / 2];                                                    \
    } while (0)

/* Measures `call` on `count` elements and prints a line. */
#define BENCH_ELEMENTS(kern, what, count, call)                                                    \
    do {                                                                                           \
        double bench_ns;                                                                           \
        BENCH(bench_ns, call);                                                                     \
        printf("%-8s  %-22s %7zu  %10.1f ns  %8.3f ns/element\n", (kern)->name, what,              \
               (size_t)(count), bench_ns, bench_ns / (double)(count));                             \
    } while (0)

#endif
