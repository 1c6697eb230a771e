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
    kd_target_kind kind;
    bool by_id;
};

struct kd_teacher_workspace {
    kd_context *context;
    kd_teacher *teacher;
    size_t batch;
    float *values; /**< [batch,k]; NULL in a member, whose values go to its ensemble's. */
    bool busy;
    void *extra; /**< The kind's own. */
};

/** A zeroed teacher of `size` bytes with its head filled; KD_ERR_MEMORY. */
kd_status kdi_teacher_new(kd_context *context, size_t size, const kdi_teacher_ops *ops,
                          kd_teacher **out_teacher, kd_error *error);

/** A workspace with or without values of its own. */
kd_status kdi_teacher_open(kd_teacher *teacher, size_t batch, bool values,
                           kd_teacher_workspace **out_workspace, kd_error *error);

/** Bytes of [rows,columns] floats, or KD_ERR_TOO_LARGE. */
kd_status kdi_teacher_bytes(size_t rows, size_t columns, size_t *out_bytes, kd_error *error);

#endif
