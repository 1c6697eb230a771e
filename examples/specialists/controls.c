/* SPDX-License-Identifier: MIT */
/* Rows that a gain of specialists has to stand beside. */
#include "controls.h"

#include "keeper.h"
#include "say.h"

#include <stdlib.h>

/* Groups at random; and section 6.1's, with all classes. */
static bool other_specialists(trial *r, const char *row, panel_kind kind)
{
    panel p = {0};
    if (trial_has(r, row)) {
        return true;
    }
    bool good = kind == PANEL_FULL ? panel_like(&r->own, &p)
                                   : panel_random(r->s, r->seed, r->sets, r->classes, &p);
    good = good && panel_train(r->s, r->generalist, r->seed, kind, &p) && panel_correct(&p) &&
           trial_ask(r, &p, 1, row, false);
    panel_close(&p);
    return good;
}

/*
 * The generalist goes on for as many cases as specialists saw; its best epoch. At a rate of its
 * own: one that is good for a few classes may be too large for all.
 */
static bool trained_on(trial *r)
{
    static const char row[] = "generalist trained on";
    const characters *c = r->s->kept;
    plan p = r->s->o.alone;
    trained done;
    kd_error error = KD_ERROR_INIT;
    kd_net *net = NULL;
    size_t cases = 0;
    for (size_t i = 0; i < r->s->train.n; i++) {
        cases += 2 * panel_cover(&r->own, (size_t)c->train_labels[i]) * p.epochs;
    }
    p.rate = r->control_rate;
    cJSON *what = trial_describe(r, row, &p); /* with the specialists' epochs, not its own */
    p.epochs = (cases + r->s->train.n / 2) / r->s->train.n;
    p.epochs = p.epochs > 0 ? p.epochs : 1;
    if (study_done(r->s, what)) {
        return true;
    }
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
        scores_write(trial_scores(r, z), result);
        cJSON_AddNumberToObject(result, "seconds", done.seconds);
        cJSON_AddNumberToObject(result, "tflop", done.flop * 1e-12);
        cJSON_AddNumberToObject(result, "trained_cases", (double)(p.epochs * r->s->train.n));
    }
    free(z);
    kd_net_destroy(net);
    return study_keep(r->s, z != NULL, what, result);
}

/* The mean of what several generalists say, this one among them. */
static bool ensemble(trial *r)
{
    static const char row[] = "ensemble of generalists";
    size_t k = r->s->test.classes, m = r->members;
    cJSON *what = trial_describe(r, row, &r->s->o.alone);
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
        scores_write(trial_scores(r, sum), result);
    }
    free(sum);
    return study_keep(r->s, good, what, result);
}

bool controls_run(trial *r)
{
    return other_specialists(r, "random groups", PANEL_DUSTBIN) &&
           other_specialists(r, "full softmax, soft targets elsewhere", PANEL_FULL) &&
           trained_on(r) && ensemble(r);
}
