/* SPDX-License-Identifier: MIT */
/* Recordings as cases: who is trained on what, and what counts as right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "say.h"
#include "score.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- recordings ---- */

static corpus load(const char *leave_out, bool holdout)
{
    const corpus_source source = {NULL, leave_out, holdout, true};
    corpus c;
    assert_true(corpus_load(&source, &c));
    return c;
}

static void check_use(const corpus *c, const char *left_out)
{
    for (size_t i = 0; i < c->n; i++) {
        const utterance *u = &c->utterances[i];
        bool test = left_out ? strcmp(u->speaker, left_out) == 0 : u->index < 5;
        assert_int_equal(u->use, test            ? CORPUS_TEST
                                 : u->index < 45 ? CORPUS_TRAIN
                                                 : CORPUS_DEVELOPMENT);
        assert_true(i == 0 || strcmp(u->name, u[-1].name) > 0);
    }
}

static void check_sizes(const corpus *c, size_t train, size_t development, size_t test)
{
    const size_t sizes[] = {train, development, test};
    for (size_t use = 0; use < 3 && sizes[use] > 0; use++) {
        part p;
        size_t frames = 0;
        assert_true(part_of(c, (corpus_use)use, &p));
        assert_int_equal(p.n, sizes[use]);
        for (size_t i = 0; i < p.n; i++) {
            const utterance *u = &c->utterances[p.utterances[i]];
            assert_int_equal((size_t)u->use, use);
            for (size_t row = 0; row < u->frames; row++) {
                assert_int_equal(p.rows[frames++], u->first + row);
            }
        }
        assert_int_equal(frames, p.frames);
        part_free(&p);
    }
}

static void test_splits(void **state)
{
    (void)state;
    corpus c = load(NULL, false);
    check_use(&c, NULL);
    check_sizes(&c, 100, 40, 40);
    corpus_free(&c);
    c = load("voiceA", false);
    check_use(&c, "voiceA");
    check_sizes(&c, 70, 20, 90);
    corpus_free(&c);
    c = load(NULL, true);
    assert_int_equal(c.n, 140);
    check_sizes(&c, 100, 40, 0);
    corpus_free(&c);
}

static void test_bands_are_normalised(void **state)
{
    (void)state;
    corpus c = load(NULL, false);
    part p;
    assert_true(part_of(&c, CORPUS_TRAIN, &p));
    for (size_t band = 0; band < LOGMEL_BANDS; band++) {
        double sum = 0.0, squares = 0.0;
        for (size_t i = 0; i < p.frames; i++) {
            double value = (double)c.features[p.rows[i] * LOGMEL_BANDS + band];
            sum += value;
            squares += value * value;
        }
        assert_true(fabs(sum / (double)p.frames) < 1e-5);
        assert_true(fabs(squares / (double)p.frames - 1.0) < 1e-5);
    }
    part_free(&p);
    corpus_free(&c);
}

/* The same as the program's, but frame by frame. */
static void test_context_and_edges(void **state)
{
    (void)state;
    corpus c = load(NULL, false);
    part p;
    assert_true(part_of(&c, CORPUS_DEVELOPMENT, &p));
    const case_set cases = part_cases(&p);
    static float x[CORPUS_INPUTS];
    assert_int_equal(cases.n, p.frames);
    assert_int_equal(cases.inputs, 1040);
    assert_int_equal(cases.classes, 80);
    for (uint32_t i = 0; i < p.frames; i++) {
        const utterance *u = &c.utterances[c.owners[p.rows[i]]];
        int32_t label;
        cases.load(cases.kept, &i, 1, NULL, x, &label);
        assert_int_equal(label, c.labels[p.rows[i]]);
        for (long by = -20; by <= 5; by++) {
            long row = (long)p.rows[i] + by, first = (long)u->first;
            row = row < first ? first : row;
            row = row >= first + (long)u->frames ? first + (long)u->frames - 1 : row;
            assert_memory_equal(x + (by + 20) * 40, c.features + row * 40, 40 * sizeof *x);
        }
    }
    part_free(&p);
    corpus_free(&c);
}

static bool holds(const part *p, uint32_t recording)
{
    bool found = false;
    for (size_t i = 0; i < p->n; i++) {
        found = found || p->utterances[i] == recording;
    }
    return found;
}

/* No word has two recordings more than another. */
static void check_words(const part *p)
{
    size_t counts[HMM_WORDS] = {0}, least, most;
    for (size_t i = 0; i < p->n; i++) {
        counts[p->corpus->utterances[p->utterances[i]].word]++;
    }
    least = most = counts[0];
    for (size_t word = 1; word < HMM_WORDS; word++) {
        least = counts[word] < least ? counts[word] : least;
        most = counts[word] > most ? counts[word] : most;
    }
    assert_true(most - least <= 1);
}

static void test_shares(void **state)
{
    static const double shares[] = {0.0, 0.03, 0.1, 0.304, 0.5, 1.0};
    static const size_t sizes[] = {1, 3, 10, 30, 50, 100};
    (void)state;
    corpus c = load(NULL, false);
    part all, before = {0}, other;
    assert_true(part_of(&c, CORPUS_TRAIN, &all));
    for (size_t i = 0; i < COUNT(shares); i++) {
        part p;
        assert_true(part_choose(&all, shares[i], 7, &p));
        assert_int_equal(p.n, sizes[i]);
        check_words(&p);
        for (size_t j = 0; j < p.n; j++) {
            assert_true(holds(&all, p.utterances[j]));
        }
        for (size_t j = 0; j < before.n; j++) {
            assert_true(holds(&p, before.utterances[j]));
        }
        part_free(&before);
        before = p;
    }
    assert_memory_equal(before.rows, all.rows, all.frames * sizeof *all.rows);
    part_free(&before);
    assert_true(part_choose(&all, 0.3, 7, &before) && part_choose(&all, 0.3, 8, &other));
    assert_memory_not_equal(before.utterances, other.utterances, 30 * sizeof(uint32_t));
    assert_true(part_cases(&before).hash != part_cases(&other).hash);
    part_free(&other);
    part_free(&before);
    part_free(&all);
    corpus_free(&c);
}

/* ---- scores ---- */

static const cJSON *field(const cJSON *result, const char *name)
{
    const cJSON *found = cJSON_GetObjectItem(result, name);
    assert_non_null(found);
    return found;
}

/*
 * Logits that say the label, but in every fifth frame of a recording the state before it; and in
 * odd recordings those of another word, too, which wins where its prior is low.
 */
static void make_logits(const part *p, float *z)
{
    for (size_t i = 0, row = 0; i < p->n; i++) {
        const utterance *u = &p->corpus->utterances[p->utterances[i]];
        for (size_t t = 0; t < u->frames; t++, row++) {
            size_t label = p->corpus->labels[u->first + t];
            size_t other = (label + HMM_STATES) % HMM_TARGETS;
            z[row * HMM_TARGETS + (t % 5 == 4 ? (label + 79) % HMM_TARGETS : label)] = 5.0f;
            z[row * HMM_TARGETS + other] = i % 2 ? 4.0f : 0.0f;
        }
    }
}

static void test_scores(void **state)
{
    float prior[HMM_TARGETS] = {0};
    part p;
    (void)state;
    corpus c = load(NULL, false);
    assert_true(part_of(&c, CORPUS_DEVELOPMENT, &p));
    for (size_t s = 0; s < HMM_TARGETS; s++) { /* words 0 and 5 are likely */
        prior[s] = s / HMM_STATES % 5 == 0 ? 3.0f : 0.0f;
    }
    float *z = calloc(p.frames * HMM_TARGETS, sizeof *z);
    cJSON *result = cJSON_CreateObject();
    assert_non_null(z);
    make_logits(&p, z);
    assert_true(score_write(&p, z, prior, result));
    double right = 0.0, words = 0.0;
    for (size_t i = 0; i < p.n; i++) {
        const utterance *u = &c.utterances[p.utterances[i]];
        bool word = i % 2 == 0 || u->word % 5 != 0;
        int n = (int)i;
        double frames = (double)(u->frames - u->frames / 5);
        assert_true(cJSON_GetArrayItem(field(result, "frames_right"), n)->valueint == (int)frames);
        assert_true(cJSON_GetArrayItem(field(result, "words_right"), n)->valueint == word);
        right += frames;
        words += word;
    }
    assert_true(words < (double)p.n);
    assert_true(field(result, "frame_accuracy")->valuedouble == 100.0 * right / (double)p.frames);
    assert_true(field(result, "word_error_rate")->valuedouble ==
                100.0 * ((double)p.n - words) / (double)p.n);
    cJSON_Delete(result);
    free(z);
    part_free(&p);
    corpus_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_bands_are_normalised),
        cmocka_unit_test(test_context_and_edges),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_scores),
    };
    say_program = "test_words";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
