/* SPDX-License-Identifier: MIT */
/* Matrices of floats as .npy files. */
#include "ckpt/parts.h"

kd_status kd_save_npy(const float *values, size_t rows, size_t columns, size_t stride,
                      const char *path, const kd_writer *writer, kd_error *error)
{
    kdi_allocator allocator = kdi_base_libc_allocator();
    size_t bytes;
    kdi_to to;
    kd_status status = KD_OK;
    stride = stride ? stride : columns;
    if (!values) {
        status = kdi_base_fail(error, KD_ERR_NULL, 1, "values is NULL");
    }
    status = status ? status : kdi_base_check_size(rows, "rows", 2, error);
    status = status ? status : kdi_base_check_size(columns, "columns", 3, error);
    status = status ? status : kdi_base_check_size(stride, "stride", 4, error);
    if (status == KD_OK && stride < columns) {
        status = kdi_base_fail(error, KD_ERR_SIZE, 4, "stride is %z, below columns, %z", stride,
                               columns);
    }
    if (status == KD_OK && !kdi_base_extent(rows, columns, stride, &bytes)) {
        status = kdi_base_fail(error, KD_ERR_TOO_LARGE, 2, "%z rows of %z floats: too many bytes",
                               rows, stride);
    }
    status = status ? status : kdi_ckpt_to(&to, &allocator, path, writer, 5, error);
    if (status == KD_OK) {
        status = kdi_io_npy_write(&to.sink, values, 2, rows, columns, stride, error);
        status = kdi_ckpt_to_end(&to, status, error);
    }
    return status;
}

static int32_t bits_of(kdi_io_dtype dtype)
{
    return (int32_t)(8 * kdi_io_dtype_size(dtype));
}

static kd_status load(const kdi_io_source *source, float *out_values, size_t floats,
                      kd_npy_info *info, kd_error *error)
{
    kdi_allocator allocator = kdi_base_libc_allocator();
    kdi_io_npy npy;
    kd_status status = kdi_io_npy_open(&npy, &allocator, source, error);
    if (status != KD_OK) {
        return status;
    }
    *info =
        (kd_npy_info){sizeof *info, npy.rows, npy.columns, (int32_t)npy.rank, bits_of(npy.dtype)};
    if (!out_values) {
        return KD_OK;
    }
    size_t count = npy.rows * npy.columns; /* they are in the file, so this can't wrap */
    if (count > floats) {
        status = kdi_base_fail(error, KD_ERR_SIZE, 4, "floats is %z, but there are %z by %z",
                               floats, npy.rows, npy.columns);
        return kdi_io_where(error, status, source->name);
    }
    return kdi_io_npy_read(&npy, 0, npy.rows, out_values, error);
}

kd_status kd_load_npy(const char *path, const kd_reader *reader, float *out_values, size_t floats,
                      kd_npy_info *out_info, kd_error *error)
{
    kd_npy_info info = KD_NPY_INFO_INIT;
    kdi_from from;
    if (out_info && !kdi_base_struct_ok(out_info)) {
        return kdi_base_fail(error, KD_ERR_STRUCT, 5, "out_info.struct_size is %z",
                             out_info->struct_size);
    }
    kd_status status = kdi_ckpt_from(&from, path, reader, 1, error);
    if (status != KD_OK) {
        return status;
    }
    status = load(&from.source, out_values, floats, &info, error);
    kdi_ckpt_from_close(&from);
    if (status == KD_OK && out_info) {
        kdi_base_write_struct(out_info, &info, sizeof info);
    }
    return status;
}
