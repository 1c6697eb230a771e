/* SPDX-License-Identifier: MIT */
/* See problem.h. */
#include "problem.h"

/* ---- drawing ---- */

static void draw(uint64_t *seed, const problem_sort *sort, size_t n, float *out)
{
    size_t kept = support_below(seed, n); /* one that is not 0 */
    support_normals(seed, out, n, sort->scale);
    for (size_t i = 0; i < n; i++) {
        bool zero = i != kept && support_between(seed, 0, 1) < sort->zeros;
        out[i] = zero ? -INFINITY : out[i];
    }
    support_ok(kd_softmax(out, 1, n, 0, 1, out, 0, NULL), "kd_softmax");
}

static size_t first_class(const problem *p)
{
    size_t first = 0;
    for (size_t i = 1; i < p->k; i++) {
        first = p->generalist[i] > p->generalist[first] ? i : first;
    }
    return first;
}

problem problem_draw(uint64_t *seed, const problem_sort *sort)
{
    problem p;
    memset(&p, 0, sizeof p);
    p.k = 1 + support_below(seed, sort->most_k);
    draw(seed, sort, p.k, p.generalist);
    size_t m = support_below(seed, PROBLEM_M + 1);
    size_t first = first_class(&p);
    for (; p.m < m; p.m++) {
        double share = support_between(seed, 0, 1);
        size_t n = 0;
        for (size_t i = 0; i < p.k; i++) {
            bool due = (sort->confused && i == first) || (n == 0 && i + 1 == p.k);
            if (due || support_between(seed, 0, 1) < share) {
                p.classes[p.m][n++] = (uint32_t)i;
            }
        }
        p.sizes[p.m] = n;
        draw(seed, sort, n + (n < p.k), p.answers[p.m]);
    }
    return p;
}

problem problem_of(size_t k, const float *generalist)
{
    problem p;
    memset(&p, 0, sizeof p);
    p.k = k;
    memcpy(p.generalist, generalist, k * sizeof *generalist);
    return p;
}

void problem_add(problem *p, size_t n, const uint32_t *classes, const float *answer)
{
    assert_true(p->m < PROBLEM_M);
    memcpy(p->classes[p->m], classes, n * sizeof *classes);
    memcpy(p->answers[p->m], answer, (n + (n < p->k)) * sizeof *answer);
    p->sizes[p->m++] = n;
}

/* ---- the library ---- */

kd_merge_options problem_kind(kd_merge_kind kind)
{
    kd_merge_options o = KD_MERGE_OPTIONS_INIT;
    o.kind = kind;
    return o;
}

void problem_doubles(const float *from, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (double)from[i];
    }
}

problem_answer problem_merge(kd_context *context, const problem *p, const kd_merge_options *o)
{
    static double scratch[PROBLEM_SCRATCH];
    kd_error e = KD_ERROR_INIT;
    kd_specialist *all[PROBLEM_M];
    const float *answers[PROBLEM_M];
    problem_answer out;
    memset(&out, 0, sizeof out);
    for (size_t m = 0; m < p->m; m++) {
        kd_specialist_options s = KD_SPECIALIST_OPTIONS_INIT;
        s.classes = p->classes[m];
        s.n_classes = p->sizes[m];
        s.k = p->k;
        support_ok(kd_specialist_create(context, &s, &all[m], &e), e.text);
        answers[m] = p->answers[m];
    }
    kd_merge_in in = KD_MERGE_IN_INIT;
    in.n = 1;
    in.k = p->k;
    in.generalist = p->generalist;
    in.m = p->m;
    in.specialists = (const kd_specialist *const *)all;
    in.answers = answers;
    in.scratch = scratch;
    in.scratch_doubles = (p->k + p->m) * (p->m + 5);
    kd_merge_out write = KD_MERGE_OUT_INIT;
    write.q = out.q;
    write.objectives = &out.objective;
    write.active = &out.active;
    write.steps = &out.steps;
    support_ok(kd_merge(o, &in, &write, &e), e.text);
    for (size_t m = 0; m < p->m; m++) {
        kd_specialist_destroy(all[m]);
    }
    return out;
}

/* ---- the definitions ---- */

static bool knows(const problem *p, size_t m, size_t class)
{
    for (size_t i = 0; i < p->sizes[m]; i++) {
        if (p->classes[m][i] == class) {
            return true;
        }
    }
    return false;
}

void problem_active(const problem *p, size_t best, bool *out_active)
{
    for (size_t m = 0; m < p->m; m++) {
        out_active[m] = false;
        for (size_t i = 0; i < p->sizes[m]; i++) {
            size_t own = p->classes[m][i];
            size_t before = 0;
            for (size_t j = 0; j < p->k; j++) {
                before += p->generalist[j] > p->generalist[own] ||
                          (p->generalist[j] == p->generalist[own] && j < own);
            }
            out_active[m] = out_active[m] || before < best;
        }
    }
}

static double sum_of(const float *p, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)p[i];
    }
    return sum;
}

static double part(double p, double q)
{
    return p > 0 ? p * log(p / q) : 0;
}

double problem_energy(const problem *p, const bool *active, const double *q)
{
    double e = 0;
    double sum = sum_of(p->generalist, p->k);
    for (size_t i = 0; i < p->k; i++) {
        e += part((double)p->generalist[i] / sum, q[i]);
    }
    for (size_t m = 0; m < p->m; m++) {
        size_t n = p->sizes[m];
        double dustbin = 0;
        sum = sum_of(p->answers[m], n + (n < p->k));
        for (size_t i = 0; active[m] && i < n; i++) {
            e += part((double)p->answers[m][i] / sum, q[p->classes[m][i]]);
        }
        for (size_t i = 0; i < p->k; i++) {
            dustbin += knows(p, m, i) ? 0 : q[i];
        }
        e += active[m] && n < p->k ? part((double)p->answers[m][n] / sum, dustbin) : 0;
    }
    return e;
}

/* ---- class by class ---- */

typedef struct tables {
    double a[PROBLEM_K];           /* what speaks of a class alone */
    double weight;                 /* 1 + |A| */
    size_t m;                      /* dustbins of active specialists */
    double d[PROBLEM_M];           /* their probabilities */
    bool in[PROBLEM_M][PROBLEM_K]; /* and classes */
} tables;

static void fill(tables *t, const problem *p, const bool *active)
{
    memset(t, 0, sizeof *t);
    t->weight = 1;
    for (size_t i = 0; i < p->k; i++) {
        t->a[i] = (double)p->generalist[i] / sum_of(p->generalist, p->k);
    }
    for (size_t m = 0; m < p->m; m++) {
        size_t n = p->sizes[m];
        double sum = sum_of(p->answers[m], n + (n < p->k));
        if (!active[m]) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            t->a[p->classes[m][i]] += (double)p->answers[m][i] / sum;
        }
        t->weight++;
        if (n < p->k && p->answers[m][n] > 0) {
            for (size_t i = 0; i < p->k; i++) {
                t->in[t->m][i] = !knows(p, m, i);
            }
            t->d[t->m++] = (double)p->answers[m][n] / sum;
        }
    }
}

static double mass(const tables *t, size_t m, const double *q, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < k; i++) {
        sum += t->in[m][i] ? q[i] : 0;
    }
    return sum;
}

void problem_gradient(const problem *p, const bool *active, const double *q, double *out)
{
    static tables t;
    fill(&t, p, active);
    for (size_t i = 0; i < p->k; i++) {
        double to = t.a[i];
        for (size_t m = 0; m < t.m; m++) {
            to += t.in[m][i] ? t.d[m] * q[i] / mass(&t, m, q, p->k) : 0;
        }
        out[i] = t.weight * (q[i] - to / t.weight);
    }
}

/* What a class pays at prices l: 1 + |A| less those of its dustbins. */
static double slack(const tables *t, const double *l, size_t class)
{
    double s = t->weight;
    for (size_t m = 0; m < t->m; m++) {
        s -= t->in[m][class] ? l[m] : 0;
    }
    return s;
}

/*
 * -ln Q >= -ln x + 1 - Q / x for any x = d / l. Put into E, that leaves a sum over classes whose
 * least value is known: E >= const - sum a ln(a / s) - sum d ln(d / l), if no s is negative.
 */
double problem_bound(const problem *p, const bool *active, const double *q)
{
    static tables t;
    double l[PROBLEM_M];
    double least = 1;
    double entropy = 0;
    double bound = 0;
    double uniform[PROBLEM_K];
    fill(&t, p, active);
    for (size_t m = 0; m < t.m; m++) {
        l[m] = t.d[m] / mass(&t, m, q, p->k);
    }
    for (size_t i = 0; i < p->k; i++) {
        double paid = t.weight - slack(&t, l, i);
        least = paid > 0 ? fmin(least, t.weight / paid) : least;
        uniform[i] = 1; /* E(1): the entropies, and logs of the dustbins' sizes */
    }
    for (size_t m = 0; m < t.m; m++) {
        l[m] *= least * (1 - 1e-12);
        entropy += t.d[m] * log(mass(&t, m, uniform, p->k));
        bound -= part(t.d[m], l[m]);
    }
    for (size_t i = 0; i < p->k; i++) {
        bound -= part(t.a[i], slack(&t, l, i));
    }
    return bound + entropy + problem_energy(p, active, uniform);
}

/* One price after the other is set so that its dustbin gets what it should, by bisection. */
bool problem_solve(const problem *p, const bool *active, double *out_q)
{
    static tables t;
    double l[PROBLEM_M];
    double change = 1;
    fill(&t, p, active);
    for (size_t m = 0; m < t.m; m++) {
        l[m] = 0;
    }
    for (size_t round = 0; round < 3000 && change > 1e-13; round++) {
        change = 0;
        for (size_t m = 0; m < t.m; m++) {
            double before = l[m];
            double low = 0;
            l[m] = 0;
            double high = t.weight;
            for (size_t i = 0; i < p->k; i++) {
                high = t.in[m][i] ? fmin(high, slack(&t, l, i)) : high;
            }
            for (size_t cut = 0; cut < 100; cut++) {
                double got = 0;
                l[m] = (low + high) / 2;
                for (size_t i = 0; i < p->k; i++) {
                    got += t.in[m][i] ? l[m] * t.a[i] / slack(&t, l, i) : 0;
                }
                *(got < t.d[m] ? &low : &high) = l[m];
            }
            change = fmax(change, fabs(l[m] - before));
        }
    }
    for (size_t i = 0; i < p->k; i++) {
        out_q[i] = t.a[i] / slack(&t, l, i);
    }
    return change <= 1e-13;
}
