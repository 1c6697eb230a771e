/* SPDX-License-Identifier: MIT */
/**
 * @file speech.h
 * Spoken digits as what a study learns from, and what its two programs share.
 */
#ifndef SPEECH_H
#define SPEECH_H

#include "align.h"
#include "score.h"
#include "study.h"

/** What study.kept is for speech. */
typedef struct speech {
    corpus corpus;
    part train, development, test; /**< The last one is empty with --holdout. */
    const part *tested;            /**< The test, or the development part. */
    case_set development_cases;
    float log_prior[HMM_TARGETS];
    uint64_t alignment; /**< Hash of all labels. */
} speech;

/** The data, and the options of its own: give both to a program. */
extern const study_data speech_data;
extern const text_option speech_texts[];

/** How nets are trained if no option says otherwise: all of them alike. */
void speech_plans(options *o);

/**
 * Writes what score_write does, of how many frames the curve counts errors ("held_out_frames"), and
 * under which name ("frames_of") the file's object "frames" says how many each recording has. `z`
 * is changed.
 */
bool speech_score(study *s, const part *p, float *z, cJSON *result);

/** Asks the net and writes what speech_score does. */
bool speech_test(study *s, kd_net *net, const part *p, cJSON *result);

/** Adds the field "part" to a description: "test" or "development". */
void speech_name_part(const study *s, cJSON *what, const part *p);

#endif
