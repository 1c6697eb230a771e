/* SPDX-License-Identifier: MIT */
/* Numbers that stand for bytes and for teachers: equal ones are equal, and nothing else is. */
#include "recording.h"

#include <stdlib.h>

/* ---- bytes ---- */

/* From the definition, written in another language: they stand in files, so they never change. */
static void golden_values(void **state)
{
    (void)state;
    unsigned char all[256];
    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (unsigned char)i;
    }
    assert_true(kd_hash(0, "a", 1) == 0xfa238ffdc2d3af8b);
    assert_true(kd_hash(0, "12345678", 8) == 0x9504b77e40e080df);
    assert_true(kd_hash(0, "123456789", 9) == 0xf264e25cd376d68d);
    assert_true(kd_hash(0, "\0", 1) == 0x1babba17f8ce4f8b);
    assert_true(kd_hash(0, "\0\0\0\0\0\0\0\0", 8) == 0xe2c6a6c7d56dee7f);
    assert_true(kd_hash(0, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0xb572195a41a3f7c5);
    assert_true(kd_hash(1, "a", 1) == 0x84ee03d406810e81);
    assert_true(kd_hash(0xfedcba9876543210, "distillation", 12) == 0xd054d9067655c273);
    assert_true(kd_hash(0, all, sizeof all) == 0x30b02abeb63d8ce8);
    assert_true(kd_hash(17, NULL, 0) == 17 && kd_hash(17, NULL, 5) == 17);
    assert_true(kd_hash(17, "a", 0) == 17);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Zeros of any length, one bit anywhere, any start, any alignment: all different. */
static void no_two_are_equal(void **state)
{
    (void)state;
    enum { BYTES = 200 };
    static uint64_t found[BYTES * 8 + 2 * BYTES + 64];
    unsigned char room[BYTES + 8] = {0};
    size_t n = 0;
    for (size_t shift = 0; shift < 8; shift++) {
        unsigned char *bytes = room + shift;
        n = 0;
        memset(room, 0, sizeof room);
        for (size_t size = 1; size <= BYTES; size++) {
            found[n++] = kd_hash(0, bytes, size);
            found[n++] = kd_hash(size, bytes, BYTES);
        }
        for (size_t bit = 0; bit < 8 * BYTES; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            found[n++] = kd_hash(0, bytes, BYTES);
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        qsort(found, n, sizeof *found, compare);
        size_t bits[64] = {0};
        for (size_t i = 0; i < n; i++) {
            assert_true(i == 0 || found[i] != found[i - 1]);
            for (size_t b = 0; b < 64; b++) {
                bits[b] += found[i] >> b & 1;
            }
        }
        for (size_t b = 0; b < 64; b++) { /* each bit is set in about half of them */
            support_near("a bit", (double)bits[b] / (double)n, 0.5, 0.06);
        }
    }
}

/* ---- teachers ---- */

static uint64_t hash_of(kd_teacher *teacher)
{
    kd_error error = KD_ERROR_INIT;
    uint64_t hash;
    support_ok(kd_teacher_hash(teacher, &hash, &error), error.text);
    kd_teacher_destroy(teacher);
    return hash;
}

static kd_teacher *of_net(kd_net *net)
{
    kd_teacher *teacher = support_teacher(net);
    kd_net_destroy(net);
    return teacher;
}

static kd_teacher *of_shape(const char *shape, uint64_t seed)
{
    return of_net(support_net(recording_context, shape, seed));
}

static void nets(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        "5: 8 relu 4",          "5: 8 4",      "5: 8 relu 4 relu", "5: 8 relu drop0.5 4",
        "5: 8 relu drop0.25 4", "6: 8 relu 4", "5: 9 relu 4",      "5: 8 relu 3"};
    uint64_t found[COUNT(shapes)];
    recording_begin();
    for (size_t i = 0; i < COUNT(shapes); i++) {
        found[i] = hash_of(of_shape(shapes[i], 3));
        assert_true(found[i] == hash_of(of_shape(shapes[i], 3)));
        assert_true(found[i] != hash_of(of_shape(shapes[i], 4)));
        for (size_t j = 0; j < i; j++) {
            assert_true(found[i] != found[j]);
        }
    }
    kd_net *net = support_net(recording_context, shapes[0], 3);
    size_t count = support_values(net);
    for (size_t index = 0; index < 4; index++) { /* any bit of any weight */
        kd_param p = support_param(net, index);
        for (size_t i = 0; i < p.rows * p.columns; i++, count--) {
            unsigned char *byte = (unsigned char *)(p.values + i);
            *byte ^= 1;
            assert_true(hash_of(of_net(support_clone(net))) != found[0]);
            *byte ^= 1;
        }
    }
    assert_int_equal(count, 0);
    assert_true(hash_of(of_net(net)) == found[0]);
    recording_end();
}

static uint64_t together(const float *weights, kd_mean_kind mean, uint64_t a, uint64_t b)
{
    kd_teacher *members[2] = {of_shape("5: 8 relu 4", a), of_shape("5: 8 relu 4", b)}, *all;
    assert_int_equal(kd_teacher_from_ensemble(members, 2, weights, mean, &all, NULL), KD_OK);
    kd_teacher_destroy(members[0]);
    kd_teacher_destroy(members[1]);
    return hash_of(all);
}

static void ensembles(void **state)
{
    (void)state;
    static const float equal[2] = {2, 2}, other[2] = {1, 2};
    recording_begin();
    uint64_t due = together(NULL, KD_MEAN_GEOMETRIC, 1, 2);
    assert_true(together(equal, KD_MEAN_GEOMETRIC, 1, 2) == due);
    assert_true(together(other, KD_MEAN_GEOMETRIC, 1, 2) != due);
    assert_true(together(NULL, KD_MEAN_ARITHMETIC, 1, 2) != due);
    assert_true(together(NULL, KD_MEAN_GEOMETRIC, 2, 1) != due);
    assert_true(together(NULL, KD_MEAN_GEOMETRIC, 1, 3) != due);
    recording_end();
}

static uint64_t recorded(const uint64_t *ids, const float *v, size_t n, size_t k, size_t stride)
{
    kd_teacher *teacher;
    assert_int_equal(
        kd_teacher_from_logits(recording_context, ids, v, n, k, stride, &teacher, NULL), KD_OK);
    return hash_of(teacher);
}

static void recorded_logits(void **state)
{
    (void)state;
    static const uint64_t ids[3] = {5, 7, 1}, turned[3] = {1, 7, 5}, others[3] = {5, 7, 2};
    static const float v[6] = {1, 2, 3, 4, 5, 6}, w[6] = {5, 6, 3, 4, 1, 2};
    static const float wide[9] = {1, 2, 0, 3, 4, 0, 5, 6, 0};
    recording_begin();
    uint64_t due = recorded(ids, v, 3, 2, 0);
    assert_true(recorded(turned, w, 3, 2, 0) == due); /* the order does not matter */
    assert_true(recorded(ids, wide, 3, 2, 3) == due);
    assert_true(recorded(turned, v, 3, 2, 0) != due);
    assert_true(recorded(others, v, 3, 2, 0) != due);
    assert_true(recorded(ids, v, 2, 2, 0) != due);
    assert_true(recorded(ids, v, 2, 3, 0) != recorded(ids, v, 3, 2, 0));
    recording_end();
}

static int32_t nothing(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user, (void)batch, (void)temperature, (void)out;
    return 1;
}

static void callbacks_and_recordings(void **state)
{
    (void)state;
    recording_begin();
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    kd_error error = KD_ERROR_INIT;
    kd_teacher *callback, *both;
    uint64_t hash = 99;
    o.k = 4;
    o.fn = nothing;
    assert_int_equal(kd_teacher_from_callback(recording_context, &o, &callback, NULL), KD_OK);
    support_refused(kd_teacher_hash(callback, &hash, &error), KD_ERR_KIND, error.text, "callback");
    kd_teacher *members[2] = {of_shape("5: 4", 1), callback};
    assert_int_equal(kd_teacher_from_ensemble(members, 2, NULL, KD_MEAN_ARITHMETIC, &both, NULL),
                     KD_OK);
    support_refused(kd_teacher_hash(both, &hash, &error), KD_ERR_KIND, error.text, "callback");
    support_refused(kd_teacher_hash(members[0], NULL, &error), KD_ERR_NULL, error.text, "out_hash");
    assert_int_equal(hash, 99);
    kd_teacher_destroy(both);
    kd_teacher_destroy(members[0]);
    kd_teacher_destroy(callback);
    recording_data data = recording_fill(&recording_forms[0], 1, 4);
    recording_make(&recording_forms[0], &data);
    assert_true(hash_of(recording_teacher()) == 0x1122334455667788);
    recording_drop(&data);
    recording_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_values),
        cmocka_unit_test(no_two_are_equal),
        cmocka_unit_test(nets),
        cmocka_unit_test(ensembles),
        cmocka_unit_test(recorded_logits),
        cmocka_unit_test(callbacks_and_recordings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
