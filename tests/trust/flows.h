/* SPDX-License-Identifier: MIT */
/*
 * Whole workflows of a host, each as a row of calls that can be broken off and gone on with: a call
 * that failed is made again on the objects that there are, and those before it are not.
 */
#ifndef KD_TESTS_TRUST_FLOWS_H
#define KD_TESTS_TRUST_FLOWS_H

#include "../support/files.h"
#include "../support/support.h"

#define FLOW_CASES 24
#define FLOW_INPUTS 6
#define FLOW_K 5

enum { FLOW_NETS = 5, FLOW_TEACHERS = 6, FLOW_SPACES = 2, FLOW_DISTILLERS = 2 };

/* A workflow under way: what it has made, and how far it is. */
typedef struct flow_run {
    support_memory *memory;
    kd_context *context; /* of the stage, which outlives it; or its own */
    kd_context *own;
    kd_optimizer_kind optimizer; /* that trainings use */
    size_t at;                   /* the call that comes next */
    size_t done;                 /* calls that succeeded */
    kd_net *nets[FLOW_NETS];
    kd_teacher *teachers[FLOW_TEACHERS];
    kd_workspace *spaces[FLOW_SPACES];
    kd_optimizer *optimizers[FLOW_SPACES];
    kd_distiller *distillers[FLOW_DISTILLERS];
    kd_teacher_workspace *ask;
    kd_cache *cache;
    kd_covariance *covariance;
    uint32_t sets[2][3]; /* of classes that are confused */
    kd_specialist *specialists[2];
    kd_training training;
    kd_error error;
    uint64_t hash; /* of all that it saw: reports, weights, files */
} flow_run;

typedef struct flow {
    const char *name;
    kd_status (*run)(flow_run *f);
} flow;

extern const flow flows[];
extern const size_t n_flows;

/* The cases that all of them see. */
extern support_data flow_data;

/* Objects that outlive workflows: a context and the data; a folder. */
kd_context *flows_begin(support_memory *memory);
void flows_end(kd_context *context, support_memory *memory);

/* A new one; flow_again goes on with it, up to its end or the next call that fails. */
flow_run flow_new(kd_context *context, support_memory *memory, kd_optimizer_kind optimizer);
kd_status flow_again(const flow *which, flow_run *f);

/* Lets go of everything, files too. */
void flow_drop(flow_run *f);

/* ---- for the workflows ---- */

/* One call; a failure breaks the workflow off. */
#define DO(call)                                                                                   \
    do {                                                                                           \
        if (f->at++ == f->done) {                                                                  \
            kd_status status_ = (call);                                                            \
            if (status_ != KD_OK) {                                                                \
                return status_;                                                                    \
            }                                                                                      \
            f->done++;                                                                             \
        }                                                                                          \
    } while (0)

/* One that makes something, or leaves NULL. */
#define MAKE(out, call) DO(flow_made((call), &(out), sizeof(out), f))

/* A part of a workflow, of several calls. */
#define PART(part)                                                                                 \
    do {                                                                                           \
        kd_status part_ = (part);                                                                  \
        if (part_ != KD_OK) {                                                                      \
            return part_;                                                                          \
        }                                                                                          \
    } while (0)

kd_status flow_made(kd_status status, const void *pointer, size_t size, const flow_run *f);

/* Count in what was seen; always KD_OK. */
kd_status flow_note(flow_run *f, const void *bytes, size_t size);
kd_status flow_note_net(flow_run *f, size_t net);
kd_status flow_note_file(flow_run *f, const char *name);

/* Parts that several workflows have. */
kd_status flow_build(flow_run *f, size_t net, const char *shape);
kd_status flow_net_teacher(flow_run *f, size_t teacher, size_t net, const char *shape);
kd_status flow_distiller(flow_run *f, size_t at, size_t net, kd_teacher *teacher,
                         const kd_distiller_options *options);
kd_status flow_steps(flow_run *f, size_t distiller, size_t begin, size_t count,
                     const kd_targets *targets);
kd_status flow_distil(flow_run *f, kd_teacher *teacher, const kd_targets *targets,
                      float temperature);

/* flows_files.c */
kd_status flow_record_f32(flow_run *f);
kd_status flow_record_f16(flow_run *f);
kd_status flow_record_topk(flow_run *f);
kd_status flow_net_file(flow_run *f);
kd_status flow_weights_file(flow_run *f);
kd_status flow_training_file(flow_run *f);
kd_status flow_own_training_file(flow_run *f);
kd_status flow_npy_file(flow_run *f);

#endif
