/* SPDX-License-Identifier: MIT */
/* Products of few rows, held against plain loops in double; the benchmark also asks the BLAS. */
#include "levels.h"

#include <cblas.h>
#include <float.h>

/* A matrix [rows,columns]; what lies between the rows is marked, too. */
typedef struct matrix {
    array a;
    size_t rows, columns, stride;
} matrix;

static matrix matrix_random(uint64_t *random, size_t rows, size_t columns, size_t stride,
                            size_t offset)
{
    matrix m = {array_random(random, rows * stride, offset, 1.0), rows, columns, stride};
    for (size_t i = 0; i < rows * stride; i++) {
        m.a.x[i] = i % stride < columns ? m.a.x[i] : ARRAYS_MARK;
    }
    return m;
}

static void matrix_free(matrix *m)
{
    for (size_t i = 0; i < m->rows * m->stride; i++) {
        if (i % m->stride >= m->columns) {
            arrays_equal("between the rows", i, m->a.x[i], ARRAYS_MARK);
        }
    }
    array_free(&m->a);
}

/* How far a sum of `count` float products may be off: `size` is the sum of their magnitudes. */
static double rounding(size_t count, double size)
{
    return ((double)count / 4.0 + 4.0) * (double)FLT_EPSILON / 2.0 * size;
}

/* ---- dots ---- */

static void dots_match(const matrix *x, const matrix *w, const matrix *y)
{
    for (size_t i = 0; i < x->rows; i++) {
        for (size_t j = 0; j < w->rows; j++) {
            double want = 0.0, size = 0.0;
            for (size_t c = 0; c < x->columns; c++) {
                double product =
                    (double)x->a.x[i * x->stride + c] * (double)w->a.x[j * w->stride + c];
                want += product;
                size += fabs(product);
            }
            arrays_near("dots", j, (double)y->a.x[i * y->stride + j], want,
                        rounding(x->columns, size));
        }
    }
}

static void dots_case(const kdi_kernels *kern, uint64_t *random, size_t n, size_t rows,
                      size_t columns, size_t more)
{
    matrix x = matrix_random(random, n, columns, columns + more, more);
    matrix w = matrix_random(random, rows, columns, columns, more * 3 % ARRAYS_OFFSETS);
    matrix y = matrix_random(random, n, rows, rows + more, 1);
    memset(y.a.x, 0xFF, rows * sizeof(float)); /* NaN: y is not read */
    LEVEL_QUIET(kern->dots_f32(x.a.x, n, x.stride, w.a.x, rows, columns, y.a.x, y.stride));
    dots_match(&x, &w, &y);
    matrix_free(&x);
    matrix_free(&w);
    matrix_free(&y);
}

static void rows_are_multiplied(const kdi_kernels *kern)
{
    uint64_t random = 1;
    for (size_t columns = 1; columns <= 130; columns++) {
        for (size_t n = 1; n <= 9; n++) {
            dots_case(kern, &random, n, 1 + (columns + n * 5) % 13, columns, (columns + n) % 5);
        }
    }
    for (size_t rows = 1; rows <= 30; rows++) {
        dots_case(kern, &random, rows % 4 + 1, rows, 784, rows % 2);
    }
    dots_case(kern, &random, 33, 10, 800, 3);
    dots_case(kern, &random, 3, 1000, 1000, 0);
    dots_case(kern, &random, 2, 5, 14000, 0);
}

/* A row's product has the same bits whoever its neighbours are, in x and in w. */
static void a_product_depends_on_its_rows_alone(const kdi_kernels *kern)
{
    enum { N = 7, ROWS = 11, COLUMNS = 100 };
    uint64_t random = 2;
    matrix x = matrix_random(&random, N, COLUMNS, COLUMNS, 0);
    matrix w = matrix_random(&random, ROWS, COLUMNS, COLUMNS, 0);
    float all[N * ROWS], some[N * ROWS];
    kern->dots_f32(x.a.x, N, COLUMNS, w.a.x, ROWS, COLUMNS, all, ROWS);
    for (size_t first = 0; first < N; first++) {
        for (size_t count = 1; first + count <= N; count++) {
            kern->dots_f32(x.a.x + first * COLUMNS, count, COLUMNS, w.a.x, ROWS, COLUMNS, some,
                           ROWS);
            assert_memory_equal(some, all + first * ROWS, count * ROWS * sizeof *all);
        }
    }
    for (size_t j = 0; j < ROWS; j++) {
        kern->dots_f32(x.a.x, 1, COLUMNS, w.a.x + j * COLUMNS, 1, COLUMNS, some, 1);
        arrays_equal("dots", j, some[0], all[j]);
    }
    matrix_free(&x);
    matrix_free(&w);
}

/* ---- sum_rows ---- */

static void sum_rows_case(const kdi_kernels *kern, uint64_t *random, size_t rows, size_t columns,
                          size_t more)
{
    matrix w = matrix_random(random, rows, columns, columns + more, more);
    array d = array_random(random, rows, more, 1.0), out = array_marked(columns, more * 2);
    memset(out.x, 0xFF, columns * sizeof *out.x); /* not read */
    LEVEL_QUIET(kern->sum_rows_f32(d.x, w.a.x, rows, columns, w.stride, out.x));
    for (size_t c = 0; c < columns; c++) {
        double want = 0.0, size = 0.0;
        for (size_t j = 0; j < rows; j++) {
            double product = (double)d.x[j] * (double)w.a.x[j * w.stride + c];
            want += product;
            size += fabs(product);
        }
        arrays_near("sum_rows", c, (double)out.x[c], want, rounding(rows, size));
    }
    matrix_free(&w);
    array_free(&d);
    array_free(&out);
}

static void rows_are_summed(const kdi_kernels *kern)
{
    uint64_t random = 3;
    for (size_t columns = 1; columns <= 130; columns++) {
        for (size_t rows = 0; rows <= 10; rows++) {
            sum_rows_case(kern, &random, rows, columns, (columns + rows) % 8);
        }
    }
    sum_rows_case(kern, &random, 800, 784, 0);
    sum_rows_case(kern, &random, 1201, 30, 7);
}

/* ---- axpby ---- */

static void axpby_adds(const kdi_kernels *kern)
{
    uint64_t random = 4;
    static const float betas[] = {0.0f, 1.0f, -0.3f};
    for (size_t n = 0; arrays_size(n); n++) {
        for (size_t b = 0; b < 3; b++) {
            size_t count = arrays_size(n);
            array x = array_random(&random, count, n % ARRAYS_OFFSETS, 1.0);
            array y = array_random(&random, count, b, 1.0), before = array_copy(&y);
            if (b == 0) {
                memset(y.x, 0xFF, count * sizeof *y.x); /* NaN: not read */
            }
            LEVEL_QUIET(kern->axpby_f32(0.7f, x.x, betas[b], y.x, count));
            for (size_t i = 0; i < count; i++) {
                double old = b == 0 ? 0.0 : (double)betas[b] * (double)before.x[i];
                double new = (double)0.7f * (double)x.x[i];
                arrays_near("axpby", i, (double)y.x[i], old + new,
                            2.0 * arrays_ulp(fmax(fabs(old), fabs(new))));
            }
            array_free(&x);
            array_free(&y);
            array_free(&before);
        }
    }
    kern->axpby_f32(1.0f, NULL, 0.0f, NULL, 0);
}

/* ---- benchmark ---- */

/* What one call takes, and what the BLAS takes for it: columns are in, rows are out. */
static void bench_dots(const kdi_kernels *kern, size_t in, size_t out)
{
    uint64_t random = 9;
    matrix w = matrix_random(&random, out, in, in, 0);
    matrix x = matrix_random(&random, 64, in, in, 0), y = matrix_random(&random, 64, out, out, 0);
    static const size_t counts[] = {1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        size_t n = counts[i];
        double ns, gemv = 0.0, gemm;
        BENCH(ns, kern->dots_f32(x.a.x, n, in, w.a.x, out, in, y.a.x, out));
        if (n == 1) {
            BENCH(gemv, cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)out, (int)in, 1.0f, w.a.x,
                                    (int)in, x.a.x, 1, 0.0f, y.a.x, 1));
        }
        BENCH(gemm, cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)out, (int)in,
                                1.0f, x.a.x, (int)in, w.a.x, (int)in, 0.0f, y.a.x, (int)out));
        double work = 2.0 * (double)(n * in * out);
        printf("%-8s  dots %4zu -> %4zu, n = %2zu  %10.1f ns  %6.1f GFLOP/s  %6.1f GB/s",
               kern->name, in, out, n, ns, work / ns, 4.0 * (double)(in * out) / ns);
        printf("   gemm %10.1f ns", gemm);
        printf(n == 1 ? "   gemv %10.1f ns\n" : "\n", gemv);
    }
    matrix_free(&w);
    matrix_free(&x);
    matrix_free(&y);
}

static void bench(const kdi_kernels *kern)
{
    static const size_t shapes[][2] = {{784, 800}, {800, 800}, {784, 1200},
                                       {784, 30},  {30, 30},   {800, 10}};
    for (size_t i = 0; i < 6; i++) {
        bench_dots(kern, shapes[i][0], shapes[i][1]);
    }
    uint64_t random = 9;
    for (size_t i = 0; i < 6; i++) {
        size_t in = shapes[i][0], out = shapes[i][1];
        matrix w = matrix_random(&random, out, in, in, 0);
        array d = array_random(&random, out, 0, 1.0), sum = array_marked(in, 0);
        double gemv;
        char name[40];
        (void)snprintf(name, sizeof name, "sum_rows %zu -> %zu", in, out);
        BENCH_ELEMENTS(kern, name, in * out, kern->sum_rows_f32(d.x, w.a.x, out, in, in, sum.x));
        BENCH(gemv, cblas_sgemv(CblasRowMajor, CblasTrans, (int)out, (int)in, 1.0f, w.a.x, (int)in,
                                d.x, 1, 0.0f, sum.x, 1));
        printf("%-8s  gemv for it %10.1f ns\n", kern->name, gemv);
        matrix_free(&w);
        array_free(&d);
        array_free(&sum);
    }
    for (size_t n = 0; n < BENCH_SIZES; n++) {
        array x = array_random(&random, bench_sizes[n], 0, 1.0), y = array_copy(&x);
        BENCH_ELEMENTS(kern, "axpby", x.count, kern->axpby_f32(0.5f, x.x, 0.5f, y.x, x.count));
        array_free(&x);
        array_free(&y);
    }
}

int main(int argc, char **argv)
{
    const level_test tests[] = {
        LEVEL_TEST(rows_are_multiplied),
        LEVEL_TEST(a_product_depends_on_its_rows_alone),
        LEVEL_TEST(rows_are_summed),
        LEVEL_TEST(axpby_adds),
    };
    return levels_main(tests, sizeof tests / sizeof *tests, bench, argc, argv);
}
