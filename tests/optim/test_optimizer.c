/* SPDX-License-Identifier: MIT */
/*
 * Optimisers against the formulas of kd/optim.h in double, which are those of PyTorch's SGD,
 * Adam and AdamW; limits of norms; and updates that must not happen.
 */
#include "../support/support.h"

#define SHAPE "4: 7 relu 6 relu 3"
#define VALUES (7 * 4 + 7 + 6 * 7 + 6 + 3 * 6 + 3)
#define PARAMS 6
#define STEPS 50

typedef struct bench {
    kd_net *net;
    kd_workspace *ws; /* after a backward; the tests write the gradients themselves */
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

static bench start(const kd_optimizer_options *options)
{
    static support_data data;
    bench b = {support_net(context, SHAPE, 3), NULL, NULL};
    kd_error error = KD_ERROR_INIT;
    const float *logits;
    support_fill(&data, 1, 2, 4, 3);
    kd_batch batch = support_batch(&data, 0, 2);
    b.ws = support_workspace(b.net, 2, 1, 0);
    support_ok(kd_net_forward(b.ws, &batch, &logits), kd_workspace_error(b.ws));
    support_ok(kd_net_backward(b.ws, data.v, 0, 0), kd_workspace_error(b.ws));
    support_ok(kd_optimizer_create(b.net, options, &b.optimizer, &error), error.text);
    return b;
}

static void stop(bench *b)
{
    kd_optimizer_destroy(b->optimizer);
    kd_workspace_destroy(b->ws);
    kd_net_destroy(b->net);
}

/* Gradients of one step, the same for all benches. */
static void set_gradients(const bench *b, uint64_t step, double scale)
{
    uint64_t seed = 1000 + step;
    for (size_t i = 0; i < PARAMS; i++) {
        kd_param g = support_gradient(b->ws, i);
        support_normals(&seed, g.values, g.rows * g.columns, scale);
    }
}

static void get_gradients(const bench *b, float *out)
{
    for (size_t i = 0; i < PARAMS; i++) {
        kd_param g = support_gradient(b->ws, i);
        memcpy(out, g.values, g.rows * g.columns * sizeof *out);
        out += g.rows * g.columns;
    }
}

static void step(bench *b)
{
    support_ok(kd_optimizer_step(b->optimizer, b->ws), kd_optimizer_error(b->optimizer));
}

static kd_optimizer_options options_of(kd_optimizer_kind kind, float rate, float momentum,
                                       int32_t nesterov, float decay)
{
    kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
    o.kind = kind;
    o.rate = rate;
    o.momentum = momentum;
    o.nesterov = nesterov;
    o.weight_decay = decay;
    return o;
}

/* ---- the formulas ---- */

typedef struct exact {
    double w[VALUES], m[VALUES], s[VALUES];
} exact;

static void exact_sgd(exact *e, size_t i, double g, const kd_optimizer_options *o, double rate,
                      double mu)
{
    e->m[i] = mu * e->m[i] + g;
    e->w[i] -= rate * (o->nesterov ? g + mu * e->m[i] : e->m[i]);
}

static void exact_adam(exact *e, size_t i, double g, const kd_optimizer_options *o, double rate,
                       double t)
{
    double b1 = o->beta1 > 0 ? (double)o->beta1 : (double)0.9f;
    double b2 = o->beta2 > 0 ? (double)o->beta2 : (double)0.999f;
    double epsilon = o->epsilon > 0 ? (double)o->epsilon : 1e-8;
    e->m[i] = b1 * e->m[i] + (1 - b1) * g;
    e->s[i] = b2 * e->s[i] + (1 - b2) * g * g;
    double m = e->m[i] / (1 - pow(b1, t));
    double s = e->s[i] / (1 - pow(b2, t));
    e->w[i] -= rate * m / (sqrt(s) + epsilon);
}

static double scheduled(const kd_schedule *s, float constant, uint64_t done)
{
    double v = (double)constant;
    if (s) {
        support_ok(kd_schedule_value(s, done, &v, NULL), "schedule");
    }
    return v;
}

static void exact_step(exact *e, const float *gradients, const bool *biases,
                       const kd_optimizer_options *o, uint64_t done)
{
    double rate = scheduled(o->rate_schedule, o->rate, done);
    double mu = scheduled(o->momentum_schedule, o->momentum, done);
    for (size_t i = 0; i < VALUES; i++) {
        double g = (double)gradients[i];
        double decay = biases[i] ? 0 : (double)o->weight_decay;
        if (o->kind == KD_ADAMW) {
            e->w[i] -= rate * decay * e->w[i];
        } else {
            g += decay * e->w[i];
        }
        if (o->kind == KD_SGD) {
            exact_sgd(e, i, g, o, rate, mu);
        } else {
            exact_adam(e, i, g, o, rate, (double)(done + 1));
        }
    }
}

/* Each step rounds a weight a few times, relative to its size and to that of its moves. */
static void check_formula(const kd_optimizer_options *o)
{
    static exact e;
    float w[VALUES], gradients[VALUES];
    bool biases[VALUES];
    bench b = start(o);
    memset(&e, 0, sizeof e);
    support_get_weights(b.net, w);
    for (size_t p = 0, i = 0; p < PARAMS; p++) {
        kd_param param = support_param(b.net, p);
        for (size_t end = i + param.rows * param.columns; i < end; i++) {
            biases[i] = p % 2 == 1;
            e.w[i] = (double)w[i];
        }
    }
    for (uint64_t done = 0; done < STEPS; done++) {
        set_gradients(&b, done, 1);
        get_gradients(&b, gradients);
        step(&b);
        exact_step(&e, gradients, biases, o, done);
        support_get_weights(b.net, w);
        for (size_t i = 0; i < VALUES; i++) {
            double tolerance = (double)(done + 1) * 0x1p-23 * (1 + fabs(e.w[i]));
            support_near("weight", (double)w[i], e.w[i], tolerance);
        }
        float after[VALUES];
        get_gradients(&b, after); /* an update does not change them */
        support_same_bits("gradients", after, gradients, sizeof after);
    }
    stop(&b);
}

static void updates_are_the_formulas(void **state)
{
    (void)state;
    kd_schedule rate = KD_SCHEDULE_INIT, ramp = KD_SCHEDULE_INIT;
    rate.kind = KD_SCHEDULE_COSINE;
    rate.from = 0.1f;
    rate.steps = STEPS;
    rate.warmup = 5;
    ramp.kind = KD_SCHEDULE_LINEAR;
    ramp.from = 0.5f;
    ramp.to = 0.99f;
    ramp.steps = 30;
    kd_schedule steady = KD_SCHEDULE_INIT;
    steady.from = 0.9f;
    kd_optimizer_options cases[] = {
        options_of(KD_SGD, 0.1f, 0, 0, 0),      options_of(KD_SGD, 0.1f, 0, 0, 0.3f),
        options_of(KD_SGD, 0.1f, 0.9f, 0, 0),   options_of(KD_SGD, 0.1f, 0.9f, 0, 0.3f),
        options_of(KD_SGD, 0.1f, 0.9f, 1, 0),   options_of(KD_SGD, 0.1f, 0.9f, 1, 0.3f),
        options_of(KD_ADAM, 0.01f, 0, 0, 0),    options_of(KD_ADAM, 0.01f, 0, 0, 0.3f),
        options_of(KD_ADAMW, 0.01f, 0, 0, 0),   options_of(KD_ADAMW, 0.01f, 0, 0, 0.3f),
        options_of(KD_ADAM, 0.01f, 0, 0, 0.3f), options_of(KD_SGD, 9, 0.1f, 0, 0),
        options_of(KD_ADAMW, 9, 0, 0, 0.3f),    options_of(KD_SGD, 0, 0.9f, 0, 0.3f),
        options_of(KD_SGD, 0.1f, 0, 0, 0),
    };
    cases[10].beta1 = 0.5f;
    cases[10].beta2 = 0.75f;
    cases[10].epsilon = 0.125f;
    cases[11].rate_schedule = &rate;
    cases[11].momentum_schedule = &ramp;
    cases[12].rate_schedule = &rate;
    cases[14].momentum_schedule = &steady;
    open_context();
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_formula(&cases[i]);
    }
    close_context();
}

/* NULL is KD_OPTIMIZER_OPTIONS_INIT; 0 is SGD, and the known betas and epsilon. */
static void zeros_are_defaults(void **state)
{
    (void)state;
    kd_optimizer_options given = KD_OPTIMIZER_OPTIONS_INIT, zero = given;
    zero.kind = 0;
    kd_optimizer_options adam = options_of(KD_ADAM, 0.01f, 0, 0, 0), full = adam;
    full.beta1 = 0.9f;
    full.beta2 = 0.999f;
    full.epsilon = 1e-8f;
    const kd_optimizer_options *pairs[][2] = {{NULL, &given}, {NULL, &zero}, {&adam, &full}};
    open_context();
    for (size_t i = 0; i < COUNT(pairs); i++) {
        bench a = start(pairs[i][0]), b = start(pairs[i][1]);
        for (uint64_t t = 0; t < 3; t++) {
            set_gradients(&a, t, 1);
            set_gradients(&b, t, 1);
            step(&a);
            step(&b);
        }
        assert_true(support_hash(a.net) == support_hash(b.net));
        stop(&a);
        stop(&b);
    }
    close_context();
}

/* ---- limits ---- */

static double length_of(const float *row, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)row[i] * (double)row[i];
    }
    return sqrt(sum);
}

/* Rows of hidden weights stay short and keep their direction; nothing else notices. */
static void hidden_rows_are_kept_short(void **state)
{
    (void)state;
    const double limit = 1;
    open_context();
    for (kd_optimizer_kind kind = KD_SGD; kind <= KD_ADAMW; kind++) {
        kd_optimizer_options o = options_of(kind, 0.1f, 0, 0, 0);
        bench free = start(&o);
        o.max_norm = (float)limit;
        bench held = start(&o);
        for (size_t p = 1; p < PARAMS; p += 2) { /* biases that would be too long */
            *support_param(free.net, p).values = 3;
            *support_param(held.net, p).values = 3;
        }
        size_t short_rows = 0, long_rows = 0, left_alone[2] = {0, 0};
        for (uint64_t t = 0; t < 20; t++) {
            set_gradients(&free, t, 1);
            set_gradients(&held, t, 1);
            step(&free);
            step(&held);
            for (size_t p = 0; p < PARAMS; p++) {
                kd_param f = support_param(free.net, p), h = support_param(held.net, p);
                if (p % 2 == 1 || p == PARAMS - 2) {
                    support_same_bits(f.name, h.values, f.values,
                                      f.rows * f.columns * sizeof(float));
                    left_alone[p % 2] += length_of(f.values, f.columns) > limit;
                    continue;
                }
                for (size_t r = 0; r < f.rows; r++) {
                    const float *row = h.values + r * h.columns, *one = f.values + r * f.columns;
                    double length = length_of(one, f.columns);
                    assert_true(length_of(row, h.columns) <= limit * (1 + 0x1p-22));
                    for (size_t i = 0; t == 0 && i < f.columns; i++) {
                        double want = (double)one[i] * (length > limit ? limit / length : 1);
                        support_near("row", (double)row[i], want, 0x1p-22 * fabs(want));
                    }
                    *(length > limit ? &long_rows : &short_rows) += 1;
                }
            }
        }
        assert_true(short_rows > 10 && long_rows > 10); /* or the test would say little */
        assert_true(left_alone[0] > 0 && left_alone[1] > 0);
        stop(&free);
        stop(&held);
    }
    close_context();
}

/* The whole gradient, biases too, is scaled to a norm of clip_norm if it is longer. */
static void long_gradients_are_clipped(void **state)
{
    (void)state;
    float before[VALUES], after[VALUES], gradients[VALUES], unclipped[VALUES];
    kd_optimizer_options o = options_of(KD_SGD, 0.5f, 0, 0, 0);
    open_context();
    bench b = start(&o);
    support_get_weights(b.net, before);
    set_gradients(&b, 0, 3);
    get_gradients(&b, gradients);
    step(&b);
    support_get_weights(b.net, unclipped);
    stop(&b);
    double norm = length_of(gradients, VALUES);
    static const double shares[] = {1e-3, 0.5, 0.999, 1.001, 100};
    for (size_t i = 0; i < COUNT(shares); i++) {
        o.clip_norm = (float)(norm * shares[i]);
        b = start(&o);
        set_gradients(&b, 0, 3);
        step(&b);
        support_get_weights(b.net, after);
        for (size_t j = 0; shares[i] < 1 && j < VALUES; j++) {
            double move = 0.5 * (double)gradients[j] * shares[i];
            double want = (double)before[j] - move;
            support_near("clipped", (double)after[j], want, 0x1p-22 * (fabs(want) + fabs(move)));
        }
        if (shares[i] > 1) {
            support_same_bits("not clipped", after, unclipped, sizeof after);
        }
        stop(&b);
    }
    close_context();
}

/* What the host has put there can be decayed only if it is finite. */
static void a_weight_must_be_finite_to_decay(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    open_context();
    for (size_t i = 0; i < COUNT(bad); i++) {
        for (kd_optimizer_kind kind = KD_SGD; kind <= KD_ADAM; kind++) {
            kd_optimizer_options o = options_of(kind, 0.1f, 0, 0, 0.1f);
            bench b = start(&o);
            support_param(b.net, 2).values[5] = bad[i];
            uint64_t before = support_hash(b.net);
            support_refused(kd_optimizer_step(b.optimizer, b.ws), KD_ERR_NOT_FINITE,
                            kd_optimizer_error(b.optimizer), "parameter 2 is not finite");
            assert_true(support_hash(b.net) == before);
            stop(&b);
        }
    }
    close_context();
}

/* Decay that is far too strong is still the formula, as long as nothing overflows. */
static void strong_decay_is_no_overflow(void **state)
{
    (void)state;
    open_context();
    for (kd_optimizer_kind kind = KD_SGD; kind <= KD_ADAMW; kind++) {
        kd_optimizer_options o = options_of(kind, 0.5f, 0, 0, 4.5f);
        bench b = start(&o);
        step(&b);
        stop(&b);
    }
    close_context();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_are_the_formulas),
        cmocka_unit_test(zeros_are_defaults),
        cmocka_unit_test(hidden_rows_are_kept_short),
        cmocka_unit_test(long_gradients_are_clipped),
        cmocka_unit_test(strong_decay_is_no_overflow),
        cmocka_unit_test(a_weight_must_be_finite_to_decay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
