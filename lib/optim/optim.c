/* SPDX-License-Identifier: MIT */
/*
 * Updates in two halves: the first only reads gradients, and proves that the second, which writes,
 * can't end in an infinity. So a failed update has changed nothing.
 */
#include "optim/optim.h"

#include "kern/kern.h"

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

/* What the first half learns of the gradients, all scaled. */
typedef struct survey {
    double gradient; /* largest |g| */
    double pull;     /* largest part that weight decay adds */
    double grown;    /* largest weight after a decay that is too strong to shrink it */
    double norm;     /* NaN if not measured */
    double clip;     /* factor of clip_norm, 1 if it does not bite */
} survey;

static kd_status look(const kdi_optim *optim, const kdi_tensor *tensors, size_t count, double rate,
                      const kdi_update *update, survey *s, kd_error *error)
{
    bool norm = update->want_norm || optim->options.clip_norm > 0.0f;
    double decay = optim->options.kind == KD_ADAMW ? 0.0 : (double)optim->options.weight_decay;
    /* AdamW multiplies weights by 1 - rate decay: they can grow only if that is below -1. */
    bool grows =
        optim->options.kind == KD_ADAMW && rate * (double)optim->options.weight_decay > 2.0;
    double squares = 0.0;
    *s = (survey){.clip = 1.0, .norm = (double)NAN};
    for (size_t i = 0; i < count; i++) {
        const kdi_tensor *t = &tensors[i];
        size_t size = t->rows * t->columns;
        float g;
        float w = 0.0f;
        if (!kdi_kern()->absmax_f32(t->gradient, size, &g)) {
            return kdi_base_fail(error, KD_ERR_NOT_FINITE, 0,
                                 "the gradient of parameter %z is not finite", i);
        }
        if ((decay > 0.0 || grows) && t->decays && !kdi_kern()->absmax_f32(t->values, size, &w)) {
            return kdi_base_fail(error, KD_ERR_NOT_FINITE, 0, "parameter %z is not finite", i);
        }
        s->gradient = fmax(s->gradient, (double)g * update->scale);
        s->pull = fmax(s->pull, decay * (double)w);
        s->grown =
            fmax(s->grown, grows ? rate * (double)optim->options.weight_decay * (double)w : 0.0);
        squares += norm ? kdi_kern()->sumsq_f32(t->gradient, size) : 0.0;
    }
    if (norm) {
        s->norm = sqrt(squares) * update->scale;
        double limit = (double)optim->options.clip_norm;
        s->clip = limit > 0.0 && s->norm > limit ? limit / s->norm : 1.0;
    }
    return KD_OK;
}

/*
 * The largest |a| / (sqrt(s) + epsilon) that Adam can reach. By the inequality of Cauchy and
 * Schwarz it is below 1/sqrt((1-b2)(1-b1^2/b2)), given b1^2 < b2; the factor leaves room for the
 * rounding of denormal moments, the last term is for second moments that are 0 in float.
 */
static double largest_adam_ratio(const kd_optimizer_options *o)
{
    double b1 = (double)o->beta1;
    double b2 = (double)o->beta2;
    double exact = 1.0 / sqrt((1.0 - b2) * (1.0 - b1 * b1 / b2));
    return 1e4 * exact + UNDERFLOWN_MOMENT / (double)o->epsilon;
}

/* Whether the coming update is safe; the bound on momentum after it. */
static kd_status prove(const kdi_optim *optim, const survey *s, double scale, double rate,
                       double momentum, double *out_bound, kd_error *error)
{
    bool adam = optim->options.kind != KD_SGD;
    double largest = s->gradient * s->clip + s->pull;
    double bound =
        adam ? largest_adam_ratio(&optim->options) : momentum * optim->momentum_bound + largest;
    bool safe = isfinite((float)(scale * s->clip)) && rate <= LARGEST_UPDATE &&
                bound <= LARGEST_UPDATE && rate * 2.0 * bound <= LARGEST_UPDATE;
    if (adam) {
        safe = safe && largest <= LARGEST_ADAM_GRADIENT && s->grown <= LARGEST_UPDATE;
    }
    if (!safe) {
        return kdi_base_fail(error, KD_ERR_NOT_FINITE, 0,
                             "the update would overflow: rate %g, largest gradient %g", rate,
                             largest);
    }
    *out_bound = bound;
    return KD_OK;
}

static void update_sgd(const kdi_optim *optim, const kdi_tensor *t, double rate, double momentum,
                       double scale)
{
    kdi_sgd step = {
        .rate = rate,
        .momentum = momentum,
        .decay = t->decays ? (double)optim->options.weight_decay : 0.0,
        .scale = scale,
        .nesterov = optim->options.nesterov != 0,
    };
    kdi_kern()->sgd_f32(&step, t->values, t->first, t->gradient, t->rows * t->columns);
}

static void update_adam(const kdi_optim *optim, const kdi_tensor *t, double rate, double scale)
{
    const kd_optimizer_options *o = &optim->options;
    double decay = t->decays ? (double)o->weight_decay : 0.0;
    bool decoupled = o->kind == KD_ADAMW;
    double count = (double)(optim->step + 1);
    kdi_adam step = {
        .rate = rate,
        .beta1 = (double)o->beta1,
        .beta2 = (double)o->beta2,
        .epsilon = (double)o->epsilon,
        .correction1 = 1.0 - pow((double)o->beta1, count),
        .correction2 = 1.0 - pow((double)o->beta2, count),
        .decay = decoupled ? 0.0 : decay,
        .shrink = decoupled ? 1.0 - rate * decay : 1.0,
        .scale = scale,
    };
    kdi_kern()->adam_f32(&step, t->values, t->first, t->second, t->gradient, t->rows * t->columns);
}

kd_status kdi_optim_step(kdi_optim *optim, const kdi_tensor *tensors, size_t count,
                         kdi_update *update, kd_error *error)
{
    survey s;
    double bound = 0.0;
    double rate = kdi_optim_value(&optim->rate, optim->step);
    double momentum = kdi_optim_value(&optim->momentum, optim->step);
    kd_status status = look(optim, tensors, count, rate, update, &s, error);
    if (status == KD_OK) {
        status = prove(optim, &s, update->scale, rate, momentum, &bound, error);
    }
    if (status != KD_OK) {
        return status;
    }
    double scale = update->scale * s.clip;
    for (size_t i = 0; i < count; i++) {
        const kdi_tensor *t = &tensors[i];
        if (optim->options.kind == KD_SGD) {
            update_sgd(optim, t, rate, momentum, scale);
        } else {
            update_adam(optim, t, rate, scale);
        }
        if (t->limited && optim->options.max_norm > 0.0f) {
            kdi_kern()->max_norm_f32(t->values, t->rows, t->columns,
                                     (double)optim->options.max_norm);
        }
    }
    optim->step++;
    optim->momentum_bound = bound;
    update->norm = s.norm;
    update->rate = rate;
    return KD_OK;
}
