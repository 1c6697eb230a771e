/* SPDX-License-Identifier: MIT */
/* Products of any shape, held against a plain loop in double; the benchmark also asks the BLAS. */
#include "levels.h"

#include <cblas.h>
#include <float.h>

/* One product with memory of its own; the rows of b and c have marks between them. */
typedef struct shape {
    size_t rows, columns, depth;
    bool across; /* a step of the sum is a row of a, not a column */
    float beta;
    size_t more; /* floats between rows, and an offset */
} shape;

typedef struct bench {
    array a, b, c, before;
    kdi_product p;
} bench;

static void open_bench(bench *t, uint64_t *random, const shape *s)
{
    size_t b_stride = s->columns + s->more;
    size_t c_stride = s->columns + 2 * s->more;
    t->a = array_random(random, s->rows * s->depth, s->more, 1.0);
    t->b = array_random(random, s->depth * b_stride, s->more, 1.0);
    t->c = array_random(random, s->rows * c_stride, 3 * s->more % ARRAYS_OFFSETS, 1.0);
    for (size_t i = 0; s->beta == 0.0f && i < s->rows * c_stride; i++) {
        t->c.x[i] = NAN; /* c is not read */
    }
    t->before = array_copy(&t->c);
    t->p = (kdi_product){
        .rows = s->rows,
        .columns = s->columns,
        .depth = s->depth,
        .a = t->a.x,
        .a_row = s->across ? 1 : s->depth,
        .a_step = s->across ? s->rows : 1,
        .b = t->b.x,
        .b_stride = b_stride,
        .beta = s->beta,
        .c = t->c.x,
        .c_stride = c_stride,
    };
}

static void check_element(const bench *t, size_t i, size_t j)
{
    const kdi_product *p = &t->p;
    double before = (double)t->before.x[i * p->c_stride + j];
    double want = p->beta == 0.0f ? 0.0 : (double)p->beta * before;
    double size = fabs(want);
    for (size_t k = 0; k < p->depth; k++) {
        double product =
            (double)p->a[i * p->a_row + k * p->a_step] * (double)p->b[k * p->b_stride + j];
        want += product;
        size += fabs(product);
    }
    double noise = ((double)p->depth / 2.0 + 4.0) * (double)FLT_EPSILON / 2.0 * size;
    arrays_near("product", i * p->columns + j, (double)p->c[i * p->c_stride + j], want, noise);
}

static void check(const kdi_kernels *kern, uint64_t *random, const shape *s)
{
    bench t;
    open_bench(&t, random, s);
    LEVEL_QUIET(kern->product_f32(&t.p));
    for (size_t i = 0; i < s->rows; i++) {
        for (size_t j = 0; j < t.p.c_stride; j++) {
            size_t at = i * t.p.c_stride + j;
            if (j < s->columns) {
                check_element(&t, i, j);
            } else {
                arrays_equal("between the rows", at, t.c.x[at], t.before.x[at]);
            }
        }
    }
    array_free(&t.a);
    array_free(&t.b);
    array_free(&t.c);
    array_free(&t.before);
}

static void products_of_every_shape(const kdi_kernels *kern)
{
    uint64_t random = 1;
    for (size_t columns = 1; columns <= 130; columns++) {
        for (size_t rows = 1; rows <= 15; rows++) {
            shape s = {rows, columns, 1 + (rows * 7 + columns) % 20, rows % 2, 0, columns % 5};
            check(kern, &random, &s);
            s.beta = 0.9f;
            s.across = !s.across;
            check(kern, &random, &s);
        }
    }
}

/* Rows come in strips where sums are short, and all at once where they are long. */
static void products_with_long_sums(const kdi_kernels *kern)
{
    uint64_t random = 2;
    static const size_t depths[] = {191, 192, 193, 1000};
    for (size_t i = 0; i < 4; i++) {
        for (size_t rows = 20; rows <= 52; rows += 4) {
            shape s = {rows, 70, depths[i], rows % 8 == 0, i % 2 ? 1.0f : 0.0f, i};
            check(kern, &random, &s);
        }
    }
}

/* Whatever else is computed beside it, an element has the same bits. */
static void an_element_depends_on_its_own_operands(const kdi_kernels *kern)
{
    uint64_t random = 3;
    bench t;
    open_bench(&t, &random, &(shape){30, 100, 50, true, 0.5f, 1});
    kern->product_f32(&t.p);
    for (size_t i = 0; i < 30; i += 7) {
        for (size_t j = 0; j < 100; j += 9) {
            float one = t.before.x[i * t.p.c_stride + j];
            kdi_product p = t.p;
            p.rows = 1;
            p.columns = 1;
            p.a += i;
            p.b += j;
            p.c = &one;
            kern->product_f32(&p);
            arrays_equal("alone", i, one, t.c.x[i * t.p.c_stride + j]);
        }
    }
    array_free(&t.a);
    array_free(&t.b);
    array_free(&t.c);
    array_free(&t.before);
}

static void measure(const kdi_kernels *kern)
{
    static const size_t sizes[][3] = {{128, 400, 800},  {128, 800, 10},  {400, 784, 128},
                                      {30, 784, 32},    {30, 30, 32},    {32, 400, 800},
                                      {128, 304, 1200}, {256, 432, 2560}};
    uint64_t random = 4;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        double own[BENCH_ROUNDS], blas[BENCH_ROUNDS];
        bench t;
        open_bench(&t, &random,
                   &(shape){sizes[s][0], sizes[s][1], sizes[s][2], sizes[s][2] < 192, 0, 0});
        const kdi_product *p = &t.p;
        for (size_t i = 0; i < BENCH_ROUNDS; i++) {
            double start = bench_now();
            kern->product_f32(p);
            own[i] = bench_now() - start;
            start = bench_now();
            cblas_sgemm(CblasRowMajor, p->a_row == 1 ? CblasTrans : CblasNoTrans, CblasNoTrans,
                        (int)p->rows, (int)p->columns, (int)p->depth, 1, p->a,
                        (int)(p->a_row == 1 ? p->a_step : p->a_row), p->b, (int)p->b_stride, 0,
                        p->c, (int)p->c_stride);
            blas[i] = bench_now() - start;
        }
        qsort(own, BENCH_ROUNDS, sizeof *own, bench_order);
        qsort(blas, BENCH_ROUNDS, sizeof *blas, bench_order);
        double flops = 2.0 * (double)p->rows * (double)p->columns * (double)p->depth;
        print_message("%-9s product %4zu x %4zu, sums of %4zu  %7.1f GFLOP/s   gemm %7.1f\n",
                      kern->name, p->rows, p->columns, p->depth, flops / own[BENCH_ROUNDS / 2],
                      flops / blas[BENCH_ROUNDS / 2]);
        array_free(&t.a);
        array_free(&t.b);
        array_free(&t.c);
        array_free(&t.before);
    }
}

int main(int argc, char **argv)
{
    static const level_test tests[] = {
        LEVEL_TEST(products_of_every_shape),
        LEVEL_TEST(products_with_long_sums),
        LEVEL_TEST(an_element_depends_on_its_own_operands),
    };
    return levels_main(tests, sizeof tests / sizeof *tests, measure, argc, argv);
}
