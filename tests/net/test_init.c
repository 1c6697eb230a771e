/* SPDX-License-Identifier: MIT */
/* First weights of a net, and random orders of cases: what is drawn, and from which seed. */
#include "../support/support.h"

/* The header's own numbers: a change of the mapping from seeds to weights must fail here. */
static void first_weights_are_those_of_the_header(void **state)
{
    (void)state;
    static const float pinned[] = {-0.00517058698f, 0.0245361906f, 0.0055503794f, -0.00447280798f};
    support_memory memory;
    kd_context *context = support_context(&memory);
    kd_net *net;
    support_ok(kd_net_create(context, 4, &net, NULL), "create");
    support_ok(kd_net_add_dense(net, 7), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_NORMAL, 1), kd_net_error(net));
    support_same_bits("weights", support_param(net, 0).values, pinned, sizeof pinned);
    kd_net_destroy(net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

enum { INPUTS = 400, UNITS = 300, WEIGHTS = INPUTS * UNITS };

typedef struct sample {
    double mean, sd, largest;
    double within1, within2; /* shares below one and two times `scale` */
    double neighbours;       /* correlation of a weight with the next */
} sample;

static sample measure(const float *x, double scale)
{
    sample s = {0, 0, 0, 0, 0, 0};
    for (size_t i = 0; i < WEIGHTS; i++) {
        double value = (double)x[i];
        double next = (double)x[(i + 1) % WEIGHTS];
        s.mean += value / WEIGHTS;
        s.sd += value * value / WEIGHTS;
        s.largest = fmax(s.largest, fabs(value));
        s.within1 += fabs(value) < scale ? 1.0 / WEIGHTS : 0;
        s.within2 += fabs(value) < 2 * scale ? 1.0 / WEIGHTS : 0;
        s.neighbours += value * next / WEIGHTS;
    }
    s.sd = sqrt(s.sd - s.mean * s.mean);
    s.neighbours /= s.sd * s.sd;
    return s;
}

/* A share p of WEIGHTS independent draws, and five times its standard error. */
static void near_share(const char *what, double got, double p)
{
    support_near(what, got, p, 5 * sqrt(p * (1 - p) / WEIGHTS));
}

static void check_normal(const float *weights, double sd)
{
    sample s = measure(weights, sd);
    support_near("mean", s.mean, 0, 5 * sd / sqrt(WEIGHTS));
    support_near("sd", s.sd, sd, 5 * sd / sqrt(2.0 * WEIGHTS));
    near_share("within 1 sd", s.within1, 0.6826894921);
    near_share("within 2 sd", s.within2, 0.9544997361);
    support_near("neighbours", s.neighbours, 0, 5 / sqrt(WEIGHTS));
    assert_true(s.largest > 3.5 * sd && s.largest < 7 * sd);
}

static void check_uniform(const float *weights, double limit)
{
    sample s = measure(weights, limit / 4);
    support_near("mean", s.mean, 0, 5 * limit / sqrt(3.0 * WEIGHTS));
    support_near("sd", s.sd, limit / sqrt(3), 5 * limit / sqrt(WEIGHTS));
    near_share("inner quarter", s.within1, 0.25);
    near_share("inner half", s.within2, 0.5);
    support_near("neighbours", s.neighbours, 0, 5 / sqrt(WEIGHTS));
    assert_true(s.largest > 0.999 * limit && s.largest <= limit * (1 + 0x1p-23));
}

static void weights_have_their_distribution(void **state)
{
    (void)state;
    support_memory memory;
    kd_context *context = support_context(&memory);
    kd_net *net;
    support_ok(kd_net_create(context, INPUTS, &net, NULL), "create");
    support_ok(kd_net_add_dense(net, UNITS), kd_net_error(net));
    support_ok(kd_net_add_dense(net, INPUTS), kd_net_error(net));
    for (uint64_t seed = 0; seed < 3; seed++) {
        for (kd_init_kind kind = KD_INIT_HE; kind <= KD_INIT_NORMAL; kind++) {
            support_ok(kd_net_init(net, kind, seed), kd_net_error(net));
            for (size_t i = 0; i < 4; i += 2) {
                kd_param weight = support_param(net, i);
                kd_param bias = support_param(net, i + 1);
                double fan_in = (double)weight.columns;
                if (kind == KD_INIT_GLOROT) {
                    check_uniform(weight.values, sqrt(6 / (fan_in + (double)weight.rows)));
                } else {
                    check_normal(weight.values, kind == KD_INIT_HE ? sqrt(2 / fan_in) : 0.01);
                }
                for (size_t j = 0; j < bias.rows; j++) {
                    assert_true(bias.values[j] == 0);
                }
            }
        }
    }
    kd_net_destroy(net);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

static void a_seed_gives_its_bits(void **state)
{
    (void)state;
    support_memory memory;
    kd_context *context = support_context(&memory);
    kd_net *a = support_net(context, "5: 8 relu 8 3", 1); /* with biases, which init takes away */
    kd_net *b = support_net(context, "5: 8 relu 8 3", 2);
    for (kd_init_kind kind = KD_INIT_HE; kind <= KD_INIT_NORMAL; kind++) {
        static const uint64_t others[] = {1, 3, UINT64_C(1) << 32, UINT64_MAX};
        support_ok(kd_net_init(a, kind, 2), kd_net_error(a));
        support_ok(kd_net_init(b, kind, 2), kd_net_error(b));
        assert_true(support_hash(a) == support_hash(b));
        /* parameters of the same size are not the same numbers */
        assert_true(memcmp(support_param(a, 0).values, support_param(a, 2).values, 20) != 0);
        for (size_t i = 0; i < COUNT(others); i++) {
            support_ok(kd_net_init(b, kind, others[i]), kd_net_error(b));
            assert_true(support_hash(a) != support_hash(b));
        }
    }
    uint64_t before = support_hash(a);
    support_refused(kd_net_init(a, 0, 9), KD_ERR_KIND, kd_net_error(a), "kind is 0");
    support_refused(kd_net_init(a, 4, 9), KD_ERR_KIND, kd_net_error(a), "kind is 4");
    assert_true(support_hash(a) == before);
    kd_net_destroy(a);
    kd_net_destroy(b);
    kd_context_destroy(context);
    support_all_returned(&memory);
}

/* ---- orders ---- */

static void an_order_is_a_permutation(void **state)
{
    (void)state;
    static uint32_t order[5000], again[5000];
    static bool seen[5000];
    static const size_t sizes[] = {1, 2, 3, 10, 255, 256, 257, 4999};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        size_t n = sizes[s];
        for (uint32_t epoch = 0; epoch < 3; epoch++) {
            memset(seen, 0, sizeof seen);
            order[n] = 77;
            support_ok(kd_shuffle(5, epoch, n, order, NULL), "kd_shuffle");
            support_ok(kd_shuffle(5, epoch, n, again, NULL), "kd_shuffle");
            support_same_bits("again", again, order, n * sizeof *order);
            assert_int_equal(order[n], 77);
            for (size_t i = 0; i < n; i++) {
                assert_true(order[i] < n && !seen[order[i]]);
                seen[order[i]] = true;
            }
        }
    }
}

static void first_orders_are_pinned(void **state)
{
    (void)state;
    static const uint32_t pinned[2][10] = {
        {0, 9, 7, 5, 4, 2, 1, 3, 6, 8},
        {7, 4, 1, 0, 6, 8, 2, 9, 5, 3},
    };
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        uint32_t order[10];
        support_ok(kd_shuffle(1, epoch, 10, order, NULL), "kd_shuffle");
        support_same_bits("order", order, pinned[epoch], sizeof order);
    }
}

/* Each epoch and each seed has its own, and no place is preferred. */
static void orders_differ_and_are_fair(void **state)
{
    (void)state;
    enum { N = 8, EPOCHS = 20000 };
    double count[N][N] = {{0}};
    uint32_t first[64], order[64];
    support_ok(kd_shuffle(1, 0, 64, first, NULL), "kd_shuffle");
    support_ok(kd_shuffle(1, 1, 64, order, NULL), "kd_shuffle");
    assert_true(memcmp(first, order, sizeof first) != 0);
    support_ok(kd_shuffle(2, 0, 64, order, NULL), "kd_shuffle");
    assert_true(memcmp(first, order, sizeof first) != 0);
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        support_ok(kd_shuffle(3, epoch, N, order, NULL), "kd_shuffle");
        for (size_t i = 0; i < N; i++) {
            count[i][order[i]] += 1;
        }
    }
    double chi2 = 0;
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            double expected = (double)EPOCHS / N;
            chi2 += (count[i][j] - expected) * (count[i][j] - expected) / expected;
        }
    }
    assert_true(chi2 < 49 + 5 * sqrt(2.0 * 49)); /* (N-1)^2 degrees of freedom */
}

static void bad_orders_are_refused(void **state)
{
    (void)state;
    uint32_t order[1] = {9};
    assert_int_equal(kd_shuffle(1, 0, 1, NULL, NULL), KD_ERR_NULL);
    assert_int_equal(kd_shuffle(1, 0, 0, order, NULL), KD_ERR_SIZE);
    assert_int_equal(kd_shuffle(1, 0, (size_t)INT32_MAX + 1, order, NULL), KD_ERR_TOO_LARGE);
    assert_int_equal(kd_shuffle(1, 0, SIZE_MAX, order, NULL), KD_ERR_TOO_LARGE);
    assert_int_equal(order[0], 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_weights_are_those_of_the_header),
        cmocka_unit_test(weights_have_their_distribution),
        cmocka_unit_test(a_seed_gives_its_bits),
        cmocka_unit_test(an_order_is_a_permutation),
        cmocka_unit_test(first_orders_are_pinned),
        cmocka_unit_test(orders_differ_and_are_fair),
        cmocka_unit_test(bad_orders_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
