/* SPDX-License-Identifier: MIT */
/* Recorded teachers: what such a file says of itself, once all of it is checked. */
#include "inspect.h"

#include <inttypes.h>
#include <stdio.h>

static const char *name_of(int32_t number, const char *const *names, int32_t count)
{
    return number >= 1 && number <= count ? names[number - 1] : "unknown";
}

static const char *encoding_of(const kd_cache_info *info)
{
    static const char *const names[] = {"f32", "f16", "topk"};
    return name_of(info->encoding, names, 3);
}

static const char *kind_of(const kd_cache_info *info)
{
    switch (info->kind) {
    case KD_TARGET_LOGITS:
    case KD_TARGET_TOPK:
        return "logits";
    case KD_TARGET_PROBABILITIES:
        return "probabilities";
    case KD_TARGET_LOG_PROBABILITIES:
        return "log-probabilities";
    default:
        return "other targets";
    }
}

static void say(const settings *s, const kd_cache_info *info)
{
    printf("%s: a recorded teacher, %s\n\n", s->path, info->finished ? "finished" : "not finished");
    printf("  %" PRIu64 " cases of %zu classes, %" PRIu64 " bytes each\n", info->cases, info->k,
           info->case_bytes);
    printf("  %s as %s", kind_of(info), encoding_of(info));
    if (info->encoding == KD_CACHE_TOPK) {
        printf(", %zu of each case", info->top);
    }
    if (info->temperature > 0.0f) {
        printf(", at T = %g", (double)info->temperature);
    }
    printf("\n  teacher %016" PRIx64 ", data %016" PRIx64 "\n", info->teacher_hash,
           info->data_hash);
    if (info->torn_bytes > 0) {
        printf("  behind them %" PRIu64 " bytes of an append that was interrupted\n",
               info->torn_bytes);
    }
}

/* A hash has more digits than a number of JSON. */
static void put_hash(cJSON *object, const char *name, uint64_t hash)
{
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    cJSON_AddStringToObject(object, name, text);
}

static cJSON *to_json(const settings *s, const kd_cache_info *info)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "file", s->path);
    cJSON_AddStringToObject(object, "kind", "recording");
    cJSON_AddBoolToObject(object, "finished", info->finished != 0);
    cJSON_AddNumberToObject(object, "cases", (double)info->cases);
    cJSON_AddNumberToObject(object, "case_bytes", (double)info->case_bytes);
    cJSON_AddNumberToObject(object, "torn_bytes", (double)info->torn_bytes);
    cJSON_AddNumberToObject(object, "classes", (double)info->k);
    cJSON_AddStringToObject(object, "targets", kind_of(info));
    cJSON_AddStringToObject(object, "encoding", encoding_of(info));
    cJSON_AddNumberToObject(object, "top", (double)info->top);
    cJSON_AddNumberToObject(object, "temperature", (double)info->temperature);
    put_hash(object, "teacher_hash", info->teacher_hash);
    put_hash(object, "data_hash", info->data_hash);
    return object;
}

bool inspect_recording(const settings *s)
{
    kd_error error = KD_ERROR_INIT;
    kd_cache_info info = KD_CACHE_INFO_INIT;
    kd_status status = kd_cache_verify(s->path, &info, &error);
    if (status == KD_ERR_FORMAT) {
        return complain(s->path, "neither a safetensors, nor a .npy file, nor a recorded teacher");
    }
    if (status != KD_OK) {
        return complain(s->path, error.text);
    }
    if (s->json) {
        return json_print(to_json(s, &info)) || complain(s->path, "out of memory");
    }
    say(s, &info);
    return true;
}
