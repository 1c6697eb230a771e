/* SPDX-License-Identifier: MIT */
/* Training states in a folder. */
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool say(const char *what, const char *why)
{
    fprintf(stderr, "mnist: %s: %s\n", what, why);
    return false;
}

bool state_open(state *out, const settings *s, const plan *p, const char *name,
                const digit_set *data, const kd_teacher *teacher)
{
    kd_error error = KD_ERROR_INIT;
    uint64_t whose = 0;
    *out = (state){.seed = s->seed};
    if (!s->state) {
        return true;
    }
    if (mkdir(s->state, 0777) != 0 && errno != EEXIST) {
        return say(s->state, strerror(errno));
    }
    int length = snprintf(out->path, sizeof out->path, "%s/%s.safetensors", s->state, name);
    if (length < 0 || (size_t)length >= sizeof out->path) {
        return say(s->state, "the name is too long");
    }
    if (teacher && kd_teacher_hash(teacher, &whose, &error) != KD_OK) {
        return say("teacher", error.text);
    }
    const uint64_t own[] = {s->batch, p->epochs, (uint64_t)p->jitter, data->n, whose};
    out->tag = kd_hash(0, own, sizeof own);
    out->tag = kd_hash(out->tag, data->pixels, data->n * DIGIT_PIXELS);
    out->tag = kd_hash(out->tag, data->labels, data->n);
    return true;
}

bool state_load(const state *s, kd_distiller *distiller, size_t *out_epochs, double *out_seconds)
{
    kd_error error = KD_ERROR_INIT;
    kd_training training = KD_TRAINING_INIT;
    *out_epochs = 0;
    *out_seconds = 0.0;
    if (!*s->path) {
        return true;
    }
    training.distiller = distiller;
    kd_status status = kd_load_training(&training, s->path, NULL, &error);
    if (status == KD_ERR_NO_FILE) {
        return true;
    }
    if (status != KD_OK) {
        return say("state", error.text);
    }
    if (training.tag != s->tag || training.seed != s->seed) {
        return say(
            s->path,
            "made with another teacher, data, seed, epochs or jitter; choose another folder");
    }
    *out_epochs = training.epoch;
    *out_seconds = (double)training.position * 1e-3;
    return true;
}

bool state_save(const state *s, kd_distiller *distiller, size_t epochs, double seconds)
{
    kd_error error = KD_ERROR_INIT;
    kd_training training = KD_TRAINING_INIT;
    training.distiller = distiller;
    training.epoch = epochs;
    training.position = (uint64_t)(seconds * 1e3); /* the host's own number, here milliseconds */
    training.seed = s->seed;
    training.tag = s->tag;
    return !*s->path || kd_save_training(&training, s->path, NULL, &error) == KD_OK ||
           say("state", error.text);
}
