/* SPDX-License-Identifier: MIT */
/* See bytes.h. */
#include "bytes.h"

void io_add(io_bytes *file, const void *bytes, size_t size)
{
    if (file->size + size > file->room) {
        file->room = 2 * (file->size + size);
        file->bytes = realloc(file->bytes, file->room);
        assert_non_null(file->bytes);
    }
    if (size > 0) {
        memcpy(file->bytes + file->size, bytes, size);
    }
    file->size += size;
}

void io_free(io_bytes *file)
{
    free(file->bytes);
    memset(file, 0, sizeof *file);
}

/* What a call may do: -1 if it is to fail, or the bytes that it takes. */
static bool allowed(io_bytes *file, size_t *size)
{
    file->calls++;
    if (file->most && *size > file->most) {
        *size = file->most;
    }
    return file->calls != file->fail_at;
}

static int64_t read_bytes(void *user, uint64_t offset, void *out_bytes, size_t size)
{
    io_bytes *file = user;
    assert_true(size > 0 && offset < file->size && size <= file->size - offset);
    if (!allowed(file, &size)) {
        return file->answer;
    }
    memcpy(out_bytes, file->bytes + offset, size);
    return (int64_t)size;
}

static int64_t write_bytes(void *user, const void *bytes, size_t size)
{
    io_bytes *file = user;
    assert_true(size > 0);
    if (!allowed(file, &size)) {
        return file->answer;
    }
    io_add(file, bytes, size);
    return (int64_t)size;
}

kd_reader io_reader(io_bytes *file)
{
    kd_reader reader = KD_READER_INIT;
    reader.read = read_bytes;
    reader.user = file;
    reader.size = file->size;
    return reader;
}

kd_writer io_writer(io_bytes *file)
{
    kd_writer writer = KD_WRITER_INIT;
    writer.write = write_bytes;
    writer.user = file;
    return writer;
}

/* splitmix64 */
uint64_t io_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}
