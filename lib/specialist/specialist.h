/* SPDX-License-Identifier: MIT */
/** Door of the room specialist: sets of confusable classes, their dustbins, and answers merged. */
#ifndef KDI_SPECIALIST_H
#define KDI_SPECIALIST_H

#include "net/net.h"

#include <kd/specialist.h>

/** A reference more; returns the specialist. */
kd_specialist *kdi_specialist_retain(kd_specialist *specialist);

/** All classes, k, and the outputs of its net: its own classes, and the dustbin if it has one. */
size_t kdi_specialist_all(const kd_specialist *specialist);
size_t kdi_specialist_outputs(const kd_specialist *specialist);

/** Goes on from a hash with its classes and its net. */
uint64_t kdi_specialist_hash(uint64_t before, const kd_specialist *specialist);

/** A call of kd_merge with everything checked. */
typedef struct kdi_merge_job {
    kd_merge_options options;
    kd_merge_in in;
    kd_merge_out out;
} kdi_merge_job;

/** Times k + m: doubles of scratch for each thread, to merge answers of m specialists. */
#define KDI_MERGE_SCRATCH(m) ((m) + 5)

/** Reads the options of a merge of k classes; NULL = defaults. */
kd_status kdi_specialist_read_merge(kd_merge_options *known, const kd_merge_options *given,
                                    size_t k, int argument, kd_error *error);

/** Which of m specialists know one of the `best` most probable of k classes. */
void kdi_specialist_find_active(const float *p, size_t k, size_t best,
                                const kd_specialist *const *specialists, size_t m,
                                bool *out_active);

/** Merges. */
void kdi_specialist_merge(kdi_merge_job *job);

#endif
