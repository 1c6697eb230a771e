/* SPDX-License-Identifier: MIT */
/*
 * Eq. 5: golden values, thousands of random problems against a solver in double and against a bound
 * that no q can be below, both forms against each other, and what is defined where E says little.
 */
#include "problem.h"

static support_memory memory;
static kd_context *context;

static kd_merge_options of_kind(kd_merge_kind kind)
{
    kd_merge_options o = KD_MERGE_OPTIONS_INIT;
    o.kind = kind;
    return o;
}

static problem_answer merge(const problem *p, const kd_merge_options *o)
{
    return problem_merge(context, p, o);
}

static void as_doubles(const float *from, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (double)from[i];
    }
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
    as_doubles(p.generalist, 5, q);
    support_near("E at p^g", problem_energy(&p, active, q), 0.18609809, 1e-7);
    problem_gradient(&p, active, q, gradient);
    for (size_t i = 0; i < 5; i++) {
        support_near("gradient at p^g", gradient[i], slopes[i], 1e-7);
    }
    for (kd_merge_kind kind = KD_MERGE_FIXED_POINT; kind <= KD_MERGE_DESCENT; kind++) {
        kd_merge_options o = of_kind(kind);
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
                kd_merge_options o = of_kind(kind);
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

/* Sharp answers and zeros: the fixed point may be far from its end; E of descent is the least. */
static void descent_finds_the_least_objective(void **state)
{
    (void)state;
    static const problem_sort sorts[] = {
        {3, 0.3, 40, true}, {6, 0, 40, true},          {6, 0.3, 40, true}, {12, 0, 40, true},
        {6, 0.7, 6, true},  {3, 0.5, PROBLEM_K, true}, {0, 0.6, 8, true}};
    uint64_t seed = 12;
    size_t ended = 0, all = 0, agreed = 0, steps = 0;
    double excess = 0;
    for (size_t i = 0; i < COUNT(sorts); i++) {
        for (size_t round = 0; round < (sorts[i].most_k == PROBLEM_K ? 30u : 500u); round++) {
            double q[PROBLEM_K];
            bool active[PROBLEM_M];
            problem p = problem_draw(&seed, &sorts[i]);
            problem_active(&p, 1, active);
            kd_merge_options o = of_kind(KD_MERGE_DESCENT);
            problem_answer got = merge(&p, &o);
            as_doubles(got.q, p.k, q);
            support_near("E", got.objective, problem_energy(&p, active, q), 1e-6);
            double bound = problem_bound(&p, active, q);
            if (!(got.objective - bound <= 1e-6)) {
                fail_msg("sort %zu, round %zu: E is %.9g, but might be %.9g after %u steps", i,
                         round, got.objective, bound, got.steps);
            }
            o.kind = KD_MERGE_FIXED_POINT;
            problem_answer other = merge(&p, &o);
            double apart = 0;
            for (size_t j = 0; j < p.k; j++) {
                apart = fmax(apart, fabs((double)other.q[j] - q[j]));
            }
            assert_true(other.objective >= got.objective - 1e-8);
            all++;
            ended += other.steps < o.steps;
            agreed += apart <= 1e-6;
            steps += got.steps;
            excess = fmax(excess, other.objective - got.objective);
        }
    }
    print_message("%zu problems, %.1f steps; the fixed point ended in %zu, agreed in %zu, and was "
                  "%.2g above the least E\n",
                  all, (double)steps / (double)all, ended, agreed, excess);
    assert_true(ended * 20 > all * 19 && agreed * 20 > all * 19);
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
            kd_merge_options o = of_kind(KD_MERGE_FIXED_POINT);
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

/* ---- what is defined where there is little to merge ---- */

static const kd_merge_kind kinds[] = {KD_MERGE_FIXED_POINT, KD_MERGE_DESCENT};

static void without_an_active_specialist_nothing_changes(void **state)
{
    (void)state;
    static const float generalist[] = {0.50001f, 0.3f, 0.2f}; /* whose sum is not quite 1 */
    static const float sure[] = {1, 0};
    static const uint32_t last[] = {2};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        kd_merge_options o = of_kind(kinds[i]);
        problem p = problem_of(3, generalist);
        for (size_t m = 0; m < 2; m++) {
            problem_answer got = merge(&p, &o);
            support_same_bits("q", got.q, generalist, sizeof generalist);
            assert_true(got.active == 0 && got.steps == 0 && got.objective == 0);
            problem_add(&p, 1, last, sure); /* knows what the generalist has in the third place */
        }
        o.best = 2;
        p.m = 1;
        assert_int_equal(merge(&p, &o).active, 0);
        o.best = 3;
        assert_int_equal(merge(&p, &o).active, 1);
    }
}

static void of_equal_probabilities_the_first_counts(void **state)
{
    (void)state;
    static const float generalist[] = {0.1f, 0.3f, 0.3f, 0.3f}, half[] = {0.5f, 0.5f};
    kd_merge_options o = of_kind(KD_MERGE_DESCENT);
    problem p = problem_of(4, generalist);
    for (uint32_t class = 0; class < 4; class ++) {
        problem_add(&p, 1, &class, half);
    }
    for (size_t best = 1; best <= 4; best++) {
        bool active[PROBLEM_M];
        o.best = best;
        problem_active(&p, best, active);
        assert_true(active[1] && active[2] == (best > 1) && active[0] == (best == 4));
        assert_int_equal(merge(&p, &o).active, best);
    }
}

/* A specialist of all classes has no dustbin: q is the mean. */
static void specialists_of_all_classes_are_an_ensemble(void **state)
{
    (void)state;
    static const float generalist[] = {0.5f, 0.3f, 0.2f}, other[] = {0.1f, 0.6f, 0.3f};
    static const float third[] = {0, 0, 1};
    static const float two[] = {0.3f, 0.45f, 0.25f}, three[] = {0.2f, 0.3f, 0.5f};
    static const uint32_t all[] = {0, 1, 2};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        kd_merge_options o = of_kind(kinds[i]);
        problem p = problem_of(3, generalist);
        problem_add(&p, 3, all, other);
        support_near_row("mean of two", merge(&p, &o).q, two, 3, 0, 1e-7);
        problem_add(&p, 3, all, third);
        support_near_row("mean of three", merge(&p, &o).q, three, 3, 0, 1e-7);
    }
}

static void a_specialist_of_one_class(void **state)
{
    (void)state;
    static const float generalist[] = {0.5f, 0.3f, 0.2f}, answer[] = {0.9f, 0.1f};
    static const float want[] = {0.7f, 0.18f, 0.12f};
    static const uint32_t first[] = {0};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        kd_merge_options o = of_kind(kinds[i]);
        problem p = problem_of(3, generalist);
        problem_add(&p, 1, first, answer);
        support_near_row("q", merge(&p, &o).q, want, 3, 0, 1e-7);
    }
}

/* One class, and all that can be said of it. */
static void one_class_in_all(void **state)
{
    (void)state;
    static const float one[] = {1};
    static const uint32_t first[] = {0};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        kd_merge_options o = of_kind(kinds[i]);
        problem p = problem_of(1, one);
        for (size_t m = 0; m <= 2; m++) {
            problem_answer got = merge(&p, &o);
            assert_true(got.q[0] == 1 && fabs(got.objective) < 1e-15);
            problem_add(&p, 1, first, one);
        }
    }
}

/* Classes that nobody knows are in every dustbin, and keep the generalist's proportions. */
static void classes_in_every_dustbin_keep_their_proportions(void **state)
{
    (void)state;
    static const problem_sort sort = {2, 0, 20, true};
    uint64_t seed = 14;
    for (size_t round = 0; round < 400; round++) {
        problem p = problem_draw(&seed, &sort);
        kd_merge_options o = of_kind(kinds[round % 2]);
        problem_answer got = merge(&p, &o);
        bool known[20] = {false};
        size_t first = SIZE_MAX;
        for (size_t m = 0; m < p.m; m++) {
            for (size_t i = 0; i < p.sizes[m]; i++) {
                known[p.classes[m][i]] = true;
            }
        }
        for (size_t i = 0; i < p.k; i++) {
            first = first == SIZE_MAX && !known[i] ? i : first;
            if (!known[i] && p.generalist[i] > 1e-6f) {
                double ratio = (double)p.generalist[i] / (double)p.generalist[first];
                support_near("proportion", (double)got.q[i] / (double)got.q[first] / ratio, 1,
                             1e-6);
            }
        }
    }
}

/* A dustbin has probability, but nobody gives any to a class in it: they share it equally. */
static void an_empty_dustbin_is_shared_equally(void **state)
{
    (void)state;
    static const float generalist[] = {1, 0, 0, 0, 0}, answer[] = {0.4f, 0.6f};
    static const float known[] = {0.4f, 0, 0.6f};
    static const float want[] = {0.7f, 0.075f, 0.075f, 0.075f, 0.075f};
    static const uint32_t first[] = {0}, two[] = {0, 1};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        kd_merge_options o = of_kind(kinds[i]);
        problem p = problem_of(5, generalist);
        problem_add(&p, 1, first, answer);
        support_near_row("of one", merge(&p, &o).q, want, 5, 0, 1e-7);
        problem_add(&p, 2, two, known); /* class 1 is in one dustbin, the last three are in both */
        problem_answer got = merge(&p, &o);
        support_near("class 0", (double)got.q[0], 1.8 / 3, 1e-6);
        support_near("class 1", (double)got.q[1], 0, 1e-6);
        for (size_t j = 2; j < 5; j++) {
            support_near("the last three", (double)got.q[j], 0.4 / 3, 1e-6);
        }
    }
}

/* Where the generalist gives 0, and a specialist does not. */
static void a_specialist_may_know_better(void **state)
{
    (void)state;
    static const float generalist[] = {1, 0, 0}, answer[] = {0, 1, 0};
    static const float want[] = {0.5f, 0.5f, 0};
    static const uint32_t two[] = {0, 1};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        kd_merge_options o = of_kind(kinds[i]);
        problem p = problem_of(3, generalist);
        problem_add(&p, 2, two, answer);
        problem_answer got = merge(&p, &o);
        support_near_row("q", got.q, want, 3, 0, 1e-7);
        support_near("E", got.objective, 2 * log(2), 1e-12);
    }
}

/*
 * All three specialists say that it is none of theirs, and none of each other's; the generalist
 * gives next to nothing to the classes that are left. A q that begins as p^g stays near it for
 * long, since only tiny numbers grow.
 */
static void what_is_left_gets_what_all_dustbins_hold(void **state)
{
    (void)state;
    static const float generalist[] = {1, 0, 0, 0, 1e-12f}, answer[] = {0.09f, 0.01f, 0.9f};
    static const uint32_t pairs[3][2] = {{0, 1}, {0, 2}, {0, 3}};
    kd_merge_options o = of_kind(KD_MERGE_DESCENT);
    problem p = problem_of(5, generalist);
    for (size_t m = 0; m < 3; m++) {
        problem_add(&p, 2, pairs[m], answer);
    }
    problem_answer got = merge(&p, &o);
    const bool active[] = {true, true, true};
    double q[5];
    as_doubles(got.q, 5, q);
    assert_true(got.q[4] > 0.6f);
    support_near("E", got.objective, problem_bound(&p, active, q), 1e-6);
    o.kind = KD_MERGE_FIXED_POINT;
    support_near_row("q", merge(&p, &o).q, got.q, 5, 0, 1e-6);
}

/* Steps without end, a tolerance of nothing: numbers stay numbers. */
static void steps_without_end(void **state)
{
    (void)state;
    static const problem_sort sort = {4, 0.3, 10, true};
    uint64_t seed = 15;
    for (size_t round = 0; round < 20; round++) {
        problem p = problem_draw(&seed, &sort);
        for (size_t i = 0; i < COUNT(kinds); i++) {
            kd_merge_options o = of_kind(kinds[i]);
            o.steps = 20000;
            o.tolerance = 0;
            problem_answer got = merge(&p, &o);
            double sum = 0;
            for (size_t j = 0; j < p.k; j++) {
                assert_true(got.q[j] >= 0 && got.q[j] <= 1.0001f);
                sum += (double)got.q[j];
            }
            support_near("sum", sum, 1, 1e-5);
            assert_true(isfinite(got.objective));
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
        cmocka_unit_test(without_an_active_specialist_nothing_changes),
        cmocka_unit_test(of_equal_probabilities_the_first_counts),
        cmocka_unit_test(specialists_of_all_classes_are_an_ensemble),
        cmocka_unit_test(a_specialist_of_one_class),
        cmocka_unit_test(one_class_in_all),
        cmocka_unit_test(classes_in_every_dustbin_keep_their_proportions),
        cmocka_unit_test(an_empty_dustbin_is_shared_equally),
        cmocka_unit_test(a_specialist_may_know_better),
        cmocka_unit_test(what_is_left_gets_what_all_dustbins_hold),
        cmocka_unit_test(steps_without_end),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
