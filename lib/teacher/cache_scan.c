/* SPDX-License-Identifier: MIT */
/* A recording read from its first byte to its last, through a small buffer; and kd_cache_verify. */
#include "teacher/recording.h"

#include <string.h>

#define WINDOW 4096
#define PIECE 1024
#define SECTOR 512 /* the least that a disk writes at once */

/* ---- bytes, one after the other ---- */

typedef struct window {
    const kdi_io_source *source;
    uint64_t at;  /* in the file, of what comes next */
    uint64_t end; /* of what may be read */
    size_t begin, filled;
    unsigned char bytes[WINDOW];
} window;

static kd_status take(window *w, void *out, size_t size, kd_error *error)
{
    unsigned char *to = out;
    while (size > 0) {
        if (w->begin == w->filled && size >= WINDOW) {
            kd_status status = kdi_io_read(w->source, w->at, to, size, error);
            w->at += size;
            return status;
        }
        if (w->begin == w->filled) {
            uint64_t left = w->end - w->at;
            size_t n = left < WINDOW ? (size_t)left : WINDOW;
            kd_status status = kdi_io_read(w->source, w->at, w->bytes, n, error);
            if (status != KD_OK) {
                return status;
            }
            w->at += n;
            w->begin = 0;
            w->filled = n;
        }
        size_t n = w->filled - w->begin < size ? w->filled - w->begin : size;
        memcpy(to, w->bytes + w->begin, n);
        w->begin += n;
        to += n;
        size -= n;
    }
    return KD_OK;
}

typedef struct scan {
    window window;
    const kdi_cache_form *form;
    unsigned char *record; /* [form.record], or NULL */
    uint64_t id;           /* of the last case */
    uint32_t crc;          /* of the checksums of all cases up to it */
    bool good;             /* whether its own was right */
} scan;

static kd_status read_case(scan *s, kd_error *error)
{
    unsigned char piece[PIECE];
    unsigned char sum[4];
    size_t body = s->form->record - sizeof sum;
    uint32_t crc = 0;
    for (size_t done = 0; done < body;) {
        size_t left = body - done;
        size_t n = s->record || left < PIECE ? left : PIECE;
        unsigned char *to = s->record ? s->record : piece;
        kd_status status = take(&s->window, to, n, error);
        if (status != KD_OK) {
            return status;
        }
        if (done == 0) {
            s->id = kdi_io_load(to, 8); /* a piece is larger than an id */
        }
        crc = kdi_io_crc(crc, to, n);
        done += n;
    }
    kd_status status = take(&s->window, sum, sizeof sum, error);
    if (status == KD_OK) {
        s->crc = kdi_io_crc(s->crc, sum, sizeof sum);
        s->good = kdi_io_load(sum, sizeof sum) == crc;
    }
    return status;
}

/* ---- the whole ---- */

static kd_status damaged(kd_error *error, uint64_t row, const char *why)
{
    return kdi_base_fail(error, KD_ERR_CHECKSUM, 0, "case %z is damaged%s", (size_t)row, why);
}

/*
 * Whether all bytes from `begin` to `end` that lie in one sector of the file are zeros. So reads
 * what a power cut has left where a file had grown, but its bytes never came to the disk.
 */
static kd_status find_hole(const kdi_io_source *source, uint64_t begin, uint64_t end,
                           bool *out_found, kd_error *error)
{
    unsigned char bytes[SECTOR];
    *out_found = false;
    while (begin < end && !*out_found) {
        size_t n = SECTOR - (size_t)(begin % SECTOR);
        n = n < end - begin ? n : (size_t)(end - begin);
        kd_status status = kdi_io_read(source, begin, bytes, n, error);
        if (status != KD_OK) {
            return status;
        }
        size_t zeros = 0;
        while (zeros < n && bytes[zeros] == 0) {
            zeros++;
        }
        *out_found = zeros == n;
        begin += n;
    }
    return KD_OK;
}

/* The seal at the end, if there is one, and whether it fits what is before it. */
static kd_status read_seal(const kdi_io_source *source, const kdi_cache_form *form,
                           unsigned char seal[KDI_CACHE_SEAL], bool *out_found, kd_error *error)
{
    uint64_t size = source->reader.size;
    *out_found = false;
    if (size - KDI_CACHE_HEADER < KDI_CACHE_SEAL) {
        return KD_OK;
    }
    uint64_t end = size - KDI_CACHE_SEAL;
    kd_status status = kdi_io_read(source, end, seal, KDI_CACHE_SEAL, error);
    if (status != KD_OK || !kdi_teacher_is_seal(form, seal)) {
        return status;
    }
    *out_found = true;
    uint64_t cases = kdi_io_load(seal + 8, 8);
    uint64_t body = end - KDI_CACHE_HEADER;
    uint64_t rows = body / form->record;
    if (cases == 0) {
        return kdi_base_fail(error, KD_ERR_FORMAT, 0, "it is finished, but has no case");
    }
    if (cases != rows || body % form->record != 0) {
        return kdi_base_fail(error, rows < cases ? KD_ERR_TRUNCATED : KD_ERR_CHECKSUM, 0,
                             "its seal speaks of %z cases of %z bytes, but there are %z bytes",
                             (size_t)cases, form->record, (size_t)body);
    }
    return KD_OK;
}

/* Whether what was torn is a seal after all: damaged, or with something behind it. */
static kd_status refuse_lost_seal(const kdi_io_source *source, const kdi_cache_form *form,
                                  const kdi_cache_state *state, kd_error *error)
{
    unsigned char due[KDI_CACHE_SEAL];
    unsigned char first[KDI_CACHE_SEAL];
    unsigned char last[KDI_CACHE_SEAL];
    uint64_t size = source->reader.size;
    uint64_t at = size - state->torn;
    size_t equal = 0;
    bool unwritten = false; /* a part of it never came to the disk */
    if (state->torn < KDI_CACHE_SEAL) {
        return KD_OK;
    }
    kdi_teacher_put_seal(form, state->cases, state->crc, due);
    kd_status status = kdi_io_read(source, at, first, sizeof first, error);
    status = status ? status : kdi_io_read(source, size - sizeof last, last, sizeof last, error);
    if (status == KD_OK && state->torn == KDI_CACHE_SEAL) {
        status = find_hole(source, at, size, &unwritten, error);
    }
    if (status != KD_OK) {
        return status;
    }
    for (size_t i = 0; i < sizeof due; i++) {
        equal += first[i] == due[i];
    }
    bool ends = memcmp(last, due, 8) == 0;
    if (!unwritten && (equal >= sizeof due / 2 || ends)) {
        return kdi_base_fail(error, KD_ERR_CHECKSUM, 0,
                             "behind case %z its seal is damaged, or is not the end",
                             (size_t)state->cases);
    }
    return KD_OK;
}

/* What a bad case of a file without a seal means: whether the recording ends before it. */
static kd_status ends_before(const scan *s, uint64_t row, bool *out_ends, kd_error *error)
{
    uint64_t at = KDI_CACHE_HEADER + row * s->form->record;
    return find_hole(s->window.source, at, at + s->form->record, out_ends, error);
}

static kd_status read_cases(scan *s, uint64_t rows, bool finished, kdi_cache_visit visit,
                            void *user, kdi_cache_state *out, kd_error *error)
{
    bool ended = false;
    for (uint64_t row = 0; row < rows && !ended; row++) {
        kd_status status = read_case(s, error);
        if (status != KD_OK) {
            return status;
        }
        if (finished && !s->good) {
            return damaged(error, row, "");
        }
        if (out->cases < row && s->good) {
            return damaged(error, out->cases, ", but one behind it is not");
        }
        if (!s->good) {
            status = out->cases == row ? ends_before(s, row, &ended, error) : KD_OK;
        } else {
            out->crc = s->crc;
            out->cases = row + 1;
            status = visit ? visit(user, row, s->id, s->record, error) : KD_OK;
        }
        if (status != KD_OK) {
            return status;
        }
    }
    return KD_OK;
}

kd_status kdi_teacher_scan(const kdi_io_source *source, const kdi_cache_form *form,
                           unsigned char *record, kdi_cache_visit visit, void *user,
                           kdi_cache_state *out, kd_error *error)
{
    unsigned char seal[KDI_CACHE_SEAL];
    scan s;
    s.form = form;
    s.record = record;
    s.crc = form->crc;
    *out = (kdi_cache_state){.crc = form->crc};
    kd_status status = read_seal(source, form, seal, &out->finished, error);
    if (status != KD_OK) {
        return status;
    }
    uint64_t body = source->reader.size - KDI_CACHE_HEADER - (out->finished ? KDI_CACHE_SEAL : 0);
    uint64_t rows = body / form->record;
    s.window.source = source;
    s.window.at = KDI_CACHE_HEADER;
    s.window.end = KDI_CACHE_HEADER + rows * form->record; /* <= size */
    s.window.begin = s.window.filled = 0;
    status = read_cases(&s, rows, out->finished, visit, user, out, error);
    if (status != KD_OK) {
        return status;
    }
    if (out->finished && kdi_io_load(seal + 16, 4) != out->crc) {
        return kdi_base_fail(error, KD_ERR_CHECKSUM, 0,
                             "all %z cases together do not have the checksum of the seal",
                             (size_t)out->cases);
    }
    out->torn = body - out->cases * form->record;
    return refuse_lost_seal(source, form, out, error);
}

kd_status kdi_teacher_read_header(const kdi_io_source *source, kdi_cache_form *out, kd_error *error)
{
    unsigned char bytes[KDI_CACHE_HEADER] = {0};
    unsigned char whole[KDI_CACHE_HEADER];
    uint64_t size = source->reader.size;
    size_t there = size < sizeof bytes ? (size_t)size : sizeof bytes;
    kd_status status = kdi_io_read(source, 0, bytes, there, error);
    if (status != KD_OK) {
        return status;
    }
    kdi_cache_form any = {.k = 1};
    kdi_teacher_put_header(&any, whole);
    if (there < sizeof bytes && memcmp(bytes, whole, there < 8 ? there : 8) == 0) {
        return kdi_base_fail(error, KD_ERR_TRUNCATED, 0, "it ends at byte %z, within its header",
                             there);
    }
    return kdi_teacher_get_header(out, bytes, error);
}

kd_status kd_cache_verify(const char *path, kd_cache_info *out_info, kd_error *error)
{
    if (!path) {
        return kdi_base_fail(error, KD_ERR_NULL, 1, "path is NULL");
    }
    kd_status status = kdi_base_open_out(out_info, "out_info", 2, error);
    kdi_io_file file;
    if (status == KD_OK) {
        status = kdi_io_file_open(&file, path, error);
    }
    if (status != KD_OK) {
        return status;
    }
    kdi_io_source source = kdi_io_file_source(&file);
    kdi_cache_form form;
    kdi_cache_state state;
    status = kdi_teacher_read_header(&source, &form, error);
    status = status ? status : kdi_teacher_scan(&source, &form, NULL, NULL, NULL, &state, error);
    kdi_io_file_close(&file);
    if (status != KD_OK) {
        return kdi_io_where(error, status, path);
    }
    kdi_teacher_fill_info(&form, &state, out_info);
    return KD_OK;
}
