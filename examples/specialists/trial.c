/* SPDX-License-Identifier: MIT */
/* One seed: its generalist, its specialists, and results that are kept. */
#include "trial.h"

#include "examine.h"
#include "say.h"

#include <stdlib.h>

scores trial_scores(const trial *r, const float *given)
{
    return (scores){r->s->test.n, r->s->test.classes, r->labels, r->base, given, &r->own};
}

cJSON *trial_describe(const trial *r, const char *row, const plan *p)
{
    cJSON *what = study_what(r->s, row, r->seed, p, &r->seed);
    cJSON_AddNumberToObject(what, "sets", (double)r->sets);
    cJSON_AddNumberToObject(what, "classes", (double)r->classes);
    return what;
}

bool trial_has(trial *r, const char *row)
{
    cJSON *what = trial_describe(r, row, &r->s->o.alone);
    if (study_done(r->s, what)) {
        return true;
    }
    cJSON_Delete(what);
    return false;
}

bool trial_open(trial *r)
{
    cJSON *result = cJSON_CreateObject();
    r->generalist = study_teacher(r->s, r->seed, result);
    r->labels = labels_of(&r->s->test);
    r->base = r->generalist ? logits_of(r->generalist, &r->s->test) : NULL;
    bool good =
        r->base && r->labels && panel_cluster(r->s, r->generalist, r->sets, r->classes, &r->own);
    cJSON *what = good ? trial_describe(r, "generalist", &r->s->o.alone) : NULL;
    if (good && study_done(r->s, what)) {
        cJSON_Delete(result);
        return true;
    }
    if (good) {
        scores_write(trial_scores(r, r->base), result);
    }
    return study_keep(r->s, good, what, result);
}

void trial_close(trial *r)
{
    panel_close(&r->own);
    kd_net_destroy(r->generalist);
    free(r->labels);
    free(r->base);
}

bool trial_train(trial *r, bool correct)
{
    r->trained = r->trained || panel_train(r->s, r->generalist, r->seed, PANEL_DUSTBIN, &r->own);
    if (r->trained && correct && !r->corrected) {
        r->corrected = panel_correct(&r->own);
        return r->corrected;
    }
    return r->trained;
}

static void describe_cost(const panel *p, cJSON *result)
{
    cJSON_AddNumberToObject(result, "seconds", p->seconds);
    cJSON_AddNumberToObject(result, "tflop", p->tflop);
    cJSON_AddNumberToObject(result, "trained_cases", (double)p->cases);
}

bool trial_ask(trial *r, panel *p, size_t best, const char *row, bool details)
{
    cJSON *what = trial_describe(r, row, &r->s->o.alone);
    cJSON *result = cJSON_CreateObject();
    float *q = panel_ask(r->generalist, p, best, &r->s->test);
    if (q) {
        scores_write(trial_scores(r, q), result);
        describe_cost(p, result);
    }
    bool good = q != NULL;
    if (good && details) {
        scores_write_cover(trial_scores(r, q), result);
        good = p->each == r->s->test.classes || examine(r->generalist, p, &r->s->test, result);
    }
    free(q);
    return study_keep(r->s, good, what, result);
}
