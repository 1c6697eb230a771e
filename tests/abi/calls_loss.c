/* SPDX-License-Identifier: MIT */
/* Calls of kd/loss.h, kd/context.h, kd/optim.h and kd/batch.h. */
#include "sizes.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static float out[CASES * K];

static kd_status keep(world *w, kd_status status)
{
    world_results(w, out, CASES * K);
    return status;
}

static kd_status call_kd_softmax(world *w, kd_error *error)
{
    const float *z = w->own.loss_in.logits;
    return keep(w, kd_softmax(NEEDED(w, z), CASES, K, 0, 2, out, 0, error));
}

static kd_status call_kd_log_softmax(world *w, kd_error *error)
{
    const float *z = w->own.loss_in.logits;
    return keep(w, kd_log_softmax(NEEDED(w, z), CASES, K, 0, 2, out, 0, error));
}

/* The gradient stands where kd_loss_out says, if it says so. */
static kd_status keep_gradient(world *w, kd_status status)
{
    world_results(w, w->own.loss_out.d_logits, CASES * K);
    return status;
}

static kd_status call_kd_loss(world *w, kd_error *error)
{
    return keep_gradient(w, kd_loss(w->term, 1, NEEDED(w, w->loss_in), w->loss_out, error));
}

static kd_status call_kd_cross_entropy(world *w, kd_error *error)
{
    return keep_gradient(w, kd_cross_entropy(NEEDED(w, w->loss_in), w->loss_out, error));
}

static kd_status call_kd_soft_cross_entropy(world *w, kd_error *error)
{
    return keep_gradient(w, kd_soft_cross_entropy(NEEDED(w, w->loss_in), 2, w->loss_out, error));
}

static kd_status call_kd_match_logits(world *w, kd_error *error)
{
    return keep_gradient(w, kd_match_logits(NEEDED(w, w->loss_in), w->loss_out, error));
}

static kd_status call_kd_metrics(world *w, kd_error *error)
{
    return kd_metrics(NEEDED(w, w->loss_in), 2, w->metrics_out, error);
}

static kd_status call_kd_ensemble_mean(world *w, kd_error *error)
{
    return keep(w, kd_ensemble_mean(NEEDED(w, w->ensemble_in), out, 0, error));
}

static kd_status call_kd_context_create(world *w, kd_error *error)
{
    kd_context *made = NULL;
    kd_status status = kd_context_create(w->context_options, NEEDED(w, &made), error);
    kd_context_destroy(made);
    return status;
}

static kd_status call_kd_blas_set_single(world *w, kd_error *error)
{
    int32_t previous = 0;
    kd_blas_threads none = KD_BLAS_THREADS_INIT;
    kd_status status = kd_blas_set_single(w->broken ? &none : w->blas_threads, &previous, error);
    world_result(w, previous);
    return status;
}

static kd_status call_kd_schedule_value(world *w, kd_error *error)
{
    double value = 0;
    kd_status status = kd_schedule_value(NEEDED(w, w->schedule), 3, &value, error);
    world_result(w, value);
    return status;
}

static kd_status call_kd_shuffle(world *w, kd_error *error)
{
    uint32_t order[CASES];
    return kd_shuffle(1, 2, CASES, NEEDED(w, order), error);
}

static const row rows[] = {
    WORDS(kd_softmax, NULL),
    WORDS(kd_log_softmax, NULL),
    ROW(kd_loss, kd_term, term, READ, NULL),
    ROW(kd_loss, kd_loss_in, loss_in, READ, NULL),
    ROW(kd_loss, kd_targets, own.loss_in.targets, READ, NULL),
    ROW(kd_loss, kd_loss_out, loss_out, FILLED, NULL),
    WORDS(kd_loss, NULL),
    ROW(kd_cross_entropy, kd_loss_in, loss_in, READ, NULL),
    ROW(kd_cross_entropy, kd_loss_out, loss_out, FILLED, NULL),
    WORDS(kd_cross_entropy, NULL),
    ROW(kd_soft_cross_entropy, kd_loss_in, loss_in, READ, NULL),
    ROW(kd_soft_cross_entropy, kd_targets, own.loss_in.targets, READ, NULL),
    ROW(kd_soft_cross_entropy, kd_loss_out, loss_out, FILLED, NULL),
    WORDS(kd_soft_cross_entropy, NULL),
    ROW(kd_match_logits, kd_loss_in, loss_in, READ, NULL),
    ROW(kd_match_logits, kd_targets, own.loss_in.targets, READ, NULL),
    ROW(kd_match_logits, kd_loss_out, loss_out, FILLED, NULL),
    WORDS(kd_match_logits, NULL),
    ROW(kd_metrics, kd_loss_in, loss_in, READ, NULL),
    ROW(kd_metrics, kd_targets, own.loss_in.targets, READ, NULL),
    ROW(kd_metrics, kd_metrics_out, metrics_out, FILLED_ONLY, NULL),
    WORDS(kd_metrics, NULL),
    ROW(kd_ensemble_mean, kd_ensemble_in, ensemble_in, READ, NULL),
    WORDS(kd_ensemble_mean, NULL),
    ROW(kd_context_create, kd_context_options, context_options, READ, NULL),
    WORDS(kd_context_create, NULL),
    ROW(kd_blas_set_single, kd_blas_threads, blas_threads, READ, NULL),
    WORDS(kd_blas_set_single, NULL),
    ROW(kd_schedule_value, kd_schedule, schedule, READ, NULL),
    WORDS(kd_schedule_value, NULL),
    WORDS(kd_shuffle, NULL),
};

const row_list loss_rows = {rows, COUNT(rows)};
