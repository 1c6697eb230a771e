/* SPDX-License-Identifier: MIT */
/* The public calls that run a net: arguments are checked here, once. */
#include "net/parts.h"

#include <math.h>
#include <string.h>

static kd_status check_rows(size_t n, size_t most, size_t *stride, size_t width, const char *name,
                            int argument, kd_error *error)
{
    kd_status status = kdi_base_check_size(n, "n", argument, error);
    if (status != KD_OK) {
        return status;
    }
    if (n > most) {
        return kdi_base_fail(error, KD_ERR_WORKSPACE, argument,
                             "n is %z, but the workspace was made for %z", n, most);
    }
    *stride = *stride ? *stride : width;
    if (*stride < width) {
        return kdi_base_fail(error, KD_ERR_SIZE, argument,
                             "the stride of %s is %z, below its %z columns", name, *stride, width);
    }
    size_t bytes;
    if (*stride > INT32_MAX || !kdi_base_extent(n, width, *stride, &bytes)) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, argument, "the stride of %s is %z: too large",
                             name, *stride);
    }
    return KD_OK;
}

kd_status kdi_net_read_batch(const kd_net *net, size_t most, const kd_batch *batch, kd_batch *known,
                             kd_error *error)
{
    *known = (kd_batch)KD_BATCH_INIT;
    kd_status status = kdi_base_open(known, sizeof *known, batch, "batch", 2, error);
    if (status == KD_OK && !known->x) {
        status = kdi_base_fail(error, KD_ERR_NULL, 2, "batch.x is NULL");
    }
    if (status == KD_OK) {
        status = check_rows(known->n, most, &known->x_stride, net->inputs, "batch.x", 2, error);
    }
    return status;
}

kd_status kdi_net_check_finite(const kdi_kernels *kern, const float *x, size_t n, size_t width,
                               size_t stride, size_t first_row, const char *name,
                               float *out_largest, kd_error *error)
{
    float largest;
    if (kern->absmax_f32(x, n, width, stride, &largest)) {
        if (out_largest) {
            *out_largest = largest;
        }
        return KD_OK;
    }
    size_t i = 0;
    size_t j = 0;
    while (isfinite(x[i * stride + j])) {
        i += j + 1 == width;
        j = j + 1 == width ? 0 : j + 1;
    }
    return kdi_base_fail(error, KD_ERR_NOT_FINITE, 2, "%s[%z,%z] is %g", name, first_row + i, j,
                         (double)x[i * stride + j]);
}

kd_status kd_net_infer(kd_workspace *workspace, const float *x, size_t n, size_t x_stride,
                       float *out_logits, size_t out_stride)
{
    if (!workspace) {
        return KD_ERR_NULL;
    }
    kd_error *error = &workspace->error;
    if (!x || !out_logits) {
        return kdi_base_fail(error, KD_ERR_NULL, x ? 5 : 2, "%s is NULL", x ? "out_logits" : "x");
    }
    size_t inputs = workspace->net->inputs;
    size_t outputs = kdi_net_outputs(workspace->net);
    kd_status status = check_rows(n, workspace->batch, &x_stride, inputs, "x", 3, error);
    if (status == KD_OK) {
        status = check_rows(n, workspace->batch, &out_stride, outputs, "out_logits", 6, error);
    }
    if (status != KD_OK) {
        return status;
    }
    kdi_span in = {x, n, inputs, x_stride, sizeof(float)};
    kdi_span out = {out_logits, n, outputs, out_stride, sizeof(float)};
    if (kdi_base_overlap(in, out)) {
        return kdi_base_fail(error, KD_ERR_OVERLAP, 5, "out_logits overlaps x");
    }
    const float *logits = kdi_net_run_infer(workspace, x, n, x_stride);
    for (size_t i = 0; i < n; i++) {
        memcpy(out_logits + i * out_stride, logits + i * outputs, outputs * sizeof *logits);
    }
    return KD_OK;
}

static kd_status needs_training(kd_workspace *ws)
{
    if (ws->training) {
        return KD_OK;
    }
    return kdi_base_fail(&ws->error, KD_ERR_STATE, 1, "the workspace was made for inference");
}

kd_status kd_net_forward(kd_workspace *workspace, const kd_batch *batch, const float **out_logits)
{
    if (!workspace) {
        return KD_ERR_NULL;
    }
    if (!out_logits) {
        return kdi_base_fail(&workspace->error, KD_ERR_NULL, 3, "out_logits is NULL");
    }
    *out_logits = NULL;
    kd_batch known;
    kd_status status = needs_training(workspace);
    if (status == KD_OK) {
        status =
            kdi_net_read_batch(workspace->net, workspace->batch, batch, &known, &workspace->error);
    }
    if (status == KD_OK) {
        *out_logits = kdi_net_run_forward(workspace, &known, INFINITY);
        kdi_net_advance(workspace);
    }
    return status;
}

kd_status kd_net_backward(kd_workspace *workspace, const float *d_logits, size_t d_stride,
                          int32_t add)
{
    if (!workspace) {
        return KD_ERR_NULL;
    }
    kd_error *error = &workspace->error;
    kd_status status = needs_training(workspace);
    if (status == KD_OK && workspace->n == 0) {
        status = kdi_base_fail(error, KD_ERR_STATE, 1, "no kd_net_forward came before");
    }
    if (status == KD_OK && !d_logits) {
        status = kdi_base_fail(error, KD_ERR_NULL, 2, "d_logits is NULL");
    }
    if (status == KD_OK && add != 0 && add != 1) {
        status = kdi_base_fail(error, KD_ERR_VALUE, 4, "add is %i, not 0 or 1", (int64_t)add);
    }
    size_t outputs = kdi_net_outputs(workspace->net);
    if (status == KD_OK) {
        status =
            check_rows(workspace->n, workspace->batch, &d_stride, outputs, "d_logits", 3, error);
    }
    if (status != KD_OK) {
        return status;
    }
    float *own = kdi_net_d_logits(workspace);
    for (size_t i = 0; i < workspace->n; i++) {
        memmove(own + i * outputs, d_logits + i * d_stride, outputs * sizeof *own);
    }
    const kdi_stage *last = kdi_net_last(workspace);
    const kdi_kernels *kern = kdi_ctx_kern(workspace->context);
    float largest;
    if (!kern->absmax_f32(own, workspace->n, outputs, outputs, &largest)) {
        return kdi_base_fail(error, KD_ERR_NOT_FINITE, 2, "the delta at node %z is not finite",
                             last->end - 1);
    }
    status = kdi_net_run_deltas(workspace, error);
    if (status == KD_OK) {
        kdi_net_run_gradients(workspace, add == 1 && workspace->has_gradient);
    }
    return status;
}
