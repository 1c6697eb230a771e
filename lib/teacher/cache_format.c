/* SPDX-License-Identifier: MIT */
/* Header and seal of a recording, as recording.h lays them out. */
#include "teacher/recording.h"

#include "loss/loss.h"

#include <string.h>

#define VERSION 1

static const char magic[] = "KDCACHE\n";
static const char seal_magic[] = "KDSEAL\r\n";

/* ---- what a recording may be ---- */

static const char *name_of(kd_cache_encoding encoding)
{
    static const char *const names[] = {"?", "F32", "F16", "TOPK"};
    bool known = encoding >= KD_CACHE_F32 && encoding <= KD_CACHE_TOPK;
    return names[known ? encoding : 0];
}

static kd_status check_kind(const kd_cache_options *o, kd_error *error)
{
    if (o->encoding < KD_CACHE_F32 || o->encoding > KD_CACHE_TOPK) {
        return kdi_base_fail(error, KD_ERR_KIND, 3, "options.encoding is %i, no such encoding",
                             (int64_t)o->encoding);
    }
    if (o->kind < KD_TARGET_LOGITS || o->kind > KD_TARGET_TOPK) {
        return kdi_base_fail(error, KD_ERR_KIND, 3, "options.kind is %i, no such kind",
                             (int64_t)o->kind);
    }
    bool fits =
        o->kind == KD_TARGET_LOGITS ||
        (o->kind == KD_TARGET_TOPK ? o->encoding == KD_CACHE_TOPK : o->encoding == KD_CACHE_F32);
    if (!fits) {
        return kdi_base_fail(error, KD_ERR_KIND, 3, "options.kind is %i, which %s can't hold",
                             (int64_t)o->kind, name_of(o->encoding));
    }
    return KD_OK;
}

static kd_status check_top(const kd_cache_options *o, kd_error *error)
{
    bool topk = o->encoding == KD_CACHE_TOPK;
    if (topk && o->top == 0) {
        return kdi_base_fail(error, KD_ERR_SIZE, 3, "options.top is 0");
    }
    if (topk ? o->top > o->k : o->top != 0) {
        return kdi_base_fail(error, KD_ERR_VALUE, 3, "options.top is %z, but %s keeps %s%z", o->top,
                             name_of(o->encoding), topk ? "at most " : "all ", o->k);
    }
    return KD_OK;
}

static kd_status check_temperature(const kd_cache_options *o, kd_error *error)
{
    if (o->encoding == KD_CACHE_TOPK || o->kind != KD_TARGET_LOGITS) {
        return kdi_loss_check_temperature(o->temperature, "options.temperature", 3, error);
    }
    if (o->temperature != 0.0f) {
        return kdi_base_fail(error, KD_ERR_TEMPERATURE, 3,
                             "options.temperature is %g, but logits have none: not 0",
                             (double)o->temperature);
    }
    return KD_OK;
}

/* Bytes of a case, or false. */
static bool measure(kdi_cache_form *form)
{
    bool f32 = form->encoding == KD_CACHE_F32;
    bool topk = form->encoding == KD_CACHE_TOPK;
    size_t fixed = f32 ? 12 : topk ? 20 : 16;
    form->class_bytes = !topk ? 0 : form->k <= 65536 ? 2 : 4;
    return kdi_base_mul(topk ? form->top : form->k, f32 ? 4 : 2 + form->class_bytes,
                        &form->record) &&
           kdi_base_add(form->record, fixed, &form->record) && form->record <= PTRDIFF_MAX;
}

kd_status kdi_teacher_form_of(kdi_cache_form *out, const kd_cache_options *options, kd_error *error)
{
    kd_cache_options o = *options;
    o.encoding = o.encoding ? o.encoding : KD_CACHE_F32;
    o.kind = o.kind ? o.kind : KD_TARGET_LOGITS;
    kd_status status = kdi_base_check_size(o.k, "options.k", 3, error);
    status = status ? status : check_kind(&o, error);
    status = status ? status : check_top(&o, error);
    status = status ? status : check_temperature(&o, error);
    if (status == KD_OK && o.reserved != 0) {
        status = kdi_base_fail(error, KD_ERR_STRUCT, 3, "options.reserved is %i, not 0",
                               (int64_t)o.reserved);
    }
    if (status != KD_OK) {
        return status;
    }
    *out = (kdi_cache_form){
        .k = o.k,
        .encoding = o.encoding,
        .kind = o.kind,
        .top = o.top,
        .temperature = o.temperature != 0.0f ? o.temperature : 0.0f, /* not -0 */
        .teacher_hash = o.teacher_hash,
        .data_hash = o.data_hash,
    };
    if (!measure(out)) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 3, "options.k is %z: too many bytes a case",
                             o.k);
    }
    return KD_OK;
}

/* ---- what is expected ---- */

static kd_status differ(kd_error *error, const char *field, uint64_t due, uint64_t found)
{
    return kdi_base_fail(error, KD_ERR_MISMATCH, 3, "options.%s is %z, the file has %z", field,
                         (size_t)due, (size_t)found);
}

kd_status kdi_teacher_compare(const kdi_cache_form *form, const kd_cache_options *expected,
                              bool any, kd_error *error)
{
    const struct {
        const char *field;
        uint64_t due;
        uint64_t found;
    } rows[] = {
        {"encoding", (uint64_t)expected->encoding, (uint64_t)form->encoding},
        {"kind", (uint64_t)expected->kind, (uint64_t)form->kind},
        {"k", expected->k, form->k},
        {"top", expected->top, form->top},
        {"teacher_hash", expected->teacher_hash, form->teacher_hash},
        {"data_hash", expected->data_hash, form->data_hash},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].due != rows[i].found && !(any && rows[i].due == 0)) {
            return differ(error, rows[i].field, rows[i].due, rows[i].found);
        }
    }
    float t = expected->temperature;
    if (t != form->temperature && !(any && t == 0.0f)) {
        return kdi_base_fail(error, KD_ERR_MISMATCH, 3,
                             "options.temperature is %g, the file has %g", (double)t,
                             (double)form->temperature);
    }
    return KD_OK;
}

/* ---- as bytes ---- */

void kdi_teacher_put_header(kdi_cache_form *form, unsigned char out[KDI_CACHE_HEADER])
{
    uint32_t t0;
    memcpy(&t0, &form->temperature, sizeof t0);
    memset(out, 0, KDI_CACHE_HEADER);
    memcpy(out, magic, 8);
    kdi_io_store(out + 8, 4, VERSION);
    kdi_io_store(out + 12, 4, KDI_CACHE_HEADER);
    kdi_io_store(out + 16, 4, (uint64_t)form->encoding);
    kdi_io_store(out + 20, 4, (uint64_t)form->kind);
    kdi_io_store(out + 24, 8, form->k);
    kdi_io_store(out + 32, 8, form->top);
    kdi_io_store(out + 40, 4, t0);
    kdi_io_store(out + 48, 8, form->teacher_hash);
    kdi_io_store(out + 56, 8, form->data_hash);
    form->crc = kdi_io_crc(0, out, KDI_CACHE_HEADER - 4);
    kdi_io_store(out + KDI_CACHE_HEADER - 4, 4, form->crc);
}

/* The options that a header says, whatever they are. */
static kd_cache_options read_options(const unsigned char *bytes)
{
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    uint32_t t0 = (uint32_t)kdi_io_load(bytes + 40, 4);
    o.encoding = (kd_cache_encoding)kdi_io_load(bytes + 16, 4);
    o.kind = (kd_target_kind)kdi_io_load(bytes + 20, 4);
    o.k = (size_t)kdi_io_load(bytes + 24, 8);
    o.top = (size_t)kdi_io_load(bytes + 32, 8);
    memcpy(&o.temperature, &t0, sizeof t0);
    o.teacher_hash = kdi_io_load(bytes + 48, 8);
    o.data_hash = kdi_io_load(bytes + 56, 8);
    return o;
}

kd_status kdi_teacher_get_header(kdi_cache_form *out, const unsigned char bytes[KDI_CACHE_HEADER],
                                 kd_error *error)
{
    uint64_t version = kdi_io_load(bytes + 8, 4);
    if (memcmp(bytes, magic, 8) != 0) {
        return kdi_base_fail(error, KD_ERR_FORMAT, 0, "not a recording of soft targets");
    }
    if (version != VERSION) {
        return kdi_base_fail(error, KD_ERR_VERSION, 0, "its version is %z, this library knows %z",
                             (size_t)version, (size_t)VERSION);
    }
    if (kdi_io_load(bytes + KDI_CACHE_HEADER - 4, 4) !=
        kdi_io_crc(0, bytes, KDI_CACHE_HEADER - 4)) {
        return kdi_base_fail(error, KD_ERR_CHECKSUM, 0, "its header is damaged");
    }
    kd_cache_options o = read_options(bytes);
    bool possible = kdi_teacher_form_of(out, &o, NULL) == KD_OK;
    if (possible) { /* one way to write each header: reserved bytes are 0, and so on */
        unsigned char again[KDI_CACHE_HEADER];
        kdi_teacher_put_header(out, again);
        possible = memcmp(again, bytes, sizeof again) == 0;
    }
    if (!possible) {
        return kdi_base_fail(error, KD_ERR_FORMAT, 0,
                             "no recording has its header: k %z, encoding %i, kind %i, top %z, "
                             "temperature %g, or what should be 0 is not",
                             o.k, (int64_t)o.encoding, (int64_t)o.kind, o.top,
                             (double)o.temperature);
    }
    return KD_OK;
}

void kdi_teacher_put_seal(const kdi_cache_form *form, uint64_t cases, uint32_t crc,
                          unsigned char out[KDI_CACHE_SEAL])
{
    memcpy(out, seal_magic, 8);
    kdi_io_store(out + 8, 8, cases);
    kdi_io_store(out + 16, 4, crc);
    kdi_io_store(out + 20, 4, kdi_io_crc(form->crc, out, 20));
}

bool kdi_teacher_is_seal(const kdi_cache_form *form, const unsigned char bytes[KDI_CACHE_SEAL])
{
    return memcmp(bytes, seal_magic, 8) == 0 &&
           kdi_io_load(bytes + 20, 4) == kdi_io_crc(form->crc, bytes, 20);
}

void kdi_teacher_fill_info(const kdi_cache_form *form, const kdi_cache_state *state,
                           kd_cache_info *out_info)
{
    kd_cache_info info = {
        .k = form->k,
        .encoding = form->encoding,
        .kind = form->kind,
        .top = form->top,
        .temperature = form->temperature,
        .finished = state->finished,
        .teacher_hash = form->teacher_hash,
        .data_hash = form->data_hash,
        .cases = state->cases,
        .case_bytes = form->record,
        .torn_bytes = state->torn,
    };
    kdi_base_write_struct(out_info, &info, sizeof info);
}
