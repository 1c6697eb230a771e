/* SPDX-License-Identifier: MIT */
/* Tails of recordings: what is appended can be given back, and used by a loss. */
#include "recording.h"

#include <float.h>
#include <stdlib.h>

static kd_status append(kd_cache *cache, kd_target_kind kind, const float *values, float tail,
                        float temperature)
{
    static const uint32_t index[] = {0, 1, 2};
    const uint64_t id = 7;
    kd_targets t = KD_TARGETS_INIT;
    t.kind = kind;
    t.values = values;
    if (kind == KD_TARGET_TOPK) {
        t.top = recording_info(cache).top;
        t.topk_index = index;
        t.tail = &tail;
        t.temperature = temperature;
    }
    return kd_cache_append(cache, &id, &t, 1);
}

typedef struct row {
    size_t top;
    float temperature;
    kd_target_kind kind;
    float values[3];
    float tail;
    kd_status due;
} row;

static const row rows[] = {
    /* all classes are given, so nothing is left for a tail */
    {3, 4, KD_TARGET_TOPK, {1, 2, 3}, -INFINITY, KD_OK},
    {3, 4, KD_TARGET_TOPK, {1, 2, 3}, 0, KD_ERR_VALUE},
    {3, 4, KD_TARGET_TOPK, {1, 2, 3}, -FLT_MAX, KD_ERR_VALUE},
    /* the tail is a float, but relative to the largest logit it is none */
    {1, 0.5f, KD_TARGET_TOPK, {-1.5e38f}, 3e38f, KD_ERR_VALUE},
    {1, 0.5f, KD_TARGET_TOPK, {1.5e38f}, -3e38f, KD_ERR_VALUE},
    {1, 0.5f, KD_TARGET_TOPK, {1e38f}, -1e38f, KD_OK},
    {1, 4, KD_TARGET_TOPK, {0}, FLT_MAX, KD_OK},
    {1, 4, KD_TARGET_TOPK, {0}, -FLT_MAX, KD_OK},
    {1, 1e-3f, KD_TARGET_LOGITS, {1e36f, 0, 0}, 0, KD_ERR_VALUE},
    {1, 1e-3f, KD_TARGET_LOGITS, {1e34f, 0, 0}, 0, KD_OK},
    {1, 1e-3f, KD_TARGET_LOGITS, {0, -INFINITY, -INFINITY}, 0, KD_OK},
};

static void tails_that_are_kept(void **state)
{
    (void)state;
    recording_begin();
    for (size_t i = 0; i < COUNT(rows); i++) {
        const row *r = &rows[i];
        const recording_form form = {"",     KD_CACHE_TOPK,  r->kind,        3,
                                     r->top, r->temperature, 20 + 4 * r->top};
        recording_remove();
        kd_cache *cache = recording_open(&form);
        kd_status status = append(cache, r->kind, r->values, r->tail, r->temperature);
        if (status != r->due) {
            fail_msg("row %zu: %d, %s", i, (int)status, kd_cache_error(cache));
        }
        if (status != KD_OK) {
            kd_cache_destroy(cache);
            continue;
        }
        recording_finish(cache);
        kd_teacher_destroy(recording_teacher());
    }
    recording_end();
}

/* A file says that all classes are given, and yet has a tail: no loss could use it. */
static void a_tail_of_nothing(void **state)
{
    (void)state;
    static const recording_form form = {"", KD_CACHE_TOPK, KD_TARGET_LOGITS, 3, 3, 4, 32};
    static const float values[] = {1, 2, 3};
    size_t size;
    kd_teacher *teacher;
    recording_begin();
    kd_cache *cache = recording_open(&form);
    assert_int_equal(append(cache, KD_TARGET_LOGITS, values, 0, 0), KD_OK);
    recording_finish(cache);
    unsigned char *bytes = recording_get(&size);
    recording_store_float(bytes + HEADER + 12, -1);
    recording_fix_case(bytes + HEADER, form.bytes);
    recording_fix_seal(bytes, size, form.bytes);
    recording_put(bytes, size);
    assert_int_equal(recording_verify().finished, 1);
    assert_int_equal(
        kd_teacher_from_cache(recording_context, recording_path(), NULL, &teacher, NULL),
        KD_ERR_FORMAT);
    free(bytes);
    recording_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails_that_are_kept),
        cmocka_unit_test(a_tail_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
