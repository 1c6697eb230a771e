/* SPDX-License-Identifier: MIT */
/* Recordings with their alignment, as training and test cases. */
#include "speech.h"

#include "say.h"

#include <inttypes.h>
#include <stdlib.h>

enum { ROUNDS = 2 /* Of the alignment. */ };

static const char *leave_out;

const text_option speech_texts[] = {
    {"leave-out", "SPEAKER", "test on all recordings of this speaker, and train on none of them",
     &leave_out},
    {0}};

/* The nets that make the alignment are the same whatever is compared. */
static const plan align_plan = {.layers = 2,
                                .hidden = 256,
                                .epochs = 5,
                                .rate = 0.05f,
                                .momentum = 0.9f,
                                .batch = 128,
                                .temperature = 1.0f,
                                .hard_weight = 1.0f};

/* Table 1 with five seeds is then less than an hour's work for two processors. */
static const plan net_plan = {.layers = 3,
                              .hidden = 512,
                              .epochs = 10,
                              .rate = 0.05f,
                              .momentum = 0.9f,
                              .batch = 128,
                              .temperature = 1.0f,
                              .hard_weight = 1.0f};

void speech_plans(options *o)
{
    o->teacher = o->alone = o->distilled = net_plan;
    o->distilled.rate = 0.02f;
    o->distilled.temperature = 2.0f;
    o->distilled.soft_weight = 1.0f;
    o->distilled.hard_weight = 0.5f;
}

static bool split(speech *d, bool holdout)
{
    d->tested = holdout ? &d->development : &d->test;
    return part_of(&d->corpus, CORPUS_TRAIN, &d->train) &&
           part_of(&d->corpus, CORPUS_DEVELOPMENT, &d->development) &&
           (holdout || part_of(&d->corpus, CORPUS_TEST, &d->test));
}

static bool has_jitter(const options *o)
{
    return o->teacher.jitter != 0 || o->alone.jitter != 0 || o->distilled.jitter != 0;
}

static bool load(study *s)
{
    const options *o = &s->o;
    const corpus_source source = {o->data, leave_out, o->holdout, o->smoke};
    plan aligner = align_plan;
    if (o->smoke) {
        aligner.hidden = 32;
        aligner.batch = 32;
        aligner.epochs = 2;
    }
    if (has_jitter(o)) {
        return say("jitter", "it is for images");
    }
    speech *d = s->kept = calloc(1, sizeof *d);
    if (!d) {
        return say("data", "out of memory");
    }
    if (!corpus_load(&source, &d->corpus) || !split(d, o->holdout) ||
        !align(s->context, &d->corpus, &d->train, &aligner, ROUNDS, o->work, &d->alignment)) {
        return false;
    }
    align_priors(&d->train, d->log_prior);
    s->train = part_cases(&d->train);
    s->test = part_cases(d->tested);
    d->development_cases = part_cases(&d->development);
    s->watch.data = &d->development_cases;
    s->watch.times = 80;
    printf("%zu recordings to train with, %zu to develop, %zu to test (%zu, %zu, %zu frames), "
           "%s; %d thread%s\n",
           d->train.n, d->development.n, d->tested->n, d->train.frames, d->development.frames,
           d->tested->frames, o->data ? o->data : "drawn by this program", (int)o->threads,
           o->threads > 1 ? "s" : "");
    return true;
}

static void unload(study *s)
{
    speech *d = s->kept;
    if (d) {
        part_free(&d->train);
        part_free(&d->development);
        part_free(&d->test);
        corpus_free(&d->corpus);
        free(d);
    }
}

static void describe(const study *s, cJSON *what)
{
    const speech *d = s->kept;
    char text[80] = "official";
    if (leave_out) {
        snprintf(text, sizeof text, "without %.60s", leave_out);
    }
    cJSON_AddStringToObject(what, "split", text);
    snprintf(text, sizeof text, "%016" PRIx64, corpus_hash(&d->corpus));
    cJSON_AddStringToObject(what, "corpus", text);
    cJSON_AddNumberToObject(what, "speakers", (double)corpus_speakers(&d->corpus));
    snprintf(text, sizeof text, "%016" PRIx64, d->alignment);
    cJSON_AddStringToObject(what, "alignment", text);
}

const study_data speech_data = {
    .help =
        "  --data DIR         folder with recordings/<digit>_<speaker>_<index>.wav, 8 kHz, mono, "
        "16 bits,\n"
        "                     such as the Free Spoken Digit Dataset; without it the program "
        "speaks itself.\n"
        "                     Index 0-4 is the test, 45 and up for development, the rest for "
        "training\n"
        "  --holdout          test on the development part, and do not read the test recordings\n",
    .load = load,
    .unload = unload,
    .describe = describe};

/* Frames of each recording, once for all results: the name is a hash of them. */
static bool share_frames(study *s, const part *p, cJSON *result)
{
    char name[20];
    uint64_t hash = 0;
    cJSON *frames = cJSON_CreateArray();
    for (size_t i = 0; i < p->n; i++) {
        const uint64_t n = p->corpus->utterances[p->utterances[i]].frames;
        hash = kd_hash(hash, &n, sizeof n);
        cJSON_AddItemToArray(frames, cJSON_CreateNumber((double)n));
    }
    snprintf(name, sizeof name, "%016" PRIx64, hash);
    cJSON_AddStringToObject(result, "frames_of", name);
    return runs_share(&s->runs, "frames", name, frames);
}

bool speech_score(study *s, const part *p, float *z, cJSON *result)
{
    const speech *d = s->kept;
    cJSON_AddNumberToObject(result, "held_out_frames", (double)d->development.frames);
    return share_frames(s, p, result) && score_write(p, z, d->log_prior, result);
}

bool speech_test(study *s, kd_net *net, const part *p, cJSON *result)
{
    const case_set cases = part_cases(p);
    float *z = logits_of(net, &cases);
    bool good = z && speech_score(s, p, z, result);
    free(z);
    return good;
}

void speech_name_part(const study *s, cJSON *what, const part *p)
{
    const speech *d = s->kept;
    cJSON_AddStringToObject(what, "part", p == &d->test ? "test" : "development");
}
