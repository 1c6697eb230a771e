/* SPDX-License-Identifier: MIT */
/* See recipes.h. */
#include "recipes.h"

#define SMALL "6: 12 relu drop0.25 8 relu drop0.5 4"
#define OPTIMIZER .struct_size = sizeof(kd_optimizer_options)
#define SGD OPTIMIZER, .kind = KD_SGD, .rate = 0.05f
#define ADAM OPTIMIZER, .kind = KD_ADAM, .rate = 0.01f
#define ADAMW OPTIMIZER, .kind = KD_ADAMW, .rate = 0.01f
#define OF(soft)                                                                                   \
    .struct_size = sizeof(kd_distiller_options), .batch = RECIPE_BATCH, .temperature = 3.0f,       \
    .soft_weight = (soft), .hard_weight = 0.25f, .seed = 77
#define OPTIONS OF(1.0f)
#define SCHEDULE .struct_size = sizeof(kd_schedule)
#define CONSTANT(value)                                                                            \
    {                                                                                              \
        SCHEDULE, .kind = KD_SCHEDULE_CONSTANT, .from = (value), .steps = 1                        \
    }
#define LINEAR(a, b, n)                                                                            \
    {                                                                                              \
        SCHEDULE, .kind = KD_SCHEDULE_LINEAR, .from = (a), .to = (b), .steps = (n)                 \
    }
#define COSINE(a, b, n)                                                                            \
    {                                                                                              \
        SCHEDULE, .kind = KD_SCHEDULE_COSINE, .from = (a), .to = (b), .steps = (n)                 \
    }
#define STEPS(a, f, n)                                                                             \
    {                                                                                              \
        SCHEDULE, .kind = KD_SCHEDULE_STEP, .from = (a), .factor = (f), .steps = (n)               \
    }
#define EXPONENTIAL(a, f, n)                                                                       \
    {                                                                                              \
        SCHEDULE, .kind = KD_SCHEDULE_EXPONENTIAL, .from = (a), .factor = (f), .steps = (n)        \
    }
#define WARM                                                                                       \
    {                                                                                              \
        SCHEDULE, .kind = KD_SCHEDULE_COSINE, .from = 0.1f, .to = 0.01f, .steps = 15, .warmup = 6  \
    }

const recipe recipes[] = {
    {"plain", SMALL, {SGD}, .options = {OPTIONS}},
    {"momentum", SMALL, {SGD, .momentum = 0.9f}, .options = {OPTIONS}},
    {"nesterov", SMALL, {SGD, .momentum = 0.9f, .nesterov = 1}, .options = {OPTIONS}},
    {"adam", SMALL, {ADAM}, .options = {OPTIONS}},
    {"adamw", SMALL, {ADAMW, .weight_decay = 0.1f}, .options = {OPTIONS}},
    {"decay", SMALL, {SGD, .momentum = 0.5f, .weight_decay = 0.01f}, .options = {OPTIONS}},
    {"max norm", SMALL, {SGD, .momentum = 0.9f, .max_norm = 0.9f}, .options = {OPTIONS}},
    {"clip", SMALL, {ADAM, .clip_norm = 0.2f}, .options = {OPTIONS, .gradient_norm = 1}},
    {"schedules",
     SMALL,
     {SGD},
     .rate = WARM,
     .momentum = LINEAR(0.5f, 0.95f, 12),
     .options = {OPTIONS},
     .temperature = EXPONENTIAL(8, 0.5f, 9),
     .soft = STEPS(1, 0.7f, 4),
     .hard = COSINE(0, 0.5f, 16)},
    {"more schedules",
     SMALL,
     {SGD, .nesterov = 1},
     .rate = EXPONENTIAL(0.1f, 0.9f, 3),
     .momentum = STEPS(0.9f, 0.8f, 5),
     .options = {OPTIONS},
     .temperature = LINEAR(6, 2, 18),
     .soft = CONSTANT(0.75f),
     .hard = STEPS(0.1f, 1.5f, 7)},
    {"ensemble",
     SMALL,
     {SGD, .momentum = 0.9f},
     .options = {OPTIONS, .soft_kind = KD_TERM_KL},
     .from = FROM_ENSEMBLE},
    {"recorded",
     SMALL,
     {ADAM},
     .options = {OPTIONS, .soft_kind = KD_TERM_MATCH},
     .from = FROM_LOGITS},
    {"targets", SMALL, {SGD}, .options = {OPTIONS}, .from = FROM_BATCH},
    {"alone", SMALL, {ADAMW}, .options = {OF(0)}, .from = FROM_NOBODY},
    {"unnamed", SMALL, {SGD, .momentum = 0.9f}, .options = {OPTIONS}, .unnamed = true},
    {"parts", SMALL, {SGD, .momentum = 0.9f}, .options = {OPTIONS}, .parts = true},
    {"unnamed parts", SMALL, {ADAM}, .options = {OPTIONS}, .unnamed = true, .parts = true},
    {"skip",
     SMALL,
     {SGD, .momentum = 0.9f},
     .options = {OPTIONS, .nonfinite = KD_NONFINITE_SKIP},
     .bad = true},
    {"skip parts",
     SMALL,
     {ADAM},
     .options = {OPTIONS, .nonfinite = KD_NONFINITE_SKIP},
     .unnamed = true,
     .parts = true,
     .bad = true},
    {"own loop", SMALL, {SGD, .momentum = 0.9f}, .options = {OPTIONS}, .own = true},
    {"own unnamed loop", SMALL, {ADAM}, .options = {OPTIONS}, .unnamed = true, .own = true},
    {"wide", NULL, {SGD, .momentum = 0.9f}, .options = {OPTIONS}},
    {"wide parts", NULL, {SGD, .max_norm = 1.0f}, .options = {OPTIONS}, .parts = true},
};
const size_t n_recipes = COUNT(recipes);

const recipe *recipe_of(const char *name)
{
    for (size_t i = 0; i < n_recipes; i++) {
        if (strcmp(recipes[i].name, name) == 0) {
            return &recipes[i];
        }
    }
    fail_msg("no recipe \"%s\"", name);
    return NULL;
}

/* ---- objects ---- */

static kd_net *wide_net(kd_context *context)
{
    kd_net *net;
    support_ok(kd_net_create(context, RECIPE_INPUTS, &net, NULL), "kd_net_create");
    support_ok(kd_net_add_dense(net, 416), kd_net_error(net));
    support_ok(kd_net_add_relu(net), kd_net_error(net));
    support_ok(kd_net_add_dropout(net, 0.5f), kd_net_error(net));
    support_ok(kd_net_add_dense(net, 432), kd_net_error(net));
    support_ok(kd_net_add_relu(net), kd_net_error(net));
    support_ok(kd_net_add_dense(net, RECIPE_K), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_HE, 3), kd_net_error(net));
    return net;
}

static void fill(support_data *data)
{
    support_fill(data, 11, RECIPE_CASES, RECIPE_INPUTS, RECIPE_K);
}

static kd_teacher *teacher_of(kd_context *context, const char *shape, uint64_t seed)
{
    kd_net *net = support_net(context, shape, seed);
    kd_teacher *teacher = support_teacher(net);
    kd_net_destroy(net);
    return teacher;
}

static kd_teacher *find_teacher(kd_context *context, source from)
{
    kd_error e = KD_ERROR_INIT;
    kd_teacher *teacher = NULL;
    if (from == FROM_NET) {
        return teacher_of(context, "6: 16 relu 4", 5);
    }
    if (from == FROM_ENSEMBLE) {
        kd_teacher *members[2] = {teacher_of(context, "6: 16 relu 4", 5),
                                  teacher_of(context, "6: 9 relu 4", 6)};
        support_ok(kd_teacher_from_ensemble(members, 2, NULL, KD_MEAN_ARITHMETIC, &teacher, &e),
                   e.text);
        kd_teacher_destroy(members[0]);
        kd_teacher_destroy(members[1]);
    } else if (from == FROM_LOGITS) {
        support_data data;
        fill(&data);
        support_ok(
            kd_teacher_from_logits(context, data.ids, data.v, data.n, data.k, 0, &teacher, &e),
            e.text);
    }
    return teacher;
}

static const kd_schedule *given(const kd_schedule *s)
{
    return s->kind ? s : NULL;
}

static void open_loop(rig *r, const kd_optimizer_options *o)
{
    kd_error e = KD_ERROR_INIT;
    support_ok(kd_optimizer_create(r->net, o, &r->training.optimizer, &e), e.text);
    r->training.workspace = support_workspace(r->net, RECIPE_BATCH, 1, r->recipe->options.seed);
}

void rig_open(rig *r, const recipe *sort, int32_t threads)
{
    const kd_training training = KD_TRAINING_INIT;
    memset(r, 0, sizeof *r);
    r->recipe = sort;
    r->training = training;
    r->training.seed = 1234;
    r->context = support_context_of(&r->memory, threads);
    r->net = sort->shape ? support_net(r->context, sort->shape, 9) : wide_net(r->context);
    r->teacher = find_teacher(r->context, sort->from);
    kd_optimizer_options o = sort->optimizer;
    o.rate_schedule = given(&sort->rate);
    o.momentum_schedule = given(&sort->momentum);
    if (sort->own) {
        open_loop(r, &o);
        return;
    }
    kd_distiller_options d = sort->options;
    d.optimizer = &o;
    d.temperature_schedule = given(&sort->temperature);
    d.soft_weight_schedule = given(&sort->soft);
    d.hard_weight_schedule = given(&sort->hard);
    r->training.distiller = support_distiller(r->net, r->teacher, &d);
}

void rig_close(rig *r)
{
    kd_distiller_destroy(r->training.distiller);
    kd_optimizer_destroy(r->training.optimizer);
    kd_workspace_destroy(r->training.workspace);
    kd_teacher_destroy(r->teacher);
    kd_net_destroy(r->net);
    kd_context_destroy(r->context);
    support_all_returned(&r->memory);
}

/* ---- the loop ---- */

/* What a call of the loop takes in. */
typedef struct cases {
    float x[RECIPE_BATCH * RECIPE_INPUTS];
    int32_t labels[RECIPE_BATCH];
    float weights[RECIPE_BATCH];
    uint64_t ids[RECIPE_BATCH];
    float v[RECIPE_BATCH * RECIPE_K];
    kd_targets targets;
    kd_batch batch;
} cases;

/* The cases that come next, in the order of the epoch; without ids, in the order of the data. */
static void gather(const rig *r, cases *c)
{
    const kd_batch batch = KD_BATCH_INIT;
    const kd_training *t = &r->training;
    uint32_t order[RECIPE_CASES];
    support_data data;
    size_t call = t->epoch * (RECIPE_CASES / RECIPE_BATCH) + t->position / RECIPE_BATCH;
    fill(&data);
    support_ok(kd_shuffle(t->seed, (uint32_t)t->epoch, RECIPE_CASES, order, NULL), "kd_shuffle");
    for (size_t i = 0; i < RECIPE_BATCH; i++) {
        size_t from = r->recipe->unnamed ? t->position + i : order[t->position + i];
        memcpy(c->x + i * RECIPE_INPUTS, data.x + from * RECIPE_INPUTS,
               RECIPE_INPUTS * sizeof *c->x);
        memcpy(c->v + i * RECIPE_K, data.v + from * RECIPE_K, RECIPE_K * sizeof *c->v);
        c->labels[i] = data.labels[from];
        c->weights[i] = data.weights[from];
        c->ids[i] = data.ids[from];
    }
    c->targets = data.targets;
    c->targets.values = c->v;
    c->batch = batch;
    c->batch.n = RECIPE_BATCH;
    c->batch.x = c->x;
    c->batch.labels = c->labels;
    c->batch.case_weights = c->weights;
    c->batch.ids = r->recipe->unnamed ? NULL : c->ids;
    c->batch.epoch = r->recipe->unnamed ? 0 : (uint32_t)t->epoch;
    c->batch.targets = r->recipe->from == FROM_BATCH ? &c->targets : NULL;
    c->batch.more = r->recipe->parts && call % 3 != 2;
    if (r->recipe->bad && call % 7 >= 5) {
        c->x[5] = NAN;
    }
}

/* What the loop has seen. */
static void note(rig *r, const double *values, size_t count)
{
    r->training.tag = support_hash_bytes(r->training.tag, values, count * sizeof *values);
}

static void own_step(rig *r, const cases *c)
{
    kd_term terms[2] = {KD_TERM_INIT, KD_TERM_INIT};
    kd_loss_in in = KD_LOSS_IN_INIT;
    kd_loss_out out = KD_LOSS_OUT_INIT;
    kd_error e = KD_ERROR_INIT;
    float d_logits[RECIPE_BATCH * RECIPE_K];
    kd_workspace *ws = r->training.workspace;
    terms[0].kind = KD_TERM_HARD;
    terms[1].kind = KD_TERM_SOFT;
    terms[1].temperature = 2;
    in.n = RECIPE_BATCH;
    in.k = RECIPE_K;
    in.labels = c->labels;
    in.targets = &c->targets;
    out.d_logits = d_logits;
    support_ok(kd_net_forward(ws, &c->batch, &in.logits), kd_workspace_error(ws));
    support_ok(kd_loss(terms, 2, &in, &out, &e), e.text);
    support_ok(kd_net_backward(ws, d_logits, 0, 0), kd_workspace_error(ws));
    support_ok(kd_optimizer_step(r->training.optimizer, ws),
               kd_optimizer_error(r->training.optimizer));
    note(r, &out.total, 1);
}

void rig_step(rig *r)
{
    cases c;
    gather(r, &c);
    if (r->recipe->own) {
        own_step(r, &c);
    } else {
        kd_report report = support_step(r->training.distiller, &c.batch);
        double seen[] = {report.total,
                         report.hard,
                         report.soft,
                         report.rate,
                         report.kl,
                         (double)report.updates,
                         report.temperature,
                         report.gradient_norm,
                         (double)report.skipped};
        note(r, seen, COUNT(seen));
    }
    r->training.position += RECIPE_BATCH;
    if (r->training.position == RECIPE_CASES) {
        r->training.position = 0;
        r->training.epoch++;
    }
}

io_bytes rig_save(rig *r)
{
    io_bytes file = {0};
    kd_writer writer = io_writer(&file);
    kd_error e = KD_ERROR_INIT;
    support_ok(kd_save_training(&r->training, NULL, &writer, &e), e.text);
    return file;
}

kd_status rig_load(rig *r, io_bytes *file, kd_error *error)
{
    kd_reader reader = io_reader(file);
    return kd_load_training(&r->training, NULL, &reader, error);
}
