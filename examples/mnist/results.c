/* SPDX-License-Identifier: MIT */
/* Three error counts side by side, and the same as JSON. */
#include "results.h"

#include "say.h"

#include <cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_row(const char *name, const plan *p, const result *r, size_t cases)
{
    char shape[40];
    snprintf(shape, sizeof shape, "784-%zu-%zu-10", p->hidden, p->hidden);
    printf("  %-22s %-17s %6zu %8ld %8.2f %% %8.1f s %7.2f\n", name, shape, p->epochs, r->errors,
           100.0 * (double)r->errors / (double)cases, r->seconds, r->flop * 1e-12);
}

void results_print(const settings *s, const results *r)
{
    char distilled[40];
    snprintf(distilled, sizeof distilled, "distilled at T = %g", (double)s->temperature);
    printf("\n  %-22s %-17s %6s %8s %10s %10s %7s\n", "net", "shape", "epochs", "errors",
           "error rate", "time", "TFLOP");
    if (r->recorded) {
        printf("  %-22s %s\n", "teacher", s->record);
    } else {
        print_row("teacher", &s->teacher, &r->teacher, r->test_cases);
    }
    print_row("alone", &s->alone, &r->alone, r->test_cases);
    print_row(distilled, &s->distilled, &r->distilled, r->test_cases);
    double flop = r->teacher.flop + r->alone.flop + r->distilled.flop;
    printf("\n  %zu test cases, seed %llu, %s; %.1f TFLOP in %.0f s.\n", r->test_cases,
           (unsigned long long)s->seed, s->data ? "MNIST" : "digits drawn by this program",
           flop * 1e-12, r->seconds);
    if (r->alone.errors > 0) {
        double change =
            100.0 * (double)(r->alone.errors - r->distilled.errors) / (double)r->alone.errors;
        printf("  The distilled net makes %.0f %% %s errors than the same net alone.\n",
               change < 0.0 ? -change : change, change < 0.0 ? "more" : "fewer");
    }
}

static bool write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    bool good = file && fprintf(file, "%s\n", text) >= 0;
    good = (!file || fclose(file) == 0) && good;
    if (!good) {
        say(path, strerror(errno));
    }
    return good;
}

bool results_save(const settings *s, const results *r)
{
    cJSON *object = cJSON_CreateObject();
    if (!r->recorded) {
        cJSON_AddNumberToObject(object, "teacher_errors", (double)r->teacher.errors);
    }
    cJSON_AddNumberToObject(object, "alone_errors", (double)r->alone.errors);
    cJSON_AddNumberToObject(object, "distilled_errors", (double)r->distilled.errors);
    cJSON_AddNumberToObject(object, "test_cases", (double)r->test_cases);
    cJSON_AddNumberToObject(object, "seed", (double)s->seed);
    cJSON_AddNumberToObject(object, "threads", (double)s->threads);
    cJSON_AddNumberToObject(object, "seconds", r->seconds);
    cJSON_AddStringToObject(object, "data", s->data ? "mnist" : "drawn");
    cJSON_AddStringToObject(object, "preset", s->paper ? "paper" : "quick");
    cJSON_AddBoolToObject(object, "holdout", s->holdout);
    cJSON_AddNumberToObject(object, "temperature", (double)s->temperature);
    cJSON_AddNumberToObject(object, "tflop",
                            (r->teacher.flop + r->alone.flop + r->distilled.flop) * 1e-12);
    char *text = cJSON_Print(object);
    cJSON_Delete(object);
    if (!text) {
        return say(s->json, "out of memory");
    }
    bool good = write_file(s->json, text);
    cJSON_free(text);
    return good;
}
