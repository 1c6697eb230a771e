/* SPDX-License-Identifier: MIT */
/*
 * Bring your own network: the host has its own model and its own training, here a linear classifier
 * in ten lines. libkd gives it the loss and the gradient of the logits: tier 1, no handle, no
 * memory.
 */
#include <kd/loss.h>
#include <math.h>
#include <stdio.h>

enum { N = 512, INPUTS = 4, CLASSES = 3 };

static float weight[CLASSES][INPUTS];

static void my_forward(float x[N][INPUTS], float logits[N][CLASSES])
{
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < CLASSES; k++) {
            logits[i][k] = 0.0f;
            for (int j = 0; j < INPUTS; j++) {
                logits[i][k] += weight[k][j] * x[i][j];
            }
        }
    }
}

static void my_update(float x[N][INPUTS], float d_logits[N][CLASSES], float rate)
{
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < CLASSES; k++) {
            for (int j = 0; j < INPUTS; j++) {
                weight[k][j] -= rate * d_logits[i][k] * x[i][j];
            }
        }
    }
}

/* Some data, and what the host's teacher says of it; every tenth case has a label. */
static void my_data(float x[N][INPUTS], float teacher[N][CLASSES], int32_t labels[N])
{
    for (int i = 0; i < N; i++) {
        float a = (float)(i % 32) / 16.0f - 1.0f;
        float b = (float)(i / 32) / 8.0f - 1.0f;
        float row[INPUTS] = {a, b, a * b, 1.0f};
        for (int j = 0; j < INPUTS; j++) {
            x[i][j] = row[j];
        }
        teacher[i][0] = 4.0f * a;
        teacher[i][1] = 4.0f * b;
        teacher[i][2] = 1.0f - 3.0f * a * b;
        int best = teacher[i][1] > teacher[i][0] ? 1 : 0;
        best = teacher[i][2] > teacher[i][best] ? 2 : best;
        labels[i] = i % 10 == 0 ? best : -1;
    }
}

int main(void)
{
    static float x[N][INPUTS], teacher[N][CLASSES], logits[N][CLASSES], d_logits[N][CLASSES];
    static int32_t labels[N];
    my_data(x, teacher, labels);

    kd_targets targets = KD_TARGETS_INIT;
    targets.kind = KD_TARGET_LOGITS;
    targets.values = &teacher[0][0];

    kd_term terms[2] = {KD_TERM_INIT, KD_TERM_INIT};
    terms[0].kind = KD_TERM_KL; /* with its T^2: it can't be forgotten */
    terms[0].temperature = 4.0f;
    terms[1].kind = KD_TERM_HARD; /* for the cases that have a label */
    terms[1].weight = 0.1f;

    kd_loss_in in = KD_LOSS_IN_INIT;
    in.n = N;
    in.k = CLASSES;
    in.logits = &logits[0][0];
    in.labels = labels;
    in.targets = &targets;

    double values[2];
    kd_loss_out out = KD_LOSS_OUT_INIT;
    out.d_logits = &d_logits[0][0];
    out.term_values = values;

    kd_error error = KD_ERROR_INIT;
    for (int step = 0; step <= 200; step++) {
        my_forward(x, logits);
        if (kd_loss(terms, 2, &in, &out, &error) != KD_OK) {
            fprintf(stderr, "%s\n", error.text);
            return 1;
        }
        my_update(x, d_logits, 0.5f);
        if (step % 50 == 0) {
            printf("step %3d: total %.5f, T^2 KL %.5f, hard %.5f\n", step, out.total, values[0],
                   values[1]);
        }
    }
    kd_metrics_out metrics = KD_METRICS_OUT_INIT;
    if (kd_metrics(&in, 4.0f, &metrics, &error) != KD_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    printf("the student chooses as its teacher does in %.1f %% of the cases\n",
           100.0 * metrics.agreement);
    return metrics.agreement > 0.95 ? 0 : 1;
}
