/* SPDX-License-Identifier: MIT */
/*
 * Every call of the library that reads or writes a file by its path, as work that can be done again
 * and again, each time with another fault: nets, weights, trainings and matrices, loaded and saved
 * (where there is an old file and where there is none); recordings that are begun, gone on with,
 * and gone on with after they were finished; recordings that are checked, and that teach.
 */
#ifndef KD_TESTS_TRUST_JOBS_H
#define KD_TESTS_TRUST_JOBS_H

#include "../support/support.h"
#include "../support/system.h"

typedef enum job_kind {
    JOB_LOAD,  /* changes no file */
    JOB_SAVE,  /* replaces a file in one step */
    JOB_RECORD /* lets a file grow */
} job_kind;

/* Objects and a folder, and their end. */
void jobs_begin(void);
void jobs_end(void);

size_t jobs_count(void);

/* The job that the others speak of, its file and objects as they are before it. */
void jobs_take(size_t index);
const char *jobs_name(void);
job_kind jobs_kind(void);

/* Does it. */
kd_status jobs_run(kd_error *error);

/* LOAD: the file that is read, to be put there in another state. */
extern const char jobs_file[];
io_bytes jobs_bytes(void);

/* The memory that it takes; NULL: it can't be made to fail. */
support_memory *jobs_memory(void);

/* Fails the test unless objects and files are as they must be after a run with this outcome. */
void jobs_check(kd_status status, const kd_error *error);

/* The same for objects alone: whoever has changed the file looks after that. */
void jobs_check_objects(kd_status status);

/* Without a fault, on what the one before has left: success, and what is due. */
void jobs_repeat(void);

/* RECORD: the same with a recording that stays open, whatever happens to its calls; when it is
 * closed, all must have been recorded. */
void jobs_open(void);
void jobs_open_again(void);
kd_status jobs_go_on(kd_error *error);
void jobs_close(void);

#endif
