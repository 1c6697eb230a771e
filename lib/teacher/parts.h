/* SPDX-License-Identifier: MIT */
/** What a teacher is: a row of this table. Inside the room teacher only. */
#ifndef KDI_TEACHER_PARTS_H
#define KDI_TEACHER_PARTS_H

#include "ctx/ctx.h"
#include "teacher/teacher.h"

/** A kind of teacher. */
typedef struct kdi_teacher_ops {
    /** Makes what asking needs beside the values: a net's workspace, members' workspaces. */
    kd_status (*open)(kd_teacher_workspace *ws, kd_error *error);
    void (*close)(kd_teacher_workspace *ws);
    /** Fills out [n,k], dense; `targets` says what it is. */
    kd_status (*ask)(kd_teacher_workspace *ws, const kd_batch *batch, float temperature, float *out,
                     kd_targets *targets, kd_error *error);
    bool (*uses)(const kd_teacher *teacher, const kd_net *net);
    /** A number that stands for what it says; NULL: nobody knows. */
    kd_status (*hash)(const kd_teacher *teacher, uint64_t *out_hash, kd_error *error);
    /** Drops what the teacher holds beside its own memory; NULL: nothing. */
    void (*release)(kd_teacher *teacher);
} kdi_teacher_ops;

/** What every teacher begins with; each kind has its own fields behind. */
struct kd_teacher {
    kdi_refs refs;
    kd_context *context;
    const kdi_teacher_ops *ops;
    size_t size; /**< Bytes of the whole struct. */
    size_t k;
    size_t inputs; /**< 0 = any. */
    size_t top;    /**< KD_TARGET_TOPK: classes given of each case; else 0. */
    kd_target_kind kind;
    bool by_id;
};

struct kd_teacher_workspace {
    kd_context *context;
    kd_teacher *teacher;
    size_t batch;
    float *values; /**< [batch,k or top]; NULL in a member, whose values go to its ensemble's. */
    bool busy;
    void *extra;       /**< The kind's own. */
    size_t extra_size; /**< Bytes of it, if kdi_teacher_make_extra made it. */
};

/** A zeroed teacher of `size` bytes with its head filled; KD_ERR_MEMORY. */
kd_status kdi_teacher_new(kd_context *context, size_t size, const kdi_teacher_ops *ops,
                          kd_teacher **out_teacher, kd_error *error);

/** A workspace with or without values of its own. */
kd_status kdi_teacher_open(kd_teacher *teacher, size_t batch, bool values,
                           kd_teacher_workspace **out_workspace, kd_error *error);

/** Lays out what asking needs, and returns what stands first: NULL, while measuring. */
typedef void *(*kdi_teacher_lay_out)(const kd_teacher_workspace *ws, kdi_arena *arena);

/** Makes the kind's own, which the workspace gives back; KD_ERR_TOO_LARGE, KD_ERR_MEMORY. */
kd_status kdi_teacher_make_extra(kd_teacher_workspace *ws, kdi_teacher_lay_out lay_out,
                                 kd_error *error);

/** A member's dense answer as probabilities at T, in place. */
kd_status kdi_teacher_soften(const kd_targets *targets, float *values, size_t n, float temperature,
                             kd_error *error);

/** Floats that it gives of each case. */
static inline size_t kdi_teacher_width(const kd_teacher *teacher)
{
    return teacher->kind == KD_TARGET_TOPK ? teacher->top : teacher->k;
}

/** Bytes of [rows,columns] floats, or KD_ERR_TOO_LARGE. */
kd_status kdi_teacher_bytes(size_t rows, size_t columns, size_t *out_bytes, kd_error *error);

/* ---- rows by sample id (ids.c) ---- */

/** Where the row of a sample id is. */
typedef struct kdi_teacher_id {
    uint64_t id;
    size_t row;
} kdi_teacher_id;

/** Sorts by id. If one occurs twice: the second place of it; else 0. */
size_t kdi_teacher_sort_ids(kdi_teacher_id *ids, size_t n);

/** The row of case `which` of a batch, or KD_ERR_NULL (a batch without ids), KD_ERR_ID. */
kd_status kdi_teacher_row_of(const kdi_teacher_id *ids, size_t n, const kd_batch *batch,
                             size_t which, size_t *out_row, kd_error *error);

/* ---- hashes (hash.c) ---- */

/** Where the hash of each kind of teacher begins. */
#define KDI_TEACHER_NET 1
#define KDI_TEACHER_ENSEMBLE 2
#define KDI_TEACHER_LOGITS 3
#define KDI_TEACHER_SPECIALISTS 4

#endif
