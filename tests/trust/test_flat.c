/* SPDX-License-Identifier: MIT */
/*
 * Memory stays flat: thousands of steps, saves, loads, and objects that come and go leave as many
 * live bytes and open files as before; steps ask for none; and the process does not grow.
 */
#define _POSIX_C_SOURCE 200809L
#include "flows.h"
#include "times.h"

#include <dirent.h>
#include <unistd.h>

#define STEPS ((size_t)10000)
#define CYCLES ((size_t)1000)
#define GROWTH ((size_t)1 << 20) /* of the process, at most; sanitizers keep what is freed */

static support_memory memory;
static kd_context *context;

/* ---- what is counted ---- */

typedef struct count {
    size_t live, bytes; /* of the context */
    size_t files;       /* open */
    size_t resident;    /* bytes of the process */
} count;

static size_t open_files(void)
{
    DIR *all = opendir("/proc/self/fd");
    size_t files = 0;
    if (!all) {
        return 0;
    }
    while (readdir(all)) {
        files++;
    }
    closedir(all);
    return files;
}

static size_t resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long total = 0;
    unsigned long pages = 0;
    if (file) {
        assert_int_equal(fscanf(file, "%lu %lu", &total, &pages), 2);
        fclose(file);
    }
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static count take_count(void)
{
    return (count){
        .live = atomic_load(&memory.live),
        .bytes = atomic_load(&memory.bytes),
        .files = open_files(),
        .resident = resident(),
    };
}

static void check_flat(const char *what, size_t n, count before)
{
    count after = take_count();
    assert_int_equal(after.live, before.live);
    assert_int_equal(after.bytes, before.bytes);
    assert_int_equal(after.files, before.files);
    size_t growth = after.resident > before.resident ? after.resident - before.resident : 0;
    print_message("%zu %s: the process grew by %zu KiB\n", n, what, growth >> 10);
    assert_true(SUPPORT_SLOW > 1 || growth < GROWTH);
}

/* ---- what goes on for long ---- */

/* Steps of every optimiser, and an evaluation now and then: no allocation at all. */
static void steps(void **state)
{
    (void)state;
    for (kd_optimizer_kind kind = KD_SGD; kind <= KD_ADAMW; kind++) {
        flow_run f = flow_new(context, &memory, kind);
        support_ok(flow_again(&flows[3], &f), f.error.text); /* with a geometric mean */
        kd_batch batch = support_batch(&flow_data, 0, 8);
        kd_batch all = support_batch(&flow_data, 0, FLOW_CASES);
        kd_report report = KD_REPORT_INIT;
        count before = take_count();
        size_t calls = atomic_load(&memory.calls);
        size_t n = STEPS * times;
        for (size_t i = 0; i < n; i++) {
            batch.epoch = (uint32_t)i;
            batch.more = i % 5 == 3;
            support_ok(kd_distill_step(f.distillers[0], &batch, &report),
                       kd_distiller_error(f.distillers[0]));
            if (i % 100 == 0) {
                support_ok(kd_distill_evaluate(f.distillers[0], &all, &report),
                           kd_distiller_error(f.distillers[0]));
            }
        }
        assert_int_equal(atomic_load(&memory.calls), calls);
        check_flat("steps", n, before);
        flow_drop(&f);
    }
}

static void run_all(size_t first, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        flow_run f = flow_new(context, &memory, KD_ADAM);
        support_ok(flow_again(&flows[first + i], &f), f.error.text);
        flow_drop(&f);
    }
}

static void cycles(const char *what, size_t first, size_t n)
{
    run_all(first, n);
    count before = take_count();
    for (size_t i = 0; i < CYCLES * times; i++) {
        run_all(first, n);
    }
    check_flat(what, CYCLES * times, before);
}

/* Workflows 7 to 14 are those with files. */
static void files_saved_and_loaded(void **state)
{
    (void)state;
    assert_non_null(strstr(flows[7].name, "record"));
    assert_non_null(strstr(flows[14].name, "numpy"));
    cycles("times all files saved, recorded and loaded", 7, 8);
}

static void created_and_destroyed(void **state)
{
    (void)state;
    cycles("times all other workflows", 0, 7);
    cycles("times those behind the files, one with threads", 15, n_flows - 15);
}

/* What fails must not leave anything either. */
static void failures(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    kd_net *net = support_net(context, "6: 5", 1);
    kd_net *loaded;
    kd_teacher *teacher;
    kd_cache *cache;
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    o.k = 5;
    static const char words[] =
        "Nothing that anybody knows, but longer than a header is: it has to "
        "be read before it can be refused.";
    files_put("bad", words, sizeof words);
    const char *path = files_path("bad");
    count before = take_count();
    for (size_t i = 0; i < CYCLES * times; i++) {
        assert_int_equal(kd_load_net(context, path, NULL, &loaded, &error), KD_ERR_FORMAT);
        assert_int_equal(kd_cache_open(context, path, &o, &cache, &error), KD_ERR_FORMAT);
        assert_int_equal(kd_teacher_from_cache(context, path, NULL, &teacher, &error),
                         KD_ERR_FORMAT);
        assert_int_equal(kd_save_net(net, "/nowhere/at/all", NULL, &error), KD_ERR_NO_FILE);
    }
    check_flat("times what fails", CYCLES * times, before);
    files_clear();
    kd_net_destroy(net);
}

static int begin(void **state)
{
    (void)state;
    context = flows_begin(&memory);
    return kd_blas_set_single(NULL, NULL, NULL);
}

static int end(void **state)
{
    (void)state;
    flows_end(context, &memory);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps),
        cmocka_unit_test(files_saved_and_loaded),
        cmocka_unit_test(created_and_destroyed),
        cmocka_unit_test(failures),
    };
    return times_read(argc, argv) ? cmocka_run_group_tests(tests, begin, end) : 2;
}
