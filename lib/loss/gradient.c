/* SPDX-License-Identifier: MIT */
/*
 * The gradient of one case: a combination of the exponentials of all its looks, plus what terms on
 * the logits themselves add. Where all exponentials were kept it is one pass over the row;
 * otherwise a block at a time, with the missing ones taken again. Both give the same bits.
 */
#include "loss/look.h"
#include "loss/topk.h"

#include <math.h>
#include <string.h>

/* Classes in a block, and rows that one combination takes. */
#define BLOCK 256
#define ROWS 8

bool kdi_loss_applies(const kd_term *term, const kdi_case *c)
{
    return !kdi_loss_term(term->kind)->needs_labels || c->label >= 0;
}

/* One row of the combination. */
typedef struct part {
    const float *kept; /* the row itself, or NULL: */
    const kdi_look *look;
    const kdi_scores *scores; /* whose exponentials are taken again */
    bool bucket;              /* of the bucket's classes only */
    float factor;
} part;

typedef struct sum {
    part parts[2 * KDI_LOSS_VIEWS];
    size_t count;
    bool all_kept;
    double spike;         /* to take away at the label */
    bool on_logits;       /* a term has a gradient of its own */
    const kdi_look *topk; /* whose given classes have a sum of their own; NULL: no look */
    double topk_q, topk_p;
} sum;

static void add_part(sum *s, const kdi_look *look, const kdi_scores *scores, const float *kept,
                     double factor)
{
    s->parts[s->count++] =
        (part){kept, look, scores, scores == &look->bucket.scores, (float)factor};
    s->all_kept = s->all_kept && kept;
}

/* Given classes go by themselves; all others have the student's q_i / q_r, times one factor. */
static void add_topk_view(sum *s, const kdi_look *look, double q, double p)
{
    const kdi_bucket *b = &look->bucket;
    if (q != 0.0 || p != 0.0) {
        s->topk = look;
        s->topk_q = q;
        s->topk_p = p;
        if (b->sum > 0.0) {
            add_part(s, look, &b->scores, look->eq, (q * b->q + p * b->p) / b->sum);
        }
    }
}

static void add_view(sum *s, const kdi_case *c, const kdi_look *look, double q, double p)
{
    if (q != 0.0) {
        add_part(s, look, &look->q, look->eq, q / look->sum_q);
    }
    if (p != 0.0 && c->targets->kind == KD_TARGET_PROBABILITIES) {
        add_part(s, look, &look->p, c->v.x, p);
    } else if (p != 0.0) {
        add_part(s, look, &look->p, look->ep, p / look->sum_p);
    }
}

/* What all terms of all views come to. */
static void collect(const kdi_loss_job *job, const kdi_case *c, const kdi_look *looks,
                    double factor, sum *s)
{
    double q[KDI_LOSS_VIEWS], p[KDI_LOSS_VIEWS];
    for (size_t i = 0; i < job->n_views; i++) {
        q[i] = 0.0;
        p[i] = 0.0;
    }
    s->count = 0; /* its parts are filled as far as there are any */
    s->all_kept = true;
    s->spike = 0.0;
    s->on_logits = false;
    s->topk = NULL;
    for (size_t t = 0; t < job->n_terms; t++) {
        const kd_term *term = &job->terms[t];
        const kdi_term_ops *ops = kdi_loss_term(term->kind);
        double weight = factor * (double)term->weight;
        if (!kdi_loss_applies(term, c)) {
            continue;
        }
        if (!ops->looks) {
            s->on_logits = true;
            continue;
        }
        q[job->views_of[t]] += weight * ops->factor_q(term);
        p[job->views_of[t]] += weight * ops->factor_p(term);
        s->spike += ops->needs_labels ? weight : 0.0;
    }
    for (size_t i = 0; i < job->n_views; i++) {
        if (job->views[i].compares && c->targets->kind == KD_TARGET_TOPK) {
            add_topk_view(s, &looks[i], q[i], p[i]);
        } else {
            add_view(s, c, &looks[i], q[i], p[i]);
        }
    }
}

/* Classes begin .. begin+count of a part: kept, or made again in `room`. */
static const float *row_of(const kdi_case *c, const part *p, size_t begin, size_t count,
                           float *room)
{
    if (p->kept) {
        return p->kept + begin;
    }
    kdi_sums unused;
    if (p->bucket) {
        kdi_loss_topk_exps(c, p->look, begin, count, room, &unused);
        return room;
    }
    kdi_scores s = *p->scores;
    s.x += begin;
    p->look->kern->exps_f32(&s, count, room, &unused);
    return room;
}

static bool combine(const kdi_case *c, const sum *s, size_t begin, size_t count, float *out)
{
    float room[ROWS][BLOCK];
    bool finite = true;
    size_t done = 0;
    if (s->count == 0) {
        memset(out, 0, count * sizeof *out);
    }
    while (done < s->count) {
        const float *rows[ROWS];
        float factors[ROWS];
        size_t m = 0;
        if (done > 0) { /* what the first ones came to */
            rows[m] = out;
            factors[m++] = 1.0f;
        }
        for (; m < ROWS && done < s->count; m++, done++) {
            rows[m] = row_of(c, &s->parts[done], begin, count, room[m]);
            factors[m] = s->parts[done].factor;
        }
        finite = c->kern->combine_f32(rows, factors, m, count, out) && finite;
    }
    return finite;
}

static void add_own(const kdi_loss_job *job, const kdi_case *c, const kdi_term_state *states,
                    double factor, size_t begin, size_t count, float *out)
{
    for (size_t t = 0; t < job->n_terms; t++) {
        const kdi_term_ops *ops = kdi_loss_term(job->terms[t].kind);
        if (!ops->looks) {
            ops->add_gradient(c, &states[t], begin, count, factor * (double)job->terms[t].weight,
                              out);
        }
    }
}

bool kdi_loss_write_gradient(const kdi_loss_job *job, const kdi_case *c, const kdi_look *looks,
                             const kdi_term_state *states, double factor, float *d)
{
    sum s;
    collect(job, c, looks, factor, &s);
    bool finite = true;
    if (s.all_kept && !s.on_logits && !s.topk && s.count <= ROWS) {
        finite = combine(c, &s, 0, c->k, d);
    } else {
        for (size_t begin = 0; begin < c->k; begin += BLOCK) {
            size_t count = c->k - begin < BLOCK ? c->k - begin : BLOCK;
            float block[BLOCK]; /* d may be the logits, which the terms still read */
            float largest;
            combine(c, &s, begin, count, block);
            if (s.topk) {
                kdi_loss_topk_add(c, s.topk, s.topk_q, s.topk_p, begin, count, block);
            }
            add_own(job, c, states, factor, begin, count, block);
            finite = c->kern->absmax_f32(block, 1, count, count, &largest) && finite;
            memcpy(d + begin, block, count * sizeof *d);
        }
    }
    if (s.spike != 0.0) {
        d[c->label] = (float)((double)d[c->label] - s.spike);
        finite = finite && isfinite(d[c->label]);
    }
    return finite;
}
