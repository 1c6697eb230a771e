/* SPDX-License-Identifier: MIT */
/* Teachers that live off the host: recorded logits, callbacks; and teachers that can't be made. */
#include "../support/support.h"

#define INPUTS 5
#define K 4
#define CASES 8

static support_memory memory;
static kd_context *context;
static support_data data;

static void start(void)
{
    context = support_context(&memory);
    support_fill(&data, 8, 40, INPUTS, K);
}

static void stop(void)
{
    kd_context_destroy(context);
    support_all_returned(&memory);
}

static kd_teacher_workspace *open_workspace(kd_teacher *teacher, size_t batch)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher_workspace *ws;
    support_ok(kd_teacher_workspace_create(teacher, batch, &ws, &error), error.text);
    return ws;
}

/* ---- records ---- */

/* A thousand rows with ids all over the range, asked for in any order, from rows of any stride. */
static void records_are_found_by_id(void **state)
{
    (void)state;
    enum { N = 1000, STRIDE = K + 3 };
    static float logits[N * STRIDE];
    static uint64_t ids[N];
    uint64_t seed = 1;
    support_normals(&seed, logits, COUNT(logits), 3);
    for (size_t i = 0; i < N; i++) {
        ids[i] = support_next(&seed) >> support_below(&seed, 50) << 2;
        for (size_t j = 0; j < i; j++) {
            if (ids[j] == ids[i]) { /* once more */
                i--;
                break;
            }
        }
    }
    start();
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher;
    support_ok(kd_teacher_from_logits(context, ids, logits, N, K, STRIDE, &teacher, &error),
               error.text);
    kd_teacher_workspace *ws = open_workspace(teacher, CASES);
    for (size_t round = 0; round < 500; round++) {
        kd_batch batch = KD_BATCH_INIT; /* x is not needed */
        kd_targets targets = KD_TARGETS_INIT;
        size_t rows[CASES];
        uint64_t asked[CASES];
        for (size_t i = 0; i < CASES; i++) {
            rows[i] = support_below(&seed, N);
            asked[i] = ids[rows[i]];
        }
        batch.n = CASES;
        batch.ids = asked;
        support_ok(kd_teacher_targets(ws, &batch, 2, &targets, &error), error.text);
        for (size_t i = 0; i < CASES; i++) {
            support_same_bits("row", targets.values + i * K, logits + rows[i] * STRIDE,
                              K * sizeof *logits);
        }
        asked[round % CASES]++; /* all that are known are even */
        support_refused(kd_teacher_targets(ws, &batch, 2, &targets, &error), KD_ERR_ID, error.text,
                        "was not recorded");
    }
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(teacher);
    stop();
}

static void records_without_ids_are_refused(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher;
    kd_targets targets = KD_TARGETS_INIT;
    start();
    static const uint64_t ids[] = {UINT64_MAX, 0};
    support_ok(kd_teacher_from_logits(context, ids, data.v, 2, K, 0, &teacher, &error), error.text);
    kd_teacher_workspace *ws = open_workspace(teacher, 1);
    kd_batch batch = support_batch(&data, 0, 1);
    batch.ids = NULL;
    support_refused(kd_teacher_targets(ws, &batch, 1, &targets, &error), KD_ERR_NULL, error.text,
                    "batch.ids");
    static const uint64_t unknown[] = {77};
    batch.ids = unknown;
    support_refused(kd_teacher_targets(ws, &batch, 1, &targets, &error), KD_ERR_ID, error.text,
                    "batch.ids[0] is 77");
    batch.ids = ids;
    support_ok(kd_teacher_targets(ws, &batch, 1, &targets, &error), error.text);
    support_same_bits("first", targets.values, data.v, K * sizeof(float));
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(teacher);
    stop();
}

static void wrong_records_are_refused(void **state)
{
    (void)state;
    start();
    const struct {
        size_t n, k, stride, at; /* logits[at] becomes value, up to and with the next `count` */
        size_t count;
        float value;
        uint64_t second_id;
        kd_status status;
        const char *words;
    } cases[] = {
        {0, K, 0, 0, 0, 0, 9, KD_ERR_SIZE, "n is 0"},
        {(size_t)INT32_MAX + 1, K, 0, 0, 0, 0, 9, KD_ERR_TOO_LARGE, "n is 2147483648"},
        {SIZE_MAX, K, 0, 0, 0, 0, 9, KD_ERR_TOO_LARGE, "n is "},
        {3, 0, 0, 0, 0, 0, 9, KD_ERR_SIZE, "k is 0"},
        {3, (size_t)INT32_MAX + 1, 0, 0, 0, 0, 9, KD_ERR_TOO_LARGE, "k is 2147483648"},
        {3, K, K - 1, 0, 0, 0, 9, KD_ERR_SIZE, "stride of logits is 3"},
        {3, K, (size_t)INT32_MAX + 1, 0, 0, 0, 9, KD_ERR_TOO_LARGE, "stride of logits"},
        {3, K, 0, 6, 1, NAN, 9, KD_ERR_NOT_FINITE, "logits[1,2] is nan"},
        {3, K, 0, 11, 1, INFINITY, 9, KD_ERR_NOT_FINITE, "logits[2,3] is inf"},
        {3, K, 0, 4, 4, -INFINITY, 9, KD_ERR_SUPPORT, "row 1 of logits is -inf"},
        {3, K, 0, 0, 0, 0, 5, KD_ERR_ID, "are both 5"},
        {3, K, 0, 0, 3, -INFINITY, 9, KD_OK, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t ids[] = {5, cases[i].second_id, 1};
        float logits[3 * K];
        kd_error error = KD_ERROR_INIT;
        kd_teacher *teacher = (kd_teacher *)context;
        size_t live = memory.live;
        memcpy(logits, data.v, sizeof logits);
        for (size_t j = 0; j < cases[i].count; j++) {
            logits[cases[i].at + j] = cases[i].value;
        }
        support_refused(kd_teacher_from_logits(context, ids, logits, cases[i].n, cases[i].k,
                                               cases[i].stride, &teacher, &error),
                        cases[i].status, error.text, cases[i].words);
        assert_int_equal(teacher == NULL, cases[i].status != KD_OK);
        kd_teacher_destroy(teacher);
        assert_int_equal(memory.live, live);
    }
    stop();
}

/* ---- callbacks ---- */

typedef struct host {
    int32_t answer;
    float temperature;
    size_t n;
    const kd_batch *batch;
    kd_teacher_workspace *reenter; /* asked from within */
    kd_status reentered;
    char words[240];
} host;

static int32_t answer(void *user, const kd_batch *batch, float temperature, float *out)
{
    host *h = user;
    h->temperature = temperature;
    h->n = batch->n;
    assert_ptr_equal(batch->x, h->batch->x);
    assert_ptr_equal(batch->ids, h->batch->ids);
    assert_ptr_equal(batch->labels, h->batch->labels);
    assert_int_equal(batch->epoch, h->batch->epoch);
    memcpy(out, data.v, batch->n * K * sizeof *out);
    kd_teacher_workspace *ws = h->reenter;
    h->reenter = NULL; /* once */
    if (ws) {
        kd_targets targets = KD_TARGETS_INIT;
        kd_error error = KD_ERROR_INIT;
        h->reentered = kd_teacher_targets(ws, batch, temperature, &targets, &error);
        memcpy(h->words, error.text, sizeof h->words);
    }
    return h->answer;
}

static kd_teacher *from_callback(host *h)
{
    kd_error error = KD_ERROR_INIT;
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    kd_teacher *teacher;
    o.k = K;
    o.fn = answer;
    o.user = h;
    support_ok(kd_teacher_from_callback(context, &o, &teacher, &error), error.text);
    return teacher;
}

/* A callback sees the host's batch; what it returns but 0 is passed on; it can't ask itself. */
static void callbacks_see_stop_and_do_not_reenter(void **state)
{
    (void)state;
    static const int32_t stops[] = {1, -1, 77, INT32_MIN};
    host h = {0, 0, 0, NULL, NULL, 0, ""};
    start();
    kd_batch batch = support_batch(&data, 3, CASES);
    batch.epoch = 12;
    h.batch = &batch;
    kd_teacher *alone = from_callback(&h), *pair[] = {alone, alone}, *both;
    kd_error error = KD_ERROR_INIT;
    support_ok(kd_teacher_from_ensemble(pair, 2, NULL, KD_MEAN_GEOMETRIC, &both, &error),
               error.text);
    kd_teacher *teachers[] = {alone, both};
    for (size_t i = 0; i < COUNT(teachers); i++) {
        kd_teacher_workspace *ws = open_workspace(teachers[i], CASES);
        kd_teacher_workspace *other = open_workspace(teachers[i], CASES);
        kd_targets targets = KD_TARGETS_INIT;
        support_ok(kd_teacher_targets(ws, &batch, 7, &targets, &error), error.text);
        assert_true(h.temperature == 7 && h.n == CASES);
        support_near_row("values", targets.values, data.v, CASES * K, 0, 0);
        for (size_t s = 0; s < COUNT(stops); s++) {
            h.answer = stops[s];
            support_refused(kd_teacher_targets(ws, &batch, 7, &targets, &error), KD_ERR_CALLBACK,
                            error.text, s == 2 ? "returned 77" : "returned");
        }
        h.answer = 0;
        h.reenter = ws;
        support_ok(kd_teacher_targets(ws, &batch, 7, &targets, &error), error.text);
        support_refused(h.reentered, KD_ERR_BUSY, h.words, "asked already");
        h.reenter = other; /* another handle may be used from within */
        support_ok(kd_teacher_targets(ws, &batch, 7, &targets, &error), error.text);
        support_ok(h.reentered, h.words);
        kd_teacher_workspace_destroy(other);
        kd_teacher_workspace_destroy(ws);
    }
    kd_teacher_destroy(both);
    kd_teacher_destroy(alone);
    stop();
}

static void wrong_callbacks_are_refused(void **state)
{
    (void)state;
    start();
    const struct {
        size_t size, k;
        kd_target_kind kind;
        float t0;
        kd_teacher_fn fn;
        kd_status status;
        const char *words;
    } cases[] = {
        {sizeof(kd_callback_options), 0, 0, 0, answer, KD_ERR_SIZE, "options.k is 0"},
        {sizeof(kd_callback_options), SIZE_MAX, 0, 0, answer, KD_ERR_TOO_LARGE, "options.k is"},
        {sizeof(kd_callback_options), K, 4, 0, answer, KD_ERR_KIND, "options.kind is 4"},
        {sizeof(kd_callback_options), K, -1, 0, answer, KD_ERR_KIND, "options.kind is -1"},
        {sizeof(kd_callback_options), K, 0, 0, NULL, KD_ERR_NULL, "options.fn"},
        {sizeof(kd_callback_options), K, 3, 0, answer, KD_ERR_TEMPERATURE, "temperature is 0"},
        {sizeof(kd_callback_options), K, 3, NAN, answer, KD_ERR_TEMPERATURE, "temperature is nan"},
        {sizeof(kd_callback_options), K, 2, -1, answer, KD_ERR_TEMPERATURE, "temperature is -1"},
        {sizeof(kd_callback_options), K, 2, INFINITY, answer, KD_ERR_TEMPERATURE, "is inf"},
        {4, K, 0, 0, answer, KD_ERR_STRUCT, "options.struct_size is 4"},
        {sizeof(kd_callback_options), K, 1, -1, answer, KD_OK, ""}, /* logits have none */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
        o.struct_size = cases[i].size;
        o.k = cases[i].k;
        o.kind = cases[i].kind;
        o.temperature = cases[i].t0;
        o.fn = cases[i].fn;
        kd_error error = KD_ERROR_INIT;
        kd_teacher *teacher = (kd_teacher *)context;
        support_refused(kd_teacher_from_callback(context, &o, &teacher, &error), cases[i].status,
                        error.text, cases[i].words);
        assert_int_equal(teacher == NULL, cases[i].status != KD_OK);
        kd_teacher_destroy(teacher);
    }
    stop();
}

/* ---- ensembles that can't be ---- */

static void wrong_ensembles_are_refused(void **state)
{
    (void)state;
    start();
    host h = {0, 0, 0, NULL, NULL, 0, ""};
    kd_error error = KD_ERROR_INIT;
    kd_teacher *narrow, *wide, *probable, *teacher;
    kd_net *nets[] = {support_net(context, "5: 4", 1), support_net(context, "6: 4", 1)};
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    o.k = K;
    o.kind = KD_TARGET_PROBABILITIES;
    o.fn = answer;
    o.user = &h;
    support_ok(kd_teacher_from_net(nets[0], &narrow, &error), error.text);
    support_ok(kd_teacher_from_net(nets[1], &wide, &error), error.text);
    support_ok(kd_teacher_from_callback(context, &o, &probable, &error), error.text);
    o.k = K + 1;
    kd_teacher *more;
    support_ok(kd_teacher_from_callback(context, &o, &more, &error), error.text);
    const struct {
        kd_teacher *members[3];
        size_t m;
        float weights[2];
        kd_mean_kind kind;
        kd_status status;
        const char *words;
    } cases[] = {
        {{narrow, narrow}, 0, {1, 1}, 1, KD_ERR_SIZE, "m is 0"},
        {{narrow, narrow}, 257, {1, 1}, 1, KD_ERR_TOO_LARGE, "m is 257"},
        {{narrow, narrow}, SIZE_MAX, {1, 1}, 1, KD_ERR_TOO_LARGE, "m is "},
        {{narrow, narrow}, 2, {1, -1}, 1, KD_ERR_WEIGHT, "weights[1] is -1"},
        {{narrow, narrow}, 2, {NAN, 1}, 2, KD_ERR_WEIGHT, "weights[0] is nan"},
        {{narrow, narrow}, 2, {1, INFINITY}, 2, KD_ERR_WEIGHT, "weights[1] is inf"},
        {{narrow, narrow}, 2, {0, 0}, 2, KD_ERR_WEIGHT, "all 2 weights are 0"},
        {{narrow, narrow}, 2, {1, 1}, 0, KD_ERR_KIND, "kind is 0"},
        {{narrow, narrow}, 2, {1, 1}, 3, KD_ERR_KIND, "kind is 3"},
        {{narrow, NULL}, 2, {1, 1}, 1, KD_ERR_NULL, "members[1]"},
        {{NULL, narrow}, 2, {1, 1}, 1, KD_ERR_NULL, "members[0]"},
        {{narrow, more}, 2, {1, 1}, 1, KD_ERR_SHAPE, "members[1] has 5 classes"},
        {{wide, probable, narrow}, 3, {1, 1}, 1, KD_ERR_SHAPE, "members[2] takes 5 inputs"},
        {{narrow, probable}, 2, {1, 1}, 2, KD_ERR_KIND, "members[1] gives probabilities"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const float *w = cases[i].m == 3 ? NULL : cases[i].weights;
        size_t live = memory.live;
        teacher = narrow;
        support_refused(kd_teacher_from_ensemble(cases[i].members, cases[i].m, w, cases[i].kind,
                                                 &teacher, &error),
                        cases[i].status, error.text, cases[i].words);
        assert_null(teacher);
        assert_int_equal(memory.live, live);
    }
    kd_teacher *all[] = {narrow, wide, probable, more};
    for (size_t i = 0; i < COUNT(all); i++) {
        kd_teacher_destroy(all[i]);
    }
    kd_net_destroy(nets[0]);
    kd_net_destroy(nets[1]);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_found_by_id),
        cmocka_unit_test(records_without_ids_are_refused),
        cmocka_unit_test(wrong_records_are_refused),
        cmocka_unit_test(callbacks_see_stop_and_do_not_reenter),
        cmocka_unit_test(wrong_callbacks_are_refused),
        cmocka_unit_test(wrong_ensembles_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
