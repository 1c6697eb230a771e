/* SPDX-License-Identifier: MIT */
/*
 * A generalist and its specialists as one teacher (Hinton 2015, section 5.4). The generalist is
 * asked first; it says which specialists are active for a case, and only these run on it.
 */
#include "teacher/parts.h"

#include "loss/loss.h"
#include "specialist/specialist.h"

#include <kd/cache.h>
#include <math.h>
#include <string.h>

typedef struct specialists_teacher {
    kd_teacher head;
    kd_teacher *generalist;
    size_t m;
    kd_specialist **specialists; /* [m] */
    kd_merge_options options;
} specialists_teacher;

/* What asking needs. */
typedef struct panel {
    kd_teacher_workspace *generalist;
    kd_workspace **nets; /* [m] */
    float **answers;     /* [m], each [batch,outputs] */
    float *p;            /* [batch,k] the generalist's */
    bool *active;        /* [batch,m] */
    uint32_t *rows;      /* [batch] cases for which a specialist is active */
    float *x;            /* [batch,inputs] of these */
    double *scratch;     /* of the merge */
} panel;

static const specialists_teacher *teacher_of(const kd_teacher_workspace *ws)
{
    return (const specialists_teacher *)ws->teacher;
}

static void close(kd_teacher_workspace *ws)
{
    panel *all = ws->extra;
    for (size_t i = 0; all && i < teacher_of(ws)->m; i++) {
        kd_workspace_destroy(all->nets[i]);
    }
    kd_teacher_workspace_destroy(all ? all->generalist : NULL);
}

/* [rows,columns] elements. */
static void *take(kdi_arena *arena, size_t rows, size_t columns, size_t size)
{
    size_t count = 0;
    arena->overflow = arena->overflow || !kdi_base_mul(rows, columns, &count);
    return arena->overflow ? NULL : kdi_base_take(arena, count, size);
}

static void *lay_out(const kd_teacher_workspace *ws, kdi_arena *arena)
{
    const specialists_teacher *t = teacher_of(ws);
    size_t batch = ws->batch;
    size_t threads = kdi_ctx_threads(ws->context);
    panel measured = {0};
    panel *place = take(arena, 1, 1, sizeof *place);
    panel *all = place ? place : &measured;
    all->nets = take(arena, t->m, 1, sizeof(kd_workspace *));
    all->answers = take(arena, t->m, 1, sizeof(float *));
    for (size_t i = 0; i < t->m; i++) {
        float *answers =
            take(arena, batch, kdi_specialist_outputs(t->specialists[i]), sizeof *answers);
        if (all->answers) {
            all->answers[i] = answers;
        }
    }
    all->p = take(arena, batch, t->head.k, sizeof *all->p);
    all->active = take(arena, batch, t->m, sizeof *all->active);
    all->rows = take(arena, batch, 1, sizeof *all->rows);
    all->x = take(arena, batch, t->head.inputs, sizeof *all->x);
    all->scratch =
        take(arena, KDI_MERGE_SCRATCH(t->m) * threads, t->head.k + t->m, sizeof *all->scratch);
    return place;
}

static kd_status open(kd_teacher_workspace *ws, kd_error *error)
{
    const specialists_teacher *t = teacher_of(ws);
    kd_workspace_options options = KD_WORKSPACE_OPTIONS_INIT;
    options.batch = ws->batch;
    kd_status status = kdi_teacher_make_extra(ws, lay_out, error);
    panel *all = ws->extra;
    for (size_t i = 0; status == KD_OK && i < t->m; i++) {
        kd_net *net = kd_specialist_net(t->specialists[i]);
        status = kd_workspace_create(net, &options, &all->nets[i], error);
    }
    return status == KD_OK
               ? kdi_teacher_open(t->generalist, ws->batch, false, &all->generalist, error)
               : status;
}

/* The generalist's probabilities, and who is active in each case. */
static kd_status ask_generalist(kd_teacher_workspace *ws, const kd_batch *batch, kd_error *error)
{
    const specialists_teacher *t = teacher_of(ws);
    panel *all = ws->extra;
    kd_targets said = KD_TARGETS_INIT;
    said.kind = t->generalist->kind;
    said.values = all->p;
    said.k = t->head.k;
    kd_status status = t->generalist->ops->ask(all->generalist, batch, 1.0f, all->p, &said, error);
    if (status == KD_OK) {
        status = kdi_loss_check_targets(&said, batch->n, "the generalist's targets", error);
    }
    if (status == KD_OK) {
        status = kdi_teacher_soften(&said, all->p, batch->n, 1.0f, error);
    }
    for (size_t i = 0; status == KD_OK && i < batch->n; i++) {
        kdi_specialist_find_active(all->p + i * t->head.k, t->head.k, t->options.best,
                                   (const kd_specialist *const *)t->specialists, t->m,
                                   all->active + i * t->m);
    }
    return status;
}

/* Runs a specialist on the cases for which it is active; its answers go to their rows. */
static kd_status ask_specialist(kd_teacher_workspace *ws, size_t m, const kd_batch *batch,
                                kd_error *error)
{
    const specialists_teacher *t = teacher_of(ws);
    panel *all = ws->extra;
    size_t inputs = t->head.inputs;
    size_t outputs = kdi_specialist_outputs(t->specialists[m]);
    size_t n = 0;
    for (size_t i = 0; i < batch->n; i++) {
        if (all->active[i * t->m + m]) {
            memcpy(all->x + n * inputs, batch->x + i * batch->x_stride, inputs * sizeof *all->x);
            all->rows[n++] = (uint32_t)i;
        }
    }
    if (n == 0) {
        return KD_OK;
    }
    const float *logits = kdi_net_run_infer(all->nets[m], all->x, n, inputs);
    kd_status status = KD_OK;
    for (size_t i = 0; status == KD_OK && i < n; i++) {
        status = kd_softmax(logits + i * outputs, 1, outputs, 0, 1.0f,
                            all->answers[m] + all->rows[i] * outputs, 0, error);
        if (status != KD_OK) {
            status = kdi_base_fail(error, status, 0, "specialist %z, case %z: its %s", m,
                                   (size_t)all->rows[i], "logits are no distribution");
        }
    }
    return status;
}

static kd_status ask(kd_teacher_workspace *ws, const kd_batch *batch, float temperature, float *out,
                     kd_targets *targets, kd_error *error)
{
    const specialists_teacher *t = teacher_of(ws);
    panel *all = ws->extra;
    (void)temperature;
    kd_status status = ask_generalist(ws, batch, error);
    for (size_t m = 0; status == KD_OK && m < t->m; m++) {
        status = ask_specialist(ws, m, batch, error);
    }
    if (status != KD_OK) {
        return status;
    }
    kdi_merge_job job = {t->options, KD_MERGE_IN_INIT, KD_MERGE_OUT_INIT};
    job.in.n = batch->n;
    job.in.k = t->head.k;
    job.in.generalist = all->p;
    job.in.stride = t->head.k;
    job.in.m = t->m;
    job.in.specialists = (const kd_specialist *const *)t->specialists;
    job.in.answers = (const float *const *)all->answers;
    job.in.context = ws->context;
    job.in.scratch = all->scratch;
    job.out.q = out;
    job.out.stride = t->head.k;
    kdi_specialist_merge(&job);
    for (size_t i = 0; i < batch->n * t->head.k; i++) {
        out[i] = (float)log((double)out[i]);
    }
    targets->temperature = 1.0f;
    return KD_OK;
}

static bool uses(const kd_teacher *teacher, const kd_net *net)
{
    const specialists_teacher *t = (const specialists_teacher *)teacher;
    bool found = kdi_teacher_uses(t->generalist, net);
    for (size_t i = 0; i < t->m && !found; i++) {
        found = kd_specialist_net(t->specialists[i]) == net;
    }
    return found;
}

static kd_status hash(const kd_teacher *teacher, uint64_t *out, kd_error *error)
{
    const specialists_teacher *t = (const specialists_teacher *)teacher;
    uint64_t one;
    uint64_t tolerance;
    kd_status status = kd_teacher_hash(t->generalist, &one, error);
    if (status != KD_OK) {
        return status;
    }
    memcpy(&tolerance, &t->options.tolerance, sizeof tolerance);
    uint64_t h = kdi_base_hash_u64(KDI_TEACHER_SPECIALISTS, one);
    h = kdi_base_hash_u64(h, (uint64_t)t->options.kind);
    h = kdi_base_hash_u64(h, t->options.best);
    h = kdi_base_hash_u64(h, t->options.steps);
    h = kdi_base_hash_u64(h, tolerance);
    for (size_t i = 0; i < t->m; i++) {
        h = kdi_specialist_hash(h, t->specialists[i]);
    }
    *out = h;
    return KD_OK;
}

static void release(kd_teacher *teacher)
{
    specialists_teacher *t = (specialists_teacher *)teacher;
    for (size_t i = 0; i < t->m; i++) {
        kd_specialist_destroy(t->specialists[i]);
    }
    kd_teacher_destroy(t->generalist);
    kdi_ctx_delete(teacher->context, t->specialists, t->m * sizeof(kd_specialist *));
}

static const kdi_teacher_ops ops = {
    .open = open,
    .close = close,
    .ask = ask,
    .uses = uses,
    .hash = hash,
    .release = release,
};

static kd_status check_specialist(const kd_teacher *generalist, kd_specialist *const *given,
                                  size_t i, size_t *inputs, kd_error *error)
{
    if (!given[i]) {
        return kdi_base_fail(error, KD_ERR_NULL, 2, "specialists[%z] is NULL", i);
    }
    const kd_net *net = kd_specialist_net(given[i]);
    if (!net) {
        return kdi_base_fail(error, KD_ERR_STATE, 2, "specialists[%z] has no net", i);
    }
    if (kdi_specialist_all(given[i]) != generalist->k) {
        return kdi_base_fail(error, KD_ERR_SHAPE, 2,
                             "specialists[%z] is of %z classes, the generalist of %z", i,
                             kdi_specialist_all(given[i]), generalist->k);
    }
    if (*inputs && kdi_net_inputs(net) != *inputs) {
        return kdi_base_fail(error, KD_ERR_SHAPE, 2,
                             "specialists[%z] takes %z inputs, those before take %z", i,
                             kdi_net_inputs(net), *inputs);
    }
    *inputs = kdi_net_inputs(net);
    return KD_OK;
}

static kd_status check(kd_teacher *generalist, kd_specialist *const *given, size_t m,
                       size_t *inputs, kd_error *error)
{
    if (!generalist || !given) {
        return kdi_base_fail(error, KD_ERR_NULL, generalist ? 2 : 1, "%s is NULL",
                             generalist ? "specialists" : "generalist");
    }
    if (generalist->kind == KD_TARGET_TOPK) {
        return kdi_base_fail(error, KD_ERR_KIND, 1,
                             "the generalist gives the top classes only; all are needed");
    }
    if (m == 0 || m > KD_MAX_MEMBERS) {
        return kdi_base_fail(error, m ? KD_ERR_TOO_LARGE : KD_ERR_SIZE, 3, "m is %z, not 1 to %z",
                             m, (size_t)KD_MAX_MEMBERS);
    }
    *inputs = generalist->inputs;
    kd_status status = KD_OK;
    for (size_t i = 0; status == KD_OK && i < m; i++) {
        status = check_specialist(generalist, given, i, inputs, error);
    }
    return status;
}

kd_status kd_teacher_from_specialists(kd_teacher *generalist, kd_specialist *const *specialists,
                                      size_t m, const kd_merge_options *options,
                                      kd_teacher **out_teacher, kd_error *error)
{
    if (!out_teacher) {
        return kdi_base_fail(error, KD_ERR_NULL, 5, "out_teacher is NULL");
    }
    *out_teacher = NULL;
    size_t inputs = 0;
    kd_merge_options known;
    kd_teacher *teacher;
    kd_status status = check(generalist, specialists, m, &inputs, error);
    if (status == KD_OK) {
        status = kdi_specialist_read_merge(&known, options, generalist->k, 4, error);
    }
    if (status == KD_OK) {
        status = kdi_teacher_new(generalist->context, sizeof(specialists_teacher), &ops, &teacher,
                                 error);
    }
    if (status != KD_OK) {
        return status;
    }
    specialists_teacher *t = (specialists_teacher *)teacher;
    teacher->k = generalist->k;
    teacher->inputs = inputs;
    teacher->kind = KD_TARGET_LOG_PROBABILITIES;
    teacher->by_id = generalist->by_id;
    t->options = known;
    t->generalist = kdi_teacher_retain(generalist);
    t->specialists = kdi_ctx_new(teacher->context, m * sizeof(kd_specialist *));
    if (!t->specialists) {
        kd_teacher_destroy(teacher);
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for %z specialists", m);
    }
    for (; t->m < m; t->m++) {
        t->specialists[t->m] = kdi_specialist_retain(specialists[t->m]);
    }
    *out_teacher = teacher;
    return KD_OK;
}
