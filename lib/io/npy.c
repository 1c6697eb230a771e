/* SPDX-License-Identifier: MIT */
/*
 * .npy files, as numpy's format page lays them down: magic, version, length of the header, and the
 * header, a dictionary in Python's notation, padded with spaces and ended by a line feed. Of that
 * notation only what numpy itself writes is understood, with its freedoms of spaces and commas.
 */
#include "io/parts.h"

#include <math.h>
#include <string.h>

#define PIECE 4096 /* bytes that are converted at a time */
#define MOST 10000 /* bytes of a header; numpy refuses longer ones too */
#define SHORT 16   /* bytes of a string that is understood, with the zero behind it */

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* ---- the header ---- */

/* Behind a word that is not there, the cursor stands anywhere. */
static bool try_word(kdi_io_cursor *c, const char *word)
{
    bool there = kdi_io_try(c, *word);
    for (word++; there && *word; word++, c->at++) {
        there = c->at < c->size && c->text[c->at] == (unsigned char)*word;
    }
    return there;
}

/* A string in either kind of quotes; one that does not fit is cut, and so no word of ours. */
static kd_status take_string(kdi_io_cursor *c, char out[SHORT])
{
    size_t n = 0;
    unsigned char quote = kdi_io_try(c, '"') ? '"' : '\'';
    if (quote == '\'' && !kdi_io_try(c, '\'')) {
        return kdi_io_expected(c, "a string");
    }
    for (; c->at < c->size && c->text[c->at] != quote; c->at++) {
        unsigned char byte = c->text[c->at];
        if (byte < 0x20 || byte > 0x7E || byte == '\\') {
            return kdi_io_expected(c, "a plain string");
        }
        out[n] = (char)byte;
        n += n + 1 < SHORT;
    }
    out[n] = '\0';
    return kdi_io_take(c, (char)quote);
}

static kd_status take_dtype(kdi_io_cursor *c, kdi_io_npy *npy)
{
    static const struct {
        char name[4];
        kdi_io_dtype dtype;
    } rows[] = {{"<f2", KDI_IO_F16}, {"<f4", KDI_IO_F32}, {"<f8", KDI_IO_F64}};
    char name[SHORT] = "a structure";
    if (!kdi_io_try(c, '[')) {
        kd_status status = take_string(c, name);
        if (status != KD_OK) {
            return status;
        }
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(name, rows[i].name) == 0) {
            npy->dtype = rows[i].dtype;
            return KD_OK;
        }
    }
    return kdi_base_fail(c->error, KD_ERR_UNSUPPORTED, 0,
                         "no support for elements %s, only <f4, <f8 and <f2", name);
}

static kd_status take_order(kdi_io_cursor *c)
{
    if (try_word(c, "True")) {
        return kdi_base_fail(c->error, KD_ERR_UNSUPPORTED, 0,
                             "no support for fortran_order True: save a C-ordered array");
    }
    return try_word(c, "False") ? KD_OK : kdi_io_expected(c, "True or False");
}

static kd_status take_shape(kdi_io_cursor *c, kdi_io_npy *npy)
{
    size_t shape[2] = {1, 1};
    bool comma = false;
    kd_status status = kdi_io_take(c, '(');
    npy->rank = 0;
    while (status == KD_OK && !kdi_io_try(c, ')')) {
        size_t size = 0;
        if (npy->rank > 0 && !comma) {
            return kdi_io_expected(c, ", or )");
        }
        status = kdi_io_take_size(c, &size);
        if (npy->rank < 2) {
            shape[npy->rank] = size;
        }
        npy->rank++;
        comma = kdi_io_try(c, ',');
    }
    if (status == KD_OK && npy->rank == 1 && !comma) {
        return kdi_io_expected(c, "a comma in a shape of one number");
    }
    if (status == KD_OK && (npy->rank < 1 || npy->rank > 2)) {
        return kdi_base_fail(c->error, KD_ERR_UNSUPPORTED, 0,
                             "no support for %z dimensions, only 1 and 2", npy->rank);
    }
    npy->rows = shape[0];
    npy->columns = shape[1];
    return status;
}

static kd_status take_field(kdi_io_cursor *c, kdi_io_npy *npy, unsigned *seen)
{
    static const char names[][SHORT] = {"descr", "fortran_order", "shape"};
    char name[SHORT];
    unsigned which = 0;
    kd_status status = take_string(c, name);
    status = status ? status : kdi_io_take(c, ':');
    if (status != KD_OK) {
        return status;
    }
    while (which < 3 && strcmp(name, names[which]) != 0) {
        which++;
    }
    if (which == 3 || *seen & 1u << which) {
        return kdi_base_fail(c->error, KD_ERR_FORMAT, 0, "key %s %s", name,
                             which == 3 ? "is unknown" : "stands twice");
    }
    *seen |= 1u << which;
    return which == 0 ? take_dtype(c, npy) : which == 1 ? take_order(c) : take_shape(c, npy);
}

static kd_status take_header(kdi_io_cursor *c, kdi_io_npy *npy)
{
    unsigned seen = 0;
    kd_status status = kdi_io_take(c, '{');
    bool more = true;
    while (status == KD_OK && !kdi_io_try(c, '}')) {
        status = more ? take_field(c, npy, &seen) : kdi_io_expected(c, ", or }");
        more = status == KD_OK && kdi_io_try(c, ',');
    }
    if (status == KD_OK && seen != 7) {
        return kdi_io_expected(c, "descr, fortran_order and shape before this");
    }
    if (status == KD_OK && (!kdi_io_try(c, '\n') || c->at < c->size)) {
        return kdi_io_expected(c, "spaces and one line feed at the end");
    }
    return status;
}

/* ---- opening ---- */

/* Magic, version and the length of the header; where that begins. */
static kd_status read_start(const kdi_io_source *source, size_t *out_begin, size_t *out_size,
                            kd_error *error)
{
    unsigned char start[12] = {0};
    uint64_t size = source->reader.size;
    size_t due = size < sizeof magic ? (size_t)size : sizeof magic;
    kd_status status = kdi_io_read(source, 0, start, due, error);
    if (status == KD_OK && memcmp(start, magic, due) != 0) {
        return kdi_base_fail(error, KD_ERR_FORMAT, 0, "not a .npy file: no \\x93NUMPY at byte 0");
    }
    status = status ? status : kdi_io_read(source, 0, start, 8, error);
    if (status != KD_OK) {
        return status;
    }
    if (start[6] < 1 || start[6] > 3 || start[7] != 0) {
        return kdi_base_fail(error, KD_ERR_VERSION, 0,
                             "version %z.%z of .npy, only 1.0, 2.0 and 3.0 are known",
                             (size_t)start[6], (size_t)start[7]);
    }
    size_t digits = start[6] == 1 ? 2 : 4;
    status = kdi_io_read(source, 8, start + 8, digits, error);
    *out_begin = 8 + digits;
    *out_size = (size_t)kdi_io_load(start + 8, digits);
    return status;
}

static kd_status read_header(kdi_io_npy *npy, const kdi_allocator *allocator, kd_error *error)
{
    size_t begin = 0;
    size_t size = 0;
    kd_status status = read_start(&npy->source, &begin, &size, error);
    if (status != KD_OK) {
        return status;
    }
    if (size > npy->source.reader.size - begin) {
        return kdi_base_fail(error, KD_ERR_TRUNCATED, 0,
                             "a header of %z bytes is due, but there are %z in all", size,
                             (size_t)npy->source.reader.size);
    }
    if (size == 0 || size > MOST) {
        return kdi_base_fail(error, KD_ERR_FORMAT, 0, "a header of %z bytes, not of 1 to %z", size,
                             (size_t)MOST);
    }
    unsigned char *text = kdi_base_new(allocator, size);
    if (!text) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a header (%z bytes)", size);
    }
    kdi_io_cursor c = {.text = text, .size = size, .before = begin, .space = " ", .error = error};
    npy->offset = begin + size;
    status = kdi_io_read(&npy->source, begin, text, size, error);
    status = status ? status : take_header(&c, npy);
    kdi_base_delete(allocator, text, size);
    return status;
}

static kd_status check_size(const kdi_io_npy *npy, kd_error *error)
{
    /* As numpy does: no number may be too large for an address, not even beside a 0. */
    size_t shape[2] = {npy->rows ? npy->rows : 1, npy->columns ? npy->columns : 1};
    size_t bytes;
    uint64_t there = npy->source.reader.size - npy->offset;
    if (!kdi_io_tensors_bytes(npy->dtype, shape, 2, &bytes) || bytes > PTRDIFF_MAX) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 0, "%z x %z elements are too many bytes",
                             npy->rows, npy->columns);
    }
    bytes = npy->rows && npy->columns ? bytes : 0;
    if (bytes != there) {
        return kdi_base_fail(error, bytes > there ? KD_ERR_TRUNCATED : KD_ERR_FORMAT, 0,
                             "the array has %z bytes, but %z follow the header", bytes,
                             (size_t)there);
    }
    return KD_OK;
}

kd_status kdi_io_npy_open(kdi_io_npy *out, const kdi_allocator *allocator,
                          const kdi_io_source *source, kd_error *error)
{
    *out = (kdi_io_npy){.source = *source};
    kd_status status = read_header(out, allocator, error);
    status = status ? status : check_size(out, error);
    return status ? kdi_io_where(error, status, source->name) : KD_OK;
}

/* ---- numbers ---- */

static float get_float(kdi_io_dtype dtype, const unsigned char *at, double *out_double)
{
    uint64_t bits = kdi_io_load(at, kdi_io_dtype_size(dtype));
    uint32_t low = (uint32_t)bits;
    float value;
    if (dtype == KDI_IO_F16) {
        value = kdi_io_from_half((uint16_t)bits);
    } else if (dtype == KDI_IO_F32) {
        memcpy(&value, &low, sizeof value);
    } else {
        memcpy(out_double, &bits, sizeof bits);
        return (float)*out_double;
    }
    *out_double = 0.0;
    return value;
}

kd_status kdi_io_npy_read(const kdi_io_npy *npy, size_t first, size_t n, float *out_values,
                          kd_error *error)
{
    unsigned char piece[PIECE];
    size_t element = kdi_io_dtype_size(npy->dtype);
    if (first > npy->rows || n > npy->rows - first) {
        return kdi_base_fail(error, KD_ERR_INDEX, 0, "rows from %z to %z of %z", first, first + n,
                             npy->rows);
    }
    size_t count = n * npy->columns; /* within the file, so none of these can overflow */
    uint64_t offset = npy->offset + (uint64_t)first * npy->columns * element;
    for (size_t done = 0; done < count;) {
        size_t some = count - done < PIECE / element ? count - done : PIECE / element;
        kd_status status = kdi_io_read(&npy->source, offset, piece, some * element, error);
        if (status != KD_OK) {
            return kdi_io_where(error, status, npy->source.name);
        }
        for (size_t i = 0; i < some; i++) {
            double value;
            out_values[done + i] = get_float(npy->dtype, piece + i * element, &value);
            if (isinf(out_values[done + i]) && isfinite(value) && value != 0.0) {
                status = kdi_base_fail(error, KD_ERR_NOT_FINITE, 0,
                                       "element %z is %g, too large for a float",
                                       first * npy->columns + done + i, value);
                return kdi_io_where(error, status, npy->source.name);
            }
        }
        done += some;
        offset += some * element;
    }
    return KD_OK;
}

/* ---- writing ---- */

/*
 * The header that numpy writes, byte for byte. It leaves room for the first number to grow to 21
 * digits, and makes the whole a multiple of 64: of one or two dimensions that is always 128.
 */
static void make_header(unsigned char header[128], size_t rank, size_t rows, size_t columns)
{
    char text[118];
    char second[24] = "";
    if (rank == 2) {
        kdi_base_say(second, sizeof second, " %z", columns);
    }
    kdi_base_say(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%z,%s), }",
                 rows, second);
    memset(header, ' ', 128);
    memcpy(header, magic, sizeof magic);
    kdi_io_store(header + 6, 2, 1);
    kdi_io_store(header + 8, 2, 118);
    memcpy(header + 10, text, strlen(text));
    header[127] = '\n';
}

static kd_status write_values(kdi_io_sink *sink, const float *values, size_t rows, size_t columns,
                              size_t stride, kd_error *error)
{
    unsigned char piece[PIECE];
    size_t used = 0;
    kd_status status = KD_OK;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; status == KD_OK && j < columns; j++, used += 4) {
            uint32_t bits;
            if (used == PIECE) {
                status = kdi_io_write(sink, piece, used, error);
                used = 0;
            }
            memcpy(&bits, &values[i * stride + j], sizeof bits);
            kdi_io_store(piece + used, 4, bits);
        }
    }
    return status ? status : kdi_io_write(sink, piece, used, error);
}

kd_status kdi_io_npy_write(kdi_io_sink *sink, const float *values, size_t rank, size_t rows,
                           size_t columns, size_t stride, kd_error *error)
{
    unsigned char header[128];
    make_header(header, rank, rows, columns);
    kd_status status = kdi_io_write(sink, header, sizeof header, error);
    status = status ? status : write_values(sink, values, rows, columns, stride, error);
    return status ? kdi_io_where(error, status, sink->name) : KD_OK;
}
