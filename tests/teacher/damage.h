/* SPDX-License-Identifier: MIT */
/* Recordings that are not as they were written: what each of their readers says. */
#ifndef KD_TESTS_TEACHER_DAMAGE_H
#define KD_TESTS_TEACHER_DAMAGE_H

#include "recording.h"

#define DAMAGE_CASES 3

/* Of the check, the teacher and the recorder. */
typedef struct damage_answers {
    kd_status verify, teach, open;
    kd_cache_info info;
} damage_answers;

/* Asks them about the file; none takes more memory than twice the file and 1 MiB. */
damage_answers damage_ask(const recording_form *form);

/* The bytes of a finished recording of DAMAGE_CASES cases, which is the file now. */
unsigned char *damage_make(const recording_form *form, recording_data *data, size_t *out_size);

#endif
