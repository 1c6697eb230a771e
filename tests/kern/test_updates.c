/* SPDX-License-Identifier: MIT */
/* Kernels on flat arrays: checks, norms and updates, held against the formulas of kd/optim.h. */
#include "arrays.h"

static void the_largest_magnitude_is_found(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (size_t s = 0; s < ARRAYS_SIZES; s++) {
        size_t count = arrays_sizes[s];
        float *x = arrays_random(&random, count, 1.0), max = -1.0f;
        assert_true(kdi_kern()->absmax_f32(x, count, &max));
        float want = 0.0f;
        for (size_t i = 0; i < count; i++) {
            want = fmaxf(want, fabsf(x[i]));
        }
        arrays_equal("absmax", s, max, want);
        static const float bad[] = {NAN, INFINITY, -INFINITY};
        for (size_t i = 0; i < count; i++) {
            float before = x[i];
            x[i] = i % 2 ? 2.0f : -2.0f;
            assert_true(kdi_kern()->absmax_f32(x, count, &max));
            arrays_equal("absmax", i, max, 2.0f);
            x[i] = bad[i % 3];
            assert_false(kdi_kern()->absmax_f32(x, count, &max));
            x[i] = before;
        }
        free(x);
    }
}

static void squares_are_summed_and_arrays_scaled(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (size_t s = 0; s < ARRAYS_SIZES; s++) {
        size_t count = arrays_sizes[s];
        float *x = arrays_random(&random, count, 1e20); /* x^2 is no float */
        float *before = arrays_copy(x, count);
        double want = 0.0;
        for (size_t i = 0; i < count; i++) {
            want += (double)x[i] * (double)x[i];
        }
        arrays_near("sumsq", s, kdi_kern()->sumsq_f32(x, count), want, 1e-13 * want);
        kdi_kern()->scale_f32(x, count, 0.3f);
        for (size_t i = 0; i < count; i++) {
            arrays_equal("scale", i, x[i], before[i] * 0.3f);
        }
        arrays_guarded(x, count);
        free(x);
        free(before);
    }
}

/* Weights and their state in double, beside the float ones. */
enum { MOST = 1000 };
typedef struct twin {
    size_t count;
    float *w, *a, *s;
    double dw[MOST], da[MOST], ds[MOST];
} twin;

static twin twin_create(uint64_t *random, size_t count)
{
    twin t = {.count = count};
    assert_in_range(count, 0, MOST);
    t.w = arrays_random(random, count, 1.0);
    t.a = arrays_random(random, count, 0.0);
    t.s = arrays_random(random, count, 0.0);
    for (size_t i = 0; i < count; i++) {
        t.dw[i] = (double)t.w[i];
    }
    return t;
}

static void twin_compare(const char *what, const twin *t, double tolerance)
{
    for (size_t i = 0; i < t->count; i++) {
        arrays_near(what, i, (double)t->w[i], t->dw[i], tolerance);
    }
    arrays_guarded(t->w, t->count);
    arrays_guarded(t->a, t->count);
    arrays_guarded(t->s, t->count);
}

static void twin_destroy(twin *t)
{
    free(t->w);
    free(t->a);
    free(t->s);
}

/* m = mu m + g;  w -= r m, or r (g + mu m) for Nesterov. */
static void sgd_in_double(const kdi_sgd *step, twin *t, const float *g)
{
    for (size_t i = 0; i < t->count; i++) {
        double gradient = step->scale * (double)g[i] + step->decay * t->dw[i];
        t->da[i] = step->momentum * t->da[i] + gradient;
        t->dw[i] -= step->rate * (step->nesterov ? gradient + step->momentum * t->da[i] : t->da[i]);
    }
}

static void sgd_is_pytorchs(void **state)
{
    (void)state;
    uint64_t random = 3;
    static const kdi_sgd kinds[] = {
        {.rate = 0.1, .scale = 1.0},
        {.rate = 0.1, .scale = 0.25, .decay = 0.01},
        {.rate = 0.05, .momentum = 0.9, .scale = 1.0},
        {.rate = 0.05, .momentum = 0.9, .scale = 0.5, .decay = 0.01},
        {.rate = 0.05, .momentum = 0.9, .scale = 1.0, .decay = 0.01, .nesterov = true},
    };
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        for (size_t s = 0; s < ARRAYS_SIZES; s++) {
            twin t = twin_create(&random, arrays_sizes[s]);
            for (int step = 0; step < 10; step++) {
                float *g = arrays_random(&random, t.count, 1.0);
                bool plain = kind < 2; /* no memory for momentum */
                kdi_kern()->sgd_f32(&kinds[kind], t.w, plain ? NULL : t.a, g, t.count);
                sgd_in_double(&kinds[kind], &t, g);
                free(g);
            }
            twin_compare("sgd", &t, 2e-6);
            twin_destroy(&t);
        }
    }
}

static void adam_in_double(const kdi_adam *step, twin *t, const float *g)
{
    for (size_t i = 0; i < t->count; i++) {
        double gradient = step->scale * (double)g[i] + step->decay * t->dw[i];
        t->da[i] = step->beta1 * t->da[i] + (1.0 - step->beta1) * gradient;
        t->ds[i] = step->beta2 * t->ds[i] + (1.0 - step->beta2) * gradient * gradient;
        double length = sqrt(t->ds[i] / step->correction2) + step->epsilon;
        t->dw[i] = t->dw[i] * step->shrink - step->rate * (t->da[i] / step->correction1) / length;
    }
}

static void adam_is_kingmas(void **state)
{
    (void)state;
    uint64_t random = 4;
    for (int kind = 0; kind < 3; kind++) { /* plain, with decay (Adam), with shrinking (AdamW) */
        for (size_t s = 0; s < ARRAYS_SIZES; s++) {
            twin t = twin_create(&random, arrays_sizes[s]);
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
                float *g = arrays_random(&random, t.count, 1.0);
                kdi_kern()->adam_f32(&adam, t.w, t.a, t.s, g, t.count);
                adam_in_double(&adam, &t, g);
                free(g);
            }
            twin_compare("adam", &t, 1e-5);
            twin_destroy(&t);
        }
    }
}

static void adam_stands_still_without_gradient(void **state)
{
    (void)state;
    kdi_adam step = {.rate = 0.1,
                     .beta1 = 0.9,
                     .beta2 = 0.999,
                     .epsilon = 0.0,
                     .correction1 = 0.1,
                     .correction2 = 0.001,
                     .shrink = 1.0,
                     .scale = 1.0};
    float w[] = {1.0f, -2.0f}, a[2] = {0}, s[2] = {0}, g[2] = {0};
    kdi_kern()->adam_f32(&step, w, a, s, g, 2);
    arrays_equal("adam", 0, w[0], 1.0f); /* 0/0 is not a step */
    arrays_equal("adam", 1, w[1], -2.0f);
}

static double length_of(const float *x, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sqrt(sum);
}

static void long_rows_are_cut_to_the_limit(void **state)
{
    (void)state;
    uint64_t random = 5;
    for (size_t s = 1; s < ARRAYS_SIZES; s++) {
        size_t columns = arrays_sizes[s], rows = 9, cut = 0;
        float *w = arrays_random(&random, rows * columns, 1.0);
        for (size_t i = 0; i < rows * columns; i++) {
            w[i] *= (float)(i / columns); /* row 0 is zero, the last the longest */
        }
        float *before = arrays_copy(w, rows * columns);
        double limit = 0.5 * length_of(w + (rows - 1) * columns, columns);
        kdi_kern()->max_norm_f32(w, rows, columns, limit);
        for (size_t row = 0; row < rows; row++) {
            float *now = w + row * columns, *then = before + row * columns;
            double length = length_of(then, columns);
            double factor = length > limit ? limit / length : 1.0;
            cut += length > limit;
            for (size_t j = 0; j < columns; j++) {
                double want = (double)then[j] * factor;
                arrays_near("max_norm", j, (double)now[j], want, 3e-7 * fabs(want));
            }
            if (length <= limit) {
                assert_memory_equal(now, then, columns * sizeof *now);
            }
        }
        assert_in_range(cut, 1, rows - 1);
        arrays_guarded(w, rows * columns);
        free(w);
        free(before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_magnitude_is_found),
        cmocka_unit_test(squares_are_summed_and_arrays_scaled),
        cmocka_unit_test(sgd_is_pytorchs),
        cmocka_unit_test(adam_is_kingmas),
        cmocka_unit_test(adam_stands_still_without_gradient),
        cmocka_unit_test(long_rows_are_cut_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
