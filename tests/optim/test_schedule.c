/* SPDX-License-Identifier: MIT */
/* Schedules against the formulas of kd/optim.h, at their ends too. */
#include "../support/support.h"

#include <fenv.h>

static kd_schedule schedule(kd_schedule_kind kind, float from, float to, float factor,
                            uint64_t steps)
{
    kd_schedule s = KD_SCHEDULE_INIT;
    s.kind = kind;
    s.from = from;
    s.to = to;
    s.factor = factor;
    s.steps = steps;
    return s;
}

static double value(const kd_schedule *s, uint64_t step)
{
    kd_error error = KD_ERROR_INIT;
    double v;
    support_ok(kd_schedule_value(s, step, &v, &error), error.text);
    return v;
}

/* The header's formulas, once more. */
static double formula(const kd_schedule *s, uint64_t t)
{
    double from = (double)s->from, to = (double)s->to, factor = (double)s->factor;
    double done = s->kind == KD_SCHEDULE_CONSTANT ? 0 : (double)t / (double)s->steps;
    double v = from;
    if (s->kind == KD_SCHEDULE_STEP) {
        v = from * pow(factor, floor(done));
    } else if (s->kind == KD_SCHEDULE_EXPONENTIAL) {
        v = from * pow(factor, done);
    } else if (s->kind == KD_SCHEDULE_COSINE) {
        v = done >= 1 ? to : to + (from - to) * (1 + cos(3.14159265358979323846 * done)) / 2;
    } else if (s->kind == KD_SCHEDULE_LINEAR) {
        v = done >= 1 ? to : from + (to - from) * done;
    }
    return t < s->warmup ? v * (double)(t + 1) / (double)s->warmup : v;
}

static void values_are_the_formulas(void **state)
{
    (void)state;
    static const float pairs[][2] = {{1, 0}, {0.5f, 0.99f}, {0, 3},
                                     {2, 2}, {0, 0},        {3e38f, 1e-38f}};
    static const float factors[] = {0.5f, 0.998f, 1, 1.01f};
    static const uint64_t steps[] = {1, 2, 7, 100};
    static const uint64_t warmups[] = {0, 1, 5, 150};
    for (kd_schedule_kind kind = KD_SCHEDULE_CONSTANT; kind <= KD_SCHEDULE_LINEAR; kind++) {
        for (size_t i = 0; i < COUNT(pairs) * COUNT(factors) * COUNT(steps) * COUNT(warmups); i++) {
            const float *pair = pairs[i % COUNT(pairs)];
            size_t rest = i / COUNT(pairs);
            kd_schedule s = schedule(kind, pair[0], pair[1], factors[rest % COUNT(factors)],
                                     steps[rest / COUNT(factors) % COUNT(steps)]);
            s.warmup = warmups[rest / COUNT(factors) / COUNT(steps)];
            for (uint64_t t = 0; t < 160; t++) {
                double want = formula(&s, t);
                support_near("value", value(&s, t), want, 1e-12 * fabs(want) + 1e-300);
            }
        }
    }
}

static void they_end_where_they_should(void **state)
{
    (void)state;
    static const uint64_t late[] = {1000, 1001, UINT64_C(1) << 40, UINT64_MAX};
    kd_schedule constant = schedule(KD_SCHEDULE_CONSTANT, 0.3f, 9, 9, 0);
    kd_schedule cosine = schedule(KD_SCHEDULE_COSINE, 0.3f, 0.1f, 9, 1000);
    kd_schedule linear = schedule(KD_SCHEDULE_LINEAR, 0.3f, 0.1f, 9, 1000);
    kd_schedule step = schedule(KD_SCHEDULE_STEP, 0.3f, 9, 0.5f, 1000);
    kd_schedule exponential = schedule(KD_SCHEDULE_EXPONENTIAL, 0.3f, 9, 0.5f, 1000);
    for (size_t i = 0; i < COUNT(late); i++) {
        assert_true(value(&constant, late[i]) == (double)0.3f);
        assert_true(value(&cosine, late[i]) == (double)0.1f);
        assert_true(value(&linear, late[i]) == (double)0.1f);
        assert_true(value(&step, late[i]) >= 0 && value(&step, late[i]) <= (double)0.15f);
    }
    assert_true(value(&step, 999) == (double)0.3f); /* the last before it drops */
    assert_true(value(&step, 1000) == (double)0.3f / 2);
    support_near("a step's work", value(&exponential, 1000), (double)0.3f / 2, 1e-15);
    assert_true(value(&exponential, UINT64_MAX) == 0);
    support_near("half way", value(&cosine, 500), 0.2, 1e-7);
    for (uint64_t t = 0; t < 1000; t++) {
        assert_true(value(&cosine, t + 1) < value(&cosine, t));
        assert_true(value(&linear, t + 1) < value(&linear, t));
        assert_true(value(&exponential, t + 1) < value(&exponential, t));
    }
}

/* Growth from 0 stays 0, however long it takes: 0 times whatever a power has come to. */
static void growth_from_nothing_stays_nothing(void **state)
{
    (void)state;
    kd_schedule step = schedule(KD_SCHEDULE_STEP, 0, 0, 2, 1);
    kd_schedule exponential = schedule(KD_SCHEDULE_EXPONENTIAL, 0, 0, 2, 1);
    assert_true(value(&step, 1000) == 0);
    assert_true(value(&exponential, 1000) == 0);
    assert_true(value(&step, 5000) == 0);
    assert_true(value(&exponential, 5000) == 0);
}

/*
 * Momentum 0.5 to 0.99 over 500 epochs, rate 10 times 0.998^epoch: Hinton et al. 2012, appendix
 * A.
 */
static void the_2012_ramp_can_be_written(void **state)
{
    (void)state;
    const uint64_t updates = 600; /* of an epoch: 60,000 cases in batches of 100 */
    kd_schedule momentum = schedule(KD_SCHEDULE_LINEAR, 0.5f, 0.99f, 0, 500 * updates);
    kd_schedule rate = schedule(KD_SCHEDULE_STEP, 10, 0, 0.998f, updates);
    for (uint64_t epoch = 0; epoch < 1000; epoch += 50) {
        double part = epoch < 500 ? (double)epoch / 500 : 1;
        support_near("momentum", value(&momentum, epoch * updates), 0.5 + part * 0.49, 1e-7);
        double want = 10 * pow(0.998, (double)epoch);
        support_near("rate", value(&rate, epoch * updates), want, 1e-4 * want);
        assert_true(value(&rate, epoch * updates) == value(&rate, epoch * updates + updates - 1));
    }
}

static void warm_up_climbs_in_equal_steps(void **state)
{
    (void)state;
    kd_schedule s = schedule(KD_SCHEDULE_CONSTANT, 2, 0, 1, 1);
    s.warmup = 4;
    assert_true(value(&s, 0) == 0.5);
    assert_true(value(&s, 1) == 1);
    assert_true(value(&s, 2) == 1.5);
    assert_true(value(&s, 3) == 2);
    assert_true(value(&s, 4) == 2);
    s.warmup = UINT64_MAX;
    assert_true(value(&s, UINT64_MAX - 1) <= 2);
    support_near("first of many", value(&s, 0), 2 / 18446744073709551616.0, 1e-33);
}

static void wrong_fields_are_refused(void **state)
{
    (void)state;
    const struct {
        kd_schedule s;
        kd_status status;
        const char *words;
    } cases[] = {
        {schedule(0, 1, 1, 1, 1), KD_ERR_KIND, "schedule.kind is 0"},
        {schedule(6, 1, 1, 1, 1), KD_ERR_KIND, "schedule.kind is 6"},
        {schedule(-1, 1, 1, 1, 1), KD_ERR_KIND, "schedule.kind is -1"},
        {schedule(KD_SCHEDULE_CONSTANT, NAN, 1, 1, 1), KD_ERR_VALUE, "schedule.from is nan"},
        {schedule(KD_SCHEDULE_STEP, -0.5f, 1, 1, 1), KD_ERR_VALUE, "schedule.from is -0.5"},
        {schedule(KD_SCHEDULE_LINEAR, INFINITY, 1, 1, 1), KD_ERR_VALUE, "schedule.from is inf"},
        {schedule(KD_SCHEDULE_LINEAR, 1, NAN, 1, 1), KD_ERR_VALUE, "schedule.to is nan"},
        {schedule(KD_SCHEDULE_COSINE, 1, -2, 1, 1), KD_ERR_VALUE, "schedule.to is -2"},
        {schedule(KD_SCHEDULE_COSINE, 1, INFINITY, 1, 1), KD_ERR_VALUE, "schedule.to is inf"},
        {schedule(KD_SCHEDULE_STEP, 1, 1, 0, 1), KD_ERR_VALUE, "schedule.factor is 0"},
        {schedule(KD_SCHEDULE_STEP, 1, 1, -1, 1), KD_ERR_VALUE, "schedule.factor is -1"},
        {schedule(KD_SCHEDULE_EXPONENTIAL, 1, 1, NAN, 1), KD_ERR_VALUE, "schedule.factor is nan"},
        {schedule(KD_SCHEDULE_EXPONENTIAL, 1, 1, INFINITY, 1), KD_ERR_VALUE, "factor is inf"},
        {schedule(KD_SCHEDULE_STEP, 1, 1, 1, 0), KD_ERR_VALUE, "schedule.steps is 0"},
        {schedule(KD_SCHEDULE_EXPONENTIAL, 1, 1, 1, 0), KD_ERR_VALUE, "schedule.steps is 0"},
        {schedule(KD_SCHEDULE_COSINE, 1, 1, 1, 0), KD_ERR_VALUE, "schedule.steps is 0"},
        {schedule(KD_SCHEDULE_LINEAR, 1, 1, 1, 0), KD_ERR_VALUE, "schedule.steps is 0"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        kd_error error = KD_ERROR_INIT;
        double v = -7;
        support_refused(kd_schedule_value(&cases[i].s, 0, &v, &error), cases[i].status, error.text,
                        cases[i].words);
        assert_int_equal(error.argument, 1);
        assert_true(v == -7);
        assert_int_equal(kd_schedule_value(&cases[i].s, 0, &v, NULL), cases[i].status);
    }
}

/* Fields that a kind does not use may hold anything. */
static void fields_without_use_are_ignored(void **state)
{
    (void)state;
    kd_schedule constant = schedule(KD_SCHEDULE_CONSTANT, 1, NAN, NAN, 0);
    kd_schedule step = schedule(KD_SCHEDULE_STEP, 1, NAN, 0.5f, 1);
    kd_schedule linear = schedule(KD_SCHEDULE_LINEAR, 1, 2, NAN, 1);
    assert_true(value(&constant, 5) == 1);
    assert_true(value(&step, 1) == 0.5);
    assert_true(value(&linear, 1) == 2);
}

/* A host that traps bad arithmetic may use any schedule that is not refused. */
static void valid_schedules_raise_no_flag(void **state)
{
    (void)state;
    static const uint64_t steps[] = {0, 1, 2, 1000, UINT64_MAX};
    for (kd_schedule_kind kind = KD_SCHEDULE_CONSTANT; kind <= KD_SCHEDULE_LINEAR; kind++) {
        kd_schedule s = schedule(kind, 0.5f, 0.1f, 0.5f, kind == KD_SCHEDULE_CONSTANT ? 0 : 7);
        s.warmup = 2;
        feclearexcept(FE_ALL_EXCEPT);
        for (size_t i = 0; i < COUNT(steps); i++) {
            value(&s, steps[i]);
        }
        assert_int_equal(fetestexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW), 0);
    }
}

static void pointers_and_sizes_are_checked(void **state)
{
    (void)state;
    kd_schedule s = schedule(KD_SCHEDULE_LINEAR, 1, 3, 1, 2);
    kd_error error = KD_ERROR_INIT;
    double v;
    support_refused(kd_schedule_value(NULL, 0, &v, &error), KD_ERR_NULL, error.text, "schedule");
    support_refused(kd_schedule_value(&s, 0, NULL, &error), KD_ERR_NULL, error.text, "out_value");
    assert_int_equal(error.argument, 3);
    s.struct_size = 0;
    support_refused(kd_schedule_value(&s, 0, &v, &error), KD_ERR_STRUCT, error.text, "struct_size");
    s.struct_size = SIZE_MAX;
    support_refused(kd_schedule_value(&s, 0, &v, &error), KD_ERR_STRUCT, error.text, "struct_size");
    s.struct_size = offsetof(kd_schedule, warmup); /* a host that is older than the field */
    s.warmup = 1000;
    assert_true(value(&s, 1) == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_the_formulas),
        cmocka_unit_test(they_end_where_they_should),
        cmocka_unit_test(growth_from_nothing_stays_nothing),
        cmocka_unit_test(the_2012_ramp_can_be_written),
        cmocka_unit_test(warm_up_climbs_in_equal_steps),
        cmocka_unit_test(wrong_fields_are_refused),
        cmocka_unit_test(fields_without_use_are_ignored),
        cmocka_unit_test(valid_schedules_raise_no_flag),
        cmocka_unit_test(pointers_and_sizes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
