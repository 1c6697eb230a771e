/* SPDX-License-Identifier: MIT */
/**
 * @file options.h
 * The command line that the programs share: data, seeds, files, and how each kind of net is
 * trained.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "training.h"

#include <stdio.h>

enum { OPTIONS_MOST = 16 /**< Values in a list of numbers. */ };

/** Numbers of an option such as --temperatures 1,4,20. */
typedef struct number_list {
    size_t n;
    double value[OPTIONS_MOST];
} number_list;

/** An option of one program only: a list of numbers within bounds. */
typedef struct list_option {
    const char *name; /**< Without dashes; NULL ends a row of them. */
    const char *help;
    double low, high;
    bool whole;
    number_list *list; /**< With what holds if it is not given. */
    bool single;       /**< It takes one number. */
} list_option;

/** An option of one program only: a word. */
typedef struct text_option {
    const char *name;  /**< Without dashes; NULL ends a row of them. */
    const char *value; /**< What stands for the word in the help. */
    const char *help;
    const char **text; /**< NULL if it is not given. */
} text_option;

/** What the user asked for. */
typedef struct options {
    const char *data; /**< Folder, such as of four IDX files; NULL = the program draws its own. */
    const char *json; /**< Results: those that are there already are not made again. */
    const char *work; /**< Folder for teachers and the states of trainings. */
    uint64_t seed;    /**< The first one. */
    size_t seeds;
    int32_t threads;
    bool holdout; /**< Test on a part of the training set, such as its last sixth. */
    bool smoke;   /**< A size for tests: seconds. */
    plan teacher, alone, distilled;
    const list_option *lists;
    const text_option *texts;
    const char *const *swept, *const *copied;
} options;

struct study_data;

/** What a program says of itself, and its defaults. */
typedef struct program {
    const char *name;
    const char *help; /**< What it does: whole lines. */
    size_t seeds;
    const list_option *lists;      /**< Ends with a row of zeros; or NULL. */
    const text_option *texts;      /**< Likewise. */
    const char *const *swept;      /**< Fields of plans that it sets itself, to a NULL; or NULL. */
    const char *const *copied;     /**< Likewise, of --alone: they are the teacher's. */
    bool taught_only;              /**< It trains no net with labels alone: no --alone. */
    void (*adjust)(options *o);    /**< Changes what holds if no option says otherwise; or NULL. */
    void (*make_small)(void);      /**< Makes its lists small for --smoke; or NULL. */
    const struct study_data *data; /**< What it learns from (study.h); NULL: images. */
} program;

/** Reads the command line. False: stop with *out_exit_code (0 after --help). */
bool options_read(options *o, const program *about, int argc, char **argv, int *out_exit_code);

#endif
