/* SPDX-License-Identifier: MIT */
/*
 * Section 5 of the paper: a generalist, specialists for classes that it confuses, and what all of
 * them say together; the controls that such a gain has to stand beside; and what the paper left
 * open: all of them distilled back into one net.
 */
#include "examine.h"
#include "keeper.h"
#include "panel.h"
#include "say.h"
#include "scores.h"

#include <math.h>
#include <stdlib.h>

static number_list sets = {1, {12}};
static number_list classes = {1, {4}};
static number_list members = {1, {3}};

static const list_option lists[] = {
    {"sets", "specialists", 1, PANEL_MOST, true, &sets, true},
    {"classes", "classes of each of them", 1, 200, true, &classes, true},
    {"members", "generalists in the ensemble that is one of the controls", 2, 16, true, &members,
     true},
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

/* What is at hand for one seed. */
typedef struct trial {
    study *s;
    uint64_t seed;
    kd_net *generalist;
    int32_t *labels; /* [test.n] */
    float *base;     /* [test.n,k] the generalist's logits */
    panel own;       /* by clusters */
    bool trained, corrected;
} trial;

static scores scores_of(const trial *r, const float *given)
{
    return (scores){r->s->test.n, r->s->test.classes, r->labels, r->base, given, &r->own};
}

static void describe_cost(const panel *p, cJSON *result)
{
    cJSON_AddNumberToObject(result, "seconds", p->seconds);
    cJSON_AddNumberToObject(result, "tflop", p->tflop);
    cJSON_AddNumberToObject(result, "trained_cases", (double)p->cases);
}

static cJSON *describe(const trial *r, const char *row)
{
    cJSON *what = study_what(r->s, row, r->seed, &r->s->o.alone, &r->seed);
    cJSON_AddNumberToObject(what, "sets", sets.value[0]);
    cJSON_AddNumberToObject(what, "classes", classes.value[0]);
    return what;
}

/* Takes both. */
static bool keep(trial *r, bool good, cJSON *what, cJSON *result)
{
    if (good) {
        return runs_add(&r->s->runs, what, result);
    }
    cJSON_Delete(what);
    cJSON_Delete(result);
    return false;
}

/* ---- the generalist, and its clusters ---- */

static bool open_round(trial *r)
{
    cJSON *result = cJSON_CreateObject();
    r->generalist = study_teacher(r->s, r->seed, result);
    r->labels = labels_of(&r->s->test);
    r->base = r->generalist ? logits_of(r->generalist, &r->s->test) : NULL;
    bool good = r->base && r->labels &&
                panel_cluster(r->s, r->generalist, (size_t)sets.value[0], (size_t)classes.value[0],
                              &r->own);
    cJSON *what = good ? describe(r, "generalist") : NULL;
    if (good && study_done(r->s, what)) {
        cJSON_Delete(result);
        return true;
    }
    if (good) {
        scores_write(scores_of(r, r->base), result);
    }
    return keep(r, good, what, result);
}

static void close_round(trial *r)
{
    panel_close(&r->own);
    kd_net_destroy(r->generalist);
    free(r->labels);
    free(r->base);
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
    cJSON *what = describe(r, "clusters");
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
    return keep(r, true, what, result);
}

/* ---- specialists ---- */

/* Trained when first needed, and corrected when that is first asked for. */
static bool train_own(trial *r, bool correct)
{
    r->trained = r->trained || panel_train(r->s, r->generalist, r->seed, PANEL_DUSTBIN, &r->own);
    if (r->trained && correct && !r->corrected) {
        r->corrected = panel_correct(&r->own);
        return r->corrected;
    }
    return r->trained;
}

/* With details, also by how many specialists know a class, and how each of them does. */
static bool ask(trial *r, panel *p, size_t best, const char *row, bool details)
{
    cJSON *what = describe(r, row);
    cJSON *result = cJSON_CreateObject();
    float *q = panel_ask(r->generalist, p, best, &r->s->test);
    if (q) {
        scores_write(scores_of(r, q), result);
        describe_cost(p, result);
    }
    bool good = q != NULL;
    if (good && details) {
        scores_write_cover(scores_of(r, q), result);
        good = p->each == r->s->test.classes || examine(r->generalist, p, &r->s->test, result);
    }
    free(q);
    return keep(r, good, what, result);
}

static bool is_done(trial *r, const char *row)
{
    cJSON *what = describe(r, row);
    if (study_done(r->s, what)) {
        return true;
    }
    cJSON_Delete(what);
    return false;
}

/* The paper's, and with more active specialists; and before the dustbins are corrected. */
static bool specialists(trial *r)
{
    static const char *const rows[] = {"with specialists", "with specialists, n = 2",
                                       "with specialists, n = 3"};
    static const char raw[] = "dustbins not corrected";
    bool good = is_done(r, raw) || (train_own(r, false) && ask(r, &r->own, 1, raw, false));
    bool all = true;
    for (size_t n = 0; n < 3; n++) {
        all = is_done(r, rows[n]) && all;
    }
    if (!good || all) {
        return good;
    }
    good = train_own(r, true);
    for (size_t n = 0; good && n < 3; n++) {
        good = is_done(r, rows[n]) || ask(r, &r->own, n + 1, rows[n], n == 0);
    }
    return good;
}

/* Groups at random; and section 6.1's, with all classes. */
static bool other_specialists(trial *r, const char *row, panel_kind kind)
{
    panel p = {0};
    if (is_done(r, row)) {
        return true;
    }
    bool good = kind == PANEL_FULL ? panel_like(&r->own, &p)
                                   : panel_random(r->s, r->seed, (size_t)sets.value[0],
                                                  (size_t)classes.value[0], &p);
    good = good && panel_train(r->s, r->generalist, r->seed, kind, &p) && panel_correct(&p) &&
           ask(r, &p, 1, row, false);
    panel_close(&p);
    return good;
}

/* ---- controls ---- */

/* The generalist goes on for as many cases as specialists saw, at their rate; its best epoch. */
static bool trained_on(trial *r)
{
    static const char row[] = "generalist trained on";
    const characters *c = r->s->kept;
    plan p = r->s->o.alone;
    trained done;
    kd_error error = KD_ERROR_INIT;
    kd_net *net = NULL;
    if (is_done(r, row)) {
        return true;
    }
    size_t cases = 0;
    for (size_t i = 0; i < r->s->train.n; i++) {
        cases += 2 * panel_cover(&r->own, (size_t)c->train_labels[i]) * p.epochs;
    }
    p.epochs = (cases + r->s->train.n / 2) / r->s->train.n;
    p.epochs = p.epochs > 0 ? p.epochs : 1;
    bool good = kd_net_clone(r->generalist, &net, &error) == KD_OK || say("net", error.text);
    int32_t *dev_labels = labels_of(&c->dev);
    keeper k = {&c->dev, dev_labels, NULL, NULL, -1, NULL};
    const training t = {.context = r->s->context,
                        .plan = &p,
                        .name = row,
                        .seed = r->seed + 1000,
                        .data = &r->s->train,
                        .net = net,
                        .after_epoch = keeper_note,
                        .user = &k};
    cJSON *result = cJSON_CreateObject();
    good = good && dev_labels && train(&t, &done);
    if (good) {
        keeper_restore(&k, net);
    }
    keeper_close(&k);
    free(dev_labels);
    float *z = good ? logits_of(net, &r->s->test) : NULL;
    if (z) {
        scores_write(scores_of(r, z), result);
        cJSON_AddNumberToObject(result, "seconds", done.seconds);
        cJSON_AddNumberToObject(result, "tflop", done.flop * 1e-12);
        cJSON_AddNumberToObject(result, "trained_cases", (double)(p.epochs * r->s->train.n));
    }
    free(z);
    kd_net_destroy(net);
    cJSON *what = describe(r, row);
    return keep(r, z != NULL, what, result);
}

/* The mean of what several generalists say, this one among them. */
static bool ensemble(trial *r)
{
    static const char row[] = "ensemble of generalists";
    size_t k = r->s->test.classes, m = (size_t)members.value[0];
    cJSON *what = describe(r, row);
    cJSON_AddNumberToObject(what, "members", (double)m);
    if (study_done(r->s, what)) {
        return true;
    }
    float *sum = calloc(r->s->test.n * k, sizeof *sum);
    cJSON *result = cJSON_CreateObject();
    bool good = sum || say("ensemble", "out of memory");
    for (size_t i = 0; good && i < m; i++) {
        /* Seeds far from those of the rounds. */
        kd_net *net = i > 0 ? study_teacher(r->s, r->seed * 100 + i, NULL) : NULL;
        float *z = logits_of(i > 0 && net ? net : r->generalist, &r->s->test);
        good = (i == 0 || net) && z && kd_softmax(z, r->s->test.n, k, 0, 1.0f, z, 0, NULL) == KD_OK;
        for (size_t j = 0; good && j < r->s->test.n * k; j++) {
            sum[j] += z[j];
        }
        free(z);
        kd_net_destroy(net);
    }
    if (good) {
        scores_write(scores_of(r, sum), result);
    }
    free(sum);
    return keep(r, good, what, result);
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
    cJSON *what = study_what(r->s, row, r->seed, p, &r->seed);
    cJSON_AddNumberToObject(what, "sets", sets.value[0]);
    cJSON_AddNumberToObject(what, "classes", classes.value[0]);
    if (study_done(r->s, what)) {
        return true;
    }
    size_t count = r->s->train.n * r->s->train.classes;
    float *said =
        with_specialists
            ? train_own(r, true) ? panel_ask(r->generalist, &r->own, 1, &r->s->train) : NULL
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
        scores_write(scores_of(r, z), result);
        study_forget(r->s, what);
    }
    bool good = z != NULL;
    free(z);
    kd_net_destroy(net);
    kd_teacher_destroy(teacher);
    free(said);
    return keep(r, good, what, result);
}

static bool one(study *s, uint64_t seed)
{
    trial r = {.s = s, .seed = seed};
    bool good = open_round(&r) && clusters(&r) && specialists(&r) &&
                other_specialists(&r, "random groups", PANEL_DUSTBIN) &&
                other_specialists(&r, "full softmax, soft targets elsewhere", PANEL_FULL) &&
                trained_on(&r) && ensemble(&r) &&
                distil(&r, "distilled from the generalist", false) &&
                distil(&r, "distilled from all", true);
    close_round(&r);
    return good;
}

/* Specialists and the generalist that is trained on begin as copies of it: so its net is theirs. */
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
