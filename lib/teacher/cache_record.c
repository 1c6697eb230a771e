/* SPDX-License-Identifier: MIT */
/*
 * One case of a recording: soft targets to bytes and back.
 *
 * F16 and TOPK keep differences to the largest logit, so that half precision is spent on what a
 * softmax sees; the largest itself stays a float. The tail is the logarithm of a sum of
 * exponentials, taken with the largest of the classes that it sums up, in double.
 */
#include "teacher/recording.h"

#include "loss/loss.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define PAYLOAD 8
#define LEAST (-65504.0) /* of half precision */

/* Written out, so that the compiler makes one load or store of each. */
static uint32_t get32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint16_t get16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static void put32(unsigned char *at, uint32_t value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
    at[2] = (unsigned char)(value >> 16);
    at[3] = (unsigned char)(value >> 24);
}

static void put16(unsigned char *at, uint16_t value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
}

static float get_float(const unsigned char *at)
{
    uint32_t bits = get32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void put_float(unsigned char *at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put32(at, bits);
}

/* ---- to bytes ---- */

static float largest_of(const float *v, size_t n)
{
    float largest = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        largest = v[i] > largest ? v[i] : largest;
    }
    return largest;
}

/* v - largest as half; `class` is for words. */
static kd_status put_difference(unsigned char *at, float v, float largest, size_t row, size_t class,
                                kd_error *error)
{
    double difference = (double)v - (double)largest;
    if (difference < LEAST && v > -INFINITY) {
        return kdi_base_fail(error, KD_ERR_VALUE, 3,
                             "targets.values[%z,%z] is %g, %g below the largest: above 65504", row,
                             class, (double)v, -difference);
    }
    put16(at, kdi_io_to_half((float)difference));
    return KD_OK;
}

static kd_status encode_f16(const kdi_cache_form *form, const float *v, size_t row,
                            unsigned char *at, kd_error *error)
{
    float largest = largest_of(v, form->k);
    kd_status status = KD_OK;
    put_float(at, largest);
    for (size_t i = 0; status == KD_OK && i < form->k; i++) {
        status = put_difference(at + 4 + 2 * i, v[i], largest, row, i, error);
    }
    return status;
}

/*
 * ln of the sum of exp(v/T0) over the classes that are not in `order`, less largest / T0: as
 * (m - largest)/T0 + ln sum exp((v - m)/T0), m the largest of them; -inf if there are none.
 */
static double tail_of(const kdi_cache_form *form, const float *v, const uint32_t *order,
                      double largest)
{
    double t0 = (double)form->temperature;
    double most = (double)-INFINITY;
    double sum = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0, given = 0; i < form->k; i++) {
            if (given < form->top && order[given] == i) {
                given++;
            } else if (pass == 0) {
                most = (double)v[i] > most ? (double)v[i] : most;
            } else {
                sum += exp(((double)v[i] - most) / t0);
            }
        }
        if (most == (double)-INFINITY) {
            return most;
        }
    }
    return (most - largest) / t0 + log(sum);
}

/*
 * Whether the tail can be kept and given back: a float, both relative to the largest logit and by
 * itself; and -inf where all classes are given, since nothing is left for it.
 */
static bool tail_fits(const kdi_cache_form *form, double largest, double tail)
{
    if (tail == -(double)INFINITY) {
        return true;
    }
    if (form->top == form->k || !(fabs(tail) <= (double)FLT_MAX)) {
        return false;
    }
    return fabs((double)(float)tail + largest / (double)form->temperature) <= (double)FLT_MAX;
}

/* `v` holds the values of the classes in `index`: all of them, or [top] already. */
static kd_status put_top(const kdi_cache_form *form, const float *v, bool all,
                         const uint32_t *index, float largest, double tail, size_t row,
                         unsigned char *at, kd_error *error)
{
    unsigned char *classes = at + 8;
    unsigned char *halves = classes + form->top * form->class_bytes; /* within the record */
    if (!tail_fits(form, (double)largest, tail)) {
        return kdi_base_fail(error, KD_ERR_VALUE, 3,
                             "row %z of targets: the largest logit is %g, the tail %g more at "
                             "temperature %g: no float",
                             row, (double)largest, tail, (double)form->temperature);
    }
    put_float(at, largest);
    put_float(at + 4, (float)tail);
    for (size_t i = 0; i < form->top; i++) {
        float value = v[all ? index[i] : i];
        if (!isfinite(value)) {
            return kdi_base_fail(error, KD_ERR_NOT_FINITE, 3,
                                 "row %z of targets.values has fewer than %z finite logits", row,
                                 form->top);
        }
        if (form->class_bytes == 2) {
            put16(classes + 2 * i, (uint16_t)index[i]);
        } else {
            put32(classes + 4 * i, index[i]);
        }
        kd_status status = put_difference(halves + 2 * i, value, largest, row, index[i], error);
        if (status != KD_OK) {
            return status;
        }
    }
    return KD_OK;
}

static kd_status encode_top(const kdi_cache_form *form, const kd_targets *t, const float *v,
                            size_t row, uint32_t *order, unsigned char *at, kd_error *error)
{
    if (t->kind == KD_TARGET_LOGITS) {
        float largest = largest_of(v, form->k);
        kdi_teacher_find_top(v, form->k, form->top, order);
        double tail = tail_of(form, v, order, (double)largest);
        return put_top(form, v, true, order, largest, tail, row, at, error);
    }
    float largest = largest_of(v, form->top);
    double tail = (double)t->tail[row] - (double)largest / (double)form->temperature;
    return put_top(form, v, false, t->topk_index + row * form->top, largest, tail, row, at, error);
}

kd_status kdi_teacher_encode(const kdi_cache_form *form, uint64_t id, const kd_targets *targets,
                             size_t row, uint32_t *order, unsigned char *record, kd_error *error)
{
    const float *v = targets->values + row * targets->stride;
    unsigned char *at = record + PAYLOAD;
    kd_status status = KD_OK;
    kdi_io_store(record, 8, id);
    if (form->encoding == KD_CACHE_F32) {
        for (size_t i = 0; i < form->k; i++) {
            put_float(at + 4 * i, v[i]);
        }
    } else if (form->encoding == KD_CACHE_F16) {
        status = encode_f16(form, v, row, at, error);
    } else {
        status = encode_top(form, targets, v, row, order, at, error);
    }
    put32(record + form->record - 4, kdi_io_crc(0, record, form->record - 4));
    return status;
}

/* ---- and back ---- */

/* Class i of a TOPK case. */
static uint32_t class_at(const kdi_cache_form *form, const unsigned char *at, size_t i)
{
    return form->class_bytes == 2 ? get16(at + 8 + 2 * i) : get32(at + 8 + 4 * i);
}

void kdi_teacher_decode(const kdi_cache_form *form, const unsigned char *record, float *out_values,
                        uint32_t *out_index, float *out_tail)
{
    const unsigned char *at = record + PAYLOAD;
    if (form->encoding == KD_CACHE_F32) {
        for (size_t i = 0; i < form->k; i++) {
            out_values[i] = get_float(at + 4 * i);
        }
        return;
    }
    bool topk = form->encoding == KD_CACHE_TOPK;
    size_t n = topk ? form->top : form->k;
    const unsigned char *halves = at + (topk ? 8 + n * form->class_bytes : 4);
    double largest = (double)get_float(at);
    for (size_t i = 0; i < n; i++) {
        out_values[i] = (float)(largest + (double)kdi_io_from_half(get16(halves + 2 * i)));
    }
    for (size_t i = 0; topk && i < n; i++) {
        out_index[i] = class_at(form, at, i);
    }
    if (topk) {
        *out_tail = (float)((double)get_float(at + 4) + largest / (double)form->temperature);
    }
}

/* ---- what no recording writes, though its checksum is right ---- */

static kd_status refuse(kd_error *error, kd_status status, uint64_t row, const char *why)
{
    return kdi_base_fail(error, status, 0, "case %z %s", (size_t)row, why);
}

static kd_status check_halves(const unsigned char *halves, size_t n, bool finite, uint64_t row,
                              kd_error *error)
{
    bool leads = false;
    for (size_t i = 0; i < n; i++) {
        float v = kdi_io_from_half(get16(halves + 2 * i));
        if (!(v < INFINITY) || (finite && !isfinite(v))) {
            return refuse(error, KD_ERR_NOT_FINITE, row, "has a logit that is not finite");
        }
        if (v > 0.0f) {
            return refuse(error, KD_ERR_FORMAT, row, "has a logit above its largest one");
        }
        leads = leads || v == 0.0f;
    }
    return leads ? KD_OK : refuse(error, KD_ERR_FORMAT, row, "lacks its largest logit");
}

static kd_status check_classes(const kdi_cache_form *form, const unsigned char *at, uint64_t row,
                               kd_error *error)
{
    for (size_t i = 0; i < form->top; i++) {
        uint32_t class = class_at(form, at, i);
        if (class >= form->k || (i > 0 && class <= class_at(form, at, i - 1))) {
            return refuse(error, KD_ERR_FORMAT, row, "has classes out of range or order");
        }
    }
    return KD_OK;
}

static kd_status check_f32(const kdi_cache_form *form, uint64_t row, unsigned char *record,
                           kd_error *error)
{
    char name[40];
    float *values = (float *)(void *)(record + PAYLOAD); /* a record begins aligned */
    kd_targets t = KD_TARGETS_INIT;
    for (size_t i = 0; i < form->k; i++) {
        values[i] = get_float(record + PAYLOAD + 4 * i);
    }
    t.kind = form->kind;
    t.values = values;
    t.k = form->k;
    t.temperature = form->temperature;
    kdi_base_say(name, sizeof name, "case %z", (size_t)row);
    return kdi_loss_check_targets(&t, 1, name, error);
}

kd_status kdi_teacher_check_record(const kdi_cache_form *form, uint64_t row, unsigned char *record,
                                   kd_error *error)
{
    const unsigned char *at = record + PAYLOAD;
    if (form->encoding == KD_CACHE_F32) {
        return check_f32(form, row, record, error);
    }
    if (!isfinite(get_float(at))) {
        return refuse(error, KD_ERR_NOT_FINITE, row, "has a largest logit that is not finite");
    }
    if (form->encoding == KD_CACHE_F16) {
        return check_halves(at + 4, form->k, false, row, error);
    }
    if (!tail_fits(form, (double)get_float(at), (double)get_float(at + 4))) {
        bool due = form->top < form->k;
        return refuse(error, due ? KD_ERR_NOT_FINITE : KD_ERR_FORMAT, row,
                      due ? "has a tail that is not finite" : "has a tail, but all of its classes");
    }
    kd_status status = check_classes(form, at, row, error);
    return status
               ? status
               : check_halves(at + 8 + form->top * form->class_bytes, form->top, true, row, error);
}
