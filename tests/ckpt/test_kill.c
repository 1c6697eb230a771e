/* SPDX-License-Identifier: MIT */
/*
 * kill -9 at random moments of a training that saves itself after each step: the file is always the
 * state after the last step that was saved, or after the one that was being saved, and the training
 * goes on from there as if nothing had happened. `test_ckpt_kill --times N` kills N times, not 60.
 */
#define _POSIX_C_SOURCE 200809L
#include "../support/files.h"
#include "recipes.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static size_t kills = 60;

/* What the child says: the state after `step` has this hash, and is to be saved, or has been. */
typedef struct record {
    uint64_t step;
    uint64_t hash;
    uint64_t saved;
} record;

static uint64_t step_of(const rig *r)
{
    return r->training.epoch * (RECIPE_CASES / RECIPE_BATCH) + r->training.position / RECIPE_BATCH;
}

static uint64_t hash_of(rig *r)
{
    io_bytes file = rig_save(r);
    uint64_t hash = support_hash_bytes(7, file.bytes, file.size);
    io_free(&file);
    return hash;
}

static bool say(int report, const record *r)
{
    return write(report, r, sizeof *r) == (ssize_t)sizeof *r;
}

/* Goes on from the file until it is killed. */
static void work(const recipe *sort, int report)
{
    rig r;
    rig_open(&r, sort, 1);
    if (kd_load_training(&r.training, files_path("t"), NULL, NULL) != KD_OK) {
        _exit(1);
    }
    for (;;) {
        rig_step(&r);
        record said = {step_of(&r), hash_of(&r), 0};
        bool good = say(report, &said) &&
                    kd_save_training(&r.training, files_path("t"), NULL, NULL) == KD_OK;
        said.saved = 1;
        if (!good || !say(report, &said)) {
            _exit(1);
        }
    }
}

/* Runs it for a random time. `last` was saved for certain, `next` was to be saved. */
static void run_and_kill(const recipe *sort, uint64_t *seed, record *last, record *next)
{
    int ends[2];
    int how;
    record said;
    struct timespec pause = {0, (long)(support_next(seed) % 6000000)};
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        work(sort, ends[1]);
    }
    close(ends[1]);
    *next = *last;
    bool more = support_next(seed) % 4 == 0 || read(ends[0], &said, sizeof said) == sizeof said;
    *next = more && said.step > last->step ? said : *next;
    nanosleep(&pause, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &said, sizeof said) == sizeof said) {
        *(said.saved ? last : next) = said;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

/* Tallies of a run. */
typedef struct tally {
    size_t later;
    size_t left;
} tally;

static void killed_once(const recipe *sort, uint64_t *seed, record *last, tally *t)
{
    rig r;
    record next;
    kd_error e = KD_ERROR_INIT;
    run_and_kill(sort, seed, last, &next);
    rig_open(&r, sort, 1);
    support_ok(kd_load_training(&r.training, files_path("t"), NULL, &e), e.text);
    record found = {step_of(&r), hash_of(&r), 1};
    rig_close(&r);
    bool is_next = found.step != last->step;
    uint64_t due = is_next ? next.step : last->step;
    if (found.step != due || found.hash != (is_next ? next.hash : last->hash) ||
        due > last->step + 1) {
        fail_msg("step %llu was saved, but the file is of step %llu, or not the same",
                 (unsigned long long)last->step, (unsigned long long)found.step);
    }
    assert_in_range(files_count(), 1, 2); /* the next save removes what is left of this one */
    t->later += is_next;
    t->left += files_count() == 2;
    *last = found;
}

/* Without any interruption the state after this step is the same. */
static void same_without_kills(const recipe *sort, const record *last)
{
    rig r;
    rig_open(&r, sort, 1);
    while (step_of(&r) < last->step) {
        rig_step(&r);
    }
    assert_int_equal(hash_of(&r), last->hash);
    assert_int_equal(kd_save_training(&r.training, files_path("t"), NULL, NULL), KD_OK);
    assert_int_equal(files_count(), 1);
    rig_close(&r);
}

static void killed_while_training(void **state)
{
    (void)state;
    static const char *const names[] = {"momentum", "unnamed parts"};
    for (size_t i = 0; i < COUNT(names); i++) {
        const recipe *sort = recipe_of(names[i]);
        uint64_t seed = 31 + i;
        tally t = {0, 0};
        rig r;
        files_begin();
        rig_open(&r, sort, 1);
        record last = {0, hash_of(&r), 1};
        assert_int_equal(kd_save_training(&r.training, files_path("t"), NULL, NULL), KD_OK);
        rig_close(&r);
        for (size_t j = 0; j < kills / COUNT(names); j++) {
            killed_once(sort, &seed, &last, &t);
        }
        same_without_kills(sort, &last);
        files_done();
        print_message("%s: %zu kills, %llu steps: the next state %zu times, a temporary left %zu "
                      "times\n",
                      names[i], kills / COUNT(names), (unsigned long long)last.step, t.later,
                      t.left);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_while_training)};
    if (argc == 3 && strcmp(argv[1], "--times") == 0) {
        kills = strtoul(argv[2], NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
