/* SPDX-License-Identifier: MIT */
/* Files of nets that no libkd has written: each is refused, costs little, and leaves nothing. */
#ifndef KD_TESTS_CKPT_HOSTILE_H
#define KD_TESTS_CKPT_HOSTILE_H

#include "model.h"

#include "../support/support.h"

/* Where nets come from, between hostile_begin and hostile_end (setup and teardown of a group). */
extern kd_context *hostile_context;
extern support_memory hostile_memory;

int hostile_begin(void **state);
int hostile_end(void **state);

/* The file of a net "5: 4 relu drop0.25 3". */
model hostile_sample(void);

/* kd_load_net; the test fails if memory or time are above what is promised. */
kd_status hostile_load(io_bytes *file, kd_net **net, kd_error *error);

/* The file must be refused with this status, and these words. */
void hostile_refuse(const char *what, const model *m, kd_status due, const char *words);

/* The same of the sample after this change. */
void hostile_edit(edit e, kd_status due, const char *words);

#endif
