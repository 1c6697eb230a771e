/* SPDX-License-Identifier: MIT */
/* Training states in a folder. */
#include "state.h"

#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool state_open(state *out, const training *t)
{
    kd_error error = KD_ERROR_INIT;
    uint64_t whose = 0;
    *out = (state){.seed = t->seed};
    if (!t->state) {
        return true;
    }
    if (mkdir(t->state, 0777) != 0 && errno != EEXIST) {
        return say(t->state, strerror(errno));
    }
    int length = snprintf(out->path, sizeof out->path, "%s/%s.safetensors", t->state, t->name);
    if (length < 0 || (size_t)length >= sizeof out->path) {
        return say(t->state, "the name is too long");
    }
    if (t->teacher && kd_teacher_hash(t->teacher, &whose, &error) != KD_OK) {
        return say("teacher", error.text);
    }
    const uint64_t own[] = {t->plan->batch, t->plan->epochs, (uint64_t)t->plan->jitter, t->data->n,
                            whose};
    out->tag = kd_hash(t->data->hash, own, sizeof own);
    return true;
}

bool state_load(const state *s, kd_distiller *distiller, size_t *out_epochs, double *out_seconds)
{
    kd_error error = KD_ERROR_INIT;
    kd_training kept = KD_TRAINING_INIT;
    *out_epochs = 0;
    *out_seconds = 0.0;
    if (!*s->path) {
        return true;
    }
    kept.distiller = distiller;
    kd_status status = kd_load_training(&kept, s->path, NULL, &error);
    if (status == KD_ERR_NO_FILE) {
        return true;
    }
    if (status != KD_OK) {
        return say("state", error.text);
    }
    if (kept.tag != s->tag || kept.seed != s->seed) {
        return say(
            s->path,
            "made with another teacher, data, seed, epochs or jitter; choose another folder");
    }
    *out_epochs = kept.epoch;
    *out_seconds = (double)kept.position * 1e-3;
    return true;
}

bool state_save(const state *s, kd_distiller *distiller, size_t epochs, double seconds)
{
    kd_error error = KD_ERROR_INIT;
    kd_training kept = KD_TRAINING_INIT;
    kept.distiller = distiller;
    kept.epoch = epochs;
    kept.position = (uint64_t)(seconds * 1e3); /* the host's own number, here milliseconds */
    kept.seed = s->seed;
    kept.tag = s->tag;
    return !*s->path || kd_save_training(&kept, s->path, NULL, &error) == KD_OK ||
           say("state", error.text);
}
