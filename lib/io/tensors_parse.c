/* SPDX-License-Identifier: MIT */
/*
 * The grammar of a safetensors header:
 *
 *   header   = "{" [ member { "," member } ] "}" { " " }
 *   member   = "__metadata__" ":" "{" [ string ":" string { "," ... } ] "}"      once at most
 *            | name ":" "{" the fields dtype, shape, data_offsets, once each, in any order "}"
 *
 * with white space between the words. Whether the tensors fill the file is not decided here.
 */
#include "io/parts.h"

#include <string.h>

typedef struct dtype_row {
    char name[5];
    uint8_t size;
} dtype_row;

static const dtype_row dtypes[KDI_IO_DTYPES] = {
    {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"I16", 2}, {"U16", 2}, {"F16", 2}, {"BF16", 2},
    {"I32", 4},  {"U32", 4}, {"F32", 4}, {"F64", 8}, {"I64", 8}, {"U64", 8},
};

/* Of the format, but nothing that libkd computes with. */
static const char known[][8] = {"F4", "F6_E2M3", "F6_E3M2", "F8_E4M3", "F8_E5M2", "F8_E8M0", "C64"};

size_t kdi_io_dtype_size(kdi_io_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *kdi_io_dtype_name(kdi_io_dtype dtype)
{
    return dtypes[dtype].name;
}

bool kdi_io_tensors_bytes(kdi_io_dtype dtype, const size_t *shape, size_t rank, size_t *out)
{
    *out = 1; /* in this order, as the reference does: a 0 does not excuse what is before it */
    for (size_t i = 0; i < rank; i++) {
        if (!kdi_base_mul(*out, shape[i], out)) {
            return false;
        }
    }
    return kdi_base_mul(*out, kdi_io_dtype_size(dtype), out);
}

static kd_status parse_dtype(kdi_io_cursor *c, bool keep, kdi_io_entry *entry)
{
    kdi_io_string s;
    kd_status status = kdi_io_take_string(c, keep, &s);
    if (status != KD_OK) {
        return status;
    }
    for (size_t i = 0; i < KDI_IO_DTYPES; i++) {
        if (kdi_io_is(&s, dtypes[i].name)) {
            entry->dtype = (uint8_t)i;
            return KD_OK;
        }
    }
    kdi_io_quote quote = kdi_io_quoted(s.start);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (kdi_io_is(&s, known[i])) {
            return kdi_base_fail(c->error, KD_ERR_UNSUPPORTED, 0,
                                 "byte %z: no support for dtype %s", c->before + s.at, quote.text);
        }
    }
    return kdi_base_fail(c->error, KD_ERR_FORMAT, 0, "byte %z: there is no dtype %s",
                         c->before + s.at, quote.text);
}

/* The numbers of a shape; `shape` NULL: they are only counted. */
static kd_status parse_shape(kdi_io_cursor *c, kdi_io_entry *entry, size_t *shape)
{
    kd_status status = kdi_io_take(c, '[');
    if (status != KD_OK) {
        return status;
    }
    entry->shape = (uint32_t)c->at;
    entry->rank = 0;
    if (kdi_io_try(c, ']')) {
        return KD_OK;
    }
    do {
        size_t size;
        status = kdi_io_take_size(c, &size);
        if (status != KD_OK) {
            return status;
        }
        if (entry->rank == KDI_IO_RANK) {
            return kdi_base_fail(c->error, KD_ERR_UNSUPPORTED, 0,
                                 "byte %z: no support for more than %z dimensions",
                                 c->before + entry->shape, (size_t)KDI_IO_RANK);
        }
        if (shape) {
            shape[entry->rank] = size;
        }
        entry->rank++;
    } while (kdi_io_try(c, ','));
    return kdi_io_try(c, ']') ? KD_OK : kdi_io_expected(c, ", or ]");
}

void kdi_io_tensors_shape(unsigned char *header, size_t size, const kdi_io_entry *entry,
                          size_t out_shape[KDI_IO_RANK])
{
    kdi_io_cursor c = {
        .text = header, .size = size, .at = entry->shape - 1, .space = KDI_IO_JSON_SPACE};
    kdi_io_entry again = *entry;
    (void)parse_shape(&c, &again, out_shape); /* it went well before */
}

static kd_status parse_offsets(kdi_io_cursor *c, kdi_io_entry *entry)
{
    kd_status status = kdi_io_take(c, '[');
    status = status ? status : kdi_io_take_size(c, &entry->begin);
    status = status ? status : kdi_io_take(c, ',');
    status = status ? status : kdi_io_take_size(c, &entry->end);
    return status ? status : kdi_io_take(c, ']');
}

static kd_status parse_field(kdi_io_cursor *c, bool keep, kdi_io_entry *entry, unsigned *seen)
{
    static const char names[][13] = {"dtype", "shape", "data_offsets"};
    kdi_io_string field;
    kd_status status = kdi_io_take_string(c, keep, &field);
    unsigned which = 0;
    while (status == KD_OK && which < 3 && !kdi_io_is(&field, names[which])) {
        which++;
    }
    status = status ? status : kdi_io_take(c, ':');
    if (status != KD_OK) {
        return status;
    }
    if (which == 3 || *seen & 1u << which) {
        kdi_io_quote quote = kdi_io_quoted(field.start);
        return kdi_base_fail(c->error, KD_ERR_FORMAT, 0, "byte %z: field %s of a tensor %s",
                             c->before + field.at, quote.text,
                             which == 3 ? "is unknown" : "stands twice");
    }
    *seen |= 1u << which;
    return which == 0   ? parse_dtype(c, keep, entry)
           : which == 1 ? parse_shape(c, entry, NULL)
                        : parse_offsets(c, entry);
}

static kd_status parse_tensor(kdi_io_cursor *c, bool keep, kdi_io_index *index,
                              const kdi_io_string *name)
{
    kdi_io_entry entry = {.name = (uint32_t)name->at};
    unsigned seen = 0;
    kd_status status = kdi_io_take(c, '{');
    do {
        status = status ? status : parse_field(c, keep, &entry, &seen);
    } while (status == KD_OK && kdi_io_try(c, ','));
    if (status == KD_OK && seen != 7) {
        return kdi_io_expected(c, "another of the fields dtype, shape, data_offsets");
    }
    if (status == KD_OK && !kdi_io_try(c, '}')) {
        return kdi_io_expected(c, ", or }");
    }
    if (status == KD_OK && keep) {
        index->entries[index->n_entries] = entry;
    }
    index->n_entries++;
    return status;
}

static kd_status parse_word(kdi_io_cursor *c, bool keep, kdi_io_index *index)
{
    kdi_io_string key;
    kdi_io_string value;
    kd_status status = kdi_io_take_string(c, keep, &key);
    status = status ? status : kdi_io_take(c, ':');
    status = status ? status : kdi_io_take_string(c, keep, &value);
    if (status != KD_OK) {
        return status;
    }
    if (kdi_io_is(&key, KDI_IO_OWN)) {
        /* Our writer never escapes a digit: who does has no checksum that counts. */
        index->sum = value.raw == 8 ? value.at : 0;
    }
    if (keep) {
        index->words[index->n_words] = (uint32_t)key.at;
    }
    index->n_words++;
    return KD_OK;
}

static kd_status parse_words(kdi_io_cursor *c, bool keep, kdi_io_index *index)
{
    kd_status status = kdi_io_take(c, '{');
    if (status != KD_OK || kdi_io_try(c, '}')) {
        return status;
    }
    do {
        status = parse_word(c, keep, index);
    } while (status == KD_OK && kdi_io_try(c, ','));
    if (status == KD_OK && !kdi_io_try(c, '}')) {
        return kdi_io_expected(c, ", or }");
    }
    return status;
}

static kd_status parse_members(kdi_io_cursor *c, bool keep, kdi_io_index *index)
{
    bool words = false;
    kd_status status;
    do {
        kdi_io_string name;
        status = kdi_io_take_string(c, keep, &name);
        status = status ? status : kdi_io_take(c, ':');
        if (status != KD_OK) {
            return status;
        }
        if (!kdi_io_is(&name, "__metadata__")) {
            status = parse_tensor(c, keep, index, &name);
        } else if (words) {
            return kdi_base_fail(c->error, KD_ERR_FORMAT, 0, "byte %z: __metadata__ twice",
                                 c->before + name.at);
        } else {
            words = true;
            status = parse_words(c, keep, index);
        }
    } while (status == KD_OK && kdi_io_try(c, ','));
    if (status == KD_OK && !kdi_io_try(c, '}')) {
        return kdi_io_expected(c, ", or }");
    }
    return status;
}

kd_status kdi_io_tensors_parse(kdi_io_cursor *c, bool keep, kdi_io_index *index)
{
    index->n_entries = 0;
    index->n_words = 0;
    if (c->size == 0 || c->text[0] != '{') {
        return kdi_io_expected(c, "{");
    }
    c->at = 1;
    kd_status status = kdi_io_try(c, '}') ? KD_OK : parse_members(c, keep, index);
    while (status == KD_OK && c->at < c->size) {
        if (c->text[c->at] != ' ') {
            return kdi_io_expected(c, "a space, behind the last brace,");
        }
        c->at++;
    }
    return status;
}
