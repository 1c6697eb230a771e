/* SPDX-License-Identifier: MIT */
/* See model.h. */
#include "model.h"

#define SUM "crc32c."
#define OWN "kd.header_crc32c"

uint32_t model_crc(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1u ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
        }
    }
    return ~crc;
}

static char *copy(const char *text, size_t length)
{
    char *own = calloc(1, length + 1);
    assert_non_null(own);
    memcpy(own, text, length);
    return own;
}

static void replace(char **place, const char *text)
{
    char *own = copy(text, strlen(text));
    free(*place);
    *place = own;
}

/* ---- apart: the header as the library writes it, without escapes or spaces ---- */

/* What stands from `*at` to the next `end`; `*at` goes behind that. */
static char *take(const char **at, char end)
{
    const char *stop = strchr(*at, end);
    assert_non_null(stop);
    char *text = copy(*at, (size_t)(stop - *at));
    *at = stop + 1;
    return text;
}

/* Walks over this text, which must follow. */
static void pass(const char **at, const char *text)
{
    assert_int_equal(strncmp(*at, text, strlen(text)), 0);
    *at += strlen(text);
}

static void read_words(model *m, const char **at)
{
    pass(at, "{\"__metadata__\":{");
    while (**at != '}') {
        pass(at, **at == ',' ? ",\"" : "\"");
        model_word word = {take(at, '"'), NULL};
        pass(at, ":\"");
        word.value = take(at, '"');
        if (strncmp(word.key, SUM, strlen(SUM)) == 0 || strcmp(word.key, OWN) == 0) {
            free(word.key);
            free(word.value);
            continue;
        }
        assert_true(m->n_words < MODEL_WORDS);
        m->words[m->n_words++] = word;
    }
    pass(at, "}");
}

static void read_tensor(model *m, const char **at, const unsigned char *data)
{
    char *end;
    model_tensor t = {0};
    pass(at, ",\"");
    t.name = take(at, '"');
    pass(at, ":{\"dtype\":\"");
    t.dtype = take(at, '"');
    pass(at, ",\"shape\":[");
    t.shape = take(at, ']');
    pass(at, ",\"data_offsets\":[");
    size_t begin = strtoul(*at, &end, 10);
    t.size = strtoul(end + 1, &end, 10) - begin;
    *at = end;
    pass(at, "]}");
    t.bytes = (unsigned char *)copy((const char *)data + begin, t.size);
    assert_true(m->n_tensors < MODEL_TENSORS);
    m->tensors[m->n_tensors++] = t;
}

model model_read(const io_bytes *file)
{
    model m = {.n_words = 0};
    size_t size = 0;
    for (size_t i = 8; i-- > 0;) {
        size = size << 8 | file->bytes[i];
    }
    char *header = copy((const char *)file->bytes + 8, size);
    const char *at = header;
    read_words(&m, &at);
    while (*at == ',') {
        read_tensor(&m, &at, file->bytes + 8 + size);
    }
    free(header);
    return m;
}

/* ---- together ---- */

static void add_text(io_bytes *out, const char *text)
{
    io_add(out, text, strlen(text));
}

static void add_pair(io_bytes *out, const char *prefix, const char *key, const char *value)
{
    const char *const parts[] = {",\"", prefix, key, "\":\"", value, "\""};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        add_text(out, parts[i]);
    }
}

static void add_tensor(io_bytes *out, const model_tensor *t, size_t *offset)
{
    char offsets[64];
    const char *const parts[] = {",\"",    t->name,          "\":{\"dtype\":\"",
                                 t->dtype, "\",\"shape\":[", t->shape};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        add_text(out, parts[i]);
    }
    snprintf(offsets, sizeof offsets, "],\"data_offsets\":[%zu,%zu]}", *offset, *offset + t->size);
    add_text(out, offsets);
    *offset += t->size;
}

static void add_sums(io_bytes *out, const model *m)
{
    for (size_t i = 0; i < m->n_tensors; i++) {
        const model_tensor *t = &m->tensors[i];
        char digits[16];
        uint32_t crc = model_crc(t->bytes, t->size) ^ (t->wrong_sum ? 0x100u : 0u);
        snprintf(digits, sizeof digits, "%08x", (unsigned)crc);
        if (!t->no_sum) {
            add_pair(out, SUM, t->name, digits);
        }
    }
}

io_bytes model_write(const model *m)
{
    static const char begin[] = "{\"__metadata__\":{\"" OWN "\":\"";
    io_bytes out = {0};
    unsigned char prefix[8] = {0};
    char digits[16];
    size_t offset = 0;
    io_add(&out, prefix, sizeof prefix);
    add_text(&out, m->no_sum ? "{\"__metadata__\":{\"none\":\"" : begin);
    size_t sum = out.size;
    add_text(&out, "00000000\"");
    for (size_t i = 0; i < m->n_words; i++) {
        add_pair(&out, "", m->words[i].key, m->words[i].value);
    }
    add_sums(&out, m);
    add_text(&out, "}");
    for (size_t i = 0; i < m->n_tensors; i++) {
        add_tensor(&out, &m->tensors[i], &offset);
    }
    add_text(&out, "}");
    while (out.size % 8 != 0) {
        add_text(&out, " ");
    }
    uint32_t crc = model_crc(out.bytes + 8, out.size - 8) ^ (m->wrong_sum ? 1u : 0u);
    snprintf(digits, sizeof digits, "%08x", (unsigned)crc);
    memcpy(out.bytes + sum, digits, 8);
    for (size_t i = 0; i < 8; i++) {
        out.bytes[i] = (unsigned char)((out.size - 8) >> (8 * i));
    }
    for (size_t i = 0; i < m->n_tensors; i++) {
        io_add(&out, m->tensors[i].bytes, m->tensors[i].size);
    }
    return out;
}

static void free_tensor(model_tensor *t)
{
    free(t->name);
    free(t->dtype);
    free(t->shape);
    free(t->bytes);
}

void model_free(model *m)
{
    for (size_t i = 0; i < m->n_words; i++) {
        free(m->words[i].key);
        free(m->words[i].value);
    }
    for (size_t i = 0; i < m->n_tensors; i++) {
        free_tensor(&m->tensors[i]);
    }
    memset(m, 0, sizeof *m);
}

/* ---- changes ---- */

static size_t index_of(const model *m, const char *key)
{
    size_t i = 0;
    while (i < m->n_words && strcmp(m->words[i].key, key) != 0) {
        i++;
    }
    return i;
}

const char *model_get(const model *m, const char *key)
{
    size_t i = index_of(m, key);
    return i < m->n_words ? m->words[i].value : NULL;
}

void model_set(model *m, const char *key, const char *value)
{
    size_t i = index_of(m, key);
    if (i == m->n_words && value) {
        assert_true(i < MODEL_WORDS);
        m->words[m->n_words++] = (model_word){copy(key, strlen(key)), NULL};
    }
    if (value) {
        replace(&m->words[i].value, value);
        return;
    }
    assert_true(i < m->n_words);
    free(m->words[i].key);
    free(m->words[i].value);
    m->words[i] = m->words[--m->n_words];
}

model_tensor *model_find(model *m, const char *name)
{
    size_t i = 0;
    while (i < m->n_tensors && strcmp(m->tensors[i].name, name) != 0) {
        i++;
    }
    if (i == m->n_tensors) {
        fail_msg("the file has no tensor %s", name);
    }
    return &m->tensors[i];
}

void model_rename(model *m, const char *name, const char *other)
{
    replace(&model_find(m, name)->name, other);
}

void model_remove(model *m, const char *name)
{
    model_tensor *t = model_find(m, name);
    free_tensor(t);
    *t = m->tensors[--m->n_tensors];
    memset(&m->tensors[m->n_tensors], 0, sizeof *t);
}

void model_add(model *m, const char *name, const char *shape, size_t count, float value)
{
    assert_true(m->n_tensors < MODEL_TENSORS);
    model_tensor *t = &m->tensors[m->n_tensors++];
    t->name = copy(name, strlen(name));
    t->dtype = copy("F32", 3);
    t->shape = copy(shape, strlen(shape));
    t->size = count * sizeof value;
    t->bytes = (unsigned char *)copy("", 0);
    model_declare(m, name, NULL, NULL, t->size);
    for (size_t i = 0; i < count; i++) {
        memcpy(t->bytes + i * sizeof value, &value, sizeof value);
    }
}

void model_declare(model *m, const char *name, const char *dtype, const char *shape, size_t size)
{
    model_tensor *t = model_find(m, name);
    unsigned char *bytes = calloc(1, size + 1);
    assert_non_null(bytes);
    free(t->bytes);
    t->bytes = bytes;
    t->size = size;
    if (dtype) {
        replace(&t->dtype, dtype);
    }
    if (shape) {
        replace(&t->shape, shape);
    }
}

void model_put(model *m, const char *name, size_t index, float value)
{
    model_tensor *t = model_find(m, name);
    assert_true((index + 1) * sizeof value <= t->size);
    memcpy(t->bytes + index * sizeof value, &value, sizeof value);
}

void model_apply(model *m, const edit *e)
{
    switch (e->act) {
    case SET:
        model_set(m, e->a, e->b);
        break;
    case RENAME:
        model_rename(m, e->a, e->b);
        break;
    case REMOVE:
        model_remove(m, e->a);
        break;
    case ADD:
        model_add(m, e->a, e->c, e->n, e->value);
        break;
    case DECLARE:
        model_declare(m, e->a, e->b, e->c, e->n);
        break;
    case PUT:
        model_put(m, e->a, e->n, e->value);
        break;
    case SUMLESS:
        *(e->a ? &model_find(m, e->a)->no_sum : &m->no_sum) = true;
        break;
    case WRONG:
        *(e->a ? &model_find(m, e->a)->wrong_sum : &m->wrong_sum) = true;
        break;
    default:
        break;
    }
}

void model_describe(const edit *e, char out[200])
{
    static const char *const names[] = {"nothing", "set", "rename", "remove",   "add",
                                        "declare", "put", "no sum", "wrong sum"};
    snprintf(out, 200, "%s %.60s, %.60s, %.40s, %zu, %g", names[e->act], e->a ? e->a : "-",
             e->b ? e->b : "-", e->c ? e->c : "-", e->n, (double)e->value);
}
