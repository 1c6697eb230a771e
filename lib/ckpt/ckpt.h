/* SPDX-License-Identifier: MIT */
/**
 * Door of the room ckpt: nets and trainings as files. Knows what stands in a file and what it means
 * for objects; how bytes get to the disk is the business of the room io.
 */
#ifndef KDI_CKPT_H
#define KDI_CKPT_H

#include "net/net.h"

#include <kd/file.h>

/** Room for one word of metadata, and for a number in it. */
#define KDI_WORD 160
#define KDI_WORD_NUMBER 28

/** Most words in a list. */
#define KDI_WORDS 40

/** A word of metadata. */
typedef struct kdi_word {
    const char *key;
    char value[KDI_WORD];
} kdi_word;

/** Words in the order in which they were put; nobody puts more than KDI_WORDS. */
typedef struct kdi_words {
    size_t n;
    kdi_word list[KDI_WORDS];
} kdi_words;

void kdi_ckpt_add_text(kdi_words *words, const char *key, const char *text);
void kdi_ckpt_add_count(kdi_words *words, const char *key, uint64_t count);

/** Finite and not negative, as a hexadecimal float. */
void kdi_ckpt_add_number(kdi_words *words, const char *key, double value);

/** A constant, or all of a schedule. */
void kdi_ckpt_add_varying(kdi_words *words, const char *key, const kdi_varying *v);

/** A training as this room sees it. */
typedef struct kdi_progress {
    kd_optimizer *optimizer; /**< With its net. */
    kd_workspace *run;
    kdi_words *words;      /**< Options of whoever drives the two; all of the file's afterwards. */
    bool collects;         /**< Whoever drives adds up micro-batches. */
    bool pending;          /**< Gradients of micro-batches wait for their update. */
    double pending_unit;   /**< Case weight of the first of them. */
    double pending_weight; /**< Case weight of all, in that unit. */
    uint64_t host[4];      /**< The host's own numbers. */
} kdi_progress;

/** Saves it; path is argument 2 of the public call, writer 3. */
kd_status kdi_ckpt_save_training(const kdi_progress *progress, const char *path,
                                 const kd_writer *writer, kd_error *error);

/** Fills optimiser, net and workspace, and the fields from `pending` on. */
kd_status kdi_ckpt_load_training(kdi_progress *progress, const char *path, const kd_reader *reader,
                                 kd_error *error);

#endif
