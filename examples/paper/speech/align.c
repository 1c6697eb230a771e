/* SPDX-License-Identifier: MIT */
/*
 * Forced alignment, and its file: a line "libkd alignment 1 KEY", then a line for each recording,
 * "NAME STATES", one digit for each frame. KEY says what it was made of.
 */
#include "align.h"

#include "say.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- labels ---- */

void align_priors(const part *p, float out[HMM_TARGETS])
{
    double count[HMM_TARGETS] = {0};
    for (size_t i = 0; i < p->frames; i++) {
        count[p->corpus->labels[p->rows[i]]] += 1.0;
    }
    for (size_t s = 0; s < HMM_TARGETS; s++) {
        out[s] = (float)log((count[s] + 1.0) / ((double)p->frames + HMM_TARGETS));
    }
}

static void label(corpus *c, const utterance *u, const uint8_t *states)
{
    for (size_t i = 0; i < u->frames; i++) {
        c->labels[u->first + i] = (uint8_t)(u->word * HMM_STATES + states[i]);
    }
}

/* The best paths, by the logits less the priors. */
static bool realign(corpus *c, float *z, const float *log_prior)
{
    uint8_t *states = calloc(c->frames, 1);
    if (!states) {
        return say("alignment", "out of memory");
    }
    for (size_t i = 0; i < c->frames * HMM_TARGETS; i++) {
        z[i] -= log_prior[i % HMM_TARGETS];
    }
    for (size_t i = 0; i < c->n; i++) {
        const utterance *u = &c->utterances[i];
        (void)hmm_path(z + u->first * HMM_TARGETS + (size_t)u->word * HMM_STATES, u->frames,
                       states);
        label(c, u, states);
    }
    free(states);
    return true;
}

static bool make_round(kd_context *context, corpus *c, const part *train_part, const part *all,
                       const plan *p, unsigned round)
{
    char name[40];
    float log_prior[HMM_TARGETS];
    const case_set train_cases = part_cases(train_part), all_cases = part_cases(all);
    snprintf(name, sizeof name, "alignment %u", round + 1);
    const training t = {
        .context = context, .plan = p, .name = name, .seed = round, .data = &train_cases};
    trained done;
    if (!train(&t, &done)) {
        return false;
    }
    align_priors(train_part, log_prior);
    float *z = logits_of(done.net, &all_cases);
    bool good = z && realign(c, z, log_prior);
    free(z);
    kd_net_destroy(done.net);
    return good;
}

static bool make(kd_context *context, corpus *c, const part *train_part, const plan *p,
                 unsigned rounds)
{
    part all;
    bool good = part_all(c, &all);
    for (unsigned round = 0; good && round < rounds; round++) {
        good = make_round(context, c, train_part, &all, p, round);
    }
    part_free(&all);
    return good;
}

/* ---- the file ---- */

/* All that the alignment depends on. */
static uint64_t key_of(const corpus *c, const plan *p, unsigned rounds)
{
    const double numbers[] = {(double)p->layers, (double)p->hidden,   (double)p->epochs,
                              (double)p->rate,   (double)p->momentum, (double)p->batch,
                              (double)rounds};
    uint64_t hash = kd_hash(0, numbers, sizeof numbers);
    for (size_t i = 0; i < c->n; i++) {
        const utterance *u = &c->utterances[i];
        const uint64_t own[] = {u->word, (uint64_t)u->use, u->frames};
        hash = kd_hash(hash, u->name, strlen(u->name));
        hash = kd_hash(hash, own, sizeof own);
    }
    return kd_hash(hash, c->features, c->frames * LOGMEL_BANDS * sizeof *c->features);
}

static bool write_file(const char *path, const corpus *c, uint64_t key)
{
    char beside[4096];
    /* A name of its own, as two programs may begin with the same folder of work. */
    int length = snprintf(beside, sizeof beside, "%s.%ld.new", path, (long)getpid());
    FILE *file = length > 0 && (size_t)length < sizeof beside ? fopen(beside, "w") : NULL;
    bool good = file && fprintf(file, "libkd alignment 1 %016" PRIx64 "\n", key) > 0;
    for (size_t i = 0; good && i < c->n; i++) {
        const utterance *u = &c->utterances[i];
        good = fprintf(file, "%s ", u->name) > 0;
        for (size_t row = u->first; good && row < u->first + u->frames; row++) {
            good = fputc('0' + c->labels[row] % HMM_STATES, file) != EOF;
        }
        good = good && fputc('\n', file) != EOF;
    }
    good = (!file || fclose(file) == 0) && good && rename(beside, path) == 0;
    return good || say(path, "it can't be written");
}

/* From the first state to the last; fewer frames leave states out. */
static bool is_path(const char *states, size_t n)
{
    bool good = n < HMM_STATES || (states[0] == '0' && states[n - 1] == '0' + HMM_STATES - 1);
    for (size_t i = 1; good && i < n; i++) {
        int step = states[i] - states[i - 1];
        good = step >= 0 && (step <= 1 || n < HMM_STATES);
    }
    return good;
}

/* "NAME STATES" of one recording. */
static bool read_line(const char *line, corpus *c, const utterance *u)
{
    size_t length = strlen(u->name);
    const char *states = line + length + 1;
    bool good = strncmp(line, u->name, length) == 0 && line[length] == ' ' &&
                strspn(states, "01234567") == u->frames && strcmp(states + u->frames, "\n") == 0 &&
                is_path(states, u->frames);
    for (size_t i = 0; good && i < u->frames; i++) {
        c->labels[u->first + i] = (uint8_t)(u->word * HMM_STATES + (unsigned)(states[i] - '0'));
    }
    return good;
}

/* False with *out_found: it is there, but damaged. */
static bool read_file(const char *path, corpus *c, uint64_t key, bool *out_found)
{
    FILE *file = fopen(path, "r");
    char *line = NULL, head[60];
    size_t room = 0;
    *out_found = file || errno != ENOENT;
    if (!file) {
        return *out_found && say(path, strerror(errno));
    }
    snprintf(head, sizeof head, "libkd alignment 1 %016" PRIx64 "\n", key);
    bool good = getline(&line, &room, file) > 0 && strcmp(line, head) == 0;
    for (size_t i = 0; good && i < c->n; i++) {
        good = getline(&line, &room, file) > 0 && read_line(line, c, &c->utterances[i]);
    }
    good = good && getline(&line, &room, file) < 0 && !ferror(file);
    free(line);
    fclose(file);
    return good || say(path, "no alignment of these recordings, or damaged; remove it");
}

bool align(kd_context *context, corpus *c, const part *train_part, const plan *p, unsigned rounds,
           const char *work, uint64_t *out_hash)
{
    char path[4096];
    bool found;
    uint64_t key = key_of(c, p, rounds);
    int length = snprintf(path, sizeof path, "%s/alignment-%08" PRIx32 ".txt", work, (uint32_t)key);
    if (length < 0 || (size_t)length >= sizeof path) {
        return say(work, "the name is too long");
    }
    bool good = read_file(path, c, key, &found);
    if (!good && !found) {
        good = make(context, c, train_part, p, rounds) && write_file(path, c, key);
    }
    *out_hash = kd_hash(0, c->labels, c->frames);
    return good;
}
