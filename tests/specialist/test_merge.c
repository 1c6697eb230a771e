/* SPDX-License-Identifier: MIT */
/*
 * Eq. 5: golden values, thousands of random problems against a solver in double and against a bound
 * that no q can be below, both forms against each other, and what is defined where E says little.
 */
#include "problem.h"

static support_memory memory;
static kd_context *context;

static problem_answer merge(const problem *p, const kd_merge_options *o)
{
    return problem_merge(context, p, o);
}

/* ---- golden values ---- */

static problem golden(void)
{
    static const float generalist[] = {0.4f, 0.3f, 0.2f, 0.06f, 0.04f};
    static const float answer[] = {0.2f, 0.5f, 0.1f, 0.2f};
    static const uint32_t classes[] = {0, 1, 2};
    problem p = problem_of(5, generalist);
    problem_add(&p, 3, classes, answer);
    return p;
}

static void the_golden_example(void **state)
{
    (void)state;
    static const float best[] = {0.3f, 0.4f, 0.15f, 0.09f, 0.06f};
    static const double slopes[] = {0.2, -0.2, 0.1, -0.06, -0.04};
    const bool active[] = {true};
    double q[5], gradient[5];
    problem p = golden();
    problem_doubles(p.generalist, 5, q);
    support_near("E at p^g", problem_energy(&p, active, q), 0.18609809, 1e-7);
    problem_gradient(&p, active, q, gradient);
    for (size_t i = 0; i < 5; i++) {
        support_near("gradient at p^g", gradient[i], slopes[i], 1e-7);
    }
    for (kd_merge_kind kind = KD_MERGE_FIXED_POINT; kind <= KD_MERGE_DESCENT; kind++) {
        kd_merge_options o = problem_kind(kind);
        problem_answer got = merge(&p, &o);
        support_near_row("q", got.q, best, 5, 0, 1e-7);
        support_near("E", got.objective, 0.09322677, 1e-7);
        assert_int_equal(got.active, 1);
        assert_int_equal(got.steps, 1); /* one active specialist: it begins where it ends */
    }
}

static void the_default_is_descent_from_one_class(void **state)
{
    (void)state;
    const kd_merge_options o = KD_MERGE_OPTIONS_INIT;
    problem p = golden();
    problem_answer a = merge(&p, NULL), b = merge(&p, &o);
    assert_int_equal(o.kind, KD_MERGE_DESCENT);
    assert_int_equal(o.best, 1);
    support_same_bits("defaults", &a, &b, sizeof a);
}

/* ---- the gradient that the header gives ---- */

static void softmax_of(const double *z, size_t k, double *out)
{
    double sum = 0;
    for (size_t i = 0; i < k; i++) {
        out[i] = exp(z[i]);
        sum += out[i];
    }
    for (size_t i = 0; i < k; i++) {
        out[i] /= sum;
    }
}

static void the_gradient_is_that_of_central_differences(void **state)
{
    (void)state;
    static const problem_sort sort = {2, 0.1, 12, true};
    uint64_t seed = 4;
    for (size_t round = 0; round < 200; round++) {
        problem p = problem_draw(&seed, &sort);
        bool active[PROBLEM_M];
        double z[12], q[12], gradient[12];
        problem_active(&p, 1, active);
        for (size_t i = 0; i < p.k; i++) {
            z[i] = support_normal(&seed);
        }
        softmax_of(z, p.k, q);
        problem_gradient(&p, active, q, gradient);
        for (size_t i = 0; i < p.k; i++) {
            const double h = 1e-5, at = z[i];
            z[i] = at + h;
            softmax_of(z, p.k, q);
            double up = problem_energy(&p, active, q);
            z[i] = at - h;
            softmax_of(z, p.k, q);
            double down = problem_energy(&p, active, q);
            z[i] = at;
            support_near("gradient", gradient[i], (up - down) / (2 * h), 1e-8);
        }
    }
}

/* ---- random problems ---- */

/* At the least E this is what kd_merge gives, by either form. */
static void both_forms_find_the_best_q(void **state)
{
    (void)state;
    static const problem_sort sorts[] = {{0.5, 0, 40, true}, {1, 0, 40, true},
                                         {2, 0, 40, false},  {3, 0, 40, true},
                                         {1, 0, 3, true},    {1, 0, PROBLEM_K, true}};
    uint64_t seed = 11;
    size_t compared = 0;
    for (size_t i = 0; i < COUNT(sorts); i++) {
        for (size_t round = 0; round < (sorts[i].most_k == PROBLEM_K ? 30u : 400u); round++) {
            double want[PROBLEM_K];
            bool active[PROBLEM_M];
            problem p = problem_draw(&seed, &sorts[i]);
            problem_active(&p, 1, active);
            if (!problem_solve(&p, active, want)) {
                continue;
            }
            compared++;
            for (kd_merge_kind kind = KD_MERGE_FIXED_POINT; kind <= KD_MERGE_DESCENT; kind++) {
                kd_merge_options o = problem_kind(kind);
                o.steps = 100000;
                problem_answer got = merge(&p, &o);
                for (size_t j = 0; j < p.k; j++) {
                    support_near("q", (double)got.q[j], want[j], 1e-6);
                }
                support_near("E", got.objective, problem_energy(&p, active, want), 1e-9);
            }
        }
    }
    print_message("%zu problems\n", compared);
    assert_true(compared > 1900);
}

/* How far a fixed point's E is above that of descent, which is the least. */
static double excess_of(const problem *p, const problem_answer *least, uint32_t steps, bool *ended,
                        double *apart)
{
    kd_merge_options o = problem_kind(KD_MERGE_FIXED_POINT);
    o.steps = steps;
    problem_answer got = merge(p, &o);
    *ended = got.steps < steps;
    *apart = 0;
    for (size_t j = 0; j < p->k; j++) {
        *apart = fmax(*apart, fabs((double)got.q[j] - (double)least->q[j]));
    }
    return got.objective - least->objective;
}

/*
 * Sharp answers and zeros: E of descent is the least. The fixed point has it too where it ends in
 * time, and comes near it in many more steps where it does not.
 */
static void descent_finds_the_least_objective(void **state)
{
    (void)state;
    static const problem_sort sorts[] = {
        {3, 0.3, 40, true}, {6, 0, 40, true},          {6, 0.3, 40, true}, {12, 0, 40, true},
        {6, 0.7, 6, true},  {3, 0.5, PROBLEM_K, true}, {0, 0.6, 8, true}};
    uint64_t seed = 12;
    size_t ended = 0, all = 0, agreed = 0, steps = 0, quick = 0;
    double most = 0, later = 0;
    for (size_t i = 0; i < COUNT(sorts); i++) {
        for (size_t round = 0; round < (sorts[i].most_k == PROBLEM_K ? 30u : 500u); round++) {
            double q[PROBLEM_K], apart, excess;
            bool active[PROBLEM_M], in_time;
            problem p = problem_draw(&seed, &sorts[i]);
            problem_active(&p, 1, active);
            kd_merge_options o = problem_kind(KD_MERGE_DESCENT);
            problem_answer got = merge(&p, &o);
            problem_doubles(got.q, p.k, q);
            support_near("E", got.objective, problem_energy(&p, active, q), 1e-6);
            double bound = problem_bound(&p, active, q);
            if (!(got.objective - bound <= 1e-6)) {
                fail_msg("sort %zu, round %zu: E is %.9g, but might be %.9g after %u steps", i,
                         round, got.objective, bound, got.steps);
            }
            excess = excess_of(&p, &got, o.steps, &in_time, &apart);
            assert_true(excess >= -1e-8 && excess <= (in_time ? 1e-8 : 1e-4));
            all++;
            ended += in_time;
            agreed += apart <= 1e-6;
            steps += got.steps;
            quick += got.steps <= 100;
            most = fmax(most, excess);
            if (!in_time) {
                later = fmax(later, excess_of(&p, &got, 100000, &in_time, &apart));
            }
        }
    }
    print_message("%zu problems, %.1f steps, at most 100 in %zu; the fixed point ended in %zu, "
                  "agreed in %zu, was %.2g above the least E, and %.2g after 100000 steps\n",
                  all, (double)steps / (double)all, quick, ended, agreed, most, later);
    assert_true(ended * 100 > all * 98 && agreed * 100 > all * 98);
    assert_true(quick * 100 > all * 99 && later <= 1e-5);
}

static void the_objective_never_rises(void **state)
{
    (void)state;
    static const problem_sort sorts[] = {
        {1, 0, 40, true}, {3, 0.3, 40, true}, {6, 0, 40, true}, {12, 0.3, 20, true}};
    uint64_t seed = 13;
    for (size_t round = 0; round < 400; round++) {
        problem p = problem_draw(&seed, &sorts[round % COUNT(sorts)]);
        double before = (double)INFINITY;
        for (uint32_t steps = 1; steps <= 40; steps++) {
            kd_merge_options o = problem_kind(KD_MERGE_FIXED_POINT);
            o.steps = steps;
            o.tolerance = 0;
            problem_answer got = merge(&p, &o);
            assert_true(got.steps <= steps);
            if (!(got.objective <= before + 1e-13)) {
                fail_msg("round %zu: E rose from %.17g to %.17g at step %u", round, before,
                         got.objective, steps);
            }
            before = got.objective;
        }
    }
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_example),
        cmocka_unit_test(the_default_is_descent_from_one_class),
        cmocka_unit_test(the_gradient_is_that_of_central_differences),
        cmocka_unit_test(both_forms_find_the_best_q),
        cmocka_unit_test(descent_finds_the_least_objective),
        cmocka_unit_test(the_objective_never_rises),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
