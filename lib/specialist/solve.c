/* SPDX-License-Identifier: MIT */
/*
 * Eq. 5 for one case. Classes that no active specialist knows are in every dustbin alike, so q
 * keeps the generalist's proportions among them, and they count as one cell.
 *
 * With C = 1 + |A| and s_i = C - sum of d_m / Q_m over the dustbins that i is in, dE/dz_i is
 * g_i = q_i s_i - a_i, and E's second derivatives (but for z's common shift, which E does not see)
 * are diag(q_i s_i) + sum_m d_m r^m r^m', r^m being q / Q_m within dustbin m. At the end q_i s_i is
 * a_i; on the way it may be negative, and a_i + |g_i| stands for it. So a system of |A| equations
 * gives Newton's direction.
 */
#include "specialist/parts.h"

#include <math.h>

/* How much of a dustbin is shared out equally at first: no q begins at 0 that may have to grow. */
#define EQUALLY 0.01
/* What rounding may add to E, for each distribution in it. */
#define NOISE 3e-14
/* Shorter steps of a descent, each a quarter of the one before. */
#define QUARTERS 10

double kdi_specialist_scale(const float *p, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)p[i];
    }
    return 1.0 / sum;
}

static double classes_of(const kdi_merge_case *c, size_t cell)
{
    return c->rest > 0 && cell + 1 == c->cells ? (double)c->rest : 1.0;
}

/* ---- before the first step ---- */

static bool is_known(const kdi_merge_case *c, size_t class)
{
    bool known = false;
    for (size_t m = 0; m < c->m && !known; m++) {
        known = kdi_specialist_knows(c->active[m], class);
    }
    return known;
}

/* The cells, and in a what the generalist says of them. */
static void make_cells(kdi_merge_case *c)
{
    double rest = 0.0;
    c->cells = 0;
    c->rest = 0;
    for (size_t i = 0; i < c->k; i++) {
        double p = c->scale * (double)c->generalist[i];
        if (is_known(c, i)) {
            c->class[c->cells] = (double)i;
            c->a[c->cells++] = p;
        } else {
            rest += p;
            c->rest++;
        }
    }
    if (c->rest > 0) {
        c->a[c->cells++] = rest;
    }
    c->p_rest = rest;
}

/* A specialist's answer: its dustbin, and what it says of single classes. */
static void add_answer(kdi_merge_case *c, size_t m)
{
    const kd_specialist *s = c->active[m];
    double scale = kdi_specialist_scale(c->answers[m], kdi_specialist_outputs(s));
    double *in = c->in + m * c->k;
    c->d[m] = kdi_specialist_has_dustbin(s) ? scale * (double)c->answers[m][s->n] : 0.0;
    for (size_t cell = 0; cell < c->cells; cell++) {
        bool rest = c->rest > 0 && cell + 1 == c->cells;
        size_t output = rest ? s->n : s->output_of[(size_t)c->class[cell]];
        in[cell] = output < s->n ? 0.0 : 1.0;
        c->a[cell] += output < s->n ? scale * (double)c->answers[m][output] : 0.0;
    }
}

/* q: dustbins shared out as a has it, and a little of them equally. */
static void begin(kdi_merge_case *c)
{
    for (size_t cell = 0; cell < c->cells; cell++) {
        c->q[cell] = c->a[cell] / c->weight;
    }
    for (size_t m = 0; m < c->m; m++) {
        const double *in = c->in + m * c->k;
        double size = (double)(c->k - c->active[m]->n);
        double sum = 0.0;
        for (size_t cell = 0; cell < c->cells; cell++) {
            sum += in[cell] * c->a[cell];
        }
        double equally = sum > 0.0 ? EQUALLY : 1.0;
        for (size_t cell = 0; cell < c->cells && c->d[m] > 0.0; cell++) {
            double share = equally * classes_of(c, cell) / size;
            share += sum > 0.0 ? (1.0 - equally) * (c->a[cell] / sum) : 0.0;
            c->q[cell] += in[cell] * c->d[m] * share / c->weight;
        }
    }
}

/* ---- what both forms need ---- */

static double dustbin_of(const kdi_merge_case *c, size_t m, const double *q)
{
    const double *in = c->in + m * c->k;
    double sum = 0.0;
    for (size_t cell = 0; cell < c->cells; cell++) {
        sum += in[cell] * q[cell];
    }
    return sum;
}

/* d_m / Q_m */
static void find_ratios(kdi_merge_case *c)
{
    for (size_t m = 0; m < c->m; m++) {
        c->ratio[m] = c->d[m] > 0.0 ? c->d[m] / dustbin_of(c, m, c->q) : 0.0;
    }
}

/* Their sum over the dustbins that a cell is in. */
static double ratios_of(const kdi_merge_case *c, size_t cell)
{
    double sum = 0.0;
    for (size_t m = 0; m < c->m; m++) {
        sum += c->in[m * c->k + cell] * c->ratio[m];
    }
    return sum;
}

/* What of E depends on q. */
static double energy(const kdi_merge_case *c, const double *q)
{
    double sum = 0.0;
    for (size_t cell = 0; cell < c->cells; cell++) {
        sum -= c->a[cell] > 0.0 ? c->a[cell] * log(q[cell]) : 0.0;
    }
    for (size_t m = 0; m < c->m; m++) {
        sum -= c->d[m] > 0.0 ? c->d[m] * log(dustbin_of(c, m, q)) : 0.0;
    }
    return sum;
}

/* Takes the next q. Returns the largest change; infinite if one that may come to count still grows
 * by a tenth. */
static double take_next(kdi_merge_case *c)
{
    double change = 0.0;
    for (size_t cell = 0; cell < c->cells; cell++) {
        double next = c->next[cell];
        bool grows = next > 1e-100 && next > 1.1 * c->q[cell];
        change = grows ? (double)INFINITY : fmax(change, fabs(next - c->q[cell]));
        c->q[cell] = next;
    }
    return change;
}

/* ---- by fixed point ---- */

static void map(kdi_merge_case *c)
{
    for (size_t cell = 0; cell < c->cells; cell++) {
        c->next[cell] = (c->a[cell] + c->q[cell] * ratios_of(c, cell)) / c->weight;
    }
}

static uint32_t iterate(kdi_merge_case *c, const kd_merge_options *o)
{
    double change = (double)INFINITY;
    uint32_t step = 0;
    while (step < o->steps && change > o->tolerance) {
        find_ratios(c);
        map(c);
        change = take_next(c);
        step++;
    }
    return step;
}

/* ---- by descent ---- */

/* The lower half of 1 + U B^-1 U', and U B^-1 g; row m of U is u_m q within dustbin m, where u_m is
 * sqrt(d_m) / Q_m, and B is a + |g|. `next` holds q / B, `move` holds g / B. */
static void make_system(kdi_merge_case *c)
{
    for (size_t m = 0; m < c->m; m++) {
        const double *in = c->in + m * c->k;
        double *row = c->matrix + m * c->m;
        c->u[m] = c->d[m] > 0.0 ? c->ratio[m] / sqrt(c->d[m]) : 0.0;
        c->side[m] = 0.0;
        for (size_t cell = 0; cell < c->cells; cell++) {
            c->side[m] += c->u[m] * in[cell] * c->q[cell] * c->move[cell];
        }
        for (size_t l = 0; l <= m; l++) {
            const double *other = c->in + l * c->k;
            double sum = 0.0;
            for (size_t cell = 0; cell < c->cells; cell++) {
                sum += in[cell] * other[cell] * c->q[cell] * c->next[cell];
            }
            row[l] = c->u[m] * c->u[l] * sum + (l == m ? 1.0 : 0.0);
        }
    }
}

/* Cholesky's solution, over `side`. Pivots are at least 1 but for rounding. */
static void solve_system(kdi_merge_case *c)
{
    size_t n = c->m;
    double *x = c->side;
    for (size_t m = 0; m < n; m++) {
        double *row = c->matrix + m * n;
        for (size_t l = 0; l <= m; l++) {
            const double *other = c->matrix + l * n;
            double sum = row[l];
            for (size_t i = 0; i < l; i++) {
                sum -= row[i] * other[i];
            }
            row[l] = l < m ? sum / other[l] : sqrt(fmax(sum, 1.0));
        }
        for (size_t l = 0; l < m; l++) {
            x[m] -= row[l] * x[l];
        }
        x[m] /= row[m];
    }
    for (size_t left = n; left > 0; left--) {
        size_t m = left - 1;
        for (size_t l = m + 1; l < n; l++) {
            x[m] -= c->matrix[l * n + m] * x[l];
        }
        x[m] /= c->matrix[m * n + m];
    }
}

/* Newton's direction in z, into `move`. */
static void find_move(kdi_merge_case *c)
{
    for (size_t cell = 0; cell < c->cells; cell++) {
        double g = c->q[cell] * (c->weight - ratios_of(c, cell)) - c->a[cell];
        double b = c->a[cell] + fabs(g);
        c->next[cell] = b > 0.0 ? c->q[cell] / b : 0.0;
        c->move[cell] = b > 0.0 ? g / b : 0.0;
    }
    make_system(c);
    solve_system(c);
    for (size_t m = 0; m < c->m; m++) {
        for (size_t cell = 0; cell < c->cells; cell++) {
            c->move[cell] -= c->in[m * c->k + cell] * c->u[m] * c->side[m] * c->next[cell];
        }
    }
}

/* next = softmax(z - rate move) */
static void try_step(kdi_merge_case *c, double rate)
{
    double largest = -(double)INFINITY;
    double sum = 0.0;
    for (size_t cell = 0; cell < c->cells; cell++) {
        largest = fmax(largest, -rate * c->move[cell]);
    }
    for (size_t cell = 0; cell < c->cells; cell++) {
        c->next[cell] = c->q[cell] * exp(-rate * c->move[cell] - largest);
        sum += c->next[cell];
    }
    for (size_t cell = 0; cell < c->cells; cell++) {
        c->next[cell] /= sum;
    }
}

/* Where no step along the direction lowers E, one of the fixed point does. */
static uint32_t descend(kdi_merge_case *c, const kd_merge_options *o)
{
    const double noise = NOISE * c->weight;
    double least = energy(c, c->q);
    double change = (double)INFINITY;
    uint32_t step = 0;
    while (step < o->steps && change > o->tolerance) {
        double now = (double)INFINITY;
        double rate = 1.0;
        find_ratios(c);
        find_move(c);
        for (int i = 0; i <= QUARTERS && !(now <= least + noise); i++) {
            try_step(c, rate);
            now = energy(c, c->next);
            rate *= 0.25;
        }
        if (!(now <= least + noise)) {
            map(c);
            now = energy(c, c->next);
        }
        least = now;
        change = take_next(c);
        step++;
    }
    return step;
}

uint32_t kdi_specialist_solve(kdi_merge_case *c, const kd_merge_options *options)
{
    make_cells(c);
    for (size_t m = 0; m < c->m; m++) {
        add_answer(c, m);
    }
    begin(c);
    return options->kind == KD_MERGE_DESCENT ? descend(c, options) : iterate(c, options);
}

/* ---- E ---- */

/* p ln p, which is 0 for p = 0. */
static double p_log_p(double p)
{
    return p > 0.0 ? p * log(p) : 0.0;
}

double kdi_specialist_objective(const kdi_merge_case *c)
{
    double sum = p_log_p(c->p_rest);
    for (size_t cell = 0; cell < c->cells - (c->rest > 0); cell++) {
        sum += p_log_p(c->scale * (double)c->generalist[(size_t)c->class[cell]]);
    }
    for (size_t m = 0; m < c->m; m++) {
        size_t outputs = kdi_specialist_outputs(c->active[m]);
        double scale = kdi_specialist_scale(c->answers[m], outputs);
        for (size_t i = 0; i < outputs; i++) {
            sum += p_log_p(scale * (double)c->answers[m][i]);
        }
    }
    return sum + energy(c, c->q);
}
