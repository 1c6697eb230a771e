/* SPDX-License-Identifier: MIT */
/* Recordings: found or drawn, their features, and what each of them is for. */
#include "corpus.h"

#include "drawn.h"
#include "say.h"
#include "wav.h"

#include <dirent.h>
#include <errno.h>
#include <kd/kd.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TESTED = 5,    /* Indices 0..4 are for the test. */
    DEVELOPED = 45 /* From this index on: development. */
};

/* Room is doubled when the next item does not fit. */
static void *grow(void *old, size_t n, size_t *room, size_t size)
{
    if (n < *room) {
        return old;
    }
    size_t wanted = 2 * n + 64;
    void *larger = realloc(old, wanted * size);
    *room = larger ? wanted : *room;
    return larger;
}

/* A corpus while it grows. */
typedef struct builder {
    corpus *c;
    const corpus_source *source;
    size_t room, frame_room, left_out;
    logmel *f;
} builder;

/* ---- names ---- */

static void choose_use(utterance *u, const corpus_source *source)
{
    bool test = source->leave_out ? strcmp(u->speaker, source->leave_out) == 0 : u->index < TESTED;
    u->use = test ? CORPUS_TEST : u->index < DEVELOPED ? CORPUS_TRAIN : CORPUS_DEVELOPMENT;
}

/* <digit>_<speaker>_<index>.wav */
static bool read_name(const char *file, utterance *out)
{
    char speaker[CORPUS_NAME];
    unsigned word, index;
    int end = 0, length = (int)strlen(file);
    bool good = length < CORPUS_NAME + 4 && strspn(file, "0123456789") == 1 &&
                sscanf(file, "%1u_%47[A-Za-z]_%4u.wav%n", &word, speaker, &index, &end) == 3 &&
                end == length && index <= 9999;
    if (good) {
        *out = (utterance){.word = word, .index = index};
        memcpy(out->speaker, speaker, sizeof speaker);
        memcpy(out->name, file, (size_t)length - 4);
    }
    return good;
}

static bool add_name(builder *b, utterance u)
{
    corpus *c = b->c;
    choose_use(&u, b->source);
    b->left_out += u.use == CORPUS_TEST;
    if (u.use == CORPUS_TEST && b->source->holdout) {
        return true;
    }
    utterance *larger = grow(c->utterances, c->n, &b->room, sizeof *larger);
    if (!larger) {
        return say("recordings", "out of memory");
    }
    c->utterances = larger;
    c->utterances[c->n++] = u;
    return true;
}

static int by_name(const void *a, const void *b)
{
    const utterance *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static bool find(builder *b, const char *folder)
{
    DIR *all = opendir(folder);
    bool good = all || say(folder, strerror(errno));
    for (const struct dirent *entry; good && (entry = readdir(all)) != NULL;) {
        const char *dot = strrchr(entry->d_name, '.');
        utterance u;
        if (dot && strcmp(dot, ".wav") == 0) {
            good = read_name(entry->d_name, &u)
                       ? add_name(b, u)
                       : say(entry->d_name, "not named <digit>_<speaker>_<index>.wav");
        }
    }
    if (all) {
        closedir(all);
    }
    if (good && b->c->n == 0) {
        return say(folder, "no recordings there");
    }
    return good;
}

/* As many as the spoken digits; or a few, each index still for what it is for. */
static bool invent(builder *b)
{
    unsigned speakers = b->source->few ? 2 : DRAWN_SPEAKERS;
    bool good = true;
    for (unsigned i = 0; good && i < HMM_WORDS * speakers * 50; i++) {
        utterance u = {.word = i % HMM_WORDS, .index = i / HMM_WORDS / speakers};
        unsigned speaker = i / HMM_WORDS % speakers;
        snprintf(u.speaker, sizeof u.speaker, "voice%c", (char)('A' + (char)speaker));
        snprintf(u.name, sizeof u.name, "%u_%.20s_%u", u.word, u.speaker, u.index);
        if (!b->source->few || u.index < 2 || (u.index >= 40 && u.index < 47)) {
            good = add_name(b, u);
        }
    }
    return good;
}

/* ---- features ---- */

static bool add_features(builder *b, utterance *u, const float *samples, size_t n)
{
    corpus *c = b->c;
    u->first = c->frames;
    u->frames = logmel_count(n);
    while (c->frames + u->frames > b->frame_room) {
        size_t room = b->frame_room;
        float *larger = grow(c->features, room, &b->frame_room, LOGMEL_BANDS * sizeof *larger);
        if (!larger) {
            return say("features", "out of memory");
        }
        c->features = larger;
    }
    logmel_of(b->f, samples, n, c->features + c->frames * LOGMEL_BANDS);
    c->frames += u->frames;
    return true;
}

static bool add_recording(builder *b, utterance *u)
{
    char path[4096], why[4400];
    float *samples = NULL;
    size_t n = 0;
    if (b->source->folder) {
        snprintf(path, sizeof path, "%.3000s/recordings/%s.wav", b->source->folder, u->name);
        if (!wav_read(path, &samples, &n, why, sizeof why)) {
            return say("data", why);
        }
    } else {
        unsigned speaker = (unsigned)(u->speaker[5] - 'A');
        samples = drawn_word(u->word, speaker, u->index, &n);
    }
    bool good = samples ? add_features(b, u, samples, n) : say("recordings", "out of memory");
    free(samples);
    return good;
}

/* Each band: mean 0 and variance 1 over the training frames. */
static bool normalise(corpus *c)
{
    double sum[LOGMEL_BANDS] = {0}, squares[LOGMEL_BANDS] = {0}, n = 0.0;
    for (size_t i = 0; i < c->frames; i++) {
        bool trained = c->utterances[c->owners[i]].use == CORPUS_TRAIN;
        for (size_t band = 0; trained && band < LOGMEL_BANDS; band++) {
            double value = (double)c->features[i * LOGMEL_BANDS + band];
            sum[band] += value;
            squares[band] += value * value;
        }
        n += trained;
    }
    for (size_t i = 0; n > 0.0 && i < c->frames * LOGMEL_BANDS; i++) {
        double mean = sum[i % LOGMEL_BANDS] / n;
        double variance = squares[i % LOGMEL_BANDS] / n - mean * mean;
        double value = (double)c->features[i] - mean;
        c->features[i] = (float)(variance > 1e-12 ? value / sqrt(variance) : value);
    }
    return n > 0.0 || say("recordings", "none to train with");
}

static bool add_labels(corpus *c)
{
    c->owners = calloc(c->frames, sizeof *c->owners);
    c->labels = calloc(c->frames, sizeof *c->labels);
    if (!c->owners || !c->labels) {
        return say("recordings", "out of memory");
    }
    for (size_t i = 0; i < c->n; i++) {
        const utterance *u = &c->utterances[i];
        hmm_uniform(u->frames, c->labels + u->first);
        for (size_t row = u->first; row < u->first + u->frames; row++) {
            c->owners[row] = (uint32_t)i;
            c->labels[row] = (uint8_t)(c->labels[row] + u->word * HMM_STATES);
        }
    }
    return true;
}

bool corpus_load(const corpus_source *source, corpus *out)
{
    char folder[4096];
    builder b = {.c = out, .source = source, .f = logmel_create()};
    *out = (corpus){0};
    bool good = b.f || say("features", "out of memory");
    if (good && source->folder) {
        snprintf(folder, sizeof folder, "%.3000s/recordings", source->folder);
        good = find(&b, folder);
    } else if (good) {
        good = invent(&b);
    }
    if (good && source->leave_out && b.left_out == 0) {
        good = say(source->leave_out, "no recordings of this speaker");
    }
    if (good) {
        qsort(out->utterances, out->n, sizeof *out->utterances, by_name);
    }
    for (size_t i = 0; good && i < out->n; i++) {
        good = add_recording(&b, &out->utterances[i]);
    }
    logmel_destroy(b.f);
    good = good && add_labels(out) && normalise(out);
    if (!good) {
        corpus_free(out);
    }
    return good;
}

uint64_t corpus_hash(const corpus *c)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < c->n; i++) {
        const utterance *u = &c->utterances[i];
        const uint64_t frames = u->frames;
        hash = kd_hash(hash, u->name, strlen(u->name));
        hash = kd_hash(hash, &frames, sizeof frames);
    }
    return hash;
}

size_t corpus_speakers(const corpus *c)
{
    size_t speakers = 0;
    for (size_t i = 0; i < c->n; i++) {
        bool known = false;
        for (size_t j = 0; j < i && !known; j++) {
            known = strcmp(c->utterances[i].speaker, c->utterances[j].speaker) == 0;
        }
        speakers += !known;
    }
    return speakers;
}

void corpus_free(corpus *c)
{
    free(c->utterances);
    free(c->features);
    free(c->owners);
    free(c->labels);
    *c = (corpus){0};
}
