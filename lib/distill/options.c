/* SPDX-License-Identifier: MIT */
/* Options of a distiller: checked at creation, followed along their schedules at each step. */
#include "distill/options.h"

#include "loss/loss.h"

static kd_status check(const kd_distiller_options *o, kd_error *error)
{
    kd_status status = kdi_base_check_size(o->batch, "options.batch", 3, error);
    if (status == KD_OK && !o->temperature_schedule) {
        status = kdi_loss_check_temperature(o->temperature, "options.temperature", 3, error);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_weight(o->soft_weight, "options.soft_weight", 3, error);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_weight(o->hard_weight, "options.hard_weight", 3, error);
    }
    if (status != KD_OK) {
        return status;
    }
    if (o->soft_kind < KD_TERM_SOFT || o->soft_kind > KD_TERM_MATCH_RAW) {
        return kdi_base_fail(error, KD_ERR_KIND, 3,
                             "options.soft_kind is %i, not a term with targets",
                             (int64_t)o->soft_kind);
    }
    if (o->nonfinite != KD_NONFINITE_ERROR && o->nonfinite != KD_NONFINITE_SKIP) {
        return kdi_base_fail(error, KD_ERR_KIND, 3, "options.nonfinite is %i, no such policy",
                             (int64_t)o->nonfinite);
    }
    if (o->gradient_norm != 0 && o->gradient_norm != 1) {
        return kdi_base_fail(error, KD_ERR_VALUE, 3, "options.gradient_norm is %i, not 0 or 1",
                             (int64_t)o->gradient_norm);
    }
    return KD_OK;
}

kd_status kdi_distill_read_options(const kd_distiller_options *options, kd_distiller_options *known,
                                   kdi_objective *objective, kd_error *error)
{
    *known = (kd_distiller_options)KD_DISTILLER_OPTIONS_INIT;
    kd_status status = KD_OK;
    if (options) {
        status = kdi_base_open(known, sizeof *known, options, "options", 3, error);
    }
    if (status != KD_OK) {
        return status;
    }
    known->soft_kind = known->soft_kind ? known->soft_kind : KD_TERM_SOFT;
    objective->soft_kind = known->soft_kind;
    status = check(known, error);
    if (status == KD_OK) {
        status = kdi_optim_read_varying(&objective->temperature, known->temperature,
                                        known->temperature_schedule, "options.temperature_schedule",
                                        3, error);
    }
    if (status == KD_OK) {
        status = kdi_optim_read_varying(&objective->soft_weight, known->soft_weight,
                                        known->soft_weight_schedule, "options.soft_weight_schedule",
                                        3, error);
    }
    if (status == KD_OK) {
        status = kdi_optim_read_varying(&objective->hard_weight, known->hard_weight,
                                        known->hard_weight_schedule, "options.hard_weight_schedule",
                                        3, error);
    }
    const kd_schedule *t = &objective->temperature.schedule;
    bool ends = t->kind == KD_SCHEDULE_COSINE || t->kind == KD_SCHEDULE_LINEAR;
    if (status == KD_OK && objective->temperature.scheduled && ends && t->to == 0.0f) {
        return kdi_base_fail(error, KD_ERR_TEMPERATURE, 3,
                             "options.temperature_schedule.to is 0; a temperature is above 0");
    }
    kdi_moment start;
    return status == KD_OK ? kdi_distill_moment(objective, 0, &start, error) : status;
}

kd_status kdi_distill_moment(const kdi_objective *objective, uint64_t step, kdi_moment *out,
                             kd_error *error)
{
    *out = (kdi_moment){
        .temperature = (float)kdi_optim_value(&objective->temperature, step),
        .soft_weight = (float)kdi_optim_value(&objective->soft_weight, step),
        .hard_weight = (float)kdi_optim_value(&objective->hard_weight, step),
    };
    kd_status status =
        kdi_loss_check_temperature(out->temperature, "the scheduled temperature", 3, error);
    if (status == KD_OK) {
        status = kdi_loss_check_weight(out->soft_weight, "the scheduled soft_weight", 3, error);
    }
    if (status == KD_OK) {
        status = kdi_loss_check_weight(out->hard_weight, "the scheduled hard_weight", 3, error);
    }
    return status;
}
