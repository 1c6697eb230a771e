/* SPDX-License-Identifier: MIT */
/*
 * Every struct that carries its size, in every function that is given one: a table of calls, and
 * the objects that they are made with. A call reaches its structs through the pointers of the
 * world, so a test can put a shorter or a longer one there.
 */
#ifndef TESTS_ABI_SIZES_H
#define TESTS_ABI_SIZES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <kd/kd.h>

#define INPUTS 4
#define K 3
#define CASES 5
#define RESULTS 256
#define FILE_BYTES (1 << 16)

/* The structs as a host fills them in. */
typedef struct filled {
    kd_batch batch;
    kd_blas_threads blas_threads;
    kd_cache_info cache_info;
    kd_cache_options cache_options;
    kd_callback_options callback_options;
    kd_cluster_options cluster_options;
    kd_context_options context_options;
    kd_distiller_options distiller_options;
    kd_ensemble_in ensemble_in;
    kd_loss_in loss_in;
    kd_loss_out loss_out;
    kd_merge_in merge_in;
    kd_merge_options merge_options;
    kd_merge_out merge_out;
    kd_metrics_out metrics_out;
    kd_net_info net_info;
    kd_node node;
    kd_npy_info npy_info;
    kd_optimizer_options optimizer_options;
    kd_param param;
    kd_reader reader;
    kd_report report, other_report;
    kd_schedule schedule;
    kd_specialist_options specialist_options;
    kd_targets targets, got_targets;
    kd_term term;
    kd_training training;
    kd_workspace_options workspace_options;
    kd_writer writer;
} filled;

typedef struct world {
    int broken; /* calls pass NULL for what they need first */
    kd_context *context;
    kd_net *net, *large;
    kd_teacher *teacher;
    kd_teacher_workspace *asker;
    kd_workspace *workspace;
    kd_optimizer *optimizer;
    kd_distiller *distiller;
    kd_cache *cache;
    kd_covariance *covariance;
    kd_specialist *specialists[1];
    filled own;
    /* Where the calls look; each is a struct in `own`, unless the test has put its own there. */
    kd_batch *batch;
    kd_blas_threads *blas_threads;
    kd_cache_info *cache_info;
    kd_cache_options *cache_options;
    kd_callback_options *callback_options;
    kd_cluster_options *cluster_options;
    kd_context_options *context_options;
    kd_distiller_options *distiller_options;
    kd_ensemble_in *ensemble_in;
    kd_loss_in *loss_in;
    kd_loss_out *loss_out;
    kd_merge_in *merge_in;
    kd_merge_options *merge_options;
    kd_merge_out *merge_out;
    kd_metrics_out *metrics_out;
    kd_net_info *net_info;
    kd_node *node;
    kd_npy_info *npy_info;
    kd_optimizer_options *optimizer_options;
    kd_param *param;
    kd_reader *reader;
    kd_report *report, *other_report;
    kd_schedule *schedule;
    kd_specialist_options *specialist_options;
    kd_targets *targets, *got_targets;
    kd_term *term;
    kd_training *training;
    kd_workspace_options *workspace_options;
    kd_writer *writer;
    /* What a call has done. */
    double results[RESULTS];
    size_t n_results, file_size;
    unsigned char file[FILE_BYTES];
} world;

typedef kd_status (*world_call)(world *w, kd_error *error);

/* What becomes of a struct. A tail that is not 0 is refused in those that are read. */
typedef enum row_kind { READ, FILLED, FILLED_ONLY, ERROR } row_kind;

typedef struct row {
    const char *function, *name;
    world_call call;
    void (*prepare)(world *w); /* or NULL */
    size_t at;                 /* of the pointer, in the world */
    row_kind kind;
} row;

#define ROW(function, name, at, kind, prepare)                                                     \
    {                                                                                              \
#function, #name, call_##function, prepare, offsetof(world, at), kind                      \
    }
#define WORDS(function, prepare)                                                                   \
    {                                                                                              \
#function, "kd_error", call_##function, prepare, offsetof(world, context), ERROR           \
    }
#define NEEDED(w, pointer) ((w)->broken ? NULL : (pointer))

typedef struct row_list {
    const row *rows;
    size_t count;
} row_list;

extern const row_list loss_rows, net_rows, distill_rows, file_rows, specialist_rows;

/* A struct of this name as its ..._INIT makes it, and its size; NULL if there is none. */
const void *world_init(const char *name, size_t *out_size);

/* The one world, made anew: the same addresses and the same numbers every time. */
world *world_start(void);
void world_stop(void);

/* Where files may be. */
const char *world_path(void);

/* Remembers what a call has given. */
void world_result(world *w, double value);
void world_results(world *w, const float *values, size_t count);

/* The world's context, made of `alloc` that always gives the same addresses. */
void *world_alloc(void *user, size_t size, size_t align);
void world_release(void *user, void *pointer, size_t size);

#endif
