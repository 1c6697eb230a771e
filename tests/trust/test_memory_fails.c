/* SPDX-License-Identifier: MIT */
/*
 * Whole workflows in which each allocation fails: once; from then on; and one after the other, at
 * random. The call that it belongs to says so and has changed nothing: made again it succeeds, and
 * the workflow ends with the bits that it always has. So does a new one on the same context.
 */
#include "flows.h"
#include "times.h"

static support_memory memory;
static kd_context *context;
static size_t once;
static size_t lasting;
static size_t at_random;

/* The workflow without a fault: its bits, and how often it asks for memory. */
static size_t clean(const flow *which, kd_optimizer_kind optimizer, uint64_t *out_hash)
{
    size_t live = atomic_load(&memory.live);
    size_t calls = atomic_load(&memory.calls);
    flow_run f = flow_new(context, &memory, optimizer);
    support_ok(flow_again(which, &f), f.error.text);
    *out_hash = f.hash;
    flow_drop(&f);
    assert_int_equal(atomic_load(&memory.live), live);
    return atomic_load(&memory.calls) - calls;
}

static void check_clean(const flow *which, kd_optimizer_kind optimizer, uint64_t due)
{
    uint64_t hash;
    (void)clean(which, optimizer, &hash);
    assert_true(hash == due);
}

/* `count` more allocations are given; the workflow fails at the next one. */
static void fail_at(const flow *which, flow_run *f, size_t count, bool lasts)
{
    memory.lasting = lasts;
    memory.fail_at = atomic_load(&memory.calls) + count + 1;
    kd_status status = flow_again(which, f);
    if (status != KD_ERR_MEMORY) {
        fail_msg("%s: %s after allocation %zu failed", which->name, kd_status_name(status), count);
    }
    size_t done = f->done;
    if (lasts) { /* and it goes on failing at the same call */
        assert_int_equal(flow_again(which, f), KD_ERR_MEMORY);
        assert_int_equal(f->done, done);
    }
    memory.fail_at = 0;
}

static void check_each(const flow *which, kd_optimizer_kind optimizer)
{
    uint64_t due;
    size_t count = clean(which, optimizer, &due);
    size_t live = atomic_load(&memory.live);
    for (size_t i = 0; i < 2 * count; i++) {
        flow_run f = flow_new(context, &memory, optimizer);
        fail_at(which, &f, i / 2, i % 2);
        support_ok(flow_again(which, &f), f.error.text);
        assert_true(f.hash == due);
        flow_drop(&f);
        assert_int_equal(atomic_load(&memory.live), live);
        *(i % 2 ? &lasting : &once) += 1;
        check_clean(which, optimizer, due);
    }
}

static void each_allocation(void **state)
{
    (void)state;
    for (kd_optimizer_kind kind = KD_SGD; kind <= KD_ADAMW; kind++) {
        for (size_t i = 0; i < n_flows; i++) {
            check_each(&flows[i], kind);
        }
    }
    print_message("%zu workflows: %zu allocations failed once, %zu from then on\n", n_flows, once,
                  lasting);
    assert_true(n_flows >= 12 && once + lasting >= 2000);
}

/* A workflow that breaks off is left, at once. */
static void given_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_flows; i++) {
        uint64_t due;
        size_t count = clean(&flows[i], KD_ADAM, &due);
        size_t live = atomic_load(&memory.live);
        for (size_t j = 0; j < count; j++) {
            flow_run f = flow_new(context, &memory, KD_ADAM);
            fail_at(&flows[i], &f, j, true);
            flow_drop(&f);
            assert_int_equal(atomic_load(&memory.live), live);
        }
        check_clean(&flows[i], KD_ADAM, due);
    }
}

/* As soon as a call that failed has been made again, memory runs out somewhere else. */
static void again_and_again(void **state)
{
    (void)state;
    uint64_t lots = 1;
    for (size_t i = 0; i < 20 * times * n_flows; i++) {
        const flow *which = &flows[i % n_flows];
        uint64_t due;
        size_t count = clean(which, KD_SGD, &due);
        flow_run f = flow_new(context, &memory, KD_SGD);
        kd_status status;
        do {
            memory.lasting = false;
            memory.fail_at = atomic_load(&memory.calls) + 1 + support_below(&lots, count);
            status = flow_again(which, &f);
            assert_true(status == KD_OK || status == KD_ERR_MEMORY);
            at_random += status != KD_OK;
        } while (status != KD_OK);
        memory.fail_at = 0;
        assert_true(f.hash == due);
        flow_drop(&f);
    }
    print_message("%zu allocations failed at random\n", at_random);
}

static int begin(void **state)
{
    (void)state;
    context = flows_begin(&memory);
    return kd_blas_set_single(NULL, NULL, NULL);
}

static int end(void **state)
{
    (void)state;
    flows_end(context, &memory);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation),
        cmocka_unit_test(given_up),
        cmocka_unit_test(again_and_again),
    };
    return times_read(argc, argv) ? cmocka_run_group_tests(tests, begin, end) : 2;
}
