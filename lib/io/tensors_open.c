/* SPDX-License-Identifier: MIT */
/*
 * safetensors files: opening. The header is kept as it stands in the file, its strings turned into
 * C strings in place, and an index of 36 bytes a tensor and 4 bytes a string points into it: less
 * than the header itself has for them, so a file costs less memory than twice its size.
 */
#include "io/parts.h"

#include <string.h>

/* ---- order ---- */

static bool entry_less(const void *user, size_t a, size_t b)
{
    const kdi_io_entry *e = ((const kdi_io_tensors *)user)->index.entries;
    return e[a].begin != e[b].begin ? e[a].begin < e[b].begin : e[a].end < e[b].end;
}

static void entry_swap(void *user, size_t a, size_t b)
{
    kdi_io_entry *e = ((kdi_io_tensors *)user)->index.entries;
    kdi_io_entry swapped = e[a];
    e[a] = e[b];
    e[b] = swapped;
}

static void swap_numbers(uint32_t *numbers, size_t a, size_t b)
{
    uint32_t swapped = numbers[a];
    numbers[a] = numbers[b];
    numbers[b] = swapped;
}

static bool name_less(const void *user, size_t a, size_t b)
{
    return strcmp(kdi_io_name_of(user, a), kdi_io_name_of(user, b)) < 0;
}

static void name_swap(void *user, size_t a, size_t b)
{
    swap_numbers(((kdi_io_tensors *)user)->by_name, a, b);
}

static bool key_less(const void *user, size_t a, size_t b)
{
    return strcmp(kdi_io_key_of(user, a), kdi_io_key_of(user, b)) < 0;
}

static void key_swap(void *user, size_t a, size_t b)
{
    swap_numbers(((kdi_io_tensors *)user)->index.words, a, b);
}

static void sort(kdi_io_tensors *t)
{
    kdi_io_sort(&(kdi_io_order){t, entry_less, entry_swap}, t->index.n_entries);
    for (size_t i = 0; i < t->index.n_entries; i++) {
        t->by_name[i] = (uint32_t)i;
    }
    kdi_io_sort(&(kdi_io_order){t, name_less, name_swap}, t->index.n_entries);
    kdi_io_sort(&(kdi_io_order){t, key_less, key_swap}, t->index.n_words);
}

/* ---- checks ---- */

static kd_status wrong(kd_error *error, kd_status status, const char *what, const char *name,
                       size_t a, size_t b)
{
    kdi_io_quote quote = kdi_io_quoted(name);
    return kdi_base_fail(error, status, 0, what, quote.text, a, b);
}

static kd_status check_twins(const kdi_io_tensors *t, kd_error *error)
{
    for (size_t i = 1; i < t->index.n_entries; i++) {
        if (strcmp(kdi_io_name_of(t, i - 1), kdi_io_name_of(t, i)) == 0) {
            return wrong(error, KD_ERR_FORMAT, "two tensors are called \"%s\"",
                         kdi_io_name_of(t, i), 0, 0);
        }
    }
    for (size_t i = 1; i < t->index.n_words; i++) {
        if (strcmp(kdi_io_key_of(t, i - 1), kdi_io_key_of(t, i)) == 0) {
            return wrong(error, KD_ERR_FORMAT, "two strings of __metadata__ are called \"%s\"",
                         kdi_io_key_of(t, i), 0, 0);
        }
    }
    return KD_OK;
}

/* The tensors follow each other without a hole, and each has the bytes of its shape. */
static kd_status check_entry(const kdi_io_tensors *t, const kdi_io_entry *e, size_t begin,
                             kd_error *error)
{
    const char *name = kdi_io_string_at(t, e->name);
    size_t shape[KDI_IO_RANK];
    size_t bytes;
    if (e->end < e->begin) {
        return wrong(error, KD_ERR_FORMAT, "tensor \"%s\" ends at %z, before it begins at %z", name,
                     e->end, e->begin);
    }
    if (e->begin != begin) {
        return wrong(error, KD_ERR_FORMAT,
                     "tensor \"%s\" begins at %z, but the one before ends at %z", name, e->begin,
                     begin);
    }
    kdi_io_tensors_shape(t->header, t->header_size, e, shape);
    if (!kdi_io_tensors_bytes((kdi_io_dtype)e->dtype, shape, e->rank, &bytes)) {
        return wrong(error, KD_ERR_TOO_LARGE, "the shape of tensor \"%s\" has too many bytes", name,
                     0, 0);
    }
    if (bytes != e->end - e->begin) {
        return wrong(error, KD_ERR_FORMAT,
                     "tensor \"%s\" has %z bytes by its shape, %z by its offsets", name, bytes,
                     e->end - e->begin);
    }
    return KD_OK;
}

static kd_status check_entries(const kdi_io_tensors *t, kd_error *error)
{
    size_t end = 0;
    for (size_t i = 0; i < t->index.n_entries; i++) {
        const kdi_io_entry *e = &t->index.entries[i];
        kd_status status = check_entry(t, e, end, error);
        if (status != KD_OK) {
            return status;
        }
        end = e->end;
    }
    uint64_t data = t->source.reader.size - KDI_IO_PREFIX - t->header_size;
    if (end != data) {
        return kdi_base_fail(error, end > data ? KD_ERR_TRUNCATED : KD_ERR_FORMAT, 0,
                             "the tensors have %z bytes, but %z follow the header", end,
                             (size_t)data);
    }
    return KD_OK;
}

/* The header's own checksum, taken with its digits as zeros. Before anything is changed in it. */
static kd_status check_header(kdi_io_tensors *t, kdi_io_origin origin, kd_error *error)
{
    uint32_t due = 0;
    size_t at = t->index.sum;
    if (at == 0 || !kdi_io_get_hex((const char *)t->header + at, &due)) {
        return origin == KDI_IO_FOREIGN
                   ? KD_OK
                   : kdi_base_fail(error, KD_ERR_FORMAT, 0,
                                   "not written by libkd, or damaged: there is no checksum %s",
                                   KDI_IO_OWN);
    }
    uint32_t crc = kdi_io_crc(0, t->header, at);
    crc = kdi_io_crc(crc, "00000000", 8);
    crc = kdi_io_crc(crc, t->header + at + 8, t->header_size - at - 8);
    t->sums = crc == due;
    if (!t->sums && origin == KDI_IO_OURS) {
        return kdi_base_fail(error, KD_ERR_CHECKSUM, 0, "the header does not have its checksum");
    }
    return KD_OK;
}

static kd_status check_sums(const kdi_io_tensors *t, kd_error *error)
{
    for (size_t i = 0; i < t->index.n_entries; i++) {
        if (!kdi_io_tensors_get(t, i).has_crc) {
            return wrong(error, KD_ERR_FORMAT, "tensor \"%s\" has no checksum",
                         kdi_io_string_at(t, t->index.entries[i].name), 0, 0);
        }
    }
    return KD_OK;
}

/* ---- opening ---- */

static kd_status read_header(kdi_io_tensors *t, kd_error *error)
{
    unsigned char prefix[KDI_IO_PREFIX];
    kd_status status = kdi_io_read(&t->source, 0, prefix, KDI_IO_PREFIX, error);
    if (status != KD_OK) {
        return status;
    }
    uint64_t size = kdi_io_load(prefix, KDI_IO_PREFIX);
    if (size < 2 || size > KDI_IO_HEADER) {
        return kdi_base_fail(error, KD_ERR_FORMAT, 0,
                             "not a safetensors file: a header of %z bytes, not of 2 to %z",
                             (size_t)size, (size_t)KDI_IO_HEADER);
    }
    if (size > t->source.reader.size - KDI_IO_PREFIX) {
        return kdi_base_fail(error, KD_ERR_TRUNCATED, 0,
                             "a header of %z bytes is due, but there are %z in all", (size_t)size,
                             (size_t)t->source.reader.size);
    }
    t->header_size = (size_t)size;
    t->header = kdi_base_new(&t->allocator, t->header_size);
    if (!t->header) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a header (%z bytes)",
                             t->header_size);
    }
    return kdi_io_read(&t->source, KDI_IO_PREFIX, t->header, t->header_size, error);
}

static void lay_out(kdi_io_tensors *t, kdi_arena *arena)
{
    t->index.entries = kdi_base_take(arena, t->index.n_entries, sizeof *t->index.entries);
    t->index.words = kdi_base_take(arena, t->index.n_words, sizeof *t->index.words);
    t->by_name = kdi_base_take(arena, t->index.n_entries, sizeof *t->by_name);
}

static kd_status new_index(kdi_io_tensors *t, kd_error *error)
{
    kdi_arena arena = {0};
    lay_out(t, &arena); /* the counts come from what was read, so they can't overflow */
    if (arena.used == 0) {
        return KD_OK;
    }
    t->block_size = arena.used;
    t->block = kdi_base_new(&t->allocator, t->block_size);
    if (!t->block) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for an index (%z bytes)",
                             t->block_size);
    }
    arena = (kdi_arena){.base = t->block};
    lay_out(t, &arena);
    return KD_OK;
}

static kd_status read_all(kdi_io_tensors *t, kdi_io_origin origin, kd_error *error)
{
    kd_status status = kdi_io_check_order(error);
    status = status ? status : read_header(t, error);
    if (status != KD_OK) {
        return status;
    }
    kdi_io_cursor c = {.text = t->header,
                       .size = t->header_size,
                       .before = KDI_IO_PREFIX,
                       .space = KDI_IO_JSON_SPACE,
                       .error = error};
    status = kdi_io_tensors_parse(&c, false, &t->index);
    status = status ? status : check_header(t, origin, error);
    status = status ? status : new_index(t, error);
    if (status != KD_OK) {
        return status;
    }
    (void)kdi_io_tensors_parse(&c, true, &t->index); /* it went well before */
    sort(t);
    status = check_twins(t, error);
    status = status ? status : check_entries(t, error);
    return status || origin == KDI_IO_FOREIGN ? status : check_sums(t, error);
}

kd_status kdi_io_tensors_open(const kdi_allocator *allocator, const kdi_io_source *source,
                              kdi_io_origin origin, kdi_io_tensors **out, kd_error *error)
{
    *out = NULL;
    kdi_io_tensors *t = kdi_base_new(allocator, sizeof *t);
    if (!t) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a file (%z bytes)", sizeof *t);
    }
    t->allocator = *allocator;
    t->source = *source;
    kd_status status = read_all(t, origin, error);
    if (status != KD_OK) {
        kdi_io_tensors_close(t);
        return kdi_io_where(error, status, source->name);
    }
    *out = t;
    return KD_OK;
}

void kdi_io_tensors_close(kdi_io_tensors *t)
{
    if (t) {
        kdi_allocator allocator = t->allocator;
        kdi_base_delete(&allocator, t->block, t->block_size);
        kdi_base_delete(&allocator, t->header, t->header_size);
        kdi_base_delete(&allocator, t, sizeof *t);
    }
}
