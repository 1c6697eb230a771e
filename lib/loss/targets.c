/* SPDX-License-Identifier: MIT */
/* Soft targets at the door: what their kind asks of their fields, and of each of their rows. */
#include "loss/topk.h"

#include <math.h>

size_t kdi_loss_targets_width(const kd_targets *targets, size_t k)
{
    return targets->kind == KD_TARGET_TOPK ? targets->top : k;
}

/* Fields of TOPK: needed by it, and a mistake in targets of another kind. */
static kd_status check_topk(const kd_targets *t, size_t k, const kdi_loss_words *w)
{
    if (t->kind != KD_TARGET_TOPK) {
        const char *field = t->top ? "top" : t->topk_index ? "topk_index" : "tail";
        return t->top || t->topk_index || t->tail
                   ? kdi_base_fail(w->error, KD_ERR_VALUE, w->in,
                                   "%s.%s is set, but %s.kind is %i, not KD_TARGET_TOPK",
                                   w->targets, field, w->targets, (int64_t)t->kind)
                   : KD_OK;
    }
    if (t->top == 0) {
        return kdi_base_fail(w->error, KD_ERR_SIZE, w->in, "%s.top is 0", w->targets);
    }
    if (t->top > k) {
        return kdi_base_fail(w->error, KD_ERR_SHAPE, w->in, "%s.top is %z, but %s have %z classes",
                             w->targets, t->top, w->logits, k);
    }
    if (!t->topk_index || !t->tail) {
        return kdi_base_fail(w->error, KD_ERR_NULL, w->in, "%s.%s is NULL", w->targets,
                             t->topk_index ? "tail" : "topk_index");
    }
    return KD_OK;
}

kd_status kdi_loss_read_targets(kd_targets *known, const kd_targets *given, size_t n, size_t k,
                                const kdi_loss_words *w)
{
    kd_targets *t = known;
    *t = (kd_targets)KD_TARGETS_INIT;
    kd_status status = kdi_base_open(t, sizeof *t, given, w->targets, w->in, w->error);
    if (status != KD_OK) {
        return status;
    }
    if (t->kind < KD_TARGET_LOGITS || t->kind > KD_TARGET_TOPK) {
        return kdi_base_fail(w->error, KD_ERR_KIND, w->in, "%s.kind is %i, no such kind",
                             w->targets, (int64_t)t->kind);
    }
    bool known_t = t->kind == KD_TARGET_PROBABILITIES && t->temperature == 0.0f;
    if (t->kind != KD_TARGET_LOGITS && !known_t && !kdi_loss_is_temperature(t->temperature)) {
        char name[64];
        kdi_base_say(name, sizeof name, "%s.temperature", w->targets);
        return kdi_loss_check_temperature(t->temperature, name, w->in, w->error);
    }
    if (t->k != 0 && t->k != k) {
        return kdi_base_fail(w->error, KD_ERR_SHAPE, w->in, "%s.k is %z, but %s have %z classes",
                             w->targets, t->k, w->logits, k);
    }
    status = check_topk(t, k, w);
    return status == KD_OK ? kdi_loss_check_matrix(t->values, n, kdi_loss_targets_width(t, k),
                                                   &t->stride, w->values, w->in, w->in, w->error)
                           : status;
}

kd_targets kdi_loss_piece_of_targets(const kd_targets *targets, size_t begin)
{
    kd_targets piece = *targets;
    piece.values += begin * targets->stride;
    if (targets->kind == KD_TARGET_TOPK) {
        piece.topk_index += begin * targets->top;
        piece.tail += begin;
    }
    return piece;
}

/* ---- rows ---- */

static kd_status check_given(const float *p, size_t k, kdi_fault *fault)
{
    double mass = 0.0;
    float least = INFINITY;
    for (size_t i = 0; i < k; i++) {
        mass += (double)p[i];
        least = p[i] < least ? p[i] : least;
    }
    return kdi_loss_row_check_given(p, k, least, mass, fault);
}

static kd_status check_row(const kd_targets *targets, size_t i, kdi_fault *fault)
{
    const kdi_kernels *kern = kdi_kern(0);
    const float *x = targets->values + i * targets->stride;
    kdi_row row;
    if (targets->kind == KD_TARGET_TOPK) {
        return kdi_loss_topk_check(targets, i, targets->k, &row, fault);
    }
    if (targets->kind == KD_TARGET_PROBABILITIES) {
        return check_given(x, targets->k, fault);
    }
    kd_status status = kdi_loss_row_open(&row, kern, x, targets->k, fault);
    if (status == KD_OK && targets->kind == KD_TARGET_LOG_PROBABILITIES) {
        status = kdi_loss_row_check_log(&row, kern, targets->k, fault);
    }
    return status;
}

kd_status kdi_loss_check_targets(const kd_targets *targets, size_t n, const char *name,
                                 kd_error *error)
{
    kdi_loss_words words = {.error = error, .targets = name};
    kd_targets dense = *targets;
    dense.stride = targets->stride ? targets->stride : kdi_loss_targets_width(targets, targets->k);
    for (size_t row = 0; row < n; row++) {
        kdi_fault fault = {.target = true};
        kd_status status = check_row(&dense, row, &fault);
        if (status != KD_OK) {
            return kdi_loss_blame(&words, status, row, &fault);
        }
    }
    return KD_OK;
}
