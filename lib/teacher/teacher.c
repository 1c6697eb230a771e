/* SPDX-License-Identifier: MIT */
/* What all teachers share: references, workspaces, and the door at which one is asked. */
#include "teacher/parts.h"

#include "loss/loss.h"

kd_status kdi_teacher_new(kd_context *context, size_t size, const kdi_teacher_ops *ops,
                          kd_teacher **out_teacher, kd_error *error)
{
    kd_teacher *teacher = kdi_ctx_new(context, size);
    if (!teacher) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a teacher (%z bytes)", size);
    }
    atomic_init(&teacher->refs, 1);
    teacher->context = kdi_ctx_retain(context);
    teacher->ops = ops;
    teacher->size = size;
    *out_teacher = teacher;
    return KD_OK;
}

void kd_teacher_destroy(kd_teacher *teacher)
{
    if (!teacher || !kdi_base_release(&teacher->refs)) {
        return;
    }
    kd_context *context = teacher->context;
    if (teacher->ops->release) {
        teacher->ops->release(teacher);
    }
    kdi_ctx_delete(context, teacher, teacher->size);
    kd_context_destroy(context);
}

kd_teacher *kdi_teacher_retain(kd_teacher *teacher)
{
    kdi_base_retain(&teacher->refs);
    return teacher;
}

size_t kdi_teacher_classes(const kd_teacher *teacher)
{
    return teacher->k;
}

size_t kdi_teacher_inputs(const kd_teacher *teacher)
{
    return teacher->inputs;
}

bool kdi_teacher_by_id(const kd_teacher *teacher)
{
    return teacher->by_id;
}

kd_target_kind kdi_teacher_kind(const kd_teacher *teacher)
{
    return teacher->kind;
}

bool kdi_teacher_uses(const kd_teacher *teacher, const kd_net *net)
{
    return teacher->ops->uses && teacher->ops->uses(teacher, net);
}

kd_status kdi_teacher_bytes(size_t rows, size_t columns, size_t *out_bytes, kd_error *error)
{
    size_t count;
    if (kdi_base_mul(rows, columns, &count) && kdi_base_mul(count, sizeof(float), out_bytes) &&
        *out_bytes <= PTRDIFF_MAX) {
        return KD_OK;
    }
    return kdi_base_fail(error, KD_ERR_TOO_LARGE, 0, "%z rows of %z classes take too many bytes",
                         rows, columns);
}

kd_status kdi_teacher_open(kd_teacher *teacher, size_t batch, bool values,
                           kd_teacher_workspace **out_workspace, kd_error *error)
{
    size_t bytes;
    kd_status status = kdi_teacher_bytes(batch, kdi_teacher_width(teacher), &bytes, error);
    if (status != KD_OK) {
        return status;
    }
    kd_context *context = teacher->context;
    kd_teacher_workspace *ws = kdi_ctx_new(context, sizeof *ws);
    if (!ws) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory to ask a teacher (%z bytes)",
                             sizeof *ws);
    }
    ws->context = kdi_ctx_retain(context);
    ws->teacher = kdi_teacher_retain(teacher);
    ws->batch = batch;
    if (values) {
        ws->values = kdi_ctx_new(context, bytes);
        if (!ws->values) {
            status = kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for soft targets (%z bytes)",
                                   bytes);
        }
    }
    if (status == KD_OK && teacher->ops->open) {
        status = teacher->ops->open(ws, error);
    }
    if (status != KD_OK) {
        kd_teacher_workspace_destroy(ws);
        return status;
    }
    *out_workspace = ws;
    return KD_OK;
}

kd_status kdi_teacher_make_extra(kd_teacher_workspace *ws, kdi_teacher_lay_out lay_out,
                                 kd_error *error)
{
    kdi_arena measure = {0};
    (void)lay_out(ws, &measure);
    if (measure.overflow || measure.used > PTRDIFF_MAX) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 0, "to ask of %z cases takes too many bytes",
                             ws->batch);
    }
    kdi_arena place = {.base = kdi_ctx_new(ws->context, measure.used)};
    if (!place.base) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory to ask of %z cases (%z bytes)",
                             ws->batch, measure.used);
    }
    ws->extra = lay_out(ws, &place);
    ws->extra_size = measure.used;
    return KD_OK;
}

kd_status kd_teacher_workspace_create(kd_teacher *teacher, size_t batch,
                                      kd_teacher_workspace **out_workspace, kd_error *error)
{
    if (!out_workspace) {
        return kdi_base_fail(error, KD_ERR_NULL, 3, "out_workspace is NULL");
    }
    *out_workspace = NULL;
    if (!teacher) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "teacher is NULL");
    }
    kd_status status = kdi_base_check_size(batch, "batch", 2, error);
    return status == KD_OK ? kdi_teacher_open(teacher, batch, true, out_workspace, error) : status;
}

void kd_teacher_workspace_destroy(kd_teacher_workspace *workspace)
{
    if (!workspace) {
        return;
    }
    kd_teacher_workspace *ws = workspace;
    kd_context *context = ws->context;
    if (ws->teacher->ops->close) {
        ws->teacher->ops->close(ws);
    }
    if (ws->extra_size > 0) {
        kdi_ctx_delete(context, ws->extra, ws->extra_size);
    }
    kdi_ctx_delete(context, ws->values,
                   ws->batch * kdi_teacher_width(ws->teacher) * sizeof *ws->values);
    kd_teacher_destroy(ws->teacher);
    kdi_ctx_delete(context, ws, sizeof *ws);
    kd_context_destroy(context);
}

kd_status kdi_teacher_ask(kd_teacher_workspace *ws, const kd_batch *known, float temperature,
                          kd_targets *out_targets, kd_error *error)
{
    if (ws->busy) {
        return kdi_base_fail(error, KD_ERR_BUSY, 1, "the teacher is being asked already");
    }
    ws->busy = true;
    kd_targets targets = KD_TARGETS_INIT;
    targets.kind = ws->teacher->kind;
    targets.values = ws->values;
    targets.k = ws->teacher->k;
    kd_status status = ws->teacher->ops->ask(ws, known, temperature, ws->values, &targets, error);
    ws->busy = false;
    if (status == KD_OK) {
        *out_targets = targets;
    }
    return status;
}

kd_status kdi_teacher_soften(const kd_targets *targets, float *values, size_t n, float temperature,
                             kd_error *error)
{
    if (targets->kind == KD_TARGET_LOGITS) {
        return kd_softmax(values, n, targets->k, 0, temperature, values, 0, error);
    }
    if (targets->kind == KD_TARGET_LOG_PROBABILITIES) {
        float ratio = temperature / targets->temperature;
        return kd_softmax(values, n, targets->k, 0, ratio, values, 0, error);
    }
    if (targets->temperature != temperature) {
        return kdi_base_fail(error, KD_ERR_RETEMPER, 3,
                             "a member gives probabilities at temperature %g, not at %g",
                             (double)targets->temperature, (double)temperature);
    }
    return KD_OK;
}

static kd_status check_batch(const kd_teacher_workspace *ws, const kd_batch *batch, kd_batch *known,
                             kd_error *error)
{
    *known = (kd_batch)KD_BATCH_INIT;
    kd_status status = kdi_base_open(known, sizeof *known, batch, "batch", 2, error);
    if (status == KD_OK) {
        status = kdi_base_check_size(known->n, "batch.n", 2, error);
    }
    if (status == KD_OK && known->n > ws->batch) {
        status =
            kdi_base_fail(error, KD_ERR_WORKSPACE, 2,
                          "batch.n is %z, but the workspace was made for %z", known->n, ws->batch);
    }
    size_t inputs = ws->teacher->inputs;
    if (status == KD_OK && inputs > 0) {
        status = kdi_loss_check_matrix(known->x, known->n, inputs, &known->x_stride, "batch.x", 2,
                                       2, error);
    }
    return status;
}

kd_status kd_teacher_targets(kd_teacher_workspace *workspace, const kd_batch *batch,
                             float temperature, kd_targets *out_targets, kd_error *error)
{
    if (!workspace) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "workspace is NULL");
    }
    kd_batch known;
    kd_targets targets = KD_TARGETS_INIT;
    kd_status status = kdi_base_open_out(out_targets, "out_targets", 4, error);
    if (status == KD_OK) {
        status = check_batch(workspace, batch, &known, error);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_temperature(temperature, "temperature", 3, error);
    }
    if (status == KD_OK) {
        status = kdi_teacher_ask(workspace, &known, temperature, &targets, error);
    }
    if (status == KD_OK) {
        kdi_base_write_struct(out_targets, &targets, sizeof targets);
    }
    return status;
}
