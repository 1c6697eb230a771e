/* SPDX-License-Identifier: MIT */
/*
 * Stands between the library and the system: calls that fail, are interrupted, or do one byte of
 * what they were asked for. The linker puts the calls through here (--wrap), so a test that uses it
 * links the static library.
 */
#ifndef KD_TESTS_SYSTEM_H
#define KD_TESTS_SYSTEM_H

#include "files.h"

#include <kd/base.h>

typedef struct fault {
    bool armed;
    size_t calls;
    size_t at;     /* this call fails, counted from 1 */
    bool lasting;  /* and all later ones */
    int number;    /* errno */
    bool slow;     /* no failure: every call of more than a byte does one, after an EINTR */
    bool again;    /* the call before was interrupted */
    bool renamed;  /* the new file has its name */
    char what[16]; /* the call that failed */
    void (*before_lock)(void); /* what happens elsewhere before a call of flock, or NULL */
    size_t syncs;              /* calls of fsync */
    bool stray; /* a call failed without which a temporary can't be removed, or known */
} fault;

extern fault now;

/* Calls of system_run so far. */
extern size_t system_runs;

/* Runs it with the call `at` failing; false once there is no such call any more. */
bool system_run(kd_status (*work)(kd_error *error), fault f, kd_status *out, kd_error *error);

#endif
