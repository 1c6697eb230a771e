/* SPDX-License-Identifier: MIT */
/*
 * Updates in two halves: the first decides, and proves that the second, which writes, can't end in
 * an infinity. So a failed update has changed nothing, and the second half can be cut into rows for
 * many threads.
 */
#include "optim/optim.h"

#include <math.h>

/*
 * An update below this can't take a finite weight to infinity: it is less than half the spacing of
 * floats at FLT_MAX (2^104 / 2 = 1e31), so the sum rounds back.
 */
#define LARGEST_UPDATE 1e30
/* The square of a gradient must fit a float with room for its running mean. */
#define LARGEST_ADAM_GRADIENT 1e18
/* Where the second moment is too small for a float, the first one is at most this. */
#define UNDERFLOWN_MOMENT 1e-18

static bool at_least_0(float value)
{
    return isfinite(value) && value >= 0.0f;
}

static kd_status check_range(float value, bool good, const char *name, const char *range,
                             int argument, kd_error *error)
{
    if (good) {
        return KD_OK;
    }
    return kdi_base_fail(error, KD_ERR_VALUE, argument, "optimizer.%s is %g, not %s", name,
                         (double)value, range);
}

static kd_status check_momentum(const kdi_optim *optim, int argument, kd_error *error)
{
    if (kdi_optim_largest(&optim->momentum) < 1.0) {
        return KD_OK;
    }
    return kdi_base_fail(error, KD_ERR_VALUE, argument,
                         "optimizer.momentum_schedule reaches %g, not below 1",
                         kdi_optim_largest(&optim->momentum));
}

static kd_status check_options(const kd_optimizer_options *o, int argument, kd_error *error)
{
    const char *from0 = "finite and at least 0";
    const char *part = "in [0, 1)";
    bool sgd = o->kind == KD_SGD;
    const struct {
        bool used;
        float value;
        bool good;
        const char *name, *range;
    } rules[] = {
        {true, o->rate, at_least_0(o->rate), "rate", from0},
        {sgd, o->momentum, o->momentum >= 0.0f && o->momentum < 1.0f, "momentum", part},
        {!sgd, o->beta1, o->beta1 >= 0.0f && o->beta1 < 1.0f, "beta1", part},
        {!sgd, o->beta2, o->beta2 >= 0.0f && o->beta2 < 1.0f, "beta2", part},
        {!sgd, o->epsilon, at_least_0(o->epsilon), "epsilon", from0},
        {true, o->weight_decay, at_least_0(o->weight_decay), "weight_decay", from0},
        {true, o->max_norm, at_least_0(o->max_norm), "max_norm", from0},
        {true, o->clip_norm, at_least_0(o->clip_norm), "clip_norm", from0},
    };
    if (o->kind < KD_SGD || o->kind > KD_ADAMW) {
        return kdi_base_fail(error, KD_ERR_KIND, argument, "optimizer.kind is %i, no such kind",
                             (int64_t)o->kind);
    }
    if (o->kind == KD_SGD && o->nesterov != 0 && o->nesterov != 1) {
        return kdi_base_fail(error, KD_ERR_VALUE, argument, "optimizer.nesterov is %i, not 0 or 1",
                             (int64_t)o->nesterov);
    }
    kd_status status = KD_OK;
    for (size_t i = 0; status == KD_OK && i < sizeof rules / sizeof *rules; i++) {
        status = check_range(rules[i].value, !rules[i].used || rules[i].good, rules[i].name,
                             rules[i].range, argument, error);
    }
    if (status == KD_OK && !sgd && (double)o->beta1 * (double)o->beta1 >= (double)o->beta2) {
        return kdi_base_fail(error, KD_ERR_VALUE, argument,
                             "optimizer.beta1 is %g and beta2 %g: beta1^2 must be below beta2",
                             (double)o->beta1, (double)o->beta2);
    }
    return status;
}

static void fill_defaults(kd_optimizer_options *o)
{
    o->kind = o->kind ? o->kind : KD_SGD;
    o->beta1 = o->beta1 != 0.0f ? o->beta1 : 0.9f;
    o->beta2 = o->beta2 != 0.0f ? o->beta2 : 0.999f;
    o->epsilon = o->epsilon != 0.0f ? o->epsilon : 1e-8f;
}

kd_status kdi_optim_open(kdi_optim *optim, const kd_optimizer_options *options, int argument,
                         kd_error *error)
{
    *optim = (kdi_optim){.options = KD_OPTIMIZER_OPTIONS_INIT};
    kd_optimizer_options *o = &optim->options;
    kd_status status = KD_OK;
    if (options) {
        status = kdi_base_open(o, sizeof *o, options, "optimizer", argument, error);
    }
    if (status != KD_OK) {
        return status;
    }
    fill_defaults(o);
    status = check_options(o, argument, error);
    if (status == KD_OK) {
        status = kdi_optim_read_varying(&optim->rate, o->rate, o->rate_schedule,
                                        "optimizer.rate_schedule", argument, error);
    }
    if (status != KD_OK || o->kind != KD_SGD) {
        return status;
    }
    status = kdi_optim_read_varying(&optim->momentum, o->momentum, o->momentum_schedule,
                                    "optimizer.momentum_schedule", argument, error);
    return status == KD_OK ? check_momentum(optim, argument, error) : status;
}

size_t kdi_optim_states(const kdi_optim *optim)
{
    if (optim->options.kind != KD_SGD) {
        return 2;
    }
    return optim->momentum.scheduled || optim->momentum.constant > 0.0 ? 1 : 0;
}

bool kdi_optim_decays(const kdi_optim *optim)
{
    return optim->options.weight_decay > 0.0f;
}

bool kdi_optim_needs_norm(const kdi_optim *optim, const kdi_update *update)
{
    return update->want_norm || optim->options.clip_norm > 0.0f;
}

/*
 * The largest |a| / (sqrt(s) + epsilon) that Adam can reach. By the inequality of Cauchy and
 * Schwarz it is below 1/sqrt((1-b2)(1-b1^2/b2)), given b1^2 < b2; the factor leaves room for the
 * rounding of denormal moments, the last term is for second moments that are 0 in float.
 */
static double largest_moment_ratio(const kd_optimizer_options *o)
{
    double b1 = (double)o->beta1;
    double b2 = (double)o->beta2;
    return 1e4 / sqrt((1.0 - b2) * (1.0 - b1 * b1 / b2));
}

static double largest_adam_ratio(const kd_optimizer_options *o)
{
    return largest_moment_ratio(o) + UNDERFLOWN_MOMENT / (double)o->epsilon;
}

/*
 * The bounds are those that plans rely on, each with the room that rounding needs: momentum that is
 * twice its bound is still safe (see prove); and |a| <= c sqrt(s), with c = (1-b1) times the ratio
 * above, holds after an update if it held before.
 */
bool kdi_optim_believes(const kdi_optim *optim, const float *first, const float *second,
                        size_t count)
{
    const kd_optimizer_options *o = &optim->options;
    double ratio = second ? (1.0 - (double)o->beta1) * largest_moment_ratio(o) : 0.0;
    if (!second && optim->momentum_bound > LARGEST_UPDATE) {
        return false; /* no update that was proved safe ends there */
    }
    for (size_t i = 0; i < count; i++) {
        double limit = 2.0 * optim->momentum_bound;
        if (second) {
            if (!(second[i] >= 0.0f && isfinite(second[i]))) {
                return false;
            }
            limit = ratio * sqrt((double)second[i]) + UNDERFLOWN_MOMENT;
        }
        if (!(fabs((double)first[i]) <= limit)) {
            return false;
        }
    }
    return true;
}

/* The numbers of an update, all scaled, that decide whether it is safe. */
typedef struct forces {
    double largest; /* gradient with the pull of weight decay */
    double grown;   /* largest weight after a decay that is too strong to shrink it */
    double rate;
    double momentum;
    double scale;
} forces;

static forces forces_of(const kdi_optim *optim, const kdi_survey *survey, double scale)
{
    double decay = (double)optim->options.weight_decay;
    bool decoupled = optim->options.kind == KD_ADAMW;
    forces f = {
        .largest = survey->gradient * scale,
        .rate = kdi_optim_value(&optim->rate, optim->step),
        .momentum = kdi_optim_value(&optim->momentum, optim->step),
        .scale = scale,
    };
    if (decay > 0.0 && !decoupled) {
        f.largest += decay * survey->weight;
    }
    /* AdamW multiplies weights by 1 - rate decay: they can grow only if that is below -1. */
    if (decay > 0.0 && decoupled && f.rate * decay > 2.0) {
        f.grown = f.rate * decay * survey->weight;
    }
    return f;
}

/* Whether the update is safe; the bound on momentum after it. */
static kd_status prove(const kdi_optim *optim, const forces *f, double *out_bound, kd_error *error)
{
    bool adam = optim->options.kind != KD_SGD;
    double bound = adam ? largest_adam_ratio(&optim->options)
                        : f->momentum * optim->momentum_bound + f->largest;
    bool safe = isfinite((float)f->scale) && f->rate <= LARGEST_UPDATE && bound <= LARGEST_UPDATE &&
                f->rate * 2.0 * bound <= LARGEST_UPDATE;
    if (adam) {
        safe = safe && f->largest <= LARGEST_ADAM_GRADIENT && f->grown <= LARGEST_UPDATE;
    }
    if (!safe) {
        return kdi_base_fail(error, KD_ERR_NOT_FINITE, 0,
                             "the update would overflow: rate %g, largest gradient %g", f->rate,
                             f->largest);
    }
    *out_bound = bound;
    return KD_OK;
}

static void plan_sgd(const kdi_optim *optim, const forces *f, kdi_plan *plan)
{
    plan->by_sgd = (kdi_sgd){
        .rate = f->rate,
        .momentum = f->momentum,
        .decay = (double)optim->options.weight_decay,
        .scale = f->scale,
        .nesterov = optim->options.nesterov != 0,
    };
    plan->rides = kdi_optim_states(optim) == 1 && !plan->by_sgd.nesterov &&
                  plan->by_sgd.decay == 0.0 && f->scale == 1.0;
}

static void plan_adam(const kdi_optim *optim, const forces *f, kdi_plan *plan)
{
    const kd_optimizer_options *o = &optim->options;
    double decay = (double)o->weight_decay;
    bool decoupled = o->kind == KD_ADAMW;
    double count = (double)(optim->step + 1);
    plan->by_adam = (kdi_adam){
        .rate = f->rate,
        .beta1 = (double)o->beta1,
        .beta2 = (double)o->beta2,
        .epsilon = (double)o->epsilon,
        .correction1 = 1.0 - pow((double)o->beta1, count),
        .correction2 = 1.0 - pow((double)o->beta2, count),
        .decay = decoupled ? 0.0 : decay,
        .shrink = decoupled ? 1.0 - f->rate * decay : 1.0,
        .scale = f->scale,
    };
}

kd_status kdi_optim_plan(const kdi_optim *optim, const kdi_survey *survey, kdi_update *update,
                         const kdi_kernels *kern, kdi_plan *out_plan, kd_error *error)
{
    *out_plan = (kdi_plan){
        .kern = kern,
        .sgd = optim->options.kind == KD_SGD,
        .max_norm = (double)optim->options.max_norm,
    };
    double clip = 1.0;
    update->norm = (double)NAN;
    if (kdi_optim_needs_norm(optim, update)) {
        update->norm = sqrt(survey->squares) * update->scale;
        double limit = (double)optim->options.clip_norm;
        clip = limit > 0.0 && update->norm > limit ? limit / update->norm : 1.0;
    }
    forces f = forces_of(optim, survey, update->scale * clip);
    kd_status status = prove(optim, &f, &out_plan->momentum_bound, error);
    if (status != KD_OK) {
        return status;
    }
    update->rate = f.rate;
    if (out_plan->sgd) {
        plan_sgd(optim, &f, out_plan);
    } else {
        plan_adam(optim, &f, out_plan);
    }
    return KD_OK;
}

/* The row is in the nearest cache still, so its length costs little. */
static void limit_row(const kdi_plan *plan, float *w, size_t columns)
{
    double length = sqrt(plan->kern->sumsq_f32(w, columns));
    if (length > plan->max_norm) {
        plan->kern->scale_f32(w, columns, (float)(plan->max_norm / length));
    }
}

static void move(const kdi_plan *plan, const kdi_tensor *t, size_t at, size_t count)
{
    float *first = t->first ? t->first + at : NULL;
    if (plan->sgd) {
        kdi_sgd step = plan->by_sgd;
        step.decay = t->decays ? step.decay : 0.0;
        plan->kern->sgd_f32(&step, t->values + at, first, t->gradient + at, count);
        return;
    }
    kdi_adam step = plan->by_adam;
    step.decay = t->decays ? step.decay : 0.0;
    step.shrink = t->decays ? step.shrink : 1.0;
    plan->kern->adam_f32(&step, t->values + at, first, t->second + at, t->gradient + at, count);
}

static void move_ridden(const kdi_plan *plan, const kdi_tensor *t, size_t at, size_t count)
{
    plan->kern->axpby_f32(-(float)plan->by_sgd.rate, t->first + at, 1.0f, t->values + at, count);
}

static void apply(const kdi_plan *plan, const kdi_tensor *t, size_t row, size_t rows,
                  void (*how)(const kdi_plan *, const kdi_tensor *, size_t, size_t))
{
    if (!t->limited || !(plan->max_norm > 0.0)) {
        how(plan, t, row * t->columns, rows * t->columns);
        return;
    }
    for (size_t i = row; i < row + rows; i++) {
        how(plan, t, i * t->columns, t->columns);
        limit_row(plan, t->values + i * t->columns, t->columns);
    }
}

void kdi_optim_apply(const kdi_plan *plan, const kdi_tensor *tensor, size_t row, size_t rows)
{
    apply(plan, tensor, row, rows, move);
}

void kdi_optim_apply_ridden(const kdi_plan *plan, const kdi_tensor *tensor, size_t row, size_t rows)
{
    apply(plan, tensor, row, rows, move_ridden);
}

void kdi_optim_done(kdi_optim *optim, const kdi_plan *plan)
{
    optim->step++;
    optim->momentum_bound = plan->momentum_bound;
}
