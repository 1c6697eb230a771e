/* SPDX-License-Identifier: MIT */
/* Trainings as files: what a distiller adds to its net, optimiser and workspace. */
#include "distill/parts.h"

#include "ckpt/ckpt.h"

#include <string.h>

/* The options that decide the bits of a step, beside the optimiser's. */
static void put_options(const kd_distiller *d, kdi_words *words)
{
    const kdi_objective *o = &d->objective;
    kdi_ckpt_add_text(words, "kd.loop", "kd_distill_step");
    kdi_ckpt_add_count(words, "kd.soft_kind", (uint64_t)o->soft_kind);
    kdi_ckpt_add_varying(words, "kd.temperature", &o->temperature);
    kdi_ckpt_add_varying(words, "kd.soft_weight", &o->soft_weight);
    kdi_ckpt_add_varying(words, "kd.hard_weight", &o->hard_weight);
    kdi_ckpt_add_count(words, "kd.gradient_norm", d->want_norm);
    kdi_ckpt_add_count(words, "kd.skip_nonfinite", d->skip_nonfinite);
}

static kd_status read_distiller(const kd_training *known, kdi_progress *p, kd_error *error)
{
    kd_distiller *d = known->distiller;
    if (known->optimizer || known->workspace) {
        return kdi_base_fail(error, KD_ERR_VALUE, 1,
                             "training has a distiller, and an optimizer or workspace beside it");
    }
    if (d->busy) {
        return kdi_base_fail(error, KD_ERR_BUSY, 1, "training.distiller is inside a step");
    }
    p->optimizer = d->optimizer;
    p->run = d->run;
    p->collects = true;
    p->pending = d->pending;
    p->pending_unit = d->pending_unit;
    p->pending_weight = d->pending_weight;
    put_options(d, p->words);
    return KD_OK;
}

static kd_status read_loop(const kd_training *known, kdi_progress *p, kd_error *error)
{
    if (!known->optimizer || !known->workspace) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "training has no distiller, and no %s",
                             known->optimizer ? "workspace" : "optimizer");
    }
    if (kdi_net_of_optimizer(known->optimizer) != kdi_net_of_workspace(known->workspace)) {
        return kdi_base_fail(error, KD_ERR_STATE, 1,
                             "training.optimizer and training.workspace belong to two nets");
    }
    p->optimizer = known->optimizer;
    p->run = known->workspace;
    kdi_ckpt_add_text(p->words, "kd.loop", "host");
    return KD_OK;
}

static kd_status read_training(const kd_training *training, kd_training *known, kdi_progress *p,
                               kd_error *error)
{
    *known = (kd_training)KD_TRAINING_INIT;
    kd_status status = kdi_base_open(known, sizeof *known, training, "training", 1, error);
    if (status != KD_OK) {
        return status;
    }
    const uint64_t host[4] = {known->epoch, known->position, known->seed, known->tag};
    memcpy(p->host, host, sizeof host);
    return known->distiller ? read_distiller(known, p, error) : read_loop(known, p, error);
}

kd_status kd_save_training(const kd_training *training, const char *path, const kd_writer *writer,
                           kd_error *error)
{
    kd_training known;
    kdi_words words = {.n = 0};
    kdi_progress progress = {.words = &words};
    kd_status status = read_training(training, &known, &progress, error);
    return status ? status : kdi_ckpt_save_training(&progress, path, writer, error);
}

kd_status kd_load_training(kd_training *training, const char *path, const kd_reader *reader,
                           kd_error *error)
{
    kd_training known;
    kdi_words words = {.n = 0};
    kdi_progress progress = {.words = &words};
    kd_status status = read_training(training, &known, &progress, error);
    status = status ? status : kdi_ckpt_load_training(&progress, path, reader, error);
    if (status != KD_OK) {
        return status;
    }
    kd_distiller *d = known.distiller;
    if (d) {
        d->pending = progress.pending;
        d->pending_unit = progress.pending_unit;
        d->pending_weight = progress.pending_weight;
    }
    known.epoch = progress.host[0];
    known.position = progress.host[1];
    known.seed = progress.host[2];
    known.tag = progress.host[3];
    kdi_base_write_struct(training, &known, sizeof known);
    return KD_OK;
}
