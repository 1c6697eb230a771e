/* SPDX-License-Identifier: MIT */
/* What a file says of a training, the host's own numbers, and whatever can be wrong with a call. */
#include "model.h"
#include "recipes.h"

/* The words of a training; tests of the format are promises to those who read it elsewhere. */
static void what_the_file_says(void **state)
{
    (void)state;
    static const char *const words[][2] = {
        {"kd.format", "1"},
        {"kd.sort", "training"},
        {"kd.inputs", "6"},
        {"kd.layers", "dense 12; relu; dropout 16384/65536; dense 8; relu; dropout 32768/65536; "
                      "dense 4"},
        {"kd.rng", "1"},
        {"kd.loop", "kd_distill_step"},
        {"kd.soft_kind", "2"},
        {"kd.temperature", "exponential from 0x1p+3 to 0x0p+0 factor 0x1p-1 steps 9 warmup 0"},
        {"kd.optimizer", "sgd"},
        {"kd.nesterov", "0"},
        {"kd.weight_decay", "0x0p+0"},
        {"kd.seed", "77"},
        {"kd.updates", "3"},
        {"kd.position", "0"},
        {"kd.host_epoch", "0"},
        {"kd.host_position", "36"},
        {"kd.host_seed", "1234"},
        {"kd.pending_unit", "0x0p+0"},
        {"kd.pending_weight", "0x0p+0"},
    };
    rig r;
    rig_open(&r, recipe_of("schedules"), 1);
    for (size_t i = 0; i < 3; i++) {
        rig_step(&r);
    }
    io_bytes file = rig_save(&r);
    model m = model_read(&file);
    for (size_t i = 0; i < COUNT(words); i++) {
        assert_non_null(model_get(&m, words[i][0]));
        assert_string_equal(model_get(&m, words[i][0]), words[i][1]);
    }
    assert_int_equal(m.n_tensors, 12);
    assert_string_equal(model_find(&m, "momentum.layers.3.weight")->shape, "8,12");
    model_free(&m);
    io_free(&file);
    rig_close(&r);
}

static void tensors_of(const char *name, size_t calls, const char *const *names, size_t count)
{
    rig r;
    rig_open(&r, recipe_of(name), 1);
    for (size_t i = 0; i < calls; i++) {
        rig_step(&r);
    }
    io_bytes file = rig_save(&r);
    model m = model_read(&file);
    assert_int_equal(m.n_tensors, 6 * (1 + count));
    for (size_t i = 0; i < count; i++) {
        (void)model_find(&m, names[i]);
    }
    model_free(&m);
    io_free(&file);
    rig_close(&r);
}

static void which_tensors(void **state)
{
    (void)state;
    static const char *const some[] = {"moment1.layers.0.weight", "moment2.layers.6.bias",
                                       "gradient.layers.3.bias", "momentum.layers.0.bias"};
    tensors_of("plain", 2, NULL, 0);
    tensors_of("adam", 2, some, 2);
    tensors_of("unnamed parts", 3, some, 2);
    tensors_of("unnamed parts", 4, some, 3);
    tensors_of("momentum", 1, some + 3, 1);
}

/* Stored, handed back, never looked at. */
static void numbers_of_the_host(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 1, UINT64_MAX, (uint64_t)1 << 53, 10, 123456789};
    rig r;
    rig_open(&r, recipe_of("plain"), 1);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        kd_training t = KD_TRAINING_INIT;
        kd_error e = KD_ERROR_INIT;
        r.training.epoch = numbers[i];
        r.training.position = numbers[(i + 1) % COUNT(numbers)];
        r.training.seed = numbers[(i + 2) % COUNT(numbers)];
        r.training.tag = numbers[(i + 3) % COUNT(numbers)];
        io_bytes file = rig_save(&r);
        kd_reader reader = io_reader(&file);
        t.distiller = r.training.distiller;
        support_ok(kd_load_training(&t, NULL, &reader, &e), e.text);
        support_same_bits("kd_training", &t, &r.training, sizeof t);
        t.struct_size = offsetof(kd_training, seed); /* of an older host */
        t.epoch = t.position = t.seed = t.tag = 5;
        support_ok(kd_load_training(&t, NULL, &reader, &e), e.text);
        assert_true(t.epoch == r.training.epoch && t.position == r.training.position);
        assert_true(t.seed == 5 && t.tag == 5);
        io_free(&file);
    }
    rig_close(&r);
}

/* ---- calls that are wrong ---- */

static void refuse(const kd_training *t, kd_status due, const char *words)
{
    kd_training given = *t;
    io_bytes file = {0};
    kd_writer writer = io_writer(&file);
    kd_reader reader = io_reader(&file);
    kd_error e = KD_ERROR_INIT;
    support_refused(kd_save_training(t, NULL, &writer, &e), due, e.text, words);
    assert_int_equal(e.argument, 1);
    assert_int_equal(file.size, 0);
    e.text[0] = '\0';
    support_refused(kd_load_training(&given, NULL, &reader, &e), due, e.text, words);
    assert_int_equal(e.argument, 1);
    support_same_bits(words, &given, t, sizeof given);
}

static void what_must_be_there(void **state)
{
    (void)state;
    rig one;
    rig own;
    rig other;
    rig_open(&one, recipe_of("plain"), 1);
    rig_open(&own, recipe_of("own loop"), 1);
    rig_open(&other, recipe_of("own loop"), 1);
    kd_training t = KD_TRAINING_INIT;
    refuse(&t, KD_ERR_NULL, "no distiller");
    t.workspace = own.training.workspace;
    refuse(&t, KD_ERR_NULL, "no optimizer");
    t.optimizer = other.training.optimizer;
    refuse(&t, KD_ERR_STATE, "two nets");
    t.workspace = NULL;
    refuse(&t, KD_ERR_NULL, "no workspace");
    t.distiller = one.training.distiller;
    refuse(&t, KD_ERR_VALUE, "beside");
    t.optimizer = NULL;
    t.workspace = own.training.workspace;
    refuse(&t, KD_ERR_VALUE, "beside");
    t = one.training;
    t.struct_size = 3;
    refuse(&t, KD_ERR_STRUCT, "training");
    kd_error e = KD_ERROR_INIT;
    io_bytes file = rig_save(&one);
    kd_writer writer = io_writer(&file);
    kd_reader reader = io_reader(&file);
    support_refused(kd_save_training(NULL, NULL, &writer, &e), KD_ERR_NULL, e.text, "training");
    support_refused(kd_load_training(NULL, NULL, &reader, &e), KD_ERR_NULL, e.text, "training");
    support_refused(kd_save_training(&one.training, NULL, NULL, &e), KD_ERR_NULL, e.text, "both");
    support_refused(kd_load_training(&one.training, NULL, NULL, &e), KD_ERR_NULL, e.text, "both");
    support_refused(kd_save_training(&one.training, "x", &writer, &e), KD_ERR_VALUE, e.text, "one");
    support_refused(kd_load_training(&one.training, "x", &reader, &e), KD_ERR_VALUE, e.text, "one");
    support_refused(kd_load_training(&one.training, "/nowhere", NULL, &e), KD_ERR_NO_FILE, e.text,
                    "/nowhere");
    io_free(&file);
    rig_close(&one);
    rig_close(&own);
    rig_close(&other);
}

/* A state with a NaN is refused before a byte is written, whatever it is in. */
static void no_numbers(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, recipe_of("own loop"), 1);
    kd_error e = KD_ERROR_INIT;
    io_bytes file = {0};
    kd_writer writer = io_writer(&file);
    support_param(r.net, 3).values[1] = NAN;
    support_refused(kd_save_training(&r.training, NULL, &writer, &e), KD_ERR_NOT_FINITE, e.text,
                    "layers.3.bias");
    assert_int_equal(file.size, 0);
    rig_close(&r);
}

/* An own loop may go on in a workspace for inference, if all it needs is the random position. */
static void a_workspace_for_inference(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, recipe_of("own loop"), 1);
    rig_step(&r);
    io_bytes file = rig_save(&r);
    kd_training t = r.training;
    kd_error e = KD_ERROR_INIT;
    kd_reader reader = io_reader(&file);
    t.workspace = support_workspace(r.net, 1, 0, 77);
    support_ok(kd_load_training(&t, NULL, &reader, &e), e.text);
    io_bytes again = {0};
    kd_writer writer = io_writer(&again);
    support_ok(kd_save_training(&t, NULL, &writer, &e), e.text);
    assert_int_equal(again.size, file.size);
    support_same_bits("saved again", again.bytes, file.bytes, file.size);
    kd_workspace_destroy(t.workspace);
    io_free(&again);
    io_free(&file);
    rig_close(&r);
}

/* ---- inside a step ---- */

static rig inner;
static size_t asked;

static int32_t save_and_load(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)temperature;
    kd_training *t = user;
    io_bytes file = {0};
    kd_writer writer = io_writer(&file);
    kd_reader reader = io_reader(&file);
    kd_error e = KD_ERROR_INIT;
    support_refused(kd_save_training(t, NULL, &writer, &e), KD_ERR_BUSY, e.text, "inside a step");
    support_refused(kd_load_training(t, NULL, &reader, &e), KD_ERR_BUSY, e.text, "inside a step");
    io_bytes other = rig_save(&inner); /* others may be saved */
    support_ok(rig_load(&inner, &other, &e), e.text);
    io_free(&other);
    memset(out, 0, batch->n * RECIPE_K * sizeof *out);
    asked++;
    return 0;
}

static void inside_a_step(void **state)
{
    (void)state;
    kd_training t = KD_TRAINING_INIT;
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    kd_distiller_options d = KD_DISTILLER_OPTIONS_INIT;
    kd_teacher *teacher;
    kd_error e = KD_ERROR_INIT;
    support_data data;
    rig_open(&inner, recipe_of("momentum"), 1);
    o.k = RECIPE_K;
    o.fn = save_and_load;
    o.user = &t;
    support_ok(kd_teacher_from_callback(inner.context, &o, &teacher, &e), e.text);
    kd_net *net = support_net(inner.context, "6: 4", 1);
    t.distiller = support_distiller(net, teacher, &d);
    support_fill(&data, 1, 8, RECIPE_INPUTS, RECIPE_K);
    kd_batch batch = support_batch(&data, 0, 8);
    (void)support_step(t.distiller, &batch);
    assert_int_equal(asked, 1);
    kd_distiller_destroy(t.distiller);
    kd_teacher_destroy(teacher);
    kd_net_destroy(net);
    rig_close(&inner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_file_says),  cmocka_unit_test(which_tensors),
        cmocka_unit_test(numbers_of_the_host), cmocka_unit_test(what_must_be_there),
        cmocka_unit_test(no_numbers),          cmocka_unit_test(a_workspace_for_inference),
        cmocka_unit_test(inside_a_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
