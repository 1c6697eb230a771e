/* SPDX-License-Identifier: MIT */
/* Reports: what one evaluation of the objective saw, and sums of reports. */
#include "distill/report.h"

#include <math.h>

void kdi_distill_empty_report(kd_report *r)
{
    *r = (kd_report)KD_REPORT_INIT;
    double none = (double)NAN;
    r->total = none;
    r->hard = none;
    r->soft = none;
    r->student_entropy = none;
    r->kl = none;
    r->teacher_entropy = none;
    r->agreement = none;
    r->accuracy = none;
    r->gradient_norm = none;
}

void kdi_distill_fill_report(kd_report *r, const kdi_loss_job *job, const kdi_moment *moment)
{
    kdi_distill_empty_report(r);
    const kd_metrics_out *m = &job->metrics;
    r->total = job->out.total;
    r->hard = 0.0;
    r->soft = 0.0;
    for (size_t t = 0; t < job->n_terms; t++) {
        double *value = job->terms[t].kind == KD_TERM_HARD ? &r->hard : &r->soft;
        *value = job->values[t];
    }
    r->kl = m->kl;
    r->teacher_entropy = m->teacher_entropy;
    r->student_entropy = m->student_entropy;
    r->agreement = m->agreement;
    r->accuracy = m->accuracy;
    r->case_weight = m->case_weight;
    r->label_weight = m->label_weight;
    r->target_weight = job->has_targets ? m->case_weight : 0.0;
    r->cases = m->cases;
    r->labelled = m->labelled;
    r->errors = m->errors;
    r->temperature = (double)moment->temperature;
}

/* The mean of two means; a side without weight says nothing. */
static double blend(double a, double a_weight, double b, double b_weight)
{
    if (!(a_weight > 0.0)) {
        return b;
    }
    if (!(b_weight > 0.0)) {
        return a;
    }
    return (a * a_weight + b * b_weight) / (a_weight + b_weight);
}

static void merge(kd_report *a, const kd_report *b)
{
    double wa = a->case_weight;
    double wb = b->case_weight;
    a->total = blend(a->total, wa, b->total, wb);
    a->hard = blend(a->hard, wa, b->hard, wb);
    a->soft = blend(a->soft, wa, b->soft, wb);
    double ta = a->target_weight;
    double tb = b->target_weight;
    a->kl = blend(a->kl, ta, b->kl, tb);
    a->teacher_entropy = blend(a->teacher_entropy, ta, b->teacher_entropy, tb);
    a->agreement = blend(a->agreement, ta, b->agreement, tb);
    a->student_entropy = blend(a->student_entropy, wa, b->student_entropy, wb);
    a->accuracy = blend(a->accuracy, a->label_weight, b->accuracy, b->label_weight);
    a->case_weight += wb;
    a->label_weight += b->label_weight;
    a->target_weight += tb;
    a->cases += b->cases;
    a->labelled += b->labelled;
    a->errors += b->errors;
    a->updates += b->updates;
    a->skipped += b->skipped;
    if (b->updates > 0) {
        a->gradient_norm = b->gradient_norm;
        a->rate = b->rate;
    }
    a->temperature = b->temperature;
}

kd_status kd_report_merge(kd_report *into, const kd_report *from, kd_error *error)
{
    kd_report sum = KD_REPORT_INIT;
    kd_report one = KD_REPORT_INIT;
    kd_status status = kdi_base_open(&sum, sizeof sum, into, "into", 1, error);
    if (status == KD_OK) {
        status = kdi_base_open(&one, sizeof one, from, "from", 2, error);
    }
    if (status == KD_OK) {
        merge(&sum, &one);
        kdi_base_write_struct(into, &sum, sizeof sum);
    }
    return status;
}
