/* SPDX-License-Identifier: MIT */
/* The table of workloads. bench/torch_work.py has the same one for PyTorch. */
#include "bench.h"

#include <string.h>

#define STUDENT .layers = 3, .sizes = {784, 800, 800, 10}
#define TINY .layers = 3, .sizes = {784, 30, 30, 10}
#define SPEECH .layers = 9, .sizes = {1040, 2560, 2560, 2560, 2560, 2560, 2560, 2560, 2560, 14000}
#define KD .temperature = 20.0f, .soft = 0.9f, .hard = 0.1f

static const workload table[] = {
    {.name = "W1", .n = 128, STUDENT, .teacher_layers = 3, .teacher = {784, 1200, 1200, 10}, KD},
    {.name = "W2", .n = 128, STUDENT, KD},
    {.name = "W3", .n = 32, TINY, KD, .one_thread = true},
    {.name = "W3b1", .n = 1, TINY, KD, .one_thread = true},
    {.name = "W4a",
     .work = WORK_LOSS,
     .n = 256,
     .sizes = {14000},
     .temperature = 2.0f,
     .soft = 1.0f},
    {.name = "W4b",
     .work = WORK_LOSS,
     .n = 64,
     .sizes = {128000},
     .temperature = 2.0f,
     .soft = 1.0f},
    {.name = "W5", .n = 256, SPEECH, .temperature = 2.0f, .soft = 0.9f, .hard = 0.1f},
    {.name = "W6b1", .work = WORK_INFER, .n = 1, STUDENT},
    {.name = "W6b32", .work = WORK_INFER, .n = 32, STUDENT},
    {.name = "W7a",
     .work = WORK_MEAN,
     .n = 256,
     .sizes = {14000},
     .members = 10,
     .mean = KD_MEAN_ARITHMETIC,
     .temperature = 2.0f},
    {.name = "W7g",
     .work = WORK_MEAN,
     .n = 256,
     .sizes = {14000},
     .members = 10,
     .mean = KD_MEAN_GEOMETRIC,
     .temperature = 2.0f},
    {.name = "W8",
     .n = 128,
     .layers = 3,
     .sizes = {784, 1200, 1200, 10},
     .hard = 1.0f,
     .drop_in = 0.2f,
     .drop_hidden = 0.5f,
     .max_norm = 3.0f},
};

const char *workload_name(size_t index)
{
    return index < sizeof table / sizeof *table ? table[index].name : NULL;
}

const workload *workload_find(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

size_t workload_classes(const workload *w)
{
    return w->sizes[w->layers];
}

size_t workload_params(const workload *w)
{
    size_t sum = 0;
    for (size_t i = 0; i < w->layers; i++) {
        sum += (w->sizes[i] + 1) * w->sizes[i + 1];
    }
    return sum;
}

double workload_flop(const workload *w)
{
    product products[MAX_PRODUCTS];
    size_t kinds = products_list(w, products);
    double sum = 0.0;
    for (size_t i = 0; i < kinds; i++) {
        const product *p = &products[i];
        sum += 2.0 * (double)(p->n * p->in) * (double)(p->out * p->count);
    }
    return sum;
}

size_t workload_elements(const workload *w)
{
    switch (w->work) {
    case WORK_LOSS:
        return w->n * workload_classes(w);
    case WORK_MEAN:
        return w->n * workload_classes(w) * w->members;
    default:
        return 0;
    }
}
