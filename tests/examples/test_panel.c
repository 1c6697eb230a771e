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

/* Of classes 0 and 1, with a net like the generalist's: its outputs are 0, 1, dustbin. */
static kd_specialist *make_specialist(kd_net *generalist)
{
    static const uint32_t classes[] = {0, 1};
    kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
    kd_specialist *specialist;
    o.classes = classes;
    o.n_classes = 2;
    o.generalist = generalist;
    assert_int_equal(kd_specialist_create(context, &o, &specialist, NULL), KD_OK);
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
    kd_net *generalist = make_net();
    kd_specialist *specialist = make_specialist(generalist);
    /* As they are: the last two are wrong, then all but those of the dustbin. */
    check_keeper(specialist, NULL, plain, far, 2, 2);
    /* With 4 less for the dustbin the first net never says it, and the second is the better. */
    check_keeper(specialist, lowered, plain, far, 3, 2);
    /* With 4 more, both call everything the dustbin: the first stays. */
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

/*
 * Active for all cases but the third, which the generalist calls class 2; the last one is none of
 * its classes. The specialist's biases make it right about the fourth.
 */
static void test_the_examination_counts_what_it_says(void **state)
{
    (void)state;
    static const float biases[K] = {0, 1, 0.5f};
    static const size_t asked[] = {0, 1, 3, 4};
    uint32_t classes[] = {0, 1};
    kd_net *generalist = make_net();
    panel p = {.kind = PANEL_DUSTBIN, .m = 1, .each = 2, .classes = classes};
    p.specialists[0] = make_specialist(generalist);
    set_net(kd_specialist_net(p.specialists[0]), biases[0], biases[1], biases[2]);
    double own[2] = {0}, nats[2] = {0};
    for (size_t i = 0; i < 4; i++) {
        float said[K];
        for (size_t c = 0; c < K; c++) {
            said[c] = inputs[asked[i]][c] + biases[c];
        }
        const double is_own[2] = {1 - probability(inputs[asked[i]], 2), 1 - probability(said, 2)};
        for (size_t side = 0; side < 2; side++) {
            own[side] += is_own[side] / 4;
            nats[side] -= log(truth[asked[i]] == 2 ? 1 - is_own[side] : is_own[side]) / 4;
        }
    }
    cJSON *result = cJSON_CreateObject();
    assert_true(examine(generalist, &p, &data, result));
    const cJSON *active = cJSON_GetObjectItem(result, "active");
    assert_int_equal(cJSON_GetObjectItem(active, "pairs")->valueint, 4);
    assert_int_equal(cJSON_GetObjectItem(active, "own")->valueint, 3);
    check_side(active, "generalist", own[0], nats[0], 1);
    check_side(active, "specialist", own[1], nats[1], 0);
    cJSON_Delete(result);
    kd_specialist_destroy(p.specialists[0]);
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
