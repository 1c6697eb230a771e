/* SPDX-License-Identifier: MIT */
/*
 * One of each thing that a public function takes, all of it good: arguments.py spoils one argument
 * or field at a time. Structs have room behind them for a tail that the library does not know.
 */
#ifndef KD_TESTS_API_WORLD_H
#define KD_TESTS_API_WORLD_H

#include "../support/bytes.h"
#include "../support/files.h"
#include "../support/support.h"

enum { N = 4, K = 3, INPUTS = 4, HIDDEN = 5, ROOM = 32, BATCH = 8 };

#define ROOMY(type)                                                                                \
    union {                                                                                        \
        type s;                                                                                    \
        unsigned char room[sizeof(type) + ROOM];                                                   \
    }

typedef struct world {
    support_memory memory;
    kd_context *context;
    kd_net *bare, *net, *other; /* being built; initialised, twice */
    kd_net *spare;              /* for a call's own preparation */
    kd_teacher *own;
    kd_teacher *teacher, *host, *members[2];
    kd_workspace *ws, *ws_infer, *ws_other; /* after a backward; for inference; of `other` */
    kd_optimizer *optimizer;
    kd_teacher_workspace *ask, *ask_host;
    kd_distiller *distiller, *distiller_host;
    kd_cache *cache;
    kd_covariance *covariance, *empty; /* with cases, without */
    kd_specialist *specialist, *sure;  /* with a net; without, of the last class alone */
    kd_specialist *specialists[2];     /* the first one twice */
    io_bytes net_file, weights_file, training_file, npy_file, out_file;
    char path[512], cache_path[512];
    unsigned char *tail; /* a byte behind a struct that must stay 1, or NULL */
    kd_status again;     /* what a call got that was made inside another one */

    float x[64], z[64], v[64], out[64], d_z[64], scratch[64], weights[8];
    const float *z_of[2], *logits;
    double term_values[4], number, doubles[128];
    int32_t labels[8], previous;
    uint64_t ids[8], fresh[8], hash;
    uint32_t order[64], classes[8];
    int32_t outputs[8];
    float p_all[64], p[64];
    const float *answers[2];
    double square[16];
    size_t bytes;

    ROOMY(kd_error) error;
    ROOMY(kd_context_options) context_options;
    ROOMY(kd_blas_threads) blas_threads;
    ROOMY(kd_net_info) net_info;
    ROOMY(kd_node) node;
    ROOMY(kd_param) param;
    ROOMY(kd_schedule) schedule;
    ROOMY(kd_schedule) rate_schedule;
    ROOMY(kd_schedule) momentum_schedule;
    ROOMY(kd_schedule) temperature_schedule;
    ROOMY(kd_schedule) soft_weight_schedule;
    ROOMY(kd_schedule) hard_weight_schedule;
    ROOMY(kd_optimizer_options) optimizer_options;
    ROOMY(kd_distiller_options) distiller_options;
    ROOMY(kd_workspace_options) workspace_options;
    ROOMY(kd_callback_options) callback_options;
    ROOMY(kd_cache_options) cache_options;
    ROOMY(kd_cache_info) cache_info;
    ROOMY(kd_batch) batch;
    ROOMY(kd_targets) targets;
    ROOMY(kd_targets) got;
    ROOMY(kd_term) term;
    ROOMY(kd_loss_in) loss_in;
    ROOMY(kd_loss_out) loss_out;
    ROOMY(kd_metrics_out) metrics_out;
    ROOMY(kd_ensemble_in) ensemble_in;
    ROOMY(kd_report) report;
    ROOMY(kd_report) sum;
    ROOMY(kd_training) training;
    ROOMY(kd_reader) reader;
    ROOMY(kd_writer) writer;
    ROOMY(kd_npy_info) npy_info;
    ROOMY(kd_cluster_options) cluster_options;
    ROOMY(kd_specialist_options) specialist_options;
    ROOMY(kd_merge_options) merge_options;
    ROOMY(kd_merge_in) merge_in;
    ROOMY(kd_merge_out) merge_out;

    /* What a call makes; whatever is there at the end is let go. */
    struct {
        kd_context *context;
        kd_net *net;
        kd_teacher *teacher;
        kd_workspace *workspace;
        kd_optimizer *optimizer;
        kd_teacher_workspace *ask;
        kd_distiller *distiller;
        kd_cache *cache;
        kd_covariance *covariance;
        kd_specialist *specialist;
    } made;
} world;

/* Makes it for a call of this function, and lets all of it go; the folder is files_begin's. */
void world_begin(world *w, const char *function);
void world_end(world *w);

/* One call with one thing wrong (or none), and what it may return: bit -status is 1. */
typedef struct row {
    const char *function;
    const char *wrong;
    kd_status (*call)(world *w);
    uint64_t may;
} row;

extern const row rows[];
extern const size_t n_rows;
extern const size_t n_functions;

#endif
