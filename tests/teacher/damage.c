/* SPDX-License-Identifier: MIT */
/* See damage.h. */
#define _XOPEN_SOURCE 700
#include "damage.h"

#include <sys/stat.h>

#define SPARE ((size_t)1 << 20)

damage_answers damage_ask(const recording_form *form)
{
    damage_answers a = {.info = KD_CACHE_INFO_INIT};
    struct stat s = {0};
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher;
    kd_cache *cache;
    kd_cache_options o = recording_options(form);
    size_t before = atomic_load(&recording_memory.bytes);
    (void)stat(recording_path(), &s);
    atomic_store(&recording_memory.peak, before);
    a.verify = kd_cache_verify(recording_path(), &a.info, &error);
    assert_true(a.verify == KD_OK || (error.status == a.verify && strstr(error.text, "/a")));
    assert_true(a.verify == KD_OK || error.argument == 0); /* the file is at fault */
    a.teach = kd_teacher_from_cache(recording_context, recording_path(), NULL, &teacher, &error);
    assert_true(a.teach == KD_OK || (error.status == a.teach && !teacher));
    assert_true(a.teach == KD_OK || a.teach == KD_ERR_STATE || error.argument == 0);
    kd_teacher_destroy(teacher);
    a.open = kd_cache_open(recording_context, recording_path(), &o, &cache, &error);
    assert_true(a.open == KD_OK || (error.status == a.open && !cache));
    kd_cache_destroy(cache);
    assert_true(atomic_load(&recording_memory.peak) - before <= 2 * (size_t)s.st_size + SPARE);
    assert_int_equal(atomic_load(&recording_memory.bytes), before);
    return a;
}

unsigned char *damage_make(const recording_form *form, recording_data *data, size_t *out_size)
{
    *data = recording_fill(form, 11, DAMAGE_CASES);
    recording_make(form, data);
    return recording_get(out_size);
}
