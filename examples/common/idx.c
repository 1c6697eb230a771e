/* SPDX-License-Identifier: MIT */
/*
 * IDX: big-endian words (magic, count, dimensions), then bytes. What a header declares is believed
 * only as far as the file goes: memory grows with the bytes that have come.
 */
#include "idx.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MAGIC_IMAGES = 0x803, MAGIC_LABELS = 0x801, MOST = 10000000, STEP = 1 << 20 };

/* One file while it is read. */
typedef struct reader {
    gzFile file;
    char path[1024];
    char *why;
    size_t why_size;
} reader;

/* Lets the compiler check the arguments of fail. */
#ifdef __GNUC__
#define LIKE_PRINTF __attribute__((format(printf, 2, 3)))
#else
#define LIKE_PRINTF
#endif

static bool fail(reader *r, const char *format, ...) LIKE_PRINTF;

static bool fail(reader *r, const char *format, ...)
{
    int used = snprintf(r->why, r->why_size, "%s: ", r->path);
    va_list arguments;
    va_start(arguments, format);
    if (used > 0 && (size_t)used < r->why_size) {
        vsnprintf(r->why + used, r->why_size - (size_t)used, format, arguments);
    }
    va_end(arguments);
    return false;
}

static bool set_path(reader *r, const char *dir, const char *split, const char *kind, char before,
                     const char *ending)
{
    int rank = strcmp(kind, "images") == 0 ? 3 : 1;
    int n = snprintf(r->path, sizeof r->path, "%s/%s-%s%cidx%d-ubyte%s", dir, split, kind, before,
                     rank, ending);
    return n > 0 && (size_t)n < sizeof r->path;
}

static bool open_reader(reader *r, const char *dir, const char *split, const char *kind)
{
    static const struct {
        char before;
        const char *ending;
    } names[] = {{'-', ""}, {'-', ".gz"}, {'.', ""}, {'.', ".gz"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!set_path(r, dir, split, kind, names[i].before, names[i].ending)) {
            return fail(r, "the path is too long");
        }
        errno = ENOMEM; /* zlib doesn't say so when it has no memory */
        r->file = gzopen(r->path, "rb");
        if (r->file) {
            return true;
        }
        if (errno != ENOENT) {
            return fail(r, "%s", strerror(errno));
        }
    }
    (void)set_path(r, dir, split, kind, names[0].before, names[0].ending);
    return fail(r, "no such file, nor with .gz");
}

/* Zlib's own words, if it is zlib that is at fault; they begin with the path, as ours do. */
static bool intact(reader *r)
{
    int code;
    const char *words = gzerror(r->file, &code);
    size_t path = strlen(r->path);
    if (code == Z_OK || code == Z_STREAM_END) {
        return true;
    }
    bool named = strncmp(words, r->path, path) == 0 && words[path] == ':';
    return fail(r, "%s", named ? words + path + 2 : words);
}

static bool read_word(reader *r, uint32_t *out)
{
    unsigned char b[4];
    if (gzread(r->file, b, 4) != 4) {
        return intact(r) && fail(r, "truncated in its header");
    }
    *out = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return true;
}

/* Exactly `size` bytes, and then the end of the file. */
static uint8_t *read_payload(reader *r, size_t size)
{
    uint8_t *bytes = NULL;
    for (size_t have = 0; have < size;) {
        size_t want = size - have < STEP ? size - have : STEP;
        uint8_t *more = realloc(bytes, have + want);
        if (!more) {
            free(bytes);
            fail(r, "out of memory");
            return NULL;
        }
        bytes = more;
        int got = gzread(r->file, bytes + have, (unsigned)want);
        if (got < 0 || (size_t)got < want) {
            free(bytes);
            have += got > 0 ? (size_t)got : 0;
            if (intact(r)) {
                fail(r, "truncated: %zu bytes of data, its header promises %zu", have, size);
            }
            return NULL;
        }
        have += want;
    }
    char extra;
    bool more = gzread(r->file, &extra, 1) > 0;
    if (more) {
        fail(r, "more data than the %zu bytes its header promises", size);
    }
    if (more || !intact(r)) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

static uint8_t *read_body(reader *r, uint32_t magic, size_t *out_n)
{
    uint32_t word, n, rows = 1, columns = 1;
    if (!read_word(r, &word)) {
        return NULL;
    }
    if (word != magic) {
        fail(r, "magic number 0x%08x, not 0x%08x", word, magic);
        return NULL;
    }
    if (!read_word(r, &n) ||
        (magic == MAGIC_IMAGES && (!read_word(r, &rows) || !read_word(r, &columns)))) {
        return NULL;
    }
    if (magic == MAGIC_IMAGES && (rows != DIGIT_SIDE || columns != DIGIT_SIDE)) {
        fail(r, "images of %u x %u pixels, not 28 x 28", rows, columns);
        return NULL;
    }
    size_t room = SIZE_MAX / DIGIT_PIXELS;
    if (n < 1 || n > MOST || n > room) {
        fail(r, "declares %u items, not 1 to %d", n, MOST);
        return NULL;
    }
    *out_n = n;
    return read_payload(r, (size_t)n * rows * columns);
}

static uint8_t *read_file(reader *r, const char *dir, const char *split, const char *kind,
                          uint32_t magic, size_t *out_n)
{
    if (!open_reader(r, dir, split, kind)) {
        return NULL;
    }
    uint8_t *bytes = read_body(r, magic, out_n);
    int closed = gzclose(r->file);
    if (bytes && closed != Z_OK) {
        fail(r, "damaged at its end");
        free(bytes);
        return NULL;
    }
    return bytes;
}

static bool check_labels(reader *r, const uint8_t *labels, size_t n, unsigned classes)
{
    for (size_t i = 0; i < n; i++) {
        if (labels[i] >= classes) {
            return fail(r, "label %zu is %u, not 0 to %u", i, labels[i], classes - 1);
        }
    }
    return true;
}

bool idx_load(const char *dir, const char *split, digit_set *out, char *why, size_t why_size)
{
    return idx_load_classes(dir, split, DIGIT_CLASSES, out, why, why_size);
}

bool idx_load_classes(const char *dir, const char *split, unsigned classes, digit_set *out,
                      char *why, size_t why_size)
{
    reader images = {.why = why, .why_size = why_size};
    reader labels = images;
    digit_set set = {0};
    size_t n_labels = 0;
    set.pixels = read_file(&images, dir, split, "images", MAGIC_IMAGES, &set.n);
    if (set.pixels) {
        set.labels = read_file(&labels, dir, split, "labels", MAGIC_LABELS, &n_labels);
    }
    bool good = set.pixels && set.labels;
    if (good && n_labels != set.n) {
        good = fail(&labels, "%zu labels, but %s has %zu images", n_labels, images.path, set.n);
    }
    good = good && check_labels(&labels, set.labels, set.n, classes);
    if (!good) {
        digit_set_free(&set);
        return false;
    }
    *out = set;
    return true;
}
