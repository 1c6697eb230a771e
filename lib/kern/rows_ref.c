/* SPDX-License-Identifier: MIT */
/* Reference kernels on rows of scores: everything in double, rounded once where it is stored. */
#include "kern/tables.h"

#include <math.h>

void kdi_k_exp_f32_ref(const float *x, size_t k, float *out)
{
    for (size_t i = 0; i < k; i++) {
        out[i] = (float)exp((double)x[i]);
    }
}

void kdi_k_log_f32_ref(const float *x, size_t k, float *out)
{
    for (size_t i = 0; i < k; i++) {
        double y = x[i] > 0.0f ? log((double)x[i]) : -(double)INFINITY;
        out[i] = x[i] >= 0.0f ? (float)y : NAN;
    }
}

bool kdi_k_range_f32_ref(const float *x, size_t k, float *out_min, float *out_max)
{
    float min = INFINITY;
    float max = -INFINITY;
    bool good = true;
    for (size_t i = 0; i < k; i++) {
        good = good && x[i] < INFINITY; /* false for NaN too */
        min = x[i] < min ? x[i] : min;
        max = x[i] > max ? x[i] : max;
    }
    *out_min = min;
    *out_max = max;
    return good;
}

size_t kdi_k_find_f32_ref(const float *x, size_t k, float value)
{
    size_t i = 0;
    while (i < k && !(x[i] <= value && x[i] >= value)) {
        i++;
    }
    return i;
}

/* One score. Its a may be -inf, its e then is 0, and 0 times -inf is taken as 0. */
typedef struct score {
    double a;
    double e;
} score;

static score score_of(const kdi_scores *s, size_t i)
{
    double a = ((double)s->x[i] - (double)s->max) * s->scale;
    return (score){a, exp(a)};
}

/* `found`: a largest element has been left out already. */
static void add(kdi_sums *sums, score s, bool *found)
{
    if (!*found && s.a >= 0.0) {
        *found = true;
        return;
    }
    sums->rest += s.e;
    sums->spread += s.e > 0.0 ? s.e * -s.a : 0.0;
}

void kdi_k_exps_f32_ref(const kdi_scores *s, size_t k, float *e, kdi_sums *out)
{
    bool found = false;
    *out = (kdi_sums){0};
    for (size_t i = 0; i < k; i++) {
        score one = score_of(s, i);
        add(out, one, &found);
        if (e) {
            e[i] = (float)one.e;
        }
    }
}

size_t kdi_k_compare_f32_ref(const kdi_scores *q, const kdi_scores *p, size_t k, float *eq,
                             float *ep, kdi_pair *out)
{
    bool found_q = false;
    bool found_p = false;
    size_t without = k;
    *out = (kdi_pair){.gap = 0.0};
    for (size_t i = 0; i < k; i++) {
        score one_q = score_of(q, i);
        score one_p = score_of(p, i);
        add(&out->q, one_q, &found_q);
        add(&out->p, one_p, &found_p);
        out->gap += one_p.e > 0.0 ? one_p.e * (one_p.a - one_q.a) : 0.0;
        if (isinf(q->x[i]) && !isinf(p->x[i]) && without == k) {
            without = i;
        }
        if (eq) {
            eq[i] = (float)one_q.e;
        }
        if (ep) {
            ep[i] = (float)one_p.e;
        }
    }
    return without;
}

size_t kdi_k_compare_given_f32_ref(const kdi_scores *q, const float *p, size_t k, float *eq,
                                   kdi_given *out)
{
    bool found = false;
    size_t without = k;
    *out = (kdi_given){.least = INFINITY};
    for (size_t i = 0; i < k; i++) {
        score one = score_of(q, i);
        double given = (double)p[i];
        add(&out->q, one, &found);
        out->least = p[i] < out->least ? p[i] : out->least;
        out->mass += given;
        out->entropy -= given > 0.0 ? given * log(given) : 0.0;
        out->cross += given > 0.0 ? given * -one.a : 0.0;
        if (isinf(q->x[i]) && given > 0.0 && without == k) {
            without = i;
        }
        if (eq) {
            eq[i] = (float)one.e;
        }
    }
    return without;
}

bool kdi_k_combine_f32_ref(const float *const *rows, const float *factors, size_t m, size_t k,
                           float *out)
{
    bool finite = true;
    for (size_t i = 0; i < k; i++) {
        double sum = 0.0;
        for (size_t r = 0; r < m; r++) {
            sum += (double)factors[r] * (double)rows[r][i];
        }
        out[i] = (float)sum;
        finite = finite && isfinite(out[i]);
    }
    return finite;
}

void kdi_k_mean_f32_ref(const float *const *rows, const double *weights, size_t m, size_t k,
                        float *out)
{
    for (size_t i = 0; i < k; i++) {
        double sum = 0.0;
        for (size_t r = 0; r < m; r++) {
            sum += weights[r] * (double)rows[r][i];
        }
        out[i] = (float)sum;
    }
}
