/* SPDX-License-Identifier: MIT */
/* Rows as distributions (Hinton 2015, eq. 1), in log space: no underflow, no clamp. */
#include "loss/dist.h"

#include "kern/kern.h"

#include <math.h>

/* How far from 1 the sum of given probabilities may be. */
#define SUM_TOLERANCE 1e-4

static kd_status find_bad(const float *x, size_t k, kdi_fault *fault)
{
    for (size_t i = 0; i < k; i++) {
        if (!(x[i] < INFINITY)) {
            fault->index = i;
            fault->value = (double)x[i];
            break;
        }
    }
    return KD_ERR_NOT_FINITE;
}

/* A row of scores, of which x * per_unit are natural-log units: logits or log-probabilities. */
static kd_status open_scores(kdi_dist *d, const float *x, size_t k, double scale, kdi_fault *fault)
{
    float max;
    if (!kdi_kern()->max_f32(x, k, &max)) {
        return find_bad(x, k, fault);
    }
    if (max == -INFINITY) {
        fault->row = true;
        fault->value = -(double)INFINITY;
        return KD_ERR_SUPPORT;
    }
    *d = (kdi_dist){.x = x, .max = (double)max, .scale = scale};
    d->log_sum = log1p(kdi_kern()->sumexp_f32(x, k, d->max, scale));
    return KD_OK;
}

kd_status kdi_loss_dist_logits(kdi_dist *d, const float *x, size_t k, double temperature,
                               kdi_fault *fault)
{
    return open_scores(d, x, k, 1.0 / temperature, fault);
}

static kd_status check_sum(double sum, kdi_fault *fault)
{
    if (fabs(sum - 1.0) <= SUM_TOLERANCE) {
        return KD_OK;
    }
    fault->row = true;
    fault->value = sum;
    return KD_ERR_PROBABILITY;
}

static kd_status open_probabilities(kdi_dist *d, const float *x, size_t k, kdi_fault *fault)
{
    double sum = 0.0;
    for (size_t i = 0; i < k; i++) {
        if (!(x[i] >= 0.0f && x[i] < INFINITY)) {
            fault->index = i;
            fault->value = (double)x[i];
            return isfinite(x[i]) ? KD_ERR_PROBABILITY : KD_ERR_NOT_FINITE;
        }
        sum += (double)x[i];
    }
    *d = (kdi_dist){.x = x, .probabilities = true};
    return check_sum(sum, fault);
}

/* Log-probabilities at T0 are logits/T0 plus a constant: T0/T of them are logits/T plus one. */
static kd_status open_log_probabilities(kdi_dist *d, const float *x, size_t k, double ratio,
                                        kdi_fault *fault)
{
    kd_status status = open_scores(d, x, k, ratio, fault);
    if (status != KD_OK) {
        return status;
    }
    return check_sum(exp(d->max) * (1.0 + kdi_kern()->sumexp_f32(x, k, d->max, 1.0)), fault);
}

kd_status kdi_loss_dist_targets(kdi_dist *d, const kd_targets *targets, const float *x, size_t k,
                                double temperature, kdi_fault *fault)
{
    fault->target = true;
    kd_status status;
    switch (targets->kind) {
    case KD_TARGET_PROBABILITIES:
        status = open_probabilities(d, x, k, fault);
        break;
    case KD_TARGET_LOG_PROBABILITIES:
        status = open_log_probabilities(d, x, k, (double)targets->temperature / temperature, fault);
        break;
    default:
        status = open_scores(d, x, k, 1.0 / temperature, fault);
    }
    fault->target = status != KD_OK;
    return status;
}

void kdi_loss_dist_log(const kdi_dist *d, size_t begin, size_t count, double *out)
{
    if (!d->probabilities) {
        kdi_kern()->logprob_f32(d->x + begin, count, d->max, d->scale, d->log_sum, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double p = (double)d->x[begin + i];
        out[i] = p > 0.0 ? log(p) : -(double)INFINITY; /* no flag of log(0) */
    }
}

void kdi_loss_dist_exp(const kdi_dist *d, size_t begin, size_t count, double *out)
{
    if (d->probabilities) {
        for (size_t i = 0; i < count; i++) {
            out[i] = (double)d->x[begin + i];
        }
        return;
    }
    kdi_loss_dist_log(d, begin, count, out);
    kdi_kern()->exp_f64(out, count, out);
}

/* -inf times 0 is 0 here: the limit of p ln p. */
static double weighted(double p, double log_p)
{
    return p > 0.0 ? p * log_p : 0.0;
}

kd_status kdi_loss_dist_compare(const kdi_dist *p, const kdi_dist *q, size_t k, kdi_dist_sums *out,
                                kdi_fault *fault)
{
    *out = (kdi_dist_sums){0};
    for (size_t begin = 0; begin < k; begin += KDI_LOSS_BLOCK) {
        size_t count = k - begin < KDI_LOSS_BLOCK ? k - begin : KDI_LOSS_BLOCK;
        double log_p[KDI_LOSS_BLOCK], log_q[KDI_LOSS_BLOCK], e[KDI_LOSS_BLOCK];
        kdi_loss_dist_log(q, begin, count, log_q);
        kdi_kern()->exp_f64(log_q, count, e);
        for (size_t i = 0; i < count; i++) {
            out->entropy_q -= weighted(e[i], log_q[i]);
        }
        if (!p) {
            continue;
        }
        kdi_loss_dist_log(p, begin, count, log_p);
        kdi_loss_dist_exp(p, begin, count, e);
        for (size_t i = 0; i < count; i++) {
            if (isinf(log_q[i]) && !isinf(log_p[i])) {
                fault->index = begin + i;
                fault->value = log_q[i];
                return KD_ERR_SUPPORT;
            }
            out->cross -= weighted(e[i], log_q[i]);
            out->entropy_p -= weighted(e[i], log_p[i]);
            out->kl += e[i] > 0.0 ? e[i] * (log_p[i] - log_q[i]) : 0.0;
        }
    }
    return KD_OK;
}
