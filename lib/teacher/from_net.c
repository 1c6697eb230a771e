/* SPDX-License-Identifier: MIT */
/* A net as teacher. It can only infer: no call here can reach its training. */
#include "teacher/parts.h"

#include <string.h>

typedef struct net_teacher {
    kd_teacher head;
    kd_net *net;
} net_teacher;

static kd_status open(kd_teacher_workspace *ws, kd_error *error)
{
    const net_teacher *t = (const net_teacher *)ws->teacher;
    kd_workspace_options options = KD_WORKSPACE_OPTIONS_INIT;
    options.batch = ws->batch;
    kd_workspace *run;
    kd_status status = kd_workspace_create(t->net, &options, &run, error);
    ws->extra = status == KD_OK ? run : NULL;
    return status;
}

static void close(kd_teacher_workspace *ws)
{
    kd_workspace_destroy(ws->extra);
}

static kd_status ask(kd_teacher_workspace *ws, const kd_batch *batch, float temperature, float *out,
                     kd_targets *targets, kd_error *error)
{
    (void)temperature;
    (void)targets;
    (void)error;
    const float *logits = kdi_net_run_infer(ws->extra, batch->x, batch->n, batch->x_stride);
    memcpy(out, logits, batch->n * ws->teacher->k * sizeof *out);
    return KD_OK;
}

static bool uses(const kd_teacher *teacher, const kd_net *net)
{
    return ((const net_teacher *)teacher)->net == net;
}

static kd_status hash(const kd_teacher *teacher, uint64_t *out, kd_error *error)
{
    (void)error;
    *out = kdi_net_hash(KDI_TEACHER_NET, ((const net_teacher *)teacher)->net);
    return KD_OK;
}

static void release(kd_teacher *teacher)
{
    kd_net_destroy(((net_teacher *)teacher)->net);
}

static const kdi_teacher_ops ops = {
    .open = open,
    .close = close,
    .ask = ask,
    .uses = uses,
    .hash = hash,
    .release = release,
};

kd_status kd_teacher_from_net(kd_net *net, kd_teacher **out_teacher, kd_error *error)
{
    if (!out_teacher) {
        return kdi_base_fail(error, KD_ERR_NULL, 2, "out_teacher is NULL");
    }
    *out_teacher = NULL;
    if (!net) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "net is NULL");
    }
    if (!kdi_net_ready(net)) {
        return kdi_base_fail(error, KD_ERR_STATE, 1, "net is not initialised");
    }
    kd_teacher *teacher;
    kd_status status =
        kdi_teacher_new(kdi_net_context(net), sizeof(net_teacher), &ops, &teacher, error);
    if (status == KD_OK) {
        teacher->k = kdi_net_outputs(net);
        teacher->inputs = kdi_net_inputs(net);
        teacher->kind = KD_TARGET_LOGITS;
        ((net_teacher *)teacher)->net = kdi_net_retain(net);
        *out_teacher = teacher;
    }
    return status;
}
