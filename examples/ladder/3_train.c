/* SPDX-License-Identifier: MIT */
/* Training a net on labels: a distiller without a teacher. */
#include "clouds.h"

#include <kd/kd.h>
#include <stdio.h>

enum { CASES = 600, TEST = 3000 };

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    return 1;
}

int main(void)
{
    static float x[CASES * INPUTS], test_x[TEST * INPUTS];
    static int32_t labels[CASES], test_labels[TEST];
    draw_clouds(1, CASES, x, labels);
    draw_clouds(2, TEST, test_x, test_labels);

    /* 1. A net: create, add layers, initialise. */
    kd_error error = KD_ERROR_INIT;
    kd_context *context;
    kd_net *net;
    if (kd_context_create(NULL, &context, &error) != KD_OK ||
        kd_net_create(context, INPUTS, &net, &error) != KD_OK) {
        return fail("create", error.text);
    }
    if (kd_net_add_dense(net, 64) != KD_OK || kd_net_add_relu(net) != KD_OK ||
        kd_net_add_dense(net, CLASSES) != KD_OK || kd_net_init(net, KD_INIT_HE, 1) != KD_OK) {
        return fail("net", kd_net_error(net));
    }

    /* 2. How it learns. No teacher: only the hard term. */
    kd_optimizer_options sgd = KD_OPTIMIZER_OPTIONS_INIT;
    sgd.rate = 0.05f;
    sgd.momentum = 0.9f;
    kd_distiller_options options = KD_DISTILLER_OPTIONS_INIT;
    options.batch = 60;
    options.soft_weight = 0.0f;
    options.hard_weight = 1.0f;
    options.optimizer = &sgd;
    kd_distiller *distiller;
    if (kd_distiller_create(net, NULL, &options, &distiller, &error) != KD_OK) {
        return fail("distiller", error.text);
    }

    /* 3. The loop is the host's. */
    kd_report report = KD_REPORT_INIT;
    for (uint32_t epoch = 0; epoch < 20; epoch++) {
        for (size_t begin = 0; begin < CASES; begin += 60) {
            kd_batch batch = KD_BATCH_INIT;
            batch.n = 60;
            batch.x = x + begin * INPUTS;
            batch.labels = labels + begin;
            batch.epoch = epoch;
            if (kd_distill_step(distiller, &batch, &report) != KD_OK) {
                return fail("step", kd_distiller_error(distiller));
            }
        }
        if (epoch % 5 == 4) {
            printf("epoch %2u: loss %.3f\n", (unsigned)epoch + 1, report.total);
        }
    }

    /* 4. How good it is on cases it has not seen. */
    kd_batch test = KD_BATCH_INIT;
    test.n = TEST;
    test.x = test_x;
    test.labels = test_labels;
    if (kd_distill_evaluate(distiller, &test, &report) != KD_OK) {
        return fail("evaluation", kd_distiller_error(distiller));
    }
    printf("%d test cases, %.1f %% right\n", TEST, 100.0 * report.accuracy);

    kd_distiller_destroy(distiller);
    kd_net_destroy(net);
    kd_context_destroy(context);
    return 0;
}
