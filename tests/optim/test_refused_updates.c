/* SPDX-License-Identifier: MIT */
/* Optimisers that must not be made, and updates that must not happen: nothing has changed then. */
#include "../support/support.h"

#define SHAPE "4: 7 relu 3"
#define PARAMS 4

typedef struct bench {
    kd_net *net;
    kd_workspace *ws;
    kd_optimizer *optimizer;
} bench;

static support_memory memory;
static kd_context *context;

static void open_context(void)
{
    context = support_context(&memory);
}

static void close_context(void)
{
    kd_context_destroy(context);
    support_all_returned(&memory);
}

static kd_workspace *after_backward(kd_net *net)
{
    static support_data data;
    const float *logits;
    support_fill(&data, 1, 2, 4, 3);
    kd_batch batch = support_batch(&data, 0, 2);
    kd_workspace *ws = support_workspace(net, 2, 1, 0);
    support_ok(kd_net_forward(ws, &batch, &logits), kd_workspace_error(ws));
    support_ok(kd_net_backward(ws, data.v, 0, 0), kd_workspace_error(ws));
    return ws;
}

static bench start(const kd_optimizer_options *options)
{
    kd_error error = KD_ERROR_INIT;
    bench b = {support_net(context, SHAPE, 3), NULL, NULL};
    b.ws = after_backward(b.net);
    support_ok(kd_optimizer_create(b.net, options, &b.optimizer, &error), error.text);
    return b;
}

static void stop(bench *b)
{
    kd_optimizer_destroy(b->optimizer);
    kd_workspace_destroy(b->ws);
    kd_net_destroy(b->net);
}

static void set_gradients(const bench *b, uint64_t step)
{
    uint64_t seed = 1000 + step;
    for (size_t i = 0; i < PARAMS; i++) {
        kd_param g = support_gradient(b->ws, i);
        support_normals(&seed, g.values, g.rows * g.columns, 1);
    }
}

static void good_step(bench *b, uint64_t step)
{
    set_gradients(b, step);
    support_ok(kd_optimizer_step(b->optimizer, b->ws), kd_optimizer_error(b->optimizer));
}

/* ---- options ---- */

typedef struct wrong {
    size_t field;
    kd_optimizer_kind kind; /* one that uses the field */
    float value;
    const char *words;
} wrong;

#define FIELD(name) offsetof(kd_optimizer_options, name)

static void wrong_numbers_are_refused(void **state)
{
    (void)state;
    static const wrong cases[] = {
        {FIELD(rate), KD_SGD, NAN, "rate is nan"},
        {FIELD(rate), KD_ADAM, -0.5f, "rate is -0.5"},
        {FIELD(rate), KD_ADAMW, INFINITY, "rate is inf"},
        {FIELD(momentum), KD_SGD, NAN, "momentum is nan"},
        {FIELD(momentum), KD_SGD, -0.25f, "momentum is -0.25"},
        {FIELD(momentum), KD_SGD, 1, "momentum is 1"},
        {FIELD(momentum), KD_SGD, INFINITY, "momentum is inf"},
        {FIELD(beta1), KD_ADAM, NAN, "beta1 is nan"},
        {FIELD(beta1), KD_ADAM, -0.5f, "beta1 is -0.5"},
        {FIELD(beta1), KD_ADAMW, 1, "beta1 is 1"},
        {FIELD(beta2), KD_ADAM, NAN, "beta2 is nan"},
        {FIELD(beta2), KD_ADAMW, -0.5f, "beta2 is -0.5"},
        {FIELD(beta2), KD_ADAM, 1.5f, "beta2 is 1.5"},
        {FIELD(epsilon), KD_ADAM, NAN, "epsilon is nan"},
        {FIELD(epsilon), KD_ADAMW, -1, "epsilon is -1"},
        {FIELD(epsilon), KD_ADAM, INFINITY, "epsilon is inf"},
        {FIELD(weight_decay), KD_SGD, NAN, "weight_decay is nan"},
        {FIELD(weight_decay), KD_ADAM, -1, "weight_decay is -1"},
        {FIELD(weight_decay), KD_ADAMW, INFINITY, "weight_decay is inf"},
        {FIELD(max_norm), KD_SGD, NAN, "max_norm is nan"},
        {FIELD(max_norm), KD_ADAM, -1, "max_norm is -1"},
        {FIELD(max_norm), KD_ADAMW, INFINITY, "max_norm is inf"},
        {FIELD(clip_norm), KD_SGD, NAN, "clip_norm is nan"},
        {FIELD(clip_norm), KD_ADAM, -1, "clip_norm is -1"},
        {FIELD(clip_norm), KD_ADAMW, INFINITY, "clip_norm is inf"},
    };
    open_context();
    kd_net *net = support_net(context, SHAPE, 3);
    for (size_t i = 0; i < COUNT(cases); i++) {
        kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
        kd_error error = KD_ERROR_INIT;
        size_t live = memory.live;
        kd_optimizer *optimizer = (kd_optimizer *)net; /* to see it become NULL */
        o.kind = cases[i].kind;
        memcpy((char *)&o + cases[i].field, &cases[i].value, sizeof(float));
        support_refused(kd_optimizer_create(net, &o, &optimizer, &error), KD_ERR_VALUE, error.text,
                        cases[i].words);
        assert_int_equal(error.argument, 2);
        assert_null(optimizer);
        assert_int_equal(memory.live, live);
    }
    kd_net_destroy(net);
    close_context();
}

static void wrong_kinds_and_schedules_are_refused(void **state)
{
    (void)state;
    kd_schedule ramp = KD_SCHEDULE_INIT, broken = ramp;
    ramp.kind = KD_SCHEDULE_LINEAR;
    ramp.from = 0.5f;
    ramp.to = 1;
    broken.kind = 77;
    const struct {
        kd_optimizer_kind kind;
        int32_t nesterov;
        const kd_schedule *rate, *momentum;
        kd_status status;
        const char *words;
    } cases[] = {
        {-1, 0, NULL, NULL, KD_ERR_KIND, "kind is -1"},
        {4, 0, NULL, NULL, KD_ERR_KIND, "kind is 4"},
        {KD_SGD, 2, NULL, NULL, KD_ERR_VALUE, "nesterov is 2"},
        {KD_SGD, -1, NULL, NULL, KD_ERR_VALUE, "nesterov is -1"},
        {KD_SGD, 0, &broken, NULL, KD_ERR_KIND, "rate_schedule.kind is 77"},
        {KD_SGD, 0, NULL, &broken, KD_ERR_KIND, "momentum_schedule.kind is 77"},
        {KD_SGD, 0, NULL, &ramp, KD_ERR_VALUE, "momentum_schedule reaches 1"},
    };
    open_context();
    kd_net *net = support_net(context, SHAPE, 3);
    for (size_t i = 0; i < COUNT(cases); i++) {
        kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
        kd_error error = KD_ERROR_INIT;
        kd_optimizer *optimizer;
        o.kind = cases[i].kind;
        o.nesterov = cases[i].nesterov;
        o.rate_schedule = cases[i].rate;
        o.momentum_schedule = cases[i].momentum;
        support_refused(kd_optimizer_create(net, &o, &optimizer, &error), cases[i].status,
                        error.text, cases[i].words);
        assert_null(optimizer);
    }
    ramp.to = 0.9375f; /* whatever else can grow to 1 is refused too */
    ramp.kind = KD_SCHEDULE_EXPONENTIAL;
    ramp.factor = 1.0001f;
    kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
    kd_optimizer *optimizer;
    o.momentum_schedule = &ramp;
    assert_int_equal(kd_optimizer_create(net, &o, &optimizer, NULL), KD_ERR_VALUE);
    ramp.factor = 0.9999f;
    support_ok(kd_optimizer_create(net, &o, &optimizer, NULL), "a falling momentum");
    kd_optimizer_destroy(optimizer);
    kd_net_destroy(net);
    close_context();
}

/* Adam's moments: without b1^2 < b2 their ratio has no bound. The defaults count too. */
static void betas_must_fit_each_other(void **state)
{
    (void)state;
    static const struct {
        float beta1, beta2;
        bool good;
    } cases[] = {
        {0.9f, 0.5f, false}, {0.5f, 0.25f, false}, {0.5f, 0.2500001f, true}, {0, 0.8f, false},
        {0, 0.82f, true},    {0.9999f, 0, false},  {0.99f, 0, true},
    };
    open_context();
    kd_net *net = support_net(context, SHAPE, 3);
    for (size_t i = 0; i < 2 * COUNT(cases); i++) {
        kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
        kd_error error = KD_ERROR_INIT;
        kd_optimizer *optimizer;
        o.kind = i % 2 ? KD_ADAM : KD_ADAMW;
        o.beta1 = cases[i / 2].beta1;
        o.beta2 = cases[i / 2].beta2;
        kd_status status = kd_optimizer_create(net, &o, &optimizer, &error);
        support_refused(status, cases[i / 2].good ? KD_OK : KD_ERR_VALUE, error.text,
                        cases[i / 2].good ? "" : "beta1");
        kd_optimizer_destroy(optimizer);
    }
    kd_net_destroy(net);
    close_context();
}

/* "A field that a kind does not use is ignored": the update is that without it. */
static void fields_without_use_are_ignored(void **state)
{
    (void)state;
    kd_schedule high = KD_SCHEDULE_INIT;
    high.from = 5;
    kd_optimizer_options adam = KD_OPTIMIZER_OPTIONS_INIT, sgd = adam, odd_adam, odd_sgd;
    adam.kind = KD_ADAM;
    odd_adam = adam;
    odd_adam.momentum = 1.5f;
    odd_adam.nesterov = 1;
    odd_adam.momentum_schedule = &high;
    odd_sgd = sgd;
    odd_sgd.beta1 = 2;
    odd_sgd.beta2 = -1;
    odd_sgd.epsilon = NAN;
    const kd_optimizer_options *pairs[][2] = {{&adam, &odd_adam}, {&sgd, &odd_sgd}};
    open_context();
    for (size_t i = 0; i < COUNT(pairs); i++) {
        bench a = start(pairs[i][0]), b = start(pairs[i][1]);
        for (uint64_t t = 0; t < 3; t++) {
            good_step(&a, t);
            good_step(&b, t);
        }
        assert_true(support_hash(a.net) == support_hash(b.net));
        stop(&a);
        stop(&b);
    }
    close_context();
}

/* ---- updates ---- */

static kd_optimizer_options kind_of(size_t which)
{
    kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
    static const kd_optimizer_kind kinds[] = {KD_SGD, KD_SGD, KD_SGD, KD_ADAM, KD_ADAMW};
    o.kind = kinds[which];
    o.momentum = which == 1 || which == 2 ? 0.9f : 0;
    o.nesterov = which == 2;
    o.weight_decay = 0.01f;
    o.max_norm = 2;
    o.clip_norm = which == 1 ? 3 : 0;
    return o;
}

/*
 * A bad gradient at any time: no weight changes, and the state is that of a twin who never saw
 * it.
 */
static void a_bad_gradient_changes_nothing(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 1e35f, -3e38f};
    static const size_t when[] = {0, 1, 3};
    open_context();
    for (size_t i = 0; i < 5 * COUNT(bad) * COUNT(when) * PARAMS; i++) {
        kd_optimizer_options o = kind_of(i % 5);
        float value = bad[i / 5 % COUNT(bad)];
        if (o.clip_norm > 0 && isfinite(value)) {
            continue; /* clipping makes a long gradient short */
        }
        bench victim = start(&o), twin = start(&o);
        for (size_t t = 0; t < 6; t++) {
            if (t == when[i / 5 / COUNT(bad) % COUNT(when)]) {
                kd_param g = support_gradient(victim.ws, i / 5 / COUNT(bad) / COUNT(when));
                uint64_t before = support_hash(victim.net);
                set_gradients(&victim, 77);
                g.values[g.rows * g.columns - 1] = value;
                support_refused(kd_optimizer_step(victim.optimizer, victim.ws), KD_ERR_NOT_FINITE,
                                kd_optimizer_error(victim.optimizer),
                                isfinite(value) ? "overflow" : "gradient of parameter");
                assert_true(support_hash(victim.net) == before);
            }
            good_step(&victim, t);
            good_step(&twin, t);
            assert_true(support_hash(victim.net) == support_hash(twin.net));
        }
        stop(&victim);
        stop(&twin);
    }
    close_context();
}

/* A rate that takes an update out of range: the weights stay, however often one tries. */
static void a_rate_out_of_range_changes_nothing(void **state)
{
    (void)state;
    kd_schedule leap = KD_SCHEDULE_INIT;
    leap.kind = KD_SCHEDULE_LINEAR;
    leap.from = 0.01f;
    leap.to = 3e38f;
    leap.steps = 1;
    open_context();
    for (size_t which = 0; which < 5; which++) {
        kd_optimizer_options o = kind_of(which);
        o.rate_schedule = &leap;
        bench b = start(&o);
        good_step(&b, 0);
        uint64_t before = support_hash(b.net);
        for (uint64_t t = 0; t < 3; t++) {
            set_gradients(&b, t);
            support_refused(kd_optimizer_step(b.optimizer, b.ws), KD_ERR_NOT_FINITE,
                            kd_optimizer_error(b.optimizer), "rate 3e38");
            assert_true(support_hash(b.net) == before);
        }
        stop(&b);
    }
    close_context();
}

/* Adam divides by a length that may have underflowed; the quotient must not end in an infinity. */
static void a_tiny_length_is_not_divided_by(void **state)
{
    (void)state;
    open_context();
    for (kd_optimizer_kind kind = KD_ADAM; kind <= KD_ADAMW; kind++) {
        kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
        o.kind = kind;
        o.rate = 1e20f;
        o.epsilon = 1e-45f;
        bench b = start(&o);
        set_gradients(&b, 0);
        for (size_t i = 0; i < PARAMS; i++) {
            kd_param g = support_gradient(b.ws, i);
            for (size_t j = 0; j < g.rows * g.columns; j++) {
                g.values[j] *= 1e-22f;
            }
        }
        uint64_t before = support_hash(b.net);
        kd_status status = kd_optimizer_step(b.optimizer, b.ws);
        for (size_t i = 0; i < PARAMS; i++) {
            kd_param p = support_param(b.net, i);
            for (size_t j = 0; j < p.rows * p.columns; j++) {
                assert_true(isfinite(p.values[j]));
            }
        }
        assert_true(status == KD_OK || support_hash(b.net) == before);
        stop(&b);
    }
    close_context();
}

static void states_that_allow_no_update(void **state)
{
    (void)state;
    open_context();
    bench b = start(NULL);
    kd_net *other = support_clone(b.net);
    kd_workspace *others = after_backward(other);
    kd_workspace *fresh = support_workspace(b.net, 2, 1, 0);
    kd_workspace *infers = support_workspace(b.net, 2, 0, 0);
    uint64_t before = support_hash(b.net);
    assert_string_equal(kd_optimizer_error(b.optimizer), "");
    support_refused(kd_optimizer_step(b.optimizer, others), KD_ERR_STATE,
                    kd_optimizer_error(b.optimizer), "another net");
    support_refused(kd_optimizer_step(b.optimizer, fresh), KD_ERR_STATE,
                    kd_optimizer_error(b.optimizer), "backward");
    support_refused(kd_optimizer_step(b.optimizer, infers), KD_ERR_STATE,
                    kd_optimizer_error(b.optimizer), "backward");
    assert_true(support_hash(b.net) == before);
    kd_workspace_destroy(infers);
    kd_workspace_destroy(fresh);
    kd_workspace_destroy(others);
    kd_net_destroy(other);
    good_step(&b, 1);
    assert_true(support_hash(b.net) != before);
    stop(&b);
    close_context();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_numbers_are_refused),
        cmocka_unit_test(wrong_kinds_and_schedules_are_refused),
        cmocka_unit_test(betas_must_fit_each_other),
        cmocka_unit_test(fields_without_use_are_ignored),
        cmocka_unit_test(a_bad_gradient_changes_nothing),
        cmocka_unit_test(a_rate_out_of_range_changes_nothing),
        cmocka_unit_test(a_tiny_length_is_not_divided_by),
        cmocka_unit_test(states_that_allow_no_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
