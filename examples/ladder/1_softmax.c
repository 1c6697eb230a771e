/* SPDX-License-Identifier: MIT */
/* Tempered softmax: the same logits at several temperatures (Hinton 2015, eq. 1). */
#include <kd/loss.h>
#include <stdio.h>

int main(void)
{
    const char *names[] = {"cow", "dog", "cat", "car"};
    const float logits[] = {1.0f, 11.0f, 8.0f, -4.0f};
    const float temperatures[] = {1.0f, 2.0f, 5.0f, 20.0f};

    printf("%6s", "T");
    for (int i = 0; i < 4; i++) {
        printf("%11s", names[i]);
    }
    printf("\n");
    for (int t = 0; t < 4; t++) {
        float p[4];
        kd_error error = KD_ERROR_INIT;
        if (kd_softmax(logits, 1, 4, 0, temperatures[t], p, 0, &error) != KD_OK) {
            fprintf(stderr, "%s\n", error.text);
            return 1;
        }
        printf("%6g", (double)temperatures[t]);
        for (int i = 0; i < 4; i++) {
            printf("%11.2g", (double)p[i]);
        }
        printf("\n");
    }
    printf("\nAt T = 1 the dog is all there is. At T = 5 the picture tells that a dog is far more\n"
           "like a cat than like a car: that is what a student can learn from.\n");
    return 0;
}
