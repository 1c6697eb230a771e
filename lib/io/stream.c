/* SPDX-License-Identifier: MIT */
/* All bytes or a failure: the callbacks may do less at a time than they are asked for. */
#include "io/parts.h"

#include <string.h>

/* Never more at once: within what one call of a system takes, and a host's int. */
#define LARGEST ((size_t)1 << 30)

kd_status kdi_io_from_reader(kdi_io_source *out, const kd_reader *reader, int argument,
                             kd_error *error)
{
    *out = (kdi_io_source){.reader = KD_READER_INIT, .name = "the reader"};
    kd_status status =
        kdi_base_open(&out->reader, sizeof out->reader, reader, "reader", argument, error);
    if (status == KD_OK && !out->reader.read) {
        status = kdi_base_fail(error, KD_ERR_NULL, argument, "reader.read is NULL");
    }
    return status;
}

kd_status kdi_io_from_writer(kdi_io_sink *out, const kd_writer *writer, int argument,
                             kd_error *error)
{
    *out = (kdi_io_sink){.writer = KD_WRITER_INIT, .name = "the writer"};
    kd_status status =
        kdi_base_open(&out->writer, sizeof out->writer, writer, "writer", argument, error);
    if (status == KD_OK && !out->writer.write) {
        status = kdi_base_fail(error, KD_ERR_NULL, argument, "writer.write is NULL");
    }
    return status;
}

/* A callback that returned what it must not. */
static kd_status refused(kd_error *error, const char *verb, uint64_t offset, size_t size,
                         int64_t got, kdi_io_meaning meaning)
{
    const char *words = meaning && got < 0 ? meaning(got) : NULL;
    if (got > 0) {
        return kdi_base_fail(error, KD_ERR_IO, 0, "%s %z bytes at byte %z: it claims %i bytes",
                             verb, size, (size_t)offset, got);
    }
    return kdi_base_fail(error, KD_ERR_IO, 0, "%s %z bytes at byte %z failed: %s%s%i", verb, size,
                         (size_t)offset, words ? words : "", words ? ", " : "it returned ", got);
}

kd_status kdi_io_read(const kdi_io_source *source, uint64_t offset, void *out_bytes, size_t size,
                      kd_error *error)
{
    const kd_reader *r = &source->reader;
    unsigned char *at = out_bytes;
    if (offset > r->size || size > r->size - offset) {
        return kdi_base_fail(error, KD_ERR_TRUNCATED, 0,
                             "%z bytes are due at byte %z, but there are %z in all", size,
                             (size_t)offset, (size_t)r->size);
    }
    while (size > 0) {
        size_t asked = size < LARGEST ? size : LARGEST;
        int64_t got = r->read(r->user, offset, at, asked);
        if (got == 0) {
            return kdi_base_fail(error, KD_ERR_TRUNCATED, 0, "it ends at byte %z, not at %z",
                                 (size_t)offset, (size_t)r->size);
        }
        if (got < 0 || (uint64_t)got > asked) {
            return refused(error, "reading", offset, asked, got, source->meaning);
        }
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return KD_OK;
}

kd_status kdi_io_write(kdi_io_sink *sink, const void *bytes, size_t size, kd_error *error)
{
    const kd_writer *w = &sink->writer;
    const unsigned char *at = bytes;
    while (size > 0) {
        size_t given = size < LARGEST ? size : LARGEST;
        int64_t got = w->write(w->user, at, given);
        if (got <= 0 || (uint64_t)got > given) {
            return refused(error, "writing", sink->written, given, got, sink->meaning);
        }
        at += got;
        sink->written += (uint64_t)got;
        size -= (size_t)got;
    }
    return KD_OK;
}

/* Whether the words end with the name already, or with as much of it as had room. */
static bool says_where(const char *text, const char *name)
{
    const char *at = strstr(text, "; in ");
    return at && strncmp(at + 5, name, strlen(at + 5)) == 0;
}

kd_status kdi_io_where(kd_error *error, kd_status status, const char *name)
{
    kd_error said = KD_ERROR_INIT;
    if (error && kdi_base_read_struct(&said, sizeof said, error) == KD_OK) {
        said.text[sizeof said.text - 1] = '\0';
        if (says_where(said.text, name)) {
            return status;
        }
        return kdi_base_fail(error, status, said.argument, "%s; in %s", said.text, name);
    }
    return status;
}
