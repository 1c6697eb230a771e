/* SPDX-License-Identifier: MIT */
/*
 * A recording that is open: cases go to the end of a file, and may be interrupted at any byte;
 * recording.h says how it is found whole again.
 *
 * A power cut may leave bytes that were written later without those that were written before, so
 * some are waited for. The header is on the disk before the first case is written. A sealed file is
 * changed by the first append only, which cuts the seal off, and what is cut off is so on the disk
 * before anything takes its place: no mixture of a seal, or of a torn case, with a new case can be
 * left. Finishing brings the cases to the disk before it writes the seal, so a seal never speaks of
 * cases that were lost.
 */
#include "teacher/recording.h"

#include <string.h>

/* Where the next case goes. */
static uint64_t end_of(const kd_cache *c)
{
    return KDI_CACHE_HEADER + c->state.cases * c->form.record; /* as much is in the file */
}

kd_status kdi_teacher_clean_end(kd_cache *c, kd_error *error)
{
    if (c->file.size == end_of(c) && !c->unclean) {
        return KD_OK;
    }
    kd_status status = kdi_io_append_cut(&c->file, end_of(c), error);
    c->unclean = c->unclean && status != KD_OK;
    return status;
}

kd_status kdi_teacher_write_seal(kd_cache *c, kd_error *error)
{
    unsigned char seal[KDI_CACHE_SEAL];
    kdi_teacher_put_seal(&c->form, c->state.cases, c->state.crc, seal);
    kd_status status = kdi_io_append(&c->file, seal, sizeof seal, error);
    c->unclean = c->unclean || status != KD_OK;
    return status;
}

/* ---- opening ---- */

void kd_cache_destroy(kd_cache *cache)
{
    if (!cache) {
        return;
    }
    kd_context *context = cache->context;
    kdi_io_file_close(&cache->file);
    kdi_teacher_close_ids(&cache->ids, context);
    kdi_ctx_delete(context, cache->buffer, cache->buffer_size);
    kdi_ctx_delete(context, cache->order, cache->form.top * sizeof *cache->order);
    kdi_ctx_delete(context, cache->path, cache->path_size);
    kdi_ctx_delete(context, cache, sizeof *cache);
    kd_context_destroy(context);
}

/* Everything that needs no file; NULL: there is no memory for it. */
static kd_cache *create(kd_context *context, const char *path, const kdi_cache_form *form,
                        kd_error *error)
{
    kd_cache *c = kdi_ctx_new(context, sizeof *c);
    if (!c) {
        (void)kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a recording (%z bytes)",
                            sizeof *c);
        return NULL;
    }
    c->context = kdi_ctx_retain(context);
    c->file.descriptor = -1;
    c->form = *form;
    c->error = (kd_error)KD_ERROR_INIT;
    c->path_size = strlen(path) + 1;
    c->path = kdi_ctx_new(context, c->path_size);
    if (form->top > 0) {
        c->order = kdi_ctx_new(context, form->top * sizeof *c->order); /* about a record */
    }
    if (!c->path || (form->top > 0 && !c->order)) {
        (void)kdi_base_fail(error, KD_ERR_MEMORY, 0,
                            "no memory for a path of %z bytes and %z classes", c->path_size,
                            form->top);
        kd_cache_destroy(c);
        return NULL;
    }
    memcpy(c->path, path, c->path_size);
    return c;
}

static kd_status visit(void *user, uint64_t row, uint64_t id, unsigned char *record,
                       kd_error *error)
{
    kd_cache *c = user;
    (void)record;
    if (!kdi_teacher_add_id(&c->ids, id)) {
        return kdi_base_fail(error, KD_ERR_ID, 0, "case %z has id %z, as one before it has",
                             (size_t)row, (size_t)id);
    }
    return kdi_ctx_check(c->context, error);
}

/* A file that is there, with at least a header: checked, and what was torn cut off. */
static kd_status go_on(kd_cache *c, const kd_cache_options *o, kd_error *error)
{
    kdi_io_source source = kdi_io_file_source(&c->file);
    kdi_cache_form found;
    kd_status status = kdi_teacher_read_header(&source, &found, error);
    status = status ? status : kdi_teacher_compare(&found, o, false, error);
    if (status != KD_OK) {
        return kdi_io_where(error, status, c->path);
    }
    c->form = found;
    uint64_t most = (c->file.size - KDI_CACHE_HEADER) / found.record;
    status = most <= SIZE_MAX
                 ? kdi_teacher_reserve_ids(&c->ids, c->context, (size_t)most, error)
                 : kdi_base_fail(error, KD_ERR_TOO_LARGE, 0, "too many cases for this machine");
    status = status ? status : kdi_teacher_scan(&source, &found, NULL, visit, c, &c->state, error);
    if (status != KD_OK) {
        return kdi_io_where(error, status, c->path);
    }
    if (c->state.torn > 0) {
        return kdi_io_append_cut(&c->file, end_of(c), error);
    }
    /* Who was here before may have been killed between a write, or a cut, and its sync. */
    return c->state.finished ? KD_OK : kdi_io_append_sync(&c->file, error);
}

/* How much of this header a file that is not longer has: then there may be zeros, of bytes that
 * never came to the disk, but nothing else. */
static kd_status look_at_header(const kd_cache *c, kdi_io_source *source,
                                const unsigned char header[KDI_CACHE_HEADER], size_t *out_good,
                                kd_error *error)
{
    unsigned char there[KDI_CACHE_HEADER];
    size_t size = (size_t)c->file.size;
    size_t good = 0;
    kd_status status = kdi_io_read(source, 0, there, size, error);
    if (status != KD_OK) {
        return status;
    }
    while (good < size && there[good] == header[good]) {
        good++;
    }
    *out_good = good;
    while (good < size && there[good] == 0) {
        good++;
    }
    return good == size
               ? KD_OK
               : kdi_base_fail(error, KD_ERR_FORMAT, 2,
                               "its %z bytes are not the beginning of this recording", size);
}

/* A new file, or one that was no further. No case is behind a header that may still be lost. */
static kd_status begin(kd_cache *c, const unsigned char header[KDI_CACHE_HEADER], size_t good,
                       kd_error *error)
{
    kd_status status = KD_OK;
    c->state.crc = c->form.crc;
    if (good < c->file.size) {
        status = kdi_io_append_cut(&c->file, good, error);
    }
    status =
        status ? status : kdi_io_append(&c->file, header + good, KDI_CACHE_HEADER - good, error);
    return status ? status : kdi_io_append_sync(&c->file, error);
}

static kd_status begin_or_go_on(kd_cache *c, const kd_cache_options *o, kd_error *error)
{
    unsigned char header[KDI_CACHE_HEADER];
    kdi_io_source source = kdi_io_file_source(&c->file);
    size_t good = 0;
    if (c->file.size > KDI_CACHE_HEADER) {
        return go_on(c, o, error);
    }
    kdi_teacher_put_header(&c->form, header);
    bool whole = c->file.size == KDI_CACHE_HEADER; /* it may be another one, too */
    kd_status status = look_at_header(c, &source, header, &good, whole ? NULL : error);
    if (whole && (status != KD_OK || good == KDI_CACHE_HEADER)) {
        return go_on(c, o, error);
    }
    return status ? kdi_io_where(error, status, c->path) : begin(c, header, good, error);
}

kd_status kd_cache_open(kd_context *context, const char *path, const kd_cache_options *options,
                        kd_cache **out_cache, kd_error *error)
{
    if (!out_cache) {
        return kdi_base_fail(error, KD_ERR_NULL, 4, "out_cache is NULL");
    }
    *out_cache = NULL;
    if (!context || !path) {
        return kdi_base_fail(error, KD_ERR_NULL, context ? 2 : 1, "%s is NULL",
                             context ? "path" : "context");
    }
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    kdi_cache_form form;
    kd_status status = kdi_base_open(&o, sizeof o, options, "options", 3, error);
    status = status ? status : kdi_teacher_form_of(&form, &o, error);
    if (status != KD_OK) {
        return status;
    }
    kd_cache *c = create(context, path, &form, error);
    if (!c) {
        return KD_ERR_MEMORY;
    }
    o.encoding = form.encoding;
    o.kind = form.kind;
    status = kdi_io_append_open(&c->file, kdi_ctx_allocator(context), c->path, true, error);
    status = status ? status : begin_or_go_on(c, &o, error);
    if (status != KD_OK) {
        kd_cache_destroy(c);
        return status;
    }
    *out_cache = c;
    return KD_OK;
}

/* ---- the rest ---- */

kd_status kd_cache_finish(kd_cache *cache)
{
    if (!cache) {
        return KD_ERR_NULL;
    }
    kd_error *error = &cache->error;
    if (cache->state.cases == 0) {
        return kdi_base_fail(error, KD_ERR_STATE, 1, "nothing was recorded yet");
    }
    if (cache->file.unsure) {
        return kdi_base_fail(error, KD_ERR_IO, 0,
                             "the disk failed before, and may lack cases: open it again: %s",
                             cache->path);
    }
    if (cache->state.finished) {
        return kdi_io_append_sync(&cache->file, error);
    }
    kd_status status = kdi_teacher_clean_end(cache, error);
    status = status ? status : kdi_io_append_sync(&cache->file, error);
    status = status ? status : kdi_teacher_write_seal(cache, error);
    if (status != KD_OK) {
        return status;
    }
    status = kdi_io_append_sync(&cache->file, error);
    if (status != KD_OK) {
        cache->unclean = true; /* the seal must not stay, as the call has failed */
        (void)kdi_teacher_clean_end(cache, NULL);
        return status;
    }
    cache->state.finished = true;
    return KD_OK;
}

kd_status kd_cache_get_info(const kd_cache *cache, kd_cache_info *out_info, kd_error *error)
{
    if (!cache) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "cache is NULL");
    }
    kd_status status = kdi_base_open_out(out_info, "out_info", 2, error);
    if (status == KD_OK) {
        kdi_teacher_fill_info(&cache->form, &cache->state, out_info);
    }
    return status;
}

const char *kd_cache_error(const kd_cache *cache)
{
    return cache ? cache->error.text : "";
}
