/* SPDX-License-Identifier: MIT */
/* A generalist and its specialists as one teacher: what it says, when, and who it is. */
#include "../support/files.h"
#include "specialists.h"

#define STUDENT "5: 12 relu 6"

static kd_teacher_workspace *workspace_of(kd_teacher *teacher)
{
    kd_error e = KD_ERROR_INIT;
    kd_teacher_workspace *ws;
    support_ok(kd_teacher_workspace_create(teacher, CASES, &ws, &e), e.text);
    return ws;
}

/* Its answer to all cases; the teacher is let go of. */
static void ask_once(kd_teacher *teacher, float *out)
{
    kd_error e = KD_ERROR_INIT;
    kd_teacher_workspace *ws = workspace_of(teacher);
    kd_targets targets = KD_TARGETS_INIT;
    kd_batch batch = support_batch(&w.data, 0, CASES);
    support_ok(kd_teacher_targets(ws, &batch, 3, &targets, &e), e.text);
    assert_int_equal(targets.kind, KD_TARGET_LOG_PROBABILITIES);
    assert_true(targets.temperature == 1 && targets.k == K);
    memcpy(out, targets.values, CASES * K * sizeof *out);
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(teacher);
}

/* ---- what it says ---- */

static void infer_softly(kd_net *net, size_t outputs, float *out)
{
    kd_workspace *ws = support_workspace(net, CASES, 0, 0);
    support_ok(kd_net_infer(ws, w.data.x, CASES, 0, out, 0), kd_workspace_error(ws));
    support_ok(kd_softmax(out, CASES, outputs, 0, 1, out, 0, NULL), "softmax");
    kd_workspace_destroy(ws);
}

/* Nets asked one by one, and kd_merge; returns how many were active at most. */
static uint32_t by_hand(const kd_merge_options *o, float *out)
{
    static float p[CASES * K], answers[M][CASES * K];
    static double scratch[(K + M) * (M + 5)];
    const float *pointers[M];
    uint32_t active[CASES], most = 0;
    kd_error e = KD_ERROR_INIT;
    kd_merge_in in = KD_MERGE_IN_INIT;
    kd_merge_out q = KD_MERGE_OUT_INIT;
    infer_softly(w.net, K, p);
    for (size_t m = 0; m < M; m++) {
        infer_softly(kd_specialist_net(w.specialists[m]), specialists_sizes[m] + 1, answers[m]);
        pointers[m] = answers[m];
    }
    in.n = CASES;
    in.k = K;
    in.generalist = p;
    in.m = M;
    in.specialists = (const kd_specialist *const *)w.specialists;
    in.answers = pointers;
    in.scratch = scratch;
    in.scratch_doubles = COUNT(scratch);
    q.q = out;
    q.active = active;
    support_ok(kd_merge(o, &in, &q, &e), e.text);
    for (size_t i = 0; i < CASES; i++) {
        most = active[i] > most ? active[i] : most;
    }
    return most;
}

static void it_says_what_its_parts_say_together(void **state)
{
    (void)state;
    specialists_start(1);
    for (size_t best = 1; best <= K; best++) {
        for (kd_merge_kind kind = KD_MERGE_FIXED_POINT; kind <= KD_MERGE_DESCENT; kind++) {
            float want[CASES * K], got[CASES * K];
            kd_merge_options o = KD_MERGE_OPTIONS_INIT;
            o.best = best;
            o.kind = kind;
            uint32_t most = by_hand(&o, want);
            assert_int_equal(most, best == 1 ? 2 : M);
            ask_once(specialists_join(w.generalist, &o), got);
            for (size_t i = 0; i < CASES * K; i++) {
                support_near("ln q", (double)got[i], log((double)want[i]), 2e-6);
            }
        }
    }
    specialists_stop();
}

/* On any threads, in batches of any cut, and with anything behind each row of x. */
static void its_bits_are_those_of_the_case(void **state)
{
    (void)state;
    float want[CASES * K], wide[CASES * (INPUTS + 3)];
    for (int32_t threads = 1; threads <= 3; threads++) {
        specialists_start(threads);
        kd_teacher *teacher = specialists_join(w.generalist, NULL);
        kd_teacher_workspace *ws = workspace_of(teacher);
        for (size_t i = 0; i < COUNT(wide); i++) {
            wide[i] = i % (INPUTS + 3) < INPUTS
                          ? w.data.x[i / (INPUTS + 3) * INPUTS + i % (INPUTS + 3)]
                          : NAN;
        }
        for (size_t size = CASES; size > 0; size -= size > 8 ? 8 : 1) {
            for (size_t at = 0; at < CASES; at += size) {
                size_t n = at + size < CASES ? size : CASES - at;
                kd_targets t = KD_TARGETS_INIT;
                kd_batch batch = support_batch(&w.data, at, n);
                batch.x = size % 2 ? wide + at * (INPUTS + 3) : batch.x;
                batch.x_stride = size % 2 ? INPUTS + 3 : 0;
                support_ok(kd_teacher_targets(ws, &batch, 2, &t, NULL), "ask");
                if (threads == 1 && size == CASES) {
                    memcpy(want, t.values, sizeof want);
                }
                support_same_bits("ln q", t.values, want + at * K, n * K * sizeof *want);
            }
        }
        kd_teacher_workspace_destroy(ws);
        kd_teacher_destroy(teacher);
        specialists_stop();
    }
}

/* ---- generalists of other kinds ---- */

/* All give the same logits in one way or another. */
static void generalists_of_every_kind(void **state)
{
    (void)state;
    float want[CASES * K], got[CASES * K];
    kd_error e = KD_ERROR_INIT;
    specialists_start(1);
    kd_teacher *records, *mean, *tempered;
    support_ok(kd_teacher_from_logits(w.context, w.data.ids, w.data.v, CASES, K, 0, &records, &e),
               e.text);
    kd_teacher *twice[] = {records, records};
    support_ok(kd_teacher_from_ensemble(twice, 2, NULL, KD_MEAN_ARITHMETIC, &mean, &e), e.text);
    ask_once(specialists_join(records, NULL), want);
    ask_once(specialists_join(mean, NULL), got);
    support_near_row("arithmetic", got, want, CASES * K, 1e-6, 2e-6);
    kd_teacher *callback = specialists_host(KD_TARGET_PROBABILITIES, 0, NULL);
    ask_once(specialists_join(callback, NULL), got);
    support_near_row("callback", got, want, CASES * K, 1e-6, 2e-6);
    assert_int_equal(specialists_asked, 10); /* asked at 1, whatever the host asks for */
    kd_teacher *inner = specialists_join(records, NULL), *outer = specialists_join(inner, NULL);
    for (size_t i = 0; i < 2; i++) { /* specialists of specialists; by id, as the one inside */
        kd_teacher_workspace *ws = workspace_of(outer);
        kd_targets t = KD_TARGETS_INIT;
        kd_batch batch = support_batch(&w.data, 0, CASES);
        batch.ids = i ? batch.ids : NULL;
        kd_status status = kd_teacher_targets(ws, &batch, 2, &t, &e);
        assert_int_equal(status, i ? KD_OK : KD_ERR_NULL);
        kd_teacher_workspace_destroy(ws);
    }
    static float two = 2;
    tempered = specialists_host(KD_TARGET_PROBABILITIES, 2, &two);
    kd_teacher *bad = specialists_join(tempered, NULL);
    kd_teacher_workspace *ws = workspace_of(bad);
    kd_targets t = KD_TARGETS_INIT;
    kd_batch batch = support_batch(&w.data, 0, CASES);
    support_refused(kd_teacher_targets(ws, &batch, 2, &t, &e), KD_ERR_RETEMPER, e.text,
                    "temperature 2, not at 1");
    kd_teacher_workspace_destroy(ws);
    kd_teacher *all[] = {records, mean, callback, inner, outer, tempered, bad};
    for (size_t i = 0; i < COUNT(all); i++) {
        kd_teacher_destroy(all[i]);
    }
    specialists_stop();
}

/* ---- what may go wrong while it is asked ---- */

static void logits_that_are_none_name_the_specialist(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY};
    specialists_start(1);
    for (size_t i = 0; i < COUNT(bad); i++) {
        kd_error e = KD_ERROR_INIT;
        kd_targets t = KD_TARGETS_INIT;
        kd_merge_options o = KD_MERGE_OPTIONS_INIT;
        kd_batch batch = support_batch(&w.data, 0, CASES);
        kd_param bias = support_param(kd_specialist_net(w.specialists[1]), 3);
        float before = bias.values[0];
        o.best = K;
        kd_teacher *teacher = specialists_join(w.generalist, &o);
        kd_teacher_workspace *ws = workspace_of(teacher);
        bias.values[0] = bad[i];
        support_refused(kd_teacher_targets(ws, &batch, 2, &t, &e), KD_ERR_NOT_FINITE, e.text,
                        "specialist 1, case 0: its logits are no distribution");
        assert_null(t.values);
        bias.values[0] = before;
        support_ok(kd_teacher_targets(ws, &batch, 2, &t, &e), e.text);
        kd_teacher_workspace_destroy(ws);
        kd_teacher_destroy(teacher);
    }
    specialists_stop();
}

static void a_generalist_without_an_answer_is_named(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY};
    for (size_t i = 0; i < COUNT(bad); i++) {
        kd_error e = KD_ERROR_INIT;
        kd_targets t = KD_TARGETS_INIT;
        specialists_start(1);
        kd_batch batch = support_batch(&w.data, 0, CASES);
        kd_teacher *teacher = specialists_join(w.generalist, NULL);
        kd_teacher_workspace *ws = workspace_of(teacher);
        support_param(w.net, 3).values[2] = bad[i];
        support_refused(kd_teacher_targets(ws, &batch, 2, &t, &e), KD_ERR_NOT_FINITE, e.text,
                        "the generalist's targets.values[0,2] is ");
        assert_null(t.values);
        kd_teacher_workspace_destroy(ws);
        kd_teacher_destroy(teacher);
        specialists_stop();
    }
}

static void asking_takes_no_memory(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 3; threads++) {
        specialists_start(threads);
        kd_merge_options o = KD_MERGE_OPTIONS_INIT;
        o.best = threads == 1 ? 1 : K; /* with everybody active */
        kd_teacher *teacher = specialists_join(w.generalist, &o);
        kd_teacher_workspace *ws = workspace_of(teacher);
        size_t calls = atomic_load(&w.memory.calls);
        for (size_t n = 1; n <= CASES; n++) {
            kd_targets t = KD_TARGETS_INIT;
            kd_batch batch = support_batch(&w.data, 0, n);
            support_ok(kd_teacher_targets(ws, &batch, 2, &t, NULL), "ask");
        }
        assert_int_equal(atomic_load(&w.memory.calls), calls);
        kd_teacher_workspace_destroy(ws);
        kd_teacher_destroy(teacher);
        specialists_stop();
    }
}

/* ---- what can be done with it ---- */

static void a_student_learns_from_it(void **state)
{
    (void)state;
    specialists_start(1);
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    kd_net *student = support_net(w.context, STUDENT, 9);
    kd_teacher *teacher = specialists_join(w.generalist, NULL);
    kd_batch batch = support_batch(&w.data, 0, CASES);
    kd_optimizer_options adam = KD_OPTIMIZER_OPTIONS_INIT;
    adam.kind = KD_ADAM;
    adam.rate = 0.01f;
    o.batch = CASES;
    o.temperature = 2;
    o.optimizer = &adam;
    kd_distiller *distiller = support_distiller(student, teacher, &o);
    double before = support_evaluate(distiller, &batch).kl;
    size_t calls = 0;
    for (size_t step = 0; step < 200; step++) {
        (void)support_step(distiller, &batch);
        calls = step == 0 ? atomic_load(&w.memory.calls) : calls;
    }
    assert_int_equal(atomic_load(&w.memory.calls), calls);
    double after = support_evaluate(distiller, &batch).kl;
    assert_true(before > 0.1 && after < 0.3 * before);
    kd_distiller_destroy(distiller);
    kd_distiller *own = NULL;
    kd_error e = KD_ERROR_INIT;
    support_refused(kd_distiller_create(w.net, teacher, &o, &own, &e), KD_ERR_STATE, e.text,
                    "teacher");
    kd_net *same = support_net(w.context, "5: 6", 3); /* a specialist of which may not learn */
    static const uint32_t all[] = {0, 1, 2, 3, 4, 5};
    kd_specialist_options s = KD_SPECIALIST_OPTIONS_INIT;
    s.classes = all;
    s.n_classes = s.k = K;
    s.net = same;
    kd_specialist *whole;
    support_ok(kd_specialist_create(w.context, &s, &whole, &e), e.text);
    kd_teacher *with;
    support_ok(kd_teacher_from_specialists(w.generalist, &whole, 1, NULL, &with, &e), e.text);
    support_refused(kd_distiller_create(same, with, &o, &own, &e), KD_ERR_STATE, e.text, "teacher");
    kd_teacher_destroy(with);
    kd_specialist_destroy(whole);
    kd_net_destroy(same);
    kd_teacher_destroy(teacher);
    kd_net_destroy(student);
    specialists_stop();
}

/* Recorded once, it is found again by its hash, and says the same. */
static void it_can_be_recorded(void **state)
{
    (void)state;
    float want[CASES * K];
    kd_error e = KD_ERROR_INIT;
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    kd_cache *cache;
    kd_teacher *recorded;
    specialists_start(1);
    (void)files_begin();
    o.k = K;
    o.kind = KD_TARGET_LOG_PROBABILITIES;
    o.temperature = 1;
    o.teacher_hash = specialists_hash(specialists_join(w.generalist, NULL));
    ask_once(specialists_join(w.generalist, NULL), want);
    kd_targets t = KD_TARGETS_INIT;
    t.kind = KD_TARGET_LOG_PROBABILITIES;
    t.temperature = 1;
    t.values = want;
    support_ok(kd_cache_open(w.context, files_path("teacher"), &o, &cache, &e), e.text);
    support_ok(kd_cache_append(cache, w.data.ids, &t, CASES), kd_cache_error(cache));
    support_ok(kd_cache_finish(cache), kd_cache_error(cache));
    kd_cache_destroy(cache);
    support_ok(kd_teacher_from_cache(w.context, files_path("teacher"), &o, &recorded, &e), e.text);
    kd_teacher_workspace *ws = workspace_of(recorded);
    kd_batch batch = support_batch(&w.data, 0, CASES);
    support_ok(kd_teacher_targets(ws, &batch, 5, &t, &e), e.text);
    support_same_bits("recorded", t.values, want, sizeof want);
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(recorded);
    o.teacher_hash++;
    support_refused(kd_teacher_from_cache(w.context, files_path("teacher"), &o, &recorded, &e),
                    KD_ERR_MISMATCH, e.text, "teacher_hash");
    files_done();
    specialists_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_its_parts_say_together),
        cmocka_unit_test(its_bits_are_those_of_the_case),
        cmocka_unit_test(generalists_of_every_kind),
        cmocka_unit_test(logits_that_are_none_name_the_specialist),
        cmocka_unit_test(a_generalist_without_an_answer_is_named),
        cmocka_unit_test(asking_takes_no_memory),
        cmocka_unit_test(a_student_learns_from_it),
        cmocka_unit_test(it_can_be_recorded),
    };
    (void)kd_blas_set_single(NULL, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
