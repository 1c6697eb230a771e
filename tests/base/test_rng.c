/* SPDX-License-Identifier: MIT */
/* The room base: random numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

/* The three known answers that Random123 publishes for philox4x32, 10 rounds. */
static void philox_gives_the_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4];
        kdi_rng_key key;
        uint32_t out[4];
    } known[] = {
        {{0, 0, 0, 0}, {{0, 0}}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {{0xffffffff, 0xffffffff}},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {{0xa4093822, 0x299f31d0}},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        kdi_base_rng_block(known[i].key, known[i].counter, out);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

static void many_blocks_are_each_the_single_one(void **state)
{
    (void)state;
    kdi_rng_key key = kdi_base_rng_key(3, KDI_STREAM_DROPOUT);
    static const uint32_t starts[] = {0, 16, 12345, UINT32_MAX - 3}; /* the last one wraps */
    for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
        const uint32_t counter[4] = {starts[s], 1, 2, 3};
        uint32_t many[4][KDI_RNG_BLOCKS];
        kdi_base_rng_blocks(key, counter, many);
        for (uint32_t block = 0; block < KDI_RNG_BLOCKS; block++) {
            const uint32_t own[4] = {starts[s] + block, 1, 2, 3};
            uint32_t out[4];
            kdi_base_rng_block(key, own, out);
            for (size_t word = 0; word < 4; word++) {
                assert_int_equal(many[word][block], out[word]);
            }
        }
    }
}

static int by_value(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(kdi_rng_key));
}

static void keys_differ_by_seed_and_stream(void **state)
{
    (void)state;
    static kdi_rng_key keys[3 * 4 * 32];
    static const uint64_t streams[] = {KDI_STREAM_INIT, KDI_STREAM_DROPOUT, KDI_STREAM_SHUFFLE};
    size_t count = 0;
    for (size_t s = 0; s < 3; s++) {
        for (uint64_t low = 0; low < 4; low++) {
            for (uint64_t seed = 0; seed < 32; seed++) {
                uint64_t spread = seed % 2 ? seed << 40 : seed;
                keys[count++] = kdi_base_rng_key(spread, streams[s] + low);
            }
        }
    }
    qsort(keys, count, sizeof *keys, by_value);
    for (size_t i = 1; i < count; i++) {
        assert_true(by_value(&keys[i - 1], &keys[i]) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(many_blocks_are_each_the_single_one),
        cmocka_unit_test(keys_differ_by_seed_and_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
