/* SPDX-License-Identifier: MIT */
/*
 * A finished recording as teacher. What stays in memory is where each sample id's case is; the
 * cases themselves are read again whenever they are asked for, and checked again.
 */
#include "teacher/recording.h"

#include <string.h>

typedef struct cache_teacher {
    kd_teacher head;
    kdi_cache_form form;
    kdi_io_file file;
    char *path; /* [path_size] */
    size_t path_size;
    size_t n;
    kdi_teacher_id *ids; /* [room], n of them by id */
    size_t room;
} cache_teacher;

/* What asking needs beside the values. */
typedef struct places {
    unsigned char *record; /* [form.record] */
    uint32_t *index;       /* TOPK: [batch,top] */
    float *tail;           /* TOPK: [batch] */
} places;

static cache_teacher *cache_of(const kd_teacher_workspace *ws)
{
    return (cache_teacher *)ws->teacher;
}

/* ---- asking ---- */

static void *lay_out(const kd_teacher_workspace *ws, kdi_arena *arena)
{
    size_t count = 0;
    const kdi_cache_form *form = &cache_of(ws)->form;
    bool topk = form->encoding == KD_CACHE_TOPK;
    arena->overflow = !kdi_base_mul(ws->batch, topk ? form->top : 0, &count);
    places *p = kdi_base_take(arena, 1, sizeof *p);
    unsigned char *record = kdi_base_take(arena, form->record, 1);
    uint32_t *index = kdi_base_take(arena, count, sizeof *index);
    float *tail = kdi_base_take(arena, topk ? ws->batch : 0, sizeof *tail);
    if (p) {
        *p = (places){.record = record, .index = index, .tail = tail};
    }
    return p;
}

static kd_status open(kd_teacher_workspace *ws, kd_error *error)
{
    return kdi_teacher_make_extra(ws, lay_out, error);
}

static kd_status read_case(cache_teacher *t, size_t row, uint64_t id, unsigned char *record,
                           kd_error *error)
{
    kdi_io_source source = kdi_io_file_source(&t->file);
    size_t size = t->form.record;
    uint64_t at = KDI_CACHE_HEADER + (uint64_t)row * size; /* within the file, as it was checked */
    kd_status status = kdi_io_read(&source, at, record, size, error);
    if (status == KD_OK && (kdi_io_load(record + size - 4, 4) != kdi_io_crc(0, record, size - 4) ||
                            kdi_io_load(record, 8) != id)) {
        status = kdi_base_fail(error, KD_ERR_CHECKSUM, 0,
                               "case %z, of id %z, was changed since the file was opened", row,
                               (size_t)id);
    }
    return status ? kdi_io_where(error, status, t->path) : KD_OK;
}

static kd_status ask(kd_teacher_workspace *ws, const kd_batch *batch, float temperature, float *out,
                     kd_targets *targets, kd_error *error)
{
    (void)temperature;
    cache_teacher *t = cache_of(ws);
    const places *p = ws->extra;
    size_t width = kdi_teacher_width(&t->head);
    for (size_t i = 0; i < batch->n; i++) {
        size_t row;
        kd_status status = kdi_teacher_row_of(t->ids, t->n, batch, i, &row, error);
        status = status ? status : read_case(t, row, batch->ids[i], p->record, error);
        if (status != KD_OK) {
            return status;
        }
        bool topk = p->tail != NULL;
        kdi_teacher_decode(&t->form, p->record, out + i * width,
                           topk ? p->index + i * t->form.top : NULL, topk ? p->tail + i : NULL);
    }
    targets->temperature = t->form.temperature;
    targets->top = t->form.top;
    targets->topk_index = p->index;
    targets->tail = p->tail;
    return KD_OK;
}

static kd_status hash(const kd_teacher *teacher, uint64_t *out, kd_error *error)
{
    (void)error;
    *out = ((const cache_teacher *)teacher)->form.teacher_hash;
    return KD_OK;
}

static void release(kd_teacher *teacher)
{
    cache_teacher *t = (cache_teacher *)teacher;
    kdi_io_file_close(&t->file);
    kdi_ctx_delete(teacher->context, t->ids, t->room * sizeof *t->ids);
    kdi_ctx_delete(teacher->context, t->path, t->path_size);
}

static const kdi_teacher_ops ops = {
    .open = open,
    .ask = ask,
    .hash = hash,
    .release = release,
};

/* ---- opening ---- */

static kd_status visit(void *user, uint64_t row, uint64_t id, unsigned char *record,
                       kd_error *error)
{
    cache_teacher *t = user;
    t->ids[row] = (kdi_teacher_id){id, (size_t)row}; /* there is room for all */
    kd_status status = kdi_teacher_check_record(&t->form, row, record, error);
    return status ? status : kdi_ctx_check(t->head.context, error);
}

static kd_status check_cases(cache_teacher *t, const kdi_io_source *source, unsigned char *record,
                             kd_error *error)
{
    kdi_cache_state state;
    kd_status status = kdi_teacher_scan(source, &t->form, record, visit, t, &state, error);
    if (status == KD_OK && !state.finished) {
        status =
            kdi_base_fail(error, KD_ERR_STATE, 2, "the recording is not finished: %z cases so far",
                          (size_t)state.cases);
    }
    if (status != KD_OK) {
        return status;
    }
    t->n = (size_t)state.cases;
    size_t twin = kdi_teacher_sort_ids(t->ids, t->n);
    if (twin > 0) {
        return kdi_base_fail(error, KD_ERR_ID, 0, "cases %z and %z both have id %z",
                             t->ids[twin - 1].row, t->ids[twin].row, (size_t)t->ids[twin].id);
    }
    return KD_OK;
}

/* A case has 16 bytes or more, so neither ids nor the room for one take more than the file. */
static kd_status read_cases(cache_teacher *t, const kdi_io_source *source, kd_error *error)
{
    uint64_t most = (t->file.size - KDI_CACHE_HEADER) / t->form.record;
    size_t bytes;
    if (most == 0) {
        return check_cases(t, source, NULL, error); /* not finished, or not sound */
    }
    if (most > SIZE_MAX || !kdi_base_mul((size_t)most, sizeof *t->ids, &bytes)) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 2, "too many cases for this machine");
    }
    kd_context *context = t->head.context;
    unsigned char *record = kdi_ctx_new(context, t->form.record);
    t->ids = kdi_ctx_new(context, bytes);
    t->room = (size_t)most;
    kd_status status =
        record && t->ids ? check_cases(t, source, record, error)
                         : kdi_base_fail(error, KD_ERR_MEMORY, 0,
                                         "no memory for %z sample ids (%z bytes)", t->room, bytes);
    kdi_ctx_delete(context, record, t->form.record);
    return status;
}

static kd_status fill(cache_teacher *t, const char *path, const kd_cache_options *expected,
                      kd_error *error)
{
    t->file.descriptor = -1;
    t->path_size = strlen(path) + 1;
    t->path = kdi_ctx_new(t->head.context, t->path_size);
    if (!t->path) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a path (%z bytes)",
                             t->path_size);
    }
    memcpy(t->path, path, t->path_size);
    kd_status status = kdi_io_file_open(&t->file, t->path, error);
    if (status != KD_OK) {
        return status;
    }
    kdi_io_source source = kdi_io_file_source(&t->file);
    status = kdi_teacher_read_header(&source, &t->form, error);
    status = status ? status : kdi_teacher_compare(&t->form, expected, true, error);
    status = status ? status : read_cases(t, &source, error);
    if (status != KD_OK) {
        return kdi_io_where(error, status, path);
    }
    bool topk = t->form.encoding == KD_CACHE_TOPK;
    t->head.k = t->form.k;
    t->head.top = t->form.top;
    t->head.kind = topk ? KD_TARGET_TOPK : t->form.kind;
    t->head.by_id = true;
    return KD_OK;
}

kd_status kd_teacher_from_cache(kd_context *context, const char *path,
                                const kd_cache_options *expected, kd_teacher **out_teacher,
                                kd_error *error)
{
    if (!out_teacher) {
        return kdi_base_fail(error, KD_ERR_NULL, 4, "out_teacher is NULL");
    }
    *out_teacher = NULL;
    if (!context || !path) {
        return kdi_base_fail(error, KD_ERR_NULL, context ? 2 : 1, "%s is NULL",
                             context ? "path" : "context");
    }
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    kd_status status =
        expected ? kdi_base_open(&o, sizeof o, expected, "expected", 3, error) : KD_OK;
    if (status == KD_OK && o.reserved != 0) {
        status = kdi_base_fail(error, KD_ERR_STRUCT, 3, "expected.reserved is %i, not 0",
                               (int64_t)o.reserved);
    }
    kd_teacher *teacher;
    if (status == KD_OK) {
        status = kdi_teacher_new(context, sizeof(cache_teacher), &ops, &teacher, error);
    }
    if (status != KD_OK) {
        return status;
    }
    status = fill((cache_teacher *)teacher, path, &o, error);
    if (status != KD_OK) {
        kd_teacher_destroy(teacher);
        return status;
    }
    *out_teacher = teacher;
    return KD_OK;
}
