/* SPDX-License-Identifier: MIT */
/*
 * Each word is a row of sounds, and each sound three resonances (Hz), their loudness, and how much
 * of it is noise. A voice scales the resonances and makes the tones beat at its pitch.
 */
#include "drawn.h"

#include "wav.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TONES = 3, MOST_SOUNDS = 4 };

typedef struct sound {
    double hertz[TONES], loud[TONES], noise;
} sound;

static const sound sounds[] = {
    {{300, 2300, 3000}, {1.0, 0.5, 0.2}, 0.02},  /* a: like "ee" */
    {{700, 1200, 2600}, {1.0, 0.7, 0.2}, 0.02},  /* b: "ah" */
    {{350, 800, 2300}, {1.0, 0.5, 0.1}, 0.02},   /* c: "oo" */
    {{500, 1800, 2500}, {1.0, 0.6, 0.2}, 0.02},  /* d: "eh" */
    {{450, 1100, 2400}, {1.0, 0.4, 0.1}, 0.02},  /* e: "oh" */
    {{250, 1300, 2200}, {0.6, 0.1, 0.05}, 0.01}, /* f: "n" */
    {{1800, 2700, 3500}, {0.1, 0.2, 0.3}, 0.30}, /* g: "s" */
    {{900, 1600, 3100}, {0.1, 0.1, 0.1}, 0.15},  /* h: "f" */
};

static const char *const words[] = {"gdeb", "hbf", "cab", "hbda", "hec",
                                    "hbae", "gag", "gdf", "dah",  "fbf"};

/* splitmix64: numbers that depend on what was put in. */
static double draw(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x ^= x >> 31;
    return (double)(x >> 11) * 0x1p-53;
}

static double between(uint64_t *state, double low, double high)
{
    return low + (high - low) * draw(state);
}

/* Who speaks, and how this time. */
typedef struct voice {
    double scale, pitch, loud, noise, pace;
} voice;

static voice make_voice(unsigned speaker, uint64_t *state)
{
    uint64_t own = 1000 + speaker;
    voice v = {.scale = between(&own, 0.88, 1.15)};
    v.pitch = between(&own, 90.0, 220.0) * between(state, 0.9, 1.1);
    v.pace = between(&own, 0.8, 1.25);
    v.scale *= between(state, 0.96, 1.04);
    v.loud = between(state, 0.05, 0.4);
    v.noise = between(state, 0.001, 0.02);
    return v;
}

/* Between two sounds, glide = 0..1 of the way. */
static sound mix(const sound *a, const sound *b, double glide)
{
    sound s;
    for (int i = 0; i < TONES; i++) {
        s.hertz[i] = a->hertz[i] + glide * (b->hertz[i] - a->hertz[i]);
        s.loud[i] = a->loud[i] + glide * (b->loud[i] - a->loud[i]);
    }
    s.noise = a->noise + glide * (b->noise - a->noise);
    return s;
}

static void speak(const voice *v, const char *word, const size_t *lengths, uint64_t *state,
                  float *samples)
{
    static const double turn = 6.28318530717958647692 / WAV_RATE;
    double phase[TONES] = {0}, beat = 0.0;
    for (size_t part = 0; word[part]; part++) {
        const sound *now = &sounds[word[part] - 'a'];
        const sound *next = word[part + 1] ? &sounds[word[part + 1] - 'a'] : now;
        for (size_t i = 0; i < lengths[part]; i++) {
            /* It stays for two thirds, then it glides. */
            double at = 3.0 * (double)i / (double)lengths[part] - 2.0;
            sound s = mix(now, next, at > 0.0 ? at : 0.0);
            double sum = s.noise * (2.0 * draw(state) - 1.0);
            for (int t = 0; t < TONES; t++) {
                phase[t] += turn * s.hertz[t] * v->scale;
                sum += 0.3 * s.loud[t] * sin(phase[t]) * (1.0 + 0.6 * sin(beat));
            }
            beat += turn * v->pitch;
            sum = v->loud * sum + v->noise * 0.1 * (2.0 * draw(state) - 1.0);
            *samples++ = (float)(rint(32768.0 * sum) / 32768.0); /* as if from a file */
        }
    }
}

float *drawn_word(unsigned word, unsigned speaker, unsigned index, size_t *out_n)
{
    uint64_t state = ((uint64_t)word << 40) + ((uint64_t)speaker << 20) + index;
    size_t lengths[MOST_SOUNDS] = {0}, n = 0;
    const char *name = words[word];
    (void)draw(&state);
    voice v = make_voice(speaker, &state);
    for (size_t i = 0; name[i]; i++) {
        lengths[i] = (size_t)(v.pace * between(&state, 500.0, 1400.0));
        n += lengths[i];
    }
    float *samples = calloc(n, sizeof *samples);
    if (samples) {
        speak(&v, name, lengths, &state, samples);
        *out_n = n;
    }
    return samples;
}
