/* SPDX-License-Identifier: MIT */
/* How a generalist's predictions vary together, gathered case by case. */
#include "specialist/parts.h"

#include "specialist/covariance.h"

#include <math.h>

static void lay_out(kd_covariance *c, kdi_arena *arena)
{
    size_t pairs;
    size_t even = c->k % 2 ? (c->k + 1) / 2 : c->k / 2;
    size_t odd = c->k % 2 ? c->k : c->k + 1;
    arena->overflow = arena->overflow || !kdi_base_mul(even, odd, &pairs);
    c->products = arena->overflow ? NULL : kdi_base_take(arena, pairs, sizeof *c->products);
    c->sums = kdi_base_take(arena, c->k, sizeof *c->sums);
    c->row = kdi_base_take(arena, c->k, sizeof *c->row);
}

kd_status kd_covariance_create(kd_context *context, size_t k, kd_covariance **out_covariance,
                               kd_error *error)
{
    if (!out_covariance) {
        return kdi_base_fail(error, KD_ERR_NULL, 3, "out_covariance is NULL");
    }
    *out_covariance = NULL;
    if (!context) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "context is NULL");
    }
    kd_status status = kdi_base_check_size(k, "k", 2, error);
    if (status != KD_OK) {
        return status;
    }
    kdi_arena measure = {0};
    kd_covariance sizes = {.k = k};
    lay_out(&sizes, &measure);
    if (measure.overflow || measure.used > PTRDIFF_MAX) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 2, "%z classes squared are too many bytes",
                             k);
    }
    kd_covariance *c = kdi_ctx_new(context, sizeof *c);
    void *block = c ? kdi_ctx_new(context, measure.used) : NULL;
    if (!block) {
        kdi_ctx_delete(context, c, sizeof *c);
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a covariance (%z bytes)",
                             measure.used);
    }
    kdi_arena place = {.base = block};
    *c = (kd_covariance){
        .context = kdi_ctx_retain(context), .k = k, .block = block, .block_size = measure.used};
    lay_out(c, &place);
    *out_covariance = c;
    return KD_OK;
}

void kd_covariance_destroy(kd_covariance *covariance)
{
    if (!covariance) {
        return;
    }
    kd_context *context = covariance->context;
    kdi_ctx_delete(context, covariance->block, covariance->block_size);
    kdi_ctx_delete(context, covariance, sizeof *covariance);
    kd_context_destroy(context);
}

static kd_status check(const kd_covariance *c, const kd_targets *given, size_t n, kd_targets *known,
                       kd_error *error)
{
    if (!c) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "covariance is NULL");
    }
    kd_status status = kdi_specialist_read_targets(known, given, n, c->k, "predictions",
                                                   "predictions.values", error);
    bool fixed = status == KD_OK && known->kind == KD_TARGET_PROBABILITIES;
    if (fixed && known->temperature != 0.0f && known->temperature != 1.0f) {
        return kdi_base_fail(error, KD_ERR_RETEMPER, 2,
                             "predictions.temperature is %g; probabilities are needed at 1",
                             (double)known->temperature);
    }
    return status;
}

/* A case's probabilities at T = 1, as doubles. */
static void soften(const kd_targets *t, const float *values, size_t k, double *out)
{
    if (t->kind == KD_TARGET_PROBABILITIES) {
        for (size_t i = 0; i < k; i++) {
            out[i] = (double)values[i];
        }
        return;
    }
    double scale = t->kind == KD_TARGET_LOGITS ? 1.0 : (double)t->temperature;
    double largest = -(double)INFINITY;
    for (size_t i = 0; i < k; i++) {
        double v = scale * (double)values[i];
        largest = v > largest ? v : largest;
    }
    double sum = 0.0;
    for (size_t i = 0; i < k; i++) {
        out[i] = exp(scale * (double)values[i] - largest);
        sum += out[i];
    }
    for (size_t i = 0; i < k; i++) {
        out[i] /= sum;
    }
}

kd_status kd_covariance_add(kd_covariance *covariance, const kd_targets *predictions, size_t n,
                            kd_error *error)
{
    kd_targets known;
    kd_covariance *c = covariance;
    kd_status status = check(c, predictions, n, &known, error);
    if (status != KD_OK) {
        return status;
    }
    for (size_t row = 0; row < n; row++) {
        double *at = c->products;
        soften(&known, known.values + row * known.stride, c->k, c->row);
        for (size_t i = 0; i < c->k; i++) {
            c->sums[i] += c->row[i];
            for (size_t j = 0; j <= i; j++) {
                *at++ += c->row[i] * c->row[j];
            }
        }
    }
    c->n += n;
    return KD_OK;
}

double kdi_specialist_covariance(const kd_covariance *c, size_t i, size_t j)
{
    size_t high = i > j ? i : j;
    size_t low = i > j ? j : i;
    double n = (double)c->n;
    double product = c->products[high * (high + 1) / 2 + low];
    return product / n - c->sums[high] / n * (c->sums[low] / n);
}

kd_status kdi_specialist_has_cases(const kd_covariance *c, kd_error *error)
{
    if (!c) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "covariance is NULL");
    }
    return c->n > 0 ? KD_OK : kdi_base_fail(error, KD_ERR_STATE, 1, "no prediction was added yet");
}

kd_status kd_covariance_get(const kd_covariance *covariance, double *out_values, kd_error *error)
{
    kd_status status = kdi_specialist_has_cases(covariance, error);
    if (status == KD_OK && !out_values) {
        status = kdi_base_fail(error, KD_ERR_NULL, 2, "out_values is NULL");
    }
    for (size_t i = 0; status == KD_OK && i < covariance->k; i++) {
        for (size_t j = 0; j < covariance->k; j++) {
            out_values[i * covariance->k + j] = kdi_specialist_covariance(covariance, i, j);
        }
    }
    return status;
}
