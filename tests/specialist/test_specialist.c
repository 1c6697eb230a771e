/* SPDX-License-Identifier: MIT */
/* Specialists: the net that begins as the generalist, nets from files, the dustbin's correction. */
#include "../support/bytes.h"
#include "../support/support.h"

#define INPUTS 5
#define K 6
#define CASES 20

static support_memory memory;
static kd_context *context;
static support_data data;

static int begin(void **state)
{
    (void)state;
    context = support_context(&memory);
    support_fill(&data, 51, CASES, INPUTS, K);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kd_context_destroy(context);
    support_all_returned(&memory);
    return 0;
}

static kd_specialist_options options_of(const uint32_t *classes, size_t n, const kd_net *generalist)
{
    kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
    o.classes = classes;
    o.n_classes = n;
    o.generalist = generalist;
    return o;
}

static kd_specialist *make(const kd_specialist_options *o)
{
    kd_error e = KD_ERROR_INIT;
    kd_specialist *s;
    support_ok(kd_specialist_create(context, o, &s, &e), e.text);
    return s;
}

static void infer(kd_net *net, float *out)
{
    kd_workspace *ws = support_workspace(net, CASES, 0, 0);
    support_ok(kd_net_infer(ws, data.x, CASES, 0, out, 0), kd_workspace_error(ws));
    kd_workspace_destroy(ws);
}

/* ---- the net ---- */

/* Its own logits have the generalist's bits; the dustbin's is the mean of the others', and the log
 * of how many they are. */
static void its_net_begins_as_the_generalist(void **state)
{
    (void)state;
    static const char *const shapes[] = {"5: 9 relu drop0.3 7 relu 6", "5: 6", "5: drop0.2 4 6"};
    static const uint32_t classes[] = {4, 0, 3};
    static const uint32_t ascending[] = {0, 3, 4};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        float all[CASES * K], own[CASES * 4];
        kd_net_info was = KD_NET_INFO_INIT, is = KD_NET_INFO_INIT;
        kd_net *generalist = support_net(context, shapes[i], 3);
        uint64_t before = support_hash(generalist);
        kd_specialist_options o = options_of(classes, 3, generalist);
        kd_specialist *s = make(&o);
        kd_net *net = kd_specialist_net(s);
        infer(generalist, all);
        infer(net, own);
        for (size_t row = 0; row < CASES; row++) {
            double sum = 0;
            for (size_t j = 0; j < 3; j++) {
                support_same_bits("logit", &own[row * 4 + j], &all[row * K + ascending[j]],
                                  sizeof *own);
            }
            sum += (double)all[row * K + 1] + (double)all[row * K + 2] + (double)all[row * K + 5];
            support_near("dustbin", (double)own[row * 4 + 3], sum / 3 + log(3), 2e-6);
        }
        support_ok(kd_net_get_info(generalist, &was, NULL), "info");
        support_ok(kd_net_get_info(net, &is, NULL), "info");
        assert_true(is.nodes == was.nodes && is.inputs == INPUTS && is.outputs == 4);
        support_param(net, 0).values[0] += 1; /* a copy */
        assert_true(support_hash(generalist) == before);
        kd_net_destroy(generalist);
        kd_specialist_destroy(s);
    }
}

static void one_of_all_classes_is_the_generalist(void **state)
{
    (void)state;
    static const uint32_t classes[] = {5, 4, 3, 2, 1, 0};
    kd_net *generalist = support_net(context, "5: 9 relu 6", 3);
    kd_specialist_options o = options_of(classes, K, generalist);
    kd_specialist *s = make(&o);
    assert_true(support_hash(kd_specialist_net(s)) == support_hash(generalist));
    kd_specialist_destroy(s);
    kd_net_destroy(generalist);
}

/* A net of its own: none, one that a file held, one of exactly the outputs that are due. */
static void nets_from_elsewhere(void **state)
{
    (void)state;
    static const uint32_t classes[] = {2, 5};
    kd_error e = KD_ERROR_INIT;
    io_bytes file = {0};
    kd_writer writer = io_writer(&file);
    kd_net *generalist = support_net(context, "5: 9 relu 6", 4), *loaded;
    kd_specialist_options o = options_of(classes, 2, generalist);
    kd_specialist *first = make(&o);
    uint64_t hash = support_hash(kd_specialist_net(first));
    support_ok(kd_save_net(kd_specialist_net(first), NULL, &writer, &e), e.text);
    kd_specialist_destroy(first);
    kd_reader reader = io_reader(&file);
    support_ok(kd_load_net(context, NULL, &reader, &loaded, &e), e.text);
    o.generalist = NULL;
    o.k = K;
    kd_specialist *none = make(&o);
    assert_null(kd_specialist_net(none));
    assert_null(kd_specialist_net(NULL));
    o.net = loaded;
    kd_specialist *s = make(&o);
    kd_net_destroy(loaded); /* it is retained */
    assert_ptr_equal(kd_specialist_net(s), loaded);
    assert_true(support_hash(kd_specialist_net(s)) == hash);
    o.k = 2;
    o.net = kd_specialist_net(s);
    kd_specialist *made = none;
    static const uint32_t both[] = {0, 1};
    o.classes = both;
    support_refused(kd_specialist_create(context, &o, &made, &e), KD_ERR_SHAPE, e.text,
                    "options.net has 3 outputs, not 2"); /* all of two classes: no dustbin */
    assert_null(made);
    kd_specialist_destroy(none);
    kd_specialist_destroy(s);
    kd_net_destroy(generalist);
    kd_specialist_destroy(NULL);
    io_free(&file);
}

/* ---- refusals ---- */

static void refuse(const kd_specialist_options *o, kd_status status, const char *words)
{
    kd_error e = KD_ERROR_INIT;
    kd_specialist *s = (kd_specialist *)&e;
    support_refused(kd_specialist_create(context, o, &s, &e), status, e.text, words);
    assert_int_equal(e.argument, 2);
    assert_null(s);
}

static void bad_sets_name_the_entry(void **state)
{
    (void)state;
    uint32_t classes[] = {4, 0, 3, 1, 2, 5, 6};
    kd_net *generalist = support_net(context, "5: 6", 4);
    const kd_specialist_options good = options_of(classes, 3, generalist);
    kd_specialist_options o = good;
    refuse((o.n_classes = 0, &o), KD_ERR_SIZE, "options.n_classes is 0");
    refuse((o.n_classes = 7, &o), KD_ERR_TOO_LARGE,
           "options.n_classes is 7, but there are 6 classes");
    refuse((o.n_classes = SIZE_MAX, &o), KD_ERR_TOO_LARGE, "options.n_classes is ");
    refuse((o = good, o.classes = NULL, &o), KD_ERR_NULL, "options.classes is NULL");
    refuse((o = good, classes[2] = 6, &o), KD_ERR_INDEX,
           "options.classes[2] is 6, but there are 6 classes");
    refuse((classes[2] = UINT32_MAX, &o), KD_ERR_INDEX, "options.classes[2] is 4294967295");
    refuse((classes[2] = 4, &o), KD_ERR_INDEX, "options.classes[2] is 4 again");
    classes[2] = 3;
    refuse((o.k = 7, &o), KD_ERR_SHAPE, "options.generalist has 6 outputs, not 7");
    refuse((o = good, o.struct_size = 2, &o), KD_ERR_STRUCT, "options.struct_size is 2");
    o = good;
    o.generalist = NULL;
    refuse(&o, KD_ERR_SIZE, "options.k is 0");
    refuse((o.k = (size_t)INT32_MAX + 1, &o), KD_ERR_TOO_LARGE, "options.k is 2147483648");
    kd_net_destroy(generalist);
}

static void bad_nets(void **state)
{
    (void)state;
    static const uint32_t classes[] = {1, 4};
    kd_error e = KD_ERROR_INIT;
    kd_net *good = support_net(context, "5: 6", 4), *bare;
    kd_net *rectified = support_net(context, "5: 6 relu", 4),
           *other = support_net(context, "5: 3 relu", 4);
    support_ok(kd_net_create(context, INPUTS, &bare, &e), e.text);
    kd_specialist_options o = options_of(classes, 2, good);
    refuse((o.net = good, &o), KD_ERR_VALUE, "options.generalist and options.net are both given");
    o.net = NULL;
    refuse((o.generalist = bare, &o), KD_ERR_STATE, "options.generalist is not initialised");
    refuse((o.generalist = rectified, &o), KD_ERR_STATE,
           "the last node of options.generalist is not dense");
    o.generalist = NULL;
    o.k = K;
    refuse((o.net = bare, &o), KD_ERR_STATE, "options.net is not initialised");
    refuse((o.net = other, &o), KD_ERR_STATE, "the last node of options.net is not dense");
    refuse((o.net = good, &o), KD_ERR_SHAPE, "options.net has 6 outputs, not 3");
    kd_specialist *s = NULL;
    support_refused(kd_specialist_create(NULL, &o, &s, &e), KD_ERR_NULL, e.text, "context is NULL");
    support_refused(kd_specialist_create(context, NULL, &s, &e), KD_ERR_NULL, e.text,
                    "options is NULL");
    support_refused(kd_specialist_create(context, &o, NULL, &e), KD_ERR_NULL, e.text,
                    "out_specialist is NULL");
    kd_net_destroy(good);
    kd_net_destroy(bare);
    kd_net_destroy(rectified);
    kd_net_destroy(other);
}

/* ---- the correction ---- */

/* ln((1 - prior) / prior) on the dustbin's bias, once, and nothing else. */
static void the_correction_is_the_log_of_odds(void **state)
{
    (void)state;
    static const double priors[] = {0.5, 0.1, 0.9, 0.003, 1e-300, 1 - 0x1p-53};
    static const uint32_t classes[] = {1, 4};
    kd_net *generalist = support_net(context, "5: 6", 4);
    for (size_t i = 0; i < COUNT(priors); i++) {
        float before[CASES * 3], after[CASES * 3];
        double shift, want = log((1 - priors[i]) / priors[i]);
        kd_error e = KD_ERROR_INIT;
        kd_specialist_options o = options_of(classes, 2, generalist);
        kd_specialist *s = make(&o);
        infer(kd_specialist_net(s), before);
        support_ok(kd_specialist_correct(s, priors[i], &shift, &e), e.text);
        infer(kd_specialist_net(s), after);
        support_near("shift", shift, want, 1e-12 * fabs(want) + 1e-15);
        for (size_t j = 0; j < CASES * 3; j++) {
            support_near("logit", (double)after[j], (double)before[j] + (j % 3 == 2 ? want : 0),
                         j % 3 == 2 ? 1e-6 * (2 + fabs(want)) : 0);
        }
        support_refused(kd_specialist_correct(s, 0.5, NULL, &e), KD_ERR_STATE, e.text,
                        "the specialist was corrected before");
        kd_specialist_destroy(s);
    }
    kd_net_destroy(generalist);
}

/*
 * What it is for: cases are drawn half and half, so the log of the odds of an ideal net is that of
 * densities; with the correction it is that of the data.
 */
static void it_gives_the_odds_of_the_data(void **state)
{
    (void)state;
    static const uint32_t classes[] = {0};
    static const double density[2] = {0.7, 0.2}; /* of some x: in the class, and outside */
    const double prior = 0.04;
    double odds = density[0] * prior / (density[1] * (1 - prior)), shift;
    kd_specialist_options o = options_of(classes, 1, NULL);
    kd_net *net;
    support_ok(kd_net_create(context, 1, &net, NULL), "net");
    support_ok(kd_net_add_dense(net, 2), "dense");
    support_ok(kd_net_init(net, KD_INIT_HE, 1), "init");
    o.net = net;
    o.k = 10;
    kd_specialist *s = make(&o);
    kd_param bias = support_param(net, 1);
    bias.values[0] = (float)log(density[0]);
    bias.values[1] = (float)log(density[1]);
    support_ok(kd_specialist_correct(s, prior, &shift, NULL), "correct");
    support_near("odds", exp((double)bias.values[0] - (double)bias.values[1]), odds, 1e-6);
    kd_specialist_destroy(s);
    kd_net_destroy(net);
}

static void bad_corrections(void **state)
{
    (void)state;
    static const double bad[] = {0, 1, -0.5, 1.5, (double)NAN, (double)INFINITY};
    static const uint32_t classes[] = {1, 4, 0, 2, 3, 5};
    kd_error e = KD_ERROR_INIT;
    kd_net *generalist = support_net(context, "5: 6", 4);
    kd_specialist_options o = options_of(classes, 2, generalist);
    kd_specialist *s = make(&o);
    uint64_t before = support_hash(kd_specialist_net(s));
    for (size_t i = 0; i < COUNT(bad); i++) {
        support_refused(kd_specialist_correct(s, bad[i], NULL, &e), KD_ERR_VALUE, e.text,
                        "not between 0 and 1");
    }
    assert_true(support_hash(kd_specialist_net(s)) == before);
    kd_specialist_destroy(s);
    s = make((o.n_classes = K, &o));
    support_refused(kd_specialist_correct(s, 0.5, NULL, &e), KD_ERR_STATE, e.text,
                    "the specialist has no dustbin");
    kd_specialist_destroy(s);
    s = make((o.generalist = NULL, o.k = K, o.n_classes = 1, &o));
    support_refused(kd_specialist_correct(s, 0.5, NULL, &e), KD_ERR_STATE, e.text,
                    "the specialist has no net");
    support_refused(kd_specialist_correct(NULL, 0.5, NULL, &e), KD_ERR_NULL, e.text,
                    "specialist is NULL");
    kd_specialist_destroy(s);
    kd_net_destroy(generalist);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_net_begins_as_the_generalist),
        cmocka_unit_test(one_of_all_classes_is_the_generalist),
        cmocka_unit_test(nets_from_elsewhere),
        cmocka_unit_test(bad_sets_name_the_entry),
        cmocka_unit_test(bad_nets),
        cmocka_unit_test(the_correction_is_the_log_of_odds),
        cmocka_unit_test(it_gives_the_odds_of_the_data),
        cmocka_unit_test(bad_corrections),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
