/* SPDX-License-Identifier: MIT */
/*
 * kd_cancel: what runs on the context stops with KD_CANCELLED and everything as before; after it
 * is taken back, work goes on with the bits that it would have had. Called before a call, in the
 * middle of one, and from a signal handler.
 */
#define _POSIX_C_SOURCE 200809L
#include "../support/support.h"

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#define N 8
#define K 3

typedef struct world {
    kd_context *context;
    kd_net *net;
    kd_teacher *teacher;
    kd_distiller *distiller;
    support_data data;
    int calls;     /* of the teacher */
    int cancel_at; /* this one cancels; 0 = none */
} world;

static int32_t teach(void *user, const kd_batch *batch, float temperature, float *out)
{
    world *w = user;
    (void)temperature;
    if (++w->calls == w->cancel_at) {
        kd_cancel(w->context, 1);
    }
    for (size_t i = 0; i < batch->n * K; i++) {
        out[i] = (float)(i % 5);
    }
    return 0;
}

static void start(world *w)
{
    kd_error e = KD_ERROR_INIT;
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    kd_distiller_options d = KD_DISTILLER_OPTIONS_INIT;
    *w = (world){.context = NULL};
    support_ok(kd_context_create(NULL, &w->context, &e), e.text);
    w->net = support_net(w->context, "5: 7 relu drop0.5 3", 1);
    o.k = K;
    o.fn = teach;
    o.user = w;
    support_ok(kd_teacher_from_callback(w->context, &o, &w->teacher, &e), e.text);
    d.batch = N;
    w->distiller = support_distiller(w->net, w->teacher, &d);
    support_fill(&w->data, 2, 40, 5, K);
}

static void stop(world *w)
{
    kd_distiller_destroy(w->distiller);
    kd_teacher_destroy(w->teacher);
    kd_net_destroy(w->net);
    kd_context_destroy(w->context);
}

static void refused(world *w, kd_status status)
{
    support_refused(status, KD_CANCELLED, kd_distiller_error(w->distiller), "kd_cancel");
}

static void a_step_is_undone(void **state)
{
    (void)state;
    world w, never;
    start(&w);
    start(&never);
    kd_batch batch = support_batch(&w.data, 0, N);
    support_step(w.distiller, &batch);
    support_step(never.distiller, &batch);
    uint64_t before = support_hash(w.net);
    kd_cancel(w.context, 1);
    refused(&w, kd_distill_step(w.distiller, &batch, NULL));
    assert_int_equal(w.calls, 1); /* the teacher was not even asked */
    kd_cancel(w.context, 0);
    w.cancel_at = 2; /* while the step runs */
    refused(&w, kd_distill_step(w.distiller, &batch, NULL));
    assert_int_equal(w.calls, 2);
    assert_true(support_hash(w.net) == before);
    kd_cancel(w.context, 0);
    support_step(w.distiller, &batch);
    support_step(never.distiller, &batch);
    assert_true(support_hash(w.net) == support_hash(never.net));
    kd_cancel(NULL, 1);
    stop(&w);
    stop(&never);
}

static void an_evaluation_stops_between_pieces(void **state)
{
    (void)state;
    world w;
    start(&w);
    kd_batch batch = support_batch(&w.data, 0, 40);
    kd_report report = KD_REPORT_INIT;
    report.errors = 77;
    w.cancel_at = 2;
    refused(&w, kd_distill_evaluate(w.distiller, &batch, &report));
    assert_int_equal(w.calls, 2); /* of five */
    assert_int_equal(report.errors, 77);
    kd_cancel(w.context, 0);
    support_evaluate(w.distiller, &batch);
    stop(&w);
}

/* ---- files ---- */

static void expect(kd_status status, const kd_error *e)
{
    support_refused(status, KD_CANCELLED, e->text, "kd_cancel");
}

static void record(world *w, const char *path, kd_cache_options *o)
{
    kd_error e = KD_ERROR_INIT;
    kd_cache *cache;
    o->k = K;
    support_ok(kd_cache_open(w->context, path, o, &cache, &e), e.text);
    support_ok(kd_cache_append(cache, w->data.ids, &w->data.targets, 40), kd_cache_error(cache));
    kd_cancel(w->context, 1);
    uint64_t more = ~(uint64_t)0;
    support_refused(kd_cache_append(cache, &more, &w->data.targets, 1), KD_CANCELLED,
                    kd_cache_error(cache), "kd_cancel");
    kd_cancel(w->context, 0);
    kd_cache_info info = KD_CACHE_INFO_INIT;
    support_ok(kd_cache_get_info(cache, &info, &e), e.text);
    assert_int_equal(info.cases, 40);
    support_ok(kd_cache_finish(cache), kd_cache_error(cache));
    kd_cache_destroy(cache);
}

static void files_stay_as_they_are(void **state)
{
    (void)state;
    world w;
    kd_error e = KD_ERROR_INIT;
    char path[64], recording[64];
    start(&w);
    snprintf(path, sizeof path, "/tmp/kd-cancel-%ld", (long)getpid());
    snprintf(recording, sizeof recording, "/tmp/kd-cancel-%ld.kdc", (long)getpid());
    kd_training training = KD_TRAINING_INIT;
    training.distiller = w.distiller;
    support_ok(kd_save_training(&training, path, NULL, &e), e.text);
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    record(&w, recording, &o);
    uint64_t before = support_hash(w.net);

    kd_cancel(w.context, 1);
    kd_net *net;
    kd_teacher *teacher;
    kd_cache *cache;
    expect(kd_save_training(&training, path, NULL, &e), &e);
    expect(kd_load_training(&training, path, NULL, &e), &e);
    expect(kd_save_net(w.net, path, NULL, &e), &e);
    expect(kd_load_net(w.context, path, NULL, &net, &e), &e);
    expect(kd_export_weights(w.net, NULL, path, NULL, &e), &e);
    expect(kd_import_weights(w.net, NULL, path, NULL, &e), &e);
    expect(kd_cache_open(w.context, recording, &o, &cache, &e), &e);
    expect(kd_teacher_from_cache(w.context, recording, &o, &teacher, &e), &e);
    assert_true(support_hash(w.net) == before);
    kd_cancel(w.context, 0);
    support_ok(kd_load_training(&training, path, NULL, &e), e.text);
    support_ok(kd_teacher_from_cache(w.context, recording, &o, &teacher, &e), e.text);
    kd_teacher_destroy(teacher);
    unlink(path);
    unlink(recording);
    stop(&w);
}

/* ---- signals ---- */

static kd_context *to_cancel;
static volatile sig_atomic_t fired;

static void on_alarm(int number)
{
    (void)number;
    kd_cancel(to_cancel, 1);
    fired = 1;
}

/* The step that runs when the signal comes is the last one. */
static void a_handler_may_call_it(void **state)
{
    (void)state;
    world w;
    start(&w);
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval soon = {.it_value = {.tv_usec = 2000}};
    kd_batch batch = support_batch(&w.data, 0, N);
    for (int round = 0; round < 20; round++) {
        kd_status status = KD_OK;
        int late = 0; /* steps that succeeded after the signal */
        fired = 0;
        to_cancel = w.context;
        assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
        assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
        while (status == KD_OK) {
            bool before = fired == 1;
            status = kd_distill_step(w.distiller, &batch, NULL);
            late += before && status == KD_OK;
        }
        assert_int_equal(status, KD_CANCELLED);
        assert_int_equal(late, 0);
        kd_cancel(w.context, 0);
    }
    support_step(w.distiller, &batch);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_undone),
        cmocka_unit_test(an_evaluation_stops_between_pieces),
        cmocka_unit_test(files_stay_as_they_are),
        cmocka_unit_test(a_handler_may_call_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
