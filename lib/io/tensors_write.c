/* SPDX-License-Identifier: MIT */
/*
 * safetensors files: writing. There is no way back in a writer, and the header with all checksums
 * comes first, so the bytes of a tensor are read twice. The code that lays out the header runs
 * twice too: first without a place, to measure, then with it.
 */
#include "io/parts.h"

#include <string.h>

#define PIECE 4096 /* bytes of a tensor that are handed out at a time */

typedef struct job {
    const kdi_io_item *items;
    size_t n_items;
    const kdi_io_word *words;
    size_t n_words;
    size_t *order; /* [n_items] as they are written */
    size_t *names; /* [n_items] by name */
    size_t *keys;  /* [n_words] by key */
    uint32_t *crcs;
    kd_error *error;
} job;

typedef struct text {
    unsigned char *base; /* NULL: it is only measured */
    size_t used;
    bool overflow;
    size_t sum; /* where the header's own checksum stands */
} text;

/* ---- the header ---- */

static void put(text *t, const char *bytes, size_t size)
{
    if (t->base) {
        memcpy(t->base + t->used, bytes, size);
    }
    t->overflow = t->overflow || !kdi_base_add(t->used, size, &t->used);
}

static void put_word(text *t, const char *word)
{
    put(t, word, strlen(word));
}

/* As the reference writes it: short escapes where there are some, \u00XX for the rest. */
static void put_escaped(text *t, const char *string)
{
    static const char letters[] = "\"\\bfnrt";
    static const char meanings[] = "\"\\\b\f\n\r\t";
    for (; *string; string++) {
        unsigned char c = (unsigned char)*string;
        const char *meaning = strchr(meanings, *string);
        if (meaning) {
            const char escape[2] = {'\\', letters[meaning - meanings]};
            put(t, escape, 2);
        } else if (c < 0x20) {
            char digits[8];
            kdi_io_put_hex(digits, c);
            put_word(t, "\\u");
            put(t, digits + 4, 4);
        } else {
            put(t, string, 1);
        }
    }
}

static void put_number(text *t, size_t value)
{
    char digits[24];
    kdi_base_say(digits, sizeof digits, "%z", value);
    put_word(t, digits);
}

static void put_pair(text *t, const char *prefix, const char *key, const char *value)
{
    put_word(t, ",\"");
    put_word(t, prefix);
    put_escaped(t, key);
    put_word(t, "\":\"");
    put_escaped(t, value);
    put_word(t, "\"");
}

static void put_metadata(text *t, const job *j)
{
    put_word(t, "{\"__metadata__\":{\"" KDI_IO_OWN "\":\"");
    t->sum = t->used;
    put_word(t, "00000000\"");
    for (size_t i = 0; i < j->n_words; i++) {
        const kdi_io_word *word = &j->words[j->keys[i]];
        put_pair(t, "", word->key, word->value);
    }
    for (size_t i = 0; i < j->n_items; i++) {
        char digits[9] = {0};
        kdi_io_put_hex(digits, j->crcs[j->order[i]]);
        put_pair(t, KDI_IO_SUM, j->items[j->order[i]].name, digits);
    }
    put_word(t, "}");
}

static size_t size_of(const kdi_io_item *item)
{
    size_t size = 0;
    (void)kdi_io_tensors_bytes(item->dtype, item->shape, item->rank, &size); /* checked before */
    return size;
}

static void put_tensor(text *t, const kdi_io_item *item, size_t *offset)
{
    put_word(t, ",\"");
    put_escaped(t, item->name);
    put_word(t, "\":{\"dtype\":\"");
    put_word(t, kdi_io_dtype_name(item->dtype));
    put_word(t, "\",\"shape\":[");
    for (size_t i = 0; i < item->rank; i++) {
        put_word(t, i ? "," : "");
        put_number(t, item->shape[i]);
    }
    put_word(t, "],\"data_offsets\":[");
    put_number(t, *offset);
    put_word(t, ",");
    t->overflow = t->overflow || !kdi_base_add(*offset, size_of(item), offset);
    put_number(t, *offset);
    put_word(t, "]}");
}

static void put_header(text *t, const job *j)
{
    size_t offset = 0;
    put_metadata(t, j);
    for (size_t i = 0; i < j->n_items; i++) {
        put_tensor(t, &j->items[j->order[i]], &offset);
    }
    put_word(t, "}");
    put(t, "       ", (8 - t->used % 8) % 8); /* the data is aligned to 8 bytes */
}

/* ---- order ---- */

static void swap_sizes(size_t *sizes, size_t a, size_t b)
{
    size_t swapped = sizes[a];
    sizes[a] = sizes[b];
    sizes[b] = swapped;
}

static bool order_less(const void *user, size_t a, size_t b)
{
    const job *j = user;
    const kdi_io_item *x = &j->items[j->order[a]];
    const kdi_io_item *y = &j->items[j->order[b]];
    return x->dtype != y->dtype ? x->dtype > y->dtype : strcmp(x->name, y->name) < 0;
}

static void order_swap(void *user, size_t a, size_t b)
{
    swap_sizes(((job *)user)->order, a, b);
}

static bool name_less(const void *user, size_t a, size_t b)
{
    const job *j = user;
    return strcmp(j->items[j->names[a]].name, j->items[j->names[b]].name) < 0;
}

static void name_swap(void *user, size_t a, size_t b)
{
    swap_sizes(((job *)user)->names, a, b);
}

static bool key_less(const void *user, size_t a, size_t b)
{
    const job *j = user;
    return strcmp(j->words[j->keys[a]].key, j->words[j->keys[b]].key) < 0;
}

static void key_swap(void *user, size_t a, size_t b)
{
    swap_sizes(((job *)user)->keys, a, b);
}

static void sort(job *j)
{
    for (size_t i = 0; i < j->n_items; i++) {
        j->order[i] = i;
        j->names[i] = i;
    }
    for (size_t i = 0; i < j->n_words; i++) {
        j->keys[i] = i;
    }
    kdi_io_sort(&(kdi_io_order){j, order_less, order_swap}, j->n_items);
    kdi_io_sort(&(kdi_io_order){j, name_less, name_swap}, j->n_items);
    kdi_io_sort(&(kdi_io_order){j, key_less, key_swap}, j->n_words);
}

/* ---- checks ---- */

static kd_status check_string(const char *string, const char *what, kd_error *error)
{
    const unsigned char *at = (const unsigned char *)string;
    const unsigned char *end = at + strlen(string);
    for (size_t size; at < end; at += size) {
        size = kdi_io_utf8(at, end);
        if (size == 0) {
            return kdi_base_fail(error, KD_ERR_VALUE, 0, "%s is not UTF-8 at byte %z", what,
                                 (size_t)(at - (const unsigned char *)string));
        }
    }
    return KD_OK;
}

static kd_status check_item(const kdi_io_item *item, size_t *total, kd_error *error)
{
    size_t size;
    kd_status status = check_string(item->name, "the name of a tensor", error);
    if (status != KD_OK) {
        return status;
    }
    kdi_io_quote quote = kdi_io_quoted(item->name);
    if (strcmp(item->name, "__metadata__") == 0) {
        return kdi_base_fail(error, KD_ERR_VALUE, 0, "a tensor can't be called __metadata__");
    }
    if (item->rank > KDI_IO_RANK) {
        return kdi_base_fail(error, KD_ERR_UNSUPPORTED, 0, "tensor \"%s\" has %z dimensions",
                             quote.text, item->rank);
    }
    if (!kdi_io_tensors_bytes(item->dtype, item->shape, item->rank, &size) ||
        !kdi_base_add(*total, size, total)) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 0, "tensor \"%s\" has too many bytes",
                             quote.text);
    }
    if (size > 0 && !item->bytes && !item->give) {
        return kdi_base_fail(error, KD_ERR_NULL, 0, "tensor \"%s\" has no bytes", quote.text);
    }
    return KD_OK;
}

static kd_status check_word(const kdi_io_word *word, kd_error *error)
{
    kdi_io_quote quote = kdi_io_quoted(word->key);
    if (strcmp(word->key, KDI_IO_OWN) == 0 ||
        strncmp(word->key, KDI_IO_SUM, strlen(KDI_IO_SUM)) == 0) {
        return kdi_base_fail(error, KD_ERR_VALUE, 0, "the key \"%s\" is for checksums", quote.text);
    }
    kd_status status = check_string(word->key, "a key of the metadata", error);
    return status ? status : check_string(word->value, "a value of the metadata", error);
}

static kd_status check_twins(const job *j)
{
    for (size_t i = 1; i < j->n_items; i++) {
        const char *name = j->items[j->names[i]].name;
        if (strcmp(j->items[j->names[i - 1]].name, name) == 0) {
            kdi_io_quote quote = kdi_io_quoted(name);
            return kdi_base_fail(j->error, KD_ERR_VALUE, 0, "two tensors are called \"%s\"",
                                 quote.text);
        }
    }
    for (size_t i = 1; i < j->n_words; i++) {
        const char *key = j->words[j->keys[i]].key;
        if (strcmp(j->words[j->keys[i - 1]].key, key) == 0) {
            kdi_io_quote quote = kdi_io_quoted(key);
            return kdi_base_fail(j->error, KD_ERR_VALUE, 0, "two strings have the key \"%s\"",
                                 quote.text);
        }
    }
    return KD_OK;
}

static kd_status check(const job *j)
{
    size_t total = 0;
    kd_status status = KD_OK;
    for (size_t i = 0; status == KD_OK && i < j->n_items; i++) {
        status = check_item(&j->items[i], &total, j->error);
    }
    for (size_t i = 0; status == KD_OK && i < j->n_words; i++) {
        status = check_word(&j->words[i], j->error);
    }
    return status;
}

/* ---- the data ---- */

/* All bytes of a tensor, piece by piece: into a checksum, and into the sink if there is one. */
static kd_status walk(const job *j, const kdi_io_item *item, kdi_io_sink *sink, uint32_t *out_crc)
{
    unsigned char piece[PIECE];
    size_t size = size_of(item);
    *out_crc = 0;
    for (size_t at = 0; at < size;) {
        size_t n = item->bytes || size - at < PIECE ? size - at : PIECE;
        const unsigned char *bytes = piece;
        kd_status status = KD_OK;
        if (item->bytes) {
            bytes = (const unsigned char *)item->bytes + at;
        } else {
            status = item->give(item->user, at, piece, n, j->error);
        }
        *out_crc = status ? 0 : kdi_io_crc(*out_crc, bytes, n);
        status = status || !sink ? status : kdi_io_write(sink, bytes, n, j->error);
        if (status != KD_OK) {
            return status;
        }
        at += n;
    }
    return KD_OK;
}

static kd_status write_data(const job *j, kdi_io_sink *sink)
{
    for (size_t i = 0; i < j->n_items; i++) {
        const kdi_io_item *item = &j->items[j->order[i]];
        uint32_t crc;
        kd_status status = walk(j, item, sink, &crc);
        if (status != KD_OK) {
            return status;
        }
        if (crc != j->crcs[j->order[i]]) {
            kdi_io_quote quote = kdi_io_quoted(item->name);
            return kdi_base_fail(j->error, KD_ERR_CHECKSUM, 0,
                                 "tensor \"%s\" changed while it was written", quote.text);
        }
    }
    return KD_OK;
}

static kd_status write_header(const job *j, const kdi_allocator *allocator, kdi_io_sink *sink)
{
    text t = {0};
    unsigned char prefix[8];
    char digits[8];
    put_header(&t, j);
    if (t.overflow || t.used > KDI_IO_HEADER) {
        return kdi_base_fail(j->error, KD_ERR_TOO_LARGE, 0, "a header of %z bytes, above %z",
                             t.used, (size_t)KDI_IO_HEADER);
    }
    size_t size = t.used;
    unsigned char *header = kdi_base_new(allocator, size);
    if (!header) {
        return kdi_base_fail(j->error, KD_ERR_MEMORY, 0, "no memory for a header (%z bytes)", size);
    }
    t = (text){.base = header};
    put_header(&t, j);
    kdi_io_put_hex(digits, kdi_io_crc(0, header, size));
    memcpy(header + t.sum, digits, sizeof digits);
    kdi_io_store(prefix, sizeof prefix, size);
    kd_status status = kdi_io_write(sink, prefix, sizeof prefix, j->error);
    status = status ? status : kdi_io_write(sink, header, size, j->error);
    kdi_base_delete(allocator, header, size);
    return status;
}

static void lay_out(job *j, kdi_arena *arena)
{
    j->order = kdi_base_take(arena, j->n_items, sizeof *j->order);
    j->names = kdi_base_take(arena, j->n_items, sizeof *j->names);
    j->keys = kdi_base_take(arena, j->n_words, sizeof *j->keys);
    j->crcs = kdi_base_take(arena, j->n_items, sizeof *j->crcs);
}

static kd_status write_all(job *j, const kdi_allocator *allocator, kdi_io_sink *sink)
{
    sort(j);
    kd_status status = check_twins(j);
    for (size_t i = 0; status == KD_OK && i < j->n_items; i++) {
        status = walk(j, &j->items[i], NULL, &j->crcs[i]);
    }
    status = status ? status : write_header(j, allocator, sink);
    return status ? status : write_data(j, sink);
}

kd_status kdi_io_tensors_write(const kdi_allocator *allocator, kdi_io_sink *sink,
                               const kdi_io_item *items, size_t n_items, const kdi_io_word *words,
                               size_t n_words, kd_error *error)
{
    job j = {
        .items = items, .n_items = n_items, .words = words, .n_words = n_words, .error = error};
    kdi_arena arena = {0};
    kd_status status = kdi_io_check_order(error);
    status = status ? status : check(&j);
    lay_out(&j, &arena);
    if (status == KD_OK && arena.overflow) {
        status = kdi_base_fail(error, KD_ERR_TOO_LARGE, 0, "%z tensors are too many", n_items);
    }
    if (status != KD_OK) {
        return kdi_io_where(error, status, sink->name);
    }
    size_t size = arena.used ? arena.used : 1;
    void *block = kdi_base_new(allocator, size);
    if (!block) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for an order (%z bytes)", size);
    }
    arena = (kdi_arena){.base = block};
    lay_out(&j, &arena);
    status = write_all(&j, allocator, sink);
    kdi_base_delete(allocator, block, size);
    return status ? kdi_io_where(error, status, sink->name) : KD_OK;
}
