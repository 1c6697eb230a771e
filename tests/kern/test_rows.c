/* SPDX-License-Identifier: MIT */
/* Kernels on rows: range, find, logprob, weighted sums; held against plain loops in double. */
#include "levels.h"

/* ---- range and find ---- */

static void range_of(const kdi_kernels *kern, const array *row)
{
    float min, max, least = INFINITY, largest = -INFINITY;
    LEVEL_QUIET(assert_true(kern->range_f32(row->x, row->count, &min, &max)));
    for (size_t i = 0; i < row->count; i++) {
        least = row->x[i] < least ? row->x[i] : least;
        largest = row->x[i] > largest ? row->x[i] : largest;
    }
    arrays_equal("min", row->count, min, least);
    arrays_equal("max", row->count, max, largest);
}

static void the_range_is_found_anywhere(const kdi_kernels *kern)
{
    uint64_t random = 1;
    for (size_t n = 0; arrays_size(n); n++) {
        array row = array_random(&random, arrays_size(n), n % ARRAYS_OFFSETS, 1.0);
        for (size_t i = 0; i < row.count; i++) {
            static const float there[] = {2.0f, -2.0f, -INFINITY, 3e38f, -3e38f};
            float before = row.x[i], min, max;
            row.x[i] = there[i % 5];
            range_of(kern, &row);
            row.x[i] = i % 2 ? NAN : INFINITY;
            assert_false(kern->range_f32(row.x, row.count, &min, &max));
            row.x[i] = before;
        }
        range_of(kern, &row);
        array_free(&row);
    }
    float none[] = {-INFINITY, -INFINITY, -INFINITY}, min, max;
    assert_true(kern->range_f32(none, 3, &min, &max));
    arrays_equal("max", 0, max, -INFINITY);
    arrays_equal("min", 0, min, -INFINITY);
}

static void the_first_equal_one_is_found(const kdi_kernels *kern)
{
    uint64_t random = 2;
    for (size_t n = 0; arrays_size(n); n++) {
        size_t k = arrays_size(n);
        array row = array_random(&random, k, n % ARRAYS_OFFSETS, 1.0);
        assert_int_equal(kern->find_f32(row.x, k, 5.0f), k);
        assert_int_equal(kern->find_f32(row.x, k, ARRAYS_MARK), k);
        for (size_t i = k; i-- > 0;) {
            float before = row.x[i];
            row.x[i] = 5.0f;
            assert_int_equal(kern->find_f32(row.x, k, 5.0f), i);
            row.x[i] = i % 3 ? before : 5.0f; /* some stay behind the next one */
        }
        row.x[0] = NAN;
        assert_true(kern->find_f32(row.x, k, 5.0f) > 0);
        assert_int_equal(kern->find_f32(row.x, k, NAN), k);
        row.x[k - 1] = -INFINITY;
        assert_int_equal(kern->find_f32(row.x, k, -INFINITY), k - 1);
        row.x[0] = -0.0f;
        assert_int_equal(kern->find_f32(row.x, k, 0.0f), 0);
        array_free(&row);
    }
    assert_int_equal(kern->find_f32(NULL, 0, 0.0f), 0);
}

/* ---- logprob ---- */

static void logprob_is_rounded_once(const kdi_kernels *kern)
{
    uint64_t random = 3;
    for (size_t n = 0; arrays_size(n); n++) {
        static const double scales[] = {1e-6, 0.05, 1.0, 1e4};
        static const double sizes[] = {1.0, 1e25, 1e-40, 30.0};
        size_t k = arrays_size(n);
        array row = array_random(&random, k, n % ARRAYS_OFFSETS, sizes[n % 4]);
        array out = array_marked(k, n % 3);
        kdi_scores s = {row.x, (float)sizes[n % 4], scales[n / 4 % 4]};
        row.x[k / 2] = n % 2 ? row.x[k / 2] : -INFINITY;
        LEVEL_QUIET(kern->logprob_f32(&s, k, 2.75, out.x));
        for (size_t i = 0; i < k; i++) {
            double want = ((double)row.x[i] - (double)s.max) * s.scale - 2.75;
            arrays_equal("logprob", i, out.x[i], (float)want);
        }
        kern->logprob_f32(&s, k, 2.75, row.x);
        assert_memory_equal(row.x, out.x, k * sizeof *out.x);
        array_free(&row);
        array_free(&out);
    }
}

/* ---- weighted sums ---- */

enum { MOST = 8 };

static void sums_match(const array *rows, const float *factors, size_t m, const array *out)
{
    for (size_t i = 0; i < out->count; i++) {
        double want = 0.0, largest = 0.0;
        for (size_t r = 0; r < m; r++) {
            double summand = (double)factors[r] * (double)rows[r].x[i];
            want += summand;
            largest = fmax(largest, fabs(summand));
        }
        arrays_near("combine", i, (double)out->x[i], want, 4.0 * arrays_ulp(largest));
    }
}

static void rows_are_combined(const kdi_kernels *kern)
{
    uint64_t random = 4;
    for (size_t n = 0; arrays_size(n); n++) {
        for (size_t m = 1; m <= MOST; m++) {
            size_t k = arrays_size(n);
            array row[MOST];
            const float *rows[MOST];
            float factors[MOST];
            for (size_t r = 0; r < m; r++) {
                double size = (n + r) % 11 == 0 ? 1e30 : (n + r) % 13 == 0 ? 1e-40 : 1.0;
                row[r] = array_random(&random, k, (n + r * 5) % ARRAYS_OFFSETS, size);
                rows[r] = row[r].x;
                factors[r] = arrays_value(&random, 2.0);
            }
            array out = array_marked(k, m);
            LEVEL_QUIET(assert_true(kern->combine_f32(rows, factors, m, k, out.x)));
            sums_match(row, factors, m, &out);
            assert_true(kern->combine_f32(rows, factors, m, k, row[m / 2].x)); /* in place */
            assert_memory_equal(row[m / 2].x, out.x, k * sizeof *out.x);
            for (size_t r = 0; r < m; r++) {
                array_free(&row[r]);
            }
            array_free(&out);
        }
    }
}

/* Sums on the way that are no floats, where the result is one; and results that are not. */
static void combine_knows_what_is_finite(const kdi_kernels *kern)
{
    uint64_t random = 5;
    for (size_t k = 1; k < 70; k++) {
        for (size_t m = 1; m <= 4; m++) {
            array row[4];
            const float *rows[4];
            static const float factors[] = {1.0f, 1.0f, -2.0f, 1.0f};
            for (size_t r = 0; r < 4; r++) {
                row[r] = array_random(&random, k, r, 1.0);
                rows[r] = row[r].x;
            }
            array out = array_marked(k, 0);
            size_t at = k * m % k;
            for (size_t r = 0; r < 3; r++) {
                row[r].x[at] = 3e38f; /* 3e38 + 3e38 - 6e38 */
            }
            assert_int_equal(kern->combine_f32(rows, factors, m, k, out.x), m != 2);
            if (m != 2) {
                sums_match(row, factors, m, &out);
            }
            static const float bad[] = {NAN, INFINITY, -INFINITY};
            row[m - 1].x[at] = bad[k % 3];
            assert_false(kern->combine_f32(rows, factors, m, k, out.x));
            array_free(&out);
            for (size_t r = 0; r < 4; r++) {
                array_free(&row[r]);
            }
        }
    }
}

static void means_are_taken_in_double(const kdi_kernels *kern)
{
    uint64_t random = 6;
    for (size_t n = 0; arrays_size(n); n++) {
        size_t k = arrays_size(n), m = n % 12;
        array row[12];
        const float *rows[12];
        double weights[12];
        for (size_t r = 0; r < m; r++) {
            row[r] = array_random(&random, k, (n + r) % ARRAYS_OFFSETS, 100.0);
            rows[r] = row[r].x;
            weights[r] = (double)arrays_value(&random, 1.0);
        }
        array out = array_marked(k, n % 4);
        LEVEL_QUIET(kern->mean_f32(rows, weights, m, k, out.x));
        for (size_t i = 0; i < k; i++) {
            double want = 0.0;
            for (size_t r = 0; r < m; r++) {
                want += weights[r] * (double)rows[r][i];
            }
            arrays_equal("mean", i, out.x[i], (float)want);
        }
        array_free(&out);
        for (size_t r = 0; r < m; r++) {
            array_free(&row[r]);
        }
    }
}

/* ---- benchmark ---- */

static void bench(const kdi_kernels *kern)
{
    uint64_t random = 9;
    for (size_t n = 0; n < BENCH_SIZES; n++) {
        size_t k = bench_sizes[n];
        array row[MOST];
        const float *rows[MOST];
        static const float factors[MOST] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f};
        static const double weights[MOST] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8};
        for (size_t r = 0; r < MOST; r++) {
            row[r] = array_random(&random, k, 0, 1.0);
            rows[r] = row[r].x;
        }
        array out = array_marked(k, 0);
        kdi_scores s = {row[0].x, 1.0f, 0.25};
        float min, max;
        BENCH_ELEMENTS(kern, "range", k, kern->range_f32(row[0].x, k, &min, &max));
        BENCH_ELEMENTS(kern, "find", k, (void)kern->find_f32(row[0].x, k, 5.0f));
        BENCH_ELEMENTS(kern, "logprob", k, kern->logprob_f32(&s, k, 2.0, out.x));
        BENCH_ELEMENTS(kern, "combine, 2 rows", k, kern->combine_f32(rows, factors, 2, k, out.x));
        BENCH_ELEMENTS(kern, "combine, 3 rows", k, kern->combine_f32(rows, factors, 3, k, out.x));
        BENCH_ELEMENTS(kern, "combine, 8 rows", k, kern->combine_f32(rows, factors, 8, k, out.x));
        BENCH_ELEMENTS(kern, "mean, 3 rows", k, kern->mean_f32(rows, weights, 3, k, out.x));
        for (size_t r = 0; r < MOST; r++) {
            array_free(&row[r]);
        }
        array_free(&out);
    }
}

int main(int argc, char **argv)
{
    const level_test tests[] = {
        LEVEL_TEST(the_range_is_found_anywhere),  LEVEL_TEST(the_first_equal_one_is_found),
        LEVEL_TEST(logprob_is_rounded_once),      LEVEL_TEST(rows_are_combined),
        LEVEL_TEST(combine_knows_what_is_finite), LEVEL_TEST(means_are_taken_in_double),
    };
    return levels_main(tests, sizeof tests / sizeof *tests, bench, argc, argv);
}
