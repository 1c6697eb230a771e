/* SPDX-License-Identifier: MIT */
/**
 * Door of the room loss: the paper's equations. A loss is a walk over cases. A case is looked at
 * once for each temperature that occurs: one pass over its rows takes all exponentials and sums.
 * From these come the terms' values and the metrics; the gradient is a combination of the same
 * exponentials, kept where there is room, and may be written over the logits.
 */
#ifndef KDI_LOSS_H
#define KDI_LOSS_H

#include "ctx/ctx.h"

#include <kd/loss.h>

/** How a call of this room names its arguments in a failure, and where it writes it. */
typedef struct kdi_loss_words {
    kd_error *error;
    int terms;           /**< Number of the argument `terms`; 0 if the host gave none. */
    int in;              /**< Number of the argument that holds the logits. */
    int out;             /**< Number of the output argument. */
    const char *prefix;  /**< Before labels and case_weights: "in." or "batch.". */
    const char *logits;  /**< Such as "in.logits". */
    const char *targets; /**< Such as "in.targets". */
    const char *values;  /**< Such as "in.targets.values". */
    const char *n;       /**< Such as "in.n". */
    const char *k;
    const char *weights; /**< Such as "in.case_weights". */
    size_t first_row;    /**< Number of the first case, if these are a piece of a larger batch. */
} kdi_loss_words;

/** A temperature at which cases are looked at. */
typedef struct kdi_view {
    double temperature;
    bool compares; /**< Soft targets too. */
    bool labelled; /**< Only cases with a label. */
} kdi_view;

/** Most of them: one for each term, and one for the metrics. */
#define KDI_LOSS_VIEWS (KD_MAX_TERMS + 1)

/** One evaluation: everything read, checked, ready to run. */
typedef struct kdi_loss_job {
    kdi_loss_words words;
    kd_term terms[KD_MAX_TERMS];
    size_t n_terms;
    kd_loss_in in;
    kd_targets targets; /**< Valid if has_targets. */
    bool has_targets;
    kd_loss_out out;
    size_t given_stride; /**< out.d_stride as the host gave it. */
    const kdi_kernels *kern;
    kdi_view views[KDI_LOSS_VIEWS];
    size_t n_views;
    size_t views_of[KD_MAX_TERMS]; /**< Where each term looks. */
    size_t metrics_view;           /**< Where the metrics look. */
    bool measure;                  /**< Fill metrics too. */
    double temperature;            /**< Of the metrics. */
    kd_metrics_out metrics;
    double values[KD_MAX_TERMS]; /**< Out: what out.term_values gets. */
} kdi_loss_job;

/** Reads the terms, checks everything that can be checked without touching logits and targets. */
kd_status kdi_loss_check(kdi_loss_job *job, const kd_term *terms, size_t n_terms,
                         const kd_loss_in *in, const kd_loss_out *out);

/** KD_ERR_RETEMPER if the job's targets are of another temperature, and can't be taken to this. */
kd_status kdi_loss_check_retemper(const kdi_loss_job *job, float temperature, int argument);

/**
 * Reads a host's targets of [n,k] logits and checks all but their numbers: fields, sizes. Sets the
 * stride. Of the words it needs error, in, logits, targets, values.
 */
kd_status kdi_loss_read_targets(kd_targets *known, const kd_targets *given, size_t n, size_t k,
                                const kdi_loss_words *words);

/** Columns of the targets' values: k, or as many as TOPK gives. */
size_t kdi_loss_targets_width(const kd_targets *targets, size_t k);

/** The targets, as they were read, of the cases from `begin` on. */
kd_targets kdi_loss_piece_of_targets(const kd_targets *targets, size_t begin);

/** The walk. Fills out, metrics and values. */
kd_status kdi_loss_run(kdi_loss_job *job);

/** Finite and > 0. */
bool kdi_loss_is_temperature(float temperature);

/** The same, or KD_ERR_TEMPERATURE. */
kd_status kdi_loss_check_temperature(float temperature, const char *name, int argument,
                                     kd_error *error);

/** Finite and >= 0. */
bool kdi_loss_is_weight(float weight);

/** The same, or KD_ERR_WEIGHT. */
kd_status kdi_loss_check_weight(float weight, const char *name, int argument, kd_error *error);

/** The sum of n weights (NULL = all 1), called name[first] on; KD_ERR_WEIGHT if one is bad. */
kd_status kdi_loss_check_weights(const float *weights, size_t n, size_t first, const char *name,
                                 int argument, double *out_sum, kd_error *error);

/** Whether every row of targets, dense if their stride is 0, is what its kind says. */
kd_status kdi_loss_check_targets(const kd_targets *targets, size_t n, const char *name,
                                 kd_error *error);

/** A matrix of floats at the door: pointer, sizes, stride (0 becomes columns), extent. */
kd_status kdi_loss_check_matrix(const float *values, size_t n, size_t k, size_t *stride,
                                const char *name, int argument, int stride_argument,
                                kd_error *error);

#endif
