/* SPDX-License-Identifier: MIT */
/*
 * Trainings that are interrupted after any call, saved, and gone on with in a new process, with
 * another number of threads: 20 calls end with the same bytes of state as 20 calls without an
 * interruption. A new process is this program itself with arguments: see main.
 */
#define _POSIX_C_SOURCE 200809L
#include "../support/files.h"
#include "recipes.h"

#include <sys/wait.h>
#include <unistd.h>

#define CALLS 20

static const char *program;
static size_t processes;

/* ---- the new process ---- */

/* Loads a file, makes the calls that are left, and saves. */
static int go_on(char **arguments)
{
    rig r;
    kd_error e = KD_ERROR_INIT;
    rig_open(&r, recipe_of(arguments[2]), (int32_t)strtol(arguments[3], NULL, 10));
    support_ok(kd_load_training(&r.training, arguments[4], NULL, &e), e.text);
    size_t per_epoch = RECIPE_CASES / RECIPE_BATCH;
    while (r.training.epoch * per_epoch + r.training.position / RECIPE_BATCH < CALLS) {
        rig_step(&r);
    }
    support_ok(kd_save_training(&r.training, arguments[5], NULL, &e), e.text);
    rig_close(&r);
    return 0;
}

static void run_process(const recipe *sort, int threads, const char *from, const char *to)
{
    int how;
    char count[16];
    processes++;
    snprintf(count, sizeof count, "%d", threads);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl(program, program, "--go-on", sort->name, count, from, to, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    if (!WIFEXITED(how) || WEXITSTATUS(how) != 0) {
        fail_msg("%s, from %s, with %d threads: the process ended with %d", sort->name, from,
                 threads, how);
    }
}

/* ---- the old one ---- */

static const char *state_path(size_t call)
{
    char name[32];
    snprintf(name, sizeof name, "%zu.kd", call);
    return files_path(name);
}

/* Trains to the end, saving after each call if `saves`; the file of the last state. */
static io_bytes train(const recipe *sort, bool saves)
{
    rig r;
    kd_error e = KD_ERROR_INIT;
    rig_open(&r, sort, 1);
    for (size_t call = 0; call <= CALLS; call++) {
        if (call > 0) {
            rig_step(&r);
        }
        if (saves) {
            support_ok(kd_save_training(&r.training, state_path(call), NULL, &e), e.text);
        }
    }
    io_bytes end = rig_save(&r);
    rig_close(&r);
    return end;
}

static void resumed(const recipe *sort)
{
    io_bytes due = train(sort, false);
    io_bytes saved = train(sort, true);
    assert_int_equal(saved.size, due.size);
    support_same_bits(sort->name, saved.bytes, due.bytes, due.size);
    for (size_t call = 0; call <= CALLS; call++) {
        int threads = 1 + (int)(call % 3);
        run_process(sort, threads, state_path(call), files_path("end.kd"));
        if (!files_has("end.kd", due.bytes, due.size)) {
            fail_msg("%s: %zu calls, then %zu with %d threads: not the same state", sort->name,
                     call, CALLS - call, threads);
        }
    }
    io_free(&due);
    io_free(&saved);
}

static void every_recipe_after_every_call(void **state)
{
    (void)state;
    files_begin();
    for (size_t i = 0; i < n_recipes; i++) {
        resumed(&recipes[i]);
    }
    files_done();
}

/* States differ from call to call, so the test above can't pass by doing nothing. */
static void states_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_recipes; i++) {
        rig r;
        uint64_t seen[CALLS + 1];
        rig_open(&r, &recipes[i], 1);
        for (size_t call = 0; call <= CALLS; call++) {
            io_bytes file = rig_save(&r);
            seen[call] = support_hash_bytes(1, file.bytes, file.size);
            for (size_t j = 0; j < call; j++) {
                assert_true(seen[j] != seen[call]);
            }
            io_free(&file);
            rig_step(&r);
        }
        rig_close(&r);
    }
}

/* A state goes into objects that have moved on since, too. */
static void back_to_an_earlier_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_recipes; i++) {
        rig r;
        kd_error e = KD_ERROR_INIT;
        rig_open(&r, &recipes[i], 1);
        for (size_t call = 0; call < 5; call++) {
            rig_step(&r);
        }
        io_bytes then = rig_save(&r);
        rig_step(&r);
        rig_step(&r);
        io_bytes later = rig_save(&r);
        support_ok(rig_load(&r, &then, &e), e.text);
        io_bytes again = rig_save(&r);
        assert_int_equal(again.size, then.size);
        support_same_bits("loaded and saved", again.bytes, then.bytes, then.size);
        rig_step(&r);
        rig_step(&r);
        io_bytes later_again = rig_save(&r);
        assert_int_equal(later_again.size, later.size);
        support_same_bits("two calls later", later_again.bytes, later.bytes, later.size);
        io_free(&then);
        io_free(&later);
        io_free(&again);
        io_free(&later_again);
        rig_close(&r);
    }
}

static int report(void **state)
{
    (void)state;
    print_message("%zu recipes, %zu new processes\n", n_recipes, processes);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recipe_after_every_call),
        cmocka_unit_test(states_differ),
        cmocka_unit_test(back_to_an_earlier_state),
    };
    support_ok(kd_blas_set_single(NULL, NULL, NULL), "kd_blas_set_single");
    program = argv[0];
    if (argc == 6 && strcmp(argv[1], "--go-on") == 0) {
        return go_on(argv);
    }
    return cmocka_run_group_tests(tests, NULL, report);
}
