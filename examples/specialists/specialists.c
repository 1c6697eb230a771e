/* SPDX-License-Identifier: MIT */
/*
 * Section 5 of the paper: a generalist, specialists for classes that it confuses, and what all of
 * them say together; the controls that such a gain has to stand beside; and what the paper left
 * open: all of them distilled back into one net.
 */
#include "controls.h"
#include "say.h"

#include <math.h>
#include <stdlib.h>

static number_list sets = {1, {12}};
static number_list classes = {1, {4}};
static number_list members = {1, {3}};
static number_list control_rate = {1, {0.01}};

static const list_option lists[] = {
    {"sets", "specialists", 1, PANEL_MOST, true, &sets, true},
    {"classes", "classes of each of them", 1, 200, true, &classes, true},
    {"members", "generalists in the ensemble that is one of the controls", 2, 16, true, &members,
     true},
    {"control-rate", "first rate of the generalist that is trained on", 1e-6, 10, false,
     &control_rate, true},
    {0}};

static void adjust(options *o)
{
    o->teacher = (plan){.layers = 2,
                        .hidden = 512,
                        .epochs = 20,
                        .batch = 128,
                        .rate = 0.05f,
                        .momentum = 0.9f,
                        .hidden_dropout = 0.2f,
                        .temperature = 1.0f,
                        .hard_weight = 1.0f};
    o->alone = o->teacher;
    o->alone.epochs = 10;
    o->alone.rate = 0.2f;
    o->distilled = o->teacher;
    o->distilled.hidden_dropout = 0.0f;
    o->distilled.temperature = 4.0f;
    o->distilled.soft_weight = 1.0f;
    o->distilled.hard_weight = 0.1f;
}

static void make_small(void)
{
    sets.value[0] = 3;
    classes.value[0] = 5;
    members.value[0] = 2;
}

static void print_clusters(const trial *r)
{
    char name[8];
    printf("classes that seed %llu's generalist confuses:\n", (unsigned long long)r->seed);
    for (size_t i = 0; i < r->own.m; i++) {
        printf("  %2zu:", i + 1);
        for (size_t c = 0; c < r->own.each; c++) {
            characters_name(r->s->kept, r->own.classes[i * r->own.each + c], name);
            printf(" %s", name);
        }
        puts("");
    }
}

static bool clusters(trial *r)
{
    cJSON *what = trial_describe(r, "clusters", &r->s->o.alone);
    print_clusters(r);
    if (study_done(r->s, what)) {
        return true;
    }
    cJSON *result = cJSON_CreateObject();
    cJSON *all = cJSON_AddArrayToObject(result, "sets");
    for (size_t i = 0; i < r->own.m; i++) {
        cJSON *set = cJSON_CreateArray();
        for (size_t c = 0; c < r->own.each; c++) {
            char name[8];
            characters_name(r->s->kept, r->own.classes[i * r->own.each + c], name);
            cJSON_AddItemToArray(set, cJSON_CreateString(name));
        }
        cJSON_AddItemToArray(all, set);
    }
    cJSON_AddNumberToObject(result, "cases", (double)r->s->test.n);
    return study_keep(r->s, true, what, result);
}

/* ---- specialists ---- */

/* The paper's, and with more active specialists; and before the dustbins are corrected. */
static bool specialists(trial *r)
{
    static const char *const rows[] = {"with specialists", "with specialists, n = 2",
                                       "with specialists, n = 3"};
    static const char raw[] = "dustbins not corrected";
    bool good =
        trial_has(r, raw) || (trial_train(r, false) && trial_ask(r, &r->own, 1, raw, false));
    bool all = true;
    for (size_t n = 0; n < 3; n++) {
        all = trial_has(r, rows[n]) && all;
    }
    if (!good || all) {
        return good;
    }
    good = trial_train(r, true);
    for (size_t n = 0; good && n < 3; n++) {
        good = trial_has(r, rows[n]) || trial_ask(r, &r->own, n + 1, rows[n], n == 0);
    }
    return good;
}

/* ---- distilled back ---- */

/* Records what a teacher says of the training images. */
static kd_teacher *record(study *s, const float *log_q)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher = NULL;
    uint64_t *ids = malloc(s->train.n * sizeof *ids);
    for (size_t i = 0; ids && i < s->train.n; i++) {
        ids[i] = i;
    }
    if (!ids) {
        say("recording", "out of memory");
    } else if (kd_teacher_from_logits(s->context, ids, log_q, s->train.n, s->train.classes, 0,
                                      &teacher, &error) != KD_OK) {
        say("recording", error.text);
    }
    free(ids);
    return teacher;
}

static bool distil(trial *r, const char *row, bool with_specialists)
{
    const plan *p = &r->s->o.distilled;
    cJSON *what = trial_describe(r, row, p);
    if (study_done(r->s, what)) {
        return true;
    }
    size_t count = r->s->train.n * r->s->train.classes;
    float *said =
        with_specialists
            ? trial_train(r, true) ? panel_ask(r->generalist, &r->own, 1, &r->s->train) : NULL
            : logits_of(r->generalist, &r->s->train);
    for (size_t i = 0; said && with_specialists && i < count; i++) {
        said[i] = logf(said[i] > 1e-30f ? said[i] : 1e-30f);
    }
    kd_teacher *teacher = said ? record(r->s, said) : NULL;
    cJSON *result = cJSON_CreateObject();
    kd_net *net =
        teacher ? study_train(r->s, what, r->seed, p, &r->s->train, teacher, result) : NULL;
    float *z = net ? logits_of(net, &r->s->test) : NULL;
    if (z) {
        scores_write(trial_scores(r, z), result);
        study_forget(r->s, what);
    }
    bool good = z != NULL;
    free(z);
    kd_net_destroy(net);
    kd_teacher_destroy(teacher);
    free(said);
    return study_keep(r->s, good, what, result);
}

static bool one(study *s, uint64_t seed)
{
    trial r = {.s = s,
               .seed = seed,
               .sets = (size_t)sets.value[0],
               .classes = (size_t)classes.value[0],
               .members = (size_t)members.value[0],
               .control_rate = (float)control_rate.value[0]};
    bool good = trial_open(&r) && clusters(&r) && specialists(&r) && controls_run(&r) &&
                distil(&r, "distilled from the generalist", false) &&
                distil(&r, "distilled from all", true);
    trial_close(&r);
    return good;
}

/* Specialists and the generalist that is trained on begin as copies of it: so its net is theirs. */
static const char *const copied[] = {"layers", "hidden", "input_dropout", "hidden_dropout", NULL};

static void copy_net_fields(options *o)
{
    o->alone.layers = o->teacher.layers;
    o->alone.hidden = o->teacher.hidden;
    o->alone.input_dropout = o->teacher.input_dropout;
    o->alone.hidden_dropout = o->teacher.hidden_dropout;
}

/* Before anything is trained. */
static bool check(const study *s)
{
    char words[80];
    bool few = classes.value[0] > (double)s->train.classes;
    if (!few && sets.value[0] <= (double)s->train.classes) {
        return true;
    }
    snprintf(words, sizeof words, "%g is more than the %zu classes that there are",
             few ? classes.value[0] : sets.value[0], s->train.classes);
    return say(few ? "--classes" : "--sets", words);
}

int main(int argc, char **argv)
{
    static const program about = {
        .name = "paper-specialists",
        .help = "Trains a generalist, finds the classes that it confuses, trains a specialist for\n"
                "each group of them, and merges what all say (Hinton, Vinyals, Dean 2015,\n"
                "section 5). --teacher is the generalist's plan, --alone that of specialists,\n"
                "whose layers, hidden and dropouts are always the generalist's.\n",
        .seeds = 5,
        .lists = lists,
        .adjust = adjust,
        .make_small = make_small,
        .copied = copied,
        .data = &study_characters};
    static const char *const keys[] = {"errors", "conditional_errors"};
    study s;
    int code;
    if (!study_open(&s, &about, argc, argv, &code)) {
        return code;
    }
    copy_net_fields(&s.o);
    bool good = check(&s);
    for (uint64_t seed = s.o.seed; good && seed < s.o.seed + s.o.seeds; seed++) {
        good = one(&s, seed);
    }
    return study_end(&s, good, keys, 2);
}
