/* SPDX-License-Identifier: MIT */
/*
 * Section 2 of the paper: the soft targets of an ensemble, averaged arithmetically or
 * geometrically. The paper gives no numbers for it on MNIST.
 */
#include "study.h"

#include "say.h"

#include <stdlib.h>

enum { MOST = 16 };

static number_list members = {1, {3}};

static const list_option lists[] = {
    {"members", "teachers in an ensemble; their seeds are 1 and up", 2, MOST, true, &members, true},
    {0}};

/* The members' soft targets of the training images, and their logits of the test images. */
typedef struct ensemble {
    size_t m;
    kd_teacher *teachers[MOST];
    float *logits[MOST];
} ensemble;

/* Trains them, or takes them from an earlier run, when they are first needed. */
static bool load(study *s, ensemble *e)
{
    for (; e->m < (size_t)members.value[0]; e->m++) {
        kd_net *net = study_teacher(s, e->m + 1, NULL);
        e->teachers[e->m] = net ? study_record(s, net, &s->train) : NULL;
        e->logits[e->m] = net ? logits_of(net, &s->test) : NULL;
        kd_net_destroy(net);
        if (!e->teachers[e->m] || !e->logits[e->m]) {
            e->m++;
            return false;
        }
    }
    return true;
}

static void unload(ensemble *e)
{
    for (size_t i = 0; i < e->m; i++) {
        kd_teacher_destroy(e->teachers[i]);
        free(e->logits[i]);
    }
}

static cJSON *describe(const study *s, const char *row, uint64_t seed)
{
    static const uint64_t first = 1;
    cJSON *what = study_what(s, row, seed, &s->o.distilled, &first);
    cJSON_AddNumberToObject(what, "members", members.value[0]);
    return what;
}

/* Test errors of the ensemble itself. */
static bool count(study *s, const ensemble *e, kd_mean_kind kind, cJSON *result)
{
    kd_error error = KD_ERROR_INIT;
    kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    float *mean = calloc(s->test.n * DIGIT_CLASSES, sizeof *mean);
    in.kind = kind;
    in.members = e->m;
    in.n = s->test.n;
    in.k = DIGIT_CLASSES;
    in.logits = (const float *const *)e->logits;
    if (!mean || kd_ensemble_mean(&in, mean, 0, &error) != KD_OK) {
        free(mean);
        return say("ensemble", *error.text ? error.text : "out of memory");
    }
    size_t errors = 0;
    for (size_t i = 0; i < in.n; i++) {
        const float *row = mean + i * DIGIT_CLASSES;
        size_t best = 0;
        for (size_t c = 1; c < DIGIT_CLASSES; c++) {
            best = row[c] > row[best] ? c : best;
        }
        errors += best != s->test_images.labels[i];
    }
    free(mean);
    cJSON_AddNumberToObject(result, "errors", (double)errors);
    cJSON_AddNumberToObject(result, "cases", (double)in.n);
    return true;
}

static bool ask(study *s, ensemble *e, const char *row, kd_mean_kind kind)
{
    cJSON *what = describe(s, row, 0);
    if (study_done(s, what)) {
        return true;
    }
    cJSON *result = cJSON_CreateObject();
    bool good = load(s, e) && count(s, e, kind, result);
    return study_keep(s, good, what, result);
}

/* The mean of all, which the caller destroys, or with NULL the first one, which he doesn't. */
static kd_teacher *teacher_of(study *s, ensemble *e, const kd_mean_kind *kind)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *mean = NULL;
    if (!load(s, e)) {
        return NULL;
    }
    if (!kind) {
        return e->teachers[0];
    }
    if (kd_teacher_from_ensemble(e->teachers, e->m, NULL, *kind, &mean, &error) != KD_OK) {
        say("ensemble", error.text);
    }
    return mean;
}

static bool distil(study *s, ensemble *e, const char *row, const kd_mean_kind *kind)
{
    kd_teacher *teacher = NULL;
    bool good = true;
    for (uint64_t seed = s->o.seed; good && seed < s->o.seed + s->o.seeds; seed++) {
        cJSON *what = describe(s, row, seed);
        if (study_done(s, what)) {
            continue;
        }
        teacher = teacher ? teacher : teacher_of(s, e, kind);
        const student small = {
            .seed = seed, .plan = &s->o.distilled, .data = &s->train, .teacher = teacher};
        good = teacher && study_run(s, what, &small);
        if (!teacher) {
            cJSON_Delete(what);
        }
    }
    if (kind) {
        kd_teacher_destroy(teacher);
    }
    return good;
}

static void adjust(options *o)
{
    o->distilled.epochs = 40;
    o->distilled.hard_weight = 8.0f; /* as paper-mnist */
}

int main(int argc, char **argv)
{
    static const program about = {
        .name = "paper-ensemble",
        .help =
            "Distils one student from one teacher, from the arithmetic and from the geometric\n"
            "mean of several (Hinton, Vinyals, Dean 2015, section 2), and counts test errors.\n",
        .seeds = 3,
        .lists = lists,
        .taught_only = true,
        .adjust = adjust};
    static const char *const keys[] = {"errors"};
    static const kd_mean_kind arithmetic = KD_MEAN_ARITHMETIC, geometric = KD_MEAN_GEOMETRIC;
    study s;
    ensemble e = {0};
    int code;
    if (!study_open(&s, &about, argc, argv, &code)) {
        return code;
    }
    bool good = distil(&s, &e, "distilled from one", NULL) &&
                ask(&s, &e, "arithmetic mean", arithmetic) &&
                distil(&s, &e, "distilled from arithmetic mean", &arithmetic) &&
                ask(&s, &e, "geometric mean", geometric) &&
                distil(&s, &e, "distilled from geometric mean", &geometric);
    unload(&e);
    return study_end(&s, good, keys, 1);
}
