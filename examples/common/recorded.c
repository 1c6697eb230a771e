/* SPDX-License-Identifier: MIT */
/* Recorded teachers, in memory and in files. */
#include "recorded.h"

#include "say.h"
#include "training.h"

#include <stdlib.h>
#include <unistd.h>

enum { PIECE = 500 };

static kd_cache_options options_for(const case_set *data)
{
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    o.k = data->classes;
    o.data_hash = data->hash;
    return o;
}

bool recorded_exists(const char *path, const case_set *data)
{
    kd_cache_info info = KD_CACHE_INFO_INIT;
    return access(path, F_OK) == 0 && kd_cache_verify(path, &info, NULL) == KD_OK &&
           info.finished == 1 && info.cases == data->n;
}

static kd_teacher *in_memory(kd_context *context, const float *z, const uint64_t *ids,
                             const case_set *data)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher = NULL;
    if (kd_teacher_from_logits(context, ids, z, data->n, data->classes, 0, &teacher, &error) !=
        KD_OK) {
        say("teacher", error.text);
    }
    return teacher;
}

/* Goes on behind the cases that an interrupted run has left. */
static bool append_all(kd_cache *cache, const float *z, const uint64_t *ids, const case_set *data)
{
    kd_cache_info info = KD_CACHE_INFO_INIT;
    bool good = kd_cache_get_info(cache, &info, NULL) == KD_OK;
    for (size_t begin = info.cases; good && begin < data->n; begin += PIECE) {
        kd_targets targets = KD_TARGETS_INIT;
        targets.kind = KD_TARGET_LOGITS;
        targets.values = z + begin * data->classes;
        targets.k = data->classes;
        size_t some = data->n - begin < PIECE ? data->n - begin : PIECE;
        good = kd_cache_append(cache, ids + begin, &targets, some) == KD_OK;
    }
    good = good && kd_cache_finish(cache) == KD_OK;
    if (!good) {
        say("recording", kd_cache_error(cache));
    }
    return good;
}

static bool record(kd_context *context, kd_net *net, const case_set *data, const char *path,
                   const float *z, const uint64_t *ids)
{
    kd_error error = KD_ERROR_INIT;
    kd_cache_options o = options_for(data);
    kd_teacher *live = NULL;
    kd_cache *cache = NULL;
    bool good = kd_teacher_from_net(net, &live, &error) == KD_OK &&
                kd_teacher_hash(live, &o.teacher_hash, &error) == KD_OK &&
                kd_cache_open(context, path, &o, &cache, &error) == KD_OK;
    if (!good) {
        say("recording", error.text);
    }
    good = good && append_all(cache, z, ids, data);
    kd_cache_destroy(cache);
    kd_teacher_destroy(live);
    return good;
}

kd_teacher *recorded_make(kd_context *context, kd_net *net, const case_set *data, const char *path)
{
    float *z = logits_of(net, data);
    uint64_t *ids = calloc(data->n, sizeof *ids);
    kd_teacher *teacher = NULL;
    for (size_t i = 0; ids && i < data->n; i++) {
        ids[i] = i;
    }
    if (z && ids && !path) {
        teacher = in_memory(context, z, ids, data);
    } else if (z && ids && record(context, net, data, path, z, ids)) {
        teacher = recorded_open(context, data, path);
    }
    free(ids);
    free(z);
    return teacher;
}

kd_teacher *recorded_open(kd_context *context, const case_set *data, const char *path)
{
    kd_error error = KD_ERROR_INIT;
    kd_cache_options expected = options_for(data);
    kd_teacher *teacher = NULL;
    if (kd_teacher_from_cache(context, path, &expected, &teacher, &error) != KD_OK) {
        say("recorded teacher", error.text);
    }
    return teacher;
}
