/* SPDX-License-Identifier: MIT */
/*
 * kill -9 at random moments of recording: what is there afterwards are the first cases, each whole,
 * none of those lost that were reported; and it goes on. `test_teacher_cache_kill --times N` kills
 * N times instead of 150 times.
 */
#define _POSIX_C_SOURCE 200809L
#include "recording.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 9 /* cases in one call */
#define WIDEST 20000

static size_t kills = 150;

static const recording_form forms[] = {
    {"f32", KD_CACHE_F32, KD_TARGET_LOGITS, WIDEST, 0, 0, 12 + 4 * WIDEST}, /* many pages a call */
    {"f16", KD_CACHE_F16, KD_TARGET_LOGITS, 10, 0, 0, 36},
    {"top", KD_CACHE_TOPK, KD_TARGET_LOGITS, 100, 5, 4, 40},
};

/* Case `number` is always the same. */
static uint64_t make_case(const recording_form *form, uint64_t number, float *values)
{
    for (size_t i = 0; i < form->k; i++) {
        values[i] = (float)((number * 37 + i * i) % 1000) * 0.05f;
    }
    return number * UINT64_C(0x9e3779b97f4a7c15);
}

static void append(kd_cache *cache, const recording_form *form, uint64_t from, size_t n)
{
    static float values[MOST * WIDEST];
    uint64_t ids[MOST];
    kd_targets t = KD_TARGETS_INIT;
    for (size_t i = 0; i < n; i++) {
        ids[i] = make_case(form, from + i, values + i * form->k);
    }
    t.kind = KD_TARGET_LOGITS;
    t.values = values;
    if (kd_cache_append(cache, ids, &t, n) != KD_OK) {
        _exit(1);
    }
}

/* Opens, records, finishes now and then, and reports how many cases there are. */
static void work(const recording_form *form, int report, uint64_t seed)
{
    kd_cache_options o = recording_options(form);
    kd_cache *cache;
    if (kd_cache_open(recording_context, recording_path(), &o, &cache, NULL) != KD_OK) {
        _exit(2);
    }
    for (uint64_t number = recording_info(cache).cases;;) {
        size_t n = 1 + support_below(&seed, MOST);
        append(cache, form, number, n);
        number += n;
        bool bad = support_below(&seed, 8) == 0 && kd_cache_finish(cache) != KD_OK;
        if (bad || write(report, &number, sizeof number) != sizeof number) {
            _exit(3);
        }
    }
}

/* Runs it for a random time; the last number that it reported, `from` if none. */
static uint64_t run_and_kill(const recording_form *form, uint64_t from, uint64_t *seed)
{
    int ends[2];
    int how;
    uint64_t last = from, number;
    struct timespec pause = {0, (long)support_below(seed, 3000000)};
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        work(form, ends[1], support_next(seed));
    }
    close(ends[1]);
    if (support_below(seed, 3) > 0 && read(ends[0], &number, sizeof number) == sizeof number) {
        last = number; /* into the loop, past the start */
    }
    nanosleep(&pause, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &number, sizeof number) == sizeof number) {
        last = number;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &how, 0), child);
    if (!WIFSIGNALED(how) || WTERMSIG(how) != SIGKILL) {
        fail_msg("the child ended by itself: %d", how);
    }
    return last;
}

/* An uninterrupted recording of the same cases, as bytes. */
static unsigned char *straight(const recording_form *form, uint64_t cases, size_t *out_size)
{
    recording_remove();
    kd_cache *cache = recording_open(form);
    for (uint64_t number = 0; number < cases; number += MOST) {
        append(cache, form, number, cases - number < MOST ? (size_t)(cases - number) : MOST);
    }
    kd_cache_destroy(cache);
    return recording_get(out_size);
}

/* Whether the file begins like `due`, which is as long as its cases. */
static void check_prefix(const unsigned char *due, size_t size, uint64_t cases, size_t bytes)
{
    size_t there;
    unsigned char *found = recording_get(&there);
    assert_true(there >= HEADER + cases * bytes && there <= size);
    support_same_bits("the first cases", found, due, HEADER + (size_t)cases * bytes);
    free(found);
}

static void killed_while_recording(void **state)
{
    (void)state;
    uint64_t seed = 31;
    size_t torn = 0, finished = 0;
    recording_begin_on_disk();
    for (size_t f = 0; f < COUNT(forms); f++) {
        const recording_form *form = &forms[f];
        uint64_t last = 0;
        recording_remove();
        for (size_t i = f; i < kills; i += COUNT(forms)) {
            last = run_and_kill(form, last, &seed);
            size_t size = 0;
            if (access(recording_path(), F_OK) == 0) {
                free(recording_get(&size));
            }
            if (size >= HEADER) {
                kd_cache_info left = recording_verify();
                torn += left.torn_bytes > 0;
                finished += left.finished == 1;
            }
            kd_cache *cache = recording_open(form);
            kd_cache_info info = recording_info(cache);
            kd_cache_destroy(cache);
            assert_in_range(info.cases, last, last + MOST);
            last = info.cases;
            if (i / COUNT(forms) % 10 == 9 || i + COUNT(forms) >= kills) {
                unsigned char *found = recording_get(&size);
                size_t due_size;
                unsigned char *due = straight(form, last, &due_size);
                recording_put(found, size);
                assert_true(size == due_size || (info.finished && size == due_size + SEAL));
                check_prefix(due, size, last, form->bytes);
                if (last > 0) {
                    recording_finish(recording_open(form));
                    kd_teacher_destroy(recording_teacher());
                }
                free(due);
                free(found);
                recording_remove(); /* not longer and longer */
                last = 0;
            }
        }
    }
    recording_end();
    print_message("%zu kills: %zu left a torn end, %zu a finished file\n", kills, torn, finished);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_while_recording)};
    if (argc == 3 && strcmp(argv[1], "--times") == 0) {
        kills = strtoul(argv[2], NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
