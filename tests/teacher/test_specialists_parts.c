/* SPDX-License-Identifier: MIT */
/* What a teacher of specialists is made of: its hash, and parts that are refused. */
#include "specialists.h"

#include <stdio.h>

/* Whatever it is made of is part of its hash. */
static void another_teacher_has_another_hash(void **state)
{
    (void)state;
    enum { HASHES = 11 };
    uint64_t hashes[HASHES];
    size_t n = 0;
    kd_error e = KD_ERROR_INIT;
    kd_merge_options o = KD_MERGE_OPTIONS_INIT;
    specialists_start(1);
    hashes[n++] = specialists_hash(specialists_join(w.generalist, NULL));
    assert_true(specialists_hash(specialists_join(w.generalist, NULL)) == hashes[0]);
    assert_true(specialists_hash(specialists_join(w.generalist, &o)) == hashes[0]);
    hashes[n++] =
        specialists_hash(specialists_join(w.generalist, (o.kind = KD_MERGE_FIXED_POINT, &o)));
    hashes[n++] = specialists_hash(specialists_join(w.generalist, (o.best = 2, &o)));
    hashes[n++] = specialists_hash(specialists_join(w.generalist, (o.steps = 9, &o)));
    hashes[n++] = specialists_hash(specialists_join(w.generalist, (o.tolerance = 0, &o)));
    kd_teacher *inner = specialists_join(w.generalist, NULL);
    hashes[n++] = specialists_hash(specialists_join(inner, NULL));
    kd_teacher_destroy(inner);
    kd_teacher *two;
    support_ok(kd_teacher_from_specialists(w.generalist, w.specialists, 2, NULL, &two, &e), e.text);
    hashes[n++] = specialists_hash(two);
    kd_specialist *turned[] = {w.specialists[1], w.specialists[0]};
    support_ok(kd_teacher_from_specialists(w.generalist, turned, 2, NULL, &two, &e), e.text);
    hashes[n++] = specialists_hash(two);
    static const uint32_t others[] = {0, 1, 3};
    kd_specialist_options s = KD_SPECIALIST_OPTIONS_INIT;
    s.classes = others;
    s.n_classes = 3;
    s.k = K;
    s.net = kd_specialist_net(w.specialists[0]); /* the same net, of other classes */
    kd_specialist *with[2] = {NULL, w.specialists[1]};
    support_ok(kd_specialist_create(w.context, &s, &with[0], &e), e.text);
    support_ok(kd_teacher_from_specialists(w.generalist, with, 2, NULL, &two, &e), e.text);
    hashes[n++] = specialists_hash(two);
    kd_specialist_destroy(with[0]);
    support_ok(kd_specialist_correct(w.specialists[2], 0.25, NULL, &e), e.text);
    hashes[n++] = specialists_hash(specialists_join(w.generalist, NULL));
    support_param(w.net, 0).values[0] += 1;
    hashes[n++] = specialists_hash(specialists_join(w.generalist, NULL));
    assert_int_equal(n, HASHES);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_true(hashes[i] != hashes[j]);
        }
    }
    kd_teacher *callback = specialists_host(0, 0, NULL),
               *unknown = specialists_join(callback, NULL);
    support_refused(kd_teacher_hash(unknown, &hashes[0], &e), KD_ERR_KIND, e.text, "callback");
    kd_teacher_destroy(unknown);
    kd_teacher_destroy(callback);
    specialists_stop();
}

/* ---- refusals ---- */

static void refuse(kd_specialist *const *specialists, size_t m, const kd_merge_options *o,
                   kd_status status, const char *words)
{
    kd_error e = KD_ERROR_INIT;
    kd_teacher *teacher = (kd_teacher *)&e;
    support_refused(kd_teacher_from_specialists(w.generalist, specialists, m, o, &teacher, &e),
                    status, e.text, words);
    assert_null(teacher);
}

static void bad_parts_name_the_entry(void **state)
{
    (void)state;
    static const uint32_t own[] = {1};
    kd_error e = KD_ERROR_INIT;
    kd_specialist *given[M], *without, *other_k, *other_x;
    kd_specialist_options s = KD_SPECIALIST_OPTIONS_INIT;
    kd_merge_options o = KD_MERGE_OPTIONS_INIT;
    specialists_start(1);
    kd_net *wide = support_net(w.context, "6: 2", 1), *few = support_net(w.context, "5: 2", 1);
    s.classes = own;
    s.n_classes = 1;
    s.k = K;
    support_ok(kd_specialist_create(w.context, &s, &without, &e), e.text);
    s.net = wide;
    support_ok(kd_specialist_create(w.context, &s, &other_x, &e), e.text);
    s.net = few;
    s.k = K + 1;
    support_ok(kd_specialist_create(w.context, &s, &other_k, &e), e.text);
    memcpy(given, w.specialists, sizeof given);
    refuse(NULL, M, NULL, KD_ERR_NULL, "specialists is NULL");
    refuse(given, 0, NULL, KD_ERR_SIZE, "m is 0, not 1 to 256");
    refuse(given, KD_MAX_MEMBERS + 1, NULL, KD_ERR_TOO_LARGE, "m is 257, not 1 to 256");
    refuse(given, M, (o.best = K + 1, &o), KD_ERR_TOO_LARGE, "options.best is 7");
    for (size_t i = 0; i < M; i++) {
        char words[32];
        snprintf(words, sizeof words, "specialists[%zu] is NULL", i);
        given[i] = NULL;
        refuse(given, M, NULL, KD_ERR_NULL, words);
        given[i] = w.specialists[i];
    }
    refuse((given[1] = without, given), M, NULL, KD_ERR_STATE, "specialists[1] has no net");
    refuse((given[1] = other_k, given), M, NULL, KD_ERR_SHAPE,
           "specialists[1] is of 7 classes, the generalist of 6");
    refuse((given[1] = other_x, given), M, NULL, KD_ERR_SHAPE,
           "specialists[1] takes 6 inputs, those before take 5");
    kd_teacher *made = NULL;
    support_refused(kd_teacher_from_specialists(NULL, w.specialists, M, NULL, &made, &e),
                    KD_ERR_NULL, e.text, "generalist is NULL");
    support_refused(kd_teacher_from_specialists(w.generalist, w.specialists, M, NULL, NULL, &e),
                    KD_ERR_NULL, e.text, "out_teacher is NULL");
    kd_specialist_destroy(without);
    kd_specialist_destroy(other_k);
    kd_specialist_destroy(other_x);
    kd_net_destroy(wide);
    kd_net_destroy(few);
    specialists_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_teacher_has_another_hash),
        cmocka_unit_test(bad_parts_name_the_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
