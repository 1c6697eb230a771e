/* SPDX-License-Identifier: MIT */
/*
 * A loop of the host's own around kd_distill_step: shuffled epochs, a temperature that falls, a
 * cosine for the rate, unlabelled cases, the best student kept, an early end, and two threads.
 */
#include "clouds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASES = 1200, VALIDATION = 1200, BATCH = 60, EPOCHS = 40, PATIENCE = 8 };

static float x[CASES * INPUTS], held_x[VALIDATION * INPUTS];
static int32_t labels[CASES], held_labels[VALIDATION];

static int fail(const char *words)
{
    fprintf(stderr, "%s\n", words);
    return 1;
}

/* One epoch in a new order. */
static kd_status run_epoch(kd_distiller *distiller, uint32_t epoch, kd_report *sum)
{
    static uint32_t order[CASES];
    kd_status status = kd_shuffle(1, epoch, CASES, order, NULL);
    for (size_t begin = 0; status == KD_OK && begin < CASES; begin += BATCH) {
        float batch_x[BATCH * INPUTS];
        int32_t batch_labels[BATCH];
        for (size_t i = 0; i < BATCH; i++) {
            size_t from = order[begin + i];
            memcpy(batch_x + i * INPUTS, x + from * INPUTS, INPUTS * sizeof *x);
            batch_labels[i] = from % 4 == 0 ? labels[from] : -1; /* most cases have no label */
        }
        kd_batch batch = {sizeof batch, .n = BATCH, .x = batch_x, .labels = batch_labels};
        batch.epoch = epoch;
        kd_report report = KD_REPORT_INIT;
        status = kd_distill_step(distiller, &batch, &report);
        status = status == KD_OK ? kd_report_merge(sum, &report, NULL) : status;
    }
    return status;
}

static kd_distiller *make(kd_net *student, kd_teacher *teacher)
{
    const uint64_t updates = EPOCHS * (CASES / BATCH);
    kd_schedule cooling = {sizeof cooling, KD_SCHEDULE_LINEAR, 8.0f, 2.0f, 1.0f, updates, 0};
    kd_schedule cosine = {sizeof cosine, KD_SCHEDULE_COSINE, 0.02f, 0.0f, 1.0f, updates, 20};
    kd_optimizer_options sgd = KD_OPTIMIZER_OPTIONS_INIT;
    sgd.momentum = 0.9f;
    sgd.nesterov = 1;
    sgd.clip_norm = 5.0f;
    sgd.rate_schedule = &cosine;
    kd_distiller_options options = KD_DISTILLER_OPTIONS_INIT;
    options.batch = BATCH;
    options.temperature_schedule = &cooling;
    options.optimizer = &sgd;
    kd_distiller *distiller;
    kd_error error = KD_ERROR_INIT;
    if (kd_distiller_create(student, teacher, &options, &distiller, &error) != KD_OK) {
        exit(fail(error.text));
    }
    return distiller;
}

int main(void)
{
    kd_error error = KD_ERROR_INIT;
    kd_context_options two = KD_CONTEXT_OPTIONS_INIT;
    kd_context *context;
    kd_teacher *teacher;
    kd_net *best = NULL;
    draw_clouds(11, CASES, x, labels);
    draw_clouds(12, VALIDATION, held_x, held_labels);
    two.threads = 2; /* helps nets larger than these; the bits are the same */
    if (kd_blas_set_single(NULL, NULL, &error) != KD_OK ||
        kd_context_create(&two, &context, &error) != KD_OK) {
        return fail(error.text);
    }
    kd_net *large = train_on_clouds(context, 128, 1);
    kd_net *student = train_on_clouds(context, 8, 2); /* it has seen labels already */
    if (!large || !student || kd_teacher_from_net(large, &teacher, NULL) != KD_OK) {
        return fail("no nets");
    }
    kd_distiller *distiller = make(student, teacher);
    kd_batch held = {sizeof held, .n = VALIDATION, .x = held_x, .labels = held_labels};
    double lowest = 1e9;
    for (uint32_t epoch = 0, since = 0; epoch < EPOCHS && since < PATIENCE; epoch++) {
        kd_report sum = KD_REPORT_INIT, seen = KD_REPORT_INIT;
        if (run_epoch(distiller, epoch, &sum) != KD_OK ||
            kd_distill_evaluate(distiller, &held, &seen) != KD_OK) {
            return fail(kd_distiller_error(distiller));
        }
        since++;
        if (seen.hard < lowest) {
            lowest = seen.hard;
            since = 0;
            kd_net_destroy(best);
            if (kd_net_clone(student, &best, NULL) != KD_OK) {
                return fail("no memory for a copy of the student");
            }
        }
        if (epoch % 5 == 0) {
            printf("epoch %2u: T %.1f, rate %.4f, KL %.4f, agreement %.3f, %.2f %% right\n",
                   (unsigned)epoch, sum.temperature, sum.rate, sum.kl, seen.agreement,
                   100.0 * seen.accuracy);
        }
    }
    printf("best student: %.2f %% right on new points\n",
           100.0 * accuracy_on_clouds(best, 13, 6000));
    kd_distiller_destroy(distiller);
    kd_teacher_destroy(teacher);
    kd_net_destroy(best);
    kd_net_destroy(student);
    kd_net_destroy(large);
    kd_context_destroy(context);
    return 0;
}
