/* SPDX-License-Identifier: MIT */
/* The answers of generalist and specialists for a batch: checks, and the walk over its cases. */
#include "specialist/parts.h"

#include "loss/loss.h"

#include <math.h>
#include <string.h>

/* ---- at the door ---- */

kd_status kdi_specialist_read_merge(kd_merge_options *known, const kd_merge_options *given,
                                    size_t k, int argument, kd_error *error)
{
    *known = (kd_merge_options)KD_MERGE_OPTIONS_INIT;
    kd_status status =
        given ? kdi_base_open(known, sizeof *known, given, "options", argument, error) : KD_OK;
    if (status != KD_OK) {
        return status;
    }
    if (known->kind != KD_MERGE_FIXED_POINT && known->kind != KD_MERGE_DESCENT) {
        return kdi_base_fail(error, KD_ERR_KIND, argument, "options.kind is %i, no such kind",
                             (int64_t)known->kind);
    }
    if (known->best == 0 || known->best > k) {
        return kdi_base_fail(error, known->best ? KD_ERR_TOO_LARGE : KD_ERR_SIZE, argument,
                             "options.best is %z, not 1 to %z classes", known->best, k);
    }
    if (known->steps == 0) {
        return kdi_base_fail(error, KD_ERR_SIZE, argument, "options.steps is 0");
    }
    if (!(known->tolerance >= 0.0 && isfinite(known->tolerance))) {
        return kdi_base_fail(error, KD_ERR_VALUE, argument,
                             "options.tolerance is %g, not finite and at least 0",
                             known->tolerance);
    }
    return KD_OK;
}

static kd_status check_specialist(const kd_merge_in *in, size_t i, kd_error *error)
{
    if (!in->specialists[i] || !in->answers[i]) {
        return kdi_base_fail(error, KD_ERR_NULL, 2, "in.%s[%z] is NULL",
                             in->specialists[i] ? "answers" : "specialists", i);
    }
    if (in->specialists[i]->k != in->k) {
        return kdi_base_fail(error, KD_ERR_SHAPE, 2,
                             "in.specialists[%z] is of %z classes, but in.k is %z", i,
                             in->specialists[i]->k, in->k);
    }
    size_t stride = 0;
    char name[40];
    kdi_base_say(name, sizeof name, "in.answers[%z]", i);
    return kdi_loss_check_matrix(in->answers[i], in->n, kdi_specialist_outputs(in->specialists[i]),
                                 &stride, name, 2, 2, error);
}

static kd_status check_in(kd_merge_in *in, kd_error *error)
{
    kd_status status = kdi_base_check_size(in->n, "in.n", 2, error);
    if (status == KD_OK) {
        status = kdi_base_check_size(in->k, "in.k", 2, error);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_matrix(in->generalist, in->n, in->k, &in->stride, "in.generalist",
                                       2, 2, error);
    }
    if (status == KD_OK && in->m > KD_MAX_MEMBERS) {
        status = kdi_base_fail(error, KD_ERR_TOO_LARGE, 2, "in.m is %z, above %z", in->m,
                               (size_t)KD_MAX_MEMBERS);
    }
    if (status == KD_OK && in->m > 0 && (!in->specialists || !in->answers)) {
        status = kdi_base_fail(error, KD_ERR_NULL, 2, "in.%s is NULL",
                               in->specialists ? "answers" : "specialists");
    }
    for (size_t i = 0; status == KD_OK && i < in->m; i++) {
        status = check_specialist(in, i, error);
    }
    return status;
}

static kd_status check_scratch(const kd_merge_in *in, kd_error *error)
{
    size_t bytes;
    size_t threads = kdi_ctx_threads(in->context);
    size_t each = in->k + in->m;
    if (!in->scratch) {
        return kdi_base_fail(error, KD_ERR_NULL, 2, "in.scratch is NULL");
    }
    if (in->scratch_doubles / threads / KDI_MERGE_SCRATCH(in->m) < each) {
        return kdi_base_fail(error, KD_ERR_WORKSPACE, 2,
                             "in.scratch_doubles is %z; due are %z times %z for each of %z threads",
                             in->scratch_doubles, each, KDI_MERGE_SCRATCH(in->m), threads);
    }
    if (!kdi_base_mul(in->scratch_doubles, sizeof(double), &bytes) || bytes > PTRDIFF_MAX) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 2, "in.scratch_doubles is %z: too many bytes",
                             in->scratch_doubles);
    }
    return KD_OK;
}

/* All that is written, each for itself, and apart from all that is read. */
static kd_status check_overlap(const kd_merge_in *in, const kd_merge_out *out, kd_error *error)
{
    enum { SPANS = 5 };
    static const char *const names[SPANS] = {"out.q", "out.active", "out.steps", "out.objectives",
                                             "in.scratch"};
    const kdi_span written[SPANS] = {
        {out->q, in->n, in->k, out->stride, sizeof(float)},
        {out->active, 1, in->n, in->n, sizeof(uint32_t)},
        {out->steps, 1, in->n, in->n, sizeof(uint32_t)},
        {out->objectives, 1, in->n, in->n, sizeof(double)},
        {in->scratch, 1, in->scratch_doubles, in->scratch_doubles, sizeof(double)}};
    const kdi_span generalist = {in->generalist, in->n, in->k, in->stride, sizeof(float)};
    bool same = out->q == in->generalist && out->stride == in->stride;
    for (size_t i = 0; i < SPANS; i++) {
        bool bad =
            written[i].start && !(i == 0 && same) && kdi_base_overlap(written[i], generalist);
        for (size_t j = 0; j < i; j++) {
            bad = bad || (written[i].start && written[j].start &&
                          kdi_base_overlap(written[i], written[j]));
        }
        for (size_t m = 0; m < in->m; m++) {
            size_t outputs = kdi_specialist_outputs(in->specialists[m]);
            kdi_span answers = {in->answers[m], in->n, outputs, outputs, sizeof(float)};
            bad = bad || (written[i].start && kdi_base_overlap(written[i], answers));
        }
        if (bad) {
            return kdi_base_fail(error, KD_ERR_OVERLAP, i == 4 ? 2 : 3,
                                 "%s overlaps another buffer", names[i]);
        }
    }
    return KD_OK;
}

/* ---- a case ---- */

/* The class after `last` in the order of probabilities, ties to the lowest; NULL: the first one. */
static size_t next_best(const float *p, size_t k, const size_t *last)
{
    size_t best = k;
    for (size_t i = 0; i < k; i++) {
        bool after = !last || p[i] < p[*last] || (p[i] == p[*last] && i > *last);
        best = after && (best == k || p[i] > p[best]) ? i : best;
    }
    return best;
}

void kdi_specialist_find_active(const float *p, size_t k, size_t best,
                                const kd_specialist *const *specialists, size_t m, bool *out_active)
{
    size_t class = 0;
    for (size_t i = 0; i < m; i++) {
        out_active[i] = false;
    }
    for (size_t n = 0; n < best; n++) {
        class = next_best(p, k, n > 0 ? &class : NULL);
        for (size_t i = 0; i < m; i++) {
            out_active[i] = out_active[i] || kdi_specialist_knows(specialists[i], class);
        }
    }
}

/* The case, and who is active for it. */
static void open_case(const kdi_merge_job *job, size_t row, double *room, kdi_merge_case *c)
{
    const kd_merge_in *in = &job->in;
    bool active[KD_MAX_MEMBERS];
    c->k = in->k;
    c->generalist = in->generalist + row * in->stride;
    c->scale = kdi_specialist_scale(c->generalist, c->k);
    kdi_specialist_find_active(c->generalist, c->k, job->options.best, in->specialists, in->m,
                               active);
    c->m = 0;
    for (size_t m = 0; m < in->m; m++) {
        if (active[m]) {
            const kd_specialist *s = in->specialists[m];
            c->active[c->m] = s;
            c->answers[c->m++] = in->answers[m] + row * kdi_specialist_outputs(s);
        }
    }
    c->weight = 1.0 + (double)c->m;
    c->class = room;
    c->a = room + c->k;
    c->q = c->a + c->k;
    c->next = c->q + c->k;
    c->move = c->next + c->k;
    c->in = c->move + c->k;
    c->matrix = c->in + c->m * c->k;
    c->d = c->matrix + c->m * c->m;
    c->ratio = c->d + c->m;
    c->u = c->ratio + c->m;
    c->side = c->u + c->m;
}

/* q of all classes; those of the last cell share it as the generalist has it, or equally. */
static void write_case(const kdi_merge_case *c, float *q)
{
    size_t cell = 0;
    size_t known = c->cells - (c->rest > 0);
    for (size_t i = 0; i < c->k; i++) {
        if (cell < known && (size_t)c->class[cell] == i) {
            q[i] = (float)c->q[cell++];
        } else {
            double p = c->scale * (double)c->generalist[i];
            double share = c->p_rest > 0.0 ? p / c->p_rest : 1.0 / (double)c->rest;
            q[i] = (float)(c->q[known] * share);
        }
    }
}

static void run_case(const kdi_merge_job *job, size_t row, double *room)
{
    kdi_merge_case c;
    float *q = job->out.q + row * job->out.stride;
    open_case(job, row, room, &c);
    uint32_t steps = c.m > 0 ? kdi_specialist_solve(&c, &job->options) : 0;
    if (job->out.active) {
        job->out.active[row] = (uint32_t)c.m;
    }
    if (job->out.steps) {
        job->out.steps[row] = steps;
    }
    if (job->out.objectives) {
        job->out.objectives[row] = c.m > 0 ? kdi_specialist_objective(&c) : 0.0;
    }
    if (c.m > 0) {
        write_case(&c, q);
    } else if (q != c.generalist) {
        memcpy(q, c.generalist, c.k * sizeof *q);
    }
}

/* ---- a batch ---- */

enum { CASES = 16 /* that one task merges */ };

static void run_task(void *user, size_t task, size_t worker)
{
    const kdi_merge_job *job = user;
    double *room =
        job->in.scratch + worker * (job->in.k + job->in.m) * KDI_MERGE_SCRATCH(job->in.m);
    size_t end = (task + 1) * CASES < job->in.n ? (task + 1) * CASES : job->in.n;
    for (size_t row = task * CASES; row < end; row++) {
        run_case(job, row, room);
    }
}

void kdi_specialist_merge(kdi_merge_job *job)
{
    kdi_ctx_run(job->in.context, (job->in.n + CASES - 1) / CASES, run_task, job);
}

/* Whether an active specialist's answer is a distribution. */
static kd_status check_answer(const kd_merge_in *in, size_t row, size_t m, kd_error *error)
{
    kd_targets answer = KD_TARGETS_INIT;
    answer.kind = KD_TARGET_PROBABILITIES;
    answer.k = kdi_specialist_outputs(in->specialists[m]);
    answer.values = in->answers[m] + row * answer.k;
    kd_status status = kdi_loss_check_targets(&answer, 1, "", NULL);
    if (status != KD_OK) {
        char name[64];
        kdi_base_say(name, sizeof name, "case %z, in.answers[%z]", row, m);
        return kdi_loss_check_targets(&answer, 1, name, error);
    }
    return KD_OK;
}

/* Whether every row that will be read is a distribution. */
static kd_status check_rows(const kdi_merge_job *job, kd_error *error)
{
    const kd_merge_in *in = &job->in;
    kd_targets rows = KD_TARGETS_INIT;
    rows.kind = KD_TARGET_PROBABILITIES;
    rows.values = in->generalist;
    rows.stride = in->stride;
    rows.k = in->k;
    kd_status status = kdi_loss_check_targets(&rows, in->n, "in.generalist", error);
    for (size_t row = 0; status == KD_OK && row < in->n; row++) {
        bool active[KD_MAX_MEMBERS];
        kdi_specialist_find_active(in->generalist + row * in->stride, in->k, job->options.best,
                                   in->specialists, in->m, active);
        for (size_t m = 0; status == KD_OK && m < in->m; m++) {
            status = active[m] ? check_answer(in, row, m, error) : KD_OK;
        }
    }
    if (status != KD_OK) {
        kdi_base_blame(error, 2);
    }
    return status;
}

kd_status kd_merge(const kd_merge_options *options, const kd_merge_in *in, kd_merge_out *out,
                   kd_error *error)
{
    kdi_merge_job job = {.in = KD_MERGE_IN_INIT, .out = KD_MERGE_OUT_INIT};
    kd_status status = kdi_base_open(&job.in, sizeof job.in, in, "in", 2, error);
    if (status == KD_OK) {
        status = kdi_base_open(&job.out, sizeof job.out, out, "out", 3, error);
    }
    if (status == KD_OK) {
        status = check_in(&job.in, error);
    }
    if (status == KD_OK) {
        status = kdi_specialist_read_merge(&job.options, options, job.in.k, 1, error);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_matrix(job.out.q, job.in.n, job.in.k, &job.out.stride, "out.q", 3,
                                       3, error);
    }
    if (status == KD_OK) {
        status = check_scratch(&job.in, error);
    }
    if (status == KD_OK) {
        status = check_overlap(&job.in, &job.out, error);
    }
    if (status == KD_OK) {
        status = check_rows(&job, error);
    }
    if (status == KD_OK) {
        kdi_specialist_merge(&job);
    }
    return status;
}
