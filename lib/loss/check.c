/* SPDX-License-Identifier: MIT */
/* Everything about a loss that can be refused before its numbers are touched. */
#include "loss/loss.h"
#include "loss/term.h"

#include <string.h>

static kd_status read_terms(kdi_loss_job *job, const kd_term *terms, size_t n_terms)
{
    const kdi_loss_words *w = &job->words;
    if (!terms) {
        return kdi_base_fail(w->error, KD_ERR_NULL, w->terms, "terms is NULL");
    }
    if (n_terms == 0 || n_terms > KD_MAX_TERMS) {
        return kdi_base_fail(w->error, n_terms ? KD_ERR_TOO_LARGE : KD_ERR_SIZE, w->terms + 1,
                             "n_terms is %z, not 1 to %z", n_terms, (size_t)KD_MAX_TERMS);
    }
    const unsigned char *at = (const unsigned char *)terms;
    for (size_t i = 0; i < n_terms; i++) {
        job->terms[i] = (kd_term)KD_TERM_INIT;
        if (kdi_base_read_struct(&job->terms[i], sizeof *terms, at) != KD_OK) {
            char name[40];
            kdi_base_say(name, sizeof name, "terms[%z]", i);
            return kdi_base_open(&job->terms[i], sizeof *terms, at, name, w->terms, w->error);
        }
        size_t size;
        memcpy(&size, at, sizeof size);
        if (size != terms->struct_size) {
            return kdi_base_fail(w->error, KD_ERR_STRUCT, w->terms,
                                 "terms[%z].struct_size is %z, terms[0].struct_size is %z", i, size,
                                 terms->struct_size);
        }
        at += terms->struct_size;
    }
    job->n_terms = n_terms;
    return KD_OK;
}

static kd_status check_term(kdi_loss_job *job, size_t i)
{
    const kdi_loss_words *w = &job->words;
    const kd_term *term = &job->terms[i];
    const kdi_term_ops *ops = kdi_loss_term(term->kind);
    char name[40];
    if (term->reserved != 0) {
        return kdi_base_fail(w->error, KD_ERR_STRUCT, w->terms, "terms[%z].reserved is %i, not 0",
                             i, (int64_t)term->reserved);
    }
    if (!ops) {
        return kdi_base_fail(w->error, KD_ERR_KIND, w->terms, "terms[%z].kind is %i, no such kind",
                             i, (int64_t)term->kind);
    }
    if (!kdi_loss_is_weight(term->weight)) {
        kdi_base_say(name, sizeof name, "terms[%z].weight", i);
        return kdi_loss_check_weight(term->weight, name, w->terms, w->error);
    }
    if (ops->tempered && !kdi_loss_is_temperature(term->temperature)) {
        kdi_base_say(name, sizeof name, w->terms ? "terms[%z].temperature" : "temperature", i);
        return kdi_loss_check_temperature(term->temperature, name, w->terms ? w->terms : w->in + 1,
                                          w->error);
    }
    bool hot = term->temperature != 0.0f && term->temperature != 1.0f;
    if (term->kind == KD_TERM_HARD && hot) {
        return kdi_base_fail(w->error, KD_ERR_TEMPERATURE, w->terms,
                             "terms[%z].temperature is %g, but a HARD term is always at 1", i,
                             (double)term->temperature);
    }
    return KD_OK;
}

kd_status kdi_loss_check_retemper(const kdi_loss_job *job, float temperature, int argument)
{
    const kd_targets *t = &job->targets;
    bool topk = t->kind == KD_TARGET_TOPK;
    bool fixed = topk || (t->kind == KD_TARGET_PROBABILITIES && t->temperature != 0.0f);
    if (!fixed || t->temperature == temperature) {
        return KD_OK;
    }
    return kdi_base_fail(job->words.error, KD_ERR_RETEMPER, argument,
                         "%s.%s at temperature %g and can't serve %g", job->words.targets,
                         topk ? "tail is" : "values are probabilities", (double)t->temperature,
                         (double)temperature);
}

static kd_status check_needs(kdi_loss_job *job, size_t i)
{
    const kdi_loss_words *w = &job->words;
    const kd_term *term = &job->terms[i];
    const kdi_term_ops *ops = kdi_loss_term(term->kind);
    if (ops->needs_labels && !job->in.labels) {
        return kdi_base_fail(w->error, KD_ERR_NULL, w->in,
                             "%slabels is NULL, but terms[%z] needs labels", w->prefix, i);
    }
    if (!ops->needs_targets) {
        return KD_OK;
    }
    if (!job->has_targets) {
        return kdi_base_fail(w->error, KD_ERR_NULL, w->in, "%s is NULL, but terms[%z] needs it",
                             w->targets, i);
    }
    if (!ops->accepts(job->targets.kind)) {
        return kdi_base_fail(w->error, KD_ERR_KIND, w->in,
                             "%s.kind is %i, which terms[%z] of kind %i can't use", w->targets,
                             (int64_t)job->targets.kind, i, (int64_t)term->kind);
    }
    return ops->tempered ? kdi_loss_check_retemper(job, term->temperature, w->in) : KD_OK;
}

static kd_status check_labels(kdi_loss_job *job)
{
    const kd_loss_in *in = &job->in;
    for (size_t i = 0; in->labels && i < in->n; i++) {
        if (in->labels[i] < -1 || (in->labels[i] >= 0 && (size_t)in->labels[i] >= in->k)) {
            return kdi_base_fail(job->words.error, KD_ERR_LABEL, job->words.in,
                                 "%slabels[%z] is %i, outside [-1, %z)", job->words.prefix,
                                 job->words.first_row + i, (int64_t)in->labels[i], in->k);
        }
    }
    return KD_OK;
}

static kdi_span floats(const float *start, size_t rows, size_t columns, size_t stride)
{
    return (kdi_span){start, rows, columns, stride, sizeof(float)};
}

static kdi_span flat(const void *start, size_t count, size_t element)
{
    return (kdi_span){start, 1, count, count, element};
}

static kd_status refuse_overlap(const kdi_loss_words *w, const char *a, const char *b)
{
    return kdi_base_fail(w->error, KD_ERR_OVERLAP, w->out, "%s overlaps %s", a, b);
}

/* What is read, and its names. */
#define INPUTS 6
static const char *const input_names[INPUTS] = {"the logits",   "the targets", "labels",
                                                "case_weights", "topk_index",  "tail"};

/* Scratch is written all over, so it must be nobody else's. */
static kd_status check_scratch(const kdi_loss_job *job, const kdi_span inputs[INPUTS], kdi_span d,
                               kdi_span values)
{
    const kdi_loss_words *w = &job->words;
    kdi_span scratch = flat(job->out.scratch, job->out.scratch_floats, sizeof(float));
    size_t bytes;
    if (!job->out.scratch) {
        return KD_OK;
    }
    if (!kdi_base_mul(job->out.scratch_floats, sizeof(float), &bytes) || bytes > PTRDIFF_MAX) {
        return kdi_base_fail(w->error, KD_ERR_TOO_LARGE, w->out,
                             "out.scratch_floats is %z: too many bytes", job->out.scratch_floats);
    }
    for (size_t i = 0; i < INPUTS; i++) {
        if (kdi_base_overlap(scratch, inputs[i])) {
            return refuse_overlap(w, "out.scratch", input_names[i]);
        }
    }
    if (kdi_base_overlap(scratch, d)) {
        return refuse_overlap(w, "out.scratch", "out.d_logits");
    }
    return kdi_base_overlap(scratch, values) ? refuse_overlap(w, "out.scratch", "out.term_values")
                                             : KD_OK;
}

static kd_status check_overlap(kdi_loss_job *job)
{
    const kdi_loss_words *w = &job->words;
    const kd_loss_in *in = &job->in;
    const kd_loss_out *out = &job->out;
    kdi_span z = floats(in->logits, in->n, in->k, in->logits_stride);
    const kd_targets *t = &job->targets; /* all NULL without */
    kdi_span v = floats(t->values, in->n, kdi_loss_targets_width(t, in->k), t->stride);
    if (job->has_targets && kdi_base_overlap(z, v)) {
        return kdi_base_fail(w->error, KD_ERR_OVERLAP, w->in,
                             "%s.values overlaps %s: student and teacher are one buffer",
                             w->targets, w->logits);
    }
    kdi_span d = floats(out->d_logits, in->n, in->k, out->d_stride);
    kdi_span values = flat(out->term_values, job->n_terms, sizeof(double));
    const kdi_span inputs[INPUTS] = {z,
                                     v,
                                     flat(in->labels, in->n, sizeof(int32_t)),
                                     flat(in->case_weights, in->n, sizeof(float)),
                                     flat(t->topk_index, in->n * t->top, sizeof(uint32_t)),
                                     flat(t->tail, in->n, sizeof(float))};
    bool same = out->d_logits == in->logits && out->d_stride == in->logits_stride;
    for (size_t i = 0; i < INPUTS; i++) {
        if (!(i == 0 && same) && kdi_base_overlap(d, inputs[i])) {
            return refuse_overlap(w, "out.d_logits", input_names[i]);
        }
        if (kdi_base_overlap(values, inputs[i])) {
            return refuse_overlap(w, "out.term_values", input_names[i]);
        }
    }
    if (kdi_base_overlap(d, values)) {
        return refuse_overlap(w, "out.d_logits", "out.term_values");
    }
    return check_scratch(job, inputs, d, values);
}

static kd_status check_sizes(kdi_loss_job *job)
{
    const kdi_loss_words *w = &job->words;
    kd_loss_in *in = &job->in;
    kd_status status = kdi_base_check_size(in->n, w->n, w->in, w->error);
    if (status == KD_OK) {
        status = kdi_base_check_size(in->k, w->k, w->in, w->error);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_matrix(in->logits, in->n, in->k, &in->logits_stride, w->logits,
                                       w->in, w->in, w->error);
    }
    if (status == KD_OK && job->out.d_logits) {
        status = kdi_loss_check_matrix(job->out.d_logits, in->n, in->k, &job->out.d_stride,
                                       "out.d_logits", w->out, w->out, w->error);
    }
    return status;
}

kd_status kdi_loss_check(kdi_loss_job *job, const kd_term *terms, size_t n_terms,
                         const kd_loss_in *in, const kd_loss_out *out)
{
    const kdi_loss_words *w = &job->words;
    kd_status status = KD_OK;
    if (terms || n_terms || !job->measure) {
        status = read_terms(job, terms, n_terms);
    }
    if (status == KD_OK) {
        status = kdi_base_open(&job->in, sizeof *in, in, "in", w->in, w->error);
    }
    if (status == KD_OK && out) {
        status = kdi_base_open(&job->out, sizeof *out, out, "out", w->out, w->error);
        job->given_stride = job->out.d_stride;
    }
    if (status == KD_OK) {
        status = check_sizes(job);
    }
    if (status == KD_OK && job->in.targets) {
        status = kdi_loss_read_targets(&job->targets, job->in.targets, job->in.n, job->in.k, w);
        job->has_targets = status == KD_OK;
    }
    for (size_t i = 0; status == KD_OK && i < job->n_terms; i++) {
        status = check_term(job, i);
        if (status == KD_OK) {
            status = check_needs(job, i);
        }
    }
    if (status == KD_OK) {
        status = check_labels(job);
    }
    double sum;
    if (status == KD_OK) {
        status = kdi_loss_check_weights(job->in.case_weights, job->in.n, w->first_row, w->weights,
                                        w->in, &sum, w->error);
    }
    return status == KD_OK ? check_overlap(job) : status;
}
