/* SPDX-License-Identifier: MIT */
/* Tempered softmax and log-softmax (Hinton 2015, eq. 1). */
#include "loss/dist.h"

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

static void write_row(const kdi_dist *d, size_t k, bool logarithm, float *out)
{
    for (size_t begin = 0; begin < k; begin += KDI_LOSS_BLOCK) {
        size_t count = k - begin < KDI_LOSS_BLOCK ? k - begin : KDI_LOSS_BLOCK;
        double p[KDI_LOSS_BLOCK];
        (logarithm ? kdi_loss_dist_log : kdi_loss_dist_exp)(d, begin, count, p);
        for (size_t i = 0; i < count; i++) {
            out[begin + i] = (float)p[i];
        }
    }
}

static kd_status run(softmax_call *c)
{
    kd_status status = check(c);
    for (size_t row = 0; status == KD_OK && row < c->n; row++) {
        kdi_dist d;
        kdi_fault fault = {0};
        status = kdi_loss_dist_logits(&d, c->logits + row * c->stride, c->k, (double)c->temperature,
                                      &fault);
        if (status == KD_ERR_SUPPORT) {
            return kdi_base_fail(c->error, status, 1, "row %z of logits is -inf throughout", row);
        }
        if (status != KD_OK) {
            return kdi_base_fail(c->error, status, 1, "logits[%z,%z] is %g", row, fault.index,
                                 fault.value);
        }
        write_row(&d, c->k, c->logarithm, c->out + row * c->out_stride);
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
