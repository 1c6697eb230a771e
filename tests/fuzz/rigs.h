/* SPDX-License-Identifier: MIT */
/* Small trainings to load files into. */
#ifndef KD_TESTS_FUZZ_RIGS_H
#define KD_TESTS_FUZZ_RIGS_H

#include "fuzz.h"

/* A distiller with momentum, one with Adam, and a loop of the host's. */
#define FUZZ_RIGS 3

typedef struct fuzz_rig {
    kd_net *net;
    kd_training training;
} fuzz_rig;

void fuzz_rig_open(fuzz_rig *rig, size_t number);
fuzz_file fuzz_rig_save(const fuzz_rig *rig);
kd_status fuzz_rig_load(fuzz_rig *rig, fuzz_file *file);

/* One step on fixed data; with `more` its update waits. */
void fuzz_rig_step(fuzz_rig *rig, int32_t more);

#endif
