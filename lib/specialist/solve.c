/* SPDX-License-Identifier: MIT */
/*
 * Eq. 5 for one case. Classes that no active specialist knows are in every dustbin alike, so q keeps
 * the generalist's proportions among them, and they count as one cell.
 */
#include "specialist/parts.h"

#include <math.h>

/* What of the dustbins is needed in a step. */
typedef struct dustbins {
    double p[KD_MAX_MEMBERS];    /* d_m, as probabilities */
    double q[KD_MAX_MEMBERS];    /* Q_m */
    double size[KD_MAX_MEMBERS]; /* classes in it */
} dustbins;

double kdi_merge_scale(const float *p, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)p[i];
    }
    return 1.0 / sum;
}

static bool is_in_dustbin(const kdi_merge_case *c, size_t m, size_t cell)
{
    bool rest = c->rest > 0 && cell + 1 == c->cells;
    return rest || !kdi_specialist_knows(c->active[m], (size_t)c->class[cell]);
}

static double classes_of(const kdi_merge_case *c, size_t cell)
{
    return c->rest > 0 && cell + 1 == c->cells ? (double)c->rest : 1.0;
}

/* Cells, q = p^g, and a: what generalist and specialists say of each cell alone. */
static void open(kdi_merge_case *c, dustbins *d)
{
    double scale = kdi_merge_scale(c->generalist, c->k);
    double rest = 0.0;
    c->cells = 0;
    c->rest = 0;
    for (size_t i = 0; i < c->k; i++) {
        bool known = false;
        for (size_t m = 0; m < c->m && !known; m++) {
            known = kdi_specialist_knows(c->active[m], i);
        }
        if (known) {
            c->class[c->cells] = (double)i;
            c->q[c->cells++] = scale * (double)c->generalist[i];
        } else {
            rest += scale * (double)c->generalist[i];
            c->rest++;
        }
    }
    if (c->rest > 0) {
        c->q[c->cells++] = rest;
    }
    for (size_t cell = 0; cell < c->cells; cell++) {
        c->a[cell] = c->q[cell];
    }
    for (size_t m = 0; m < c->m; m++) {
        const kd_specialist *s = c->active[m];
        double own = kdi_merge_scale(c->answers[m], kdi_specialist_outputs(s));
        bool dustbin = kdi_specialist_has_dustbin(s);
        d->p[m] = dustbin ? own * (double)c->answers[m][s->n] : 0.0;
        d->size[m] = (double)(s->k - s->n);
        for (size_t cell = 0; cell < c->cells; cell++) {
            if (!is_in_dustbin(c, m, cell)) {
                c->a[cell] += own * (double)c->answers[m][s->output_of[(size_t)c->class[cell]]];
            }
        }
    }
}

static void sum_dustbins(const kdi_merge_case *c, dustbins *d)
{
    for (size_t m = 0; m < c->m; m++) {
        d->q[m] = 0.0;
        for (size_t cell = 0; cell < c->cells; cell++) {
            d->q[m] += is_in_dustbin(c, m, cell) ? c->q[cell] : 0.0;
        }
    }
}

/* Where a fixed-point step takes a cell. An empty dustbin's probability is shared out equally. */
static double target_of(const kdi_merge_case *c, const dustbins *d, size_t cell)
{
    double sum = c->a[cell];
    for (size_t m = 0; m < c->m; m++) {
        if (d->p[m] > 0.0 && is_in_dustbin(c, m, cell)) {
            double share = d->q[m] > 0.0 ? c->q[cell] / d->q[m] : classes_of(c, cell) / d->size[m];
            sum += d->p[m] * share;
        }
    }
    return sum / (1.0 + (double)c->m);
}

/* ---- by fixed point ---- */

static uint32_t fixed_point(kdi_merge_case *c, dustbins *d, const kd_merge_options *o)
{
    for (uint32_t step = 1; step <= o->steps; step++) {
        double change = 0.0;
        sum_dustbins(c, d);
        for (size_t cell = 0; cell < c->cells; cell++) {
            double q = target_of(c, d, cell);
            change = fmax(change, fabs(q - c->q[cell]));
            c->q[cell] = q;
        }
        if (change <= o->tolerance) {
            return step;
        }
    }
    return o->steps;
}

/* ---- by descent ---- */

/* q = softmax(z - rate slope). */
static void try_step(kdi_merge_case *c, double rate)
{
    double largest = -(double)INFINITY;
    double sum = 0.0;
    for (size_t cell = 0; cell < c->cells; cell++) {
        c->q[cell] = c->z[cell] - rate * c->slope[cell];
        largest = fmax(largest, c->q[cell]);
    }
    for (size_t cell = 0; cell < c->cells; cell++) {
        c->q[cell] = exp(c->q[cell] - largest);
        sum += c->q[cell];
    }
    for (size_t cell = 0; cell < c->cells; cell++) {
        c->q[cell] /= sum;
    }
}

/* What of E depends on q. */
static double energy(const kdi_merge_case *c, dustbins *d)
{
    double sum = 0.0;
    sum_dustbins(c, d);
    for (size_t cell = 0; cell < c->cells; cell++) {
        sum -= c->a[cell] > 0.0 ? c->a[cell] * log(c->q[cell]) : 0.0;
    }
    for (size_t m = 0; m < c->m; m++) {
        sum -= d->p[m] > 0.0 ? d->p[m] * log(d->q[m]) : 0.0;
    }
    return sum;
}

/* The gradient of E by z, over 1 + |A|; returns its largest magnitude. */
static double find_slope(kdi_merge_case *c, dustbins *d)
{
    double largest = 0.0;
    sum_dustbins(c, d);
    for (size_t cell = 0; cell < c->cells; cell++) {
        c->slope[cell] = c->q[cell] - target_of(c, d, cell);
        largest = fmax(largest, fabs(c->slope[cell]));
    }
    return largest;
}

/* It begins where one fixed-point step leads: there no q is 0 that must not be. */
static void begin(kdi_merge_case *c, dustbins *d)
{
    sum_dustbins(c, d);
    for (size_t cell = 0; cell < c->cells; cell++) {
        c->z[cell] = log(target_of(c, d, cell));
        c->slope[cell] = 0.0;
    }
    try_step(c, 0.0);
}

/* A step that does not raise E makes the next one longer; one that does is taken back and halved. */
static uint32_t descend(kdi_merge_case *c, dustbins *d, const kd_merge_options *o)
{
    double rate = 1.0;
    begin(c, d);
    double least = energy(c, d);
    for (uint32_t step = 0; step < o->steps;) {
        if (find_slope(c, d) <= o->tolerance) {
            return step;
        }
        bool lower = false;
        while (!lower && step < o->steps) {
            step++;
            try_step(c, rate);
            double now = energy(c, d);
            lower = now <= least + 4e-16 * fabs(least);
            least = lower ? now : least;
            rate = lower ? 1.5 * rate : 0.5 * rate;
        }
        if (!lower) {
            try_step(c, 0.0);
            return step;
        }
        for (size_t cell = 0; cell < c->cells; cell++) {
            c->z[cell] -= rate / 1.5 * c->slope[cell];
        }
    }
    return o->steps;
}

uint32_t kdi_merge_solve(kdi_merge_case *c, const kd_merge_options *options)
{
    dustbins d;
    open(c, &d);
    if (c->m == 0) {
        return 0;
    }
    return options->kind == KD_MERGE_DESCENT ? descend(c, &d, options)
                                             : fixed_point(c, &d, options);
}

/* ---- E ---- */

/* p ln(p / q), which is 0 for p = 0. */
static double divergence(double p, double q)
{
    return p > 0.0 ? p * log(p / q) : 0.0;
}

double kdi_merge_objective(const kdi_merge_case *c)
{
    dustbins d;
    double sum = 0.0;
    double rest = 0.0;
    double scale = kdi_merge_scale(c->generalist, c->k);
    sum_dustbins(c, &d);
    for (size_t cell = 0; cell < c->cells; cell++) {
        bool last = c->rest > 0 && cell + 1 == c->cells;
        double p =
            last ? fmax(0.0, 1.0 - rest) : scale * (double)c->generalist[(size_t)c->class[cell]];
        rest += p;
        sum += divergence(p, c->q[cell]);
    }
    for (size_t m = 0; m < c->m; m++) {
        const kd_specialist *s = c->active[m];
        double own = kdi_merge_scale(c->answers[m], kdi_specialist_outputs(s));
        for (size_t cell = 0; cell < c->cells; cell++) {
            if (!is_in_dustbin(c, m, cell)) {
                sum += divergence(own * (double)c->answers[m][s->output_of[(size_t)c->class[cell]]],
                                  c->q[cell]);
            }
        }
        if (kdi_specialist_has_dustbin(s)) {
            sum += divergence(own * (double)c->answers[m][s->n], d.q[m]);
        }
    }
    return sum;
}
