/* SPDX-License-Identifier: MIT */
/*
 * Recorded teachers: kd_cache_verify, kd_teacher_from_cache, kd_cache_open. Nothing but an append
 * changes a file, a teacher says the same of a case each time, and what was taken can be gone on
 * with.
 */
#include "fuzz.h"

#include <math.h>
#include <stdio.h>

const char fuzz_name[] = "recording";

enum { HEADER = 80, ASKED = 8, MOST_CLASSES = 4096 };

static char path[128];

static kd_cache_info verify(kd_status *out_status)
{
    kd_cache_info info = KD_CACHE_INFO_INIT;
    kd_error error = KD_ERROR_INIT;
    *out_status = kd_cache_verify(path, &info, &error);
    fuzz_check_error(*out_status, &error);
    return info;
}

/* Asks for some cases twice; both answers are the same bits. */
static void ask(kd_teacher *teacher, const kd_cache_info *info, const unsigned char *bytes)
{
    uint64_t ids[ASKED];
    kd_batch batch = KD_BATCH_INIT;
    kd_teacher_workspace *ws;
    kd_targets first = KD_TARGETS_INIT, again = KD_TARGETS_INIT;
    kd_error error = KD_ERROR_INIT;
    size_t n = info->cases < ASKED ? (size_t)info->cases : ASKED;
    for (size_t i = 0; i < n; i++) {
        ids[i] = fuzz_load(bytes + HEADER + i * info->case_bytes, 8);
    }
    batch.n = n;
    batch.ids = ids;
    FUZZ_OK(kd_teacher_workspace_create(teacher, n, &ws, &error), error.text);
    FUZZ_OK(kd_teacher_targets(ws, &batch, 2, &first, &error), error.text);
    FUZZ_EXPECT(first.k == info->k &&
                first.top == (info->encoding == KD_CACHE_TOPK ? info->top : 0));
    uint64_t width = first.top ? first.top : first.k;
    uint64_t hash = kd_hash(1, first.values, n * width * sizeof(float));
    FUZZ_OK(kd_teacher_targets(ws, &batch, 2, &again, &error), error.text);
    FUZZ_EXPECT(kd_hash(1, again.values, n * width * sizeof(float)) == hash);
    batch.ids = NULL;
    FUZZ_EXPECT(kd_teacher_targets(ws, &batch, 2, &again, NULL) == KD_ERR_NULL);
    kd_teacher_workspace_destroy(ws);
}

static void try_teacher(const unsigned char *bytes, size_t size, kd_status sound,
                        const kd_cache_info *info)
{
    kd_teacher *teacher;
    kd_error error = KD_ERROR_INIT;
    fuzz_mark();
    kd_status status = kd_teacher_from_cache(fuzz_context(), path, NULL, &teacher, &error);
    fuzz_check_error(status, &error);
    FUZZ_EXPECT((status == KD_OK) == (teacher != NULL));
    FUZZ_EXPECT(status != KD_OK || (sound == KD_OK && info->finished));
    fuzz_check_memory(size);
    if (status == KD_OK) {
        ask(teacher, info, bytes);
        kd_teacher_destroy(teacher);
    }
    fuzz_check_returned();
    FUZZ_EXPECT(fuzz_has(path, bytes, size));
}

/* One case more, with an id that is new unless the file was made for it. */
static void append(kd_cache *cache, const kd_cache_info *info)
{
    static float values[MOST_CLASSES];
    static uint32_t index[MOST_CLASSES];
    float tail = 0;
    uint64_t id = 0x66757a7a;
    kd_targets targets = KD_TARGETS_INIT;
    kd_cache_info after = KD_CACHE_INFO_INIT;
    size_t width = info->kind == KD_TARGET_TOPK ? info->top : info->k;
    bool probabilities = info->kind == KD_TARGET_PROBABILITIES;
    if (width > MOST_CLASSES) {
        return;
    }
    for (size_t i = 0; i < width; i++) {
        values[i] = probabilities ? 1.0f / (float)width : 0.5f;
        index[i] = (uint32_t)i;
    }
    targets.kind = info->kind;
    targets.temperature = info->temperature;
    targets.values = values;
    if (info->kind == KD_TARGET_LOG_PROBABILITIES) {
        FUZZ_OK(kd_log_softmax(values, 1, width, 0, 1, values, 0, NULL), NULL);
    } else if (info->kind == KD_TARGET_TOPK) {
        tail = info->top == info->k ? -INFINITY : 0;
        targets.top = info->top;
        targets.topk_index = index;
        targets.tail = &tail;
    }
    kd_status status = kd_cache_append(cache, &id, &targets, 1);
    bool tiny =
        status == KD_ERR_VALUE && info->encoding == KD_CACHE_TOPK; /* T0: no float holds v/T0 */
    FUZZ_EXPECT(status == KD_OK || status == KD_ERR_ID || tiny);
    FUZZ_OK(kd_cache_get_info(cache, &after, NULL), NULL);
    FUZZ_EXPECT(after.cases == info->cases + (status == KD_OK));
}

static void go_on(kd_cache *cache, const kd_cache_info *info, kd_status sound)
{
    kd_cache_info own = KD_CACHE_INFO_INIT;
    kd_status status;
    FUZZ_OK(kd_cache_get_info(cache, &own, NULL), NULL);
    FUZZ_EXPECT(sound != KD_OK || own.cases == info->cases);
    append(cache, &own);
    FUZZ_OK(kd_cache_get_info(cache, &own, NULL), NULL);
    status = kd_cache_finish(cache);
    FUZZ_EXPECT(status == (own.cases > 0 ? KD_OK : KD_ERR_STATE));
    kd_cache_destroy(cache);
    if (status == KD_OK) {
        kd_cache_info after = verify(&status);
        FUZZ_OK(status, "verify what was gone on with");
        FUZZ_EXPECT(after.cases == own.cases && after.finished && after.torn_bytes == 0);
    }
}

static void try_open(const unsigned char *bytes, size_t size, kd_status sound,
                     const kd_cache_info *info)
{
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    kd_cache *cache;
    kd_error error = KD_ERROR_INIT;
    o.k = 3;
    if (sound == KD_OK) {
        o.k = info->k;
        o.encoding = info->encoding;
        o.kind = info->kind;
        o.top = info->top;
        o.temperature = info->temperature;
        o.teacher_hash = info->teacher_hash;
        o.data_hash = info->data_hash;
    }
    fuzz_mark();
    kd_status status = kd_cache_open(fuzz_context(), path, &o, &cache, &error);
    fuzz_check_error(status, &error);
    FUZZ_EXPECT((status == KD_OK) == (cache != NULL));
    fuzz_check_memory(size + 2 * o.top); /* 4 bytes for each class that the host keeps */
    if (status == KD_OK) {
        go_on(cache, info, sound);
    } else {
        FUZZ_EXPECT(fuzz_has(path, bytes, size));
    }
    fuzz_check_returned();
}

void fuzz_one(const unsigned char *bytes, size_t size)
{
    kd_status sound;
    if (!path[0]) {
        snprintf(path, sizeof path, "%s/recording", fuzz_folder());
        (void)fuzz_context();
    }
    fuzz_put(path, bytes, size);
    kd_cache_info info = verify(&sound);
    try_teacher(bytes, size, sound, &info);
    try_open(bytes, size, sound, &info);
}

size_t fuzz_fix(unsigned char *bytes, size_t size, size_t most)
{
    return fuzz_fix_recording(bytes, size, most);
}
