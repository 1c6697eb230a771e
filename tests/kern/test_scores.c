/* SPDX-License-Identifier: MIT */
/* exps, compare and compare_given on rows that try them, held against plain loops in double. */
#include "levels.h"

#include <float.h>

/* ---- rows ---- */

enum { KINDS = 14 };

/* Where row `kind` has no idea of its own, x is in [-12, 12) / scale. */
static float score(uint64_t *random, size_t kind, size_t i, double scale)
{
    float plain = arrays_value(random, 12.0 / scale);
    bool sometimes = arrays_next(random) % 4 == 0;
    switch (kind) {
    case 1: /* all equal */
        return 3.7f;
    case 2: /* many ties at the top */
        return sometimes ? 1.5f : (float)(1.5 - fabs((double)plain));
    case 3: /* tails that are no floats any more: exponents around -87 to -108 */
        return i == 3 ? 2.0f : (float)(2.0 - (92.0 + (double)plain * scale) / scale);
    case 4: /* huge, and of both signs */
        return arrays_value(random, 1e25);
    case 5: /* one huge among small ones, high up */
        return i == 2 ? 1e25f : plain;
    case 6: /* one huge among small ones, far down */
        return i == 2 ? -1e25f : plain;
    case 7: /* denormal */
        return arrays_value(random, 1e-40);
    case 8: /* no class left but some */
        return sometimes ? plain : -INFINITY;
    case 9: /* far from zero, where one unit of a float is much or little */
        return (float)(3e6 / scale + (double)plain);
    case 10:
        return (float)(-900.0 / scale + (double)plain);
    case 11: /* a wide spread */
        return arrays_value(random, 1e8);
    case 12: /* huge and near to each other */
        return 1e25f * (1.0f - (float)(arrays_next(random) % 4) * 0x1p-24f);
    case 13: /* just below the top */
        return 5.0f * (1.0f - (float)(arrays_next(random) % 3) * 0x1p-24f);
    default:
        return plain;
    }
}

static array row_of(uint64_t *random, size_t kind, size_t k, size_t offset, double scale)
{
    array row = array_marked(k, offset);
    for (size_t i = 0; i < k; i++) {
        row.x[i] = score(random, kind, i, scale);
    }
    if (kind == 8 && k > 0) {
        row.x[arrays_next(random) % k] = 1.0f;
    }
    return row;
}

static kdi_scores scores_of(const array *row, double scale)
{
    kdi_scores s = {row->x, -INFINITY, scale};
    for (size_t i = 0; i < row->count; i++) {
        s.max = row->x[i] > s.max ? row->x[i] : s.max;
    }
    return s;
}

/* ---- what is right ---- */

/* Digits that sums may lack because they are no normal floats in units of 1/scale. */
static double denormal(size_t k, double scale)
{
    return (double)k * (1.0 + scale) * 0x1p-148;
}

/* Sums with what an element that is no normal float may lack. */
typedef struct sums {
    double rest, spread, lost_rest, lost_spread;
} sums;

static double a_of(const kdi_scores *s, size_t i)
{
    return ((double)s->x[i] - (double)s->max) * s->scale;
}

static sums sums_of(const kdi_scores *s, size_t k)
{
    sums sum = {0};
    size_t ties = 0;
    for (size_t i = 0; i < k; i++) {
        double a = a_of(s, i), e = exp(a);
        bool tiny = e < (double)FLT_MIN;
        if (s->x[i] >= s->max && ties++ == 0) {
            continue;
        }
        sum.rest += e;
        sum.spread -= e > 0.0 ? e * a : 0.0;
        sum.lost_rest += tiny ? e : 0.0;
        sum.lost_spread -= tiny && e > 0.0 ? e * a : 0.0;
    }
    return sum;
}

static void sums_match(const char *what, const kdi_scores *s, size_t k, const kdi_sums *got)
{
    sums want = sums_of(s, k);
    arrays_near(what, k, got->rest, want.rest, 1e-6 * want.rest + want.lost_rest);
    arrays_near("spread", k, got->spread, want.spread,
                1e-6 * want.spread + want.lost_spread + denormal(k, s->scale));
}

static void weights_match(const char *what, const kdi_scores *s, size_t k, const float *e)
{
    for (size_t i = 0; i < k; i++) {
        double want = exp(a_of(s, i));
        if (want >= (double)FLT_MIN || e[i] < 0.0f || e[i] > 0.0f) { /* else 0 will do */
            arrays_near(what, i, (double)e[i], want, 4.0 * arrays_ulp(want));
        }
        if (s->x[i] >= s->max) {
            arrays_equal("the largest", i, e[i], 1.0f);
        }
    }
}

/* ---- exps ---- */

static void exps_case(const kdi_kernels *kern, const kdi_scores *s, size_t k, size_t offset)
{
    array e = array_marked(k, offset);
    kdi_sums got, alone;
    LEVEL_QUIET(kern->exps_f32(s, k, e.x, &got));
    weights_match("e", s, k, e.x);
    sums_match("rest", s, k, &got);
    kern->exps_f32(s, k, NULL, &alone);
    assert_memory_equal(&got, &alone, sizeof got);
    array same = array_marked(k, offset + 1); /* in place */
    memcpy(same.x, s->x, k * sizeof *same.x);
    kdi_scores own = {same.x, s->max, s->scale};
    kern->exps_f32(&own, k, same.x, &alone);
    assert_memory_equal(same.x, e.x, k * sizeof *e.x);
    assert_memory_equal(&got, &alone, sizeof got);
    array_free(&same);
    array_free(&e);
}

static const double scales[] = {1e-6, 1e-3, 0.05, 0.25, 1.0, 1.7, 100.0, 1e4};
enum { SCALES = sizeof scales / sizeof *scales };

static void exps(const kdi_kernels *kern)
{
    uint64_t random = 1;
    for (size_t n = 0; arrays_size(n); n++) {
        for (size_t kind = 0; kind < KINDS; kind++) {
            double scale = scales[(n + kind * 3) % SCALES];
            array row = row_of(&random, kind, arrays_size(n), n % ARRAYS_OFFSETS, scale);
            kdi_scores s = scores_of(&row, scale);
            exps_case(kern, &s, row.count, kind);
            array_free(&row);
        }
    }
}

static void exps_at_every_scale(const kdi_kernels *kern)
{
    uint64_t random = 2;
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t n = 0; n < SCALES; n++) {
            array row = row_of(&random, kind, 300, n, scales[n]);
            kdi_scores s = scores_of(&row, scales[n]);
            exps_case(kern, &s, row.count, kind);
            array_free(&row);
        }
    }
}

/* The largest at each place, and twice, and three times. */
static void one_largest_is_left_out(const kdi_kernels *kern)
{
    uint64_t random = 3;
    for (size_t k = 1; k <= 70; k++) {
        array row = array_random(&random, k, k % 5, 1.0);
        for (size_t i = 0; i < k; i++) {
            float before[] = {row.x[i], row.x[k / 2], row.x[k - 1]};
            row.x[i] = 60.0f; /* the rest is small: a 1 would drown it */
            for (size_t more = 0; more < 3; more++) {
                row.x[more == 0 ? i : more == 1 ? k / 2 : k - 1] = 60.0f;
                kdi_scores s = scores_of(&row, 1.0);
                kdi_sums got;
                kern->exps_f32(&s, k, NULL, &got);
                sums_match("rest", &s, k, &got);
            }
            row.x[k - 1] = before[2];
            row.x[k / 2] = before[1];
            row.x[i] = before[0];
        }
        array_free(&row);
    }
}

/* e over all exponents, in steps of a float or so. */
static void e_is_exact_at_every_depth(const kdi_kernels *kern)
{
    enum { K = 200000 };
    array row = array_marked(K, 0), e = array_marked(K, 0);
    double worst = 0.0;
    for (size_t n = 0; n < 6; n++) {
        static const float tops[] = {0.0f, 0.7f, -130.0f, 33.3f, 1e5f, 690.0f};
        static const double depths[] = {1.0, 88.0, 104.0, 88.0, 88.0, 0.001};
        kdi_sums got;
        for (size_t i = 0; i < K; i++) {
            row.x[i] = (float)((double)tops[n] - depths[n] * (double)i / K);
        }
        kdi_scores s = scores_of(&row, 1.0);
        LEVEL_QUIET(kern->exps_f32(&s, K, e.x, &got));
        weights_match("e", &s, K, e.x);
        sums_match("rest", &s, K, &got);
        for (size_t i = 0; i < K; i++) {
            double want = exp(a_of(&s, i));
            if (want >= (double)FLT_MIN) {
                worst = fmax(worst, fabs((double)e.x[i] - want) / arrays_ulp(want));
            }
        }
    }
    print_message("%s: e within %.2f ulp\n", kern->name, worst);
    array_free(&row);
    array_free(&e);
}

/* ---- compare ---- */

static void pair_matches(const kdi_scores *q, const kdi_scores *p, size_t k, const kdi_pair *got)
{
    double gap = 0.0, size = 0.0, lost = 0.0;
    for (size_t i = 0; i < k; i++) {
        double ap = a_of(p, i), aq = a_of(q, i), e = exp(ap);
        gap += e > 0.0 ? e * (ap - aq) : 0.0;
        size += e > 0.0 ? e * (fabs(ap) + fabs(aq)) : 0.0;
        lost += e > 0.0 && e < (double)FLT_MIN ? e * (fabs(ap) + fabs(aq)) : 0.0;
    }
    arrays_near("gap", k, got->gap, gap, 1e-6 * size + lost + denormal(k, q->scale));
    sums_match("rest of q", q, k, &got->q);
    sums_match("rest of p", p, k, &got->p);
}

/* Wanted or not, beside or in place: the same bits. */
static void compare_case(const kdi_kernels *kern, const kdi_scores *q, const kdi_scores *p,
                         size_t k, size_t offset)
{
    array eq = array_marked(k, offset), ep = array_marked(k, offset / 2);
    kdi_pair got, other;
    LEVEL_QUIET(assert_int_equal(kern->compare_f32(q, p, k, eq.x, ep.x, &got), k));
    weights_match("eq", q, k, eq.x);
    weights_match("ep", p, k, ep.x);
    pair_matches(q, p, k, &got);
    kern->compare_f32(q, p, k, NULL, NULL, &other);
    assert_memory_equal(&got, &other, sizeof got);
    array xq = array_marked(k, 3), xp = array_marked(k, offset);
    memcpy(xq.x, q->x, k * sizeof *xq.x);
    memcpy(xp.x, p->x, k * sizeof *xp.x);
    kdi_scores own_q = {xq.x, q->max, q->scale}, own_p = {xp.x, p->max, p->scale};
    kern->compare_f32(&own_q, &own_p, k, xq.x, xp.x, &other);
    assert_memory_equal(&got, &other, sizeof got);
    assert_memory_equal(xq.x, eq.x, k * sizeof *xq.x);
    assert_memory_equal(xp.x, ep.x, k * sizeof *xp.x);
    array_free(&xq);
    array_free(&xp);
    array_free(&eq);
    array_free(&ep);
}

static void compare(const kdi_kernels *kern)
{
    uint64_t random = 4;
    for (size_t n = 0; arrays_size(n); n++) {
        for (size_t kind = 0; kind < KINDS * 4; kind++) {
            size_t k = arrays_size(n), kind_q = (kind * 5 + n) % KINDS;
            double scale = scales[(n + kind) % SCALES];
            double other = kind % 5 ? scale : scales[(n * 3 + kind) % SCALES];
            array xq = row_of(&random, kind_q == 8 ? 0 : kind_q, k, n % ARRAYS_OFFSETS, scale);
            array xp = row_of(&random, kind % KINDS, k, kind % ARRAYS_OFFSETS, other);
            kdi_scores q = scores_of(&xq, scale), p = scores_of(&xp, other);
            compare_case(kern, &q, &p, k, kind % ARRAYS_OFFSETS);
            array_free(&xq);
            array_free(&xp);
        }
    }
}

/* Rows as long as vocabularies: the sums keep their digits, whatever the weights. */
static void long_rows(const kdi_kernels *kern)
{
    uint64_t random = 5;
    static const size_t sizes[] = {1000, 14000, 128000, 128257};
    for (size_t n = 0; n < 4; n++) {
        for (size_t kind = 0; kind < KINDS; kind++) {
            array xq = row_of(&random, kind == 8 ? 0 : kind, sizes[n], n, 1.0);
            array xp = row_of(&random, kind == 8 ? 8 : 0, sizes[n], kind, 1.0);
            xp.x[n] = kind == 1 ? 13.0f : xp.x[n];
            for (size_t i = 0; kind == 1 && i < sizes[n]; i++) {
                xp.x[i] = i == n ? 13.0f : 11.7f; /* all others equal: rounding has one direction */
            }
            kdi_scores q = scores_of(&xq, 0.7), p = scores_of(&xp, 0.7);
            compare_case(kern, &q, &p, sizes[n], kind);
            array_free(&xq);
            array_free(&xp);
        }
    }
}

static void equal_rows_have_no_gap(const kdi_kernels *kern)
{
    uint64_t random = 6;
    for (size_t k = 1; k < 600; k += 7) {
        array x = row_of(&random, k % 3, k, k % 7, 1.0);
        kdi_scores s = scores_of(&x, 0.3);
        kdi_pair got;
        kern->compare_f32(&s, &s, k, NULL, NULL, &got);
        arrays_near("gap", k, got.gap, 0.0, 0.0);
        array_free(&x);
    }
}

/* ---- given probabilities ---- */

enum { GIVEN_KINDS = 6 };

/* Rows of probabilities: soft, one-hot, with zeros, nearly one-hot, denormal, uniform. */
static array given_of(uint64_t *random, size_t kind, size_t k, size_t offset)
{
    array p = array_marked(k, offset);
    double sum = 0.0;
    for (size_t i = 0; i < k; i++) {
        double weight = exp((double)arrays_value(random, 5.0));
        bool zero = kind == 1 || (kind == 2 && arrays_next(random) % 2);
        weight = zero ? 0.0 : kind == 3 ? weight * 1e-9 : kind == 4 ? weight * 1e-41 : weight;
        weight = kind == 5 ? 1.0 : weight;
        weight += i == k / 3 && kind > 0 && kind < 5 ? 1.0 : 0.0;
        p.x[i] = (float)weight;
        sum += weight;
    }
    for (size_t i = 0; i < k; i++) {
        p.x[i] = (float)((double)p.x[i] / sum);
    }
    return p;
}

static void given_matches(const kdi_scores *q, const array *p, const kdi_given *got)
{
    double mass = 0.0, entropy = 0.0, cross = 0.0;
    float least = INFINITY;
    for (size_t i = 0; i < p->count; i++) {
        double given = (double)p->x[i];
        mass += given;
        entropy -= given > 0.0 ? given * log(given) : 0.0;
        cross += given > 0.0 ? given * -a_of(q, i) : 0.0;
        least = p->x[i] < least ? p->x[i] : least;
    }
    arrays_near("mass", p->count, got->mass, mass, 1e-6 * mass + denormal(p->count, 1.0));
    arrays_near("entropy", p->count, got->entropy, entropy,
                1e-6 * fabs(entropy) + 100.0 * denormal(p->count, 1.0));
    arrays_near("cross", p->count, got->cross, cross, 1e-6 * cross + denormal(p->count, q->scale));
    arrays_equal("least", p->count, got->least, least);
    sums_match("rest of q", q, p->count, &got->q);
}

static void compare_given(const kdi_kernels *kern)
{
    uint64_t random = 7;
    for (size_t n = 0; arrays_size(n); n++) {
        for (size_t kind = 0; kind < GIVEN_KINDS * 3; kind++) {
            size_t k = n == 137 ? 128000 : arrays_size(n), kind_q = (kind + n) % KINDS;
            double scale = scales[(n + kind) % SCALES];
            array xq = row_of(&random, kind_q == 8 ? 0 : kind_q, k, n % ARRAYS_OFFSETS, scale);
            array p = given_of(&random, kind % GIVEN_KINDS, k, kind);
            array e = array_marked(k, 1);
            kdi_scores q = scores_of(&xq, scale);
            kdi_given got, other;
            LEVEL_QUIET(assert_int_equal(kern->compare_given_f32(&q, p.x, k, e.x, &got), k));
            weights_match("eq", &q, k, e.x);
            given_matches(&q, &p, &got);
            kern->compare_given_f32(&q, p.x, k, xq.x, &other);
            assert_memory_equal(xq.x, e.x, k * sizeof *e.x);
            assert_true(got.mass <= other.mass && got.cross <= other.cross);
            array_free(&xq);
            array_free(&p);
            array_free(&e);
        }
    }
}

static void what_is_no_probability_shows(const kdi_kernels *kern)
{
    uint64_t random = 8;
    for (size_t k = 1; k < 70; k++) {
        array x = array_random(&random, k, 0, 1.0), p = given_of(&random, 0, k, 0);
        kdi_scores q = scores_of(&x, 1.0);
        kdi_given got;
        for (size_t i = 0; i < k; i++) {
            static const float bad[] = {NAN, INFINITY, -0.5f, -INFINITY, -1e-45f};
            float before = p.x[i];
            for (size_t n = 0; n < 5; n++) {
                p.x[i] = bad[n];
                kern->compare_given_f32(&q, p.x, k, NULL, &got);
                assert_true(n < 2 ? !isfinite(got.mass) : got.least < 0.0f);
            }
            p.x[i] = before;
        }
        array_free(&x);
        array_free(&p);
    }
}

/* ---- benchmark ---- */

static void bench(const kdi_kernels *kern)
{
    uint64_t random = 9;
    for (size_t n = 0; n < BENCH_SIZES; n++) {
        size_t k = bench_sizes[n];
        array xq = array_random(&random, k, 0, 10.0), xp = array_random(&random, k, 0, 10.0);
        array eq = array_marked(k, 0), ep = array_marked(k, 0), p = given_of(&random, 0, k, 0);
        kdi_scores q = scores_of(&xq, 0.25), s = scores_of(&xp, 0.25);
        kdi_sums one;
        kdi_pair two;
        kdi_given three;
        BENCH_ELEMENTS(kern, "exps", k, kern->exps_f32(&q, k, eq.x, &one));
        BENCH_ELEMENTS(kern, "exps, sums only", k, kern->exps_f32(&q, k, NULL, &one));
        BENCH_ELEMENTS(kern, "compare", k, kern->compare_f32(&q, &s, k, eq.x, ep.x, &two));
        BENCH_ELEMENTS(kern, "compare, sums only", k,
                       kern->compare_f32(&q, &s, k, NULL, NULL, &two));
        BENCH_ELEMENTS(kern, "compare_given", k, kern->compare_given_f32(&q, p.x, k, eq.x, &three));
        array_free(&xq);
        array_free(&xp);
        array_free(&eq);
        array_free(&ep);
        array_free(&p);
    }
}

int main(int argc, char **argv)
{
    const level_test tests[] = {
        LEVEL_TEST(exps),
        LEVEL_TEST(exps_at_every_scale),
        LEVEL_TEST(one_largest_is_left_out),
        LEVEL_TEST(e_is_exact_at_every_depth),
        LEVEL_TEST(compare),
        LEVEL_TEST(long_rows),
        LEVEL_TEST(equal_rows_have_no_gap),
        LEVEL_TEST(compare_given),
        LEVEL_TEST(what_is_no_probability_shows),
    };
    return levels_main(tests, sizeof tests / sizeof *tests, bench, argc, argv);
}
