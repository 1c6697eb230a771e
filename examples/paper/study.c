/* SPDX-License-Identifier: MIT */
/* Trainings whose results are kept. */
#include "study.h"

#include "commit.h"
#include "plans.h"
#include "recorded.h"
#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- beginning and end ---- */

bool study_open(study *s, const program *about, int argc, char **argv, int *out_exit_code)
{
    kd_error error = KD_ERROR_INIT;
    kd_context_options how = KD_CONTEXT_OPTIONS_INIT;
    *s = (study){.data = about->data ? about->data : &study_images};
    if (!options_read(&s->o, about, argc, argv, out_exit_code)) {
        return false;
    }
    *out_exit_code = 1;
    how.threads = s->o.threads;
    if (mkdir(s->o.work, 0777) != 0 && errno != EEXIST) {
        return say(s->o.work, strerror(errno));
    }
    if (kd_blas_set_single(NULL, NULL, &error) != KD_OK ||
        kd_context_create(&how, &s->context, &error) != KD_OK) {
        return say("context", error.text);
    }
    if (s->data->load(s) && runs_open(&s->runs, s->o.json, about->name)) {
        return true;
    }
    study_end(s, false, NULL, 0);
    return false;
}

int study_end(study *s, bool good, const char *const *keys, size_t n_keys)
{
    if (good) {
        runs_print(&s->runs, keys, n_keys);
    }
    runs_close(&s->runs);
    s->data->unload(s);
    kd_context_destroy(s->context);
    return good ? 0 : 1;
}

/* ---- what is run ---- */

static void add_plan(cJSON *to, const char *name, const plan *p)
{
    cJSON *object = cJSON_AddObjectToObject(to, name);
    const char *field;
    double value;
    for (size_t i = 0; (field = plan_field(p, i, &value)) != NULL; i++) {
        char text[40];
        snprintf(text, sizeof text, "%.7g", value); /* 0.04, not the nearest float */
        cJSON_AddRawToObject(object, field, text);
    }
}

cJSON *study_what(const study *s, const char *row, uint64_t seed, const plan *p,
                  const uint64_t *teacher_seed)
{
    cJSON *what = cJSON_CreateObject();
    cJSON_AddStringToObject(what, "row", row);
    cJSON_AddNumberToObject(what, "seed", (double)seed);
    cJSON_AddStringToObject(what, "data", s->o.data ? "files" : "drawn");
    char hash[20];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)s->train.hash);
    cJSON_AddStringToObject(what, "hash", hash);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)s->test.hash);
    cJSON_AddStringToObject(what, "test_hash", hash);
    cJSON_AddBoolToObject(what, "holdout", s->o.holdout);
    add_plan(what, "plan", p);
    if (teacher_seed) {
        cJSON_AddNumberToObject(what, "teacher_seed", (double)*teacher_seed);
        add_plan(what, "teacher", &s->o.teacher);
    }
    if (s->data->describe) {
        s->data->describe(s, what);
    }
    /* As it will be read again: numbers, not raw text. */
    char *text = cJSON_PrintUnformatted(what);
    cJSON_Delete(what);
    what = text ? cJSON_Parse(text) : NULL;
    cJSON_free(text);
    return what;
}

/* The name of a run's files: its row and seed for people, a hash of all for the rest. */
static bool name_of(const cJSON *what, char out[96])
{
    char *text = cJSON_PrintUnformatted(what);
    const char *row = cJSON_GetStringValue(cJSON_GetObjectItem(what, "row"));
    if (!text || !row) {
        cJSON_free(text);
        return say("results", "out of memory");
    }
    uint32_t hash = (uint32_t)kd_hash(0, text, strlen(text));
    snprintf(out, 96, "%.60s-%.0f-%08x", row,
             cJSON_GetNumberValue(cJSON_GetObjectItem(what, "seed")), (unsigned)hash);
    for (char *c = out; *c; c++) {
        *c = strchr(" /,%", *c) ? '-' : *c;
    }
    cJSON_free(text);
    return true;
}

static bool path_of(const study *s, const char *name, const char *ending, char out[4096])
{
    int length = snprintf(out, 4096, "%s/%s.%s", s->o.work, name, ending);
    return (length > 0 && length < 4096) || say(s->o.work, "the name is too long");
}

bool study_path(const study *s, const cJSON *what, const char *ending, char out[4096])
{
    char name[96];
    return name_of(what, name) && path_of(s, name, ending, out);
}

/* ---- trainings ---- */

static void describe_processor(cJSON *result)
{
    char line[200];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (colon && colon[1] && strncmp(line, "model name", 10) == 0) {
            line[strcspn(line, "\n")] = '\0';
            cJSON_AddStringToObject(result, "processor", colon + 2);
            break;
        }
    }
    if (file) {
        fclose(file);
    }
}

/* Where a result comes from, unless it says so already. */
static void describe_origin(const study *s, cJSON *result)
{
    if (!cJSON_HasObjectItem(result, "commit")) {
        cJSON_AddNumberToObject(result, "threads", (double)s->o.threads);
        cJSON_AddStringToObject(result, "commit", COMMIT);
        describe_processor(result);
    }
}

static void describe_training(const study *s, const trained *done, cJSON *result)
{
    cJSON_AddNumberToObject(result, "seconds", done->seconds);
    if (done->diverged > 0) {
        cJSON_AddNumberToObject(result, "diverged", (double)done->diverged);
        cJSON_AddNumberToObject(result, "cases", (double)s->test.n);
    } else {
        cJSON_AddNumberToObject(result, "tflop", done->flop * 1e-12);
    }
    describe_origin(s, result);
}

bool study_diverged(const cJSON *result)
{
    return cJSON_HasObjectItem(result, "diverged");
}

kd_net *study_train(study *s, const cJSON *what, uint64_t seed, const plan *p, const case_set *data,
                    kd_teacher *teacher, cJSON *result)
{
    char name[96], path[4096], best[4096];
    curve c;
    trained done;
    if (!name_of(what, name) || !path_of(s, name, "curve", path) ||
        !path_of(s, name, "best.safetensors", best) ||
        !curve_open(&c, &s->watch, path, best, p->epochs)) {
        return NULL;
    }
    const training t = {.context = s->context,
                        .plan = p,
                        .name = name,
                        .state = s->o.work,
                        .seed = seed,
                        .data = data,
                        .teacher = teacher,
                        .after_epoch = curve_note,
                        .user = &c};
    bool good = train(&t, &done);
    if (good || done.diverged > 0) {
        describe_training(s, &done, result);
    }
    if ((good || done.diverged > 0) && !curve_write(&c, result)) {
        kd_net_destroy(done.net);
        done.net = NULL;
    }
    curve_close(&c);
    return done.net;
}

bool study_save(const study *s, const cJSON *what, const kd_net *net)
{
    kd_error error = KD_ERROR_INIT;
    char path[4096];
    return study_path(s, what, "net.safetensors", path) &&
           (kd_save_net(net, path, NULL, &error) == KD_OK || say("net", error.text));
}

kd_net *study_load(study *s, const cJSON *what, const char *ending)
{
    kd_error error = KD_ERROR_INIT;
    char path[4096];
    kd_net *net = NULL;
    if (study_path(s, what, ending, path) &&
        kd_load_net(s->context, path, NULL, &net, &error) != KD_OK) {
        say("net", error.text);
    }
    return net;
}

void study_forget(const study *s, const cJSON *what)
{
    static const char *const endings[] = {"curve", "safetensors", "best.safetensors"};
    char path[4096];
    for (size_t i = 0; i < 3; i++) {
        if (study_path(s, what, endings[i], path)) {
            (void)unlink(path);
        }
    }
}

kd_net *study_teacher(study *s, uint64_t seed, cJSON *result)
{
    cJSON *what = study_what(s, "teacher", seed, &s->o.teacher, NULL);
    cJSON *unused = cJSON_CreateObject();
    kd_net *net =
        study_train(s, what, seed, &s->o.teacher, &s->train, NULL, result ? result : unused);
    cJSON_Delete(unused);
    cJSON_Delete(what);
    return net;
}

kd_teacher *study_record(study *s, kd_net *net, const case_set *data)
{
    return recorded_make(s->context, net, data, NULL);
}

bool study_test(study *s, kd_net *net, cJSON *result, void *user)
{
    (void)user;
    long errors = count_errors(net, &s->test);
    cJSON_AddNumberToObject(result, "errors", (double)errors);
    cJSON_AddNumberToObject(result, "cases", (double)s->test.n);
    return errors >= 0;
}

const cJSON *study_done(study *s, cJSON *what)
{
    const cJSON *done = runs_have(&s->runs, what);
    if (done) {
        cJSON_Delete(what);
    }
    return done;
}

void study_copy(const cJSON *from, const char *const *names, cJSON *to)
{
    for (; *names; names++) {
        const cJSON *field = cJSON_GetObjectItem(from, *names);
        if (field) {
            cJSON_AddItemToObject(to, *names, cJSON_Duplicate(field, true));
        }
    }
}

bool study_untaught(study *s, cJSON *what, const cJSON *learned)
{
    /* Not the time nor the curve, which are the teacher's. */
    static const char *const names[] = {"diverged", "threads",   "cases",
                                        "commit",   "processor", NULL};
    cJSON *result = cJSON_CreateObject();
    study_copy(learned, names, result);
    cJSON_AddStringToObject(result, "diverged_net", "teacher");
    return study_keep(s, true, what, result);
}

bool study_keep(study *s, bool good, cJSON *what, cJSON *result)
{
    if (good) {
        describe_origin(s, result);
        return runs_add(&s->runs, what, result);
    }
    cJSON_Delete(what);
    cJSON_Delete(result);
    return false;
}

bool study_run(study *s, cJSON *what, const student *of)
{
    cJSON *result = cJSON_CreateObject();
    study_measure measure = of->measure ? of->measure : study_test;
    kd_net *net = study_train(s, what, of->seed, of->plan, of->data, of->teacher, result);
    bool good = net ? measure(s, net, result, of->user) : study_diverged(result);
    kd_net_destroy(net);
    good = study_keep(s, good, what, result);
    if (good) { /* not before, so that a training is never lost */
        study_forget(s, what);
    }
    return good;
}
