/* SPDX-License-Identifier: MIT */
/**
 * @file corpus.h
 * Spoken digits: recordings, who is trained and tested on which, and frames as labelled cases.
 */
#ifndef CORPUS_H
#define CORPUS_H

#include "cases.h"
#include "hmm.h"
#include "logmel.h"

#include <stdbool.h>

enum {
    CORPUS_PAST = 20,  /**< Frames of a case before the one that is labelled. */
    CORPUS_FUTURE = 5, /**< And after it. */
    CORPUS_INPUTS = (CORPUS_PAST + 1 + CORPUS_FUTURE) * LOGMEL_BANDS,
    CORPUS_NAME = 48
};

/** What a recording is for. */
typedef enum corpus_use {
    CORPUS_TRAIN,
    CORPUS_DEVELOPMENT, /**< For choices: it is neither trained nor tested on. */
    CORPUS_TEST
} corpus_use;

/** A recording of one word. */
typedef struct utterance {
    char name[CORPUS_NAME]; /**< <digit>_<speaker>_<index> */
    char speaker[CORPUS_NAME];
    unsigned word, index;
    corpus_use use;
    size_t first, frames; /**< Its rows of the features. */
} utterance;

/** Recordings in the order of their names. */
typedef struct corpus {
    size_t n, frames;
    utterance *utterances; /**< [n] */
    float *features;       /**< [frames,40] */
    uint32_t *owners;      /**< [frames], whose row it is */
    uint8_t *labels;       /**< [frames], targets (hmm.h); of uniform paths until align.h */
} corpus;

/** Where recordings come from, and what for. */
typedef struct corpus_source {
    const char *folder;    /**< With recordings/<digit>_<speaker>_<index>.wav; NULL: drawn. */
    const char *leave_out; /**< The speaker to test on; NULL: index 0..4 of all of them. */
    bool holdout;          /**< Test recordings are not read. */
    bool few;              /**< Draw few. */
} corpus_source;

/**
 * Reads the recordings, or draws some. Index 45 and up is for development, the rest that is not to
 * test on is for training; each band then has mean 0 and variance 1 over the training frames. False
 * after a message.
 */
bool corpus_load(const corpus_source *source, corpus *out);

/** Of the names and lengths of all recordings, whatever they are for. */
uint64_t corpus_hash(const corpus *c);

/** How many people speak. */
size_t corpus_speakers(const corpus *c);

/** Frees it and leaves it empty. */
void corpus_free(corpus *c);

/** Some recordings of a corpus, whole ones. */
typedef struct part {
    const corpus *corpus;
    size_t n, frames;
    uint32_t *utterances; /**< [n], rising */
    uint32_t *rows;       /**< [frames] */
} part;

/** All of them. False after a message. */
bool part_all(const corpus *c, part *out);

/** Those of one use. False after a message, also if a word is missing. */
bool part_of(const corpus *c, corpus_use use, part *out);

/**
 * A share of a part's recordings, 0..1, each word's as large: the nearest number, but at least one.
 * A larger share with the same seed has those of a smaller one.
 */
bool part_choose(const part *all, double share, uint64_t seed, part *out);

/** Frees it and leaves it empty. */
void part_free(part *p);

/**
 * Each frame as a case, between 20 before it and 5 after it, where the first and the last one are
 * repeated as often as is needed. The part must stay where it is.
 */
case_set part_cases(const part *p);

#endif
