/* SPDX-License-Identifier: MIT */
/* Early stopping and examination of specialists in examples/specialists, with nets made by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "examine.h"
#include "keeper.h"

enum { CASES = 5, K = 3 };

/* Nets here say their input, so these are logits, too. */
static const float inputs[CASES][K] = {
    {3, 1, 0}, {0, 2, 1}, {1, 0.5f, 2}, {2, 1.5f, 0}, {2.5f, 0, 1}};
static const int32_t truth[CASES] = {0, 1, 2, 1, 2};

static kd_context *context;

static void load(const void *kept, const uint32_t *cases, size_t m, const distortion *d, float *x,
                 int32_t *labels)
{
    (void)kept;
    (void)d;
    for (size_t i = 0; i < m; i++) {
        memcpy(x + i * K, inputs[cases[i]], sizeof inputs[0]);
        if (labels) {
            labels[i] = truth[cases[i]];
        }
    }
}

static const case_set data = {.n = CASES, .inputs = K, .classes = K, .load = load};

/* Gives a net of one layer the weights of the identity, and these biases. */
static void set_net(kd_net *net, float a, float b, float c)
{
    const float biases[K] = {a, b, c};
    kd_param weight = KD_PARAM_INIT, bias = KD_PARAM_INIT;
    assert_int_equal(kd_net_get_param(net, 0, &weight), KD_OK);
    assert_int_equal(kd_net_get_param(net, 1, &bias), KD_OK);
    for (size_t i = 0; i < K * K; i++) {
        weight.values[i] = i % (K + 1) == 0 ? 1.0f : 0.0f;
    }
    memcpy(bias.values, biases, sizeof biases);
}

static kd_net *make_net(void)
{
    kd_net *net;
    assert_int_equal(kd_net_create(context, K, &net, NULL), KD_OK);
    assert_int_equal(kd_net_add_dense(net, K), KD_OK);
    assert_int_equal(kd_net_init(net, KD_INIT_HE, 1), KD_OK);
    set_net(net, 0, 0, 0);
    return net;
}

/* Of two classes, with a net like the generalist's: its outputs are these and the dustbin. */
static kd_specialist *make_specialist(kd_net *generalist, const uint32_t classes[2])
{
    kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
    kd_specialist *specialist;
    o.classes = classes;
    o.n_classes = 2;
    o.generalist = generalist;
    assert_int_equal(kd_specialist_create(context, &o, &specialist, NULL), KD_OK);
    set_net(kd_specialist_net(specialist), 0, 0, 0);
    return specialist;
}

/* Two epochs: the biases of the net after each, and which of them is the best. */
static void check_keeper(const kd_specialist *specialist, const float *shift, const float *first,
                         const float *second, long errors_first, long least)
{
    kd_net *net = make_net();
    keeper k = {
        .dev = &data, .labels = truth, .specialist = specialist, .shift = shift, .least = -1};
    kd_param bias = KD_PARAM_INIT;
    set_net(net, first[0], first[1], first[2]);
    assert_true(keeper_note(&k, 1, 0.0, net));
    assert_int_equal(k.least, errors_first);
    set_net(net, second[0], second[1], second[2]);
    assert_true(keeper_note(&k, 2, 0.0, net));
    assert_int_equal(k.least, least);
    keeper_restore(&k, net);
    assert_int_equal(kd_net_get_param(net, 1, &bias), KD_OK);
    const float *best = least < errors_first ? second : first;
    assert_memory_equal(bias.values, best, K * sizeof *best);
    keeper_close(&k);
    kd_net_destroy(net);
}

/* Epochs are compared as their nets will be used: with the dustbin's correction. */
static void test_the_best_epoch_is_that_of_corrected_nets(void **state)
{
    (void)state;
    static const float plain[K] = {0, 0, 0}, far[K] = {0, 0, 4};
    static const float lifted[K] = {0, 0, 4}, lowered[K] = {0, 0, -4};
    static const uint32_t classes[] = {0, 2};
    kd_net *generalist = make_net();
    kd_specialist *specialist = make_specialist(generalist, classes);
    /* As they are: only the first case is right, then the two of the dustbin. */
    check_keeper(specialist, NULL, plain, far, 4, 3);
    /* With 4 less for the dustbin, nobody ever says it, and the first stays. */
    check_keeper(specialist, lowered, plain, far, 4, 4);
    /* With 4 more, both call everything the dustbin. */
    check_keeper(specialist, lifted, plain, far, 3, 3);
    /* A net of all classes has no dustbin. */
    check_keeper(NULL, NULL, plain, far, 2, 2);
    kd_specialist_destroy(specialist);
    kd_net_destroy(generalist);
}

static double probability(const float *z, size_t class)
{
    double sum = 0.0;
    for (size_t c = 0; c < K; c++) {
        sum += exp((double)z[c]);
    }
    return exp((double)z[class]) / sum;
}

static void check_side(const cJSON *active, const char *name, double own, double nats,
                       double errors)
{
    const cJSON *side = cJSON_GetObjectItem(active, name);
    assert_true(fabs(cJSON_GetObjectItem(side, "own")->valuedouble - own) < 1e-6);
    assert_true(fabs(cJSON_GetObjectItem(side, "nats")->valuedouble - nats) < 1e-6);
    assert_true(cJSON_GetObjectItem(side, "own_errors")->valuedouble == errors);
}

/* Specialists of classes {0,2} and {1,2}: when they are active, and whether the class is theirs. */
static void test_the_examination_counts_what_it_says(void **state)
{
    (void)state;
    static const struct {
        size_t which, specialist;
        bool own;
    } pairs[] = {{0, 0, true}, {1, 1, true},  {2, 0, true},
                 {2, 1, true}, {3, 0, false}, {4, 0, true}};
    static const float biases[2][K] = {{0, 3, 0.5f}, {0.25f, 0, 0}};
    uint32_t classes[] = {0, 2, 1, 2};
    kd_net *generalist = make_net();
    panel p = {.kind = PANEL_DUSTBIN, .m = 2, .each = 2, .classes = classes};
    for (size_t m = 0; m < 2; m++) {
        p.specialists[m] = make_specialist(generalist, classes + 2 * m);
        set_net(kd_specialist_net(p.specialists[m]), biases[m][0], biases[m][1], biases[m][2]);
    }
    double own[2] = {0}, nats[2] = {0};
    for (size_t i = 0; i < 6; i++) {
        const float *z = inputs[pairs[i].which], *bias = biases[pairs[i].specialist];
        const float said[K] = {z[0] + bias[0], z[1] + bias[1], z[2] + bias[2]};
        /* Not theirs: class 1 for the first, class 0 for the second; and the dustbin, output 2. */
        const double no[2] = {probability(z, 1 - pairs[i].specialist), probability(said, 2)};
        for (size_t side = 0; side < 2; side++) {
            own[side] += (1 - no[side]) / 6;
            nats[side] -= log(pairs[i].own ? 1 - no[side] : no[side]) / 6;
        }
    }
    cJSON *result = cJSON_CreateObject();
    assert_true(examine(generalist, &p, &data, result));
    const cJSON *active = cJSON_GetObjectItem(result, "active");
    assert_int_equal(cJSON_GetObjectItem(active, "pairs")->valueint, 6);
    assert_int_equal(cJSON_GetObjectItem(active, "own")->valueint, 5);
    /* The generalist takes the last case for class 0; the specialists miss cases 0, and 1 and 2. */
    check_side(active, "generalist", own[0], nats[0], 1);
    check_side(active, "specialist", own[1], nats[1], 3);
    cJSON_Delete(result);
    kd_specialist_destroy(p.specialists[0]);
    kd_specialist_destroy(p.specialists[1]);
    kd_net_destroy(generalist);
}

static int begin(void **state)
{
    (void)state;
    return kd_context_create(NULL, &context, NULL) == KD_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    kd_context_destroy(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_best_epoch_is_that_of_corrected_nets),
        cmocka_unit_test(test_the_examination_counts_what_it_says),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
