/* SPDX-License-Identifier: MIT */
/** What the files of the room ckpt share, and other rooms do not see. */
#ifndef KDI_CKPT_PARTS_H
#define KDI_CKPT_PARTS_H

#include "ckpt/ckpt.h"
#include "ctx/ctx.h"
#include "io/io.h"

#define KDI_CKPT_FORMAT "1"       /**< Version of what this room writes. */
#define KDI_CKPT_LAYERS "layers." /**< Prefix of a net's parameters. */
#define KDI_CKPT_PREFIX 200       /**< Most bytes of a prefix of the host's. */
#define KDI_CKPT_NODES 4096       /**< Most nodes of a net in a file. */
#define KDI_CKPT_OWN "kd."        /**< Beginning of our keys. */

/* ---- from.c: a path, or callbacks in its place ---- */

/** Where a file comes from. */
typedef struct kdi_from {
    kdi_io_file file; /**< Open if it came by path. */
    kdi_io_source source;
} kdi_from;

/** Path is argument `argument` of the public call, reader the one behind it. */
kd_status kdi_ckpt_from(kdi_from *out, const char *path, const kd_reader *reader, int argument,
                        kd_error *error);
void kdi_ckpt_from_close(kdi_from *from);

/** Where a file goes. */
typedef struct kdi_to {
    bool by_path;
    kdi_io_saving saving;
    kdi_io_sink sink;
} kdi_to;

/** After KD_OK kdi_ckpt_to_end must follow, which says what came of it all. */
kd_status kdi_ckpt_to(kdi_to *out, const kdi_allocator *allocator, const char *path,
                      const kd_writer *writer, int argument, kd_error *error);
kd_status kdi_ckpt_to_end(kdi_to *to, kd_status so_far, kd_error *error);

/* ---- words.c ---- */

/** A number as a hexadecimal float, in the one shortest way: "0x1.8p+4". Finite, not negative. */
void kdi_ckpt_put_number(char out[KDI_WORD_NUMBER], double value);

/** The same back, or false. */
bool kdi_ckpt_get_number(const char *text, double *out);
bool kdi_ckpt_get_count(const char *text, uint64_t *out);

/* ---- layers.c: a net's layers as one word ---- */

/** "dense 800; relu; dropout 32768/65536; dense 10", with its size; NULL: no memory. */
char *kdi_ckpt_put_layers(const kd_net *net, size_t *out_size);

/** Adds the nodes that a word says to a net that has none. */
kd_status kdi_ckpt_get_layers(kd_net *net, const char *word, kd_error *error);

/* ---- head.c: what the metadata of all our files begins with ---- */

/** Words of a head. */
#define KDI_HEAD 4

/** The head of a file of ours. */
typedef struct kdi_head {
    kdi_io_word words[KDI_HEAD];
    char inputs[24];
    char *layers;
    size_t layers_size;
} kdi_head;

/** Of a net; `sort` is "net" or "training". */
kd_status kdi_ckpt_head_open(kdi_head *out, const kd_net *net, const char *sort, kd_error *error);
void kdi_ckpt_head_close(kdi_head *head, const kd_net *net);

/** Whether a file has a head that this library can read: a "training", or (NULL) a net too. */
kd_status kdi_ckpt_check_head(const kdi_io_tensors *tensors, const char *sort, size_t *out_inputs,
                              kd_error *error);

/**
 * Whether all of our keys in a file are of the head or among `words` (or NULL); another one says
 * what a later libkd knows and this one does not.
 */
kd_status kdi_ckpt_check_known(const kdi_io_tensors *tensors, const kdi_words *words,
                               kd_error *error);

/* ---- slots.c: tensors of a file and arrays of objects ---- */

/** An array that stands in a file as one tensor, `prefix` node ".weight" or ".bias". */
typedef struct kdi_slot {
    const char *prefix;
    size_t node;
    bool bias;
    size_t rows;
    size_t columns;
    float *values; /**< [rows,columns], of the object. */
    float *staged; /**< The same from a file, until all of it is known to be good; or NULL. */
} kdi_slot;

/** A list of them, for one net. */
typedef struct kdi_slots {
    const kd_net *net;
    kdi_slot *list;
    size_t n;
    size_t room; /**< Of list. */
    float *stage;
    size_t stage_size;
} kdi_slots;

/** The array of a parameter. */
typedef float *(*kdi_slot_at)(const void *object, size_t param);

/** An empty list with room for `groups` arrays of each of the net's parameters. */
kd_status kdi_ckpt_slots_open(kdi_slots *out, const kd_net *net, size_t groups, kd_error *error);
void kdi_ckpt_slots_close(kdi_slots *slots);

/** Adds one array of each parameter; without `at` they are nowhere yet. */
void kdi_ckpt_slots_add(kdi_slots *slots, const char *prefix, kdi_slot_at at, const void *object);

/** kdi_slot_at of the net's own parameters. */
float *kdi_ckpt_parameter(const void *net, size_t param);

/** Writes all of them, and the words, as a file; KD_ERR_NOT_FINITE names the tensor. */
kd_status kdi_ckpt_slots_write(const kdi_slots *slots, const kdi_io_word *words, size_t n_words,
                               kdi_to *to, kd_error *error);

/**
 * Whether each slot has its tensor, of its shape, and of float32 or, from elsewhere, of float16 or
 * bfloat16; and whether there is no other tensor with the prefix of the first slot and a number.
 * KD_ERR_MISMATCH.
 */
kd_status kdi_ckpt_slots_match(const kdi_slots *slots, const kdi_io_tensors *tensors,
                               kdi_io_origin origin, kd_error *error);

/** Reads tensors that match into the arrays themselves, or into a stage. */
kd_status kdi_ckpt_slots_read(kdi_slots *slots, const kdi_io_tensors *tensors, bool stage,
                              kd_error *error);

/** After a match: whether the file has no other tensors; KD_ERR_MISMATCH. */
kd_status kdi_ckpt_slots_alone(const kdi_slots *slots, const kdi_io_tensors *tensors,
                               kd_error *error);

/** After a match: reads the other tensors for the sake of their checksums. */
kd_status kdi_ckpt_slots_check_rest(const kdi_slots *slots, const kdi_io_tensors *tensors,
                                    kd_error *error);

/** From the stage to the arrays. */
void kdi_ckpt_slots_commit(const kdi_slots *slots);

#endif
