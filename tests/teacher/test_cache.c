/* SPDX-License-Identifier: MIT */
/* Recordings: every form comes back as it went in, also after interruptions, and teaches. */
#include "recording.h"

#include <stdlib.h>

#define N 37

/* ---- what comes back ---- */

static void every_form_comes_back(void **state)
{
    (void)state;
    recording_begin();
    for (size_t f = 0; f < RECORDING_FORMS; f++) {
        const recording_form *form = &recording_forms[f];
        recording_data data = recording_fill(form, f, N);
        recording_make(form, &data);
        recording_check(form, &data, 0, N);
        recording_check(form, &data, 5, 1);
        kd_cache_info info = recording_verify();
        assert_int_equal(info.k, form->k);
        assert_int_equal(info.encoding, form->encoding);
        assert_int_equal(info.kind, form->kind);
        assert_int_equal(info.top, form->top);
        assert_true(info.temperature == form->temperature);
        assert_int_equal(info.finished, 1);
        assert_int_equal(info.teacher_hash, 0x1122334455667788);
        assert_int_equal(info.data_hash, 0x99aabbccddeeff00);
        assert_int_equal(info.cases, N);
        assert_int_equal(info.case_bytes, form->bytes);
        assert_int_equal(info.torn_bytes, 0);
        size_t size;
        free(recording_get(&size));
        assert_int_equal(size, HEADER + N * form->bytes + SEAL);
        recording_drop(&data);
    }
    recording_end();
}

/* Byte for byte, so that files of today are read tomorrow, and on other machines. */
static void the_bytes_of_a_file(void **state)
{
    (void)state;
    static const recording_form form = {"golden", KD_CACHE_TOPK, KD_TARGET_LOGITS, 4, 2, 2, 28};
    static const float values[8] = {1, 5, 3, 1, -2, -2, -2, -10};
    static const uint64_t ids[2] = {0x0102030405060708, 9};
    unsigned char due[HEADER + 2 * 28 + SEAL] = "KDCACHE\n";
    recording_store(due + 8, 4, 1);
    recording_store(due + 12, 4, HEADER);
    recording_store(due + 16, 4, 3);
    recording_store(due + 20, 4, 1);
    recording_store(due + 24, 8, 4);
    recording_store(due + 32, 8, 2);
    recording_store_float(due + 40, 2);
    recording_store(due + 48, 8, 0x1122334455667788);
    recording_store(due + 56, 8, 0x99aabbccddeeff00);
    recording_fix_header(due);
    unsigned char *at = due + HEADER;
    recording_store(at, 8, ids[0]);
    recording_store_float(at + 8, 5);
    recording_store_float(at + 12, (float)(log(2) - 2)); /* ln(2 exp(1/2)) - 5/2 */
    recording_store(at + 16, 4, 0x00020001);
    recording_store(at + 20, 4, 0xC0000000); /* halves 0 and -2 */
    recording_fix_case(at, 28);
    at += 28;
    recording_store(at, 8, ids[1]);
    recording_store_float(at + 8, -2);
    recording_store_float(at + 12, (float)log1p(exp(-4)));
    recording_store(at + 16, 4, 0x00010000); /* of equal ones the first */
    recording_fix_case(at, 28);
    at += 28;
    memcpy(at, "KDSEAL\r\n", 8);
    recording_store(at + 8, 8, 2);
    recording_fix_seal(due, sizeof due, 28);
    recording_begin();
    kd_cache *cache = recording_open(&form);
    kd_targets t = KD_TARGETS_INIT;
    t.kind = KD_TARGET_LOGITS;
    t.values = values;
    support_ok(kd_cache_append(cache, ids, &t, 2), kd_cache_error(cache));
    recording_finish(cache);
    recording_is("golden", due, sizeof due);
    recording_end();
}

/* Rows with a stride, and calls of any size, make the same file. */
static void pieces_and_strides(void **state)
{
    (void)state;
    recording_begin();
    for (size_t f = 0; f < RECORDING_FORMS; f++) {
        const recording_form *form = &recording_forms[f];
        recording_data data = recording_fill(form, f, N);
        size_t width = form->kind == KD_TARGET_TOPK ? form->top : form->k;
        float *wide = calloc(N * (width + 3), sizeof *wide);
        size_t size;
        recording_make(form, &data);
        unsigned char *due = recording_get(&size);
        recording_remove();
        kd_cache *cache = recording_open(form);
        for (size_t i = 0; i < N; i++) {
            memcpy(wide + i * (width + 3), data.values + i * width, width * sizeof *wide);
        }
        for (size_t begin = 0, n = 1; begin < N; begin += n, n = n % 7 + 1) {
            n = n < N - begin ? n : N - begin;
            kd_targets t = recording_rows(&data, begin);
            t.values = wide + begin * (width + 3);
            t.stride = width + 3;
            t.k = begin % 2 ? form->k : 0;
            support_ok(kd_cache_append(cache, data.ids + begin, &t, n), kd_cache_error(cache));
            assert_int_equal(recording_info(cache).cases, begin + n);
        }
        recording_finish(cache);
        recording_is(form->name, due, size);
        free(due);
        free(wide);
        recording_drop(&data);
    }
    recording_end();
}

/* ---- the top, and the tail ---- */

static void the_largest_of_many(void **state)
{
    (void)state;
    recording_begin();
    uint64_t seed = 3;
    for (size_t round = 0; round < 60; round++) {
        size_t k = 1 + support_below(&seed, 300);
        recording_form form = {"many", KD_CACHE_TOPK, KD_TARGET_LOGITS, k, 0, 3, 0};
        form.top = 1 + support_below(&seed, k < 8 ? k : 8);
        recording_data data = recording_fill(&form, round, 16);
        for (size_t i = 0; round % 2 && i < 16 * k; i++) {
            data.values[i] = roundf(data.values[i]); /* many equal ones */
        }
        if (round % 3 == 0) { /* in order, one way or the other */
            for (size_t i = 0; i < 16 * k; i++) {
                data.values[i] = (float)(i % k) * (round % 2 ? 0.1f : -0.1f);
            }
        }
        recording_make(&form, &data);
        recording_check(&form, &data, 0, 16);
        recording_drop(&data);
    }
    recording_end();
}

/* The rest may be far below, or nothing: its sum of exponentials is no number, its logarithm is. */
static void tails_that_are_faint(void **state)
{
    (void)state;
    static const recording_form form = {"faint", KD_CACHE_TOPK, KD_TARGET_LOGITS, 4, 1, 0.5f, 24};
    static const float values[12] = {0,         -3000,     -3000, -INFINITY, -INFINITY, 7,
                                     -INFINITY, -INFINITY, 60000, 59999,     100,       100};
    static const uint64_t ids[3] = {1, 2, 3};
    static const double due[3] = {-6000 + 0.6931471805599453, (double)-INFINITY, 119998};
    recording_begin();
    kd_cache *cache = recording_open(&form);
    kd_targets t = KD_TARGETS_INIT;
    t.kind = KD_TARGET_LOGITS;
    t.values = values;
    support_ok(kd_cache_append(cache, ids, &t, 3), kd_cache_error(cache));
    recording_finish(cache);
    kd_teacher *teacher = recording_teacher();
    kd_teacher_workspace *ws;
    kd_batch batch = KD_BATCH_INIT;
    kd_targets got = KD_TARGETS_INIT;
    assert_int_equal(kd_teacher_workspace_create(teacher, 3, &ws, NULL), KD_OK);
    batch.n = 3;
    batch.ids = ids;
    assert_int_equal(kd_teacher_targets(ws, &batch, 0.5f, &got, NULL), KD_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_true(got.tail[i] == (float)due[i] || fabs((double)got.tail[i] / due[i] - 1) < 1e-6);
    }
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(teacher);
    recording_end();
}

/* ---- going on ---- */

/* Closed and opened again anywhere, finished or not, with more to come: the same file. */
static void opened_again_and_again(void **state)
{
    (void)state;
    recording_begin();
    for (size_t f = 0; f < RECORDING_FORMS; f++) {
        const recording_form *form = &recording_forms[f];
        recording_data data = recording_fill(form, f, N);
        size_t size;
        recording_make(form, &data);
        unsigned char *due = recording_get(&size);
        recording_remove();
        for (size_t begin = 0; begin < N; begin += 4) {
            size_t n = N - begin < 4 ? N - begin : 4;
            kd_cache *cache = recording_open(form);
            kd_cache_info info = recording_info(cache);
            assert_int_equal(info.cases, begin);
            assert_int_equal(info.finished, begin > 0 && begin % 8 == 0);
            recording_append(cache, &data, begin, n);
            assert_int_equal(recording_info(cache).finished, 0);
            kd_targets again = recording_rows(&data, begin);
            support_refused(kd_cache_append(cache, data.ids + begin, &again, n), KD_ERR_ID,
                            kd_cache_error(cache), "ids[0]");
            if (begin % 8 == 4 || begin + n == N) {
                recording_finish(cache);
                recording_check(form, &data, 0, begin + n);
            } else {
                kd_cache_destroy(cache);
            }
        }
        recording_is(form->name, due, size);
        kd_cache_destroy(recording_open(form)); /* nothing appended: nothing changed */
        recording_finish(recording_open(form));
        recording_is(form->name, due, size);
        free(due);
        recording_drop(&data);
    }
    recording_end();
}

/* Thousands of ids, 0 among them, and each of them is known again. */
static void many_ids(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    static const recording_form form = {"many", KD_CACHE_F32, KD_TARGET_LOGITS, 1, 0, 0, 16};
    static float values[MANY];
    static uint64_t ids[MANY];
    kd_targets t = KD_TARGETS_INIT;
    recording_begin();
    for (size_t i = 0; i < MANY; i++) {
        ids[i] = (uint64_t)(i * 3) << (i % 2 ? 40 : 0);
        values[i] = (float)i;
    }
    t.kind = KD_TARGET_LOGITS;
    t.values = values;
    kd_cache *cache = recording_open(&form);
    support_ok(kd_cache_append(cache, ids, &t, MANY / 2), kd_cache_error(cache));
    for (size_t i = MANY / 2; i < MANY; i++) {
        t.values = values + i;
        support_ok(kd_cache_append(cache, ids + i, &t, 1), kd_cache_error(cache));
    }
    for (size_t i = 0; i < MANY; i += 7) {
        assert_int_equal(kd_cache_append(cache, ids + i, &t, 1), KD_ERR_ID);
    }
    assert_int_equal(recording_info(cache).cases, MANY);
    recording_finish(cache);
    cache = recording_open(&form);
    for (size_t i = 0; i < MANY; i += 7) {
        assert_int_equal(kd_cache_append(cache, ids + i, &t, 1), KD_ERR_ID);
    }
    size_t bytes = atomic_load(&recording_memory.bytes);
    assert_true(bytes <= 32 * MANY + 4096);
    kd_cache_destroy(cache);
    bytes = atomic_load(&recording_memory.bytes);
    kd_teacher *teacher = recording_teacher();
    assert_true(atomic_load(&recording_memory.bytes) - bytes <= 16 * MANY + 1024);
    kd_teacher_destroy(teacher);
    recording_end();
}

/* An id twice in one call: nothing of it stays, and the ids before it are free again. */
static void an_id_twice_in_a_call(void **state)
{
    (void)state;
    const recording_form *form = &recording_forms[0];
    recording_data data = recording_fill(form, 4, 20);
    uint64_t ids[20];
    size_t size;
    recording_begin();
    recording_make(form, &data);
    unsigned char *due = recording_get(&size);
    recording_remove();
    kd_cache *cache = recording_open(form);
    kd_targets t = recording_rows(&data, 0);
    for (size_t twin = 1; twin < 20; twin++) {
        memcpy(ids, data.ids, sizeof ids);
        ids[twin] = ids[twin / 2];
        support_refused(kd_cache_append(cache, ids, &t, 20), KD_ERR_ID, kd_cache_error(cache),
                        "recorded before");
    }
    assert_int_equal(recording_info(cache).cases, 0);
    recording_append(cache, &data, 0, 20);
    recording_finish(cache);
    recording_is("after refusals", due, size);
    free(due);
    recording_drop(&data);
    recording_end();
}

/* ---- teaching ---- */

/* Trains on a net, or on its recording: the same weights, bit for bit. */
static uint64_t train(kd_teacher *teacher, const support_data *data)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.temperature = 4;
    o.soft_weight = 1;
    o.hard_weight = 0.3f;
    o.batch = 16;
    kd_optimizer_options sgd = KD_OPTIMIZER_OPTIONS_INIT;
    sgd.kind = KD_SGD;
    sgd.rate = 0.05f;
    sgd.momentum = 0.9f;
    o.optimizer = &sgd;
    kd_net *student = support_net(recording_context, "6: 8 relu drop0.25 4", 5);
    kd_distiller *distiller = support_distiller(student, teacher, &o);
    for (uint32_t epoch = 0; epoch < 5; epoch++) {
        for (size_t begin = 0; begin < data->n; begin += 16) {
            kd_batch batch = support_batch(data, begin, 16);
            batch.epoch = epoch;
            (void)support_step(distiller, &batch);
        }
    }
    uint64_t hash = support_hash(student);
    kd_distiller_destroy(distiller);
    kd_net_destroy(student);
    return hash;
}

static void students_of_both_are_equal(void **state)
{
    (void)state;
    static const recording_form form = {"net", KD_CACHE_F32, KD_TARGET_LOGITS, 4, 0, 0, 28};
    static support_data data;
    recording_begin();
    support_fill(&data, 6, 64, 6, 4);
    kd_net *net = support_net(recording_context, "6: 12 relu drop0.5 4", 9);
    kd_teacher *live = support_teacher(net);
    kd_cache *cache = recording_open(&form);
    kd_teacher_workspace *ws;
    assert_int_equal(kd_teacher_workspace_create(live, 16, &ws, NULL), KD_OK);
    for (size_t begin = 0; begin < data.n; begin += 16) {
        kd_batch batch = support_batch(&data, begin, 16);
        kd_targets targets = KD_TARGETS_INIT;
        assert_int_equal(kd_teacher_targets(ws, &batch, 4, &targets, NULL), KD_OK);
        support_ok(kd_cache_append(cache, batch.ids, &targets, 16), kd_cache_error(cache));
    }
    recording_finish(cache);
    kd_teacher_workspace_destroy(ws);
    kd_teacher *recorded = recording_teacher();
    assert_true(train(live, &data) == train(recorded, &data));
    kd_teacher_destroy(recorded);
    kd_teacher_destroy(live);
    kd_net_destroy(net);
    recording_end();
}

/* After the first call asking takes no memory, whatever the form. */
static void asking_allocates_nothing(void **state)
{
    (void)state;
    recording_begin();
    for (size_t f = 0; f < RECORDING_FORMS; f++) {
        recording_data data = recording_fill(&recording_forms[f], f, N);
        kd_targets got = KD_TARGETS_INIT;
        kd_batch batch = KD_BATCH_INIT;
        kd_teacher_workspace *ws;
        recording_make(&recording_forms[f], &data);
        kd_teacher *teacher = recording_teacher();
        assert_int_equal(kd_teacher_workspace_create(teacher, 8, &ws, NULL), KD_OK);
        kd_teacher_destroy(teacher); /* the workspace keeps it */
        size_t calls = atomic_load(&recording_memory.calls);
        for (size_t i = 0; i + 8 <= N; i++) {
            batch.n = 8;
            batch.ids = data.ids + i;
            assert_int_equal(kd_teacher_targets(ws, &batch, 1, &got, NULL), KD_OK);
        }
        assert_int_equal(atomic_load(&recording_memory.calls), calls);
        kd_teacher_workspace_destroy(ws);
        recording_drop(&data);
    }
    recording_end();
}

/* One member is handed through, classes and tail too; there is no mean of several. */
static void in_an_ensemble(void **state)
{
    (void)state;
    recording_begin();
    for (size_t f = 0; f < RECORDING_FORMS; f++) {
        const recording_form *form = &recording_forms[f];
        recording_data data = recording_fill(form, f, N);
        recording_make(form, &data);
        kd_teacher *member = recording_teacher();
        kd_teacher *members[2] = {member, member};
        kd_teacher *one, *two;
        kd_error error = KD_ERROR_INIT;
        kd_teacher_workspace *ws;
        kd_batch batch = KD_BATCH_INIT;
        kd_targets got = KD_TARGETS_INIT;
        bool topk = form->encoding == KD_CACHE_TOPK;
        support_ok(kd_teacher_from_ensemble(members, 1, NULL, KD_MEAN_ARITHMETIC, &one, &error),
                   error.text);
        kd_status status =
            kd_teacher_from_ensemble(members, 2, NULL, KD_MEAN_ARITHMETIC, &two, &error);
        assert_int_equal(status, topk ? KD_ERR_KIND : KD_OK);
        assert_true(!topk || strstr(error.text, "top"));
        batch.n = 1;
        batch.ids = data.ids;
        assert_int_equal(kd_teacher_workspace_create(one, 4, &ws, NULL), KD_OK);
        assert_int_equal(kd_teacher_targets(ws, &batch, 1, &got, NULL), KD_OK);
        assert_int_equal(got.kind, topk ? KD_TARGET_TOPK : form->kind);
        assert_true(!topk == !got.topk_index && !topk == !got.tail);
        kd_teacher_workspace_destroy(ws);
        kd_teacher_destroy(one);
        kd_teacher_destroy(two);
        kd_teacher_destroy(member);
        recording_drop(&data);
    }
    recording_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_comes_back),
        cmocka_unit_test(the_bytes_of_a_file),
        cmocka_unit_test(pieces_and_strides),
        cmocka_unit_test(the_largest_of_many),
        cmocka_unit_test(tails_that_are_faint),
        cmocka_unit_test(opened_again_and_again),
        cmocka_unit_test(many_ids),
        cmocka_unit_test(an_id_twice_in_a_call),
        cmocka_unit_test(students_of_both_are_equal),
        cmocka_unit_test(asking_allocates_nothing),
        cmocka_unit_test(in_an_ensemble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
