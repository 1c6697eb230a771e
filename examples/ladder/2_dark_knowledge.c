/* SPDX-License-Identifier: MIT */
/* A teacher's dark knowledge: what its soft targets say of wrong classes, at several T. */
#include "clouds.h"

#include <stdio.h>

enum { POINTS = 6 };

static void print_row(const float *p)
{
    for (int k = 0; k < CLASSES; k++) {
        printf(p[k] < 1e-3f ? "%9.0e" : "%9.3f", (double)p[k]);
    }
    printf("\n");
}

static int show(kd_workspace *workspace)
{
    static float x[POINTS * INPUTS], logits[POINTS * CLASSES], p[POINTS * CLASSES];
    int32_t labels[POINTS];
    const float temperatures[] = {1.0f, 3.0f, 10.0f};
    kd_error error = KD_ERROR_INIT;
    draw_clouds(99, POINTS, x, labels);
    if (kd_net_infer(workspace, x, POINTS, 0, logits, 0) != KD_OK) {
        fprintf(stderr, "%s\n", kd_workspace_error(workspace));
        return 1;
    }
    for (int t = 0; t < 3; t++) {
        if (kd_softmax(logits, POINTS, CLASSES, 0, temperatures[t], p, 0, &error) != KD_OK) {
            fprintf(stderr, "%s\n", error.text);
            return 1;
        }
        printf("T = %g: a row for a point of each class, a column for each class\n",
               (double)temperatures[t]);
        for (int i = 0; i < POINTS; i++) {
            printf("  class %d", (int)labels[i]);
            print_row(p + i * CLASSES);
        }
        printf("\n");
    }
    printf(
        "The classes lie on a hexagon: 0 is next to 1 and 5, and opposite 3. No label says so,\n"
        "but the soft targets do: neighbours get more than opposites, the plainer the higher T.\n");
    return 0;
}

int main(void)
{
    kd_context *context;
    kd_workspace *workspace = NULL;
    kd_workspace_options options = KD_WORKSPACE_OPTIONS_INIT;
    options.batch = POINTS;
    if (kd_context_create(NULL, &context, NULL) != KD_OK) {
        return 1;
    }
    kd_net *teacher = train_on_clouds(context, 64, 1);
    int code = 1;
    if (teacher && kd_workspace_create(teacher, &options, &workspace, NULL) == KD_OK) {
        code = show(workspace);
    }
    kd_workspace_destroy(workspace);
    kd_net_destroy(teacher);
    kd_context_destroy(context);
    return code;
}
