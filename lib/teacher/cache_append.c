/* SPDX-License-Identifier: MIT */
/* Cases for a recording: everything is checked and encoded before the file is touched. */
#include "teacher/recording.h"

#include "loss/loss.h"

#include <math.h>

static kd_status check_topk(const kd_cache *c, const kd_targets *t, size_t n, kd_error *error)
{
    if (t->top != c->form.top) {
        return kdi_base_fail(error, KD_ERR_SHAPE, 3, "targets.top is %z, the recording keeps %z",
                             t->top, c->form.top);
    }
    if (!t->topk_index || !t->tail) {
        return kdi_base_fail(error, KD_ERR_NULL, 3, "targets.%s is NULL",
                             t->topk_index ? "tail" : "topk_index");
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t *index = t->topk_index + i * t->top;
        for (size_t j = 0; j < t->top; j++) {
            if (index[j] >= c->form.k || (j > 0 && index[j] <= index[j - 1])) {
                return kdi_base_fail(error, KD_ERR_INDEX, 3,
                                     "targets.topk_index[%z,%z] is %z: not ascending below %z", i,
                                     j, (size_t)index[j], c->form.k);
            }
            if (!isfinite(t->values[i * t->stride + j])) {
                return kdi_base_fail(error, KD_ERR_NOT_FINITE, 3, "targets.values[%z,%z] is %g", i,
                                     j, (double)t->values[i * t->stride + j]);
            }
        }
        if (t->top == c->form.k && isfinite(t->tail[i])) {
            return kdi_base_fail(error, KD_ERR_VALUE, 3,
                                 "targets.tail[%z] is %g, not -inf, but all classes are given", i,
                                 (double)t->tail[i]);
        }
        if (!(t->tail[i] < INFINITY)) {
            return kdi_base_fail(error, KD_ERR_NOT_FINITE, 3, "targets.tail[%z] is %g", i,
                                 (double)t->tail[i]);
        }
    }
    return KD_OK;
}

static kd_status check_rows(const kd_targets *t, size_t n, kd_error *error)
{
    for (size_t i = 0; i < n; i++) {
        kd_targets one = *t;
        one.values = t->values + i * t->stride;
        if (kdi_loss_check_targets(&one, 1, "targets", NULL) != KD_OK) {
            char name[40];
            kdi_base_say(name, sizeof name, "case %z: targets", i);
            kd_status status = kdi_loss_check_targets(&one, 1, name, error);
            kdi_base_blame(error, 3);
            return status;
        }
    }
    return KD_OK;
}

static kd_status check_kind(const kd_cache *c, const kd_targets *t, kd_error *error)
{
    const kdi_cache_form *form = &c->form;
    if (t->kind != form->kind) {
        return kdi_base_fail(error, KD_ERR_KIND, 3, "targets.kind is %i, that of the recording %i",
                             (int64_t)t->kind, (int64_t)form->kind);
    }
    if (t->kind != KD_TARGET_LOGITS && t->temperature != form->temperature) {
        return kdi_base_fail(error, KD_ERR_TEMPERATURE, 3,
                             "targets.temperature is %g, that of the recording %g",
                             (double)t->temperature, (double)form->temperature);
    }
    if (t->k != 0 && t->k != form->k) {
        return kdi_base_fail(error, KD_ERR_SHAPE, 3, "targets.k is %z, the recording has %z", t->k,
                             form->k);
    }
    if (t->kind != KD_TARGET_TOPK && (t->top || t->topk_index || t->tail)) {
        return kdi_base_fail(error, KD_ERR_VALUE, 3,
                             "targets.top, topk_index or tail is set in targets of kind %i",
                             (int64_t)t->kind);
    }
    return KD_OK;
}

/* Reads the host's targets; what encodings can't hold is found later. */
static kd_status check(const kd_cache *c, const uint64_t *ids, const kd_targets *given, size_t n,
                       kd_targets *t, kd_error *error)
{
    if (!ids) {
        return kdi_base_fail(error, KD_ERR_NULL, 2, "ids is NULL");
    }
    kd_status status = kdi_base_open(t, sizeof *t, given, "targets", 3, error);
    status = status ? status : kdi_base_check_size(n, "n", 4, error);
    status = status ? status : check_kind(c, t, error);
    if (status != KD_OK) {
        return status;
    }
    bool topk = t->kind == KD_TARGET_TOPK;
    t->k = c->form.k;
    status = kdi_loss_check_matrix(t->values, n, topk ? c->form.top : c->form.k, &t->stride,
                                   "targets.values", 3, 3, error);
    return status ? status : topk ? check_topk(c, t, n, error) : check_rows(t, n, error);
}

/* Room for n cases, here and among the ids. */
static kd_status reserve(kd_cache *c, size_t n, size_t *out_bytes, kd_error *error)
{
    size_t count;
    if (!kdi_base_mul(n, c->form.record, out_bytes) || *out_bytes > PTRDIFF_MAX ||
        !kdi_base_add(c->ids.count, n, &count)) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 4, "%z cases of %z bytes: too many bytes", n,
                             c->form.record);
    }
    kd_status status = kdi_teacher_reserve_ids(&c->ids, c->context, count, error);
    if (status != KD_OK || *out_bytes <= c->buffer_size) {
        return status;
    }
    unsigned char *buffer = kdi_ctx_new(c->context, *out_bytes);
    if (!buffer) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for %z cases (%z bytes)", n,
                             *out_bytes);
    }
    kdi_ctx_delete(c->context, c->buffer, c->buffer_size);
    c->buffer = buffer;
    c->buffer_size = *out_bytes;
    return KD_OK;
}

static void drop_ids(kd_cache *c, const uint64_t *ids, size_t n)
{
    while (n > 0) {
        kdi_teacher_drop_id(&c->ids, ids[--n]);
    }
}

static kd_status add_ids(kd_cache *c, const uint64_t *ids, size_t n, kd_error *error)
{
    for (size_t i = 0; i < n; i++) {
        if (!kdi_teacher_add_id(&c->ids, ids[i])) {
            drop_ids(c, ids, i);
            return kdi_base_fail(error, KD_ERR_ID, 2, "ids[%z] is %z, which was recorded before", i,
                                 (size_t)ids[i]);
        }
    }
    return KD_OK;
}

/* Puts back what a call that failed has changed: the end of the file, and the seal behind it. */
static void restore(kd_cache *c)
{
    c->unclean = true;
    bool restored = kdi_teacher_clean_end(c, NULL) == KD_OK &&
                    (!c->state.finished || (kdi_teacher_write_seal(c, NULL) == KD_OK &&
                                            kdi_io_append_sync(&c->file, NULL) == KD_OK));
    c->state.finished = c->state.finished && restored;
}

/* All bytes, or the file as before: a seal that was cut off is put back. */
static kd_status write_cases(kd_cache *c, size_t bytes, kd_error *error)
{
    uint64_t size = c->file.size;
    kd_status status = kdi_teacher_clean_end(c, error);
    bool changed = status == KD_OK || c->file.size != size;
    status = status ? status : kdi_io_append(&c->file, c->buffer, bytes, error);
    if (status != KD_OK && changed) {
        restore(c);
    }
    return status;
}

static kd_status append(kd_cache *c, const uint64_t *ids, const kd_targets *given, size_t n,
                        kd_error *error)
{
    kd_targets t = KD_TARGETS_INIT;
    size_t bytes;
    kd_status status = kdi_ctx_check(c->context, error);
    status = status ? status : check(c, ids, given, n, &t, error);
    status = status ? status : reserve(c, n, &bytes, error);
    for (size_t i = 0; status == KD_OK && i < n; i++) {
        status = kdi_teacher_encode(&c->form, ids[i], &t, i, c->order,
                                    c->buffer + i * c->form.record, error);
    }
    status = status ? status : add_ids(c, ids, n, error);
    if (status != KD_OK) {
        return status;
    }
    status = write_cases(c, bytes, error);
    if (status != KD_OK) {
        drop_ids(c, ids, n);
        return status;
    }
    c->state.finished = false;
    for (size_t end = c->form.record; end <= bytes; end += c->form.record) {
        c->state.crc = kdi_io_crc(c->state.crc, c->buffer + end - 4, 4);
    }
    c->state.cases += n;
    return KD_OK;
}

kd_status kd_cache_append(kd_cache *cache, const uint64_t *ids, const kd_targets *targets, size_t n)
{
    return cache ? append(cache, ids, targets, n, &cache->error) : KD_ERR_NULL;
}
