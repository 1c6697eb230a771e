/* SPDX-License-Identifier: MIT */
/* Means of an ensemble's predictive distributions (Hinton 2015, section 2). */
#include "loss/row.h"

#include <math.h>
#include <string.h>

/* Classes that are worked on at once where there is no room for a row. */
#define BLOCK 256
/*
 * Logits whose mean is kept as a float must be few T's in magnitude: an error of 6e-8 of 64 is 4e-6
 * of a probability. Others take the careful way.
 */
#define LARGEST_MEAN 64.0

typedef struct ensemble_call {
    kd_ensemble_in in;
    float *out;
    size_t out_stride;
    double weight_sum;
    bool aliased; /* out is one of the members */
    kd_error *error;
    const kdi_kernels *kern;
    size_t n_chunks;
} ensemble_call;

/* What went wrong where. */
typedef struct failure {
    kd_status status;
    size_t row;
    size_t member; /* SIZE_MAX: all together */
    kdi_fault fault;
} failure;

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
    c->aliased = c->aliased || same;
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

/* Scratch is written all over, so it must be nobody else's. */
static kd_status check_scratch(const ensemble_call *c)
{
    size_t bytes;
    if (!c->in.scratch) {
        return KD_OK;
    }
    if (!kdi_base_mul(c->in.scratch_floats, sizeof(float), &bytes) || bytes > PTRDIFF_MAX) {
        return kdi_base_fail(c->error, KD_ERR_TOO_LARGE, 1,
                             "in.scratch_floats is %z: too many bytes", c->in.scratch_floats);
    }
    size_t floats = c->in.scratch_floats;
    kdi_span scratch = {c->in.scratch, 1, floats, floats, sizeof(float)};
    kdi_span out = {c->out, c->in.n, c->in.k, c->out_stride, sizeof(float)};
    kdi_span weights = {c->in.weights, 1, c->in.members, c->in.members, sizeof(float)};
    bool bad = kdi_base_overlap(scratch, out) || kdi_base_overlap(scratch, weights);
    for (size_t m = 0; m < c->in.members; m++) {
        kdi_span member = {c->in.logits[m], c->in.n, c->in.k, c->in.stride, sizeof(float)};
        bad = bad || kdi_base_overlap(scratch, member);
    }
    return bad ? kdi_base_fail(c->error, KD_ERR_OVERLAP, 1, "in.scratch overlaps another buffer")
               : KD_OK;
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
    return status == KD_OK ? check_scratch(c) : status;
}

/* A member's row, opened: ln p_i = (x_i - max) scale - log_sum. */
typedef struct member {
    kdi_scores scores;
    const kdi_kernels *kern;
    double sum; /* of e_i */
    double log_sum;
    double weight; /* of the mean, their sum is 1 */
} member;

static kd_status open_member(const ensemble_call *c, size_t m, size_t row, float *e, member *out,
                             failure *f)
{
    kdi_row r;
    kdi_sums sums;
    f->member = m;
    kd_status status = kdi_loss_row_open(&r, c->kern, row_of(c, m, row), c->in.k, &f->fault);
    if (status != KD_OK) {
        return status;
    }
    double scale = 1.0 / (double)c->in.temperature;
    *out = (member){{r.x, r.max, scale},
                    kdi_loss_row_kern(&r, c->kern, scale),
                    0.0,
                    0.0,
                    weight_of(c, m) / c->weight_sum};
    out->kern->exps_f32(&out->scores, c->in.k, e, &sums);
    out->sum = 1.0 + sums.rest;
    out->log_sum = kdi_loss_log1p(sums.rest);
    return KD_OK;
}

static kd_status open_members(const ensemble_call *c, size_t row, member *members, failure *f)
{
    kd_status status = KD_OK;
    for (size_t m = 0; status == KD_OK && m < c->in.members; m++) {
        status = open_member(c, m, row, NULL, &members[m], f);
    }
    return status;
}

static float factor_of(const member *m)
{
    return (float)(m->weight / m->sum);
}

/* sum w_m p_m, member by member: each one's exponentials go through the room into `out`. */
static kd_status arithmetic_row(const ensemble_call *c, size_t row, float *room, float *out,
                                failure *f)
{
    kd_status status = KD_OK;
    for (size_t m = 0; status == KD_OK && m < c->in.members; m++) {
        member one;
        float *e = m == 0 ? out : room;
        status = open_member(c, m, row, e, &one, f);
        if (status != KD_OK) {
            break;
        }
        const float *const rows[] = {out, room};
        const float factors[] = {m == 0 ? factor_of(&one) : 1.0f, factor_of(&one)};
        (void)c->kern->combine_f32(rows, factors, m == 0 ? 1 : 2, c->in.k, out);
    }
    return status;
}

/* The same a block at a time, with all exponentials taken twice: needs no room, and `out` may be a
 * member. */
static kd_status arithmetic_blocks(const ensemble_call *c, size_t row, float *out, failure *f)
{
    member members[KD_MAX_MEMBERS];
    kd_status status = open_members(c, row, members, f);
    for (size_t begin = 0; status == KD_OK && begin < c->in.k; begin += BLOCK) {
        size_t count = c->in.k - begin < BLOCK ? c->in.k - begin : BLOCK;
        float sum[BLOCK], e[BLOCK];
        for (size_t m = 0; m < c->in.members; m++) {
            kdi_scores piece = members[m].scores;
            kdi_sums unused;
            piece.x += begin;
            members[m].kern->exps_f32(&piece, count, m == 0 ? sum : e, &unused);
            const float *const rows[] = {sum, e};
            float factor = factor_of(&members[m]);
            const float factors[] = {m == 0 ? factor : 1.0f, factor};
            (void)c->kern->combine_f32(rows, factors, m == 0 ? 1 : 2, count, sum);
        }
        memcpy(out + begin, sum, count * sizeof *out);
    }
    return status;
}

static bool is_small(const ensemble_call *c, float min, float max)
{
    return fmax(-(double)min, (double)max) <= LARGEST_MEAN * (double)c->in.temperature;
}

/* The members that count, and their weights. */
typedef struct mix {
    const float *rows[KD_MAX_MEMBERS];
    double weights[KD_MAX_MEMBERS];
    size_t count;
} mix;

/* False if one that does not count, so that no mean would show it, is not a row of logits. */
static bool open_mix(const ensemble_call *c, size_t row, mix *x)
{
    bool good = true;
    x->count = 0;
    for (size_t m = 0; m < c->in.members; m++) {
        const float *logits = row_of(c, m, row);
        if (weight_of(c, m) > 0.0) { /* 0 times -inf is nothing */
            x->rows[x->count] = logits;
            x->weights[x->count++] = weight_of(c, m) / c->weight_sum;
        } else {
            kdi_row unused;
            kdi_fault fault = {0};
            good = good && kdi_loss_row_open(&unused, c->kern, logits, c->in.k, &fault) == KD_OK;
        }
    }
    return good;
}

/*
 * The mean of logits straight into `out`, and its range; false if it is too large to be a float.
 * If `out` is a member, that must be known before the first block is written.
 */
static bool mean_logits(const ensemble_call *c, size_t row, float *out, kdi_row *mean)
{
    mix x;
    bool good = open_mix(c, row, &x);
    *mean = (kdi_row){.x = out};
    for (size_t begin = 0; good && c->aliased && begin < c->in.k; begin += BLOCK) {
        size_t count = c->in.k - begin < BLOCK ? c->in.k - begin : BLOCK;
        float block[BLOCK], min, max;
        mix piece = x;
        for (size_t m = 0; m < x.count; m++) {
            piece.rows[m] += begin;
        }
        c->kern->mean_f32(piece.rows, piece.weights, piece.count, count, block);
        good = c->kern->range_f32(block, count, &min, &max) && is_small(c, min, max);
    }
    if (!good) {
        return false;
    }
    c->kern->mean_f32(x.rows, x.weights, x.count, c->in.k, out);
    return c->kern->range_f32(out, c->in.k, &mean->min, &mean->max) &&
           is_small(c, mean->min, mean->max);
}

/* softmax(sum w_m v_m / T) straight from the logits, if their mean is small enough. */
static bool geometric_row(const ensemble_call *c, size_t row, float *out)
{
    kdi_row mean;
    kdi_sums sums;
    if (!mean_logits(c, row, out, &mean)) {
        return false;
    }
    kdi_scores s = {out, mean.max, 1.0 / (double)c->in.temperature};
    kdi_loss_row_kern(&mean, c->kern, s.scale)->exps_f32(&s, c->in.k, out, &sums);
    c->kern->scale_f32(out, c->in.k, (float)(1.0 / (1.0 + sums.rest)));
    return true;
}

/* sum w_m ln p_m of a block: ln of the geometric mean, but for its normaliser. */
static void log_block(const ensemble_call *c, const member *members, size_t begin, size_t count,
                      double *sum)
{
    for (size_t i = 0; i < count; i++) {
        sum[i] = 0.0;
        for (size_t m = 0; m < c->in.members; m++) {
            const member *one = &members[m];
            double x = (double)one->scores.x[begin + i] - (double)one->scores.max;
            sum[i] +=
                one->weight > 0.0 ? one->weight * (x * one->scores.scale - one->log_sum) : 0.0;
        }
    }
}

/* ln sum_i prod_m p_mi^w_m. At most 0, so nothing overflows; -inf if no class is possible. */
static double log_normaliser(const ensemble_call *c, const member *members)
{
    double max = -(double)INFINITY;
    double total = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t begin = 0; begin < c->in.k; begin += BLOCK) {
            size_t count = c->in.k - begin < BLOCK ? c->in.k - begin : BLOCK;
            double sum[BLOCK];
            log_block(c, members, begin, count, sum);
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

/* The careful way: members' own maxima taken away first, everything in double. */
static kd_status geometric_blocks(const ensemble_call *c, size_t row, float *out, failure *f)
{
    member members[KD_MAX_MEMBERS];
    kd_status status = open_members(c, row, members, f);
    if (status != KD_OK) {
        return status;
    }
    double normaliser = log_normaliser(c, members);
    if (isinf(normaliser)) {
        f->member = SIZE_MAX;
        return KD_ERR_SUPPORT;
    }
    for (size_t begin = 0; begin < c->in.k; begin += BLOCK) {
        size_t count = c->in.k - begin < BLOCK ? c->in.k - begin : BLOCK;
        double sum[BLOCK];
        log_block(c, members, begin, count, sum);
        for (size_t i = 0; i < count; i++) {
            out[begin + i] = (float)exp(sum[i] - normaliser);
        }
    }
    return KD_OK;
}

static kd_status mean_row(const ensemble_call *c, size_t row, float *room, failure *f)
{
    float *out = c->out + row * c->out_stride;
    if (c->in.kind == KD_MEAN_GEOMETRIC && c->in.members > 1) {
        return geometric_row(c, row, out) ? KD_OK : geometric_blocks(c, row, out, f);
    }
    bool one = c->in.members == 1; /* whose exponentials may go over its logits */
    return one || (room && !c->aliased) ? arithmetic_row(c, row, room, out, f)
                                        : arithmetic_blocks(c, row, out, f);
}

typedef struct walk {
    const ensemble_call *call;
    failure failures[KDI_LOSS_CHUNKS];
} walk;

static void run_chunk(void *user, size_t task, size_t worker)
{
    walk *w = user;
    const ensemble_call *c = w->call;
    failure *f = &w->failures[task];
    size_t share = c->in.scratch ? c->in.scratch_floats / kdi_ctx_threads(c->in.context) : 0;
    float *room = share >= c->in.k ? c->in.scratch + worker * share : NULL;
    size_t end = c->in.n * (task + 1) / c->n_chunks;
    for (size_t row = c->in.n * task / c->n_chunks; f->status == KD_OK && row < end; row++) {
        f->row = row;
        f->status = mean_row(c, row, room, f);
    }
}

static kd_status blame(const ensemble_call *c, const failure *f)
{
    if (f->member == SIZE_MAX) {
        return kdi_base_fail(c->error, f->status, 1,
                             "in row %z no class is possible for all members", f->row);
    }
    if (f->status == KD_ERR_SUPPORT) {
        return kdi_base_fail(c->error, f->status, 1, "row %z of in.logits[%z] is -inf throughout",
                             f->row, f->member);
    }
    return kdi_base_fail(c->error, f->status, 1, "in.logits[%z][%z,%z] is %g", f->member, f->row,
                         f->fault.index, f->fault.value);
}

static kd_status run(ensemble_call *c)
{
    walk w = {.call = c};
    c->n_chunks = kdi_loss_chunks(c->in.n, c->in.k);
    kdi_ctx_run(c->in.context, c->n_chunks, run_chunk, &w);
    for (size_t i = 0; i < c->n_chunks; i++) {
        if (w.failures[i].status != KD_OK) {
            return blame(c, &w.failures[i]);
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
        c.kern = kdi_ctx_kern(c.in.context);
        status = check(&c);
    }
    return status == KD_OK ? run(&c) : status;
}
