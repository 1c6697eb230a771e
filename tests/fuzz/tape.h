/* SPDX-License-Identifier: MIT */
/* A tape of calls: where its bytes are read, and the handles that they are about. */
#ifndef KD_TESTS_FUZZ_TAPE_H
#define KD_TESTS_FUZZ_TAPE_H

#include "fuzz.h"

enum { SLOTS = 4, WIDTH = 16, CASES = 16, STRIDE = 24 };

typedef struct tape {
    const unsigned char *at, *end;
    kd_context *context;
    kd_net *nets[SLOTS];
    kd_workspace *workspaces[SLOTS];
    kd_optimizer *optimizers[SLOTS];
    kd_teacher *teachers[SLOTS];
    kd_teacher_workspace *asks[SLOTS];
    kd_distiller *distillers[SLOTS];
    kd_specialist *specialists[SLOTS];
    size_t specialist_k[SLOTS], specialist_n[SLOTS]; /* all classes, its own */
    fuzz_file files[SLOTS];
    uint64_t hashes[SLOTS]; /* of the nets, before the call */
    float values[CASES * STRIDE];
    float weights[CASES];
    int32_t labels[CASES];
    uint64_t ids[CASES];
    unsigned mood;      /* of the teacher that is a callback */
    kd_distiller *busy; /* that it is called by */
    uint64_t seen;      /* a number that all results change */
} tape;

/* The next byte; 0 behind the end. */
unsigned tape_byte(tape *t);

/* Sizes: mostly small; `tape_count` never more than there is data for, unless it can't be read. */
size_t tape_size(tape *t);
size_t tape_count(tape *t);
float tape_float(tape *t);

/* A handle, NULL if its slot is empty. */
#define TAPE_PICK(t, kind) ((t)->kind[tape_byte(t) % SLOTS])

/*
 * What a call returned, and its words. A known status; a failure has words. If it failed, or could
 * not have changed a net, no net has changed.
 */
void tape_done(tape *t, kd_status status, const char *words, bool changes);

/* The same of a call that makes a handle. */
void tape_made(tape *t, kd_status status, const kd_error *error, const void *made);

/* Performs one call. */
void tape_build(tape *t, unsigned operation); /* nets: tape_nets.c */
void tape_run(tape *t, unsigned operation);   /* steps: tape_steps.c */
void tape_move(tape *t, unsigned operation);  /* files: tape.c */
void tape_specialise(tape *t);                /* specialists: tape_specialists.c */

#endif
