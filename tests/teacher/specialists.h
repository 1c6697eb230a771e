/* SPDX-License-Identifier: MIT */
/* What the tests of a teacher of specialists share: a generalist, three specialists, data. */
#ifndef KD_TESTS_TEACHER_SPECIALISTS_H
#define KD_TESTS_TEACHER_SPECIALISTS_H

#include "../support/support.h"

#define INPUTS 5
#define K 6
#define M 3
#define CASES 40

typedef struct specialists_world {
    support_memory memory;
    kd_context *context;
    support_data data;
    kd_net *net;
    kd_teacher *generalist;
    kd_specialist *specialists[M];
} specialists_world;

extern specialists_world w;
extern const uint32_t specialists_classes[M][3];
extern const size_t specialists_sizes[M];

/* Specialists that have learnt something: weights moved at random. */
void specialists_start(int32_t threads);
void specialists_stop(void);

/* All three, behind a generalist. */
kd_teacher *specialists_join(kd_teacher *generalist, const kd_merge_options *o);

/* A teacher that is a callback: softmax of the data's logits, at *user or at 1. */
kd_teacher *specialists_host(kd_target_kind kind, float t0, float *user);
extern int32_t specialists_asked; /* 10 T of its last call */

/* Its hash; the teacher is let go of. */
uint64_t specialists_hash(kd_teacher *teacher);

#endif
