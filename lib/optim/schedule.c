/* SPDX-License-Identifier: MIT */
/* Values that change from update to update. */
#include "optim/optim.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static kd_status refuse(const char *name, const char *field, double value, const char *rule,
                        int argument, kd_error *error)
{
    return kdi_base_fail(error, KD_ERR_VALUE, argument, "%s.%s is %g, not %s", name, field, value,
                         rule);
}

static kd_status check(const kd_schedule *s, const char *name, int argument, kd_error *error)
{
    if (s->kind < KD_SCHEDULE_CONSTANT || s->kind > KD_SCHEDULE_LINEAR) {
        return kdi_base_fail(error, KD_ERR_KIND, argument, "%s.kind is %i, no such kind", name,
                             (int64_t)s->kind);
    }
    if (!(isfinite(s->from) && s->from >= 0.0f)) {
        return refuse(name, "from", (double)s->from, "finite and at least 0", argument, error);
    }
    bool ends = s->kind == KD_SCHEDULE_COSINE || s->kind == KD_SCHEDULE_LINEAR;
    if (ends && !(isfinite(s->to) && s->to >= 0.0f)) {
        return refuse(name, "to", (double)s->to, "finite and at least 0", argument, error);
    }
    bool decays = s->kind == KD_SCHEDULE_STEP || s->kind == KD_SCHEDULE_EXPONENTIAL;
    if (decays && !(isfinite(s->factor) && s->factor > 0.0f)) {
        return refuse(name, "factor", (double)s->factor, "finite and above 0", argument, error);
    }
    if (s->kind != KD_SCHEDULE_CONSTANT && s->steps == 0) {
        return refuse(name, "steps", 0.0, "at least 1", argument, error);
    }
    return KD_OK;
}

static double plain_value(const kd_schedule *s, uint64_t step)
{
    double from = (double)s->from;
    double to = (double)s->to;
    if (s->from == 0.0f && s->factor > 1.0f && s->kind <= KD_SCHEDULE_EXPONENTIAL) {
        return 0.0; /* nothing grows from nothing, not even when the power overflows */
    }
    uint64_t steps = s->steps ? s->steps : 1; /* CONSTANT may have none */
    uint64_t whole = step / steps;
    double part = (double)step / (double)steps;
    switch (s->kind) {
    case KD_SCHEDULE_STEP:
        return from * pow((double)s->factor, (double)whole);
    case KD_SCHEDULE_EXPONENTIAL:
        return from * pow((double)s->factor, part);
    case KD_SCHEDULE_COSINE:
        return step >= s->steps ? to : to + (from - to) * 0.5 * (1.0 + cos(pi * part));
    case KD_SCHEDULE_LINEAR:
        return step >= s->steps ? to : from + (to - from) * part;
    default:
        return from;
    }
}

static double value(const kd_schedule *s, uint64_t step)
{
    double v = plain_value(s, step);
    return step < s->warmup ? v * ((double)(step + 1) / (double)s->warmup) : v;
}

kd_status kd_schedule_value(const kd_schedule *schedule, uint64_t step, double *out_value,
                            kd_error *error)
{
    kd_schedule known = KD_SCHEDULE_INIT;
    kd_status status = kdi_base_open(&known, sizeof known, schedule, "schedule", 1, error);
    if (status == KD_OK) {
        status = check(&known, "schedule", 1, error);
    }
    if (status == KD_OK && !out_value) {
        status = kdi_base_fail(error, KD_ERR_NULL, 3, "out_value is NULL");
    }
    if (status == KD_OK) {
        *out_value = value(&known, step);
    }
    return status;
}

kd_status kdi_optim_read_varying(kdi_varying *v, float constant, const kd_schedule *schedule,
                                 const char *name, int argument, kd_error *error)
{
    *v = (kdi_varying){.constant = (double)constant};
    if (!schedule) {
        return KD_OK;
    }
    v->scheduled = true;
    v->schedule = (kd_schedule)KD_SCHEDULE_INIT;
    kd_status status =
        kdi_base_open(&v->schedule, sizeof v->schedule, schedule, name, argument, error);
    return status == KD_OK ? check(&v->schedule, name, argument, error) : status;
}

double kdi_optim_value(const kdi_varying *v, uint64_t step)
{
    return v->scheduled ? value(&v->schedule, step) : v->constant;
}

double kdi_optim_largest(const kdi_varying *v)
{
    const kd_schedule *s = &v->schedule;
    if (!v->scheduled) {
        return v->constant;
    }
    switch (s->kind) {
    case KD_SCHEDULE_STEP:
    case KD_SCHEDULE_EXPONENTIAL:
        return s->factor > 1.0f && s->from > 0.0f ? (double)INFINITY : (double)s->from;
    case KD_SCHEDULE_COSINE:
    case KD_SCHEDULE_LINEAR:
        return (double)(s->from > s->to ? s->from : s->to);
    default:
        return (double)s->from;
    }
}
