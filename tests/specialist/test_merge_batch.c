/* SPDX-License-Identifier: MIT */
/*
 * kd_merge of many cases: each by itself, with the same bits on any threads, in any batch, in rows
 * of any stride, in place; no allocation; and every call that is refused, with its words.
 */
#include "../support/support.h"

#define N 150
#define K 12
#define M 5
#define WIDE (K + 3)

typedef struct world {
    support_memory memory;
    kd_context *context;
    kd_specialist *specialists[M];
    size_t outputs[M];
    float generalist[N * K];
    float answers[M][N * K];
    const float *pointers[M];
    double scratch[8 * (K + M) * (M + 5)];
    kd_merge_options options;
    kd_merge_in in;
} world;

static world w;

static void soften(float *values, size_t k)
{
    support_ok(kd_softmax(values, N, k, 0, 1, values, 0, NULL), "kd_softmax");
}

static int begin(void **state)
{
    (void)state;
    static const uint32_t classes[M][6] = {
        {7, 0, 1, 2}, {2, 3, 4}, {11, 5, 4, 3, 2, 1}, {6, 5, 0}, {7}};
    static const size_t sizes[M] = {4, 3, 6, 3, 1};
    kd_error e = KD_ERROR_INIT;
    uint64_t seed = 21;
    w.context = support_context(&w.memory);
    support_normals(&seed, w.generalist, N * K, 3);
    soften(w.generalist, K);
    for (size_t m = 0; m < M; m++) {
        kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
        o.classes = classes[m];
        o.n_classes = sizes[m];
        o.k = K;
        support_ok(kd_specialist_create(w.context, &o, &w.specialists[m], &e), e.text);
        w.outputs[m] = sizes[m] + 1;
        support_normals(&seed, w.answers[m], N * w.outputs[m], 3);
        soften(w.answers[m], w.outputs[m]);
        w.pointers[m] = w.answers[m];
    }
    const kd_merge_options options = KD_MERGE_OPTIONS_INIT;
    const kd_merge_in in = KD_MERGE_IN_INIT;
    w.options = options;
    w.options.best = 2;
    w.in = in;
    w.in.n = N;
    w.in.k = K;
    w.in.generalist = w.generalist;
    w.in.m = M;
    w.in.specialists = (const kd_specialist *const *)w.specialists;
    w.in.answers = w.pointers;
    w.in.scratch = w.scratch;
    w.in.scratch_doubles = COUNT(w.scratch);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t m = 0; m < M; m++) {
        kd_specialist_destroy(w.specialists[m]);
    }
    kd_context_destroy(w.context);
    support_all_returned(&w.memory);
    return 0;
}

typedef struct answer {
    float q[N * K];
    uint32_t active[N], steps[N];
    double objectives[N];
} answer;

static answer merge(const kd_merge_in *in)
{
    static answer a;
    kd_error e = KD_ERROR_INIT;
    kd_merge_out out = KD_MERGE_OUT_INIT;
    memset(&a, 0, sizeof a);
    out.q = a.q;
    out.active = a.active;
    out.steps = a.steps;
    out.objectives = a.objectives;
    support_ok(kd_merge(&w.options, in, &out, &e), e.text);
    return a;
}

static const kd_merge_kind kinds[] = {KD_MERGE_FIXED_POINT, KD_MERGE_DESCENT};

/* ---- the same bits ---- */

/* With scratch that is just enough; what lies behind it stays. */
static void on_any_threads(void **state)
{
    (void)state;
    static answer want[2];
    for (size_t i = 0; i < COUNT(kinds); i++) {
        w.options.kind = kinds[i];
        want[i] = merge(&w.in);
    }
    for (int32_t threads = 1; threads <= 8; threads++) {
        support_memory memory;
        kd_merge_in in = w.in;
        in.context = support_context_of(&memory, threads);
        in.scratch_doubles = (size_t)threads * (K + M) * (M + 5);
        for (size_t i = in.scratch_doubles; i < COUNT(w.scratch); i++) {
            w.scratch[i] = -9;
        }
        for (size_t again = 0; again < 40; again++) {
            w.options.kind = kinds[again % 2];
            answer got = merge(&in);
            support_same_bits("threads", &got, &want[again % 2], sizeof got);
        }
        for (size_t i = in.scratch_doubles; i < COUNT(w.scratch); i++) {
            assert_true(w.scratch[i] == -9);
        }
        kd_context_destroy(in.context);
    }
    w.options.kind = KD_MERGE_DESCENT;
    size_t most = 0, some = 0;
    for (size_t i = 0; i < N; i++) {
        most = want[0].active[i] > most ? want[0].active[i] : most;
        some += want[0].active[i] > 0;
    }
    assert_true(most >= 3 && some < N && some > N / 2);
}

static void in_any_batches(void **state)
{
    (void)state;
    static answer want;
    want = merge(&w.in);
    for (size_t size = 1; size < N; size += 1 + size / 2) {
        for (size_t at = 0; at < N; at += size) {
            kd_merge_in in = w.in;
            const float *pointers[M];
            for (size_t m = 0; m < M; m++) {
                pointers[m] = w.answers[m] + at * w.outputs[m];
            }
            in.n = at + size < N ? size : N - at;
            in.generalist += at * K;
            in.answers = pointers;
            answer got = merge(&in);
            support_same_bits("q", got.q, want.q + at * K, in.n * K * sizeof *got.q);
            support_same_bits("E", got.objectives, want.objectives + at, in.n * sizeof(double));
            support_same_bits("steps", got.steps, want.steps + at, in.n * sizeof(uint32_t));
        }
    }
}

static void with_strides_and_in_place(void **state)
{
    (void)state;
    static answer want;
    static float wide[N * WIDE], out_wide[N * (K + 1)];
    want = merge(&w.in);
    for (size_t i = 0; i < N * WIDE; i++) {
        wide[i] = i % WIDE < K ? w.generalist[i / WIDE * K + i % WIDE] : -7;
    }
    kd_merge_in in = w.in;
    kd_merge_out out = KD_MERGE_OUT_INIT;
    in.generalist = wide;
    in.stride = WIDE;
    out.q = out_wide;
    out.stride = K + 1;
    for (size_t i = 0; i < COUNT(out_wide); i++) {
        out_wide[i] = -8;
    }
    support_ok(kd_merge(&w.options, &in, &out, NULL), "apart");
    for (size_t i = 0; i < N; i++) {
        support_same_bits("apart", out_wide + i * (K + 1), want.q + i * K, K * sizeof *want.q);
        assert_true(out_wide[i * (K + 1) + K] == -8);
    }
    out.q = wide;
    out.stride = WIDE;
    support_ok(kd_merge(&w.options, &in, &out, NULL), "in place");
    for (size_t i = 0; i < N; i++) {
        support_same_bits("in place", wide + i * WIDE, want.q + i * K, K * sizeof *want.q);
        assert_true(wide[i * WIDE + K] == -7);
    }
}

/* Rows of specialists that are not active may hold anything. */
static void idle_answers_are_not_read(void **state)
{
    (void)state;
    static float rubbish[M][N * K];
    static answer want;
    kd_merge_in in = w.in;
    const float *pointers[M];
    want = merge(&w.in);
    memcpy(rubbish, w.answers, sizeof rubbish);
    for (size_t i = 0; i < N; i++) {
        uint32_t active = 0;
        for (size_t m = 0; m < M; m++) { /* a specialist alone: is it active? */
            kd_merge_in one = w.in;
            const float *row = w.answers[m] + i * w.outputs[m];
            one.n = one.m = 1;
            one.generalist += i * K;
            one.specialists += m;
            one.answers = &row;
            if (merge(&one).active[0] == 0) {
                memset(rubbish[m] + i * w.outputs[m], 0xff, w.outputs[m] * sizeof(float));
            } else {
                active++;
            }
        }
        assert_int_equal(active, want.active[i]);
    }
    for (size_t m = 0; m < M; m++) {
        pointers[m] = rubbish[m];
    }
    in.answers = pointers;
    answer got = merge(&in);
    support_same_bits("with rubbish", &got, &want, sizeof want);
}

static void nothing_is_allocated(void **state)
{
    (void)state;
    support_memory memory;
    kd_merge_in in = w.in;
    in.context = support_context_of(&memory, 2);
    (void)merge(&in);
    size_t calls = atomic_load(&memory.calls);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        w.options.kind = kinds[i];
        (void)merge(&in);
    }
    w.options.kind = KD_MERGE_DESCENT;
    assert_int_equal(atomic_load(&memory.calls), calls);
    kd_context_destroy(in.context);
}

/* The number of steps counts, and an answer is the same whoever else is in the list. */
static void idle_specialists_change_nothing(void **state)
{
    (void)state;
    static answer want;
    kd_merge_in in = w.in;
    want = merge(&w.in);
    for (size_t m = 0; m < M; m++) {
        const kd_specialist *others[M];
        const float *pointers[M];
        size_t left = 0;
        for (size_t i = 0; i < M; i++) {
            if (i != m) {
                others[left] = w.specialists[i];
                pointers[left++] = w.answers[i];
            }
        }
        in.specialists = others;
        in.answers = pointers;
        in.m = M - 1;
        answer got = merge(&in);
        for (size_t i = 0; i < N; i++) {
            if (got.active[i] == want.active[i]) {
                support_same_bits("q", got.q + i * K, want.q + i * K, K * sizeof *got.q);
            }
        }
    }
}

static void nobody_but_the_generalist(void **state)
{
    (void)state;
    kd_merge_in in = w.in;
    in.m = 0;
    in.specialists = NULL;
    in.answers = NULL;
    answer got = merge(&in);
    support_same_bits("q", got.q, w.generalist, sizeof got.q);
}

/* As many as there may be, all of them active; each of the five is there about fifty times. */
static void as_many_specialists_as_there_may_be(void **state)
{
    (void)state;
    enum { MOST = KD_MAX_MEMBERS, FEW = 4, ROOM = (K + MOST) * (MOST + 5) };
    static double scratch[ROOM + 1];
    static answer got[2];
    const kd_specialist *specialists[MOST];
    const float *answers[MOST];
    kd_merge_in in = w.in;
    for (size_t m = 0; m < MOST; m++) {
        specialists[m] = w.specialists[m % M];
        answers[m] = w.answers[m % M];
    }
    in.n = FEW;
    in.m = MOST;
    in.specialists = specialists;
    in.answers = answers;
    in.scratch = scratch;
    in.scratch_doubles = ROOM;
    scratch[ROOM] = -9;
    const kd_merge_options before = w.options;
    w.options.best = K;
    w.options.steps = 100000;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        w.options.kind = kinds[i];
        got[i] = merge(&in);
        assert_true(scratch[ROOM] == -9);
    }
    w.options = before;
    for (size_t i = 0; i < FEW; i++) {
        assert_true(got[0].active[i] == MOST && got[1].active[i] == MOST);
        support_near("E", got[0].objectives[i], got[1].objectives[i], 1e-6);
    }
    for (size_t i = 0; i < FEW * K; i++) {
        support_near("q", (double)got[0].q[i], (double)got[1].q[i], 1e-6);
    }
}

/* ---- refusals ---- */

typedef struct call {
    kd_merge_options options;
    kd_merge_in in;
    kd_merge_out out;
    const kd_specialist *specialists[M];
    const float *answers[M];
} call;

static float q_room[N * K];

static call good_call(void)
{
    call c = {w.options, w.in, KD_MERGE_OUT_INIT, {0}, {0}};
    memcpy(c.specialists, w.specialists, sizeof c.specialists);
    memcpy(c.answers, w.pointers, sizeof c.answers);
    c.out.q = q_room;
    return c;
}

static void refuse(call *c, kd_status status, int32_t argument, const char *words)
{
    kd_error e = KD_ERROR_INIT;
    c->in.specialists = c->in.specialists ? c->specialists : NULL;
    c->in.answers = c->in.answers ? c->answers : NULL;
    support_refused(kd_merge(&c->options, &c->in, &c->out, &e), status, e.text, words);
    assert_int_equal(e.status, status);
    assert_int_equal(e.argument, argument);
    *c = good_call();
}

static void bad_options(void **state)
{
    (void)state;
    call c = good_call();
    refuse((c.options.kind = 0, &c), KD_ERR_KIND, 1, "options.kind is 0, no such kind");
    refuse((c.options.kind = 3, &c), KD_ERR_KIND, 1, "options.kind is 3, no such kind");
    refuse((c.options.best = 0, &c), KD_ERR_SIZE, 1, "options.best is 0, not 1 to 12 classes");
    refuse((c.options.best = K + 1, &c), KD_ERR_TOO_LARGE, 1, "options.best is 13, not 1 to 12");
    refuse((c.options.steps = 0, &c), KD_ERR_SIZE, 1, "options.steps is 0");
    refuse((c.options.tolerance = -1e-9, &c), KD_ERR_VALUE, 1, "options.tolerance is -1");
    refuse((c.options.tolerance = (double)NAN, &c), KD_ERR_VALUE, 1, "options.tolerance is nan");
    refuse((c.options.tolerance = (double)INFINITY, &c), KD_ERR_VALUE, 1,
           "options.tolerance is inf");
    refuse((c.options.struct_size = 1, &c), KD_ERR_STRUCT, 1, "options.struct_size is 1");
}

static void bad_input(void **state)
{
    (void)state;
    kd_error e = KD_ERROR_INIT;
    call c = good_call();
    support_refused(kd_merge(NULL, NULL, &c.out, &e), KD_ERR_NULL, e.text, "in is NULL");
    support_refused(kd_merge(NULL, &c.in, NULL, &e), KD_ERR_NULL, e.text, "out is NULL");
    refuse((c.in.n = 0, &c), KD_ERR_SIZE, 2, "in.n is 0");
    refuse((c.in.k = 0, &c), KD_ERR_SIZE, 2, "in.k is 0");
    refuse((c.in.k = K - 1, &c), KD_ERR_SHAPE, 2,
           "in.specialists[0] is of 12 classes, but in.k is 11");
    refuse((c.in.n = SIZE_MAX, &c), KD_ERR_TOO_LARGE, 2, "in.n is ");
    refuse((c.in.generalist = NULL, &c), KD_ERR_NULL, 2, "in.generalist is NULL");
    refuse((c.in.stride = K - 1, &c), KD_ERR_SIZE, 2, "the stride of in.generalist is 11");
    refuse((c.in.m = KD_MAX_MEMBERS + 1, &c), KD_ERR_TOO_LARGE, 2, "in.m is 257, above 256");
    refuse((c.in.specialists = NULL, &c), KD_ERR_NULL, 2, "in.specialists is NULL");
    refuse((c.in.answers = NULL, &c), KD_ERR_NULL, 2, "in.answers is NULL");
    refuse((c.specialists[3] = NULL, &c), KD_ERR_NULL, 2, "in.specialists[3] is NULL");
    refuse((c.answers[4] = NULL, &c), KD_ERR_NULL, 2, "in.answers[4] is NULL");
    refuse((c.in.scratch = NULL, &c), KD_ERR_NULL, 2, "in.scratch is NULL");
    refuse((c.in.scratch_doubles = (K + M) * (M + 5) - 1, &c), KD_ERR_WORKSPACE, 2,
           "in.scratch_doubles is 169; due are 17 times 10 for each of 1 threads");
    refuse((c.in.scratch_doubles = SIZE_MAX / 4, &c), KD_ERR_TOO_LARGE, 2, "too many bytes");
    refuse((c.in.struct_size = 0, &c), KD_ERR_STRUCT, 2, "in.struct_size is 0");
    refuse((c.out.q = NULL, &c), KD_ERR_NULL, 3, "out.q is NULL");
    refuse((c.out.stride = K - 1, &c), KD_ERR_SIZE, 3, "the stride of out.q is 11");
    refuse((c.out.struct_size = 0, &c), KD_ERR_STRUCT, 3, "out.struct_size is 0");
}

static void overlaps(void **state)
{
    (void)state;
    call c = good_call();
    uint32_t *inside = (uint32_t *)(void *)(q_room + 1);
    refuse((c.out.q = w.generalist + 1, &c), KD_ERR_OVERLAP, 3, "out.q overlaps another");
    refuse((c.out.q = w.generalist, c.in.n = N - 1, c.out.stride = K + 1, &c), KD_ERR_OVERLAP, 3,
           "out.q overlaps another");
    refuse((c.out.q = w.answers[M - 1], &c), KD_ERR_OVERLAP, 3, "out.q overlaps another");
    refuse((c.out.active = inside, &c), KD_ERR_OVERLAP, 3, "out.active overlaps another");
    refuse((c.out.steps = inside, &c), KD_ERR_OVERLAP, 3, "out.steps overlaps another");
    refuse((c.out.objectives = w.scratch, &c), KD_ERR_OVERLAP, 2, "in.scratch overlaps another");
    refuse((c.out.q = (float *)(void *)w.scratch, &c), KD_ERR_OVERLAP, 2,
           "in.scratch overlaps another");
}

static void answers_that_are_none(void **state)
{
    (void)state;
    static float spoilt[N * K];
    static const float bad[] = {NAN, INFINITY, -0.5f, 2};
    call c = good_call();
    for (size_t i = 0; i < COUNT(bad); i++) {
        bool finite = isfinite(bad[i]) != 0;
        kd_status due = finite ? KD_ERR_PROBABILITY : KD_ERR_NOT_FINITE;
        memcpy(spoilt, w.generalist, sizeof spoilt);
        spoilt[7 * K + 2] = bad[i];
        refuse((c.in.generalist = spoilt, &c), due, 2, finite ? "in.generalist" : "[7,2]");
        memcpy(spoilt, w.answers[0], sizeof spoilt);
        for (size_t row = 0; row < N; row++) {
            spoilt[row * 5 + 1] = bad[i];
        }
        refuse((c.answers[0] = spoilt, &c), due, 2, ", in.answers[0]");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_any_threads),
        cmocka_unit_test(in_any_batches),
        cmocka_unit_test(with_strides_and_in_place),
        cmocka_unit_test(idle_answers_are_not_read),
        cmocka_unit_test(nothing_is_allocated),
        cmocka_unit_test(idle_specialists_change_nothing),
        cmocka_unit_test(nobody_but_the_generalist),
        cmocka_unit_test(as_many_specialists_as_there_may_be),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(overlaps),
        cmocka_unit_test(answers_that_are_none),
    };
    (void)kd_blas_set_single(NULL, NULL, NULL);
    return cmocka_run_group_tests(tests, begin, end);
}
