/* SPDX-License-Identifier: MIT */
/*
 * An ensemble of teachers (Hinton 2015, section 2). The geometric mean of distributions is the
 * softmax of the mean logits, so it is given as logits and serves any temperature; the arithmetic
 * mean is one of probabilities, and serves the temperature at which it was taken.
 */
#include "teacher/parts.h"

#include "loss/loss.h"

#include <kd/cache.h>
#include <string.h>

typedef struct ensemble_teacher {
    kd_teacher head;
    kd_mean_kind mean;
    size_t m;
    kd_teacher **members; /* [m] */
    double *weights;      /* [m], their sum is 1 */
    void *block;
    size_t block_size;
} ensemble_teacher;

/* What asking needs: a workspace for each member, and one member's answer at a time. */
typedef struct members {
    kd_teacher_workspace **workspaces; /* [m] */
    float *values;                     /* [batch,width] */
} members;

static const ensemble_teacher *ensemble_of(const kd_teacher_workspace *ws)
{
    return (const ensemble_teacher *)ws->teacher;
}

static void close(kd_teacher_workspace *ws)
{
    members *all = ws->extra;
    for (size_t i = 0; all && i < ensemble_of(ws)->m; i++) {
        kd_teacher_workspace_destroy(all->workspaces[i]);
    }
}

static void *lay_out_members(const kd_teacher_workspace *ws, kdi_arena *arena)
{
    const ensemble_teacher *t = ensemble_of(ws);
    size_t count = ws->batch * kdi_teacher_width(&t->head); /* checked at the door */
    members *all = kdi_base_take(arena, 1, sizeof *all);
    kd_teacher_workspace **workspaces = kdi_base_take(arena, t->m, sizeof *workspaces);
    float *values = kdi_base_take(arena, count, sizeof *values);
    if (all) {
        *all = (members){workspaces, values};
    }
    return all;
}

static kd_status open(kd_teacher_workspace *ws, kd_error *error)
{
    const ensemble_teacher *t = ensemble_of(ws);
    kd_status status = kdi_teacher_make_extra(ws, lay_out_members, error);
    members *all = ws->extra;
    for (size_t i = 0; status == KD_OK && i < t->m; i++) {
        status = kdi_teacher_open(t->members[i], ws->batch, false, &all->workspaces[i], error);
    }
    return status;
}

static kd_status ask_member(kd_teacher_workspace *ws, size_t i, const kd_batch *batch,
                            float temperature, float *out, kd_targets *targets, kd_error *error)
{
    members *all = ws->extra;
    kd_teacher *member = all->workspaces[i]->teacher;
    *targets = (kd_targets)KD_TARGETS_INIT;
    targets->kind = member->kind;
    targets->values = out;
    targets->k = member->k;
    return member->ops->ask(all->workspaces[i], batch, temperature, out, targets, error);
}

/* sum += weight values scale; what comes first replaces what is there. */
static void add_member(float *sum, const float *values, size_t count, double factor, bool first)
{
    for (size_t i = 0; i < count; i++) {
        double before = first ? 0.0 : (double)sum[i];
        sum[i] = (float)(before + (factor > 0.0 ? factor * (double)values[i] : 0.0));
    }
}

static kd_status ask(kd_teacher_workspace *ws, const kd_batch *batch, float temperature, float *out,
                     kd_targets *targets, kd_error *error)
{
    const ensemble_teacher *t = ensemble_of(ws);
    members *all = ws->extra;
    if (t->m == 1) {
        return ask_member(ws, 0, batch, temperature, out, targets, error);
    }
    bool arithmetic = t->mean == KD_MEAN_ARITHMETIC;
    for (size_t i = 0; i < t->m; i++) {
        kd_targets one;
        kd_status status = ask_member(ws, i, batch, temperature, all->values, &one, error);
        if (status == KD_OK) {
            char name[40];
            kdi_base_say(name, sizeof name, "member %z of the ensemble", i);
            status = kdi_loss_check_targets(&one, batch->n, name, error);
        }
        if (status == KD_OK && arithmetic) {
            status = kdi_teacher_soften(&one, all->values, batch->n, temperature, error);
        }
        if (status != KD_OK) {
            return status;
        }
        bool scaled = !arithmetic && one.kind == KD_TARGET_LOG_PROBABILITIES;
        double factor = t->weights[i] * (scaled ? (double)one.temperature : 1.0);
        add_member(out, all->values, batch->n * t->head.k, factor, i == 0);
    }
    targets->temperature = arithmetic ? temperature : 0.0f;
    return KD_OK;
}

static bool uses(const kd_teacher *teacher, const kd_net *net)
{
    const ensemble_teacher *t = (const ensemble_teacher *)teacher;
    for (size_t i = 0; i < t->m; i++) {
        if (kdi_teacher_uses(t->members[i], net)) {
            return true;
        }
    }
    return false;
}

static kd_status hash(const kd_teacher *teacher, uint64_t *out, kd_error *error)
{
    const ensemble_teacher *t = (const ensemble_teacher *)teacher;
    uint64_t h = kdi_base_hash_u64(KDI_TEACHER_ENSEMBLE, (uint64_t)t->mean);
    for (size_t i = 0; i < t->m; i++) {
        uint64_t one;
        uint64_t weight;
        kd_status status = kd_teacher_hash(t->members[i], &one, error);
        if (status != KD_OK) {
            return status;
        }
        memcpy(&weight, &t->weights[i], sizeof weight);
        h = kdi_base_hash_u64(kdi_base_hash_u64(h, one), weight);
    }
    *out = h;
    return KD_OK;
}

static void release(kd_teacher *teacher)
{
    ensemble_teacher *t = (ensemble_teacher *)teacher;
    for (size_t i = 0; i < t->m; i++) {
        kd_teacher_destroy(t->members[i]);
    }
    kdi_ctx_delete(teacher->context, t->block, t->block_size);
}

static const kdi_teacher_ops ops = {
    .open = open,
    .close = close,
    .ask = ask,
    .uses = uses,
    .hash = hash,
    .release = release,
};

static kd_status check_member(kd_teacher *const *given, size_t i, size_t m, kd_mean_kind kind,
                              size_t *inputs, kd_error *error)
{
    if (!given[i]) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "members[%z] is NULL", i);
    }
    if (given[i]->k != given[0]->k) {
        return kdi_base_fail(error, KD_ERR_SHAPE, 1,
                             "members[%z] has %z classes, members[0] has %z", i, given[i]->k,
                             given[0]->k);
    }
    if (*inputs && given[i]->inputs && given[i]->inputs != *inputs) {
        return kdi_base_fail(error, KD_ERR_SHAPE, 1,
                             "members[%z] takes %z inputs, one before takes %z", i,
                             given[i]->inputs, *inputs);
    }
    *inputs = given[i]->inputs ? given[i]->inputs : *inputs;
    if (m > 1 && given[i]->kind == KD_TARGET_TOPK) {
        return kdi_base_fail(error, KD_ERR_KIND, 1,
                             "members[%z] gives the top classes only; a mean needs all of them", i);
    }
    if (kind == KD_MEAN_GEOMETRIC && given[i]->kind == KD_TARGET_PROBABILITIES) {
        return kdi_base_fail(error, KD_ERR_KIND, 1,
                             "members[%z] gives probabilities; a geometric mean needs logits", i);
    }
    return KD_OK;
}

static kd_status check(kd_teacher *const *given, size_t m, const float *weights, kd_mean_kind kind,
                       size_t *inputs, double *sum, kd_error *error)
{
    if (!given) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "members is NULL");
    }
    if (m == 0 || m > KD_MAX_MEMBERS) {
        return kdi_base_fail(error, m ? KD_ERR_TOO_LARGE : KD_ERR_SIZE, 2, "m is %z, not 1 to %z",
                             m, (size_t)KD_MAX_MEMBERS);
    }
    if (kind != KD_MEAN_ARITHMETIC && kind != KD_MEAN_GEOMETRIC) {
        return kdi_base_fail(error, KD_ERR_KIND, 4, "kind is %i, no such kind", (int64_t)kind);
    }
    kd_status status = kdi_loss_check_weights(weights, m, 0, "weights", 3, sum, error);
    if (status == KD_OK && !(*sum > 0.0)) {
        return kdi_base_fail(error, KD_ERR_WEIGHT, 3, "all %z weights are 0", m);
    }
    for (size_t i = 0; status == KD_OK && i < m; i++) {
        status = check_member(given, i, m, kind, inputs, error);
    }
    return status;
}

static void lay_out(ensemble_teacher *t, size_t m, kdi_arena *arena)
{
    t->members = kdi_base_take(arena, m, sizeof(kd_teacher *));
    t->weights = kdi_base_take(arena, m, sizeof *t->weights);
}

static kd_status fill(ensemble_teacher *t, kd_teacher *const *given, size_t m, const float *weights,
                      double sum, kd_error *error)
{
    kdi_arena measure = {0};
    lay_out(t, m, &measure);
    t->block = kdi_ctx_new(t->head.context, measure.used);
    t->block_size = measure.used;
    if (!t->block) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for %z members", m);
    }
    kdi_arena place = {.base = t->block};
    lay_out(t, m, &place);
    for (size_t i = 0; i < m; i++) {
        t->members[i] = kdi_teacher_retain(given[i]);
        t->head.by_id = t->head.by_id || given[i]->by_id;
        t->weights[i] = (weights ? (double)weights[i] : 1.0) / sum;
    }
    t->m = m;
    return KD_OK;
}

kd_status kd_teacher_from_ensemble(kd_teacher *const *given, size_t m, const float *weights,
                                   kd_mean_kind kind, kd_teacher **out_teacher, kd_error *error)
{
    if (!out_teacher) {
        return kdi_base_fail(error, KD_ERR_NULL, 5, "out_teacher is NULL");
    }
    *out_teacher = NULL;
    size_t inputs = 0;
    double sum = 0.0;
    kd_status status = check(given, m, weights, kind, &inputs, &sum, error);
    kd_teacher *teacher;
    if (status == KD_OK) {
        status =
            kdi_teacher_new(given[0]->context, sizeof(ensemble_teacher), &ops, &teacher, error);
    }
    if (status != KD_OK) {
        return status;
    }
    teacher->k = given[0]->k;
    teacher->inputs = inputs;
    bool one = m == 1;
    bool arithmetic = kind == KD_MEAN_ARITHMETIC;
    teacher->kind = arithmetic ? KD_TARGET_PROBABILITIES : KD_TARGET_LOGITS;
    teacher->kind = one ? given[0]->kind : teacher->kind;
    teacher->top = one ? given[0]->top : 0;
    ((ensemble_teacher *)teacher)->mean = kind;
    status = fill((ensemble_teacher *)teacher, given, m, weights, sum, error);
    if (status != KD_OK) {
        kd_teacher_destroy(teacher);
        return status;
    }
    *out_teacher = teacher;
    return KD_OK;
}
