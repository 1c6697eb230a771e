/* SPDX-License-Identifier: MIT */
/**
 * @file study.h
 * What the programs of the paper's experiments share: data, teachers that are trained once, and
 * trainings whose results are kept.
 */
#ifndef STUDY_H
#define STUDY_H

#include "curve.h"
#include "digits.h"
#include "options.h"
#include "runs.h"

/** One program run. */
typedef struct study {
    options o;
    kd_context *context;
    const struct study_data *data;
    digit_set train_images, test_images; /**< If it is about images. */
    void *kept;                          /**< What study_data of another sort keeps. */
    case_set train, test;                /**< The data, as cases. */
    curve_watch watch;
    runs runs;
} study;

/** What a program learns from: a sort of data. */
typedef struct study_data {
    const char *help; /**< Of --data and --holdout: whole lines. */
    /** Fills train and test, and maybe watch. False after a message; unload is called all the same.
     */
    bool (*load)(study *s);
    void (*unload)(study *s);
    /** Adds to the description of each run; or NULL. */
    void (*describe)(const study *s, cJSON *what);
} study_data;

/** 28x28 images, of files or drawn. */
extern const study_data study_images;

/** Reads the command line, data and results so far. False: stop with *out_exit_code. */
bool study_open(study *s, const program *about, int argc, char **argv, int *out_exit_code);

/** Prints the table of the results' numbers `keys` and closes all; the exit code. */
int study_end(study *s, bool good, const char *const *keys, size_t n_keys);

/**
 * Describes a run, for runs_have and runs_add: its row, seed and plan, the data, and the seed and
 * the plan of its teacher if `teacher_seed` is not NULL. Programs may add fields. NULL: no memory,
 * which the other functions take.
 */
cJSON *study_what(const study *s, const char *row, uint64_t seed, const plan *p,
                  const uint64_t *teacher_seed);

/**
 * The teacher of this seed, trained now or in an earlier run; the caller destroys the net. NULL
 * after a message. `result`, if not NULL, gets what study_train writes.
 */
kd_net *study_teacher(study *s, uint64_t seed, cJSON *result);

/** The net's logits of `data` as a teacher, by place, which the caller destroys; NULL as above. */
kd_teacher *study_record(study *s, kd_net *net, const case_set *data);

/**
 * Trains as `what` says, on `data`, and writes seconds, TFLOP, threads, the learning curve, commit
 * and processor to `result`. The caller destroys the net; NULL after a message, and if the training
 * diverged, `result` says so.
 */
kd_net *study_train(study *s, const cJSON *what, uint64_t seed, const plan *p, const case_set *data,
                    kd_teacher *teacher, cJSON *result);

/** Where a file of this run lies in the folder of work. False after a message. */
bool study_path(const study *s, const cJSON *what, const char *ending, char out[4096]);

/** Keeps a net for later runs, for study_load with the ending "net.safetensors". */
bool study_save(const study *s, const cJSON *what, const kd_net *net);

/**
 * A net that study_save kept, or the best one that study_train did ("best.safetensors"); the caller
 * destroys it. NULL after a message.
 */
kd_net *study_load(study *s, const cJSON *what, const char *ending);

/** Removes what study_train kept to go on from. */
void study_forget(const study *s, const cJSON *what);

/** What is measured of a net: fields of `result`. False after a message. */
typedef bool (*study_measure)(study *s, kd_net *net, cJSON *result, void *user);

/** The usual one: "errors" and "cases" of the test images. */
bool study_test(study *s, kd_net *net, cJSON *result, void *user);

/** A student that is trained, measured, written down and forgotten. */
typedef struct student {
    uint64_t seed;
    const plan *plan;
    const case_set *data;
    kd_teacher *teacher;   /**< Knows `data`; NULL: labels alone. */
    study_measure measure; /**< And what it is given; NULL: study_test. */
    void *user;
} student;

/**
 * Makes the run that `what` describes, which it takes. A training that diverges is a result as
 * well. False after a message.
 */
bool study_run(study *s, cJSON *what, const student *of);

/** The result if `what`, which it takes then, was run before; otherwise NULL. */
const cJSON *study_done(study *s, cJSON *what);

/** Whether a result is that of a training that diverged, or whose teacher's did. */
bool study_diverged(const cJSON *result);

/**
 * Writes a run down if it is good, with the commit, the processor and the number of threads unless
 * `result` has them. Takes both. False if it is not good, or after a message.
 */
bool study_keep(study *s, bool good, cJSON *what, cJSON *result);

/**
 * Writes down the run that `what` describes, which it takes, as one that could not be made: the
 * teacher diverged, as `learned` says, which study_teacher wrote. False after a message.
 */
bool study_untaught(study *s, cJSON *what, const cJSON *learned);

/** Copies those fields of a result that it has; NULL ends their names. */
void study_copy(const cJSON *from, const char *const *names, cJSON *to);

#endif
