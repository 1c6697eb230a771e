/* SPDX-License-Identifier: MIT */
/* safetensors files that are open: what is in them, and their bytes. */
#include "io/parts.h"

#include <string.h>

kdi_io_quote kdi_io_quoted(const char *name)
{
    kdi_io_quote quote;
    size_t n = 0;
    for (; name[n] && n + 1 < sizeof quote.text; n++) {
        unsigned char c = (unsigned char)name[n];
        quote.text[n] = (char)(c < 0x20 || c == 0x7F ? '?' : name[n]);
    }
    while (name[n] && n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80) {
        n--; /* not in the middle of a character */
    }
    quote.text[n] = '\0';
    return quote;
}

const char *kdi_io_string_at(const kdi_io_tensors *t, uint32_t at)
{
    return (const char *)t->header + at;
}

const char *kdi_io_name_of(const kdi_io_tensors *t, size_t rank)
{
    return kdi_io_string_at(t, t->index.entries[t->by_name[rank]].name);
}

const char *kdi_io_key_of(const kdi_io_tensors *t, size_t rank)
{
    return kdi_io_string_at(t, t->index.words[rank]);
}

/* ---- what is in it ---- */

/* The first key that is not below prefix + name. */
static const char *find_key(const kdi_io_tensors *t, const char *prefix, const char *name)
{
    size_t low = 0;
    size_t high = t->index.n_words;
    size_t length = strlen(prefix);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *key = kdi_io_key_of(t, middle);
        int order = strncmp(key, prefix, length);
        order = order ? order : strcmp(key + length, name);
        if (order == 0) {
            return key;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* Behind the key there are the zeros that took the place of its end, a colon, and a quote. */
static const char *value_of(const char *key)
{
    const char *at = key + strlen(key);
    while (*at != '"') {
        at++;
    }
    return at + 1;
}

size_t kdi_io_tensors_count(const kdi_io_tensors *t)
{
    return t->index.n_entries;
}

kdi_io_tensor kdi_io_tensors_get(const kdi_io_tensors *t, size_t index)
{
    const kdi_io_entry *e = &t->index.entries[index];
    kdi_io_tensor tensor = {.name = kdi_io_string_at(t, e->name),
                            .dtype = (kdi_io_dtype)e->dtype,
                            .rank = e->rank,
                            .offset = (uint64_t)KDI_IO_PREFIX + t->header_size + e->begin,
                            .size = e->end - e->begin};
    kdi_io_tensors_shape(t->header, t->header_size, e, tensor.shape);
    const char *key = t->sums ? find_key(t, KDI_IO_SUM, tensor.name) : NULL;
    const char *digits = key ? value_of(key) : "";
    tensor.has_crc = strlen(digits) == 8 && kdi_io_get_hex(digits, &tensor.crc);
    return tensor;
}

bool kdi_io_tensors_find(const kdi_io_tensors *t, const char *name, kdi_io_tensor *out)
{
    size_t low = 0;
    size_t high = t->index.n_entries;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(kdi_io_name_of(t, middle), name);
        if (order == 0) {
            *out = kdi_io_tensors_get(t, t->by_name[middle]);
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

const char *kdi_io_tensors_word(const kdi_io_tensors *t, const char *key)
{
    const char *found = find_key(t, "", key);
    return found ? value_of(found) : NULL;
}

size_t kdi_io_tensors_words(const kdi_io_tensors *t)
{
    return t->index.n_words;
}

kdi_io_word kdi_io_tensors_get_word(const kdi_io_tensors *t, size_t index)
{
    const char *key = kdi_io_key_of(t, index);
    return (kdi_io_word){key, value_of(key)};
}

/* ---- bytes ---- */

kdi_io_walk kdi_io_walk_begin(const kdi_io_tensor *tensor)
{
    return (kdi_io_walk){.tensor = *tensor};
}

kd_status kdi_io_walk_next(const kdi_io_tensors *t, kdi_io_walk *walk, void *out_bytes, size_t size,
                           kd_error *error)
{
    const kdi_io_tensor *tensor = &walk->tensor;
    if (size > tensor->size - walk->done) {
        kdi_io_quote quote = kdi_io_quoted(tensor->name);
        return kdi_base_fail(error, KD_ERR_SIZE, 0, "tensor \"%s\" has %z bytes left, not %z",
                             quote.text, tensor->size - walk->done, size);
    }
    kd_status status = kdi_io_read(&t->source, tensor->offset + walk->done, out_bytes, size, error);
    if (status != KD_OK) {
        return kdi_io_where(error, status, t->source.name);
    }
    walk->done += size;
    walk->crc = kdi_io_crc(walk->crc, out_bytes, size);
    if (walk->done == tensor->size && tensor->has_crc && walk->crc != tensor->crc) {
        kdi_io_quote quote = kdi_io_quoted(tensor->name);
        status = kdi_base_fail(error, KD_ERR_CHECKSUM, 0,
                               "tensor \"%s\" does not have its checksum", quote.text);
        return kdi_io_where(error, status, t->source.name);
    }
    return KD_OK;
}

kd_status kdi_io_tensors_read(const kdi_io_tensors *t, const kdi_io_tensor *tensor, void *out_bytes,
                              kd_error *error)
{
    kdi_io_walk walk = kdi_io_walk_begin(tensor);
    return kdi_io_walk_next(t, &walk, out_bytes, tensor->size, error);
}
