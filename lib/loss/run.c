/* SPDX-License-Identifier: MIT */
/* The walk over cases: values first, then the gradient a block at a time, then the means. */
#include "loss/loss.h"
#include "loss/term.h"

#include <math.h>

/* Sums over the cases of a job; the means come of them. */
typedef struct sums {
    double weight; /* of the cases that count: the divisor */
    double label_weight, right, agree;
    double entropy_q, entropy_p, kl;
    double value[KD_MAX_TERMS];
    uint64_t cases, labelled, errors;
} sums;

static double weight_of(const kdi_loss_job *job, size_t row)
{
    return job->in.case_weights ? (double)job->in.case_weights[row] : 1.0;
}

static bool applies(const kd_term *term, const kdi_case *c)
{
    return !kdi_loss_term(term->kind)->needs_labels || c->label >= 0;
}

/* Whether any term speaks of the case; a job without terms only measures, so all count. */
static bool counts(const kdi_loss_job *job, const kdi_case *c)
{
    bool any = job->n_terms == 0;
    for (size_t t = 0; t < job->n_terms; t++) {
        any = any || applies(&job->terms[t], c);
    }
    return any;
}

static kdi_case case_of(const kdi_loss_job *job, size_t row)
{
    return (kdi_case){
        .z = job->in.logits + row * job->in.logits_stride,
        .v = job->has_targets ? job->targets.values + row * job->targets.stride : NULL,
        .targets = &job->targets,
        .k = job->in.k,
        .label = job->in.labels ? job->in.labels[row] : -1,
    };
}

static kd_status blame(const kdi_loss_words *w, kd_status status, size_t row, const kdi_fault *f)
{
    const char *side = f->target ? w->targets : w->logits;
    const char *field = f->target ? ".values" : "";
    row += w->first_row;
    if (f->row && status == KD_ERR_PROBABILITY) {
        return kdi_base_fail(w->error, status, w->in, "row %z of %s%s sums to %g, not to 1", row,
                             side, field, f->value);
    }
    if (f->row) {
        return kdi_base_fail(w->error, status, w->in, "row %z of %s%s is -inf throughout", row,
                             side, field);
    }
    if (status == KD_ERR_SUPPORT) {
        return kdi_base_fail(w->error, status, w->in,
                             "%s[%z,%z] is -inf, but the target there is not 0", side, row,
                             f->index);
    }
    return kdi_base_fail(w->error, status, w->in, "%s%s[%z,%z] is %g", side, field, row, f->index,
                         f->value);
}

kd_status kdi_loss_check_targets(const kd_targets *targets, size_t n, float temperature,
                                 const char *name, kd_error *error)
{
    kdi_loss_words words = {.error = error, .targets = name};
    for (size_t row = 0; row < n; row++) {
        kdi_dist d;
        kdi_fault fault = {0};
        kd_status status = kdi_loss_dist_targets(&d, targets, targets->values + row * targets->k,
                                                 targets->k, (double)temperature, &fault);
        if (status != KD_OK) {
            return blame(&words, status, row, &fault);
        }
    }
    return KD_OK;
}

static size_t largest(const float *x, size_t k)
{
    size_t best = 0;
    for (size_t i = 1; i < k; i++) {
        best = x[i] > x[best] ? i : best;
    }
    return best;
}

static kd_status measure_case(const kdi_loss_job *job, const kdi_case *c, double weight, sums *s,
                              kdi_fault *fault)
{
    kdi_dist q;
    kdi_dist p;
    kdi_dist_sums d;
    kd_status status = kdi_loss_dist_logits(&q, c->z, c->k, job->temperature, fault);
    if (status == KD_OK && c->v) {
        status = kdi_loss_dist_targets(&p, c->targets, c->v, c->k, job->temperature, fault);
    }
    if (status == KD_OK) {
        status = kdi_loss_dist_compare(c->v ? &p : NULL, &q, c->k, &d, fault);
    }
    if (status != KD_OK) {
        return status;
    }
    size_t choice = largest(c->z, c->k);
    s->entropy_q += weight * d.entropy_q;
    s->entropy_p += weight * d.entropy_p;
    s->kl += weight * d.kl;
    s->agree += c->v && choice == largest(c->v, c->k) ? weight : 0.0;
    if (c->label >= 0) {
        bool right = choice == (size_t)c->label;
        s->label_weight += weight;
        s->right += right ? weight : 0.0;
        s->labelled += weight > 0.0;
        s->errors += weight > 0.0 && !right;
    }
    return KD_OK;
}

static bool write_gradient(const kdi_loss_job *job, const kdi_case *c, const kdi_term_state *states,
                           double factor, float *d)
{
    bool finite = true;
    for (size_t begin = 0; begin < c->k; begin += KDI_LOSS_BLOCK) {
        size_t count = c->k - begin < KDI_LOSS_BLOCK ? c->k - begin : KDI_LOSS_BLOCK;
        double gradient[KDI_LOSS_BLOCK] = {0};
        for (size_t t = 0; t < job->n_terms; t++) {
            const kd_term *term = &job->terms[t];
            if (applies(term, c)) {
                kdi_loss_term(term->kind)
                    ->add_gradient(term, c, &states[t], begin, count, factor * (double)term->weight,
                                   gradient);
            }
        }
        for (size_t i = 0; i < count; i++) {
            d[begin + i] = (float)gradient[i];
            finite = finite && isfinite(d[begin + i]);
        }
    }
    return finite;
}

static kd_status run_case(const kdi_loss_job *job, size_t row, double divisor, sums *s)
{
    kdi_case c = case_of(job, row);
    double weight = counts(job, &c) ? weight_of(job, row) : 0.0;
    kdi_term_state states[KD_MAX_TERMS];
    kdi_fault fault = {0};
    kd_status status = KD_OK;
    for (size_t t = 0; status == KD_OK && t < job->n_terms; t++) {
        if (applies(&job->terms[t], &c)) {
            double value = 0.0;
            const kdi_term_ops *ops = kdi_loss_term(job->terms[t].kind);
            status = ops->value(&job->terms[t], &c, &states[t], &value, &fault);
            s->value[t] += weight * value;
        }
    }
    if (status == KD_OK && !counts(job, &c)) {
        kdi_dist unused; /* no term looks at this row, but bad logits are an error all the same */
        status = kdi_loss_dist_logits(&unused, c.z, c.k, 1.0, &fault);
    }
    if (status == KD_OK && job->measure) {
        status = measure_case(job, &c, weight, s, &fault);
    }
    if (status != KD_OK) {
        return blame(&job->words, status, row, &fault);
    }
    if (job->out.d_logits && !write_gradient(job, &c, states, weight / divisor,
                                             job->out.d_logits + row * job->out.d_stride)) {
        return kdi_base_fail(job->words.error, KD_ERR_NOT_FINITE, job->words.out,
                             "the gradient of row %z overflows", job->words.first_row + row);
    }
    return KD_OK;
}

/* The divisor must be known before the first gradient is written. */
static kd_status weigh(const kdi_loss_job *job, sums *s)
{
    for (size_t row = 0; row < job->in.n; row++) {
        kdi_case c = case_of(job, row);
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
    kd_status status = weigh(job, &s);
    for (size_t row = 0; status == KD_OK && row < job->in.n; row++) {
        status = run_case(job, row, s.weight, &s);
    }
    if (status == KD_OK) {
        finish(job, &s);
    }
    return status;
}
