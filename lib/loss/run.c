/* SPDX-License-Identifier: MIT */
/*
 * The walk over cases, in chunks that threads share. Chunks depend on the batch's shape alone, and
 * their sums are added in their order, so the bits don't depend on the number of threads.
 */
#include "loss/look.h"

#include <math.h>
#include <string.h>

/* Floats of room that every chunk has on its stack, for batches of few classes. */
#define ROOM 1024

/* Sums over cases; the means come of them. */
typedef struct sums {
    double weight; /* of the cases that count: the divisor */
    double label_weight, right, agree;
    double entropy_q, entropy_p, kl;
    double value[KD_MAX_TERMS];
    uint64_t cases, labelled, errors;
} sums;

/* A piece of the batch, and what came of it. */
typedef struct chunk {
    size_t begin;
    size_t end;
    sums sums;
    kd_status status;
    size_t row; /* at fault */
    kdi_fault fault;
} chunk;

/* The whole walk. */
typedef struct walk {
    kdi_loss_job *job;
    double divisor;
    size_t n_chunks;
    chunk chunks[KDI_LOSS_CHUNKS];
} walk;

static double weight_of(const kdi_loss_job *job, size_t row)
{
    return job->in.case_weights ? (double)job->in.case_weights[row] : 1.0;
}

/* Whether any term speaks of the case; a job without terms only measures, so all count. */
static bool counts(const kdi_loss_job *job, const kdi_case *c)
{
    bool any = job->n_terms == 0;
    for (size_t t = 0; t < job->n_terms; t++) {
        any = any || kdi_loss_applies(&job->terms[t], c);
    }
    return any;
}

/* Class of the largest value; ties go to the lowest. */
static size_t choice_of(const kdi_kernels *kern, const float *x, size_t k)
{
    float min, max;
    (void)kern->range_f32(x, k, &min, &max);
    return kern->find_f32(x, k, max);
}

static size_t teacher_choice(const kdi_case *c)
{
    switch (c->targets->kind) {
    case KD_TARGET_TOPK:
        return c->index[c->kern->find_f32(c->v.x, c->targets->top, c->v.max)];
    case KD_TARGET_PROBABILITIES: /* their range has not been looked for */
        return choice_of(c->kern, c->v.x, c->k);
    default:
        return c->kern->find_f32(c->v.x, c->k, c->v.max);
    }
}

/* What the metrics need of a case before its logits may be written over. */
typedef struct answers {
    size_t student;
    bool agree;
} answers;

static answers ask(const kdi_loss_job *job, const kdi_case *c)
{
    if (!job->measure) {
        return (answers){0};
    }
    size_t student = c->kern->find_f32(c->z.x, c->k, c->z.max);
    if (!c->v.x) {
        return (answers){student, false};
    }
    return (answers){student, student == teacher_choice(c)};
}

static void measure(const kdi_case *c, const kdi_look *look, answers said, double weight, sums *s)
{
    s->entropy_q += weight * look->entropy_q;
    s->entropy_p += weight * look->entropy_p;
    s->kl += weight * look->kl;
    s->agree += said.agree ? weight : 0.0;
    if (c->label >= 0) {
        bool right = said.student == (size_t)c->label;
        s->label_weight += weight;
        s->right += right ? weight : 0.0;
        s->labelled += weight > 0.0;
        s->errors += weight > 0.0 && !right;
    }
}

/* Places where a chunk may keep the exponentials of one case. */
typedef struct room {
    float *rows;
    size_t count; /* of k floats each */
} room;

/*
 * Exponentials are kept in the gradient's own row first, unless that row is the logits, which may
 * be read again; then in the room there is.
 */
static void place(const kdi_loss_job *job, const room *r, float *d, kdi_look *looks)
{
    size_t k = job->in.k;
    float *free_row = job->out.d_logits == job->in.logits ? NULL : d;
    size_t used = 0;
    for (size_t i = 0; i < job->n_views; i++) {
        looks[i].eq = free_row;
        free_row = NULL;
        if (d && !looks[i].eq && used < r->count) {
            looks[i].eq = r->rows + used++ * k;
        }
        bool scores = job->views[i].compares && kdi_loss_targets_are_scores(&job->targets);
        looks[i].ep = d && scores && used < r->count ? r->rows + used++ * k : NULL;
    }
}

static kd_status value_case(const kdi_loss_job *job, const kdi_case *c, const kdi_look *looks,
                            kdi_term_state *states, double weight, sums *s, kdi_fault *fault)
{
    kd_status status = KD_OK;
    for (size_t t = 0; status == KD_OK && t < job->n_terms; t++) {
        if (kdi_loss_applies(&job->terms[t], c)) {
            double value = 0.0;
            status =
                kdi_loss_term(job->terms[t].kind)
                    ->value(&job->terms[t], c, &looks[job->views_of[t]], &states[t], &value, fault);
            s->value[t] += weight * value;
        }
    }
    return status;
}

static kd_status run_case(const walk *w, const room *r, size_t row, sums *s, kdi_fault *fault)
{
    const kdi_loss_job *job = w->job;
    kdi_case c;
    kdi_look looks[KDI_LOSS_VIEWS];
    kdi_term_state states[KD_MAX_TERMS];
    float *d = job->out.d_logits ? job->out.d_logits + row * job->out.d_stride : NULL;
    kd_status status = kdi_loss_open_case(job, row, &c, fault);
    if (status != KD_OK) {
        return status;
    }
    double weight = counts(job, &c) ? weight_of(job, row) : 0.0;
    answers said = ask(job, &c);
    place(job, r, d, looks);
    for (size_t i = 0; status == KD_OK && i < job->n_views; i++) {
        if (c.label >= 0 || !job->views[i].labelled) {
            status = kdi_loss_look(&job->views[i], &c, &looks[i], fault);
        }
    }
    if (status == KD_OK) {
        status = value_case(job, &c, looks, states, weight, s, fault);
    }
    if (status == KD_OK && job->measure) {
        measure(&c, &looks[job->metrics_view], said, weight, s);
    }
    if (status == KD_OK && d &&
        !kdi_loss_write_gradient(job, &c, looks, states, weight / w->divisor, d)) {
        *fault = (kdi_fault){.gradient = true};
        status = KD_ERR_NOT_FINITE;
    }
    return status;
}

static void run_chunk(void *user, size_t task, size_t worker)
{
    walk *w = user;
    chunk *c = &w->chunks[task];
    const kd_loss_out *out = &w->job->out;
    size_t k = w->job->in.k;
    float local[ROOM];
    size_t threads = kdi_ctx_threads(w->job->in.context);
    room r = {local, ROOM / k};
    if (out->scratch && out->scratch_floats / threads / k > r.count) {
        size_t share = out->scratch_floats / threads;
        r = (room){out->scratch + worker * share, share / k};
    }
    for (size_t row = c->begin; c->status == KD_OK && row < c->end; row++) {
        c->row = row;
        c->status = run_case(w, &r, row, &c->sums, &c->fault);
    }
}

/* The divisor must be known before the first gradient is written. */
static kd_status weigh(const kdi_loss_job *job, sums *s)
{
    for (size_t row = 0; row < job->in.n; row++) {
        kdi_case c = {.label = job->in.labels ? job->in.labels[row] : -1};
        double weight = counts(job, &c) ? weight_of(job, row) : 0.0;
        s->weight += weight;
        s->cases += weight > 0.0;
    }
    if (s->weight > 0.0) {
        return KD_OK;
    }
    return kdi_base_fail(job->words.error, KD_ERR_EMPTY_BATCH, job->words.in,
                         "none of the %z cases counts: %scase_weights or %slabels leave no weight",
                         job->in.n, job->words.prefix, job->words.prefix);
}

static void cut(walk *w)
{
    size_t n = w->job->in.n;
    w->n_chunks = kdi_loss_chunks(n, w->job->in.k);
    for (size_t i = 0; i < w->n_chunks; i++) {
        w->chunks[i] = (chunk){.begin = n * i / w->n_chunks, .end = n * (i + 1) / w->n_chunks};
    }
}

static void add(sums *s, const sums *part, size_t n_terms)
{
    s->label_weight += part->label_weight;
    s->right += part->right;
    s->agree += part->agree;
    s->entropy_q += part->entropy_q;
    s->entropy_p += part->entropy_p;
    s->kl += part->kl;
    s->labelled += part->labelled;
    s->errors += part->errors;
    for (size_t t = 0; t < n_terms; t++) {
        s->value[t] += part->value[t];
    }
}

static void finish(kdi_loss_job *job, const sums *s)
{
    job->out.total = 0.0;
    for (size_t t = 0; t < job->n_terms; t++) {
        job->values[t] = s->value[t] / s->weight;
        job->out.total += (double)job->terms[t].weight * job->values[t];
        if (job->out.term_values) {
            job->out.term_values[t] = job->values[t];
        }
    }
    job->out.case_weight = s->weight;
    job->out.cases = s->cases;
    double none = (double)NAN;
    job->metrics = (kd_metrics_out){
        .accuracy = s->label_weight > 0.0 ? s->right / s->label_weight : none,
        .agreement = job->has_targets ? s->agree / s->weight : none,
        .student_entropy = s->entropy_q / s->weight,
        .teacher_entropy = job->has_targets ? s->entropy_p / s->weight : none,
        .kl = job->has_targets ? s->kl / s->weight : none,
        .case_weight = s->weight,
        .label_weight = s->label_weight,
        .cases = s->cases,
        .labelled = s->labelled,
        .errors = s->errors,
    };
}

kd_status kdi_loss_run(kdi_loss_job *job)
{
    sums s = {0};
    walk w; /* its chunks are filled as far as there are any */
    w.job = job;
    kd_status status = weigh(job, &s);
    if (status != KD_OK) {
        return status;
    }
    w.divisor = s.weight;
    kdi_loss_plan_views(job);
    cut(&w);
    kdi_ctx_run(job->in.context, w.n_chunks, run_chunk, &w);
    for (size_t i = 0; i < w.n_chunks; i++) {
        const chunk *c = &w.chunks[i];
        if (c->status != KD_OK) {
            return kdi_loss_blame(&job->words, c->status, c->row, &c->fault);
        }
        add(&s, &c->sums, job->n_terms);
    }
    finish(job, &s);
    return KD_OK;
}
