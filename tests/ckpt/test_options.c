/* SPDX-License-Identifier: MIT */
/* A training goes on with its own options only: any other one is named, and nothing changes. */
#include "model.h"
#include "recipes.h"

typedef struct change {
    const char *key; /* what the words must name */
    const char *base;
    void (*make)(recipe *r);
    const char *words; /* what else they must say; NULL = nothing */
} change;

#define CHANGE(name, what)                                                                         \
    static void name(recipe *r)                                                                    \
    {                                                                                              \
        what;                                                                                      \
    }

CHANGE(loop, r->own = true)
CHANGE(soft_kind, r->options.soft_kind = KD_TERM_KL)
CHANGE(temperature, r->options.temperature = 3.5f)
CHANGE(next_temperature, r->options.temperature = nextafterf(3.0f, 4.0f))
CHANGE(soft_weight, r->options.soft_weight = 2.0f)
CHANGE(hard_weight, r->options.hard_weight = 0.0f)
CHANGE(gradient_norm, r->options.gradient_norm = 1)
CHANGE(nonfinite, r->options.nonfinite = KD_NONFINITE_SKIP)
CHANGE(kind, r->optimizer.kind = KD_ADAM)
CHANGE(adamw, r->optimizer.kind = KD_ADAMW)
CHANGE(rate, r->optimizer.rate = 0.06f)
CHANGE(momentum, r->optimizer.momentum = 0.8f)
CHANGE(nesterov, r->optimizer.nesterov = 1)
CHANGE(beta1, r->optimizer.beta1 = 0.8f)
CHANGE(beta2, r->optimizer.beta2 = 0.99f)
CHANGE(epsilon, r->optimizer.epsilon = 1e-7f)
CHANGE(weight_decay, r->optimizer.weight_decay = 1e-4f)
CHANGE(max_norm, r->optimizer.max_norm = 15.0f)
CHANGE(clip_norm, r->optimizer.clip_norm = 1.0f)
CHANGE(seed, r->options.seed++)
CHANGE(inputs, r->shape = "7: 12 relu drop0.25 8 relu drop0.5 4")
CHANGE(width, r->shape = "6: 12 relu drop0.25 9 relu drop0.5 4")
CHANGE(dropout, r->shape = "6: 12 relu drop0.25 8 relu drop0.51 4")
CHANGE(no_relu, r->shape = "6: 12 drop0.25 8 relu drop0.5 4")
CHANGE(deeper, r->shape = "6: 12 relu drop0.25 8 relu drop0.5 4 drop0")
CHANGE(constant, r->rate.kind = 0)
CHANGE(linear, r->rate.kind = KD_SCHEDULE_LINEAR)
CHANGE(from, r->rate.from = 0.2f)
CHANGE(to, r->rate.to = 0.02f)
CHANGE(steps, r->rate.steps++)
CHANGE(warmup, r->rate.warmup = 0)
CHANGE(momentum_to, r->momentum.to = 0.9f)
CHANGE(factor, r->temperature.factor = 0.25f)
CHANGE(soft_steps, r->soft.steps = 5)
CHANGE(hard_from, r->hard.from = 0.125f)
CHANGE(hard_steps, r->hard.steps++)

static const change changes[] = {
    {"kd.loop", "plain", loop, "is kd_distill_step in the file, but host here"},
    {"kd.soft_kind", "plain", soft_kind, "is 2 in the file, but 3 here"},
    {"kd.temperature", "plain", temperature, "is 3 in the file, but 3.5 here"},
    {"kd.temperature", "plain", next_temperature, "is 0x1.8p+1 in the file, but 0x1.800002p+1"},
    {"kd.soft_weight", "plain", soft_weight, "is 1 in the file, but 2 here"},
    {"kd.hard_weight", "plain", hard_weight, "is 0.25 in the file, but 0"},
    {"kd.gradient_norm", "plain", gradient_norm, NULL},
    {"kd.skip_nonfinite", "plain", nonfinite, NULL},
    {"kd.optimizer", "plain", kind, "is sgd in the file, but adam here"},
    {"kd.optimizer", "adam", adamw, "is adam in the file, but adamw here"},
    {"kd.rate", "plain", rate, "is 0.05 in the file, but 0.06 here"},
    {"kd.momentum", "momentum", momentum, "is 0.9 in the file, but 0.8 here"},
    {"kd.momentum", "plain", momentum, NULL},
    {"kd.nesterov", "momentum", nesterov, NULL},
    {"kd.beta1", "adam", beta1, NULL},
    {"kd.beta2", "adam", beta2, NULL},
    {"kd.epsilon", "adam", epsilon, NULL},
    {"kd.weight_decay", "plain", weight_decay, NULL},
    {"kd.max_norm", "plain", max_norm, NULL},
    {"kd.clip_norm", "plain", clip_norm, NULL},
    {"kd.seed", "plain", seed, "is 77 in the file, but 78 here"},
    {"kd.seed", "own loop", seed, NULL},
    {"kd.inputs", "alone", inputs, "is 6 in the file, but 7 here"},
    {"kd.layers", "plain", width, NULL},
    {"kd.layers", "plain", dropout, NULL},
    {"kd.layers", "plain", no_relu, NULL},
    {"kd.layers", "plain", deeper, NULL},
    {"kd.rate", "schedules", constant, NULL},
    {"kd.rate", "schedules", linear, "but linear from"},
    {"kd.rate", "schedules", from, NULL},
    {"kd.rate", "schedules", to, NULL},
    {"kd.rate", "schedules", steps, "steps 15 warmup 6 in the file, but steps 16 warmup 6 here"},
    {"kd.rate", "schedules", warmup, "warmup 6 in the file, but warmup 0 here"},
    {"kd.momentum", "schedules", momentum_to, NULL},
    {"kd.temperature", "schedules", factor, NULL},
    {"kd.soft_weight", "schedules", soft_steps, NULL},
    {"kd.hard_weight", "schedules", hard_from, NULL},
    /* short enough to be shown from its beginning */
    {"kd.hard_weight", "schedules", hard_steps, "is cosine from 0x0p+0 to 0x1p-1 factor 0x0p+0"},
};

/* Loads a file that the training must not take. */
static void refuse(rig *r, io_bytes *file, kd_status due, const char *key, const char *words)
{
    kd_error e = KD_ERROR_INIT;
    io_bytes before = rig_save(r);
    kd_training given = r->training;
    kd_status status = rig_load(r, file, &e);
    support_refused(status, due, e.text, key);
    support_refused(status, due, e.text, words ? words : "");
    support_same_bits(key, &r->training, &given, sizeof given);
    io_bytes after = rig_save(r);
    assert_int_equal(after.size, before.size);
    support_same_bits(key, after.bytes, before.bytes, before.size);
    io_free(&before);
    io_free(&after);
}

/* Both ways: from the one to the other, and back. */
static void each_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        const change *c = &changes[i];
        recipe other = *recipe_of(c->base);
        rig one;
        rig two;
        c->make(&other);
        rig_open(&one, recipe_of(c->base), 1);
        rig_open(&two, &other, 1);
        rig_step(&one);
        io_bytes file = rig_save(&one);
        io_bytes back = rig_save(&two);
        refuse(&two, &file, KD_ERR_MISMATCH, c->key, c->words);
        refuse(&one, &back, KD_ERR_MISMATCH, c->key, NULL);
        io_free(&file);
        io_free(&back);
        rig_close(&one);
        rig_close(&two);
    }
}

static bool is_option(const char *key)
{
    static const char *const state_of[] = {
        "kd.updates", "kd.position", "kd.pending_unit", "kd.pending_weight", "kd.momentum_bound",
        "kd.format",  "kd.sort",     "kd.rng",          "kd.inputs",         "kd.layers"};
    for (size_t i = 0; i < COUNT(state_of); i++) {
        if (strcmp(key, state_of[i]) == 0) {
            return false;
        }
    }
    return strncmp(key, "kd.host_", 8) != 0;
}

/* Each option's word must be there, and be what this library would write. */
static void each_word(void **state)
{
    (void)state;
    static const char *const values[] = {NULL, "", "x", "0x1p+99", "999"};
    static const char *const names[] = {"schedules", "adam", "own loop"};
    size_t options = 0;
    for (size_t i = 0; i < COUNT(names); i++) {
        rig r;
        rig_open(&r, recipe_of(names[i]), 1);
        io_bytes file = rig_save(&r);
        model m = model_read(&file);
        for (size_t j = 0; j < m.n_words * COUNT(values); j++) {
            const char *key = m.words[j / COUNT(values)].key;
            model changed = model_read(&file);
            if (is_option(key)) {
                model_set(&changed, key, values[j % COUNT(values)]);
                io_bytes other = model_write(&changed);
                refuse(&r, &other, KD_ERR_MISMATCH, key, NULL);
                io_free(&other);
                options += j % COUNT(values) == 0;
            }
            model_free(&changed);
        }
        model_free(&m);
        io_free(&file);
        rig_close(&r);
    }
    assert_int_equal(options, 15 + 16 + 9);
}

/* What decides no bits may differ: the most cases in a step, and the number of threads. */
static void what_may_differ(void **state)
{
    (void)state;
    rig one;
    rig two;
    recipe other = *recipe_of("momentum");
    kd_error e = KD_ERROR_INIT;
    other.options.batch = 100;
    rig_open(&one, recipe_of("momentum"), 1);
    rig_open(&two, &other, 2);
    rig_step(&one);
    io_bytes file = rig_save(&one);
    support_ok(rig_load(&two, &file, &e), e.text);
    rig_step(&one);
    rig_step(&two);
    assert_int_equal(support_hash(one.net), support_hash(two.net));
    io_free(&file);
    rig_close(&one);
    rig_close(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change),
        cmocka_unit_test(each_word),
        cmocka_unit_test(what_may_differ),
    };
    support_ok(kd_blas_set_single(NULL, NULL, NULL), "kd_blas_set_single");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
