/* SPDX-License-Identifier: MIT */
/*
 * A teacher that gives the top classes only, made of the room's own parts: alone, in an ensemble of
 * one, and where it can't serve.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loss/loss.h"
#include "teacher/parts.h"

#include <kd/kd.h>

#define N 3
#define K 4
#define TOP 2
#define T0 2.0f

static const float values[N * TOP] = {3, 1, 0.5f, 2, -1, 4};
static const uint32_t chosen[N * TOP] = {0, 2, 1, 3, 0, 3};
static const float tails[N] = {0.5f, -1, -INFINITY};

static kd_status ask(kd_teacher_workspace *ws, const kd_batch *batch, float temperature, float *out,
                     kd_targets *targets, kd_error *error)
{
    (void)ws;
    (void)temperature;
    (void)error;
    for (size_t i = 0; i < batch->n * TOP; i++) {
        out[i] = values[i];
    }
    targets->temperature = T0;
    targets->top = TOP;
    targets->topk_index = chosen;
    targets->tail = tails;
    return KD_OK;
}

static const kdi_teacher_ops ops = {.ask = ask};

static kd_context *context;

static kd_teacher *topk_teacher(void)
{
    kd_teacher *teacher;
    assert_int_equal(kdi_teacher_new(context, sizeof *teacher, &ops, &teacher, NULL), KD_OK);
    teacher->k = K;
    teacher->top = TOP;
    teacher->kind = KD_TARGET_TOPK;
    return teacher;
}

static kd_net *some_net(void)
{
    kd_net *net;
    assert_int_equal(kd_net_create(context, K, &net, NULL), KD_OK);
    assert_int_equal(kd_net_add_dense(net, K), KD_OK);
    assert_int_equal(kd_net_init(net, KD_INIT_HE, 3), KD_OK);
    return net;
}

static kd_batch some_batch(void)
{
    static const float x[N * K] = {1, 2, 3, 4, -1, 0, 1, 0, 2, 2, -2, 0};
    kd_batch batch = KD_BATCH_INIT;
    batch.n = N;
    batch.x = x;
    return batch;
}

static int start(void **state)
{
    (void)state;
    return kd_context_create(NULL, &context, NULL) != KD_OK;
}

static int stop(void **state)
{
    (void)state;
    kd_context_destroy(context);
    return 0;
}

static void answers_what_it_holds(kd_teacher *teacher)
{
    kd_teacher_workspace *ws;
    kd_targets targets = KD_TARGETS_INIT;
    kd_batch batch = some_batch();
    assert_int_equal(kd_teacher_workspace_create(teacher, N, &ws, NULL), KD_OK);
    assert_int_equal(kd_teacher_targets(ws, &batch, T0, &targets, NULL), KD_OK);
    assert_int_equal(targets.kind, KD_TARGET_TOPK);
    assert_int_equal(targets.k, K);
    assert_int_equal(targets.top, TOP);
    assert_true(targets.temperature >= T0 && targets.temperature <= T0);
    assert_memory_equal(targets.values, values, sizeof values);
    assert_memory_equal(targets.topk_index, chosen, sizeof chosen);
    assert_memory_equal(targets.tail, tails, sizeof tails);
    kd_teacher_workspace_destroy(ws);
}

static void one_is_handed_through(void **state)
{
    (void)state;
    kd_teacher *alone = topk_teacher();
    answers_what_it_holds(alone);
    for (kd_mean_kind kind = KD_MEAN_ARITHMETIC; kind <= KD_MEAN_GEOMETRIC; kind++) {
        kd_teacher *one, *nested;
        assert_int_equal(kd_teacher_from_ensemble(&alone, 1, NULL, kind, &one, NULL), KD_OK);
        assert_int_equal(kd_teacher_from_ensemble(&one, 1, NULL, kind, &nested, NULL), KD_OK);
        answers_what_it_holds(one);
        answers_what_it_holds(nested);
        kd_teacher_destroy(one);
        kd_teacher_destroy(nested);
    }
    kd_teacher_destroy(alone);
}

static void several_have_no_mean(void **state)
{
    (void)state;
    kd_net *net = some_net();
    kd_teacher *from_net, *one, *none;
    kd_teacher *alone = topk_teacher();
    assert_int_equal(kd_teacher_from_net(net, &from_net, NULL), KD_OK);
    assert_int_equal(kd_teacher_from_ensemble(&alone, 1, NULL, KD_MEAN_GEOMETRIC, &one, NULL),
                     KD_OK);
    kd_teacher *const pairs[][2] = {{alone, from_net}, {from_net, alone}, {one, from_net}};
    for (size_t i = 0; i < 3; i++) {
        for (kd_mean_kind kind = KD_MEAN_ARITHMETIC; kind <= KD_MEAN_GEOMETRIC; kind++) {
            kd_error error = KD_ERROR_INIT;
            assert_int_equal(kd_teacher_from_ensemble(pairs[i], 2, NULL, kind, &none, &error),
                             KD_ERR_KIND);
            assert_null(none);
            assert_int_equal(error.argument, 1);
            assert_non_null(strstr(error.text, i == 1 ? "members[1] gives the top classes only"
                                                      : "members[0] gives the top classes only"));
        }
    }
    kd_teacher_destroy(one);
    kd_teacher_destroy(alone);
    kd_teacher_destroy(from_net);
    kd_net_destroy(net);
}

static kd_status distiller_of(kd_net *net, kd_teacher *teacher, kd_term_kind soft, float t,
                              kd_distiller **out, kd_error *error)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.batch = N;
    o.temperature = t;
    o.soft_kind = soft;
    return kd_distiller_create(net, teacher, &o, out, error);
}

static void a_distiller_learns_of_it(void **state)
{
    (void)state;
    kd_net *net = some_net();
    kd_teacher *teacher = topk_teacher();
    kd_batch batch = some_batch();
    kd_report r = KD_REPORT_INIT;
    kd_distiller *d;
    assert_int_equal(distiller_of(net, teacher, KD_TERM_KL, T0, &d, NULL), KD_OK);
    double before = (double)INFINITY;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(kd_distill_step(d, &batch, &r), KD_OK);
        assert_true(r.kl > 0 && r.kl < before);
        before = r.kl;
    }
    assert_int_equal(kd_distill_evaluate(d, &batch, &r), KD_OK);
    assert_true(r.kl < before);
    kd_distiller_destroy(d);
    assert_int_equal(distiller_of(net, teacher, KD_TERM_KL, 3, &d, NULL), KD_OK);
    assert_int_equal(kd_distill_step(d, &batch, &r), KD_ERR_RETEMPER);
    assert_non_null(
        strstr(kd_distiller_error(d), "the teacher's targets.tail is at temperature 2"));
    kd_distiller_destroy(d);
    kd_teacher_destroy(teacher);
    kd_net_destroy(net);
}

static void no_distiller_matches_it(void **state)
{
    (void)state;
    kd_net *net = some_net();
    kd_teacher *teacher = topk_teacher();
    for (kd_term_kind soft = KD_TERM_MATCH; soft <= KD_TERM_MATCH_RAW; soft++) {
        kd_error error = KD_ERROR_INIT;
        kd_distiller *d;
        assert_int_equal(distiller_of(net, teacher, soft, T0, &d, &error), KD_ERR_KIND);
        assert_null(d);
        assert_non_null(strstr(error.text, "but the teacher gives targets of kind 4"));
    }
    kd_teacher_destroy(teacher);
    kd_net_destroy(net);
}

static int32_t never(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user;
    (void)batch;
    (void)temperature;
    (void)out;
    return 1;
}

static void no_callback_gives_it(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    kd_teacher *teacher;
    o.k = K;
    o.fn = never;
    o.kind = KD_TARGET_TOPK;
    o.temperature = T0;
    assert_int_equal(kd_teacher_from_callback(context, &o, &teacher, &error), KD_ERR_KIND);
    assert_non_null(strstr(error.text, "which a callback can't give"));
}

/* The check of whole targets that recordings will ask for, too. */
static void rows_are_checked(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    uint32_t index[N * TOP];
    kd_targets targets = KD_TARGETS_INIT;
    targets.kind = KD_TARGET_TOPK;
    targets.k = K;
    assert_int_equal(ask(NULL, &(kd_batch){.n = 0}, T0, NULL, &targets, NULL), KD_OK);
    targets.values = values;
    memcpy(index, chosen, sizeof index);
    targets.topk_index = index;
    assert_int_equal(kdi_loss_check_targets(&targets, N, "these", &error), KD_OK);
    index[5] = 0;
    assert_int_equal(kdi_loss_check_targets(&targets, N, "these", &error), KD_ERR_INDEX);
    assert_non_null(strstr(error.text, "these.topk_index[2,1] is 0, not above the one before it"));
    assert_int_equal(kdi_loss_check_targets(&targets, 2, "these", &error), KD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_handed_through),    cmocka_unit_test(several_have_no_mean),
        cmocka_unit_test(a_distiller_learns_of_it), cmocka_unit_test(no_distiller_matches_it),
        cmocka_unit_test(no_callback_gives_it),     cmocka_unit_test(rows_are_checked),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
