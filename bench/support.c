/* SPDX-License-Identifier: MIT */
/* Small things that every part of kd_bench uses: words, clock, medians, random data. */
#include "bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("kd_bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, ascending);
    return 0.5 * (values[(count - 1) / 2] + values[count / 2]);
}

float *floats(size_t count)
{
    void *memory = NULL;
    size_t bytes = (count ? count : 1) * sizeof(float);
    if (posix_memalign(&memory, 64, bytes) != 0) {
        die("no memory for %zu floats", count);
    }
    memset(memory, 0, bytes); /* so that every page exists before anything is timed */
    return memory;
}

/* splitmix64, Steele, Lea and Flood 2014. */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static float unit(uint64_t *state)
{
    return (float)(next(state) >> 40) * 0x1p-24f;
}

void fill_uniform(float *out, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = unit(&seed);
    }
}

/* Box and Muller 1958. Large arrays repeat after a prime number of values, so no two rows agree. */
void fill_normal(float *out, size_t count, float deviation, uint64_t seed)
{
    enum { PERIOD = 1048573 };
    size_t drawn = count < PERIOD ? count : PERIOD;
    for (size_t i = 0; i < drawn; i += 2) {
        float radius = deviation * sqrtf(-2.0f * logf(1.0f - unit(&seed)));
        float angle = 6.2831853f * unit(&seed);
        out[i] = radius * cosf(angle);
        if (i + 1 < drawn) {
            out[i + 1] = radius * sinf(angle);
        }
    }
    for (size_t i = drawn; i < count; i++) {
        out[i] = out[i - drawn];
    }
}

void fill_labels(int32_t *out, size_t count, size_t k, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (int32_t)(next(&seed) % k);
    }
}

/* What the BLAS libraries that libkd knows call themselves; NULL where another one is linked. */
extern char *openblas_get_config(void) __attribute__((weak));
extern char *openblas_get_corename(void) __attribute__((weak));
extern char *bli_info_get_version_str(void) __attribute__((weak));

const char *blas_name(void)
{
    static char name[256];
    if (openblas_get_config) {
        const char *core = openblas_get_corename ? openblas_get_corename() : "?";
        snprintf(name, sizeof name, "%s, core %s", openblas_get_config(), core);
    } else if (bli_info_get_version_str) {
        snprintf(name, sizeof name, "BLIS %s", bli_info_get_version_str());
    } else {
        snprintf(name, sizeof name, "unknown");
    }
    return name;
}
