/* SPDX-License-Identifier: MIT */
/*
 * Eq. 5 where there is little to merge: nobody active or everybody, specialists of one class or of
 * all, classes in every dustbin, zeros, and q that E does not decide.
 */
#include "problem.h"

static support_memory memory;
static kd_context *context;

static problem_answer merge(const problem *p, const kd_merge_options *o)
{
    return problem_merge(context, p, o);
}

static const kd_merge_kind kinds[] = {KD_MERGE_FIXED_POINT, KD_MERGE_DESCENT};

static void without_an_active_specialist_nothing_changes(void **state)
{
    (void)state;
    static const float generalist[] = {0.50001f, 0.3f, 0.2f}; /* whose sum is not quite 1 */
    static const float sure[] = {1, 0};
    static const uint32_t last[] = {2};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        kd_merge_options o = problem_kind(kinds[i]);
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
    kd_merge_options o = problem_kind(KD_MERGE_DESCENT);
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

/* By the first k classes everybody is: that is the whole problem, however little they agree. */
static void all_are_active(void **state)
{
    (void)state;
    static const problem_sort sort = {1, 0, 40, false};
    uint64_t seed = 16;
    size_t compared = 0;
    for (size_t round = 0; round < 200; round++) {
        double want[PROBLEM_K];
        bool active[PROBLEM_M];
        problem p = problem_draw(&seed, &sort);
        problem_active(&p, p.k, active);
        bool solved = problem_solve(&p, active, want);
        compared += solved && p.m > 2;
        for (size_t i = 0; i < COUNT(kinds); i++) {
            kd_merge_options o = problem_kind(kinds[i]);
            o.best = p.k;
            o.steps = 100000;
            problem_answer got = merge(&p, &o);
            assert_int_equal(got.active, p.m);
            for (size_t j = 0; solved && j < p.k; j++) {
                support_near("q", (double)got.q[j], want[j], 1e-6);
            }
        }
    }
    assert_true(compared > 100);
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
        kd_merge_options o = problem_kind(kinds[i]);
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
        kd_merge_options o = problem_kind(kinds[i]);
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
        kd_merge_options o = problem_kind(kinds[i]);
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
    size_t compared = 0;
    for (size_t round = 0; round < 400; round++) {
        problem p = problem_draw(&seed, &sort);
        kd_merge_options o = problem_kind(kinds[round % 2]);
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
                compared += i > first;
            }
        }
    }
    assert_true(compared > 400);
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
        kd_merge_options o = problem_kind(kinds[i]);
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

/*
 * Four dustbins in a ring, {1,2}, {2,3}, {3,4} and {4,1}, of classes that nobody gives any
 * probability: what classes 1 and 3 give to 2 and 4 changes no sum, so E is least at many q.
 */
static void sums_of_dustbins_may_be_all_that_counts(void **state)
{
    (void)state;
    static const float generalist[] = {1, 0, 0, 0, 0};
    static const float shares[][4] = {
        {0.6f, 0.3f, 0.5f, 0.2f}, {0.9f, 0.7f, 0.3f, 0.2f}, {0.5f, 0.5f, 0.5f, 0.5f}};
    static const uint32_t known[4][3] = {{0, 3, 4}, {0, 1, 4}, {0, 1, 2}, {0, 2, 3}};
    const bool active[] = {true, true, true, true};
    for (size_t round = 0; round < COUNT(shares); round++) {
        problem_answer got[COUNT(kinds)];
        problem p = problem_of(5, generalist);
        for (size_t m = 0; m < 4; m++) {
            const float answer[] = {1 - shares[round][m], 0, 0, shares[round][m]};
            problem_add(&p, 3, known[m], answer);
        }
        for (size_t i = 0; i < COUNT(kinds); i++) {
            double q[5];
            kd_merge_options o = problem_kind(kinds[i]);
            got[i] = merge(&p, &o);
            problem_doubles(got[i].q, 5, q);
            support_near("E", got[i].objective, problem_bound(&p, active, q), 1e-6);
        }
        support_near("E", got[0].objective, got[1].objective, 1e-9);
        support_near("class 0", (double)got[0].q[0], (double)got[1].q[0], 1e-6);
        for (size_t j = 1; j <= 4; j++) {
            size_t next = j % 4 + 1;
            support_near("dustbin", (double)got[0].q[j] + (double)got[0].q[next],
                         (double)got[1].q[j] + (double)got[1].q[next], 1e-6);
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
        kd_merge_options o = problem_kind(kinds[i]);
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
    kd_merge_options o = problem_kind(KD_MERGE_DESCENT);
    problem p = problem_of(5, generalist);
    for (size_t m = 0; m < 3; m++) {
        problem_add(&p, 2, pairs[m], answer);
    }
    problem_answer got = merge(&p, &o);
    const bool active[] = {true, true, true};
    double q[5];
    problem_doubles(got.q, 5, q);
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
            kd_merge_options o = problem_kind(kinds[i]);
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
        cmocka_unit_test(without_an_active_specialist_nothing_changes),
        cmocka_unit_test(of_equal_probabilities_the_first_counts),
        cmocka_unit_test(all_are_active),
        cmocka_unit_test(specialists_of_all_classes_are_an_ensemble),
        cmocka_unit_test(a_specialist_of_one_class),
        cmocka_unit_test(one_class_in_all),
        cmocka_unit_test(classes_in_every_dustbin_keep_their_proportions),
        cmocka_unit_test(an_empty_dustbin_is_shared_equally),
        cmocka_unit_test(sums_of_dustbins_may_be_all_that_counts),
        cmocka_unit_test(a_specialist_may_know_better),
        cmocka_unit_test(what_is_left_gets_what_all_dustbins_hold),
        cmocka_unit_test(steps_without_end),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
