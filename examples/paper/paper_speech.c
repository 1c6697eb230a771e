/* SPDX-License-Identifier: MIT */
/*
 * Section 4 of the paper, table 1: ten acoustic models that differ in their seeds, their ensemble,
 * and one net of the same size that is distilled from it. The temperature is the one at which
 * distilled nets name most frames of the development part right, on average over the seeds; only
 * those nets are tested. A training that diverges is a row, and leaves no ensemble.
 */
#include "speech/speech.h"

#include "say.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 32 };

static number_list members = {1, {10}};
static number_list temperatures = {4, {1, 2, 5, 10}};

/* --temperatures sets it. */
static const char *const swept[] = {"temperature", NULL};

static const list_option lists[] = {
    {"members", "nets in an ensemble; those of seed S are S N + 1 to S N + N", 1, MOST, true,
     &members, true},
    {"temperatures", "of the soft targets, to choose from", 1e-3, 1e6, false, &temperatures, false},
    {0}};

static size_t count_members(void)
{
    return (size_t)members.value[0];
}

/* ---- the ensemble of a seed, which is made when it is first needed ---- */

typedef struct ensemble {
    size_t m; /* 0: not made yet */
    uint64_t seed;
    kd_teacher *nets[MOST]; /* They know the training frames; NULL: its training diverged. */
    float *logits[MOST];    /* Of the test frames; likewise. */
    cJSON *trained[MOST];   /* What study_train said. */
    kd_teacher *mean;       /* NULL if a training diverged. */
} ensemble;

static void unmake(ensemble *e)
{
    kd_teacher_destroy(e->mean);
    for (size_t i = 0; i < e->m; i++) {
        kd_teacher_destroy(e->nets[i]);
        free(e->logits[i]);
        cJSON_Delete(e->trained[i]);
    }
    *e = (ensemble){0};
}

static uint64_t member_seed(uint64_t seed, size_t i)
{
    return seed * count_members() + i + 1;
}

static bool make_member(study *s, ensemble *e, size_t i)
{
    e->trained[i] = cJSON_CreateObject();
    kd_net *net = study_teacher(s, member_seed(e->seed, i), e->trained[i]);
    if (!net) {
        return study_diverged(e->trained[i]);
    }
    e->nets[i] = study_record(s, net, &s->train);
    e->logits[i] = logits_of(net, &s->test);
    kd_net_destroy(net);
    return e->nets[i] && e->logits[i];
}

static bool is_whole(const ensemble *e)
{
    bool whole = true;
    for (size_t i = 0; i < e->m; i++) {
        whole = whole && e->nets[i];
    }
    return whole;
}

static bool make(study *s, ensemble *e, uint64_t seed)
{
    kd_error error = KD_ERROR_INIT;
    bool good = true;
    if (e->m > 0 && e->seed == seed) {
        return true;
    }
    unmake(e);
    e->seed = seed;
    while (good && e->m < count_members()) {
        good = make_member(s, e, e->m++);
    }
    if (good && is_whole(e) &&
        kd_teacher_from_ensemble(e->nets, e->m, NULL, KD_MEAN_ARITHMETIC, &e->mean, &error) !=
            KD_OK) {
        good = say("ensemble", error.text);
    }
    if (!good) {
        unmake(e);
    }
    return good;
}

/* ---- rows of the test ---- */

static cJSON *describe(const study *s, const char *row, uint64_t seed, const plan *p,
                       const part *tested, bool taught)
{
    cJSON *what = study_what(s, row, seed, p, taught ? &seed : NULL);
    speech_name_part(s, what, tested);
    return what;
}

/* speech_score changes what it is given, so it is given a copy. */
static bool score_member(study *s, const ensemble *e, size_t i, cJSON *result)
{
    const speech *d = s->kept;
    size_t size = s->test.n * HMM_TARGETS * sizeof(float);
    float *z = malloc(size);
    if (!z) {
        return say("scores", "out of memory");
    }
    memcpy(z, e->logits[i], size);
    bool good = speech_score(s, d->tested, z, result);
    free(z);
    return good;
}

/* Takes `what`, a row of the ensemble's member i. What came of it; NULL after a message. */
static const cJSON *test_member(study *s, ensemble *e, uint64_t seed, size_t i, cJSON *what)
{
    cJSON_AddNumberToObject(what, "net", (double)member_seed(seed, i));
    const cJSON *done = study_done(s, what);
    if (done) {
        return done;
    }
    if (!make(s, e, seed)) {
        cJSON_Delete(what);
        return NULL;
    }
    cJSON *result = cJSON_Duplicate(e->trained[i], true);
    bool good = study_diverged(result) || score_member(s, e, i, result);
    return study_keep(s, good, what, result) ? result : NULL;
}

/* The baseline and all members: *out_whole is false if one of them has diverged. */
static bool test_members(study *s, ensemble *e, uint64_t seed, bool *out_whole)
{
    const speech *d = s->kept;
    const plan *p = &s->o.teacher;
    cJSON *what = describe(s, "baseline", seed, p, d->tested, false);
    cJSON_AddNumberToObject(what, "members", members.value[0]);
    const cJSON *result = test_member(s, e, seed, 0, what);
    *out_whole = true;
    for (size_t i = 0; result && i < count_members(); i++) {
        what = describe(s, "member", member_seed(seed, i), p, d->tested, false);
        result = test_member(s, e, seed, i, what);
        *out_whole = *out_whole && result && !study_diverged(result);
    }
    return result != NULL;
}

/* ln of the members' mean probabilities at T = 1, which the caller frees. */
static float *log_mean(const study *s, const ensemble *e)
{
    kd_error error = KD_ERROR_INIT;
    kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    float *mean = calloc(s->test.n * HMM_TARGETS, sizeof *mean);
    in.kind = KD_MEAN_ARITHMETIC;
    in.members = e->m;
    in.n = s->test.n;
    in.k = HMM_TARGETS;
    in.logits = (const float *const *)e->logits;
    if (!mean || kd_ensemble_mean(&in, mean, 0, &error) != KD_OK) {
        free(mean);
        say("ensemble", *error.text ? error.text : "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < in.n * in.k; i++) {
        mean[i] = logf(fmaxf(mean[i], 1e-37f)); /* a floor, or ln 0 */
    }
    return mean;
}

static bool test_ensemble(study *s, ensemble *e, uint64_t seed)
{
    const speech *d = s->kept;
    cJSON *what = describe(s, "ensemble", seed, &s->o.teacher, d->tested, false);
    cJSON_AddNumberToObject(what, "members", members.value[0]);
    if (study_done(s, what)) {
        return true;
    }
    float *z = make(s, e, seed) ? log_mean(s, e) : NULL;
    cJSON *result = cJSON_CreateObject();
    bool good = z && speech_score(s, d->tested, z, result);
    free(z);
    return study_keep(s, good, what, result);
}

/* ---- distilled nets ---- */

/* A net that is distilled at this temperature, and what describes it. */
typedef struct distilled {
    plan plan;
    uint64_t seed;
    cJSON *what; /* Of its row on the development part, and of its file. */
} distilled;

static distilled describe_distilled(const study *s, uint64_t seed, double temperature)
{
    const speech *d = s->kept;
    distilled x = {s->o.distilled, seed, NULL};
    char row[40];
    snprintf(row, sizeof row, "T = %g", temperature);
    x.plan.temperature = (float)temperature;
    x.what = describe(s, row, seed, &x.plan, &d->development, true);
    cJSON_AddNumberToObject(x.what, "members", members.value[0]);
    return x;
}

/* Trains it and keeps it in a file. */
static kd_net *train_distilled(study *s, ensemble *e, const distilled *x, cJSON *result)
{
    kd_net *net = make(s, e, x->seed)
                      ? study_train(s, x->what, x->seed, &x->plan, &s->train, e->mean, result)
                      : NULL;
    if (net && !study_save(s, x->what, net)) {
        kd_net_destroy(net);
        net = NULL;
    }
    return net;
}

/* What is written down of this run; NULL if nothing is. */
static const cJSON *result_of(const study *s, const cJSON *what)
{
    for (size_t i = 0; i < s->runs.n; i++) {
        const cJSON *run = s->runs.run[i];
        if (cJSON_Compare(cJSON_GetObjectItem(run, "what"), what, true)) {
            return cJSON_GetObjectItem(run, "result");
        }
    }
    return NULL;
}

/*
 * Tests it on the development part; its frame accuracy there is added to *sum. Nothing is if it
 * diverged.
 */
static bool develop(study *s, ensemble *e, uint64_t seed, double temperature, double *sum)
{
    const speech *d = s->kept;
    const distilled x = describe_distilled(s, seed, temperature);
    cJSON *what = cJSON_Duplicate(x.what, true);
    bool good = study_done(s, what) != NULL;
    if (!good) {
        cJSON *result = cJSON_CreateObject();
        kd_net *net = train_distilled(s, e, &x, result);
        good = net ? speech_test(s, net, &d->development, result) : study_diverged(result);
        kd_net_destroy(net);
        good = study_keep(s, good, what, result);
        if (good) {
            study_forget(s, x.what);
        }
    }
    const cJSON *accuracy = cJSON_GetObjectItem(result_of(s, x.what), "frame_accuracy");
    *sum += cJSON_IsNumber(accuracy) ? accuracy->valuedouble : 0.0;
    cJSON_Delete(x.what);
    return good;
}

/* The net that develop made, and what it wrote of the training; NULL also if that diverged. */
static kd_net *load_distilled(study *s, const distilled *x, cJSON *result)
{
    static const char *const names[] = {"seconds",         "threads", "diverged",  "cases",
                                        "tflop",           "commit",  "processor", "loss",
                                        "held_out_errors", NULL};
    study_copy(result_of(s, x->what), names, result);
    return study_diverged(result) ? NULL : study_load(s, x->what, "net.safetensors");
}

/* Tests the net that develop made. */
static bool test_distilled(study *s, ensemble *e, uint64_t seed, double temperature)
{
    const speech *d = s->kept;
    char path[4096];
    distilled x = describe_distilled(s, seed, temperature);
    cJSON *what = describe(s, "distilled", seed, &x.plan, d->tested, true);
    cJSON_AddNumberToObject(what, "members", members.value[0]);
    bool good = study_done(s, what) != NULL;
    if (!good && study_path(s, x.what, "net.safetensors", path)) {
        cJSON *result = cJSON_CreateObject();
        bool made = access(path, F_OK) == 0 || study_diverged(result_of(s, x.what));
        kd_net *net = made ? load_distilled(s, &x, result) : train_distilled(s, e, &x, result);
        good = net ? speech_test(s, net, d->tested, result) : study_diverged(result);
        kd_net_destroy(net);
        good = study_keep(s, good, what, result);
        if (good) {
            study_forget(s, x.what);
        }
    }
    cJSON_Delete(x.what);
    return good;
}

/* ---- all ---- */

/* An ensemble that is not whole is not one of those that are compared. */
static bool run_seed(study *s, uint64_t seed, double accuracies[OPTIONS_MOST])
{
    ensemble e = {0};
    bool whole;
    bool good = test_members(s, &e, seed, &whole) && (!whole || test_ensemble(s, &e, seed));
    for (size_t i = 0; good && whole && i < temperatures.n; i++) {
        good = develop(s, &e, seed, temperatures.value[i], &accuracies[i]);
    }
    unmake(&e);
    return good;
}

static bool test_chosen(study *s, const double accuracies[OPTIONS_MOST])
{
    ensemble e = {0};
    size_t best = 0;
    bool good = true, whole;
    for (size_t i = 1; i < temperatures.n; i++) {
        best = accuracies[i] > accuracies[best] ? i : best;
    }
    printf("T = %g is best on the development part\n", temperatures.value[best]);
    for (uint64_t seed = s->o.seed; good && seed < s->o.seed + s->o.seeds; seed++) {
        good = test_members(s, &e, seed, &whole) &&
               (!whole || test_distilled(s, &e, seed, temperatures.value[best]));
    }
    unmake(&e);
    return good;
}

int main(int argc, char **argv)
{
    static const program about = {
        .name = "paper-speech",
        .help = "Trains acoustic models that differ in their seeds, the first of which is the\n"
                "baseline, and distils one from their ensemble (Hinton, Vinyals, Dean 2015,\n"
                "section 4); counts frames and words that they get right. --teacher is for these\n"
                "models, --distilled for the one that is taught.\n",
        .seeds = 5,
        .lists = lists,
        .texts = speech_texts,
        .swept = swept,
        .taught_only = true,
        .adjust = speech_plans,
        .data = &speech_data};
    static const char *const keys[] = {"frame_accuracy", "word_error_rate"};
    double accuracies[OPTIONS_MOST] = {0};
    study s;
    int code;
    if (!study_open(&s, &about, argc, argv, &code)) {
        return code;
    }
    bool good = true;
    for (uint64_t seed = s.o.seed; good && seed < s.o.seed + s.o.seeds; seed++) {
        good = run_seed(&s, seed, accuracies);
    }
    good = good && test_chosen(&s, accuracies);
    return study_end(&s, good, keys, 2);
}
