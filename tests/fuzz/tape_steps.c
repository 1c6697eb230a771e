/* SPDX-License-Identifier: MIT */
/* Calls of a tape that run nets, teachers, optimisers and distillers. */
#include "tape.h"

#include <math.h>

/* ---- teachers ---- */

/* What the distiller that asks it answers meanwhile. */
static void reenter(tape *t, const kd_batch *batch)
{
    kd_training training = KD_TRAINING_INIT;
    kd_report report = KD_REPORT_INIT;
    fuzz_file file = {0};
    kd_writer writer = fuzz_writer(&file);
    training.distiller = t->busy;
    if (t->busy) {
        FUZZ_EXPECT(kd_distill_step(t->busy, batch, &report) == KD_ERR_BUSY);
        FUZZ_EXPECT(kd_distill_evaluate(t->busy, batch, &report) == KD_ERR_BUSY);
        FUZZ_EXPECT(kd_save_training(&training, NULL, &writer, NULL) == KD_ERR_BUSY);
        FUZZ_EXPECT(file.size == 0);
    }
}

/* A teacher of 3 classes. */
static int32_t answer(void *user, const kd_batch *batch, float temperature, float *out)
{
    tape *t = user;
    (void)temperature;
    for (size_t i = 0; i < batch->n * 3; i++) {
        out[i] = (float)(i % 5);
    }
    switch (t->mood % 8) {
    case 1:
        return 5;
    case 2:
        out[0] = NAN;
        break;
    case 3:
        out[batch->n * 3 - 1] = INFINITY;
        break;
    case 4:
        reenter(t, batch);
        break;
    default:
        break;
    }
    return 0;
}

static void make_teacher(tape *t)
{
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    kd_teacher **slot = &TAPE_PICK(t, teachers), *made;
    kd_teacher *members[2] = {TAPE_PICK(t, teachers), TAPE_PICK(t, teachers)};
    kd_error error = KD_ERROR_INIT;
    kd_status status;
    unsigned what = tape_byte(t);
    switch (what % 4) {
    case 0:
        status = kd_teacher_from_net(TAPE_PICK(t, nets), &made, &error);
        break;
    case 1:
        status = kd_teacher_from_ensemble(members, 1 + what / 4 % 2, what & 8 ? t->weights : NULL,
                                          (kd_mean_kind)(tape_byte(t) % 4), &made, &error);
        break;
    case 2:
        o.k = 3;
        o.kind = (kd_target_kind)(what / 4 % 6);
        o.temperature = tape_float(t);
        o.fn = answer;
        o.user = t;
        status = kd_teacher_from_callback(t->context, &o, &made, &error);
        break;
    default:
        status = kd_teacher_from_logits(t->context, t->ids, t->values, tape_count(t),
                                        1 + what / 4 % 4, 0, &made, &error);
    }
    tape_made(t, status, &error, made);
    tape_done(t, status, error.text, false);
    kd_teacher_destroy(*slot);
    *slot = made;
}

/* ---- batches ---- */

/* A batch whose data is there, or that can't be read at all. */
static kd_batch batch_of(tape *t, kd_targets *targets)
{
    kd_batch batch = KD_BATCH_INIT;
    unsigned what = tape_byte(t);
    batch.n = what & 1 ? tape_count(t) : 1 + what / 2 % 4;
    batch.x = what & 2 ? t->values + what / 4 % 8 : t->values;
    batch.x_stride = what & 4 ? (tape_byte(t) & 1 ? 1 + tape_byte(t) % WIDTH : SIZE_MAX) : 0;
    batch.labels = what & 8 ? NULL : t->labels;
    batch.case_weights = what & 16 ? t->weights : NULL;
    batch.ids = what & 32 ? t->ids : NULL;
    batch.more = (what & 64) != 0;
    batch.epoch = what;
    if (what & 128) {
        const kd_targets none = KD_TARGETS_INIT;
        *targets = none;
        targets->kind = (kd_target_kind)(tape_byte(t) % 6);
        targets->temperature = tape_float(t);
        targets->values = t->values;
        batch.targets = targets;
    }
    return batch;
}

static void make_ask(tape *t)
{
    kd_teacher_workspace **slot = &TAPE_PICK(t, asks), *made;
    kd_error error = KD_ERROR_INIT;
    kd_status status =
        kd_teacher_workspace_create(TAPE_PICK(t, teachers), tape_size(t), &made, &error);
    tape_made(t, status, &error, made);
    kd_teacher_workspace_destroy(*slot);
    *slot = made;
}

static void ask(tape *t)
{
    kd_targets given, got = KD_TARGETS_INIT;
    kd_batch batch = batch_of(t, &given);
    kd_error error = KD_ERROR_INIT;
    kd_teacher_workspace *ws = TAPE_PICK(t, asks);
    t->busy = NULL;
    kd_status status = kd_teacher_targets(ws, &batch, tape_float(t), &got, &error);
    tape_done(t, status, error.text, false);
    if (status == KD_OK) {
        t->seen = kd_hash(t->seen, got.values, batch.n * got.k * sizeof(float));
    }
}

/* ---- steps ---- */

static void step(tape *t)
{
    kd_targets targets;
    kd_batch batch = batch_of(t, &targets);
    kd_report report = KD_REPORT_INIT;
    kd_distiller *d = TAPE_PICK(t, distillers);
    t->busy = d;
    kd_status status = kd_distill_step(d, &batch, tape_byte(t) % 4 ? &report : NULL);
    t->busy = NULL;
    FUZZ_EXPECT(status != KD_ERR_BUSY);
    tape_done(t, status, kd_distiller_error(d), true);
    t->seen = kd_hash(t->seen, &report, sizeof report);
}

static void evaluate(tape *t)
{
    kd_targets targets;
    kd_batch batch = batch_of(t, &targets);
    kd_report report = KD_REPORT_INIT;
    kd_distiller *d = TAPE_PICK(t, distillers);
    t->busy = d;
    kd_status status = kd_distill_evaluate(d, &batch, &report);
    t->busy = NULL;
    tape_done(t, status, kd_distiller_error(d), false);
    t->seen = kd_hash(t->seen, &report, sizeof report);
}

static void infer(tape *t)
{
    float out[CASES * STRIDE];
    kd_workspace *ws = TAPE_PICK(t, workspaces);
    size_t n = tape_count(t);
    size_t stride = tape_byte(t) < 200 ? 0 : STRIDE;
    tape_done(t, kd_net_infer(ws, t->values, n, stride, out, stride), kd_workspace_error(ws),
              false);
}

static void train(tape *t)
{
    kd_targets targets;
    const float *logits;
    kd_workspace *ws = TAPE_PICK(t, workspaces);
    unsigned what = tape_byte(t);
    if (what % 4) {
        kd_batch batch = batch_of(t, &targets);
        tape_done(t, kd_net_forward(ws, &batch, &logits), kd_workspace_error(ws), false);
    }
    if (what & 4) { /* CASES rows are there, however many the forward had */
        kd_status status = kd_net_backward(ws, t->values, 0, (int32_t)(what / 8 % 3));
        tape_done(t, status, kd_workspace_error(ws), false);
    }
    if (what & 64) {
        kd_optimizer *o = TAPE_PICK(t, optimizers);
        tape_done(t, kd_optimizer_step(o, ws), kd_optimizer_error(o), true);
    }
}

/* Odd numbers among the data, or back to good ones. */
static void spoil(tape *t)
{
    unsigned where = tape_byte(t);
    t->mood = tape_byte(t);
    t->values[where] = tape_float(t);
    t->labels[where % CASES] = (int32_t)(t->mood % 6) - 2;
    t->weights[where % CASES] = tape_float(t);
    t->ids[where % CASES] = t->mood;
}

static void measure(tape *t)
{
    kd_teacher *teacher = TAPE_PICK(t, teachers);
    kd_net *net = TAPE_PICK(t, nets);
    kd_param param = KD_PARAM_INIT;
    kd_node node = KD_NODE_INIT;
    kd_error error = KD_ERROR_INIT;
    uint64_t hash = 0;
    tape_done(t, kd_teacher_hash(teacher, &hash, &error), error.text, false);
    t->seen = kd_hash(t->seen, &hash, sizeof hash);
    tape_done(t, kd_net_get_param(net, tape_byte(t), &param), kd_net_error(net), false);
    tape_done(t, kd_net_find_param(net, "layers.0.weight", &param), kd_net_error(net), false);
    tape_done(t, kd_net_get_node(net, tape_count(t), &node, &error), error.text, false);
}

void tape_run(tape *t, unsigned operation)
{
    static void (*const operations[])(tape *) = {make_teacher, make_ask, ask,   step,    evaluate,
                                                 infer,        train,    spoil, measure, step};
    operations[operation % (sizeof operations / sizeof *operations)](t);
}
