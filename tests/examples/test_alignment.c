/* SPDX-License-Identifier: MIT */
/* Alignment and priors, against the same by hand; and what is refused of a damaged file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "say.h"
#include "speech.h"

enum { PATH = 4096 };

static const plan small = {.layers = 1,
                           .hidden = 24,
                           .epochs = 2,
                           .rate = 0.05f,
                           .momentum = 0.9f,
                           .batch = 32,
                           .temperature = 1.0f};

static char folder[4000];

static corpus load(void)
{
    const corpus_source drawn = {.few = true};
    corpus c;
    assert_true(corpus_load(&drawn, &c));
    return c;
}

/* A corpus that is aligned by a context with so many threads; the hash of its labels. */
static uint64_t aligned(corpus *c, int32_t threads)
{
    kd_context_options how = KD_CONTEXT_OPTIONS_INIT;
    kd_context *context;
    uint64_t hash;
    part p;
    *c = load();
    how.threads = threads;
    assert_int_equal(kd_context_create(&how, &context, NULL), KD_OK);
    assert_true(part_of(c, CORPUS_TRAIN, &p));
    assert_true(align(context, c, &p, &small, 2, folder, &hash));
    part_free(&p);
    kd_context_destroy(context);
    return hash;
}

/* The only file there. */
static void find_file(char path[PATH], bool remove_it)
{
    size_t found = 0;
    DIR *all = opendir(folder);
    assert_non_null(all);
    for (const struct dirent *entry; (entry = readdir(all)) != NULL;) {
        if (entry->d_name[0] != '.') {
            snprintf(path, PATH, "%s/%.80s", folder, entry->d_name);
            found++;
        }
    }
    assert_int_equal(closedir(all), 0);
    assert_int_equal(found, 1);
    assert_non_null(strstr(path, "/alignment-"));
    if (remove_it) {
        assert_int_equal(unlink(path), 0);
    }
}

/* From the first state to the last, none left out. */
static void check_path(const uint8_t *states, size_t n)
{
    assert_int_equal(states[0], 0);
    assert_int_equal(states[n - 1], HMM_STATES - 1);
    for (size_t t = 1; t < n; t++) {
        assert_in_range(states[t] - states[t - 1], 0, 1);
    }
}

static void test_alignment(void **state)
{
    corpus one, again, two;
    char path[PATH];
    size_t moved = 0;
    (void)state;
    uint64_t hash = aligned(&one, 1);
    for (size_t i = 0; i < one.n; i++) {
        const utterance *u = &one.utterances[i];
        uint8_t states[400] = {0};
        assert_in_range(u->frames, HMM_STATES, 400);
        for (size_t t = 0; t < u->frames; t++) {
            assert_int_equal(one.labels[u->first + t] / HMM_STATES, u->word);
            states[t] = one.labels[u->first + t] % HMM_STATES;
            moved += states[t] != t * HMM_STATES / u->frames;
        }
        check_path(states, u->frames);
    }
    assert_true(moved > one.frames / 20);    /* it is not the uniform one any more */
    assert_true(aligned(&again, 1) == hash); /* from the file */
    assert_memory_equal(one.labels, again.labels, one.frames);
    find_file(path, true);
    assert_true(aligned(&two, 2) == hash); /* made again, by two threads */
    assert_memory_equal(one.labels, two.labels, one.frames);
    corpus_free(&one);
    corpus_free(&again);
    corpus_free(&two);
}

/* ln p(s), each target of the training frames counted once more than it occurs. */
static void count_priors(const corpus *c, float out[HMM_TARGETS])
{
    double counts[HMM_TARGETS], n = HMM_TARGETS;
    for (size_t s = 0; s < HMM_TARGETS; s++) {
        counts[s] = 1.0;
    }
    for (size_t row = 0; row < c->frames; row++) {
        if (c->utterances[c->owners[row]].use == CORPUS_TRAIN) {
            counts[c->labels[row]] += 1.0;
            n += 1.0;
        }
    }
    for (size_t s = 0; s < HMM_TARGETS; s++) {
        out[s] = (float)log(counts[s] / n);
    }
}

/* Each recording's best path under scores that are ln p(x|s), but for what its frames share. */
static void follow_paths(corpus *c, const float *score)
{
    uint8_t states[400];
    for (size_t i = 0; i < c->n; i++) {
        const utterance *u = &c->utterances[i];
        (void)hmm_path(score + u->first * HMM_TARGETS + (size_t)u->word * HMM_STATES, u->frames,
                       states);
        for (size_t t = 0; t < u->frames; t++) {
            c->labels[u->first + t] = (uint8_t)(u->word * HMM_STATES + states[t]);
        }
    }
}

/* A round by Bayes' rule, p(x|s) ~ p(s|x) / p(s); with all p(s) alike if `weighed` is false. */
static void align_by_hand(kd_context *context, corpus *c, unsigned round, bool weighed)
{
    float prior[HMM_TARGETS];
    trained done;
    part own, all;
    assert_true(part_of(c, CORPUS_TRAIN, &own) && part_all(c, &all));
    const case_set cases = part_cases(&own), all_cases = part_cases(&all);
    const training t = {
        .context = context, .plan = &small, .name = "by hand", .seed = round, .data = &cases};
    assert_true(train(&t, &done));
    float *score = logits_of(done.net, &all_cases);
    assert_non_null(score);
    count_priors(c, prior);
    for (size_t i = 0; weighed && i < c->frames * HMM_TARGETS; i++) {
        score[i] -= prior[i % HMM_TARGETS];
    }
    follow_paths(c, score);
    free(score);
    kd_net_destroy(done.net);
    part_free(&own);
    part_free(&all);
}

static size_t count_differences(const corpus *a, const corpus *b)
{
    size_t n = 0;
    assert_int_equal(a->frames, b->frames);
    for (size_t row = 0; row < a->frames; row++) {
        n += a->labels[row] != b->labels[row];
    }
    return n;
}

/* A state that is rare must not be left sooner for it. */
static void test_alignment_weighs_by_priors(void **state)
{
    corpus ours, by_hand, unweighed;
    kd_context *context;
    (void)state;
    (void)aligned(&ours, 1);
    by_hand = load();
    unweighed = load();
    assert_int_equal(kd_context_create(NULL, &context, NULL), KD_OK);
    for (unsigned round = 0; round < 2; round++) {
        align_by_hand(context, &by_hand, round, true);
        align_by_hand(context, &unweighed, round, false);
    }
    assert_int_equal(count_differences(&ours, &by_hand), 0);
    assert_true(count_differences(&ours, &unweighed) > 20);
    kd_context_destroy(context);
    corpus_free(&ours);
    corpus_free(&by_hand);
    corpus_free(&unweighed);
}

static char *read_all(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    assert_true(file && text);
    *out_size = fread(text, 1, 1 << 20, file);
    fclose(file);
    return text;
}

static void write_all(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* What is not whole is refused, and not made again behind the user's back. */
static void test_damaged_alignment(void **state)
{
    corpus c;
    part p;
    char path[PATH];
    size_t size;
    uint64_t hash;
    kd_context *context;
    (void)state;
    (void)aligned(&c, 1);
    find_file(path, false);
    char *text = read_all(path, &size);
    char *first = strchr(strchr(text, '\n'), ' ');
    assert_true(part_of(&c, CORPUS_TRAIN, &p));
    assert_int_equal(kd_context_create(NULL, &context, NULL), KD_OK);
    for (int damage = 0; damage < 5; damage++) {
        char kept = first[1];
        first[1] = damage == 0 ? '8' : damage == 1 ? '3' : kept;
        text[0] = damage == 2 ? 'L' : 'l';
        write_all(path, text, damage == 3 ? size - 2 : size);
        if (damage == 4) {
            text[size] = 'x';
            write_all(path, text, size + 1);
        }
        assert_false(align(context, &c, &p, &small, 2, folder, &hash));
        first[1] = kept;
    }
    write_all(path, text, size);
    assert_true(align(context, &c, &p, &small, 2, folder, &hash));
    free(text);
    kd_context_destroy(context);
    part_free(&p);
    corpus_free(&c);
}

static void test_priors(void **state)
{
    float prior[HMM_TARGETS];
    double sum = 0.0;
    part p;
    (void)state;
    corpus c = load();
    assert_true(part_of(&c, CORPUS_TRAIN, &p));
    align_priors(&p, prior);
    for (size_t s = 0; s < HMM_TARGETS; s++) {
        assert_true(prior[s] < 0.0f);
        sum += exp((double)prior[s]);
    }
    assert_true(fabs(sum - 1.0) < 1e-5);
    memset(c.labels, 5, c.frames);
    align_priors(&p, prior);
    double n = (double)p.frames;
    assert_true(fabs(exp((double)prior[5]) - (n + 1.0) / (n + 80.0)) < 1e-6);
    assert_true(fabs(exp((double)prior[6]) - 1.0 / (n + 80.0)) < 1e-6);
    part_free(&p);
    corpus_free(&c);
}

/* The file says how many frames each recording has, once for all results. */
static void check_frames(const study *s, const cJSON *result)
{
    const speech *d = s->kept;
    const cJSON *all = cJSON_GetObjectItem(s->runs.file, "frames");
    const cJSON *name = cJSON_GetObjectItem(result, "frames_of");
    assert_int_equal(cJSON_GetArraySize(all), 1);
    assert_true(cJSON_IsString(name));
    const cJSON *frames = cJSON_GetObjectItem(all, name->valuestring);
    assert_int_equal(cJSON_GetArraySize(frames), d->test.n);
    for (size_t i = 0; i < d->test.n; i++) {
        const utterance *u = &d->corpus.utterances[d->test.utterances[i]];
        assert_int_equal(cJSON_GetArrayItem(frames, (int)i)->valueint, u->frames);
    }
}

/* What a study decodes by: all logits being equal, its priors alone say which word it is. */
static void test_studies_decode_by_priors(void **state)
{
    study s = {.o = {.smoke = true, .work = folder, .threads = 1},
               .runs = {.path = "no file", .lock = -1, .file = cJSON_CreateObject()}};
    float prior[HMM_TARGETS];
    (void)state;
    assert_int_equal(kd_context_create(NULL, &s.context, NULL), KD_OK);
    assert_true(speech_data.load(&s));
    const speech *d = s.kept;
    count_priors(&d->corpus, prior);
    assert_memory_equal(d->log_prior, prior, sizeof prior);
    float *z = calloc(d->test.frames * HMM_TARGETS, sizeof *z);
    float *scaled = calloc(d->test.frames * HMM_TARGETS, sizeof *scaled);
    cJSON *result = cJSON_CreateObject();
    assert_true(z && scaled && speech_score(&s, &d->test, z, result));
    for (size_t i = 0; i < d->test.frames * HMM_TARGETS; i++) {
        scaled[i] = -prior[i % HMM_TARGETS];
    }
    for (size_t i = 0, row = 0; i < d->test.n; i++) {
        const utterance *u = &d->corpus.utterances[d->test.utterances[i]];
        const cJSON *word = cJSON_GetArrayItem(cJSON_GetObjectItem(result, "words_right"), (int)i);
        assert_int_equal(word->valueint,
                         hmm_decode(scaled + row * HMM_TARGETS, u->frames) == u->word);
        row += u->frames;
    }
    check_frames(&s, result);
    cJSON *other = cJSON_CreateObject();
    assert_true(speech_score(&s, &d->test, z, other)); /* of the same recordings */
    check_frames(&s, other);
    cJSON_Delete(other);
    cJSON_Delete(result);
    free(z);
    free(scaled);
    speech_data.unload(&s);
    runs_close(&s.runs);
    kd_context_destroy(s.context);
}

static int set_up(void **state)
{
    const char *parent = getenv("TMPDIR");
    (void)state;
    say_program = "test_alignment";
    snprintf(folder, sizeof folder, "%s/libkd-alignment-XXXXXX", parent ? parent : "/tmp");
    return mkdtemp(folder) && kd_blas_set_single(NULL, NULL, NULL) == KD_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    char path[PATH];
    DIR *all = opendir(folder);
    (void)state;
    for (const struct dirent *entry; all && (entry = readdir(all)) != NULL;) {
        snprintf(path, PATH, "%s/%.80s", folder, entry->d_name);
        (void)unlink(path); /* "." and ".." stay */
    }
    return all && closedir(all) == 0 ? rmdir(folder) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_alignment_weighs_by_priors),
        cmocka_unit_test(test_damaged_alignment),
        cmocka_unit_test(test_priors),
        cmocka_unit_test(test_studies_decode_by_priors),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
