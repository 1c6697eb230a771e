/* SPDX-License-Identifier: MIT */
/* A path, or callbacks in its place: each call of this room takes exactly one of the two. */
#include "ckpt/parts.h"

static kd_status check_one(const char *path, const void *callbacks, const char *name, int argument,
                           kd_error *error)
{
    if (!path && !callbacks) {
        return kdi_base_fail(error, KD_ERR_NULL, argument, "path and %s are both NULL", name);
    }
    if (path && callbacks) {
        return kdi_base_fail(error, KD_ERR_VALUE, argument + 1,
                             "%s is given, but so is the path %s: one of the two", name, path);
    }
    return KD_OK;
}

kd_status kdi_ckpt_from(kdi_from *out, const char *path, const kd_reader *reader, int argument,
                        kd_error *error)
{
    *out = (kdi_from){.file = {.descriptor = -1}};
    kd_status status = check_one(path, reader, "reader", argument, error);
    if (status != KD_OK) {
        return status;
    }
    if (reader) {
        return kdi_io_from_reader(&out->source, reader, argument + 1, error);
    }
    status = kdi_io_file_open(&out->file, path, error);
    if (status == KD_OK) {
        out->source = kdi_io_file_source(&out->file);
    }
    return status;
}

void kdi_ckpt_from_close(kdi_from *from)
{
    kdi_io_file_close(&from->file);
}

kd_status kdi_ckpt_to(kdi_to *out, const kdi_allocator *allocator, const char *path,
                      const kd_writer *writer, int argument, kd_error *error)
{
    *out = (kdi_to){.by_path = path != NULL};
    kd_status status = check_one(path, writer, "writer", argument, error);
    if (status != KD_OK) {
        return status;
    }
    if (writer) {
        return kdi_io_from_writer(&out->sink, writer, argument + 1, error);
    }
    status = kdi_io_save_begin(&out->saving, allocator, path, error);
    if (status == KD_OK) {
        out->sink = kdi_io_save_sink(&out->saving);
    }
    return status;
}

kd_status kdi_ckpt_to_end(kdi_to *to, kd_status so_far, kd_error *error)
{
    return to->by_path ? kdi_io_save_end(&to->saving, so_far, error) : so_far;
}
