/* SPDX-License-Identifier: MIT */
/* Workflows with files: recordings, nets, weights, trainings, matrices. */
#include "flows.h"

#define SHAPE "6: 9 relu drop0.25 5"
#define HALF (FLOW_CASES / 2)

/* ---- recordings ---- */

static kd_status record_some(flow_run *f, size_t begin, float temperature)
{
    kd_targets targets = KD_TARGETS_INIT;
    kd_batch batch = support_batch(&flow_data, begin, HALF);
    kd_status status = kd_teacher_targets(f->ask, &batch, temperature, &targets, &f->error);
    return status ? status : kd_cache_append(f->cache, batch.ids, &targets, HALF);
}

static kd_status close_cache(flow_run *f)
{
    kd_cache_destroy(f->cache);
    f->cache = NULL;
    return KD_OK;
}

/* Half of it, closed, opened again, the other half, and a student of that. */
static kd_status record(flow_run *f, kd_cache_encoding encoding, float temperature)
{
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    const char *path = files_path("r");
    o.k = FLOW_K;
    o.encoding = encoding;
    o.top = encoding == KD_CACHE_TOPK ? 2 : 0;
    o.temperature = encoding == KD_CACHE_TOPK ? temperature : 0;
    PART(flow_net_teacher(f, 0, 1, "6: 12 relu 5"));
    MAKE(f->ask, kd_teacher_workspace_create(f->teachers[0], HALF, &f->ask, &f->error));
    for (size_t begin = 0; begin < FLOW_CASES; begin += HALF) {
        MAKE(f->cache, kd_cache_open(f->context, path, &o, &f->cache, &f->error));
        DO(record_some(f, begin, temperature));
        DO(kd_cache_finish(f->cache));
        DO(close_cache(f));
    }
    DO(flow_note_file(f, "r"));
    MAKE(f->teachers[1], kd_teacher_from_cache(f->context, path, &o, &f->teachers[1], &f->error));
    return flow_distil(f, f->teachers[1], NULL, temperature);
}

kd_status flow_record_f32(flow_run *f)
{
    return record(f, KD_CACHE_F32, 4);
}

kd_status flow_record_f16(flow_run *f)
{
    return record(f, KD_CACHE_F16, 2);
}

kd_status flow_record_topk(flow_run *f)
{
    return record(f, KD_CACHE_TOPK, 3);
}

/* ---- nets and weights ---- */

kd_status flow_net_file(flow_run *f)
{
    const char *path = files_path("n");
    PART(flow_build(f, 0, SHAPE));
    DO(kd_save_net(f->nets[0], path, NULL, &f->error));
    DO(flow_note_file(f, "n"));
    MAKE(f->nets[1], kd_load_net(f->context, path, NULL, &f->nets[1], &f->error));
    DO(flow_note_net(f, 1));
    DO(kd_save_net(f->nets[1], path, NULL, &f->error));
    DO(flow_note_file(f, "n"));
    return KD_OK;
}

kd_status flow_weights_file(flow_run *f)
{
    const char *path = files_path("w");
    PART(flow_build(f, 0, SHAPE));
    PART(flow_build(f, 1, SHAPE));
    DO(kd_export_weights(f->nets[0], "student.", path, NULL, &f->error));
    DO(flow_note_file(f, "w"));
    DO(kd_import_weights(f->nets[1], "student.", path, NULL, &f->error));
    DO(flow_note_net(f, 1));
    return KD_OK;
}

/* ---- trainings ---- */

/* Saved in the middle, loaded into objects made anew, and both gone on with. */
kd_status flow_training_file(flow_run *f)
{
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    const char *path = files_path("t");
    PART(flow_net_teacher(f, 0, 1, "6: 12 relu 5"));
    for (size_t i = 0; i < 2; i++) {
        PART(flow_build(f, 2 + i, SHAPE));
        PART(flow_distiller(f, i, 2 + i, f->teachers[0], &o));
    }
    PART(flow_steps(f, 0, 0, 3, NULL));
    f->training.distiller = f->distillers[0];
    DO(kd_save_training(&f->training, path, NULL, &f->error));
    DO(flow_note_file(f, "t"));
    f->training.distiller = f->distillers[1];
    DO(kd_load_training(&f->training, path, NULL, &f->error));
    for (size_t i = 0; i < 2; i++) {
        PART(flow_steps(f, i, 3, 2, NULL));
        DO(flow_note_net(f, 2 + i));
    }
    return KD_OK;
}

static kd_status step(flow_run *f, size_t i)
{
    kd_batch batch = support_batch(&flow_data, 0, HALF);
    const float *logits;
    kd_status status = kd_net_forward(f->spaces[i], &batch, &logits);
    status = status ? status : kd_net_backward(f->spaces[i], flow_data.v, 0, 0);
    return status ? status : kd_optimizer_step(f->optimizers[i], f->spaces[i]);
}

kd_status flow_own_training_file(flow_run *f)
{
    kd_workspace_options w = KD_WORKSPACE_OPTIONS_INIT;
    kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
    const char *path = files_path("t");
    w.batch = HALF;
    w.training = 1;
    o.kind = f->optimizer;
    for (size_t i = 0; i < 2; i++) {
        PART(flow_build(f, i, SHAPE));
        MAKE(f->spaces[i], kd_workspace_create(f->nets[i], &w, &f->spaces[i], &f->error));
        MAKE(f->optimizers[i], kd_optimizer_create(f->nets[i], &o, &f->optimizers[i], &f->error));
    }
    DO(step(f, 0));
    f->training.workspace = f->spaces[0];
    f->training.optimizer = f->optimizers[0];
    DO(kd_save_training(&f->training, path, NULL, &f->error));
    DO(flow_note_file(f, "t"));
    f->training.workspace = f->spaces[1];
    f->training.optimizer = f->optimizers[1];
    DO(kd_load_training(&f->training, path, NULL, &f->error));
    for (size_t i = 0; i < 2; i++) {
        DO(step(f, i));
        DO(flow_note_net(f, i));
    }
    return KD_OK;
}

/* ---- matrices ---- */

static kd_status load_logits(flow_run *f, const char *path)
{
    float got[FLOW_CASES * FLOW_K];
    kd_status status = kd_load_npy(path, NULL, got, COUNT(got), NULL, &f->error);
    if (status == KD_OK) {
        status = kd_teacher_from_logits(f->context, flow_data.ids, got, FLOW_CASES, FLOW_K, 0,
                                        &f->teachers[0], &f->error);
    }
    return status;
}

kd_status flow_npy_file(flow_run *f)
{
    const char *path = files_path("m");
    DO(kd_save_npy(flow_data.v, FLOW_CASES, FLOW_K, 0, path, NULL, &f->error));
    DO(flow_note_file(f, "m"));
    DO(load_logits(f, path));
    return flow_distil(f, f->teachers[0], NULL, 4);
}
