/* SPDX-License-Identifier: MIT */
/* Kernels on flat arrays: squares, scaling, and updates, held against the formulas of kd/optim.h
 * in double, and against the reference bit by bit. */
#include "levels.h"

static void squares_are_summed_and_arrays_scaled(const kdi_kernels *kern)
{
    uint64_t random = 2;
    for (size_t n = 0; n <= 138; n++) {
        static const double sizes[] = {1e20, 1.0, 1e-30}; /* x^2 is no float */
        size_t count = n ? arrays_size(n - 1) : 0;
        array x = array_random(&random, count, n % ARRAYS_OFFSETS, sizes[n % 3]);
        array before = array_copy(&x);
        double want = 0.0, got;
        for (size_t i = 0; i < count; i++) {
            want += (double)x.x[i] * (double)x.x[i];
        }
        LEVEL_QUIET(got = kern->sumsq_f32(x.x, count));
        arrays_near("sumsq", n, got, want, 1e-13 * want);
        LEVEL_QUIET(kern->scale_f32(x.x, count, 0.3f));
        for (size_t i = 0; i < count; i++) {
            arrays_equal("scale", i, x.x[i], before.x[i] * 0.3f);
        }
        array_free(&x);
        array_free(&before);
    }
}

/* ---- weights in three copies: the kernel's, the reference's, and in double ---- */

enum { MOST = 2049 };
typedef struct triple {
    size_t count;
    array w, a, s, ref_w, ref_a, ref_s;
    double dw[MOST], da[MOST], ds[MOST];
} triple;

static triple triple_create(uint64_t *random, size_t n)
{
    size_t count = n ? arrays_size(n - 1) : 0;
    triple t = {.count = count};
    t.w = array_random(random, count, n % ARRAYS_OFFSETS, 1.0);
    t.a = array_random(random, count, n % 5, 0.0);
    t.s = array_random(random, count, n % 3, 0.0);
    t.ref_w = array_copy(&t.w);
    t.ref_a = array_copy(&t.a);
    t.ref_s = array_copy(&t.s);
    for (size_t i = 0; i < count; i++) {
        t.dw[i] = (double)t.w.x[i];
    }
    return t;
}

static void triple_compare(const char *what, const triple *t, double tolerance)
{
    for (size_t i = 0; i < t->count; i++) {
        arrays_near(what, i, (double)t->w.x[i], t->dw[i], tolerance);
        arrays_equal(what, i, t->w.x[i], t->ref_w.x[i]);
        arrays_equal(what, i, t->a.x[i], t->ref_a.x[i]);
        arrays_equal(what, i, t->s.x[i], t->ref_s.x[i]);
    }
}

static void triple_destroy(triple *t)
{
    array_free(&t->w);
    array_free(&t->a);
    array_free(&t->s);
    array_free(&t->ref_w);
    array_free(&t->ref_a);
    array_free(&t->ref_s);
}

/* ---- sgd ---- */

/* m = mu m + g;  w -= r m, or r (g + mu m) for Nesterov. */
static void sgd_in_double(const kdi_sgd *step, triple *t, const float *g)
{
    for (size_t i = 0; i < t->count; i++) {
        double gradient = step->scale * (double)g[i] + step->decay * t->dw[i];
        t->da[i] = step->momentum * t->da[i] + gradient;
        t->dw[i] -= step->rate * (step->nesterov ? gradient + step->momentum * t->da[i] : t->da[i]);
    }
}

static void sgd_is_pytorchs(const kdi_kernels *kern)
{
    const kdi_kernels *ref = kdi_kern(KD_ISA_PORTABLE);
    uint64_t random = 3;
    static const kdi_sgd kinds[] = {
        {.rate = 0.1, .scale = 1.0},
        {.rate = 0.1, .scale = 0.25, .decay = 0.01},
        {.rate = 0.05, .momentum = 0.9, .scale = 1.0},
        {.rate = 0.05, .momentum = 0.9, .scale = 0.5, .decay = 0.01},
        {.rate = 0.05, .momentum = 0.9, .scale = 1.0, .decay = 0.01, .nesterov = true},
    };
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        for (size_t n = 0; n <= 138; n++) {
            triple t = triple_create(&random, n);
            for (int step = 0; step < 10; step++) {
                array g = array_random(&random, t.count, n % 4, 1.0);
                bool plain = kind < 2; /* no memory for momentum */
                LEVEL_QUIET(kern->sgd_f32(&kinds[kind], t.w.x, plain ? NULL : t.a.x, g.x, t.count));
                ref->sgd_f32(&kinds[kind], t.ref_w.x, plain ? NULL : t.ref_a.x, g.x, t.count);
                sgd_in_double(&kinds[kind], &t, g.x);
                array_free(&g);
            }
            triple_compare("sgd", &t, 2e-6);
            triple_destroy(&t);
        }
    }
}

/* ---- adam ---- */

static void adam_in_double(const kdi_adam *step, triple *t, const float *g)
{
    for (size_t i = 0; i < t->count; i++) {
        double gradient = step->scale * (double)g[i] + step->decay * t->dw[i];
        t->da[i] = step->beta1 * t->da[i] + (1.0 - step->beta1) * gradient;
        t->ds[i] = step->beta2 * t->ds[i] + (1.0 - step->beta2) * gradient * gradient;
        double length = sqrt(t->ds[i] / step->correction2) + step->epsilon;
        t->dw[i] = t->dw[i] * step->shrink - step->rate * (t->da[i] / step->correction1) / length;
    }
}

static void adam_is_kingmas(const kdi_kernels *kern)
{
    const kdi_kernels *ref = kdi_kern(KD_ISA_PORTABLE);
    uint64_t random = 4;
    for (int kind = 0; kind < 3; kind++) { /* plain, with decay (Adam), with shrinking (AdamW) */
        for (size_t n = 0; n <= 138; n++) {
            triple t = triple_create(&random, n);
            for (int step = 1; step <= 10; step++) {
                kdi_adam adam = {.rate = 0.01,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .epsilon = 1e-8,
                                 .correction1 = 1.0 - pow(0.9, step),
                                 .correction2 = 1.0 - pow(0.999, step),
                                 .decay = kind == 1 ? 0.1 : 0.0,
                                 .shrink = kind == 2 ? 1.0 - 0.01 * 0.1 : 1.0,
                                 .scale = kind == 0 ? 0.5 : 1.0};
                array g = array_random(&random, t.count, n % 4, 1.0);
                LEVEL_QUIET(kern->adam_f32(&adam, t.w.x, t.a.x, t.s.x, g.x, t.count));
                ref->adam_f32(&adam, t.ref_w.x, t.ref_a.x, t.ref_s.x, g.x, t.count);
                adam_in_double(&adam, &t, g.x);
                array_free(&g);
            }
            triple_compare("adam", &t, 1e-5);
            triple_destroy(&t);
        }
    }
}

static void adam_stands_still_without_gradient(const kdi_kernels *kern)
{
    enum { COUNT = 40 };
    kdi_adam step = {.rate = 0.1,
                     .beta1 = 0.9,
                     .beta2 = 0.999,
                     .epsilon = 0.0,
                     .correction1 = 0.1,
                     .correction2 = 0.001,
                     .shrink = 1.0,
                     .scale = 1.0};
    float w[COUNT], a[COUNT] = {0}, s[COUNT] = {0}, g[COUNT] = {0};
    for (size_t i = 0; i < COUNT; i++) {
        w[i] = (float)i - 7.0f;
    }
    LEVEL_QUIET(kern->adam_f32(&step, w, a, s, g, COUNT)); /* 0/0 is not a step */
    for (size_t i = 0; i < COUNT; i++) {
        arrays_equal("adam", i, w[i], (float)i - 7.0f);
    }
}

/* ---- benchmark ---- */

static void bench(const kdi_kernels *kern)
{
    uint64_t random = 9;
    for (size_t n = 0; n < BENCH_SIZES; n++) {
        size_t k = bench_sizes[n];
        array w = array_random(&random, k, 0, 1.0), g = array_random(&random, k, 0, 1.0);
        array a = array_random(&random, k, 0, 0.0), s = array_random(&random, k, 0, 0.0);
        kdi_sgd sgd = {.rate = 1e-9, .momentum = 0.9, .scale = 1.0};
        kdi_adam adam = {.rate = 1e-9,
                         .beta1 = 0.9,
                         .beta2 = 0.999,
                         .epsilon = 1e-8,
                         .correction1 = 1.0,
                         .correction2 = 1.0,
                         .shrink = 1.0,
                         .scale = 1.0};
        BENCH_ELEMENTS(kern, "sumsq", k, (void)kern->sumsq_f32(w.x, k));
        BENCH_ELEMENTS(kern, "scale", k, kern->scale_f32(w.x, k, 1.0f));
        BENCH_ELEMENTS(kern, "sgd", k, kern->sgd_f32(&sgd, w.x, NULL, g.x, k));
        BENCH_ELEMENTS(kern, "sgd, momentum", k, kern->sgd_f32(&sgd, w.x, a.x, g.x, k));
        BENCH_ELEMENTS(kern, "adam", k, kern->adam_f32(&adam, w.x, a.x, s.x, g.x, k));
        array_free(&w);
        array_free(&g);
        array_free(&a);
        array_free(&s);
    }
}

int main(int argc, char **argv)
{
    const level_test tests[] = {
        LEVEL_TEST(squares_are_summed_and_arrays_scaled),
        LEVEL_TEST(sgd_is_pytorchs),
        LEVEL_TEST(adam_is_kingmas),
        LEVEL_TEST(adam_stands_still_without_gradient),
    };
    return levels_main(tests, sizeof tests / sizeof *tests, bench, argc, argv);
}
