/* SPDX-License-Identifier: MIT */
/* Parts of a corpus, and their frames as cases. */
#include "corpus.h"

#include "say.h"

#include <kd/kd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parts ---- */

void part_free(part *p)
{
    free(p->utterances);
    free(p->rows);
    *p = (part){0};
}

/* Those for which keep [c->n] is true; all of them if it is NULL. */
static bool gather(const corpus *c, const bool *keep, part *out)
{
    *out = (part){.corpus = c};
    for (size_t u = 0; u < c->n; u++) {
        bool kept = !keep || keep[u];
        out->n += kept;
        out->frames += kept ? c->utterances[u].frames : 0;
    }
    out->utterances = calloc(out->n + 1, sizeof *out->utterances);
    out->rows = calloc(out->frames + 1, sizeof *out->rows);
    if (!out->utterances || !out->rows) {
        part_free(out);
        return say("recordings", "out of memory");
    }
    size_t n = 0, row = 0;
    for (size_t u = 0; u < c->n; u++) {
        bool kept = !keep || keep[u];
        for (size_t i = 0; kept && i < c->utterances[u].frames; i++) {
            out->rows[row++] = (uint32_t)(c->utterances[u].first + i);
        }
        if (kept) {
            out->utterances[n++] = (uint32_t)u;
        }
    }
    return true;
}

bool part_all(const corpus *c, part *out)
{
    return gather(c, NULL, out);
}

static bool has_all_words(const part *p, corpus_use use)
{
    static const char *const uses[] = {"to train with", "to develop with", "to test with"};
    bool found[HMM_WORDS] = {false};
    char missing[60];
    for (size_t i = 0; i < p->n; i++) {
        found[p->corpus->utterances[p->utterances[i]].word] = true;
    }
    for (int word = 0; word < HMM_WORDS; word++) {
        if (!found[word]) {
            snprintf(missing, sizeof missing, "no recording of %d %s", word, uses[use]);
            return say("data", missing);
        }
    }
    return true;
}

bool part_of(const corpus *c, corpus_use use, part *out)
{
    bool *keep = calloc(c->n, sizeof *keep);
    *out = (part){0};
    for (size_t u = 0; keep && u < c->n; u++) {
        keep[u] = c->utterances[u].use == use;
    }
    bool good = keep ? gather(c, keep, out) : say("recordings", "out of memory");
    free(keep);
    if (good && !has_all_words(out, use)) {
        part_free(out);
        good = false;
    }
    return good;
}

/* ---- a share ---- */

/* A recording's turn: all words' recordings are dealt out evenly. */
typedef struct turn {
    double at; /* 0..1 */
    uint32_t word, utterance;
} turn;

static int by_turn(const void *a, const void *b)
{
    const turn *left = a, *right = b;
    if (left->at != right->at) {
        return left->at < right->at ? -1 : 1;
    }
    return left->word < right->word ? -1 : left->word > right->word;
}

/* The recordings of one word in random order, and when each has its turn. */
static size_t deal(const part *all, uint32_t word, uint32_t place, uint64_t seed, uint32_t *order,
                   turn *out)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        if (all->corpus->utterances[all->utterances[i]].word == word) {
            out[n++].utterance = all->utterances[i];
        }
    }
    if (n == 0 || kd_shuffle(seed, word, n, order, NULL) != KD_OK) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        out[order[i]].at = ((double)i + 0.5) / (double)n;
        out[order[i]].word = place;
    }
    return n;
}

bool part_choose(const part *all, double share, uint64_t seed, part *out)
{
    uint32_t words[HMM_WORDS];
    turn *turns = calloc(all->n, sizeof *turns);
    uint32_t *order = calloc(all->n, sizeof *order);
    bool *keep = calloc(all->corpus->n, sizeof *keep);
    size_t n = 0, wanted = (size_t)(share * (double)all->n + 0.5);
    bool good =
        turns && order && keep && kd_shuffle(seed, HMM_WORDS, HMM_WORDS, words, NULL) == KD_OK;
    for (uint32_t word = 0; good && word < HMM_WORDS; word++) {
        n += deal(all, word, words[word], seed, order, turns + n);
    }
    if (good) {
        qsort(turns, n, sizeof *turns, by_turn);
    }
    for (size_t i = 0; good && i < n && i < (wanted ? wanted : 1); i++) {
        keep[turns[i].utterance] = true;
    }
    good = good ? gather(all->corpus, keep, out) : say("recordings", "out of memory");
    free(turns);
    free(order);
    free(keep);
    return good;
}

/* ---- cases ---- */

/* `row` moved by some frames, but not beyond its recording. */
static size_t neighbour(const utterance *u, size_t row, int by)
{
    size_t last = u->first + u->frames - 1;
    size_t back = (size_t)(by < 0 ? -by : 0), on = (size_t)(by > 0 ? by : 0);
    size_t past = row - u->first < back ? u->first : row - back;
    return last - past < on ? last : past + on;
}

static void load(const void *kept, const uint32_t *cases, size_t m, const distortion *d, float *x,
                 int32_t *labels)
{
    const part *p = kept;
    const corpus *c = p->corpus;
    (void)d; /* speech is not distorted */
    for (size_t i = 0; i < m; i++) {
        size_t row = p->rows[cases[i]];
        const utterance *u = &c->utterances[c->owners[row]];
        for (int by = -CORPUS_PAST; by <= CORPUS_FUTURE; by++) {
            memcpy(x, c->features + neighbour(u, row, by) * LOGMEL_BANDS, LOGMEL_BANDS * sizeof *x);
            x += LOGMEL_BANDS;
        }
        if (labels) {
            labels[i] = c->labels[row];
        }
    }
}

case_set part_cases(const part *p)
{
    const corpus *c = p->corpus;
    uint64_t hash = 0;
    for (size_t i = 0; i < p->n; i++) {
        const utterance *u = &c->utterances[p->utterances[i]];
        hash = kd_hash(hash, &u->frames, sizeof u->frames);
        hash = kd_hash(hash, c->features + u->first * LOGMEL_BANDS,
                       u->frames * LOGMEL_BANDS * sizeof *c->features);
        hash = kd_hash(hash, c->labels + u->first, u->frames);
    }
    return (case_set){.n = p->frames,
                      .inputs = CORPUS_INPUTS,
                      .classes = HMM_TARGETS,
                      .hash = hash,
                      .load = load,
                      .kept = p};
}
