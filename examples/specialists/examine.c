/* SPDX-License-Identifier: MIT */
/* Generalist and specialists, asked the same two questions: is it one of these, and which. */
#include "examine.h"

#include "say.h"
#include "training.h"

#include <math.h>
#include <stdlib.h>

/* What one of them answers for a case. */
typedef struct answer {
    double is_own; /* its probability that the class is the specialist's */
    bool tells_it; /* the class is the likeliest of the specialist's */
} answer;

/* Of one side, over all pairs. */
typedef struct tally {
    double own, nats;
    size_t errors;
} tally;

static void count(tally *t, answer a, bool own)
{
    double right = own ? a.is_own : 1.0 - a.is_own;
    t->own += a.is_own;
    t->nats -= log(right > 1e-12 ? right : 1e-12);
    t->errors += own && !a.tells_it;
}

/* From all classes' probabilities. */
static answer of_generalist(const uint32_t *classes, size_t n, const float *p, size_t label)
{
    answer a = {0};
    size_t best = classes[0];
    for (size_t i = 0; i < n; i++) {
        a.is_own += (double)p[classes[i]];
        best = p[classes[i]] > p[best] ? classes[i] : best;
    }
    a.tells_it = best == label;
    return a;
}

/* From its own; its classes are in the order of its outputs, the dustbin behind them. */
static answer of_specialist(const uint32_t *classes, size_t n, const float *p, size_t label)
{
    return (answer){1.0 - (double)p[n], classes[panel_largest(p, n)] == label};
}

static bool is_in(const uint32_t *classes, size_t n, size_t class)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        found = found || classes[i] == class;
    }
    return found;
}

/* Probabilities [n,outputs]; NULL after a message. */
static float *ask(kd_net *net, const case_set *data, size_t outputs)
{
    case_set given = *data;
    given.classes = outputs;
    float *p = logits_of(net, &given);
    kd_error error = KD_ERROR_INIT;
    if (p && kd_softmax(p, data->n, outputs, 0, 1.0f, p, 0, &error) != KD_OK) {
        say("softmax", error.text);
        free(p);
        p = NULL;
    }
    return p;
}

static void write_side(cJSON *into, const char *name, const tally *t, size_t pairs)
{
    cJSON *side = cJSON_AddObjectToObject(into, name);
    cJSON_AddNumberToObject(side, "own", pairs ? t->own / (double)pairs : 0.0);
    cJSON_AddNumberToObject(side, "nats", pairs ? t->nats / (double)pairs : 0.0);
    cJSON_AddNumberToObject(side, "own_errors", (double)t->errors);
}

bool examine(kd_net *generalist, const panel *p, const case_set *data, cJSON *result)
{
    tally base = {0}, other = {0};
    size_t pairs = 0, own = 0;
    int32_t *labels = labels_of(data);
    float *all = ask(generalist, data, data->classes);
    bool good = labels && all && p->each < data->classes;
    for (size_t m = 0; good && m < p->m; m++) {
        const uint32_t *classes = p->classes + m * p->each;
        float *said = ask(kd_specialist_net(p->specialists[m]), data, p->each + 1);
        for (size_t i = 0; said && i < data->n; i++) {
            const float *row = all + i * data->classes;
            size_t label = (size_t)labels[i];
            bool is_own = is_in(classes, p->each, label);
            if (!is_in(classes, p->each, panel_largest(row, data->classes))) {
                continue;
            }
            pairs++;
            own += is_own;
            count(&base, of_generalist(classes, p->each, row, label), is_own);
            count(&other, of_specialist(classes, p->each, said + i * (p->each + 1), label), is_own);
        }
        good = said != NULL;
        free(said);
    }
    if (good) {
        cJSON *active = cJSON_AddObjectToObject(result, "active");
        cJSON_AddNumberToObject(active, "pairs", (double)pairs);
        cJSON_AddNumberToObject(active, "own", (double)own);
        write_side(active, "generalist", &base, pairs);
        write_side(active, "specialist", &other, pairs);
    }
    free(all);
    free(labels);
    return good;
}
