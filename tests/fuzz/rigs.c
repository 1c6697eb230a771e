/* SPDX-License-Identifier: MIT */
/* See rigs.h. */
#include "rigs.h"

enum { CASES = 4, INPUTS = 2, CLASSES = 2 };

static const float x[CASES * INPUTS] = {0.5f, -1, 1, 0.25f, -0.75f, 2, -1, -1};
static const int32_t labels[CASES] = {0, 1, 1, 0};

static void open_loop(fuzz_rig *rig, const kd_optimizer_options *o)
{
    kd_workspace_options w = KD_WORKSPACE_OPTIONS_INIT;
    kd_error error = KD_ERROR_INIT;
    w.batch = CASES;
    w.training = 1;
    FUZZ_OK(kd_optimizer_create(rig->net, o, &rig->training.optimizer, &error), error.text);
    FUZZ_OK(kd_workspace_create(rig->net, &w, &rig->training.workspace, &error), error.text);
}

void fuzz_rig_open(fuzz_rig *rig, size_t number)
{
    const kd_training training = KD_TRAINING_INIT;
    kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
    kd_distiller_options d = KD_DISTILLER_OPTIONS_INIT;
    kd_error error = KD_ERROR_INIT;
    rig->training = training;
    rig->net = fuzz_net(INPUTS, 2, CLASSES, 1);
    o.kind = number == 1 ? KD_ADAM : KD_SGD;
    o.momentum = number == 1 ? 0 : 0.5f;
    if (number == 2) {
        open_loop(rig, &o);
        return;
    }
    d.batch = CASES;
    d.soft_weight = 0;
    d.hard_weight = 1;
    d.optimizer = &o;
    FUZZ_OK(kd_distiller_create(rig->net, NULL, &d, &rig->training.distiller, &error), error.text);
}

fuzz_file fuzz_rig_save(const fuzz_rig *rig)
{
    fuzz_file file = {0};
    kd_writer writer = fuzz_writer(&file);
    kd_error error = KD_ERROR_INIT;
    FUZZ_OK(kd_save_training(&rig->training, NULL, &writer, &error), error.text);
    return file;
}

kd_status fuzz_rig_load(fuzz_rig *rig, fuzz_file *file)
{
    kd_reader reader = fuzz_reader(file);
    kd_error error = KD_ERROR_INIT;
    kd_status status = kd_load_training(&rig->training, NULL, &reader, &error);
    fuzz_check_error(status, &error);
    return status;
}

static void step_by_hand(const fuzz_rig *rig, const kd_batch *batch)
{
    static const float d_logits[CASES * CLASSES] = {0.5f, -0.5f, -0.25f, 0.25f, -1, 1, 0.125f, 0};
    const float *logits;
    kd_workspace *ws = rig->training.workspace;
    FUZZ_OK(kd_net_forward(ws, batch, &logits), kd_workspace_error(ws));
    FUZZ_OK(kd_net_backward(ws, d_logits, 0, 0), kd_workspace_error(ws));
    FUZZ_OK(kd_optimizer_step(rig->training.optimizer, ws),
            kd_optimizer_error(rig->training.optimizer));
}

void fuzz_rig_step(fuzz_rig *rig, int32_t more)
{
    kd_batch batch = KD_BATCH_INIT;
    batch.n = CASES;
    batch.x = x;
    batch.labels = labels;
    batch.more = more;
    if (rig->training.distiller) {
        FUZZ_OK(kd_distill_step(rig->training.distiller, &batch, NULL),
                kd_distiller_error(rig->training.distiller));
    } else {
        step_by_hand(rig, &batch);
    }
    rig->training.position += CASES;
}
