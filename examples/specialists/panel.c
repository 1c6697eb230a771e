/* SPDX-License-Identifier: MIT */
/* Specialists: which classes, how they are trained, how they answer. */
#include "panel.h"

#include "keeper.h"
#include "say.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 500 };

/* ---- sets ---- */

static bool make_room(panel *p, size_t m, size_t each)
{
    *p = (panel){.m = m, .each = each, .classes = calloc(m * each, sizeof *p->classes)};
    return p->classes || say("specialists", "out of memory");
}

bool panel_cluster(study *s, kd_net *generalist, size_t m, size_t each, panel *out)
{
    kd_error error = KD_ERROR_INIT;
    kd_covariance *covariance = NULL;
    kd_targets said = KD_TARGETS_INIT;
    kd_cluster_options o = KD_CLUSTER_OPTIONS_INIT;
    float *z = logits_of(generalist, &s->train);
    bool good = z && make_room(out, m, each);
    said.kind = KD_TARGET_LOGITS;
    said.values = z;
    said.k = s->train.classes;
    o.sets = m;
    o.classes = each;
    if (good && (kd_covariance_create(s->context, s->train.classes, &covariance, &error) != KD_OK ||
                 kd_covariance_add(covariance, &said, s->train.n, &error) != KD_OK ||
                 kd_covariance_cluster(covariance, &o, out->classes, NULL, &error) != KD_OK)) {
        good = say("clusters", error.text);
    }
    kd_covariance_destroy(covariance);
    free(z);
    return good;
}

bool panel_random(study *s, uint64_t seed, size_t m, size_t each, panel *out)
{
    kd_error error = KD_ERROR_INIT;
    size_t k = s->train.classes;
    uint32_t *order = calloc(k, sizeof *order);
    bool good = order ? make_room(out, m, each) : say("specialists", "out of memory");
    for (size_t i = 0; good && i < m; i++) {
        good = kd_shuffle(seed, (uint32_t)i, k, order, &error) == KD_OK ||
               say("specialists", error.text);
        memcpy(out->classes + i * each, order, each * sizeof *order);
    }
    free(order);
    return good;
}

bool panel_like(const panel *other, panel *out)
{
    bool good = make_room(out, other->m, other->each);
    if (good) {
        memcpy(out->classes, other->classes, other->m * other->each * sizeof *out->classes);
    }
    return good;
}

size_t panel_cover(const panel *p, size_t class)
{
    size_t n = 0;
    for (size_t i = 0; i < p->m * p->each; i++) {
        n += p->classes[i] == class;
    }
    return n;
}

void panel_close(panel *p)
{
    for (size_t i = 0; i < PANEL_MOST; i++) {
        kd_specialist_destroy(p->specialists[i]);
        kd_net_destroy(p->nets[i]);
    }
    free(p->classes);
    *p = (panel){0};
}

/* ---- training ---- */

/* Whether a set has the class. */
static bool has(const panel *p, size_t i, size_t class)
{
    bool found = false;
    for (size_t c = 0; c < p->each; c++) {
        found = found || p->classes[i * p->each + c] == class;
    }
    return found;
}

/*
 * Section 6.1's targets: logits of the label, so far above the others that their softmax is it to
 * the last bit; the generalist's for classes that are not the specialist's.
 */
static kd_teacher *full_targets(study *s, const float *z, const panel *p, size_t i)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher = NULL;
    const characters *c = s->kept;
    size_t n = s->train.n, k = s->train.classes;
    float *v = malloc(n * k * sizeof *v);
    uint64_t *ids = malloc(n * sizeof *ids);
    for (size_t row = 0; v && ids && row < n; row++) {
        size_t label = (size_t)c->train_labels[row];
        ids[row] = row;
        memcpy(v + row * k, z + row * k, k * sizeof *v);
        for (size_t j = 0; has(p, i, label) && j < k; j++) {
            v[row * k + j] = j == label ? 100.0f : 0.0f;
        }
    }
    if (!v || !ids) {
        say("targets", "out of memory");
    } else if (kd_teacher_from_logits(s->context, ids, v, n, k, 0, &teacher, &error) != KD_OK) {
        say("targets", error.text);
    }
    free(ids);
    free(v);
    return teacher;
}

static bool create(study *s, kd_net *generalist, panel *p, size_t i)
{
    kd_error error = KD_ERROR_INIT;
    kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
    o.classes = p->classes + i * p->each;
    o.n_classes = p->each;
    o.k = s->train.classes;
    o.generalist = p->kind == PANEL_DUSTBIN ? generalist : NULL;
    if (kd_specialist_create(s->context, &o, &p->specialists[i], &error) != KD_OK ||
        (p->kind == PANEL_FULL && kd_net_clone(generalist, &p->nets[i], &error) != KD_OK)) {
        return say("specialist", error.text);
    }
    return true;
}

static bool find_prior(study *s, panel *p, size_t i)
{
    const characters *c = s->kept;
    size_t own = 0;
    for (size_t row = 0; row < s->train.n; row++) {
        own += has(p, i, (size_t)c->train_labels[row]);
    }
    p->priors[i] = (double)own / (double)s->train.n;
    p->cases += 2 * own * s->o.alone.epochs;
    return own > 0 || say("specialist", "no image of its classes");
}

/* What correcting will add to its outputs, so that epochs are compared by what it will say. */
static float *shift_of(const panel *p, size_t i, size_t k)
{
    float *shift = calloc(k + 1, sizeof *shift);
    double odds = log1p(-p->priors[i]) - log(p->priors[i]);
    for (size_t c = 0; shift && p->kind == PANEL_FULL && c < k; c++) {
        shift[c] = has(p, i, c) && isfinite(odds) ? (float)-odds : 0.0f;
    }
    if (shift && p->kind == PANEL_DUSTBIN && isfinite(odds)) {
        shift[p->each] = (float)odds;
    }
    return shift;
}

static bool train_one(study *s, const float *z, uint64_t seed, panel *p, size_t i,
                      const int32_t *dev_labels)
{
    const characters *c = s->kept;
    char name[40];
    trained done;
    bool dustbin = p->kind == PANEL_DUSTBIN;
    float *shift = shift_of(p, i, s->train.classes);
    keeper k = {&c->dev, dev_labels, dustbin ? p->specialists[i] : NULL, shift, -1, NULL};
    plan how = s->o.alone;
    how.temperature = 1.0f; /* if there are soft targets, they alone */
    how.soft_weight = 1.0f;
    how.hard_weight = 0.0f;
    snprintf(name, sizeof name, "%s %zu", p->kind == PANEL_FULL ? "full" : "specialist", i + 1);
    kd_net *net = p->kind == PANEL_FULL ? p->nets[i] : kd_specialist_net(p->specialists[i]);
    kd_teacher *targets = p->kind == PANEL_FULL ? full_targets(s, z, p, i) : NULL;
    const training t = {.context = s->context,
                        .plan = &how,
                        .name = name,
                        .seed = seed * 1000 + i,
                        .data = &s->train,
                        .teacher = targets,
                        .net = net,
                        .specialist = p->specialists[i],
                        .dustbin = dustbin,
                        .after_epoch = keeper_note,
                        .user = &k};
    bool good =
        (shift || say("specialist", "out of memory")) && (dustbin || targets) && train(&t, &done);
    if (good) {
        keeper_restore(&k, net);
        p->seconds += done.seconds;
        p->tflop += done.flop * 1e-12;
    }
    keeper_close(&k);
    kd_teacher_destroy(targets);
    free(shift);
    return good;
}

bool panel_train(study *s, kd_net *generalist, uint64_t seed, panel_kind kind, panel *p)
{
    const characters *c = s->kept;
    p->kind = kind;
    float *z = kind == PANEL_FULL ? logits_of(generalist, &s->train) : NULL;
    int32_t *dev_labels = labels_of(&c->dev);
    bool good = dev_labels && (z || kind == PANEL_DUSTBIN);
    for (size_t i = 0; good && i < p->m; i++) {
        good = create(s, generalist, p, i) && find_prior(s, p, i) &&
               train_one(s, z, seed, p, i, dev_labels);
    }
    free(dev_labels);
    free(z);
    return good;
}

/* In training the odds of its classes were 1; in the data they are prior / (1 - prior). */
static bool correct_full(panel *p, size_t i)
{
    kd_net_info info = KD_NET_INFO_INIT;
    kd_param bias = KD_PARAM_INIT;
    (void)kd_net_get_info(p->nets[i], &info, NULL);
    (void)kd_net_get_param(p->nets[i], info.params - 1, &bias);
    double shift = log(p->priors[i]) - log1p(-p->priors[i]);
    for (size_t c = 0; c < p->each && isfinite(shift); c++) {
        float *value = &bias.values[p->classes[i * p->each + c]];
        *value = (float)((double)*value + shift);
    }
    return true;
}

bool panel_correct(panel *p)
{
    kd_error error = KD_ERROR_INIT;
    bool good = true;
    for (size_t i = 0; good && i < p->m; i++) {
        good = p->kind == PANEL_FULL ? correct_full(p, i)
                                     : kd_specialist_correct(p->specialists[i], p->priors[i], NULL,
                                                             &error) == KD_OK ||
                                           say("specialist", error.text);
    }
    return good;
}

/* ---- answers ---- */

/* The teacher that all of them are, asked for all cases. */
static bool ask_dustbins(kd_net *generalist, panel *p, size_t best, const case_set *data,
                         float *out)
{
    kd_error error = KD_ERROR_INIT;
    kd_merge_options o = KD_MERGE_OPTIONS_INIT;
    kd_teacher *large = NULL, *all = NULL;
    kd_teacher_workspace *ws = NULL;
    float *x = malloc(PIECE * data->inputs * sizeof *x);
    uint32_t cases[PIECE];
    o.best = best;
    bool good =
        x != NULL && kd_teacher_from_net(generalist, &large, &error) == KD_OK &&
        kd_teacher_from_specialists(large, p->specialists, p->m, &o, &all, &error) == KD_OK &&
        kd_teacher_workspace_create(all, PIECE, &ws, &error) == KD_OK;
    for (size_t begin = 0; good && begin < data->n; begin += PIECE) {
        kd_batch batch = KD_BATCH_INIT;
        kd_targets said = KD_TARGETS_INIT;
        batch.n = data->n - begin < PIECE ? data->n - begin : PIECE;
        batch.x = x;
        for (size_t i = 0; i < batch.n; i++) {
            cases[i] = (uint32_t)(begin + i);
        }
        data->load(data->kept, cases, batch.n, NULL, x, NULL);
        good = kd_teacher_targets(ws, &batch, 1.0f, &said, &error) == KD_OK;
        for (size_t i = 0; good && i < batch.n * data->classes; i++) {
            out[begin * data->classes + i] = expf(said.values[i]);
        }
    }
    if (!good) {
        say("specialists", x ? error.text : "out of memory");
    }
    free(x);
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(all);
    kd_teacher_destroy(large);
    return good;
}

size_t panel_largest(const float *values, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = values[i] > values[best] ? i : best;
    }
    return best;
}

/* Each gives a probability to each class, so eq. 5's q is the mean of those that are active. */
static bool ask_full(kd_net *generalist, panel *p, const case_set *data, float *out)
{
    size_t k = data->classes;
    float *z = logits_of(generalist, data);
    uint8_t *active = calloc(data->n, sizeof *active);
    size_t *first = calloc(data->n, sizeof *first);
    bool good = (z && active && first) || say("specialists", "out of memory");
    good = good && kd_softmax(z, data->n, k, 0, 1.0f, out, 0, NULL) == KD_OK;
    for (size_t row = 0; good && row < data->n; row++) {
        first[row] = panel_largest(out + row * k, k);
    }
    for (size_t i = 0; good && i < p->m; i++) {
        free(z);
        z = logits_of(p->nets[i], data);
        good = z && kd_softmax(z, data->n, k, 0, 1.0f, z, 0, NULL) == KD_OK;
        for (size_t row = 0; good && row < data->n; row++) {
            bool is_active = has(p, i, first[row]);
            active[row] = (uint8_t)(active[row] + is_active);
            for (size_t c = 0; is_active && c < k; c++) {
                out[row * k + c] += z[row * k + c];
            }
        }
    }
    for (size_t i = 0; good && i < data->n * k; i++) {
        out[i] /= 1.0f + (float)active[i / k];
    }
    free(first);
    free(active);
    free(z);
    return good;
}

float *panel_ask(kd_net *generalist, panel *p, size_t best, const case_set *data)
{
    float *out = malloc(data->n * data->classes * sizeof *out);
    bool good = out ? p->kind == PANEL_FULL ? ask_full(generalist, p, data, out)
                                            : ask_dustbins(generalist, p, best, data, out)
                    : say("specialists", "out of memory");
    if (!good) {
        free(out);
        out = NULL;
    }
    return out;
}
