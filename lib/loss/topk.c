/* SPDX-License-Identifier: MIT */
/*
 * Targets of the kind TOPK: p of the classes in a set S, and p_r of all others together. Student
 * and teacher are compared as distributions over |S| + 1 classes, the last of which is the bucket
 * of the rest. Its score is the logarithm of a sum of exponentials, taken relative to the largest
 * logit among its own classes, however far that lies below those of S: so q_r is never 1 less
 * something, and neither is lost when the other is all but 1.
 *
 * The gradient needs no quotient p_r / q_r either. With c_i = q_i / q_r, the student's shares
 * in the bucket, T (q_i - p_r q_i / q_r) = T (q_r - p_r) c_i: one row of exponentials, times one
 * factor.
 *
 * The bucket, nearly all classes, goes through the kernels, a run between given classes at a time;
 * those of S, few as a rule, are taken in double.
 */
#include "loss/topk.h"

#include <math.h>
#include <string.h>

/* ---- rows at the door ---- */

static kd_status refuse(kdi_fault *fault, kdi_fault_field field, size_t at, double value,
                        kd_status status)
{
    *fault = (kdi_fault){.target = true, .field = field, .index = at, .value = value};
    return status;
}

kd_status kdi_loss_topk_check(const kd_targets *targets, size_t row, size_t k, kdi_row *v,
                              kdi_fault *fault)
{
    size_t top = targets->top;
    const float *x = targets->values + row * targets->stride;
    const uint32_t *index = targets->topk_index + row * top;
    float tail = targets->tail[row];
    *v = (kdi_row){x, x[0], x[0]};
    for (size_t j = 0; j < top; j++) {
        if (!isfinite(x[j])) {
            return refuse(fault, KDI_FAULT_VALUE, j, (double)x[j], KD_ERR_NOT_FINITE);
        }
        if (index[j] >= k) {
            return refuse(fault, KDI_FAULT_CLASS, j, (double)index[j], KD_ERR_INDEX);
        }
        if (j > 0 && index[j] <= index[j - 1]) {
            return refuse(fault, KDI_FAULT_ORDER, j, (double)index[j], KD_ERR_INDEX);
        }
        v->min = x[j] < v->min ? x[j] : v->min;
        v->max = x[j] > v->max ? x[j] : v->max;
    }
    if (!(tail < INFINITY)) {
        return refuse(fault, KDI_FAULT_TAIL, 0, (double)tail, KD_ERR_NOT_FINITE);
    }
    bool all = top == k;
    return all && isfinite(tail) ? refuse(fault, KDI_FAULT_TAIL, 0, (double)tail, KD_ERR_VALUE)
                                 : KD_OK;
}

/* ---- the bucket ---- */

/* Number of the first given class from `at` on. */
static size_t given_from(const kdi_case *c, size_t at)
{
    size_t low = 0;
    size_t high = c->targets->top;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->index[middle] < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Classes begin .. end, none of them given; `given` numbers the next one that is. */
typedef struct run {
    size_t begin;
    size_t end;
    size_t given;
} run;

/* Where runs of the classes from `at` on begin. */
static run before_run(const kdi_case *c, size_t at)
{
    return (run){at, at, given_from(c, at)};
}

/* The next run below `limit`; false if there is none. */
static bool next_run(const kdi_case *c, size_t limit, run *r)
{
    size_t top = c->targets->top;
    size_t begin = r->end;
    while (begin < limit && r->given < top && c->index[r->given] == begin) {
        begin++;
        r->given++;
    }
    r->begin = begin;
    r->end = r->given < top && c->index[r->given] < limit ? c->index[r->given] : limit;
    return begin < limit;
}

/* The largest logit outside S, and how many runs have it; -inf if there is none. */
static size_t find_peaks(const kdi_case *c, float *out_max)
{
    size_t runs = 0;
    float most = -INFINITY;
    run r = before_run(c, 0);
    while (next_run(c, c->k, &r)) {
        float min, max;
        (void)c->kern->range_f32(c->z.x + r.begin, r.end - r.begin, &min, &max);
        runs = max > most ? 1 : runs + (max >= most);
        most = max > most ? max : most;
    }
    *out_max = most;
    return runs;
}

void kdi_loss_topk_exps(const kdi_case *c, const kdi_look *look, size_t begin, size_t count,
                        float *e, kdi_sums *out)
{
    size_t limit = begin + count;
    run r = before_run(c, begin);
    *out = (kdi_sums){0};
    if (e) {
        memset(e, 0, count * sizeof *e);
    }
    while (look->bucket.scores.max > -INFINITY && next_run(c, limit, &r)) {
        kdi_scores s = look->bucket.scores;
        kdi_sums part;
        s.x += r.begin;
        look->kern->exps_f32(&s, r.end - r.begin, e ? e + (r.begin - begin) : NULL, &part);
        out->rest += part.rest;
        out->spread += part.spread;
    }
}

/*
 * The sums of the bucket's exponentials: of all but one largest, as the kernels have it. Each run
 * with a largest one has left that out.
 */
static kdi_sums sum_bucket(const kdi_case *c, kdi_look *look)
{
    kdi_sums sums;
    size_t peaks = find_peaks(c, &look->bucket.scores.max);
    bool none = !(look->bucket.scores.max > -INFINITY);
    kdi_loss_topk_exps(c, look, 0, c->k, look->eq, &sums);
    sums.rest += none ? 0.0 : (double)(peaks - 1);
    if (!none && kdi_loss_is_faint(&sums, c->k)) {
        look->kern = kdi_kern(KD_ISA_PORTABLE);
        kdi_loss_topk_exps(c, look, 0, c->k, look->eq, &sums);
        sums.rest += (double)(peaks - 1);
    }
    look->bucket.sum = none ? 0.0 : 1.0 + sums.rest;
    return sums;
}

/* ---- |S| + 1 classes, compared ---- */

/* One class: its exponent and exponential in q and p, both relative to the largest. */
typedef struct score_pair {
    double aq, ap;
    double eq, ep;
} score_pair;

static score_pair pair_of(double aq, double ap)
{
    return (score_pair){aq, ap, exp(aq), exp(ap)};
}

/* `found`: a largest one has been left out already. */
static void add_side(kdi_sums *sums, double a, double e, bool *found)
{
    if (!*found && a >= 0.0) {
        *found = true;
        return;
    }
    sums->rest += e;
    sums->spread += e > 0.0 ? e * -a : 0.0;
}

static void add_pair(kdi_pair *sums, score_pair one, bool found[2])
{
    add_side(&sums->q, one.aq, one.eq, &found[0]);
    add_side(&sums->p, one.ap, one.ep, &found[1]);
    sums->gap += one.ep > 0.0 ? one.ep * (one.ap - one.aq) : 0.0;
}

/* The student's logit of a given class; -inf has no support, for its target is finite. */
static kd_status given_logit(const kdi_case *c, size_t j, double *out_z, kdi_fault *fault)
{
    *out_z = (double)c->z.x[c->index[j]];
    if (isinf(*out_z)) {
        *fault = (kdi_fault){.index = c->index[j], .value = *out_z};
        return KD_ERR_SUPPORT;
    }
    return KD_OK;
}

/*
 * `largest` is ln of the largest of the |S| + 1 exponentials of q, where those of the row's largest
 * logit are 1; `bucket` is that of the bucket.
 */
static kd_status compare(const kdi_case *c, const kdi_look *look, double bucket, double largest,
                         kdi_pair *out, kdi_fault *fault)
{
    double scale = look->q.scale;
    double p_max = look->bucket.p_max;
    bool found[2] = {false, false};
    double z;
    *out = (kdi_pair){.gap = 0.0};
    add_pair(out, pair_of(bucket - largest, (c->tail - p_max) * scale), found);
    for (size_t j = 0; j < c->targets->top; j++) {
        kd_status status = given_logit(c, j, &z, fault);
        if (status != KD_OK) {
            return status;
        }
        double aq = (z - (double)c->z.max) * scale - largest;
        add_pair(out, pair_of(aq, ((double)c->v.x[j] - p_max) * scale), found);
    }
    return KD_OK;
}

/* What the sums mean; `within` are those of the bucket's classes. */
static void read_pair(kdi_look *look, const kdi_pair *pair, double bucket, double largest,
                      const kdi_sums *within)
{
    double log_sum = kdi_loss_log1p(pair->q.rest);
    look->sum_q = 1.0 + pair->q.rest;
    look->log_sum_q = largest + log_sum;
    look->bucket.q = exp(bucket - largest) / look->sum_q;
    look->entropy_q = log_sum + pair->q.spread / look->sum_q;
    if (look->bucket.sum > 0.0) {
        double inner = kdi_loss_log1p(within->rest) + within->spread / look->bucket.sum;
        look->entropy_q += look->bucket.q * inner;
    }
    look->sum_p = 1.0 + pair->p.rest;
    look->log_sum_p = kdi_loss_log1p(pair->p.rest);
    look->entropy_p = look->log_sum_p + pair->p.spread / look->sum_p;
    look->kl = pair->gap / look->sum_p + (log_sum - look->log_sum_p);
    look->cross = look->kl + look->entropy_p;
}

kd_status kdi_loss_topk_look(const kdi_case *c, kdi_look *look, kdi_fault *fault)
{
    double scale = look->q.scale;
    look->bucket.scores = look->q; /* its max follows */
    kdi_sums within = sum_bucket(c, look);
    bool none = !(look->bucket.sum > 0.0);
    if (none && isfinite(c->tail)) {
        *fault = (kdi_fault){.field = KDI_FAULT_TAIL, .value = -(double)INFINITY};
        return KD_ERR_SUPPORT;
    }
    double bucket = -(double)INFINITY;
    if (!none) {
        double below = (double)look->bucket.scores.max - (double)c->z.max;
        bucket = below * scale + kdi_loss_log1p(within.rest);
    }
    /* If the bucket is not the largest, then the row's largest logit is in S, and 0 is its ln. */
    double largest = bucket > 0.0 ? bucket : 0.0;
    look->bucket.p_max = c->tail > (double)c->v.max ? c->tail : (double)c->v.max;
    kdi_pair pair;
    kd_status status = compare(c, look, bucket, largest, &pair, fault);
    if (status == KD_OK) {
        read_pair(look, &pair, bucket, largest, &within);
        look->bucket.p = exp((c->tail - look->bucket.p_max) * scale) / look->sum_p;
    }
    return status;
}

void kdi_loss_topk_add(const kdi_case *c, const kdi_look *look, double q, double p, size_t begin,
                       size_t count, float *out)
{
    double scale = look->q.scale;
    for (size_t j = given_from(c, begin); j < c->targets->top; j++) {
        size_t i = c->index[j];
        if (i >= begin + count) {
            return;
        }
        double aq = ((double)c->z.x[i] - (double)c->z.max) * scale - look->log_sum_q;
        double ap = ((double)c->v.x[j] - look->bucket.p_max) * scale;
        double d = q * exp(aq) + p * exp(ap) / look->sum_p;
        out[i - begin] = (float)((double)out[i - begin] + d);
    }
}
