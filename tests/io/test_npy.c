/* SPDX-License-Identifier: MIT */
/* .npy: what numpy writes is read, what is written is what numpy writes, the rest is refused. */
#include "common.h"

#include <math.h>

#define HEADER(descr, order, shape)                                                                \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"
#define SHAPE(shape) HEADER("'<f4'", "False", shape)
#define DESCR(descr) HEADER(descr, "False", "(2,)")

static size_t cases;

static kd_status open_npy(io_bytes *file, kdi_io_npy *npy, kd_error *error)
{
    io_memory memory = {0};
    kdi_allocator allocator = io_allocator(&memory);
    kdi_io_source source = io_source(file);
    kd_status status = kdi_io_npy_open(npy, &allocator, &source, error);
    io_all_returned(&memory);
    assert_true(memory.peak < 2 * file->size + (1u << 20));
    return status;
}

static void refuse(io_bytes *file, const char *what, kd_status due, const char *needle)
{
    kdi_io_npy npy;
    kd_error error = KD_ERROR_INIT;
    io_refused(what, open_npy(file, &npy, &error), due, &error, needle);
    assert_non_null(strstr(error.text, "; in the reader"));
    assert_int_equal(error.argument, 0); /* the file is at fault */
    io_free(file);
    cases++;
}

/* ---- there and back ---- */

static void as_numpy_writes_it(void **state)
{
    (void)state;
    static const float values[6] = {1, 2, 3, 4, 5, 6};
    static const char two[] = "\x93NUMPY\x01\0\x76\0{'descr': '<f4', 'fortran_order': False, "
                              "'shape': (2, 2), }";
    static const char one[] = "\x93NUMPY\x01\0\x76\0{'descr': '<f4', 'fortran_order': False, "
                              "'shape': (2,), }";
    static const unsigned char numbers[16] = {0, 0, 0x80, 0x3F, 0, 0, 0,    0x40,
                                              0, 0, 0x80, 0x40, 0, 0, 0xA0, 0x40};
    io_bytes file = {0};
    kd_error error = KD_ERROR_INIT;
    kdi_io_sink sink = io_sink(&file);
    io_ok(kdi_io_npy_write(&sink, values, 2, 2, 2, 3, &error), &error);
    assert_int_equal(file.size, 128 + 16);
    assert_memory_equal(file.bytes, two, sizeof two - 1);
    for (size_t i = sizeof two - 1; i < 127; i++) {
        assert_int_equal(file.bytes[i], ' ');
    }
    assert_int_equal(file.bytes[127], '\n');
    assert_memory_equal(file.bytes + 128, numbers, 16);
    io_free(&file);
    sink = io_sink(&file);
    io_ok(kdi_io_npy_write(&sink, values, 1, 2, 1, 1, &error), &error);
    assert_int_equal(file.size, 128 + 8);
    assert_memory_equal(file.bytes, one, sizeof one - 1);
    io_free(&file);
}

static void sizes_there_and_back(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{0, 3},   {1, 1},    {3, 0},   {1023, 1}, {1, 1024},
                                      {41, 25}, {2, 2049}, {513, 4}, {60, 100}};
    uint64_t seed = 17;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        size_t rows = sizes[i][0];
        size_t columns = sizes[i][1];
        size_t stride = columns + i % 3;
        io_bytes file = {0};
        kd_error error = KD_ERROR_INIT;
        kdi_io_npy npy;
        float *values = calloc(rows * stride + 1, sizeof *values);
        float *got = calloc(rows * columns + 1, sizeof *got);
        for (size_t j = 0; j < rows * stride; j++) {
            uint32_t bits = (uint32_t)io_random(&seed); /* NaN and infinities too */
            memcpy(&values[j], &bits, sizeof bits);
        }
        kdi_io_sink sink = io_sink(&file);
        io_ok(kdi_io_npy_write(&sink, values, 2, rows, columns, stride, &error), &error);
        io_ok(open_npy(&file, &npy, &error), &error);
        assert_int_equal(npy.rank, 2);
        assert_int_equal(npy.rows, rows);
        assert_int_equal(npy.columns, columns);
        size_t cut = rows / 3;
        io_ok(kdi_io_npy_read(&npy, cut, rows - cut, got + cut * columns, &error), &error);
        io_ok(kdi_io_npy_read(&npy, 0, cut, got, &error), &error);
        for (size_t r = 0; r < rows; r++) {
            assert_memory_equal(got + r * columns, values + r * stride, columns * sizeof *got);
        }
        assert_true(got[rows * columns] == 0.0f);
        io_refused("rows", kdi_io_npy_read(&npy, cut, rows - cut + 1, got, &error), KD_ERR_INDEX,
                   &error, "rows from");
        io_refused("rows", kdi_io_npy_read(&npy, rows + 1, 0, got, &error), KD_ERR_INDEX, &error,
                   "rows from");
        free(got);
        free(values);
        io_free(&file);
    }
}

static void doubles_and_halves(void **state)
{
    (void)state;
    static const double doubles[] = {0.1, -0.0, 1e-300, 3.4e38, -3.5e38, (double)INFINITY};
    io_bytes file = {0};
    kd_error error = KD_ERROR_INIT;
    kdi_io_npy npy;
    float got[6];
    io_add_npy(&file, HEADER("'<f8'", "False", "(6,)"), 48);
    for (size_t i = 0; i < 6; i++) {
        uint64_t bits;
        memcpy(&bits, &doubles[i], sizeof bits);
        kdi_io_store(file.bytes + file.size - 48 + 8 * i, 8, bits);
    }
    io_ok(open_npy(&file, &npy, &error), &error);
    io_ok(kdi_io_npy_read(&npy, 0, 4, got, &error), &error);
    for (size_t i = 0; i < 4; i++) {
        assert_true(got[i] == (float)doubles[i] && !signbit(got[i]) == !signbit(doubles[i]));
    }
    io_ok(kdi_io_npy_read(&npy, 5, 1, got, &error), &error);
    assert_true(got[0] == INFINITY);
    io_refused("large", kdi_io_npy_read(&npy, 3, 3, got, &error), KD_ERR_NOT_FINITE, &error,
               "element 4 is -3.5e38, too large for a float");
    io_free(&file);

    io_add_npy(&file, HEADER("'<f2'", "False", "(2, 2)"), 8);
    static const uint16_t halves[4] = {0x3C00, 0xC000, 0x7C00, 0x0001};
    for (size_t i = 0; i < 4; i++) {
        kdi_io_store(file.bytes + file.size - 8 + 2 * i, 2, halves[i]);
    }
    io_ok(open_npy(&file, &npy, &error), &error);
    io_ok(kdi_io_npy_read(&npy, 0, 2, got, &error), &error);
    assert_true(got[0] == 1.0f && got[1] == -2.0f && got[2] == INFINITY && got[3] == 0x1p-24f);
    io_free(&file);
}

/* ---- headers ---- */

static void the_freedoms_of_the_notation(void **state)
{
    (void)state;
    static const char *const headers[] = {
        SHAPE("(2, 1)"),
        SHAPE("(2,1,)"),
        SHAPE("( 2 , 1 , )"),
        SHAPE("(2,)"),
        "{'shape':(2,),'fortran_order':False,'descr':'<f4'}",
        "{\"descr\": \"<f4\", \"fortran_order\": False, \"shape\": (2,)}  ",
        " { 'descr' : '<f4' , 'shape' : (2,) , 'fortran_order' : False } ",
    };
    for (size_t i = 0; i < COUNT(headers); i++) {
        io_bytes file = {0};
        kd_error error = KD_ERROR_INIT;
        kdi_io_npy npy;
        io_add_npy(&file, headers[i], 8);
        io_ok(open_npy(&file, &npy, &error), &error);
        assert_int_equal(npy.rows, 2);
        assert_int_equal(npy.columns, 1);
        io_free(&file);
    }
}

static void versions(void **state)
{
    (void)state;
    for (unsigned version = 0; version < 6; version++) {
        io_bytes file = {0};
        io_bytes other = {0};
        kd_error error = KD_ERROR_INIT;
        kdi_io_npy npy;
        io_add_npy(&file, SHAPE("(2,)"), 8);
        io_add(&other, file.bytes, file.size);
        file.bytes[6] = (unsigned char)version;
        if (version == 2 || version == 3) { /* two more bytes of length */
            file.size = 0;
            io_add(&file, other.bytes, 6);
            io_add(&file, &(char){(char)version}, 1);
            io_add(&file, "", 1);
            io_add(&file, other.bytes + 8, 2);
            io_add(&file, "\0", 2);
            io_add(&file, other.bytes + 10, other.size - 10);
        }
        if (version >= 1 && version <= 3) {
            io_ok(open_npy(&file, &npy, &error), &error);
            io_free(&file);
        } else {
            refuse(&file, "version", KD_ERR_VERSION, "of .npy, only 1.0");
        }
        io_free(&other);
    }
    io_bytes file = {0};
    io_add_npy(&file, SHAPE("(2,)"), 8);
    file.bytes[7] = 2;
    refuse(&file, "minor", KD_ERR_VERSION, "version 1.2 ");
}

static const struct {
    const char *header;
    size_t data;
    kd_status due;
    const char *needle;
} rows[] = {
    /* shapes */
    {SHAPE("()"), 4, KD_ERR_UNSUPPORTED, "0 dimensions"},
    {SHAPE("(1, 1, 1)"), 4, KD_ERR_UNSUPPORTED, "3 dimensions"},
    {SHAPE("(1, 1, 1, 1, 1, 1, 1, 1, 1)"), 4, KD_ERR_UNSUPPORTED, "9 dimensions"},
    {SHAPE("[2]"), 8, KD_ERR_FORMAT, "( expected"},
    {SHAPE("[2,]"), 8, KD_ERR_FORMAT, "( expected"},
    {SHAPE("2"), 8, KD_ERR_FORMAT, "( expected"},
    {SHAPE("2,"), 8, KD_ERR_FORMAT, "( expected"},
    {SHAPE("(2)"), 8, KD_ERR_FORMAT, "a comma in a shape of one number"},
    {SHAPE("None"), 8, KD_ERR_FORMAT, "( expected"},
    {SHAPE("(,)"), 8, KD_ERR_FORMAT, "a whole number"},
    {SHAPE("(,2)"), 8, KD_ERR_FORMAT, "a whole number"},
    {SHAPE("(2,,)"), 8, KD_ERR_FORMAT, "a whole number"},
    {SHAPE("(2 1)"), 8, KD_ERR_FORMAT, ", or )"},
    {SHAPE("(2,"), 8, KD_ERR_FORMAT, "a whole number"},
    {SHAPE("(-2,)"), 8, KD_ERR_FORMAT, "a whole number"},
    {SHAPE("(+2,)"), 8, KD_ERR_FORMAT, "a whole number"},
    {SHAPE("(2.0,)"), 8, KD_ERR_FORMAT, ", or )"},
    {SHAPE("(2e0,)"), 8, KD_ERR_FORMAT, ", or )"},
    {SHAPE("(2L,)"), 8, KD_ERR_FORMAT, ", or )"},
    {SHAPE("(0x2,)"), 8, KD_ERR_FORMAT, ", or )"},
    {SHAPE("(02,)"), 8, KD_ERR_FORMAT, "a whole number"},
    {SHAPE("(1_0,)"), 40, KD_ERR_FORMAT, ", or )"},
    {SHAPE("('2',)"), 8, KD_ERR_FORMAT, "a whole number"},
    {SHAPE("((2,),)"), 8, KD_ERR_FORMAT, "a whole number"},
    {SHAPE("(2**3,)"), 32, KD_ERR_FORMAT, ", or )"},
    {SHAPE("(True,)"), 4, KD_ERR_FORMAT, "a whole number"},
    {SHAPE("(18446744073709551616,)"), 8, KD_ERR_TOO_LARGE, "above"},
    {SHAPE("(99999999999999999999999999, 0)"), 0, KD_ERR_TOO_LARGE, "above"},
    {SHAPE("(18446744073709551615,)"), 8, KD_ERR_TOO_LARGE, "too many bytes"},
    {SHAPE("(4611686018427387904,)"), 0, KD_ERR_TOO_LARGE, "too many bytes"},
    {SHAPE("(4611686018427387906,)"), 8, KD_ERR_TOO_LARGE, "too many bytes"},
    {SHAPE("(4294967296, 4294967296)"), 0, KD_ERR_TOO_LARGE, "too many bytes"},
    {SHAPE("(0, 18446744073709551615)"), 0, KD_ERR_TOO_LARGE, "too many bytes"},
    {SHAPE("(2305843009213693952, 0)"), 0, KD_ERR_TOO_LARGE, "too many bytes"},
    {SHAPE("(2147483648,)"), 8, KD_ERR_TRUNCATED, "8589934592 bytes, but 8 follow"},
    {SHAPE("(3,)"), 8, KD_ERR_TRUNCATED, "12 bytes, but 8 follow"},
    {SHAPE("(2,)"), 7, KD_ERR_TRUNCATED, "8 bytes, but 7 follow"},
    {SHAPE("(2,)"), 0, KD_ERR_TRUNCATED, "8 bytes, but 0 follow"},
    {SHAPE("(2,)"), 9, KD_ERR_FORMAT, "8 bytes, but 9 follow"},
    {SHAPE("(1,)"), 8, KD_ERR_FORMAT, "4 bytes, but 8 follow"},
    {SHAPE("(0, 5)"), 4, KD_ERR_FORMAT, "0 bytes, but 4 follow"},
    /* headers that end too soon */
    {"{'descr': '<f4', 'fortran_order': Fal", 8, KD_ERR_FORMAT, ""},
    {"{'descr': '<f4', 'fortran_order", 8, KD_ERR_FORMAT, ""},
    {DESCR("'<\x7F"
           "4'"),
     8, KD_ERR_FORMAT, "a plain string"},
    /* elements */
    {DESCR("'|O'"), 8, KD_ERR_UNSUPPORTED, "elements |O"},
    {DESCR("'>f4'"), 8, KD_ERR_UNSUPPORTED, "elements >f4"},
    {DESCR("'=f4'"), 8, KD_ERR_UNSUPPORTED, "elements =f4"},
    {DESCR("'f4'"), 8, KD_ERR_UNSUPPORTED, "elements f4"},
    {DESCR("'float32'"), 8, KD_ERR_UNSUPPORTED, "elements float32"},
    {DESCR("'<f16'"), 32, KD_ERR_UNSUPPORTED, "elements <f16"},
    {DESCR("'<f1'"), 2, KD_ERR_UNSUPPORTED, "elements <f1"},
    {DESCR("'<i4'"), 8, KD_ERR_UNSUPPORTED, "elements <i4"},
    {DESCR("'<c8'"), 16, KD_ERR_UNSUPPORTED, "elements <c8"},
    {DESCR("'|b1'"), 2, KD_ERR_UNSUPPORTED, "elements |b1"},
    {DESCR("'<U4'"), 32, KD_ERR_UNSUPPORTED, "elements <U4"},
    {DESCR("'<M8[ns]'"), 16, KD_ERR_UNSUPPORTED, "elements <M8[ns]"},
    {DESCR("''"), 8, KD_ERR_UNSUPPORTED, "elements "},
    {DESCR("'<f4 '"), 8, KD_ERR_UNSUPPORTED, "elements <f4 "},
    {DESCR("'<f4<f4<f4<f4<f4<f4<f4<f4'"), 8, KD_ERR_UNSUPPORTED, "elements <f4<f4<f4<f4<f4"},
    {DESCR("[('a', '<f4')]"), 8, KD_ERR_UNSUPPORTED, "elements a structure"},
    {DESCR("('<f4', (2,))"), 16, KD_ERR_FORMAT, "a string expected"},
    {DESCR("4"), 8, KD_ERR_FORMAT, "a string expected"},
    {DESCR("None"), 8, KD_ERR_FORMAT, "a string expected"},
    {DESCR("'<f4"), 8, KD_ERR_UNSUPPORTED, "elements <f4, "},
    {DESCR("'<\\x664'"), 8, KD_ERR_FORMAT, "a plain string"},
    {DESCR("'<f\xC3\xA9'"), 8, KD_ERR_FORMAT, "a plain string"},
    {DESCR("'<f4\"'"), 8, KD_ERR_UNSUPPORTED, "elements <f4\""},
    {DESCR("b'<f4'"), 8, KD_ERR_FORMAT, "a string expected"},
    {DESCR("'''<f4'''"), 8, KD_ERR_UNSUPPORTED, "elements "},
    /* order */
    {HEADER("'<f4'", "True", "(2,)"), 8, KD_ERR_UNSUPPORTED, "fortran_order True"},
    {HEADER("'<f4'", "true", "(2,)"), 8, KD_ERR_FORMAT, "True or False"},
    {HEADER("'<f4'", "0", "(2,)"), 8, KD_ERR_FORMAT, "True or False"},
    {HEADER("'<f4'", "None", "(2,)"), 8, KD_ERR_FORMAT, "True or False"},
    {HEADER("'<f4'", "'False'", "(2,)"), 8, KD_ERR_FORMAT, "True or False"},
    {HEADER("'<f4'", "Fals", "(2,)"), 8, KD_ERR_FORMAT, "True or False"},
    {HEADER("'<f4'", "Falsey", "(2,)"), 8, KD_ERR_FORMAT, ", or }"},
    /* the dictionary */
    {"", 8, KD_ERR_FORMAT, "{ expected"},
    {"[]", 8, KD_ERR_FORMAT, "{ expected"},
    {"('<f4', False, (2,))", 8, KD_ERR_FORMAT, "{ expected"},
    {"dict(descr='<f4')", 8, KD_ERR_FORMAT, "{ expected"},
    {"{}", 8, KD_ERR_FORMAT, "descr, fortran_order and shape before this"},
    {"{,}", 8, KD_ERR_FORMAT, "a string expected"},
    {"{'fortran_order': False, 'shape': (2,)}", 8, KD_ERR_FORMAT, "descr, fortran_order and shape"},
    {"{'descr': '<f4', 'shape': (2,)}", 8, KD_ERR_FORMAT, "descr, fortran_order and shape"},
    {"{'descr': '<f4', 'fortran_order': False}", 8, KD_ERR_FORMAT, "descr, fortran_order and"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,),,}", 8, KD_ERR_FORMAT, "a string"},
    {"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", 8, KD_ERR_FORMAT, ", or }"},
    {"{'descr', 'fortran_order', 'shape'}", 8, KD_ERR_FORMAT, ": expected"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", 8, KD_ERR_FORMAT,
     "key x is unknown"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}", 8, KD_ERR_FORMAT,
     "key shape stands twice"},
    {"{'Descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 8, KD_ERR_FORMAT, "key Descr is"},
    {"{'descr': '<f4', 'fortran_orderings': False, 'shape': (2,)}", 8, KD_ERR_FORMAT, "is unknown"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", 8, KD_ERR_FORMAT, ", or }"},
    {SHAPE("(2,)") "x", 8, KD_ERR_FORMAT, "spaces and one line feed"},
    {SHAPE("(2,)") "}", 8, KD_ERR_FORMAT, "spaces and one line feed"},
    {SHAPE("(2,)") "\n", 8, KD_ERR_FORMAT, "spaces and one line feed"},
    {SHAPE("(2,)") "#", 8, KD_ERR_FORMAT, "spaces and one line feed"},
    {"\t" SHAPE("(2,)"), 8, KD_ERR_FORMAT, "{ expected"},
};

static void headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        io_bytes file = {0};
        io_add_npy(&file, rows[i].header, rows[i].data);
        refuse(&file, rows[i].header, rows[i].due, rows[i].needle);
    }
}

static void beginnings(void **state)
{
    (void)state;
    io_bytes file = {0};
    io_bytes good = {0};
    io_add_npy(&good, SHAPE("(2,)"), 8);
    for (size_t size = 0; size < good.size; size++) {
        io_add(&file, good.bytes, size);
        refuse(&file, "cut", KD_ERR_TRUNCATED, NULL);
    }
    for (size_t at = 0; at < 6; at++) {
        for (int bit = 0; bit < 8; bit++) {
            io_add(&file, good.bytes, good.size);
            file.bytes[at] ^= (unsigned char)(1 << bit);
            refuse(&file, "magic", KD_ERR_FORMAT, "not a .npy file");
        }
    }
    io_add(&file, "PK", 2);
    refuse(&file, "zip", KD_ERR_FORMAT, "not a .npy file");
    good.bytes[good.size - 9] = ' ';
    io_add(&file, good.bytes, good.size);
    refuse(&file, "no line feed", KD_ERR_FORMAT, "the header ends before spaces and one line feed");
    good.bytes[good.size - 10] = 0;
    refuse(&good, "NUL", KD_ERR_FORMAT, "spaces and one line feed");
}

static void lengths_of_the_header(void **state)
{
    (void)state;
    static const struct {
        uint32_t length; /* of a file of version 2.0 with 65,547 bytes in all */
        kd_status due;
    } lengths[] = {{0, KD_ERR_FORMAT},           {10001, KD_ERR_FORMAT},
                   {65535, KD_ERR_FORMAT},       {65536, KD_ERR_TRUNCATED},
                   {1u << 31, KD_ERR_TRUNCATED}, {UINT32_MAX, KD_ERR_TRUNCATED}};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        io_bytes file = {0};
        io_add(&file, "\x93NUMPY\x02\0\0\0\0\0", 12);
        kdi_io_store(file.bytes + 8, 4, lengths[i].length);
        while (file.size < 12 + 65535) {
            io_add(&file, " ", 1);
        }
        refuse(&file, "length", lengths[i].due, "a header of");
    }
    /* The longest one, and one byte more. */
    for (size_t longer = 0; longer < 2; longer++) {
        io_bytes file = {0};
        kdi_io_npy npy;
        io_add_npy(&file, SHAPE("(0,)"), 0);
        file.size--;
        while (file.size < 10 + 10000 + longer - 1) {
            io_add(&file, " ", 1);
        }
        io_add(&file, "\n", 1);
        kdi_io_store(file.bytes + 8, 2, 10000 + longer);
        if (longer) {
            refuse(&file, "length", KD_ERR_FORMAT, "a header of 10001 bytes");
        } else {
            assert_int_equal(open_npy(&file, &npy, NULL), KD_OK);
            io_free(&file);
        }
    }
}

static int report(void **state)
{
    (void)state;
    print_message("%zu malformed npy files\n", cases);
    return 0;
}

/* Every beginning of a good header, as the whole of it. */
static void headers_end_anywhere(void **state)
{
    (void)state;
    static const char header[] = SHAPE("(2,)");
    for (size_t size = 1; size < sizeof header; size++) {
        const unsigned char digits[2] = {(unsigned char)size, 0};
        const float numbers[2] = {0};
        kdi_io_npy npy;
        kd_error error = KD_ERROR_INIT;
        io_bytes file = {0};
        io_add(&file, "\x93NUMPY\x01\0", 8);
        io_add(&file, digits, 2);
        io_add(&file, header, size);
        io_add(&file, numbers, sizeof numbers);
        kd_status status = open_npy(&file, &npy, &error);
        assert_true(status == KD_ERR_FORMAT || status == KD_ERR_UNSUPPORTED);
        assert_int_equal(error.argument, 0);
        io_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_end_anywhere),
        cmocka_unit_test(as_numpy_writes_it),
        cmocka_unit_test(sizes_there_and_back),
        cmocka_unit_test(doubles_and_halves),
        cmocka_unit_test(the_freedoms_of_the_notation),
        cmocka_unit_test(versions),
        cmocka_unit_test(headers),
        cmocka_unit_test(beginnings),
        cmocka_unit_test(lengths_of_the_header),
    };
    return cmocka_run_group_tests(tests, NULL, report);
}
