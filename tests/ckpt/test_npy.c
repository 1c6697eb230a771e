/* SPDX-License-Identifier: MIT */
/* Matrices go into .npy files and come back; and whatever can be wrong with a call. */
#include "../support/files.h"

#include "../support/support.h"

static io_bytes save(const float *values, size_t rows, size_t columns, size_t stride)
{
    io_bytes file = {.most = 50};
    kd_writer writer = io_writer(&file);
    kd_error e = KD_ERROR_INIT;
    support_ok(kd_save_npy(values, rows, columns, stride, NULL, &writer, &e), e.text);
    return file;
}

static kd_status load(io_bytes *file, float *out, size_t floats, kd_npy_info *info, kd_error *e)
{
    kd_reader reader = io_reader(file);
    return kd_load_npy(NULL, &reader, out, floats, info, e);
}

static void there_and_back(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{1, 1, 0},   {1, 1, 9},  {3, 4, 0},  {4, 3, 3},
                                       {3, 4, 7},   {1, 64, 0}, {64, 1, 0}, {64, 1, 2},
                                       {33, 31, 0}, {2, 3, 500}};
    static float values[1200];
    static float out[1200];
    uint64_t seed = 3;
    support_normals(&seed, values, COUNT(values), 1);
    values[0] = NAN;
    values[1] = -INFINITY;
    values[2] = -0.0f;
    values[3] = 1e-45f;
    files_begin();
    for (size_t i = 0; i < COUNT(shapes); i++) {
        size_t rows = shapes[i][0];
        size_t columns = shapes[i][1];
        size_t stride = shapes[i][2] ? shapes[i][2] : columns;
        kd_npy_info info = KD_NPY_INFO_INIT;
        kd_error e = KD_ERROR_INIT;
        io_bytes file = save(values, rows, columns, shapes[i][2]);
        assert_int_equal(file.size, 128 + 4 * rows * columns);
        support_ok(kd_save_npy(values, rows, columns, shapes[i][2], files_path("m"), NULL, &e),
                   e.text);
        assert_true(files_has("m", file.bytes, file.size));
        support_ok(load(&file, NULL, 0, &info, &e), e.text); /* the shape alone */
        assert_true(info.rows == rows && info.columns == columns && info.rank == 2);
        assert_int_equal(info.bits, 32);
        for (size_t by_path = 0; by_path < 2; by_path++) {
            memset(out, 0x55, sizeof out);
            kd_status status =
                by_path ? kd_load_npy(files_path("m"), NULL, out, rows * columns, NULL, &e)
                        : load(&file, out, COUNT(out) - 1, &info, &e);
            support_ok(status, e.text);
            for (size_t j = 0; j < rows; j++) {
                support_same_bits("row", out + j * columns, values + j * stride, 4 * columns);
            }
            assert_int_equal(((unsigned char *)(out + rows * columns))[0], 0x55);
        }
        io_free(&file);
    }
    files_done();
}

/* A file as numpy writes it. */
static io_bytes numpy(const char *header, const void *bytes, size_t size)
{
    io_bytes file = {0};
    unsigned char start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0};
    char padded[118];
    memset(padded, ' ', sizeof padded);
    memcpy(padded, header, strlen(header));
    padded[117] = '\n';
    io_add(&file, start, sizeof start);
    io_add(&file, padded, sizeof padded);
    io_add(&file, bytes, size);
    return file;
}

static void other_widths(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int32_t bits, rank;
        size_t rows, columns;
    } rows[] = {
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2), }", 16, 2, 2, 2},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", 64, 1, 3, 1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", 32, 1, 4, 1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 7), }", 32, 2, 0, 7},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 4), }", 32, 2, 1, 4},
    };
    static const unsigned char zeros[64] = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t count = rows[i].rows * rows[i].columns;
        io_bytes file = numpy(rows[i].header, zeros, count * (size_t)rows[i].bits / 8);
        kd_npy_info info = KD_NPY_INFO_INIT;
        kd_error e = KD_ERROR_INIT;
        float out[8] = {1, 1, 1, 1, 1, 1, 1, 1};
        support_ok(load(&file, out, count, &info, &e), e.text);
        assert_true(info.bits == rows[i].bits && info.rank == rows[i].rank);
        assert_true(info.rows == rows[i].rows && info.columns == rows[i].columns);
        for (size_t j = 0; j < 8; j++) {
            assert_true(out[j] == (j < count ? 0.0f : 1.0f));
        }
        io_free(&file);
    }
}

static void loading_refuses(void **state)
{
    (void)state;
    static const struct {
        kd_status due;
        const char *header;
        size_t size;
    } rows[] = {
        {KD_ERR_UNSUPPORTED, "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2), }", 16},
        {KD_ERR_UNSUPPORTED, "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 2), }", 16},
        {KD_ERR_UNSUPPORTED, "{'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }", 16},
        {KD_ERR_UNSUPPORTED, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", 16},
        {KD_ERR_UNSUPPORTED, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 2), }", 16},
        {KD_ERR_UNSUPPORTED, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 4},
        {KD_ERR_TRUNCATED, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", 15},
        {KD_ERR_FORMAT, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", 17},
        {KD_ERR_FORMAT, "['descr']", 16},
        {KD_ERR_TOO_LARGE,
         "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905, 1), }", 4},
        {KD_ERR_NOT_FINITE, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", 8},
        {KD_ERR_SIZE, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }", 36},
    };
    static const double large[5] = {1e300};
    for (size_t i = 0; i < COUNT(rows); i++) {
        io_bytes file = numpy(rows[i].header, large, rows[i].size);
        kd_error e = KD_ERROR_INIT;
        kd_npy_info info = KD_NPY_INFO_INIT;
        kd_npy_info before = info;
        float out[8];
        support_refused(load(&file, out, 8, &info, &e), rows[i].due, e.text, "the reader");
        support_same_bits("info", &info, &before, sizeof info);
        io_free(&file);
    }
}

static void refused_at(int32_t argument, kd_status status, kd_status due, const kd_error *e,
                       const char *words)
{
    support_refused(status, due, e->text, words);
    assert_int_equal(e->argument, argument);
}

static void wrong_calls(void **state)
{
    (void)state;
    static float values[12];
    float out[12];
    kd_error e = KD_ERROR_INIT;
    kd_npy_info info = KD_NPY_INFO_INIT;
    io_bytes file = save(values, 3, 4, 0);
    kd_writer writer = io_writer(&file);
    kd_reader reader = io_reader(&file);
    size_t size = file.size;
    const size_t too_large = (size_t)1 << 31;
    refused_at(1, kd_save_npy(NULL, 3, 4, 0, NULL, &writer, &e), KD_ERR_NULL, &e, "values");
    refused_at(5, kd_save_npy(values, 3, 4, 0, NULL, NULL, &e), KD_ERR_NULL, &e, "both");
    refused_at(6, kd_save_npy(values, 3, 4, 0, "x", &writer, &e), KD_ERR_VALUE, &e, "one of");
    refused_at(2, kd_save_npy(values, 0, 4, 0, NULL, &writer, &e), KD_ERR_SIZE, &e, "rows");
    refused_at(3, kd_save_npy(values, 3, 0, 0, NULL, &writer, &e), KD_ERR_SIZE, &e, "columns");
    refused_at(4, kd_save_npy(values, 3, 4, 3, NULL, &writer, &e), KD_ERR_SIZE, &e, "stride");
    refused_at(2, kd_save_npy(values, too_large, 4, 0, NULL, &writer, &e), KD_ERR_TOO_LARGE, &e,
               "rows");
    refused_at(3, kd_save_npy(values, 3, too_large, 0, NULL, &writer, &e), KD_ERR_TOO_LARGE, &e,
               "columns");
    refused_at(4, kd_save_npy(values, 3, 4, too_large, NULL, &writer, &e), KD_ERR_TOO_LARGE, &e,
               "stride");
    support_refused(kd_save_npy(values, 3, 4, 0, "/nowhere/x", NULL, &e), KD_ERR_NO_FILE, e.text,
                    "/nowhere/x");
    kd_writer mute = writer;
    kd_reader blind = reader;
    mute.write = NULL;
    blind.read = NULL;
    refused_at(6, kd_save_npy(values, 3, 4, 0, NULL, &mute, &e), KD_ERR_NULL, &e, "write");
    refused_at(2, kd_load_npy(NULL, &blind, out, 12, &info, &e), KD_ERR_NULL, &e, "read");
    assert_int_equal(file.size, size);
    support_refused(kd_load_npy(NULL, NULL, out, 12, &info, &e), KD_ERR_NULL, e.text, "both");
    support_refused(kd_load_npy("x", &reader, out, 12, &info, &e), KD_ERR_VALUE, e.text, "one of");
    support_refused(kd_load_npy("/nowhere/x", NULL, out, 12, &info, &e), KD_ERR_NO_FILE, e.text,
                    "/nowhere/x");
    support_refused(load(&file, out, 11, &info, &e), KD_ERR_SIZE, e.text, "floats is 11");
    info.struct_size = 2;
    support_refused(load(&file, out, 12, &info, &e), KD_ERR_STRUCT, e.text, "out_info");
    info.struct_size = offsetof(kd_npy_info, columns); /* of an older host */
    info.columns = 77;
    support_ok(load(&file, out, 12, &info, &e), e.text);
    assert_true(info.rows == 3 && info.columns == 77);
    io_free(&file);
}

/* Writers and readers that fail at each call: a status, every time. */
static void callbacks_fail(void **state)
{
    (void)state;
    static float values[3000];
    static float out[3000];
    io_bytes whole = save(values, 100, 30, 0);
    for (size_t i = 0; i < 2; i++) {
        kd_status status = KD_ERR_IO;
        for (size_t at = 1; status != KD_OK; at++) {
            io_bytes file = {.fail_at = at, .answer = -5};
            kd_writer writer = io_writer(&file);
            kd_error e = KD_ERROR_INIT;
            if (i == 0) {
                status = kd_save_npy(values, 100, 30, 0, NULL, &writer, &e);
            } else {
                whole.calls = 0;
                whole.fail_at = at;
                whole.answer = -5;
                whole.most = 0;
                status = load(&whole, out, COUNT(out), NULL, &e);
            }
            if (status != KD_OK) {
                support_refused(status, KD_ERR_IO, e.text, "-5");
            } else { /* no call failed */
                assert_true((i == 0 ? file.calls : whole.calls) < at);
            }
            io_free(&file);
        }
    }
    io_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),  cmocka_unit_test(other_widths),
        cmocka_unit_test(loading_refuses), cmocka_unit_test(wrong_calls),
        cmocka_unit_test(callbacks_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
