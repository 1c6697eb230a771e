/* SPDX-License-Identifier: MIT */
/*
 * Files of trainings that no libkd has written, with checksums that are right: each is refused with
 * its status and its words, and the objects that it was for have all their bits as before.
 */
#include "model.h"
#include "recipes.h"

/* A recipe after so many calls, and its file. */
typedef struct sample {
    rig rig;
    io_bytes file;
} sample;

static size_t refused;

static void begin(sample *s, const char *name, size_t calls)
{
    memset(s, 0, sizeof *s);
    rig_open(&s->rig, recipe_of(name), 1);
    for (size_t i = 0; i < calls; i++) {
        rig_step(&s->rig);
    }
    s->file = rig_save(&s->rig);
}

static void end(sample *s)
{
    io_free(&s->file);
    rig_close(&s->rig);
}

/* Loads it: peak memory and time are within what is promised. */
static kd_status load(rig *r, io_bytes *file, kd_error *error)
{
    size_t before = atomic_load(&r->memory.bytes);
    atomic_store(&r->memory.peak, before);
    support_limit limit = {.seconds = 0.05, .begin = clock()};
    kd_status status;
    do {
        status = rig_load(r, file, error);
    } while (support_again(&limit));
    size_t peak = atomic_load(&r->memory.peak) - before;
    assert_true(peak <= 2 * file->size + (1 << 20));
    assert_int_equal(atomic_load(&r->memory.bytes), before);
    return status;
}

static void refuse(sample *s, const char *what, const model *m, kd_status due, const char *words)
{
    io_bytes file = model_write(m);
    kd_error e = KD_ERROR_INIT;
    kd_training before = s->rig.training;
    kd_status status = load(&s->rig, &file, &e);
    if (status != due || e.status != due || !strstr(e.text, words)) {
        fail_msg("%s: %s instead of %s, \"%s\" (\"%s\")", what, kd_status_name(status),
                 kd_status_name(due), words, e.text);
    }
    /* The file is at fault, or the training is another. */
    assert_true(e.argument == 0 || due == KD_ERR_MISMATCH || due == KD_ERR_VERSION);
    support_same_bits(what, &s->rig.training, &before, sizeof before);
    io_bytes after = rig_save(&s->rig);
    assert_int_equal(after.size, s->file.size);
    support_same_bits(what, after.bytes, s->file.bytes, after.size);
    refused++;
    io_free(&after);
    io_free(&file);
}

static void refuse_edit(sample *s, edit e, kd_status due, const char *words)
{
    char what[200];
    model m = model_read(&s->file);
    model_describe(&e, what);
    model_apply(&m, &e);
    refuse(s, what, &m, due, words);
    model_free(&m);
}

/* ---- words ---- */

static void how_far_it_is(void **state)
{
    (void)state;
    static const char *const counts[] = {"kd.updates",       "kd.position",  "kd.host_epoch",
                                         "kd.host_position", "kd.host_seed", "kd.host_tag"};
    static const char *const numbers[] = {"kd.momentum_bound", "kd.pending_unit",
                                          "kd.pending_weight"};
    static const char *const no_counts[] = {
        NULL, "", "x", "-1", "+1", "01", " 1", "1 ", "1.0", "0x1", "18446744073709551616", "1e3"};
    static const char *const no_numbers[] = {NULL,
                                             "",
                                             "1",
                                             "1.0",
                                             "nan",
                                             "inf",
                                             "0x",
                                             "0x1",
                                             "0x1p0",
                                             "0x1p+",
                                             "0x1.p+0",
                                             "0x1.0p+0",
                                             "0x1.80p+0",
                                             "0x2p+0",
                                             "0X1p+0",
                                             "-0x1p+0",
                                             "0x0p+1",
                                             "0x1p-0",
                                             "0x1p+00",
                                             "0x1p+1024",
                                             "0x1p-1075",
                                             "0x1.8p-1074",
                                             "0x1.00000000000000p+0",
                                             "0x1p",
                                             "0x1p+1x",
                                             "0x1p+1/",
                                             "0x1p+99999",
                                             "0x1.8000000000000000000000p+0",
                                             "0x1p+99999999999999999999"};
    sample s;
    begin(&s, "unnamed parts", 4);
    for (size_t i = 0; i < COUNT(counts) * COUNT(no_counts); i++) {
        const char *key = counts[i / COUNT(no_counts)];
        refuse_edit(&s, (edit){.act = SET, .a = key, .b = no_counts[i % COUNT(no_counts)]},
                    KD_ERR_FORMAT, key);
    }
    for (size_t i = 0; i < COUNT(numbers) * COUNT(no_numbers); i++) {
        const char *key = numbers[i / COUNT(no_numbers)];
        refuse_edit(&s, (edit){.act = SET, .a = key, .b = no_numbers[i % COUNT(no_numbers)]},
                    KD_ERR_FORMAT, key);
    }
    refuse_edit(&s, (edit){.act = SET, .a = "kd.updates", .b = "9007199254740992"}, KD_ERR_FORMAT,
                "kd.updates");
    refuse_edit(&s, (edit){.act = SET, .a = "kd.updates", .b = "18446744073709551615"},
                KD_ERR_FORMAT, "kd.updates");
    end(&s);
}

static void what_it_is(void **state)
{
    (void)state;
    static const struct {
        kd_status due;
        const char *words;
        edit edit;
    } rows[] = {
        {KD_ERR_FORMAT, "kd.format", {.act = SET, .a = "kd.format"}},
        {KD_ERR_VERSION, "kd.format", {.act = SET, .a = "kd.format", .b = "2"}},
        {KD_ERR_FORMAT, "kd.sort", {.act = SET, .a = "kd.sort"}},
        {KD_ERR_MISMATCH, "file of a net", {.act = SET, .a = "kd.sort", .b = "net"}},
        {KD_ERR_MISMATCH, "file of a x", {.act = SET, .a = "kd.sort", .b = "x"}},
        {KD_ERR_FORMAT, "kd.inputs", {.act = SET, .a = "kd.inputs"}},
        {KD_ERR_FORMAT, "kd.inputs", {.act = SET, .a = "kd.inputs", .b = "06"}},
        {KD_ERR_MISMATCH, "kd.inputs", {.act = SET, .a = "kd.inputs", .b = "7"}},
        {KD_ERR_FORMAT, "kd.layers", {.act = SET, .a = "kd.layers"}},
        {KD_ERR_MISMATCH, "kd.layers", {.act = SET, .a = "kd.layers", .b = ""}},
        {KD_ERR_MISMATCH, "kd.layers", {.act = SET, .a = "kd.layers", .b = "dense 4"}},
        {KD_ERR_VERSION, "kd.rng is not there", {.act = SET, .a = "kd.rng"}},
        {KD_ERR_VERSION, "kd.rng is 2", {.act = SET, .a = "kd.rng", .b = "2"}},
        {KD_ERR_VERSION, "another mapping", {.act = SET, .a = "kd.rng", .b = "0"}},
        {KD_ERR_VERSION, "kd.rng", {.act = SET, .a = "kd.rng", .b = "01"}},
        {KD_ERR_VERSION, "kd.rng", {.act = SET, .a = "kd.rng", .b = ""}},
        {KD_ERR_VERSION, "kd.future", {.act = SET, .a = "kd.future", .b = "1"}},
        {KD_ERR_VERSION, "kd.momentum", {.act = SET, .a = "kd.momentum", .b = "0x0p+0"}},
        {KD_ERR_VERSION, "kd.", {.act = SET, .a = "kd.", .b = ""}},
        {KD_ERR_CHECKSUM, "header", {.act = WRONG}},
        {KD_ERR_FORMAT, "checksum", {.act = SUMLESS}},
    };
    sample s;
    begin(&s, "unnamed parts", 4);
    for (size_t i = 0; i < COUNT(rows); i++) {
        refuse_edit(&s, rows[i].edit, rows[i].due, rows[i].words);
    }
    end(&s);
}

/* ---- micro-batches that wait ---- */

static void refuse_pending(sample *s, const char *unit, const char *weight, kd_status due,
                           const char *words)
{
    model m = model_read(&s->file);
    model_set(&m, "kd.pending_unit", unit);
    model_set(&m, "kd.pending_weight", weight);
    refuse(s, words, &m, due, words);
    model_free(&m);
}

static void half_of_what_waits(void **state)
{
    (void)state;
    sample own; /* a host adds up its gradients itself */
    begin(&own, "own loop", 4);
    refuse_pending(&own, "0x1p+0", "0x1p+0", KD_ERR_FORMAT, "kd.pending_weight");
    end(&own);
    sample waits;
    begin(&waits, "unnamed parts", 4);
    sample none;
    begin(&none, "unnamed parts", 3);
    refuse_pending(&waits, "0x0p+0", "0x1p+0", KD_ERR_FORMAT, "kd.pending_weight");
    refuse_pending(&waits, "0x1p+0", "0x0p+0", KD_ERR_FORMAT, "kd.pending_weight");
    refuse_pending(&waits, "0x1p+0", "0x1.fffffffffffffp-1", KD_ERR_FORMAT, "kd.pending_weight");
    refuse_pending(&waits, "0x0p+0", "0x0p+0", KD_ERR_MISMATCH, "24 tensors, not 18");
    refuse_pending(&none, "0x1p+0", "0x1p+0", KD_ERR_MISMATCH, "\"gradient.layers.0.weight\" is");
    refuse_edit(&waits, (edit){.act = REMOVE, .a = "gradient.layers.3.bias"}, KD_ERR_MISMATCH,
                "is missing");
    refuse_edit(&none, (edit){.act = ADD, .a = "gradient.layers.0.bias", .c = "12", .n = 12},
                KD_ERR_MISMATCH, "19 tensors");
    end(&waits);
    end(&none);
}

/* ---- tensors ---- */

static void refuse_tensor(sample *s, const char *name)
{
    static const float values[] = {NAN, INFINITY, -INFINITY};
    refuse_edit(s, (edit){.act = REMOVE, .a = name}, KD_ERR_MISMATCH, "is missing");
    refuse_edit(s, (edit){.act = RENAME, .a = name, .b = "x"}, KD_ERR_MISMATCH, "is missing");
    refuse_edit(s, (edit){.act = WRONG, .a = name}, KD_ERR_CHECKSUM, name);
    refuse_edit(s, (edit){.act = SUMLESS, .a = name}, KD_ERR_FORMAT, name);
    refuse_edit(s, (edit){.act = DECLARE, .a = name, .b = "F16", .c = "3", .n = 6}, KD_ERR_MISMATCH,
                "has elements of F16");
    refuse_edit(s, (edit){.act = DECLARE, .a = name, .c = "3,1,1", .n = 12}, KD_ERR_MISMATCH,
                "dimensions");
    refuse_edit(s, (edit){.act = DECLARE, .a = name, .c = "", .n = 4}, KD_ERR_MISMATCH,
                "dimensions");
    for (size_t i = 0; i < COUNT(values); i++) {
        refuse_edit(s, (edit){.act = PUT, .a = name, .n = 1, .value = values[i]}, KD_ERR_NOT_FINITE,
                    name);
    }
}

static void each_tensor(void **state)
{
    (void)state;
    static const char *const names[] = {"unnamed parts", "momentum"};
    for (size_t i = 0; i < COUNT(names); i++) {
        sample s;
        begin(&s, names[i], 4);
        model m = model_read(&s.file);
        for (size_t j = 0; j < m.n_tensors; j++) {
            refuse_tensor(&s, m.tensors[j].name);
        }
        model_free(&m);
        end(&s);
    }
}

static void tensors_too_many(void **state)
{
    (void)state;
    static const char *const names[] = {"momentum.layers.0.bias", "gradient.layers.0.bias",
                                        "moment3.layers.0.bias", "other"};
    sample s;
    begin(&s, "adam", 4);
    for (size_t i = 0; i < COUNT(names); i++) {
        refuse_edit(&s, (edit){.act = ADD, .a = names[i], .c = "12", .n = 12}, KD_ERR_MISMATCH,
                    "19 tensors, not 18");
    }
    refuse_edit(&s, (edit){.act = ADD, .a = "layers.1.bias", .c = "12", .n = 12}, KD_ERR_MISMATCH,
                "belongs to no layer");
    end(&s);
}

/* ---- state that no updates can lead to ---- */

static void impossible_momentum(void **state)
{
    (void)state;
    static const char words[] = "none that updates can lead to";
    static const char name[] = "momentum.layers.3.bias";
    sample s;
    begin(&s, "momentum", 4);
    refuse_edit(&s, (edit){.act = SET, .a = "kd.momentum_bound", .b = "0x0p+0"}, KD_ERR_FORMAT,
                words);
    refuse_edit(&s, (edit){.act = SET, .a = "kd.momentum_bound", .b = "0x1p-60"}, KD_ERR_FORMAT,
                words);
    refuse_edit(&s, (edit){.act = SET, .a = "kd.momentum_bound", .b = "0x1p+100"}, KD_ERR_FORMAT,
                words);
    refuse_edit(&s, (edit){.act = SET, .a = "kd.momentum_bound", .b = "0x1.fffffffffffffp+1023"},
                KD_ERR_FORMAT, words);
    refuse_edit(&s, (edit){.act = PUT, .a = name, .n = 7, .value = 1e30f}, KD_ERR_FORMAT, words);
    refuse_edit(&s, (edit){.act = PUT, .a = name, .n = 7, .value = -1e30f}, KD_ERR_FORMAT, words);
    refuse_edit(&s, (edit){.act = PUT, .a = name, .n = 0, .value = 1e3f}, KD_ERR_FORMAT, words);
    end(&s);
}

static void impossible_moments(void **state)
{
    (void)state;
    static const char words[] = "none that updates can lead to";
    static const char *const recipes_of_adam[] = {"adam", "adamw", "recorded"};
    for (size_t i = 0; i < COUNT(recipes_of_adam); i++) {
        sample s;
        begin(&s, recipes_of_adam[i], 4);
        static const float firsts[] = {1e10f, -1e10f, 3e38f};
        static const float seconds[] = {-1e-30f, -1.0f, -3e38f, -1e-45f};
        for (size_t j = 0; j < COUNT(firsts); j++) {
            refuse_edit(&s, (edit){.act = PUT, .a = "moment1.layers.0.weight", .value = firsts[j]},
                        KD_ERR_FORMAT, words);
        }
        for (size_t j = 0; j < COUNT(seconds); j++) {
            refuse_edit(&s, (edit){.act = PUT, .a = "moment2.layers.6.bias", .value = seconds[j]},
                        KD_ERR_FORMAT, words);
        }
        model m = model_read(&s.file);
        model_put(&m, "moment1.layers.6.bias", 0, 1e-10f);
        model_put(&m, "moment2.layers.6.bias", 0, 0.0f);
        refuse(&s, "a moment without its square", &m, KD_ERR_FORMAT, words);
        model_free(&m);
        end(&s);
    }
}

/* kd_load_net takes the student out of a training, and looks at the rest all the same. */
static void the_student_alone(void **state)
{
    (void)state;
    sample s;
    begin(&s, "unnamed parts", 4);
    model m = model_read(&s.file);
    for (size_t i = 0; i < m.n_tensors; i++) {
        m.tensors[i].wrong_sum = true;
        io_bytes file = model_write(&m);
        kd_reader reader = io_reader(&file);
        kd_net *net;
        kd_error e = KD_ERROR_INIT;
        kd_status status = kd_load_net(s.rig.context, NULL, &reader, &net, &e);
        support_refused(status, KD_ERR_CHECKSUM, e.text, m.tensors[i].name);
        assert_null(net);
        m.tensors[i].wrong_sum = false;
        refused++;
        io_free(&file);
    }
    model_free(&m);
    end(&s);
}

static int report(void **state)
{
    (void)state;
    print_message("%zu files refused\n", refused);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_far_it_is),      cmocka_unit_test(what_it_is),
        cmocka_unit_test(half_of_what_waits), cmocka_unit_test(each_tensor),
        cmocka_unit_test(tensors_too_many),   cmocka_unit_test(impossible_momentum),
        cmocka_unit_test(impossible_moments), cmocka_unit_test(the_student_alone),
    };
    return cmocka_run_group_tests(tests, NULL, report);
}
