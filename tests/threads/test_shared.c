/* SPDX-License-Identifier: MIT */
/*
 * Eight threads at once: each with handles of its own, with one context, one teacher, one net. Each
 * must find what it finds alone. Under ThreadSanitizer, nothing may be touched unguarded.
 */
#include "life.h"

#include <stdio.h>
#include <stdlib.h>

#define THREADS 8

static char names[THREADS][256];

static life life_of(size_t i)
{
    life l = {.steps = 12, .seed = 10 + i, .name = names[i]};
    return l;
}

static void *live(void *user)
{
    life *l = user;
    life_run(l);
    return NULL;
}

/* Eight lives in eight threads against the same ones after each other. */
static void live_together(kd_context *context, kd_teacher *teacher)
{
    life lives[THREADS];
    uint64_t alone[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        life l = life_of(i);
        l.teacher = teacher;
        life_run(&l);
        alone[i] = l.hash;
        lives[i] = life_of(i);
        lives[i].context = context;
        lives[i].teacher = teacher;
    }
    life_threads(THREADS, live, lives, sizeof *lives);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(lives[i].hash, alone[i]);
    }
}

static void handles_of_their_own(void **state)
{
    (void)state;
    live_together(NULL, NULL);
}

static void one_context(void **state)
{
    (void)state;
    kd_context *context = life_context(1);
    live_together(context, NULL);
    kd_context_destroy(context);
}

static void one_context_with_workers(void **state)
{
    (void)state;
    kd_context *context = life_context(4);
    live_together(context, NULL);
    kd_context_destroy(context);
}

static void one_teacher(void **state)
{
    (void)state;
    kd_context *context = life_context(1);
    kd_net *net = life_net(context, 560, 3);
    kd_teacher *teacher = support_teacher(net);
    kd_net_destroy(net);
    live_together(NULL, teacher);
    kd_teacher_destroy(teacher);
    kd_context_destroy(context);
}

/* ---- one net that infers everywhere ---- */

typedef struct inference {
    kd_net *net;
    const float *x;
    uint64_t hash;
} inference;

static void *infer(void *user)
{
    inference *i = user;
    float logits[LIFE_CASES * LIFE_K];
    kd_workspace *ws = support_workspace(i->net, LIFE_CASES, 0, 0);
    for (size_t round = 0; round < 20; round++) {
        support_ok(kd_net_infer(ws, i->x, LIFE_CASES, 0, logits, 0), kd_workspace_error(ws));
        i->hash = support_hash_bytes(i->hash, logits, sizeof logits);
    }
    kd_workspace_destroy(ws);
    return NULL;
}

static void infer_together(int32_t workers)
{
    static float x[LIFE_CASES * LIFE_INPUTS];
    inference all[THREADS];
    life_x(x);
    kd_context *context = life_context(workers);
    kd_net *net = life_net(context, 560, 3);
    kd_context_destroy(context);
    inference alone = {net, x, 1};
    (void)infer(&alone);
    for (size_t i = 0; i < THREADS; i++) {
        all[i] = (inference){net, x, 1};
    }
    life_threads(THREADS, infer, all, sizeof *all);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(all[i].hash, alone.hash);
    }
    kd_net_destroy(net);
}

static void one_net(void **state)
{
    (void)state;
    infer_together(1);
    infer_together(3);
}

/* ---- references come and go ---- */

static void *come_and_go(void *user)
{
    kd_teacher *teacher = user;
    for (size_t i = 0; i < 200; i++) {
        kd_error e = KD_ERROR_INIT;
        kd_teacher_workspace *ws;
        kd_teacher *both, *members[2] = {teacher, teacher};
        support_ok(kd_teacher_from_ensemble(members, 2, NULL, KD_MEAN_ARITHMETIC, &both, &e),
                   e.text);
        support_ok(kd_teacher_workspace_create(both, 1, &ws, &e), e.text);
        kd_teacher_destroy(both);
        kd_teacher_workspace_destroy(ws);
    }
    return NULL;
}

static void references(void **state)
{
    (void)state;
    support_memory memory = {0};
    kd_context *context = support_context(&memory);
    kd_net *net = support_net(context, "4: 3", 1);
    kd_teacher *teacher = support_teacher(net);
    kd_net_destroy(net);
    kd_context_destroy(context);
    life_threads(THREADS, come_and_go, teacher, 0);
    kd_teacher_destroy(teacher);
    support_all_returned(&memory);
}

static int begin(void **state)
{
    (void)state;
    const char *folder = files_begin();
    for (size_t i = 0; i < THREADS; i++) {
        (void)snprintf(names[i], sizeof names[i], "%s/%zu", folder, i);
    }
    return kd_blas_set_single(NULL, NULL, NULL) == KD_OK ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    files_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handles_of_their_own),
        cmocka_unit_test(one_context),
        cmocka_unit_test(one_context_with_workers),
        cmocka_unit_test(one_teacher),
        cmocka_unit_test(one_net),
        cmocka_unit_test(references),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
