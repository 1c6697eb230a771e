/* SPDX-License-Identifier: MIT */
/** A distiller's options, checked, and what they say at an update. Inside the room distill only. */
#ifndef KDI_DISTILL_OPTIONS_H
#define KDI_DISTILL_OPTIONS_H

#include "optim/optim.h"

#include <kd/distill.h>

/** Options with their schedules. */
typedef struct kdi_objective {
    kd_term_kind soft_kind;
    kdi_varying temperature;
    kdi_varying soft_weight;
    kdi_varying hard_weight;
} kdi_objective;

/** The objective as it stands at one update. */
typedef struct kdi_moment {
    float temperature;
    float soft_weight;
    float hard_weight;
} kdi_moment;

/** Reads options (NULL = defaults) into `known` and `objective`. */
kd_status kdi_distill_read_options(const kd_distiller_options *options, kd_distiller_options *known,
                                   kdi_objective *objective, kd_error *error);

/** The objective after `step` updates. */
kd_status kdi_distill_moment(const kdi_objective *objective, uint64_t step, kdi_moment *out,
                             kd_error *error);

#endif
