/* SPDX-License-Identifier: MIT */
/* The room port: what it says of the processor and of the BLAS's threads. */
#define _GNU_SOURCE /* RTLD_DEFAULT */

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <kd/context.h>

#include "port/port.h"

/* ---- the processor ---- */

/* The line of flags of the first processor, between spaces; empty if there is none. */
static void read_flags(char *out, int size)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    out[0] = 0;
    while (file && fgets(out, size, file) && strncmp(out, "flags", 5) != 0) {
        out[0] = 0;
    }
    if (file) {
        fclose(file);
    }
    out[strcspn(out, "\n")] = ' ';
}

static bool has(const char *flags, const char *words)
{
    char word[16];
    for (int used; sscanf(words, "%13s%n", word + 1, &used) == 1; words += used) {
        word[0] = ' ';
        size_t length = strlen(word);
        word[length] = ' ';
        word[length + 1] = 0;
        if (!strstr(flags, word)) {
            return false;
        }
    }
    return true;
}

static void the_isa_is_the_processors(void **state)
{
    (void)state;
    static char flags[8192];
    read_flags(flags, (int)sizeof flags - 1);
    int32_t isa = kdi_port_cpu_isa();
    assert_true(isa >= KD_ISA_PORTABLE && isa <= KD_ISA_AVX512);
    assert_int_equal(kdi_port_cpu_isa(), isa);
    if (strncmp(flags, "flags", 5) != 0) {
        skip(); /* not Linux, or not x86 */
    }
    int32_t want = KD_ISA_PORTABLE;
    if (has(flags, "avx2 fma")) {
        want = has(flags, "avx512f avx512bw avx512dq avx512vl") ? KD_ISA_AVX512 : KD_ISA_AVX2;
    }
    assert_int_equal(isa, want);
}

/* ---- the BLAS ---- */

/* A product first: names that are weak don't make the linker take a BLAS that nobody uses. */
static void *find(const char *name)
{
    float two = 2, y = 0;
    kdi_port_gemm_nt(1, 1, 1, &two, 1, &two, 0, &y, 1);
    assert_true(y > 3 && y < 5);
    return dlsym(RTLD_DEFAULT, name);
}

/* Sets the number through the BLAS's own function; false if it has none that we know. */
static bool set_blas(int32_t count)
{
    static const char *const narrow[] = {"openblas_set_num_threads", "MKL_Set_Num_Threads"};
    bool known = false;
    for (size_t i = 0; i < 2; i++) {
        void (*set)(int) = NULL;
        void *found = find(narrow[i]);
        memcpy(&set, &found, sizeof set);
        if (set) {
            set(count);
            known = true;
        }
    }
    void (*set)(ptrdiff_t) = NULL;
    void *found = find("bli_thread_set_num_threads");
    memcpy(&set, &found, sizeof set);
    if (set) {
        set(count);
        known = true;
    }
    return known;
}

/* OpenBLAS built without threads takes any number, and stays at one. */
static bool is_serial(void)
{
    int (*parallel)(void) = NULL;
    void *found = find("openblas_get_parallel");
    memcpy(&parallel, &found, sizeof parallel);
    return parallel && parallel() == 0;
}

static void the_blas_is_asked_and_told(void **state)
{
    (void)state;
    kdi_port_blas_single();
    assert_int_equal(kdi_port_blas_threads(), 1);
    if (is_serial() || !set_blas(2)) {
        skip();
    }
    assert_int_equal(kdi_port_blas_threads(), 2);
    kdi_port_blas_single_here(); /* changes nothing here, or only for us */
    kdi_port_blas_single();
    assert_int_equal(kdi_port_blas_threads(), 1);
}

/* BLIS: ways for each loop, which win over the number of threads. */
static void ways_of_loops_count_as_threads(void **state)
{
    (void)state;
    void (*set_ways)(ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t) = NULL;
    void *found = find("bli_thread_set_ways");
    memcpy(&set_ways, &found, sizeof set_ways);
    if (!set_ways) {
        skip();
    }
    set_ways(2, 1, 3, 1, 1);
    assert_int_equal(kdi_port_blas_threads(), 6);
    kdi_port_blas_single();
    assert_int_equal(kdi_port_blas_threads(), 1);
}

static void *ask(void *out)
{
    int32_t *count = out;
    kdi_port_blas_single_here();
    *count = kdi_port_blas_threads();
    return NULL;
}

static void a_worker_of_ours_finds_one_thread(void **state)
{
    (void)state;
    pthread_t thread;
    int32_t count = 0;
    kdi_port_blas_single();
    assert_int_equal(pthread_create(&thread, NULL, ask, &count), 0);
    pthread_join(thread, NULL);
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_isa_is_the_processors),
        cmocka_unit_test(the_blas_is_asked_and_told),
        cmocka_unit_test(ways_of_loops_count_as_threads),
        cmocka_unit_test(a_worker_of_ours_finds_one_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
