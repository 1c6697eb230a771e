/* SPDX-License-Identifier: MIT */
/*
 * The power fails while a file is saved: whatever the disk holds then, there is the old file or the
 * new one, it can be loaded, and the next save works and tidies up.
 */
#include "../ckpt/recipes.h"
#include "disk.h"
#include "times.h"

#define SEEDS (20 * times)
#define NAME "f"
#define ROWS 40
#define COLUMNS 30

static rig r;
static io_bytes trainings[2]; /* an old state, and a new one */
static float matrix[2][ROWS * COLUMNS];
static size_t states;
static size_t found[3]; /* none, old, new */
static kd_error error = KD_ERROR_INIT;

/* ---- what is saved; `which` is 0 for the old contents and 1 for the new ones ---- */

static void set(size_t which)
{
    support_ok(rig_load(&r, &trainings[which], &error), error.text);
}

static kd_status save_net(size_t which)
{
    set(which);
    return kd_save_net(r.net, files_path(NAME), NULL, &error);
}

static kd_status load_net(void)
{
    kd_net *net;
    kd_status status = kd_load_net(r.context, files_path(NAME), NULL, &net, &error);
    kd_net_destroy(net);
    return status;
}

static kd_status export_weights(size_t which)
{
    set(which);
    return kd_export_weights(r.net, NULL, files_path(NAME), NULL, &error);
}

static kd_status import_weights(void)
{
    return kd_import_weights(r.net, NULL, files_path(NAME), NULL, &error);
}

static kd_status save_training(size_t which)
{
    set(which);
    return kd_save_training(&r.training, files_path(NAME), NULL, &error);
}

static kd_status load_training(void)
{
    return kd_load_training(&r.training, files_path(NAME), NULL, &error);
}

static kd_status save_npy(size_t which)
{
    return kd_save_npy(matrix[which], ROWS - which, COLUMNS, 0, files_path(NAME), NULL, &error);
}

static kd_status load_npy(void)
{
    float got[ROWS * COLUMNS];
    return kd_load_npy(files_path(NAME), NULL, got, COUNT(got), NULL, &error);
}

typedef struct saver {
    const char *name;
    kd_status (*save)(size_t which);
    kd_status (*load)(void);
} saver;

static const saver savers[] = {
    {"kd_save_net", save_net, load_net},
    {"kd_export_weights", export_weights, import_weights},
    {"kd_save_training", save_training, load_training},
    {"kd_save_npy", save_npy, load_npy},
};

/* ---- what is left ---- */

static bool exists(const char *name)
{
    FILE *file = fopen(files_path(name), "rb");
    if (file) {
        fclose(file);
    }
    return file != NULL;
}

static bool holds(const io_bytes *file)
{
    return files_has(NAME, file->bytes, file->size);
}

/* `reached`: 1 once the call has returned. */
static void check_state(const saver *s, const io_bytes due[2], bool was_there, size_t reached)
{
    size_t which = !exists(NAME) ? 0 : holds(&due[1]) ? 2 : 1;
    states++;
    found[which]++;
    assert_true(which == 2 || reached == 0);
    assert_true(which != 0 || !was_there);
    if (which == 1) {
        assert_true(was_there && holds(&due[0]));
    }
    kd_status status = s->load();
    if (status != (which ? KD_OK : KD_ERR_NO_FILE)) {
        fail_msg("%s: %s", s->name, error.text);
    }
}

/* A temporary file may have stayed; it does not outlive the next save. */
static void check_next_save(const saver *s, const io_bytes *due)
{
    support_ok(s->save(1), error.text);
    assert_true(holds(due));
    assert_int_equal(files_count(), 1);
}

static void run(const saver *s, bool was_there)
{
    io_bytes due[2];
    for (size_t which = 0; which < 2; which++) {
        files_clear();
        support_ok(s->save(which), error.text);
        due[which] = files_get(NAME);
    }
    files_clear();
    if (was_there) {
        files_put(NAME, due[0].bytes, due[0].size);
    }
    disk_begin();
    support_ok(s->save(1), error.text);
    disk_mark(1);
    disk_end();
    for (size_t at = 0; at <= disk_calls(); at++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            size_t reached = disk_crash(at, seed);
            check_state(s, due, was_there, reached);
            check_next_save(s, &due[1]);
        }
    }
    disk_forget();
    io_free(&due[0]);
    io_free(&due[1]);
}

static void at_any_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * COUNT(savers); i++) {
        run(&savers[i / 2], i % 2);
    }
}

/* ---- objects ---- */

static int begin(void **state)
{
    uint64_t seed = 4;
    (void)state;
    (void)files_begin_quick();
    rig_open(&r, recipe_of("unnamed parts"), 1);
    for (size_t which = 0; which < 2; which++) {
        for (size_t i = 0; i < 4; i++) {
            rig_step(&r);
        }
        trainings[which] = rig_save(&r);
        support_normals(&seed, matrix[which], ROWS * COLUMNS, 3);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    io_free(&trainings[0]);
    io_free(&trainings[1]);
    rig_close(&r);
    files_done();
    print_message("%zu states of a disk: %zu without a file, %zu old, %zu new\n", states, found[0],
                  found[1], found[2]);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_any_call),
    };
    return times_read(argc, argv) ? cmocka_run_group_tests(tests, begin, end) : 2;
}
