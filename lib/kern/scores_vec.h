/* SPDX-License-Identifier: MIT */
/**
 * Rows of scores as distributions, for every vec_*.h: e = exp((x - max) scale), and sums of it.
 *
 * Rounding x - max to a float would put an error of 1e-5 into e where the exponent is near -87. So
 * 2^(c x - c max), with c = scale log2(e) as two floats, is taken apart in one of two ways in which
 * no bit is lost:
 *
 * - c max near 0: c max = whole + part, with an integer `whole`, in double. The nearest integer N
 *   to c x - part leaves r = (c x - N) - part, and the result is 2^r 2^(N - whole).
 * - c max far from 0: an x whose e is not 0 lies within a factor of two of max, so that x - max is
 *   exact. It takes the place of x, with whole = part = 0.
 *
 * `shift` is what to take from x, 0 or max, and `top` is what then is left of max. An x that is too
 * small to have an e counts as `lowest`, whose e, 2^-152, is 0 as a float. So no lane ever holds
 * garbage, overflows, or meets infinity minus infinity.
 *
 * e is within 1.23 ulp. Sums run in float over STEPS vectors, then in double: within 2e-7 where
 * they were measured, on up to 128000 elements. The largest x, whose e is 1, stay out of them:
 * `below` tells them apart and counts the others.
 */
#ifndef KDI_KERN_SCORES_VEC_H
#define KDI_KERN_SCORES_VEC_H

enum { STEPS = 16 };

/* Vectors of a row, and of each of two rows, that go side by side. */
enum { ABREAST = 32 / VEC, PAIRS = 16 / VEC };

/* Behind the end of a row: nothing, but finite. */
#define NO_SCORE (-1e26f)

/* A row's numbers, as explained above, in all lanes. */
typedef struct scores {
    vec shift, top, lowest, c_high, c_low, part, whole;
} scores;

KDI_INLINE scores scores_of(const kdi_scores *s)
{
    const double far = 1000.0;
    double c = s->scale * LOG2_E;
    double c_max = c * (double)s->max;
    bool near = c_max > -far && c_max < far;
    double whole = near ? __builtin_rint(c_max) : 0.0;
    float top = near ? s->max : 0.0f;
    float lowest = (float)(-152.0 * LOG_2) / (float)s->scale;
    float c_high = (float)c;
    return (scores){
        .shift = vec_all(near ? 0.0f : s->max),
        .top = vec_all(top),
        .lowest = vec_all(top + lowest),
        .c_high = vec_all(c_high),
        .c_low = vec_all((float)(c - (double)c_high)),
        .part = vec_all(near ? (float)(c_max - whole) : 0.0f),
        .whole = vec_all((float)whole),
    };
}

/* Sums of one row over the lanes, and how many elements of the row are not its largest. */
typedef struct lanes {
    vec rest, spread;
    size_t below;
} lanes;

KDI_INLINE void lanes_clear(lanes *sums)
{
    sums->rest = sums->spread = vec_all(0.0f);
}

/* One vector of a row on its way from x to e and d = x - max. */
typedef struct step {
    const scores *s;
    lanes *sums;
    vec x;
    bool cut; /* d may stop where e is 0: x may have -inf */
    vec d, e;
} step;

/* The e of n <= 4 steps, side by side: none has to wait for another. */
KDI_INLINE void weigh(step *steps, size_t n)
{
    vec y[4], whole[4], r[4], p[4];
    KDI_UNROLL
    for (size_t j = 0; j < n; j++) {
        const scores *s = steps[j].s;
        vec all = steps[j].x - s->shift;
        y[j] = vec_max(s->lowest, all);
        steps[j].d = (steps[j].cut ? y[j] : all) - s->top;
    }
    KDI_UNROLL
    for (size_t j = 0; j < n; j++) {
        whole[j] = vec_round(vec_fms(y[j], steps[j].s->c_high, steps[j].s->part));
    }
    KDI_UNROLL
    for (size_t j = 0; j < n; j++) {
        const scores *s = steps[j].s;
        r[j] = vec_fms(y[j], s->c_high, whole[j]) + vec_fms(y[j], s->c_low, s->part);
    }
    powers(r, n, p);
    KDI_UNROLL
    for (size_t j = 0; j < n; j++) {
        mask below = vec_less(y[j], steps[j].s->top);
        vec e = vec_scale_in(below, p[j], whole[j] - steps[j].s->whole);
        lanes *sums = steps[j].sums;
        sums->rest += e;
        sums->spread = vec_fma(e, steps[j].d, sums->spread);
        sums->below += mask_count(below);
        steps[j].e = vec_pick(below, e, vec_all(1.0f));
    }
}

/* ---- totals of a row ---- */

KDI_INLINE void total_add(__m256d *sum, vec a, vec b, vec c, vec d)
{
    *sum += _mm256_cvtps_pd(vec_sum4(a, b, c, d));
}

/* All of the ties but one belong to the rest. Lanes behind the end of the row count as below. */
KDI_INLINE kdi_sums sums_of(double rest, double spread, const lanes *sums, size_t k, double scale)
{
    size_t ties = (k + VEC - 1) / VEC * VEC - sums->below;
    return (kdi_sums){rest + (ties > 1 ? (double)(ties - 1) : 0.0), -scale * spread};
}

/* ---- one row ---- */

/* `vectors` vectors, of which n elements are there; several are full. */
KDI_INLINE void exps_step(const scores *s, const float *x, size_t n, size_t vectors, float *e,
                          lanes *sums)
{
    const vec none = vec_all(NO_SCORE);
    step steps[4];
    KDI_UNROLL
    for (size_t j = 0; j < vectors; j++) {
        vec v = vec_load(x + j * VEC, n, none);
        steps[j] = (step){.s = s, .sums = sums, .x = v, .cut = true};
    }
    weigh(steps, vectors);
    if (!e) {
        return;
    }
    KDI_UNROLL
    for (size_t j = 0; j < vectors; j++) {
        vec_store(e + j * VEC, n, steps[j].e);
    }
}

void KDI_K(exps_f32)(const kdi_scores *s, size_t k, float *e, kdi_sums *out)
{
    const vec zero = vec_all(0.0f);
    const scores row = scores_of(s);
    lanes sums = {.below = 0};
    __m256d total = _mm256_setzero_pd();
    for (size_t i = 0; i < k;) {
        size_t end = k - i < STEPS * VEC ? k : i + STEPS * VEC;
        lanes_clear(&sums);
        for (; end - i >= ABREAST * VEC; i += ABREAST * VEC) {
            exps_step(&row, s->x + i, VEC, ABREAST, e ? e + i : NULL, &sums);
        }
        for (; i < end; i += end - i < VEC ? end - i : VEC) {
            exps_step(&row, s->x + i, end - i, 1, e ? e + i : NULL, &sums);
        }
        total_add(&total, sums.rest, sums.spread, zero, zero);
    }
    *out = sums_of(total[0], total[1], &sums, k, s->scale);
}

/* ---- two rows ---- */

typedef struct pair {
    scores q, p;
    vec ratio; /* p's scale in units of q's */
    const float *xq, *xp;
    float *eq, *ep;
} pair;

typedef struct pair_lanes {
    lanes q, p;
    vec gap; /* in units of 1/scale of q */
} pair_lanes;

KDI_INLINE void compare_step(const pair *both, size_t i, size_t n, size_t vectors, pair_lanes *sums)
{
    const vec none = vec_all(NO_SCORE);
    step steps[4];
    KDI_UNROLL
    for (size_t j = 0; j < vectors; j++) {
        vec q = vec_load(both->xq + i + j * VEC, n, none);
        vec p = vec_load(both->xp + i + j * VEC, n, none);
        steps[2 * j] = (step){.s = &both->q, .sums = &sums->q, .x = q, .cut = false};
        steps[2 * j + 1] = (step){.s = &both->p, .sums = &sums->p, .x = p, .cut = true};
    }
    weigh(steps, 2 * vectors);
    KDI_UNROLL
    for (size_t j = 0; j < vectors; j++) {
        step q = steps[2 * j], p = steps[2 * j + 1];
        sums->gap = vec_fma(p.e, vec_fms(p.d, both->ratio, q.d), sums->gap);
        if (both->eq) {
            vec_store(both->eq + i + j * VEC, n, q.e);
        }
        if (both->ep) {
            vec_store(both->ep + i + j * VEC, n, p.e);
        }
    }
}

size_t KDI_K(compare_f32)(const kdi_scores *q, const kdi_scores *p, size_t k, float *eq, float *ep,
                          kdi_pair *out)
{
    const vec zero = vec_all(0.0f);
    const pair both = {
        scores_of(q), scores_of(p), vec_all((float)(p->scale / q->scale)), q->x, p->x, eq, ep};
    pair_lanes sums = {.q.below = 0, .p.below = 0};
    __m256d of_rows = _mm256_setzero_pd();
    double gap = 0.0;
    for (size_t i = 0; i < k;) {
        size_t end = k - i < STEPS * VEC ? k : i + STEPS * VEC;
        lanes_clear(&sums.q);
        lanes_clear(&sums.p);
        sums.gap = zero;
        for (; end - i >= PAIRS * VEC; i += PAIRS * VEC) {
            compare_step(&both, i, VEC, PAIRS, &sums);
        }
        for (; i < end; i += end - i < VEC ? end - i : VEC) {
            compare_step(&both, i, end - i, 1, &sums);
        }
        total_add(&of_rows, sums.q.rest, sums.q.spread, sums.p.rest, sums.p.spread);
        gap += (double)vec_sum(sums.gap);
    }
    out->q = sums_of(of_rows[0], of_rows[1], &sums.q, k, q->scale);
    out->p = sums_of(of_rows[2], of_rows[3], &sums.p, k, p->scale);
    out->gap = q->scale * gap;
    return k;
}

/* ---- a row and given probabilities ---- */

typedef struct given_lanes {
    lanes q;
    vec mass, plogp, cross, least;
} given_lanes;

KDI_INLINE void given_step(const scores *s, const float *x, const float *p, size_t n, float *e,
                           given_lanes *sums)
{
    const vec zero = vec_all(0.0f);
    vec xq = vec_load(x, n, vec_all(NO_SCORE));
    vec given = vec_load(p, n, zero);
    step one = {.s = s, .sums = &sums->q, .x = xq, .cut = false};
    weigh(&one, 1);
    mask some = vec_less(zero, given);
    vec positive = vec_keep(some, given);
    sums->mass += given;
    sums->cross = vec_fma(positive, one.d, sums->cross);
    sums->plogp = vec_fma(positive, vec_log(vec_pick(some, given, vec_all(1.0f))), sums->plogp);
    sums->least = vec_min(vec_load(p, n, sums->least), sums->least); /* not a NaN */
    if (e) {
        vec_store(e, n, one.e);
    }
}

size_t KDI_K(compare_given_f32)(const kdi_scores *q, const float *p, size_t k, float *eq,
                                kdi_given *out)
{
    const vec zero = vec_all(0.0f);
    const scores row = scores_of(q);
    given_lanes sums = {.q.below = 0, .least = vec_all(__builtin_inff())};
    __m256d of_row = _mm256_setzero_pd();
    __m256d of_both = _mm256_setzero_pd();
    for (size_t i = 0; i < k;) {
        size_t end = k - i < STEPS * VEC ? k : i + STEPS * VEC;
        lanes_clear(&sums.q);
        sums.mass = sums.plogp = sums.cross = zero;
        for (; end - i >= VEC; i += VEC) {
            given_step(&row, q->x + i, p + i, VEC, eq ? eq + i : NULL, &sums);
        }
        if (i < end) {
            given_step(&row, q->x + i, p + i, end - i, eq ? eq + i : NULL, &sums);
            i = end;
        }
        total_add(&of_row, sums.q.rest, sums.q.spread, zero, zero);
        total_add(&of_both, sums.mass, sums.plogp, sums.cross, zero);
    }
    out->q = sums_of(of_row[0], of_row[1], &sums.q, k, q->scale);
    out->mass = of_both[0];
    out->entropy = -of_both[1];
    out->cross = -q->scale * of_both[2];
    out->least = vec_least(sums.least);
    return k;
}

#endif
