/* SPDX-License-Identifier: MIT */
/* Which classes a net takes for which, and an image of each. */
#include "confusable.h"

#include "say.h"

#include <stdlib.h>

enum { SHOWN = 6 };

/* A class and the one that it is taken for. */
typedef struct pair {
    size_t label, other;
    double share; /* mean soft target of the other */
    size_t image; /* the one most like it */
    float most;   /* its soft target of the other */
} pair;

static size_t largest_but(const double *values, size_t n, size_t but)
{
    size_t best = but == 0 ? 1 : 0;
    for (size_t i = 0; i < n; i++) {
        best = i != but && values[i] > values[best] ? i : best;
    }
    return best;
}

/* Whether the label has the largest soft target. */
static bool is_right(const float *p, size_t k, int32_t label)
{
    size_t best = 0;
    for (size_t i = 1; i < k; i++) {
        best = p[i] > p[best] ? i : best;
    }
    return best == (size_t)label;
}

/* For each class, the other one with the largest mean. */
static void find_pairs(const float *p, const int32_t *labels, size_t n, pair out[DIGIT_CLASSES])
{
    double sums[DIGIT_CLASSES][DIGIT_CLASSES] = {{0}};
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < DIGIT_CLASSES; c++) {
            sums[labels[i]][c] += (double)p[i * DIGIT_CLASSES + c];
        }
    }
    for (size_t a = 0; a < DIGIT_CLASSES; a++) {
        size_t b = largest_but(sums[a], DIGIT_CLASSES, a);
        double all = 0.0;
        for (size_t c = 0; c < DIGIT_CLASSES; c++) {
            all += sums[a][c];
        }
        out[a] = (pair){.label = a, .other = b, .share = all > 0.0 ? sums[a][b] / all : 0.0};
    }
    for (size_t i = 0; i < n; i++) {
        const float *row = p + i * DIGIT_CLASSES;
        pair *of = &out[labels[i]];
        if (is_right(row, DIGIT_CLASSES, labels[i]) && row[of->other] > of->most) {
            of->most = row[of->other];
            of->image = i;
        }
    }
}

static int by_share(const void *a, const void *b)
{
    double x = ((const pair *)a)->share;
    double y = ((const pair *)b)->share;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void write_pair(const pair *p, const float *logits, cJSON *list)
{
    cJSON *one = cJSON_CreateObject();
    cJSON_AddNumberToObject(one, "image", (double)p->image);
    cJSON_AddNumberToObject(one, "label", (double)p->label);
    cJSON_AddNumberToObject(one, "other", (double)p->other);
    cJSON *z = cJSON_AddArrayToObject(one, "logits");
    for (size_t c = 0; c < DIGIT_CLASSES; c++) {
        char number[32];
        snprintf(number, sizeof number, "%.6g", (double)logits[p->image * DIGIT_CLASSES + c]);
        cJSON_AddItemToArray(z, cJSON_CreateRaw(number));
    }
    cJSON_AddItemToArray(list, one);
}

bool confusable_write(const study *s, kd_net *net, float temperature, cJSON *result)
{
    size_t n = s->test.n;
    pair pairs[DIGIT_CLASSES];
    float *logits = logits_of(net, &s->test);
    int32_t *labels = labels_of(&s->test);
    float *p = calloc(n * DIGIT_CLASSES, sizeof *p);
    bool good = logits && labels && p;
    kd_error error = KD_ERROR_INIT;
    if (good && kd_softmax(logits, n, DIGIT_CLASSES, 0, temperature, p, 0, &error) != KD_OK) {
        good = say("soft targets", error.text);
    }
    if (good) {
        cJSON *list = cJSON_AddArrayToObject(result, "confusable");
        find_pairs(p, labels, n, pairs);
        qsort(pairs, DIGIT_CLASSES, sizeof *pairs, by_share);
        for (size_t i = 0; i < SHOWN; i++) {
            if (pairs[i].most > 0.0f) {
                write_pair(&pairs[i], logits, list);
            }
        }
    }
    free(p);
    free(labels);
    free(logits);
    return good;
}
