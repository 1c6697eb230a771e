/* SPDX-License-Identifier: MIT */
/* Kernels on activations and their deltas: bias, rectifier, dropout, sums of columns. */
#include "arrays.h"

static void bias_is_added_to_each_row(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (size_t s = 0; s < ARRAYS_SIZES; s++) {
        size_t width = arrays_sizes[s], n = 3, stride = width + s % 3;
        float *y = arrays_random(&random, n * stride, 1.0);
        float *before = arrays_copy(y, n * stride);
        float *bias = arrays_random(&random, width, 1.0);
        kdi_kern()->bias_f32(y, n, width, stride, bias);
        for (size_t i = 0; i < n * stride; i++) {
            size_t column = i % stride;
            float want = column < width ? before[i] + bias[column] : before[i];
            arrays_equal("bias", i, y[i], want);
        }
        arrays_guarded(y, n * stride);
        free(y);
        free(before);
        free(bias);
    }
}

static void relu_cuts_and_passes_nan(void **state)
{
    (void)state;
    uint64_t random = 2;
    static const float special[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-45f, -1e-45f};
    for (size_t s = 0; s < ARRAYS_SIZES; s++) {
        size_t count = arrays_sizes[s];
        float *y = arrays_random(&random, count, 1.0);
        for (size_t i = s % 5; i < count; i += 5) {
            y[i] = special[i % 7];
        }
        float *x = arrays_copy(y, count);
        float *d = arrays_random(&random, count, 1.0);
        float *gradient = arrays_copy(d, count);
        kdi_kern()->relu_f32(y, count);
        kdi_kern()->relu_grad_f32(y, gradient, count);
        for (size_t i = 0; i < count; i++) {
            arrays_equal("relu", i, y[i] + 0.0f, x[i] <= 0.0f ? 0.0f : x[i]);
            arrays_equal("relu_grad", i, gradient[i] + 0.0f, x[i] <= 0.0f ? 0.0f : d[i]);
        }
        arrays_guarded(y, count);
        arrays_guarded(gradient, count);
        free(x);
        free(y);
        free(d);
        free(gradient);
    }
}

static void columns_are_summed(void **state)
{
    (void)state;
    uint64_t random = 3;
    static const float betas[] = {0.0f, 1.0f, 0.5f};
    for (size_t s = 0; s < ARRAYS_SIZES; s++) {
        for (size_t b = 0; b < 3; b++) {
            size_t width = arrays_sizes[s], n = 1 + s * 4, stride = width + s % 2;
            float *d = arrays_random(&random, n * stride, 1.0);
            float *out = arrays_random(&random, width, 1.0);
            float *before = arrays_copy(out, width);
            if (b == 0) {
                memset(out, 0xFF, width * sizeof *out); /* NaN: beta 0 must not read it */
            }
            kdi_kern()->colsum_f32(d, n, width, stride, betas[b], out);
            for (size_t j = 0; j < width; j++) {
                double want = b == 0 ? 0.0 : (double)betas[b] * (double)before[j];
                double size = fabs(want);
                for (size_t i = 0; i < n; i++) {
                    want += (double)d[i * stride + j];
                    size += fabs((double)d[i * stride + j]);
                }
                arrays_near("colsum", j, (double)out[j], want, 1e-7 * size);
            }
            arrays_guarded(out, width);
            free(d);
            free(out);
            free(before);
        }
    }
}

/* ---- dropout ---- */

static kdi_drop drop_of(double rate, uint32_t epoch, uint64_t id)
{
    uint32_t threshold = (uint32_t)(rate * 65536.0);
    return (kdi_drop){kdi_base_rng_key(7, KDI_STREAM_DROPOUT + 3), epoch, id, threshold,
                      65536.0f / (float)(65536 - threshold)};
}

/* The 16 bits of one element, spelled out: 128 elements share 16 blocks of 4 words. */
static uint32_t lane(const kdi_drop *drop, size_t i)
{
    size_t within = i % 128;
    uint32_t counter[4] = {(uint32_t)(i / 128 * 16 + within % 16), drop->epoch, (uint32_t)drop->id,
                           (uint32_t)(drop->id >> 32)};
    uint32_t words[4];
    kdi_base_rng_block(drop->key, counter, words);
    uint32_t word = words[within / 16 % 4];
    return within < 64 ? word & 0xFFFF : word >> 16;
}

static void dropout_follows_its_mapping(void **state)
{
    (void)state;
    uint64_t random = 4;
    static const double rates[] = {0.0, 0.2, 0.5, 0.999, 65535.0 / 65536.0};
    for (size_t s = 0; s < ARRAYS_SIZES; s++) {
        for (size_t r = 0; r < 5; r++) {
            size_t width = arrays_sizes[s];
            kdi_drop drop = drop_of(rates[r], 5, (uint64_t)s << 30 | r);
            float *x = arrays_random(&random, width, 1.0);
            float *y = arrays_random(&random, width, 1.0);
            kdi_kern()->dropout_f32(&drop, x, y, width);
            for (size_t i = 0; i < width; i++) {
                float want = lane(&drop, i) < drop.threshold ? 0.0f : x[i] * drop.scale;
                arrays_equal("dropout", i, y[i], want);
            }
            arrays_guarded(y, width);
            kdi_kern()->dropout_f32(&drop, x, x, width); /* in place */
            assert_memory_equal(x, y, width * sizeof *x);
            free(x);
            free(y);
        }
    }
}

static void a_lane_at_the_threshold_is_kept(void **state)
{
    (void)state;
    const float x[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    float y[4];
    kdi_drop drop = drop_of(0.5, 5, 6);
    drop.threshold = lane(&drop, 3);
    kdi_kern()->dropout_f32(&drop, x, y, 4);
    arrays_equal("dropout", 3, y[3], drop.scale);
    drop.threshold++;
    kdi_kern()->dropout_f32(&drop, x, y, 4);
    arrays_equal("dropout", 3, y[3], 0.0f);
}

static void ones(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = 1.0f;
    }
}

/* Share kept over `rows` rows of `width`; also that a kept 1 is exactly the scale. */
static double keep_rate(double rate, size_t rows, size_t width)
{
    float *x = malloc(width * sizeof *x), *y = malloc(width * sizeof *y);
    size_t count = 0;
    ones(x, width);
    for (size_t row = 0; row < rows; row++) {
        kdi_drop drop = drop_of(rate, 1, row);
        kdi_kern()->dropout_f32(&drop, x, y, width);
        for (size_t i = 0; i < width; i++) {
            arrays_equal("scale", i, y[i], y[i] > 0.0f ? drop.scale : 0.0f);
            count += y[i] > 0.0f;
        }
    }
    free(x);
    free(y);
    return (double)count / (double)(rows * width);
}

static void dropout_keeps_its_share(void **state)
{
    (void)state;
    static const double rates[] = {0.01, 0.2, 0.5, 0.8, 0.99};
    for (size_t r = 0; r < 5; r++) {
        double keep = 1.0 - floor(rates[r] * 65536.0) / 65536.0;
        double sd = sqrt(keep * (1.0 - keep) / (500.0 * 1003.0));
        arrays_near("keep rate", r, keep_rate(rates[r], 500, 1003), keep, 4.5 * sd);
    }
    arrays_near("keep rate of 0", 0, keep_rate(0.0, 3, 1003), 1.0, 0.0);
}

static void a_short_row_is_the_head_of_a_long_one(void **state)
{
    (void)state;
    enum { WIDTH = 200 };
    float x[WIDTH], whole[WIDTH], part[WIDTH];
    ones(x, WIDTH);
    kdi_drop drop = drop_of(0.5, 2, 99);
    kdi_kern()->dropout_f32(&drop, x, whole, WIDTH);
    for (size_t width = 1; width < WIDTH; width++) {
        kdi_kern()->dropout_f32(&drop, x, part, width);
        assert_memory_equal(part, whole, width * sizeof *x);
    }
}

/* How many of 800 lanes two masks have in common; 400 +- 14 for strangers. */
static size_t agreement(const kdi_drop *a, const kdi_drop *b)
{
    enum { WIDTH = 800 };
    float x[WIDTH], first[WIDTH], second[WIDTH];
    size_t equal = 0;
    ones(x, WIDTH);
    kdi_kern()->dropout_f32(a, x, first, WIDTH);
    kdi_kern()->dropout_f32(b, x, second, WIDTH);
    for (size_t i = 0; i < WIDTH; i++) {
        equal += first[i] >= second[i] && first[i] <= second[i];
    }
    return equal;
}

/* A mask depends on key, epoch and all of the id, and on nothing else: not on which rows ran
 * before, so not on how a batch was cut. */
static void masks_belong_to_epoch_and_case(void **state)
{
    (void)state;
    kdi_drop drop = drop_of(0.5, 2, 99);
    assert_int_equal(agreement(&drop, &drop), 800);
    kdi_drop others[] = {drop_of(0.5, 3, 99), drop_of(0.5, 2, 100),
                         drop_of(0.5, 2, 99 | (uint64_t)1 << 32), drop};
    others[3].key = kdi_base_rng_key(7, KDI_STREAM_DROPOUT + 4);
    for (size_t i = 0; i < 4; i++) {
        size_t equal = agreement(&drop, &others[i]);
        assert_in_range(equal, 400 - 5 * 14, 400 + 5 * 14);
    }
    assert_int_equal(agreement(&drop, &drop), 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bias_is_added_to_each_row),
        cmocka_unit_test(relu_cuts_and_passes_nan),
        cmocka_unit_test(columns_are_summed),
        cmocka_unit_test(dropout_follows_its_mapping),
        cmocka_unit_test(a_lane_at_the_threshold_is_kept),
        cmocka_unit_test(dropout_keeps_its_share),
        cmocka_unit_test(a_short_row_is_the_head_of_a_long_one),
        cmocka_unit_test(masks_belong_to_epoch_and_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
