/* SPDX-License-Identifier: MIT */
/* Calls of a tape that make things, and let them go. */
#include "tape.h"

static void make_net(tape *t)
{
    kd_net **slot = &TAPE_PICK(t, nets), *net;
    kd_error error = KD_ERROR_INIT;
    kd_status status = kd_net_create(t->context, tape_size(t), &net, &error);
    tape_made(t, status, &error, net);
    kd_net_destroy(*slot);
    *slot = net;
    tape_done(t, KD_OK, "", true);
}

static void add(tape *t)
{
    kd_net *net = TAPE_PICK(t, nets);
    unsigned what = tape_byte(t);
    kd_status status = what % 3 == 0   ? kd_net_add_dense(net, tape_size(t))
                       : what % 3 == 1 ? kd_net_add_relu(net)
                                       : kd_net_add_dropout(net, tape_float(t));
    tape_done(t, status, kd_net_error(net), true);
}

static void init(tape *t)
{
    kd_net *net = TAPE_PICK(t, nets);
    kd_init_kind kind = (kd_init_kind)(tape_byte(t) % 5);
    tape_done(t, kd_net_init(net, kind, tape_byte(t)), kd_net_error(net), true);
}

/* A whole net at once: few tapes would come upon one. */
static void make_whole(tape *t)
{
    kd_net **slot = &TAPE_PICK(t, nets), *net = NULL;
    kd_error error = KD_ERROR_INIT;
    kd_status status = kd_net_create(t->context, 1 + tape_byte(t) % 5, &net, &error);
    tape_made(t, status, &error, net);
    status = status ? status : kd_net_add_dense(net, 1 + tape_byte(t) % 5);
    status = status ? status : kd_net_add_relu(net);
    status = status ? status : kd_net_add_dense(net, 1 + tape_byte(t) % 4);
    (void)(status ? status : kd_net_init(net, KD_INIT_HE, 1));
    kd_net_destroy(*slot);
    *slot = net;
    tape_done(t, KD_OK, "", true);
}

static void clone(tape *t)
{
    kd_net *net = TAPE_PICK(t, nets);
    kd_net **slot = &TAPE_PICK(t, nets), *copy;
    kd_error error = KD_ERROR_INIT;
    kd_status status = kd_net_clone(net, &copy, &error);
    tape_made(t, status, &error, copy);
    FUZZ_EXPECT(status != KD_OK || fuzz_hash(copy) == fuzz_hash(net));
    kd_net_destroy(*slot);
    *slot = copy;
    tape_done(t, KD_OK, "", true);
}

static void make_workspace(tape *t)
{
    kd_workspace_options o = KD_WORKSPACE_OPTIONS_INIT;
    kd_net *net = TAPE_PICK(t, nets);
    kd_workspace **slot = &TAPE_PICK(t, workspaces), *made;
    kd_error error = KD_ERROR_INIT;
    size_t bytes, before = fuzz_memory_used.live;
    o.batch = tape_size(t);
    o.training = (int32_t)(tape_byte(t) % 4) - 1;
    o.seed = tape_byte(t);
    kd_status sized = kd_workspace_size(net, &o, &bytes, NULL);
    kd_status status = kd_workspace_create(net, &o, &made, &error);
    tape_made(t, status, &error, made);
    FUZZ_EXPECT(sized == status || (sized == KD_OK && status == KD_ERR_MEMORY));
    FUZZ_EXPECT(status != KD_OK || fuzz_memory_used.live - before == bytes);
    kd_workspace_destroy(*slot);
    *slot = made;
}

static kd_optimizer_options optimizer_of(tape *t, kd_schedule *schedule)
{
    kd_optimizer_options o = KD_OPTIMIZER_OPTIONS_INIT;
    unsigned what = tape_byte(t);
    o.kind = (kd_optimizer_kind)(tape_byte(t) % 5);
    o.rate = tape_float(t);
    o.momentum = what & 1 ? tape_float(t) / 4 : 0;
    o.nesterov = (what & 2) != 0;
    o.weight_decay = what & 4 ? tape_float(t) : 0;
    o.max_norm = what & 8 ? tape_float(t) : 0;
    o.clip_norm = what & 16 ? tape_float(t) : 0;
    o.epsilon = what & 32 ? tape_float(t) : 0;
    if (what & 64) {
        schedule->kind = (kd_schedule_kind)(tape_byte(t) % 7);
        schedule->from = tape_float(t);
        schedule->to = tape_float(t);
        schedule->factor = tape_float(t);
        schedule->steps = tape_byte(t);
        schedule->warmup = tape_byte(t) % 4;
        o.rate_schedule = schedule;
    }
    return o;
}

static void make_optimizer(tape *t)
{
    kd_schedule schedule = KD_SCHEDULE_INIT;
    kd_optimizer_options o = optimizer_of(t, &schedule);
    kd_optimizer **slot = &TAPE_PICK(t, optimizers), *made;
    kd_error error = KD_ERROR_INIT;
    kd_status status = kd_optimizer_create(TAPE_PICK(t, nets), &o, &made, &error);
    tape_made(t, status, &error, made);
    kd_optimizer_destroy(*slot);
    *slot = made;
}

static void make_distiller(tape *t)
{
    kd_schedule schedule = KD_SCHEDULE_INIT;
    kd_optimizer_options optimizer = optimizer_of(t, &schedule);
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    kd_distiller **slot = &TAPE_PICK(t, distillers), *made;
    kd_error error = KD_ERROR_INIT;
    unsigned what = tape_byte(t);
    kd_teacher *teacher = what & 1 ? TAPE_PICK(t, teachers) : NULL;
    o.optimizer = what & 2 ? &optimizer : NULL;
    o.batch = tape_size(t);
    o.temperature = what & 4 ? tape_float(t) : 2;
    o.soft_weight = what & 8 ? tape_float(t) : teacher != NULL;
    o.hard_weight = what & 16 ? tape_float(t) : 1;
    o.soft_kind = (kd_term_kind)(tape_byte(t) % 7);
    o.gradient_norm = (what & 32) != 0;
    o.nonfinite = (what & 64) != 0;
    kd_status status = kd_distiller_create(TAPE_PICK(t, nets), teacher, &o, &made, &error);
    tape_made(t, status, &error, made);
    kd_distiller_destroy(*slot);
    *slot = made;
}

static void let_go(tape *t)
{
    unsigned what = tape_byte(t), i = tape_byte(t) % SLOTS;
    switch (what % 8) {
    case 0:
        kd_net_destroy(t->nets[i]);
        t->nets[i] = NULL;
        tape_done(t, KD_OK, "", true);
        break;
    case 1:
        kd_workspace_destroy(t->workspaces[i]);
        t->workspaces[i] = NULL;
        break;
    case 2:
        kd_optimizer_destroy(t->optimizers[i]);
        t->optimizers[i] = NULL;
        break;
    case 3:
        kd_teacher_destroy(t->teachers[i]);
        t->teachers[i] = NULL;
        break;
    case 4:
        kd_teacher_workspace_destroy(t->asks[i]);
        t->asks[i] = NULL;
        break;
    case 5:
        kd_distiller_destroy(t->distillers[i]);
        t->distillers[i] = NULL;
        break;
    case 6: /* all that was made of it keeps it */
        kd_context_destroy(t->context);
        t->context = NULL;
        break;
    default:
        fuzz_memory_used.fail_at = 0;
        kd_context_destroy(t->context);
        t->context = fuzz_new_context();
    }
}

void tape_build(tape *t, unsigned operation)
{
    static void (*const operations[])(tape *) = {
        make_net,       add,   init, make_whole, clone, make_workspace, make_optimizer,
        make_distiller, let_go};
    operations[operation % (sizeof operations / sizeof *operations)](t);
}
