/* SPDX-License-Identifier: MIT */
/* Frames by the likeliest target, words by the best path. */
#include "score.h"

#include "say.h"

#include <stdlib.h>

static size_t best_of(const float *row)
{
    size_t best = 0;
    for (size_t s = 1; s < HMM_TARGETS; s++) {
        best = row[s] > row[best] ? s : best;
    }
    return best;
}

/* Right frames and whether the word is, of the recording whose rows these are. */
static int score_one(const corpus *c, const utterance *u, float *z, const float *log_prior,
                     bool *out_word)
{
    int right = 0;
    for (size_t i = 0; i < u->frames; i++) {
        float *row = z + i * HMM_TARGETS;
        right += best_of(row) == c->labels[u->first + i];
        for (size_t s = 0; s < HMM_TARGETS; s++) {
            row[s] -= log_prior[s]; /* p(x|s) is p(s|x) / p(s) but for p(x) */
        }
    }
    *out_word = hmm_decode(z, u->frames) == u->word;
    return right;
}

bool score_write(const part *p, float *z, const float log_prior[HMM_TARGETS], cJSON *result)
{
    int *counts = calloc(2 * p->n + 1, sizeof *counts), n = (int)p->n;
    double right = 0.0, wrong = 0.0;
    if (!counts) {
        return say("scores", "out of memory");
    }
    for (size_t i = 0; i < p->n; i++) {
        const utterance *u = &p->corpus->utterances[p->utterances[i]];
        bool word;
        int frames = score_one(p->corpus, u, z, log_prior, &word);
        z += u->frames * HMM_TARGETS;
        counts[i] = frames;
        counts[p->n + i] = word;
        right += frames;
        wrong += !word;
    }
    cJSON_AddNumberToObject(result, "frame_accuracy", 100.0 * right / (double)p->frames);
    cJSON_AddNumberToObject(result, "word_error_rate", 100.0 * wrong / (double)p->n);
    cJSON_AddItemToObject(result, "frames_right", cJSON_CreateIntArray(counts, n));
    cJSON_AddItemToObject(result, "words_right", cJSON_CreateIntArray(counts + n, n));
    free(counts);
    return true;
}
