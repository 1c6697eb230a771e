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

/* What a call that is at fault does. */
typedef enum fault_kind {
    FAULT_ERROR = 0,  /* returns an error */
    FAULT_INTERRUPT,  /* is interrupted by a signal, once; only calls that can be are counted */
    FAULT_SINGLE_BYTE /* reads or writes one byte; only calls of more are counted */
} fault_kind;

typedef struct fault {
    bool armed;
    fault_kind kind;
    const char *only; /* calls of this name alone are counted; NULL: of any */
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
    bool unsynced;             /* one of them failed */
    bool stray; /* a call failed without which a temporary can't be removed, or known */
} fault;

extern fault now;

/* Calls of system_run so far. */
extern size_t system_runs;

/* Runs it with the call `at` failing; false once there is no such call any more. */
bool system_run(kd_status (*work)(kd_error *error), fault f, kd_status *out, kd_error *error);

/* A call that changed something, or that opened or closed a file. */
typedef struct system_call {
    enum { CALL_OPEN, CALL_CLOSE, CALL_WRITE, CALL_CUT, CALL_SYNC, CALL_RENAME, CALL_UNLINK } kind;
    int file;          /* descriptor */
    int flags;         /* OPEN */
    const char *path;  /* OPEN, RENAME, UNLINK */
    const char *to;    /* RENAME */
    const void *bytes; /* WRITE: [size] */
    size_t size;       /* WRITE, CUT */
    int64_t at;        /* WRITE: offset; -1: where the one before ended */
} system_call;

/* Is told of each such call when it has succeeded; or NULL. */
extern void (*system_seen)(const system_call *call);

#endif
