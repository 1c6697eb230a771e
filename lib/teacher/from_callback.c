/* SPDX-License-Identifier: MIT */
/* A function of the host's as teacher. */
#include "teacher/parts.h"

#include "loss/loss.h"

typedef struct callback_teacher {
    kd_teacher head;
    kd_callback_options options;
} callback_teacher;

static kd_status ask(kd_teacher_workspace *ws, const kd_batch *batch, float temperature, float *out,
                     kd_targets *targets, kd_error *error)
{
    const kd_callback_options *o = &((const callback_teacher *)ws->teacher)->options;
    int32_t answer = o->fn(o->user, batch, temperature, out);
    if (answer != 0) {
        return kdi_base_fail(error, KD_ERR_CALLBACK, 0, "the teacher's callback returned %i",
                             (int64_t)answer);
    }
    targets->temperature = o->temperature;
    if (o->kind == KD_TARGET_PROBABILITIES && o->temperature == 0.0f) {
        targets->temperature = temperature;
    }
    return KD_OK;
}

static const kdi_teacher_ops ops = {.ask = ask};

static kd_status check(kd_callback_options *o, kd_error *error)
{
    kd_status status = kdi_base_check_size(o->k, "options.k", 2, error);
    if (status != KD_OK) {
        return status;
    }
    if (!o->fn) {
        return kdi_base_fail(error, KD_ERR_NULL, 2, "options.fn is NULL");
    }
    o->kind = o->kind ? o->kind : KD_TARGET_LOGITS;
    if (o->kind == KD_TARGET_TOPK) {
        return kdi_base_fail(error, KD_ERR_KIND, 2,
                             "options.kind is %i, KD_TARGET_TOPK, which a callback can't give",
                             (int64_t)o->kind);
    }
    if (o->kind < KD_TARGET_LOGITS || o->kind > KD_TARGET_LOG_PROBABILITIES) {
        return kdi_base_fail(error, KD_ERR_KIND, 2, "options.kind is %i, no such kind",
                             (int64_t)o->kind);
    }
    bool any = o->kind == KD_TARGET_PROBABILITIES && o->temperature == 0.0f;
    if (o->kind == KD_TARGET_LOGITS || any) {
        return KD_OK;
    }
    return kdi_loss_check_temperature(o->temperature, "options.temperature", 2, error);
}

kd_status kd_teacher_from_callback(kd_context *context, const kd_callback_options *options,
                                   kd_teacher **out_teacher, kd_error *error)
{
    if (!out_teacher) {
        return kdi_base_fail(error, KD_ERR_NULL, 3, "out_teacher is NULL");
    }
    *out_teacher = NULL;
    if (!context) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "context is NULL");
    }
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    kd_status status = kdi_base_open(&o, sizeof o, options, "options", 2, error);
    if (status == KD_OK) {
        status = check(&o, error);
    }
    kd_teacher *teacher;
    if (status == KD_OK) {
        status = kdi_teacher_new(context, sizeof(callback_teacher), &ops, &teacher, error);
    }
    if (status == KD_OK) {
        teacher->k = o.k;
        teacher->kind = o.kind;
        ((callback_teacher *)teacher)->options = o;
        *out_teacher = teacher;
    }
    return status;
}
