/* SPDX-License-Identifier: MIT */
/*
 * The main job: a large net, a small net alone, and the small net distilled from the large one
 * (Hinton, Vinyals, Dean 2015, section 3), compared on test data.
 */
#include "digits.h"
#include "picture.h"
#include "progress.h"
#include "recorded.h"
#include "results.h"
#include "say.h"
#include "sets.h"
#include "settings.h"
#include "training.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    settings settings;
    digit_set train, test;
    case_set train_cases, test_cases;
    kd_context *context;
    kd_teacher *recorded; /* the teacher's logits of the training set */
    trained teacher, alone, distilled;
    results results;
} job;

static bool load_data(job *j)
{
    const settings *s = &j->settings;
    const sets_source source = {s->data, s->holdout, s->seed, s->drawn_train, s->drawn_test};
    if (!sets_load(&source, &j->train, &j->test)) {
        return false;
    }
    j->train_cases = digit_cases(&j->train);
    j->test_cases = digit_cases(&j->test);
    printf("%zu training and %zu test images, %s; %d thread%s\n", j->train.n, j->test.n,
           s->data ? s->data : "drawn by this program", (int)s->threads, s->threads > 1 ? "s" : "");
    return true;
}

static bool one_net(job *j, const plan *p, const char *name, kd_teacher *teacher, trained *net,
                    result *r)
{
    const training t = {.context = j->context,
                        .plan = p,
                        .name = name,
                        .state = j->settings.state,
                        .seed = j->settings.seed,
                        .data = &j->train_cases,
                        .teacher = teacher};
    if (!train(&t, net)) {
        return false;
    }
    *r = (result){count_errors(net->net, &j->test_cases), net->seconds, net->flop};
    return r->errors >= 0;
}

/* The teacher: trained and recorded, or recorded by an earlier run. */
static bool get_teacher(job *j)
{
    const settings *s = &j->settings;
    results *r = &j->results;
    r->recorded = s->record && recorded_exists(s->record, &j->train_cases);
    if (r->recorded) {
        printf("The teacher is a recording, %s: none is trained.\n", s->record);
        j->recorded = recorded_open(j->context, &j->train_cases, s->record);
        return j->recorded != NULL;
    }
    if (!one_net(j, &s->teacher, "teacher", NULL, &j->teacher, &r->teacher)) {
        return false;
    }
    double h = (double)s->teacher.hidden;
    r->teacher.flop += 2.0 * h * (DIGIT_PIXELS + h + DIGIT_CLASSES) * (double)j->train.n;
    j->recorded = recorded_make(j->context, j->teacher.net, &j->train_cases, s->record);
    return j->recorded != NULL;
}

static bool save_student(const job *j)
{
    kd_error error = KD_ERROR_INIT;
    return kd_save_net(j->distilled.net, j->settings.student, NULL, &error) == KD_OK ||
           say("student", error.text);
}

static bool train_all(job *j)
{
    const settings *s = &j->settings;
    results *r = &j->results;
    r->test_cases = j->test.n;
    return get_teacher(j) && one_net(j, &s->alone, "alone", NULL, &j->alone, &r->alone) &&
           one_net(j, &s->distilled, "distilled", j->recorded, &j->distilled, &r->distilled) &&
           save_student(j);
}

/* For each digit the test image of it whose largest soft target is the smallest. */
static size_t choose_images(const job *j, const float *soft, size_t chosen[DIGIT_CLASSES])
{
    size_t found = 0;
    for (int digit = 0; digit < DIGIT_CLASSES; digit++) {
        double best = 2.0;
        size_t image = j->test.n;
        for (size_t i = 0; i < j->test.n; i++) {
            double top = 0.0;
            for (int c = 0; c < DIGIT_CLASSES; c++) {
                top = (double)soft[i * DIGIT_CLASSES + (size_t)c] > top
                          ? (double)soft[i * DIGIT_CLASSES + (size_t)c]
                          : top;
            }
            if (j->test.labels[i] == digit && top < best) {
                best = top;
                image = i;
            }
        }
        if (image < j->test.n) {
            chosen[found++] = image;
        }
    }
    return found;
}

static bool show_soft_targets(const job *j)
{
    float t = j->settings.temperature;
    size_t n = j->test.n;
    float *logits = logits_of(j->teacher.net, &j->test_cases);
    float *hard = malloc(n * DIGIT_CLASSES * sizeof *hard);
    float *soft = malloc(n * DIGIT_CLASSES * sizeof *soft);
    bool good = logits && hard && soft &&
                kd_softmax(logits, n, DIGIT_CLASSES, 0, 1.0f, hard, 0, NULL) == KD_OK &&
                kd_softmax(logits, n, DIGIT_CLASSES, 0, t, soft, 0, NULL) == KD_OK;
    if (good) {
        size_t chosen[DIGIT_CLASSES];
        picture_row rows[DIGIT_CLASSES];
        size_t count = choose_images(j, soft, chosen);
        for (size_t i = 0; i < count; i++) {
            size_t image = chosen[i];
            rows[i] = (picture_row){j->test.pixels + image * DIGIT_PIXELS, j->test.labels[image],
                                    hard + image * DIGIT_CLASSES, soft + image * DIGIT_CLASSES};
        }
        bool ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
        puts("\nWhat the teacher says of the test image of each digit that it finds hardest:\n");
        picture_print(stdout, rows, count < 3 ? count : 3, t, ascii);
        good = picture_save(j->settings.picture, rows, count, t, "Soft targets of the teacher");
    }
    if (!good) {
        say(j->settings.picture, "the picture could not be made");
    }
    free(logits);
    free(hard);
    free(soft);
    return good;
}

/* The BLAS keeps to one thread even if we run one only, so that the bits are the same. */
static bool open_context(job *j)
{
    kd_error error = KD_ERROR_INIT;
    kd_context_options options = KD_CONTEXT_OPTIONS_INIT;
    options.threads = j->settings.threads;
    if (kd_blas_set_single(NULL, NULL, &error) != KD_OK ||
        kd_context_create(&options, &j->context, &error) != KD_OK) {
        return say("threads", error.text);
    }
    return true;
}

static bool run(job *j)
{
    double start = progress_clock();
    if (!open_context(j) || !load_data(j) || !train_all(j)) {
        return false;
    }
    /* A recording knows the training images only. */
    if (!j->results.recorded && !show_soft_targets(j)) {
        return false;
    }
    j->results.seconds = progress_clock() - start;
    results_print(&j->settings, &j->results);
    printf("  Student: %s\n", j->settings.student);
    if (!j->results.recorded) {
        printf("  Soft targets: %s\n", j->settings.picture);
    }
    return !j->settings.json || results_save(&j->settings, &j->results);
}

static void clean_up(job *j)
{
    kd_teacher_destroy(j->recorded);
    kd_net_destroy(j->teacher.net);
    kd_net_destroy(j->alone.net);
    kd_net_destroy(j->distilled.net);
    kd_context_destroy(j->context);
    digit_set_free(&j->train);
    digit_set_free(&j->test);
}

int main(int argc, char **argv)
{
    job j = {0};
    int code;
    setlocale(LC_CTYPE, "");
    say_program = "mnist";
    if (!settings_read(&j.settings, argc, argv, &code)) {
        return code;
    }
    bool good = run(&j);
    clean_up(&j);
    return good ? 0 : 1;
}
