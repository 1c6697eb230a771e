/* SPDX-License-Identifier: MIT */
/* Dropout: the documented mapping from key, epoch, case and column to a mask, and its numbers. */
#include "levels.h"

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

static void drop_case(const kdi_kernels *kern, const kdi_drop *drop, uint64_t *random, size_t first,
                      size_t width, size_t offset)
{
    array x = array_random(random, width, offset, 1.0), y = array_marked(width, first % 7);
    if (width > 2) {
        x.x[width / 2] = NAN; /* a dropped one is gone */
        x.x[width / 3] = -0.0f;
    }
    kern->dropout_f32(drop, x.x, y.x, first, width);
    for (size_t i = 0; i < width; i++) {
        bool dropped = lane(drop, first + i) < drop->threshold;
        arrays_equal("dropout", first + i, y.x[i], dropped ? 0.0f : x.x[i] * drop->scale);
    }
    kern->dropout_f32(drop, x.x, x.x, first, width); /* in place */
    assert_memory_equal(x.x, y.x, width * sizeof *x.x);
    array_free(&x);
    array_free(&y);
}

static void dropout_follows_its_mapping(const kdi_kernels *kern)
{
    uint64_t random = 1;
    static const double rates[] = {0.0, 0.2, 0.5, 0.999, 65535.0 / 65536.0};
    for (size_t s = 0; arrays_size(s); s++) {
        for (size_t r = 0; r < 5; r++) {
            kdi_drop drop = drop_of(rates[r], 5, (uint64_t)s << 30 | r);
            drop_case(kern, &drop, &random, 0, arrays_size(s), s % ARRAYS_OFFSETS);
        }
    }
}

/* A tile of a row begins at any column; far columns count on in the same way. */
static void a_tile_is_a_part_of_its_row(const kdi_kernels *kern)
{
    uint64_t random = 2;
    for (size_t first = 0; first < 260; first++) {
        kdi_drop drop = drop_of(0.4, 6, first * 77);
        drop_case(kern, &drop, &random, first, arrays_size(first * 13 % 131), first % 5);
        drop_case(kern, &drop, &random, first * 1001, arrays_size(first * 7 % 131), 0);
    }
    kdi_drop drop = drop_of(0.4, UINT32_MAX, UINT64_MAX);
    drop_case(kern, &drop, &random, ((size_t)1 << 35) - 100, 300, 1); /* the counter wraps */
    kern->dropout_f32(&drop, NULL, NULL, 5, 0);
}

static void a_lane_at_the_threshold_is_kept(const kdi_kernels *kern)
{
    const float x[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    float y[4];
    kdi_drop drop = drop_of(0.5, 5, 6);
    drop.threshold = lane(&drop, 3);
    kern->dropout_f32(&drop, x, y, 0, 4);
    arrays_equal("dropout", 3, y[3], drop.scale);
    drop.threshold++;
    kern->dropout_f32(&drop, x, y, 0, 4);
    arrays_equal("dropout", 3, y[3], 0.0f);
    kern->dropout_f32(&drop, x, y, 3, 1);
    arrays_equal("dropout", 3, y[0], 0.0f);
}

/* ---- statistics ---- */

static void ones(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = 1.0f;
    }
}

/* Share kept over `rows` rows of `width`; also that a kept 1 is exactly the scale. */
static double keep_rate(const kdi_kernels *kern, double rate, size_t rows, size_t width)
{
    float *x = malloc(width * sizeof *x), *y = malloc(width * sizeof *y);
    size_t count = 0;
    ones(x, width);
    for (size_t row = 0; row < rows; row++) {
        kdi_drop drop = drop_of(rate, 1, row);
        kern->dropout_f32(&drop, x, y, 0, width);
        for (size_t i = 0; i < width; i++) {
            arrays_equal("scale", i, y[i], y[i] > 0.0f ? drop.scale : 0.0f);
            count += y[i] > 0.0f;
        }
    }
    free(x);
    free(y);
    return (double)count / (double)(rows * width);
}

static void dropout_keeps_its_share(const kdi_kernels *kern)
{
    static const double rates[] = {0.01, 0.2, 0.5, 0.8, 0.99};
    for (size_t r = 0; r < 5; r++) {
        double keep = 1.0 - floor(rates[r] * 65536.0) / 65536.0;
        double sd = sqrt(keep * (1.0 - keep) / (500.0 * 1003.0));
        arrays_near("keep rate", r, keep_rate(kern, rates[r], 500, 1003), keep, 4.5 * sd);
    }
    arrays_near("keep rate of 0", 0, keep_rate(kern, 0.0, 3, 1003), 1.0, 0.0);
}

/* How many of 800 lanes two masks have in common; 400 +- 14 for strangers. */
static size_t agreement(const kdi_kernels *kern, const kdi_drop *a, const kdi_drop *b)
{
    enum { WIDTH = 800 };
    float x[WIDTH], first[WIDTH], second[WIDTH];
    size_t equal = 0;
    ones(x, WIDTH);
    kern->dropout_f32(a, x, first, 0, WIDTH);
    kern->dropout_f32(b, x, second, 0, WIDTH);
    for (size_t i = 0; i < WIDTH; i++) {
        equal += first[i] >= second[i] && first[i] <= second[i];
    }
    return equal;
}

/* A mask depends on key, epoch and all of the id, and on nothing else: not on which rows ran
 * before, so not on how a batch was cut. */
static void masks_belong_to_epoch_and_case(const kdi_kernels *kern)
{
    kdi_drop drop = drop_of(0.5, 2, 99);
    assert_int_equal(agreement(kern, &drop, &drop), 800);
    kdi_drop others[] = {drop_of(0.5, 3, 99), drop_of(0.5, 2, 100),
                         drop_of(0.5, 2, 99 | (uint64_t)1 << 32), drop};
    others[3].key = kdi_base_rng_key(7, KDI_STREAM_DROPOUT + 4);
    for (size_t i = 0; i < 4; i++) {
        size_t equal = agreement(kern, &drop, &others[i]);
        assert_in_range(equal, 400 - 5 * 14, 400 + 5 * 14);
    }
    assert_int_equal(agreement(kern, &drop, &drop), 800);
}

/* ---- benchmark ---- */

static void bench(const kdi_kernels *kern)
{
    uint64_t random = 9;
    for (size_t i = 0; i < BENCH_SIZES; i++) {
        size_t width = bench_sizes[i];
        array x = array_random(&random, width, 0, 1.0), y = array_marked(width, 0);
        kdi_drop drop = drop_of(0.5, 3, 4);
        BENCH_ELEMENTS(kern, "dropout", width, kern->dropout_f32(&drop, x.x, y.x, 0, width));
        array_free(&x);
        array_free(&y);
    }
}

int main(int argc, char **argv)
{
    const level_test tests[] = {
        LEVEL_TEST(dropout_follows_its_mapping),     LEVEL_TEST(a_tile_is_a_part_of_its_row),
        LEVEL_TEST(a_lane_at_the_threshold_is_kept), LEVEL_TEST(dropout_keeps_its_share),
        LEVEL_TEST(masks_belong_to_epoch_and_case),
    };
    return levels_main(tests, sizeof tests / sizeof *tests, bench, argc, argv);
}
