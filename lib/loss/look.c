/* SPDX-License-Identifier: MIT */
/* Cases as they look at a temperature: one pass over the rows, and what its sums mean. */
#include "loss/look.h"
#include "loss/topk.h"

#include <math.h>

static size_t view_at(kdi_loss_job *job, double temperature, bool compares, bool labelled)
{
    size_t i = 0;
    while (i < job->n_views && job->views[i].temperature != temperature) {
        i++;
    }
    if (i == job->n_views) {
        job->views[job->n_views++] = (kdi_view){temperature, false, true};
    }
    kdi_view *view = &job->views[i];
    view->compares = view->compares || compares;
    view->labelled = view->labelled && labelled;
    return i;
}

void kdi_loss_plan_views(kdi_loss_job *job)
{
    job->n_views = 0;
    for (size_t t = 0; t < job->n_terms; t++) {
        const kdi_term_ops *ops = kdi_loss_term(job->terms[t].kind);
        if (ops->looks) {
            double temperature = ops->tempered ? (double)job->terms[t].temperature : 1.0;
            job->views_of[t] = view_at(job, temperature, ops->needs_targets, ops->needs_labels);
        }
    }
    if (job->measure) {
        job->metrics_view = view_at(job, job->temperature, job->has_targets, false);
    }
}

static bool any_compares(const kdi_loss_job *job)
{
    bool any = false;
    for (size_t i = 0; i < job->n_views; i++) {
        any = any || job->views[i].compares;
    }
    return any;
}

static kd_status open_targets(kdi_case *c, size_t row, kdi_fault *fault)
{
    if (c->targets->kind == KD_TARGET_TOPK) {
        return kdi_loss_topk_check(c->targets, row, c->k, &c->v, fault);
    }
    fault->target = true;
    kd_status status = kdi_loss_row_open(&c->v, c->kern, c->v.x, c->k, fault);
    if (status == KD_OK && c->targets->kind == KD_TARGET_LOG_PROBABILITIES) {
        status = kdi_loss_row_check_log(&c->v, c->kern, c->k, fault);
    }
    fault->target = status != KD_OK;
    return status;
}

kd_status kdi_loss_open_case(const kdi_loss_job *job, size_t row, kdi_case *c, kdi_fault *fault)
{
    const float *z = job->in.logits + row * job->in.logits_stride;
    *c = (kdi_case){
        .kern = job->kern,
        .targets = &job->targets,
        .k = job->in.k,
        .label = job->in.labels ? job->in.labels[row] : -1,
    };
    c->v.x = job->has_targets ? job->targets.values + row * job->targets.stride : NULL;
    if (job->has_targets && job->targets.kind == KD_TARGET_TOPK) {
        c->index = job->targets.topk_index + row * job->targets.top;
        c->tail = (double)job->targets.tail[row] * (double)job->targets.temperature;
    }
    kd_status status = kdi_loss_row_open(&c->z, job->kern, z, c->k, fault);
    if (status != KD_OK) {
        return status;
    }
    c->label_gap = c->label >= 0 ? (double)c->z.max - (double)z[c->label] : 0.0;
    bool opens = c->v.x && c->targets->kind != KD_TARGET_PROBABILITIES;
    return opens && any_compares(job) ? open_targets(c, row, fault) : KD_OK;
}

static kd_status without_support(size_t at, const kdi_case *c, kdi_fault *fault)
{
    if (at == c->k) {
        return KD_OK;
    }
    fault->index = at;
    fault->value = -(double)INFINITY;
    return KD_ERR_SUPPORT;
}

/* Everything of q; sum e is 1 + rest. */
static void read_q(kdi_look *look, const kdi_sums *q)
{
    look->sum_q = 1.0 + q->rest;
    look->log_sum_q = kdi_loss_log1p(q->rest);
    look->entropy_q = look->log_sum_q + q->spread / look->sum_q;
}

/* ln p - ln q = (ap - aq) - (log_sum_p - log_sum_q): no term of it cancels a larger one. */
static kd_status compare_scores(const kdi_case *c, kdi_look *look, kdi_fault *fault)
{
    kdi_pair pair;
    size_t at = look->kern->compare_f32(&look->q, &look->p, c->k, look->eq, look->ep, &pair);
    if (kdi_loss_is_faint(&pair.q, c->k) || kdi_loss_is_faint(&pair.p, c->k)) {
        look->kern = kdi_kern(KD_ISA_PORTABLE);
        at = look->kern->compare_f32(&look->q, &look->p, c->k, look->eq, look->ep, &pair);
    }
    read_q(look, &pair.q);
    look->sum_p = 1.0 + pair.p.rest;
    look->log_sum_p = kdi_loss_log1p(pair.p.rest);
    look->entropy_p = look->log_sum_p + pair.p.spread / look->sum_p;
    look->kl = pair.gap / look->sum_p + (look->log_sum_q - look->log_sum_p);
    look->cross = look->kl + look->entropy_p;
    return without_support(at, c, fault);
}

static kd_status compare_given(const kdi_case *c, kdi_look *look, kdi_fault *fault)
{
    kdi_given given;
    size_t at = look->kern->compare_given_f32(&look->q, c->v.x, c->k, look->eq, &given);
    if (kdi_loss_is_faint(&given.q, c->k)) {
        look->kern = kdi_kern(KD_ISA_PORTABLE);
        at = look->kern->compare_given_f32(&look->q, c->v.x, c->k, look->eq, &given);
    }
    fault->target = true;
    kd_status status = kdi_loss_row_check_given(c->v.x, c->k, given.least, given.mass, fault);
    if (status != KD_OK) {
        return status;
    }
    fault->target = false;
    read_q(look, &given.q);
    look->entropy_p = given.entropy;
    look->cross = given.cross + given.mass * look->log_sum_q;
    look->kl = look->cross - look->entropy_p;
    return without_support(at, c, fault);
}

kd_status kdi_loss_look(const kdi_view *view, const kdi_case *c, kdi_look *look, kdi_fault *fault)
{
    double scale = 1.0 / view->temperature;
    look->q = (kdi_scores){c->z.x, c->z.max, scale};
    look->kern = kdi_loss_row_kern(&c->z, c->kern, scale);
    if (!view->compares) {
        kdi_sums q;
        look->kern->exps_f32(&look->q, c->k, look->eq, &q);
        if (kdi_loss_is_faint(&q, c->k)) {
            look->kern = kdi_kern(KD_ISA_PORTABLE);
            look->kern->exps_f32(&look->q, c->k, look->eq, &q);
        }
        read_q(look, &q);
        look->entropy_p = 0.0; /* the metrics add up what there is */
        look->kl = 0.0;
        return KD_OK;
    }
    if (c->targets->kind == KD_TARGET_TOPK) {
        return kdi_loss_topk_look(c, look, fault);
    }
    bool holes = c->z.min == -INFINITY; /* classes that are impossible: p must be 0 there */
    look->kern = holes ? kdi_kern(KD_ISA_PORTABLE) : look->kern;
    if (c->targets->kind == KD_TARGET_PROBABILITIES) {
        return compare_given(c, look, fault);
    }
    double target_scale = kdi_loss_target_scale(c->targets, view->temperature);
    look->p = (kdi_scores){c->v.x, c->v.max, target_scale};
    look->kern = kdi_loss_row_kern(&c->v, look->kern, target_scale);
    return compare_scores(c, look, fault);
}
