/* SPDX-License-Identifier: MIT */
/* The public losses: any sum of terms, its one-term cases, and metrics. */
#include "loss/loss.h"

#define IN_WORDS                                                                                   \
    .prefix = "in.", .logits = "in.logits", .targets = "in.targets",                               \
    .values = "in.targets.values", .n = "in.n", .k = "in.k", .weights = "in.case_weights"

static kd_status evaluate(const kdi_loss_words *words, const kd_term *terms, size_t n_terms,
                          const kd_loss_in *in, kd_loss_out *out)
{
    if (!out) {
        return kdi_base_fail(words->error, KD_ERR_NULL, words->out, "out is NULL");
    }
    kdi_loss_job job = {.words = *words};
    kd_status status = kdi_loss_check(&job, terms, n_terms, in, out);
    size_t given_stride = job.given_stride;
    if (status == KD_OK) {
        job.kern = kdi_ctx_kern(job.in.context);
        status = kdi_loss_run(&job);
    }
    if (status == KD_OK) {
        job.out.d_stride = given_stride; /* the host's fields stay the host's */
        kdi_base_write_struct(out, &job.out, sizeof job.out);
    }
    return status;
}

kd_status kd_loss(const kd_term *terms, size_t n_terms, const kd_loss_in *in, kd_loss_out *out,
                  kd_error *error)
{
    kdi_loss_words words = {.error = error, .terms = 1, .in = 3, .out = 4, IN_WORDS};
    return evaluate(&words, terms, n_terms, in, out);
}

kd_status kd_cross_entropy(const kd_loss_in *in, kd_loss_out *out, kd_error *error)
{
    kdi_loss_words words = {.error = error, .in = 1, .out = 2, IN_WORDS};
    kd_term term = KD_TERM_INIT;
    term.kind = KD_TERM_HARD;
    return evaluate(&words, &term, 1, in, out);
}

kd_status kd_soft_cross_entropy(const kd_loss_in *in, float temperature, kd_loss_out *out,
                                kd_error *error)
{
    kdi_loss_words words = {.error = error, .in = 1, .out = 3, IN_WORDS};
    kd_term term = KD_TERM_INIT;
    term.kind = KD_TERM_SOFT;
    term.temperature = temperature;
    return evaluate(&words, &term, 1, in, out);
}

kd_status kd_match_logits(const kd_loss_in *in, kd_loss_out *out, kd_error *error)
{
    kdi_loss_words words = {.error = error, .in = 1, .out = 2, IN_WORDS};
    kd_term term = KD_TERM_INIT;
    term.kind = KD_TERM_MATCH;
    return evaluate(&words, &term, 1, in, out);
}

kd_status kd_metrics(const kd_loss_in *in, float temperature, kd_metrics_out *out, kd_error *error)
{
    kdi_loss_job job = {.words = {.error = error, .in = 1, .out = 3, IN_WORDS}};
    job.measure = true;
    job.temperature = (double)temperature;
    kd_status status = kdi_base_open_out(out, "out", 3, error);
    if (status == KD_OK) {
        status = kdi_loss_check_temperature(temperature, "temperature", 2, error);
    }
    if (status == KD_OK) {
        status = kdi_loss_check(&job, NULL, 0, in, NULL);
    }
    if (status == KD_OK && job.has_targets) {
        status = kdi_loss_check_retemper(&job, temperature, 2);
    }
    if (status == KD_OK) {
        job.kern = kdi_ctx_kern(job.in.context);
        status = kdi_loss_run(&job);
    }
    if (status == KD_OK) {
        kdi_base_write_struct(out, &job.metrics, sizeof job.metrics);
    }
    return status;
}
