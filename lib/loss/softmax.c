/* SPDX-License-Identifier: MIT */
/* Tempered softmax and log-softmax (Hinton 2015, eq. 1). */
#include "loss/row.h"

#include <math.h>

typedef struct softmax_call {
    const float *logits;
    size_t n, k, stride;
    float temperature;
    float *out;
    size_t out_stride;
    kd_error *error;
    bool logarithm;
} softmax_call;

static kd_status check(softmax_call *c)
{
    kd_error *e = c->error;
    kd_status status = kdi_base_check_size(c->n, "n", 2, e);
    if (status == KD_OK) {
        status = kdi_base_check_size(c->k, "k", 3, e);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_matrix(c->logits, c->n, c->k, &c->stride, "logits", 1, 4, e);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_temperature(c->temperature, "temperature", 5, e);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_matrix(c->out, c->n, c->k, &c->out_stride, "out", 6, 7, e);
    }
    if (status != KD_OK) {
        return status;
    }
    kdi_span in = {c->logits, c->n, c->k, c->stride, sizeof(float)};
    kdi_span out = {c->out, c->n, c->k, c->out_stride, sizeof(float)};
    bool same = c->out == c->logits && c->out_stride == c->stride;
    if (!same && kdi_base_overlap(in, out)) {
        return kdi_base_fail(e, KD_ERR_OVERLAP, 6, "out overlaps logits, but is not the same rows");
    }
    return KD_OK;
}

static void write_row(const kdi_kernels *kern, const kdi_row *row, const softmax_call *c,
                      float *out)
{
    kdi_sums sums;
    kdi_scores s = {row->x, row->max, 1.0 / (double)c->temperature};
    kern = kdi_loss_row_kern(row, kern, s.scale);
    kern->exps_f32(&s, c->k, c->logarithm ? NULL : out, &sums);
    if (c->logarithm) {
        kern->logprob_f32(&s, c->k, kdi_loss_log1p(sums.rest), out);
    } else {
        kern->scale_f32(out, c->k, (float)(1.0 / (1.0 + sums.rest)));
    }
}

static kd_status run(softmax_call *c)
{
    const kdi_kernels *kern = kdi_kern(0);
    kd_status status = check(c);
    for (size_t i = 0; status == KD_OK && i < c->n; i++) {
        kdi_row row;
        kdi_fault fault = {0};
        status = kdi_loss_row_open(&row, kern, c->logits + i * c->stride, c->k, &fault);
        if (status == KD_ERR_SUPPORT) {
            return kdi_base_fail(c->error, status, 1, "row %z of logits is -inf throughout", i);
        }
        if (status != KD_OK) {
            return kdi_base_fail(c->error, status, 1, "logits[%z,%z] is %g", i, fault.index,
                                 fault.value);
        }
        write_row(kern, &row, c, c->out + i * c->out_stride);
    }
    return status;
}

kd_status kd_softmax(const float *logits, size_t n, size_t k, size_t stride, float temperature,
                     float *out, size_t out_stride, kd_error *error)
{
    softmax_call c = {logits, n, k, stride, temperature, out, out_stride, error, false};
    return run(&c);
}

kd_status kd_log_softmax(const float *logits, size_t n, size_t k, size_t stride, float temperature,
                         float *out, size_t out_stride, kd_error *error)
{
    softmax_call c = {logits, n, k, stride, temperature, out, out_stride, error, true};
    return run(&c);
}
