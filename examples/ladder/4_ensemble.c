/* SPDX-License-Identifier: MIT */
/* An ensemble of five nets as teacher of one: both means (Hinton 2015, section 2). */
#include "clouds.h"

#include <stdio.h>

enum { MEMBERS = 5, TRANSFER = 3000, BATCH = 60, TEST = 6000 };

/* Distils on points without labels: the ensemble's word is all there is. */
static int distil(kd_net *student, kd_teacher *teacher)
{
    static float x[TRANSFER * INPUTS];
    static int32_t unused[TRANSFER];
    kd_optimizer_options adam = KD_OPTIMIZER_OPTIONS_INIT;
    adam.kind = KD_ADAM;
    adam.rate = 0.005f;
    kd_distiller_options options = KD_DISTILLER_OPTIONS_INIT;
    options.batch = BATCH;
    options.temperature = 3.0f;
    options.optimizer = &adam;
    kd_distiller *distiller;
    kd_error error = KD_ERROR_INIT;
    if (kd_distiller_create(student, teacher, &options, &distiller, &error) != KD_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 0;
    }
    draw_clouds(7, TRANSFER, x, unused);
    kd_status status = KD_OK;
    for (size_t step = 0; status == KD_OK && step < 10 * TRANSFER / BATCH; step++) {
        kd_batch batch = KD_BATCH_INIT;
        batch.n = BATCH;
        batch.x = x + step * BATCH % TRANSFER * INPUTS;
        status = kd_distill_step(distiller, &batch, NULL);
    }
    if (status != KD_OK) {
        fprintf(stderr, "%s\n", kd_distiller_error(distiller));
    }
    kd_distiller_destroy(distiller);
    return status == KD_OK;
}

static int compare(kd_context *context, kd_teacher *const *members, kd_mean_kind kind,
                   const char *name)
{
    kd_teacher *ensemble = NULL;
    kd_error error = KD_ERROR_INIT;
    if (kd_teacher_from_ensemble(members, MEMBERS, NULL, kind, &ensemble, &error) != KD_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 0;
    }
    kd_net *student = train_on_clouds(context, 16, 42); /* the same start for both means */
    int good = student && distil(student, ensemble);
    if (good) {
        printf("distilled from the %s mean: %.2f %%\n", name,
               100.0 * accuracy_on_clouds(student, 3, TEST));
    }
    kd_net_destroy(student);
    kd_teacher_destroy(ensemble);
    return good;
}

int main(void)
{
    kd_context *context;
    kd_teacher *members[MEMBERS] = {NULL};
    if (kd_context_create(NULL, &context, NULL) != KD_OK) {
        return 1;
    }
    int good = 1;
    for (uint64_t m = 0; good && m < MEMBERS; m++) {
        kd_net *net = train_on_clouds(context, 64, m + 1);
        good = net && kd_teacher_from_net(net, &members[m], NULL) == KD_OK;
        if (good) {
            printf("member %d: %.2f %%\n", (int)m, 100.0 * accuracy_on_clouds(net, 3, TEST));
        }
        kd_net_destroy(net); /* the teacher keeps it alive */
    }
    kd_net *alone = good ? train_on_clouds(context, 16, 42) : NULL;
    if (alone) {
        printf("a small net alone: %.2f %%\n", 100.0 * accuracy_on_clouds(alone, 3, TEST));
    }
    good = good && compare(context, members, KD_MEAN_ARITHMETIC, "arithmetic") &&
           compare(context, members, KD_MEAN_GEOMETRIC, "geometric");
    kd_net_destroy(alone);
    for (int m = 0; m < MEMBERS; m++) {
        kd_teacher_destroy(members[m]);
    }
    kd_context_destroy(context);
    return good ? 0 : 1;
}
