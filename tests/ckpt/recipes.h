/* SPDX-License-Identifier: MIT */
/*
 * Trainings of all sorts, small enough to be run and saved hundreds of times: what each is made of,
 * and one call of its loop. All that a loop needs to go on stands in the kd_training.
 */
#ifndef KD_TESTS_CKPT_RECIPES_H
#define KD_TESTS_CKPT_RECIPES_H

#include "../support/bytes.h"
#include "../support/support.h"

#define RECIPE_CASES 48
#define RECIPE_BATCH 12
#define RECIPE_INPUTS 6
#define RECIPE_K 4

/* Who gives soft targets. */
typedef enum source {
    FROM_NET,
    FROM_ENSEMBLE,
    FROM_LOGITS, /* recorded, found by id */
    FROM_BATCH,  /* the host's own */
    FROM_NOBODY
} source;

typedef struct recipe {
    const char *name;
    const char *shape; /* NULL: one so wide that threads share it */
    kd_optimizer_options optimizer;
    kd_schedule rate; /* in place of the constants, if they have a kind */
    kd_schedule momentum;
    kd_distiller_options options;
    kd_schedule temperature;
    kd_schedule soft;
    kd_schedule hard;
    source from;
    bool unnamed; /* cases have no ids: they come in order, by running position */
    bool parts;   /* three calls make an update */
    bool bad;     /* some batches hold a NaN */
    bool own;     /* the host's own loop */
} recipe;

extern const recipe recipes[];
extern const size_t n_recipes;

/* The recipe of this name. */
const recipe *recipe_of(const char *name);

/* One training under way. */
typedef struct rig {
    const recipe *recipe;
    support_memory memory;
    kd_context *context;
    kd_net *net;
    kd_teacher *teacher;
    kd_training training;
} rig;

/* Everything new: objects of the recipe, in a context with this many threads. */
void rig_open(rig *r, const recipe *sort, int32_t threads);
void rig_close(rig *r);

/* One call of the loop; what it reports goes into the hash that is `tag`. */
void rig_step(rig *r);

/* The file of its state; free it with io_free. */
io_bytes rig_save(rig *r);

/* Loads a file in memory. */
kd_status rig_load(rig *r, io_bytes *file, kd_error *error);

#endif
