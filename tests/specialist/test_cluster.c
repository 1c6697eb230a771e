/* SPDX-License-Identifier: MIT */
/* Groups of classes: planted ones are found, sums are what they say, nothing depends on chance. */
#include "../support/support.h"

#define N 600
#define K 12
#define GROUPS 4

static support_memory memory;
static kd_context *context;

static int begin(void **state)
{
    (void)state;
    context = support_context(&memory);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kd_context_destroy(context);
    support_all_returned(&memory);
    return 0;
}

/*
 * Class i is confused with those of its group, i % GROUPS, and with nobody else. Logits of all but
 * the first of each group are less by so much.
 */
static kd_covariance *planted_unevenly(double noise, float less)
{
    static float logits[N * K];
    uint64_t seed = 41;
    kd_error e = KD_ERROR_INIT;
    kd_targets t = KD_TARGETS_INIT;
    kd_covariance *c;
    support_normals(&seed, logits, N * K, noise);
    for (size_t i = 0; i < N; i++) {
        size_t class = support_below(&seed, K);
        for (size_t j = class % GROUPS; j < K; j += GROUPS) {
            float more = (float)support_between(&seed, 3, 6);
            logits[i * K + j] += j < GROUPS ? more : more - less;
        }
    }
    t.kind = KD_TARGET_LOGITS;
    t.values = logits;
    support_ok(kd_covariance_create(context, K, &c, &e), e.text);
    support_ok(kd_covariance_add(c, &t, N, &e), e.text);
    return c;
}

static kd_covariance *planted(double noise)
{
    return planted_unevenly(noise, 0);
}

static kd_cluster_options options_of(size_t sets, size_t classes)
{
    kd_cluster_options o = KD_CLUSTER_OPTIONS_INIT;
    o.sets = sets;
    o.classes = classes;
    return o;
}

static bool has_planted(const uint32_t *sets)
{
    bool good = true;
    for (uint32_t i = 0; i < K; i++) {
        good = good && sets[i] == i / (K / GROUPS) + GROUPS * (i % (K / GROUPS));
    }
    return good;
}

static void planted_groups_are_found(void **state)
{
    (void)state;
    uint32_t sets[K];
    kd_covariance *c = planted(0.5);
    for (uint64_t seed = 0; seed < 10; seed++) {
        kd_cluster_options o = options_of(GROUPS, K / GROUPS);
        o.seed = seed;
        support_ok(kd_covariance_cluster(c, &o, sets, NULL, NULL), "cluster");
        assert_true(has_planted(sets));
    }
    kd_covariance_destroy(c);
}

/*
 * One class of each group is predicted far more often than the other two. Whom a class is confused
 * with still counts, unless columns stay as they are: then the rare ones lie together near 0.
 */
static void rare_classes_are_grouped_by_whom_they_are_confused_with(void **state)
{
    (void)state;
    uint32_t sets[K];
    kd_covariance *c = planted_unevenly(0.2, 3);
    kd_cluster_options o = options_of(GROUPS, K / GROUPS);
    assert_int_equal(o.columns, KD_COLUMN_UNIT);
    support_ok(kd_covariance_cluster(c, &o, sets, NULL, NULL), "unit");
    assert_true(has_planted(sets));
    o.columns = KD_COLUMN_RAW;
    support_ok(kd_covariance_cluster(c, &o, sets, NULL, NULL), "raw");
    assert_false(has_planted(sets));
    kd_covariance_destroy(c);
}

static double squared_distance(const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < K; i++) {
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return sum;
}

static void make_unit(double *column)
{
    static const double zero[K];
    double length = sqrt(squared_distance(column, zero));
    for (size_t i = 0; i < K; i++) {
        column[i] /= length;
    }
}

/* One mean: that of all columns, which each has moved by its share. */
static void check_inertia(kd_column_kind columns)
{
    double square[K * K], mean[K] = {0}, inertia, want = 0;
    uint32_t set[K];
    kd_covariance *c = planted(1);
    kd_cluster_options o = options_of(1, K);
    o.tries = 1;
    o.rounds = 7;
    o.columns = columns;
    support_ok(kd_covariance_cluster(c, &o, set, &inertia, NULL), "cluster");
    support_ok(kd_covariance_get(c, square, NULL), "get");
    for (size_t i = 0; i < K && columns == KD_COLUMN_UNIT; i++) {
        make_unit(square + i * K);
    }
    for (size_t i = 0; i < K * K; i++) {
        mean[i % K] += square[i] / K;
    }
    for (size_t i = 0; i < K; i++) {
        want += squared_distance(square + i * K, mean);
        assert_int_equal(set[i], i);
    }
    support_near("inertia", inertia, want, 1e-12 * want);
    o = options_of(K, 1); /* each column by itself, once every mean has found its own */
    o.tries = 200;
    support_ok(kd_covariance_cluster(c, &o, set, &inertia, NULL), "cluster");
    support_near("inertia", inertia, 0, 1e-12);
    for (size_t i = 0; i < K; i++) {
        assert_int_equal(set[i], i);
    }
    kd_covariance_destroy(c);
}

static void inertia_is_a_sum_of_squared_distances(void **state)
{
    (void)state;
    check_inertia(KD_COLUMN_UNIT);
    check_inertia(KD_COLUMN_RAW);
}

/* More tries never end in a worse sum; each is the best of those before. */
static void the_best_try_counts(void **state)
{
    (void)state;
    uint32_t sets[K];
    double before = (double)INFINITY, inertia;
    kd_covariance *c = planted(1.5);
    for (uint32_t tries = 1; tries <= 30; tries++) {
        kd_cluster_options o = options_of(GROUPS, 3);
        o.tries = tries;
        o.rounds = 3;
        support_ok(kd_covariance_cluster(c, &o, sets, &inertia, NULL), "cluster");
        assert_true(inertia <= before);
        before = inertia;
    }
    kd_covariance_destroy(c);
}

static void sets_are_ordered_and_overlap_when_asked(void **state)
{
    (void)state;
    kd_covariance *c = planted(1);
    for (size_t size = 1; size <= K; size++) {
        uint32_t sets[5 * K], again[5 * K];
        size_t members[K] = {0}, shared = 0;
        double inertia[2];
        kd_cluster_options o = options_of(5, size);
        support_ok(kd_covariance_cluster(c, &o, sets, &inertia[0], NULL), "cluster");
        support_ok(kd_covariance_cluster(c, &o, again, &inertia[1], NULL), "again");
        support_same_bits("sets", sets, again, 5 * size * sizeof *sets);
        support_same_bits("inertia", &inertia[0], &inertia[1], sizeof inertia[0]);
        for (size_t i = 0; i < 5 * size; i++) {
            assert_true(sets[i] < K && (i % size == 0 || sets[i] > sets[i - 1]));
            shared += members[sets[i]]++ > 0;
        }
        for (size_t m = 1; m < 5; m++) {
            assert_true(sets[m * size] >= sets[(m - 1) * size]);
        }
        assert_true(size == 1 || shared >= (5 * size > K ? 5 * size - K : 0));
    }
    kd_covariance_destroy(c);
}

/* Classes that are all predicted alike: all columns are one, and the lowest classes are nearest. */
static void equal_columns(void **state)
{
    (void)state;
    static const float even[4] = {0.25f, 0.25f, 0.25f, 0.25f};
    uint32_t sets[6];
    double inertia;
    kd_targets t = KD_TARGETS_INIT;
    kd_covariance *c;
    kd_cluster_options o = options_of(3, 2);
    t.kind = KD_TARGET_PROBABILITIES;
    t.values = even;
    support_ok(kd_covariance_create(context, 4, &c, NULL), "create");
    support_ok(kd_covariance_add(c, &t, 1, NULL), "add");
    support_ok(kd_covariance_cluster(c, &o, sets, &inertia, NULL), "cluster");
    assert_true(inertia == 0);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(sets[i], i % 2);
    }
    kd_covariance_destroy(c);
}

static void bad_options(void **state)
{
    (void)state;
    uint32_t sets[K * K];
    kd_error e = KD_ERROR_INIT;
    kd_covariance *c = planted(1);
    const kd_cluster_options good = options_of(3, 4);
    const struct {
        kd_cluster_options o;
        kd_status status;
        const char *words;
    } bad[] = {
        {{good.struct_size, 0, 4, 1, 1, 0, KD_COLUMN_UNIT, 0}, KD_ERR_SIZE, "options.sets is 0"},
        {{good.struct_size, 3, 0, 1, 1, 0, KD_COLUMN_UNIT, 0}, KD_ERR_SIZE, "options.classes is 0"},
        {{good.struct_size, K + 1, 4, 1, 1, 0, KD_COLUMN_UNIT, 0},
         KD_ERR_TOO_LARGE,
         "options.sets is 13, above 12"},
        {{good.struct_size, 3, K + 1, 1, 1, 0, KD_COLUMN_UNIT, 0},
         KD_ERR_TOO_LARGE,
         "options.classes is 13, above 12"},
        {{good.struct_size, SIZE_MAX, 4, 1, 1, 0, KD_COLUMN_UNIT, 0},
         KD_ERR_TOO_LARGE,
         "options.sets is "},
        {{good.struct_size, 3, 4, 0, 1, 0, KD_COLUMN_UNIT, 0}, KD_ERR_SIZE, "options.tries is 0"},
        {{good.struct_size, 3, 4, 1, 0, 0, KD_COLUMN_UNIT, 0}, KD_ERR_SIZE, "options.rounds is 0"},
        {{good.struct_size, 3, 4, 1, UINT32_MAX, 0, KD_COLUMN_UNIT, 0},
         KD_ERR_TOO_LARGE,
         "rounds is 4294967295"},
        {{good.struct_size, 3, 4, 1 << 16, 1 << 16, 0, KD_COLUMN_UNIT, 0},
         KD_ERR_TOO_LARGE,
         "tries is 65536"},
        {{4, 3, 4, 1, 1, 0, KD_COLUMN_UNIT, 0}, KD_ERR_STRUCT, "options.struct_size is 4"},
        {{good.struct_size, 3, 4, 1, 1, 0, 0, 0}, KD_ERR_KIND, "options.columns is 0"},
        {{good.struct_size, 3, 4, 1, 1, 0, 3, 0}, KD_ERR_KIND, "options.columns is 3"},
        {{good.struct_size, 3, 4, 1, 1, 0, KD_COLUMN_UNIT, 7}, KD_ERR_STRUCT, "reserved is 7"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        support_refused(kd_covariance_cluster(c, &bad[i].o, sets, NULL, &e), bad[i].status, e.text,
                        bad[i].words);
        assert_int_equal(e.argument, 2);
    }
    support_refused(kd_covariance_cluster(NULL, &good, sets, NULL, &e), KD_ERR_NULL, e.text,
                    "covariance is NULL");
    support_refused(kd_covariance_cluster(c, NULL, sets, NULL, &e), KD_ERR_NULL, e.text,
                    "options is NULL");
    support_refused(kd_covariance_cluster(c, &good, NULL, NULL, &e), KD_ERR_NULL, e.text,
                    "out_classes is NULL");
    memory.fail_at = atomic_load(&memory.calls) + 1;
    support_refused(kd_covariance_cluster(c, &good, sets, NULL, &e), KD_ERR_MEMORY, e.text,
                    "no memory for K-means of 12 classes");
    memory.fail_at = 0;
    kd_covariance_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_groups_are_found),
        cmocka_unit_test(rare_classes_are_grouped_by_whom_they_are_confused_with),
        cmocka_unit_test(inertia_is_a_sum_of_squared_distances),
        cmocka_unit_test(the_best_try_counts),
        cmocka_unit_test(sets_are_ordered_and_overlap_when_asked),
        cmocka_unit_test(equal_columns),
        cmocka_unit_test(bad_options),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
