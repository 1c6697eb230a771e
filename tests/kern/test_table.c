/* SPDX-License-Identifier: MIT */
/* Which table of kernels serves: the best that is asked for and that the processor can run. */
#include "levels.h"

static void the_best_table_serves(void **state)
{
    (void)state;
    int32_t most = kdi_port_cpu_isa();
    assert_in_range(most, KD_ISA_PORTABLE, KD_ISA_AVX512);
    print_message("this processor: %s\n", level_names[most]);
    for (int32_t isa = 0; isa <= LEVELS; isa++) {
        int32_t want = isa == 0 || isa > most ? most : isa;
        assert_string_equal(kdi_kern(isa)->name, level_names[want]);
    }
}

/* Each table has every operation: its pointers fill it from the first operation to the end. */
static void no_table_has_a_gap(void **state)
{
    (void)state;
    for (int32_t isa = 1; isa <= LEVELS; isa++) {
        const unsigned char *table = (const unsigned char *)kdi_kern(isa);
        for (size_t at = offsetof(kdi_kernels, exp_f32); at < sizeof(kdi_kernels);) {
            void (*operation)(void);
            memcpy(&operation, table + at, sizeof operation);
            assert_true(operation != NULL);
            at += sizeof operation;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_table_serves),
        cmocka_unit_test(no_table_has_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
