/* SPDX-License-Identifier: MIT */
/* What a specialist is trained with: labels and soft targets for its outputs, an order of cases. */
#include "specialist/parts.h"

#include "loss/loss.h"

#include <math.h>

static kd_status check_labels(const kd_specialist *s, const int32_t *labels, size_t n,
                              kd_error *error)
{
    if (!s) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "specialist is NULL");
    }
    if (!labels) {
        return kdi_base_fail(error, KD_ERR_NULL, 2, "labels is NULL");
    }
    kd_status status = kdi_base_check_size(n, "n", 3, error);
    for (size_t i = 0; status == KD_OK && i < n; i++) {
        if (labels[i] < -1 || (labels[i] >= 0 && (size_t)labels[i] >= s->k)) {
            status = kdi_base_fail(error, KD_ERR_LABEL, 2, "labels[%z] is %i, not in [-1,%z)", i,
                                   (int64_t)labels[i], s->k);
        }
    }
    return status;
}

kd_status kd_specialist_labels(const kd_specialist *specialist, const int32_t *labels, size_t n,
                               int32_t *out_labels, kd_error *error)
{
    kd_status status = check_labels(specialist, labels, n, error);
    if (status == KD_OK && !out_labels) {
        status = kdi_base_fail(error, KD_ERR_NULL, 4, "out_labels is NULL");
    }
    kdi_span from = {labels, 1, n, n, sizeof *labels};
    kdi_span to = {out_labels, 1, n, n, sizeof *out_labels};
    if (status == KD_OK && out_labels != labels && kdi_base_overlap(from, to)) {
        status = kdi_base_fail(error, KD_ERR_OVERLAP, 4,
                               "out_labels overlaps labels, but is not the same");
    }
    for (size_t i = 0; status == KD_OK && i < n; i++) {
        out_labels[i] = labels[i] < 0 ? -1 : (int32_t)specialist->output_of[labels[i]];
    }
    return status;
}

/* ---- soft targets ---- */

static void fold_probabilities(const kd_specialist *s, const float *p, float *out)
{
    double dustbin = 0.0;
    for (size_t c = 0; c < s->k; c++) {
        if (kdi_specialist_knows(s, c)) {
            out[s->output_of[c]] = p[c];
        } else {
            dustbin += (double)p[c];
        }
    }
    if (kdi_specialist_has_dustbin(s)) {
        out[s->n] = (float)dustbin;
    }
}

/* The log of the sum of exponentials, about the largest one. */
static void fold_logits(const kd_specialist *s, const float *v, float *out)
{
    double largest = -(double)INFINITY;
    for (size_t c = 0; c < s->k; c++) {
        if (kdi_specialist_knows(s, c)) {
            out[s->output_of[c]] = v[c];
        } else {
            largest = (double)v[c] > largest ? (double)v[c] : largest;
        }
    }
    if (!kdi_specialist_has_dustbin(s)) {
        return;
    }
    double sum = 0.0;
    for (size_t c = 0; c < s->k && !isinf(largest); c++) {
        sum += kdi_specialist_knows(s, c) ? 0.0 : exp((double)v[c] - largest);
    }
    out[s->n] = (float)(isinf(largest) ? largest : largest + log(sum));
}

kd_status kdi_specialist_read_targets(kd_targets *known, const kd_targets *given, size_t n,
                                      size_t k, const char *name, const char *values,
                                      kd_error *error)
{
    const kdi_loss_words words = {
        .error = error, .in = 2, .logits = "all of them", .targets = name, .values = values};
    kd_status status = kdi_base_check_size(n, "n", 3, error);
    if (status == KD_OK) {
        status = kdi_loss_read_targets(known, given, n, k, &words);
    }
    if (status != KD_OK) {
        return status;
    }
    if (known->kind == KD_TARGET_TOPK) {
        return kdi_base_fail(error, KD_ERR_KIND, 2,
                             "%s.kind is %i, KD_TARGET_TOPK, which does not say all classes", name,
                             (int64_t)known->kind);
    }
    known->k = k;
    status = kdi_loss_check_targets(known, n, name, error);
    if (status != KD_OK) {
        kdi_base_blame(error, 2);
    }
    return status;
}

kd_status kd_specialist_targets(const kd_specialist *specialist, const kd_targets *targets,
                                size_t n, float *values, kd_targets *out_targets, kd_error *error)
{
    kd_targets known;
    kd_status status = specialist ? kdi_base_open_out(out_targets, "out_targets", 5, error)
                                  : kdi_base_fail(error, KD_ERR_NULL, 1, "specialist is NULL");
    if (status == KD_OK) {
        status = kdi_specialist_read_targets(&known, targets, n, specialist->k, "targets",
                                             "targets.values", error);
    }
    if (status == KD_OK && !values) {
        status = kdi_base_fail(error, KD_ERR_NULL, 4, "values is NULL");
    }
    if (status != KD_OK) {
        return status;
    }
    size_t outputs = kdi_specialist_outputs(specialist);
    kdi_span from = {known.values, n, known.k, known.stride, sizeof(float)};
    kdi_span to = {values, n, outputs, outputs, sizeof(float)};
    if (kdi_base_overlap(from, to)) {
        return kdi_base_fail(error, KD_ERR_OVERLAP, 4, "values overlaps targets.values");
    }
    for (size_t i = 0; i < n; i++) {
        const float *row = known.values + i * known.stride;
        if (known.kind == KD_TARGET_PROBABILITIES) {
            fold_probabilities(specialist, row, values + i * outputs);
        } else {
            fold_logits(specialist, row, values + i * outputs);
        }
    }
    known.values = values;
    known.k = outputs;
    known.stride = outputs;
    kdi_base_write_struct(out_targets, &known, sizeof known);
    return KD_OK;
}

/* ---- order ---- */

/* Fisher and Yates, as kd_shuffle; `which` keeps two shuffles of one epoch apart. */
static void shuffle(uint32_t *order, size_t n, kdi_rng_key key, uint32_t epoch, uint32_t which)
{
    for (size_t i = n; i > 1; i--) {
        uint32_t counter[4] = {(uint32_t)(i - 1), epoch, which, 0};
        uint32_t word[4];
        kdi_base_rng_block(key, counter, word);
        size_t j = (size_t)(((uint64_t)word[0] << 32 | word[1]) % i);
        uint32_t swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}

/* Its classes' cases from the front, the others from behind; places between stay free. */
static void part(const kd_specialist *s, const int32_t *labels, size_t n, uint32_t *order,
                 size_t *out_own, size_t *out_others)
{
    size_t own = 0, others = 0;
    for (size_t i = 0; i < n; i++) {
        if (labels[i] >= 0 && kdi_specialist_knows(s, (size_t)labels[i])) {
            order[own++] = (uint32_t)i;
        } else if (labels[i] >= 0) {
            others++;
            order[2 * n - others] = (uint32_t)i;
        }
    }
    *out_own = own;
    *out_others = others;
}

/*
 * Cases of its classes to the even places, others to the odd ones: from the last place down, since
 * the own case of place 2 i still stands at i. There are at most n of both together, so the others,
 * behind, are out of reach.
 */
static void interleave(uint32_t *order, const uint32_t *other, size_t own, size_t others)
{
    for (size_t left = own; left > 0; left--) {
        size_t i = left - 1;
        order[2 * i] = order[i];
        order[2 * i + 1] = other[i % others];
    }
}

kd_status kd_specialist_order(const kd_specialist *specialist, const int32_t *labels, size_t n,
                              uint64_t seed, uint32_t epoch, uint32_t *out_order, size_t *out_n,
                              double *out_prior, kd_error *error)
{
    kd_status status = check_labels(specialist, labels, n, error);
    if (status != KD_OK) {
        return status;
    }
    if (!out_order || !out_n) {
        return kdi_base_fail(error, KD_ERR_NULL, out_order ? 7 : 6, "%s is NULL",
                             out_order ? "out_n" : "out_order");
    }
    kdi_span from = {labels, 1, n, n, sizeof *labels};
    kdi_span to = {out_order, 1, 2 * n, 2 * n, sizeof *out_order};
    if (kdi_base_overlap(from, to)) {
        return kdi_base_fail(error, KD_ERR_OVERLAP, 6, "out_order overlaps labels");
    }
    bool dustbin = kdi_specialist_has_dustbin(specialist);
    size_t own, others;
    part(specialist, labels, n, out_order, &own, &others);
    if (own == 0 || (dustbin && others == 0)) {
        return kdi_base_fail(error, KD_ERR_EMPTY_BATCH, 2, "none of %z labels is %s", n,
                             own ? "of another class than the specialist's"
                                 : "of the specialist's classes");
    }
    kdi_rng_key key = kdi_base_rng_key(seed, KDI_STREAM_SHUFFLE);
    uint32_t *other = out_order + 2 * n - others;
    shuffle(out_order, own, key, epoch, 1);
    shuffle(other, others, key, epoch, 2);
    if (dustbin) {
        interleave(out_order, other, own, others);
    }
    *out_n = dustbin ? 2 * own : own;
    if (out_prior) {
        *out_prior = (double)own / (double)(own + others);
    }
    return KD_OK;
}
