/* SPDX-License-Identifier: MIT */
/* Kernels on activations and their deltas: bias, rectifier, sums of columns, largest. */
#include "levels.h"

/* Matrices [n,width] of every width, with a stride that differs at times. */
typedef struct shape {
    size_t n, width, stride, offset;
} shape;

static shape shape_of(size_t i)
{
    size_t width = arrays_size(i);
    return (shape){1 + i % 4, width, width + i % 3, i % ARRAYS_OFFSETS};
}

/* Between the rows stand marks. */
static array matrix(uint64_t *random, const shape *s)
{
    array a = array_random(random, s->n * s->stride, s->offset, 1.0);
    for (size_t i = 0; i < a.count; i++) {
        a.x[i] = i % s->stride < s->width ? a.x[i] : ARRAYS_MARK;
    }
    return a;
}

/* ---- bias and rectifier ---- */

static void bias_is_added_to_each_row(const kdi_kernels *kern)
{
    uint64_t random = 1;
    for (size_t k = 0; arrays_size(k); k++) {
        shape s = shape_of(k);
        array y = matrix(&random, &s), before = array_copy(&y);
        array bias = array_random(&random, s.width, k % 5, 1.0);
        LEVEL_QUIET(kern->bias_f32(y.x, s.n, s.width, s.stride, bias.x));
        for (size_t i = 0; i < y.count; i++) {
            size_t column = i % s.stride;
            float want = column < s.width ? before.x[i] + bias.x[column] : before.x[i];
            arrays_equal("bias", i, y.x[i], want);
        }
        array_free(&y);
        array_free(&before);
        array_free(&bias);
    }
}

static void relu_cuts_and_passes_nan(const kdi_kernels *kern)
{
    uint64_t random = 2;
    static const float special[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-45f, -1e-45f};
    for (size_t k = 0; arrays_size(k); k++) {
        shape s = shape_of(k), other = {s.n, s.width, s.width + k % 2, k % 7};
        array y = matrix(&random, &s), d = matrix(&random, &other);
        for (size_t i = k % 5; i < y.count; i += 5) {
            y.x[i] = i % s.stride < s.width ? special[i % 7] : y.x[i];
        }
        array x = array_copy(&y), gradient = array_copy(&d);
        kern->relu_f32(y.x, s.n, s.width, s.stride);
        kern->relu_grad_f32(y.x, s.stride, gradient.x, s.n, s.width, other.stride);
        for (size_t i = 0; i < y.count; i++) {
            bool within = i % s.stride < s.width;
            float want = within && x.x[i] <= 0.0f ? 0.0f : x.x[i];
            arrays_equal("relu", i, y.x[i], want);
        }
        for (size_t i = 0; i < d.count; i++) {
            size_t row = i / other.stride, column = i % other.stride;
            bool cut = column < s.width && y.x[row * s.stride + column] <= 0.0f;
            arrays_equal("relu_grad", i, gradient.x[i], cut ? 0.0f : d.x[i]);
        }
        array_free(&x);
        array_free(&y);
        array_free(&d);
        array_free(&gradient);
    }
}

/* ---- sums of columns ---- */

static void columns_are_summed(const kdi_kernels *kern)
{
    uint64_t random = 3;
    static const float betas[] = {0.0f, 1.0f, 0.5f};
    for (size_t k = 0; arrays_size(k); k++) {
        for (size_t b = 0; b < 3; b++) {
            shape s = shape_of(k);
            s.n = k % 7 ? s.n : 100;
            array d = matrix(&random, &s), out = array_random(&random, s.width, b, 1.0);
            array before = array_copy(&out);
            if (b == 0) {
                memset(out.x, 0xFF, s.width * sizeof *out.x); /* NaN: beta 0 must not read it */
            }
            LEVEL_QUIET(kern->colsum_f32(d.x, s.n, s.width, s.stride, betas[b], out.x));
            for (size_t j = 0; j < s.width; j++) {
                double want = b == 0 ? 0.0 : (double)betas[b] * (double)before.x[j];
                double size = fabs(want);
                for (size_t i = 0; i < s.n; i++) {
                    want += (double)d.x[i * s.stride + j];
                    size += fabs((double)d.x[i * s.stride + j]);
                }
                arrays_near("colsum", j, (double)out.x[j], want, 6e-8 * fabs(want) + 1e-14 * size);
            }
            array_free(&d);
            array_free(&out);
            array_free(&before);
        }
    }
}

/* ---- largest ---- */

static void the_largest_magnitude_is_found(const kdi_kernels *kern)
{
    uint64_t random = 4;
    for (size_t k = 0; arrays_size(k); k++) {
        shape s = shape_of(k);
        array x = matrix(&random, &s);
        float max = -1.0f, want = 0.0f;
        LEVEL_QUIET(assert_true(kern->absmax_f32(x.x, s.n, s.width, s.stride, &max)));
        for (size_t i = 0; i < x.count; i++) {
            want = i % s.stride < s.width ? fmaxf(want, fabsf(x.x[i])) : want;
        }
        arrays_equal("absmax", k, max, want);
        static const float bad[] = {NAN, INFINITY, -INFINITY};
        for (size_t i = 0; i < x.count; i++) {
            float before = x.x[i];
            bool within = i % s.stride < s.width;
            x.x[i] = i % 2 ? 2.0f : -2.0f;
            assert_true(kern->absmax_f32(x.x, s.n, s.width, s.stride, &max));
            arrays_equal("absmax", i, max, within ? 2.0f : want);
            x.x[i] = bad[i % 3];
            bool finite = kern->absmax_f32(x.x, s.n, s.width, s.stride, &max);
            assert_int_equal(finite, !within);
            x.x[i] = before;
        }
        array_free(&x);
    }
}

/* ---- benchmark ---- */

static void bench(const kdi_kernels *kern)
{
    uint64_t random = 9;
    for (size_t i = 0; i < BENCH_SIZES; i++) {
        size_t width = bench_sizes[i], n = width < 1000 ? 100 : 10, count = n * width;
        shape s = {n, width, width, 0};
        array y = matrix(&random, &s), d = matrix(&random, &s);
        array row = array_random(&random, width, 0, 1e-9);
        float max;
        printf("%zu rows of %zu\n", n, width);
        BENCH_ELEMENTS(kern, "bias", count, kern->bias_f32(y.x, n, width, width, row.x));
        BENCH_ELEMENTS(kern, "relu", count, kern->relu_f32(y.x, n, width, width));
        BENCH_ELEMENTS(kern, "relu_grad", count,
                       kern->relu_grad_f32(y.x, width, d.x, n, width, width));
        BENCH_ELEMENTS(kern, "colsum", count, kern->colsum_f32(d.x, n, width, width, 0.0f, row.x));
        BENCH_ELEMENTS(kern, "absmax", count, kern->absmax_f32(d.x, n, width, width, &max));
        array_free(&y);
        array_free(&d);
        array_free(&row);
    }
}

int main(int argc, char **argv)
{
    const level_test tests[] = {
        LEVEL_TEST(bias_is_added_to_each_row),
        LEVEL_TEST(relu_cuts_and_passes_nan),
        LEVEL_TEST(columns_are_summed),
        LEVEL_TEST(the_largest_magnitude_is_found),
    };
    return levels_main(tests, sizeof tests / sizeof *tests, bench, argc, argv);
}
