/* SPDX-License-Identifier: MIT */
/** What a covariance is. Inside the room specialist only. */
#ifndef KDI_SPECIALIST_COVARIANCE_H
#define KDI_SPECIALIST_COVARIANCE_H

#include "ctx/ctx.h"

#include <kd/specialist.h>

struct kd_covariance {
    kd_context *context;
    size_t k;
    uint64_t n;       /**< Cases. */
    double *products; /**< Sums of p_i p_j for j <= i: [k (k + 1) / 2]. */
    double *sums;     /**< Sums of p_i: [k]. */
    double *row;      /**< [k] one case. */
    void *block;
    size_t block_size;
};

/** KD_OK if it has a case. */
kd_status kdi_specialist_has_cases(const kd_covariance *c, kd_error *error);

/** One entry. */
double kdi_specialist_covariance(const kd_covariance *c, size_t i, size_t j);

#endif
