/* SPDX-License-Identifier: MIT */
/* Means of an ensemble's predictive distributions (Hinton 2015, section 2). */
#include "loss/dist.h"

#include <math.h>

typedef struct ensemble_call {
    kd_ensemble_in in;
    float *out;
    size_t out_stride;
    double weight_sum;
    kd_error *error;
} ensemble_call;

static double weight_of(const ensemble_call *c, size_t member)
{
    return c->in.weights ? (double)c->in.weights[member] : 1.0;
}

static const float *row_of(const ensemble_call *c, size_t member, size_t row)
{
    return c->in.logits[member] + row * c->in.stride;
}

static kd_status check_member(ensemble_call *c, size_t m)
{
    char name[40];
    kdi_base_say(name, sizeof name, "in.logits[%z]", m);
    kd_status status = kdi_loss_check_matrix(c->in.logits[m], c->in.n, c->in.k, &c->in.stride, name,
                                             1, 1, c->error);
    if (status != KD_OK) {
        return status;
    }
    kdi_span member = {c->in.logits[m], c->in.n, c->in.k, c->in.stride, sizeof(float)};
    kdi_span out = {c->out, c->in.n, c->in.k, c->out_stride, sizeof(float)};
    bool same = c->out == c->in.logits[m] && c->out_stride == c->in.stride;
    if (!same && kdi_base_overlap(member, out)) {
        return kdi_base_fail(c->error, KD_ERR_OVERLAP, 2,
                             "out overlaps %s, but is not the same rows", name);
    }
    return KD_OK;
}

static kd_status check_sizes(ensemble_call *c)
{
    kd_error *e = c->error;
    kd_status status = kdi_base_check_size(c->in.members, "in.members", 1, e);
    if (status == KD_OK && c->in.members > KD_MAX_MEMBERS) {
        status = kdi_base_fail(e, KD_ERR_TOO_LARGE, 1, "in.members is %z, above %z", c->in.members,
                               (size_t)KD_MAX_MEMBERS);
    }
    if (status == KD_OK) {
        status = kdi_base_check_size(c->in.n, "in.n", 1, e);
    }
    if (status == KD_OK) {
        status = kdi_base_check_size(c->in.k, "in.k", 1, e);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_matrix(c->out, c->in.n, c->in.k, &c->out_stride, "out", 2, 3, e);
    }
    if (status == KD_OK && !c->in.logits) {
        status = kdi_base_fail(e, KD_ERR_NULL, 1, "in.logits is NULL");
    }
    return status;
}

static kd_status check_weights(ensemble_call *c)
{
    kd_status status = kdi_loss_check_weights(c->in.weights, c->in.members, 0, "in.weights", 1,
                                              &c->weight_sum, c->error);
    if (status == KD_OK && !(c->weight_sum > 0.0)) {
        return kdi_base_fail(c->error, KD_ERR_WEIGHT, 1, "all %z in.weights are 0", c->in.members);
    }
    return status;
}

static kd_status check(ensemble_call *c)
{
    kd_error *e = c->error;
    if (c->in.kind != KD_MEAN_ARITHMETIC && c->in.kind != KD_MEAN_GEOMETRIC) {
        return kdi_base_fail(e, KD_ERR_KIND, 1, "in.kind is %i, no such kind", (int64_t)c->in.kind);
    }
    kd_status status = kdi_loss_check_temperature(c->in.temperature, "in.temperature", 1, e);
    if (status == KD_OK) {
        status = check_sizes(c);
    }
    if (status == KD_OK) {
        status = check_weights(c);
    }
    for (size_t m = 0; status == KD_OK && m < c->in.members; m++) {
        status = check_member(c, m);
    }
    if (status == KD_OK && c->in.weights) {
        kdi_span weights = {c->in.weights, 1, c->in.members, c->in.members, sizeof(float)};
        kdi_span out = {c->out, c->in.n, c->in.k, c->out_stride, sizeof(float)};
        if (kdi_base_overlap(weights, out)) {
            return kdi_base_fail(e, KD_ERR_OVERLAP, 2, "out overlaps in.weights");
        }
    }
    return status;
}

static kd_status open_members(const ensemble_call *c, size_t row, kdi_dist *members)
{
    for (size_t m = 0; m < c->in.members; m++) {
        kdi_fault fault = {0};
        kd_status status = kdi_loss_dist_logits(&members[m], row_of(c, m, row), c->in.k,
                                                (double)c->in.temperature, &fault);
        if (status == KD_ERR_SUPPORT) {
            return kdi_base_fail(c->error, status, 1, "row %z of in.logits[%z] is -inf throughout",
                                 row, m);
        }
        if (status != KD_OK) {
            return kdi_base_fail(c->error, status, 1, "in.logits[%z][%z,%z] is %g", m, row,
                                 fault.index, fault.value);
        }
    }
    return KD_OK;
}

/* sum w_m p_m of a block. */
static void arithmetic_block(const ensemble_call *c, const kdi_dist *members, size_t begin,
                             size_t count, double *sum)
{
    for (size_t m = 0; m < c->in.members; m++) {
        double p[KDI_LOSS_BLOCK];
        double weight = weight_of(c, m) / c->weight_sum;
        kdi_loss_dist_exp(&members[m], begin, count, p);
        for (size_t i = 0; i < count; i++) {
            sum[i] += weight * p[i];
        }
    }
}

/* sum w_m ln p_m of a block: ln of the geometric mean, but for its normaliser. */
static void geometric_block(const ensemble_call *c, const kdi_dist *members, size_t begin,
                            size_t count, double *sum)
{
    for (size_t m = 0; m < c->in.members; m++) {
        double log_p[KDI_LOSS_BLOCK];
        double weight = weight_of(c, m) / c->weight_sum;
        kdi_loss_dist_log(&members[m], begin, count, log_p);
        for (size_t i = 0; weight > 0.0 && i < count; i++) {
            sum[i] += weight * log_p[i];
        }
    }
}

/* ln sum_i prod_m p_mi^w_m. At most 0, so nothing overflows; a sum of 0 is found by the caller. */
static double geometric_log_sum(const ensemble_call *c, const kdi_dist *members)
{
    double max = -(double)INFINITY;
    double total = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t begin = 0; begin < c->in.k; begin += KDI_LOSS_BLOCK) {
            size_t left = c->in.k - begin;
            size_t count = left < KDI_LOSS_BLOCK ? left : KDI_LOSS_BLOCK;
            double sum[KDI_LOSS_BLOCK] = {0};
            geometric_block(c, members, begin, count, sum);
            for (size_t i = 0; i < count; i++) {
                max = pass == 0 && sum[i] > max ? sum[i] : max;
                total += pass == 1 ? exp(sum[i] - max) : 0.0;
            }
        }
        if (isinf(max)) {
            return max;
        }
    }
    return max + log(total);
}

static kd_status mean_row(const ensemble_call *c, size_t row, kdi_dist *members)
{
    kd_status status = open_members(c, row, members);
    if (status != KD_OK) {
        return status;
    }
    bool geometric = c->in.kind == KD_MEAN_GEOMETRIC && c->in.members > 1;
    double log_sum = geometric ? geometric_log_sum(c, members) : 0.0;
    if (isinf(log_sum)) {
        return kdi_base_fail(c->error, KD_ERR_SUPPORT, 1,
                             "in row %z no class is possible for all members", row);
    }
    float *out = c->out + row * c->out_stride;
    for (size_t begin = 0; begin < c->in.k; begin += KDI_LOSS_BLOCK) {
        size_t left = c->in.k - begin;
        size_t count = left < KDI_LOSS_BLOCK ? left : KDI_LOSS_BLOCK;
        double sum[KDI_LOSS_BLOCK] = {0};
        (geometric ? geometric_block : arithmetic_block)(c, members, begin, count, sum);
        for (size_t i = 0; i < count; i++) {
            out[begin + i] = (float)(geometric ? exp(sum[i] - log_sum) : sum[i]);
        }
    }
    return KD_OK;
}

kd_status kd_ensemble_mean(const kd_ensemble_in *in, float *out, size_t out_stride, kd_error *error)
{
    ensemble_call c = {.out = out, .out_stride = out_stride, .error = error};
    c.in = (kd_ensemble_in)KD_ENSEMBLE_IN_INIT;
    kd_status status = kdi_base_open(&c.in, sizeof c.in, in, "in", 1, error);
    if (status == KD_OK) {
        status = check(&c);
    }
    kdi_dist members[KD_MAX_MEMBERS];
    for (size_t row = 0; status == KD_OK && row < c.in.n; row++) {
        status = mean_row(&c, row, members);
    }
    return status;
}
