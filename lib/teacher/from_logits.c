/* SPDX-License-Identifier: MIT */
/* Recorded logits as teacher: sorted by sample id, so a row can't be taken for another's. */
#include "teacher/parts.h"

#include "loss/loss.h"

#include <math.h>
#include <string.h>

typedef struct recorded_teacher {
    kd_teacher head;
    size_t n;
    kdi_teacher_id *entries; /* [n], by id */
    float *logits;           /* [n,k] */
    void *block;
    size_t block_size;
} recorded_teacher;

static kd_status ask(kd_teacher_workspace *ws, const kd_batch *batch, float temperature, float *out,
                     kd_targets *targets, kd_error *error)
{
    (void)temperature;
    (void)targets;
    const recorded_teacher *t = (const recorded_teacher *)ws->teacher;
    size_t k = t->head.k;
    for (size_t i = 0; i < batch->n; i++) {
        size_t row;
        kd_status status = kdi_teacher_row_of(t->entries, t->n, batch, i, &row, error);
        if (status != KD_OK) {
            return status;
        }
        memcpy(out + i * k, t->logits + row * k, k * sizeof *out);
    }
    return KD_OK;
}

static void release(kd_teacher *teacher)
{
    recorded_teacher *t = (recorded_teacher *)teacher;
    kdi_ctx_delete(teacher->context, t->block, t->block_size);
}

static kd_status check_logits(const float *logits, size_t n, size_t k, size_t stride,
                              kd_error *error)
{
    for (size_t i = 0; i < n; i++) {
        float largest = -INFINITY;
        for (size_t j = 0; j < k; j++) {
            float v = logits[i * stride + j];
            if (!(v < INFINITY)) {
                return kdi_base_fail(error, KD_ERR_NOT_FINITE, 3, "logits[%z,%z] is %g", i, j,
                                     (double)v);
            }
            largest = v > largest ? v : largest;
        }
        if (largest == -INFINITY) {
            return kdi_base_fail(error, KD_ERR_SUPPORT, 3, "row %z of logits is -inf throughout",
                                 i);
        }
    }
    return KD_OK;
}

static void lay_out(recorded_teacher *t, size_t n, size_t k, kdi_arena *arena)
{
    size_t count;
    t->entries = kdi_base_take(arena, n, sizeof *t->entries);
    arena->overflow = arena->overflow || !kdi_base_mul(n, k, &count);
    t->logits = arena->overflow ? NULL : kdi_base_take(arena, count, sizeof *t->logits);
}

static kd_status fill(recorded_teacher *t, const uint64_t *ids, const float *logits, size_t n,
                      size_t k, size_t stride, kd_error *error)
{
    kdi_arena measure = {0};
    lay_out(t, n, k, &measure);
    if (measure.overflow || measure.used > PTRDIFF_MAX) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 4, "%z rows of %z classes: too many bytes", n,
                             k);
    }
    t->block = kdi_ctx_new(t->head.context, measure.used);
    t->block_size = measure.used;
    if (!t->block) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for recorded logits (%z bytes)",
                             measure.used);
    }
    kdi_arena place = {.base = t->block};
    lay_out(t, n, k, &place);
    t->n = n;
    for (size_t i = 0; i < n; i++) {
        t->entries[i] = (kdi_teacher_id){ids[i], i};
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): lay_out placed it */
        memcpy(t->logits + i * k, logits + i * stride, k * sizeof *logits);
    }
    size_t twin = kdi_teacher_sort_ids(t->entries, n);
    if (twin > 0) {
        return kdi_base_fail(error, KD_ERR_ID, 2, "ids[%z] and ids[%z] are both %z",
                             t->entries[twin - 1].row, t->entries[twin].row,
                             (size_t)t->entries[twin].id);
    }
    return KD_OK;
}

/* The order of recording is no matter: what counts is which id has which logits. */
static kd_status hash(const kd_teacher *teacher, uint64_t *out, kd_error *error)
{
    (void)error;
    const recorded_teacher *t = (const recorded_teacher *)teacher;
    uint64_t h = kdi_base_hash_u64(kdi_base_hash_u64(KDI_TEACHER_LOGITS, t->n), t->head.k);
    for (size_t i = 0; i < t->n; i++) {
        h = kdi_base_hash_u64(h, t->entries[i].id);
        h = kdi_base_hash_f32(h, t->logits + t->entries[i].row * t->head.k, t->head.k);
    }
    *out = h;
    return KD_OK;
}

static const kdi_teacher_ops ops = {.ask = ask, .hash = hash, .release = release};

kd_status kd_teacher_from_logits(kd_context *context, const uint64_t *ids, const float *logits,
                                 size_t n, size_t k, size_t stride, kd_teacher **out_teacher,
                                 kd_error *error)
{
    if (!out_teacher) {
        return kdi_base_fail(error, KD_ERR_NULL, 7, "out_teacher is NULL");
    }
    *out_teacher = NULL;
    if (!context || !ids) {
        return kdi_base_fail(error, KD_ERR_NULL, context ? 2 : 1, "%s is NULL",
                             context ? "ids" : "context");
    }
    kd_status status = kdi_base_check_size(n, "n", 4, error);
    if (status == KD_OK) {
        status = kdi_base_check_size(k, "k", 5, error);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_matrix(logits, n, k, &stride, "logits", 3, 6, error);
    }
    if (status == KD_OK) {
        status = check_logits(logits, n, k, stride, error);
    }
    kd_teacher *teacher;
    if (status == KD_OK) {
        status = kdi_teacher_new(context, sizeof(recorded_teacher), &ops, &teacher, error);
    }
    if (status != KD_OK) {
        return status;
    }
    teacher->k = k;
    teacher->kind = KD_TARGET_LOGITS;
    teacher->by_id = true;
    status = fill((recorded_teacher *)teacher, ids, logits, n, k, stride, error);
    if (status != KD_OK) {
        kd_teacher_destroy(teacher);
        return status;
    }
    *out_teacher = teacher;
    return KD_OK;
}
