/* SPDX-License-Identifier: MIT */
/* Broken safetensors files: the exact status of each, words that say why, and what it may cost. */
#include "common.h"

#define X "{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}"
#define WITH_SHAPE(shape) "{\"x\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[0,4]}}"
#define WITH_DTYPE(dtype) "{\"x\":{\"dtype\":" dtype ",\"shape\":[4],\"data_offsets\":[0,4]}}"
#define WITH_OFFSETS(two) "{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" two "}}"
#define PAIR(a, b)                                                                                 \
    "{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" a "},"                              \
    "\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" b "}}"
#define METADATA(words) "{\"__metadata__\":" words "}"
#define SUM(digits) METADATA("{\"kd.header_crc32c\":\"" digits "\"}")

typedef struct row {
    const char *header;
    size_t data;
    kd_status due;
    const char *needle;
} row;

static const row rows[] = {
    /* punctuation */
    {"x{}", 0, KD_ERR_FORMAT, "byte 8: { expected"},
    {" {}", 0, KD_ERR_FORMAT, "byte 8: { expected"},
    {"\xEF\xBB\xBF{}", 0, KD_ERR_FORMAT, "byte 8: { expected"},
    {"[]", 0, KD_ERR_FORMAT, "byte 8: { expected"},
    {"\"\"", 0, KD_ERR_FORMAT, "byte 8: { expected"},
    {"null", 0, KD_ERR_FORMAT, "byte 8: { expected"},
    {"{ ", 0, KD_ERR_FORMAT, "ends before \""},
    {"{{}", 0, KD_ERR_FORMAT, "byte 9: \" expected"},
    {"{\"x\"", 0, KD_ERR_FORMAT, "ends before :"},
    {"{\"x\":", 0, KD_ERR_FORMAT, "ends before {"},
    {"{\"x\" {}}", 0, KD_ERR_FORMAT, ": expected"},
    {"{\"x\":" X, 4, KD_ERR_FORMAT, "ends before , or }"},
    {"{\"x\":" X ",}", 4, KD_ERR_FORMAT, "\" expected"},
    {"{,\"x\":" X "}", 4, KD_ERR_FORMAT, "\" expected"},
    {"{\"x\":" X ",,\"y\":" X "}", 4, KD_ERR_FORMAT, "\" expected"},
    {"{\"x\":" X " \"y\":" X "}", 4, KD_ERR_FORMAT, ", or } expected"},
    {"{\"x\":" X "}}", 4, KD_ERR_FORMAT, "a space, behind the last brace"},
    {"{}\n", 0, KD_ERR_FORMAT, "a space, behind the last brace"},
    {"{}\t ", 0, KD_ERR_FORMAT, "a space, behind the last brace"},
    {"{} {}", 0, KD_ERR_FORMAT, "a space, behind the last brace"},
    {"{}/**/", 0, KD_ERR_FORMAT, "a space, behind the last brace"},
    {"{}\xC2\xA0", 0, KD_ERR_FORMAT, "a space, behind the last brace"},
    {"{\f}", 0, KD_ERR_FORMAT, "byte 9"},
    {"{/*x*/}", 0, KD_ERR_FORMAT, "byte 9"},
    {"{'x':" X "}", 4, KD_ERR_FORMAT, "\" expected"},
    {"{x:" X "}", 4, KD_ERR_FORMAT, "\" expected"},
    {"{1:" X "}", 4, KD_ERR_FORMAT, "\" expected"},
    {"{null:" X "}", 4, KD_ERR_FORMAT, "\" expected"},
    /* a tensor that is no object of three fields */
    {"{\"x\":null}", 0, KD_ERR_FORMAT, "{ expected"},
    {"{\"x\":1}", 0, KD_ERR_FORMAT, "{ expected"},
    {"{\"x\":\"F32\"}", 0, KD_ERR_FORMAT, "{ expected"},
    {"{\"x\":[\"U8\",[4],[0,4]]}", 4, KD_ERR_FORMAT, "{ expected"},
    {"{\"x\":{}}", 0, KD_ERR_FORMAT, "\" expected"},
    {"{\"x\":{\"shape\":[4],\"data_offsets\":[0,4]}}", 4, KD_ERR_FORMAT, "another of the fields"},
    {"{\"x\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", 4, KD_ERR_FORMAT,
     "another of the fields"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4]}}", 4, KD_ERR_FORMAT, "another of the fields"},
    {"{\"x\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
     KD_ERR_FORMAT, "field dtype of a tensor stands twice"},
    {"{\"x\":{\"dtype\":\"U8\",\"d\\u0074ype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
     KD_ERR_FORMAT, "field dtype of a tensor stands twice"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
     KD_ERR_FORMAT, "field shape of a tensor stands twice"},
    {"{\"x\":{\"data_offsets\":[0,4],\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
     KD_ERR_FORMAT, "field data_offsets of a tensor stands twice"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"layout\":0}}", 4,
     KD_ERR_FORMAT, "field layout of a tensor is unknown"},
    {"{\"x\":{\"Dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, KD_ERR_FORMAT,
     "field Dtype of a tensor is unknown"},
    {"{\"x\":{\"\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, KD_ERR_FORMAT,
     "of a tensor is unknown"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],}}", 4, KD_ERR_FORMAT,
     "\" expected"},
    {"{\"x\":{\"dtype\":\"U8\" \"shape\":[4],\"data_offsets\":[0,4]}}", 4, KD_ERR_FORMAT,
     "another of the fields"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]]}", 4, KD_ERR_FORMAT,
     ", or } expected"},
    /* dtype */
    {WITH_DTYPE("\"F128\""), 4, KD_ERR_FORMAT, "no dtype F128"},
    {WITH_DTYPE("\"u8\""), 4, KD_ERR_FORMAT, "no dtype u8"},
    {WITH_DTYPE("\"U8 \""), 4, KD_ERR_FORMAT, "no dtype U8 "},
    {WITH_DTYPE("\"\""), 4, KD_ERR_FORMAT, "no dtype "},
    {WITH_DTYPE("\"float32\""), 4, KD_ERR_FORMAT, "no dtype float32"},
    {WITH_DTYPE("\"U8U8U8U8U8U8U8U8U8U8U8U8U8U8U8U8U8U8\""), 4, KD_ERR_FORMAT, "no dtype U8U8"},
    {WITH_DTYPE("-1"), 4, KD_ERR_FORMAT, "\" expected"},
    {WITH_DTYPE("1"), 4, KD_ERR_FORMAT, "\" expected"},
    {WITH_DTYPE("null"), 4, KD_ERR_FORMAT, "\" expected"},
    {WITH_DTYPE("{\"U8\":null}"), 4, KD_ERR_FORMAT, "\" expected"},
    {WITH_DTYPE("[\"U8\"]"), 4, KD_ERR_FORMAT, "\" expected"},
    {WITH_DTYPE("\"F4\""), 4, KD_ERR_UNSUPPORTED, "dtype F4"},
    {WITH_DTYPE("\"F6_E2M3\""), 4, KD_ERR_UNSUPPORTED, "dtype F6_E2M3"},
    {WITH_DTYPE("\"F6_E3M2\""), 4, KD_ERR_UNSUPPORTED, "dtype F6_E3M2"},
    {WITH_DTYPE("\"F8_E4M3\""), 4, KD_ERR_UNSUPPORTED, "dtype F8_E4M3"},
    {WITH_DTYPE("\"F8_E5M2\""), 4, KD_ERR_UNSUPPORTED, "dtype F8_E5M2"},
    {WITH_DTYPE("\"F8_E8M0\""), 4, KD_ERR_UNSUPPORTED, "dtype F8_E8M0"},
    {WITH_DTYPE("\"C64\""), 4, KD_ERR_UNSUPPORTED, "dtype C64"},
    /* shape */
    {WITH_SHAPE("4"), 4, KD_ERR_FORMAT, "[ expected"},
    {WITH_SHAPE("null"), 4, KD_ERR_FORMAT, "[ expected"},
    {WITH_SHAPE("{}"), 4, KD_ERR_FORMAT, "[ expected"},
    {WITH_SHAPE("\"1\""), 4, KD_ERR_FORMAT, "[ expected"},
    {WITH_SHAPE("[1"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[1,]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[,1]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[1 1]"), 4, KD_ERR_FORMAT, ", or ] expected"},
    {WITH_SHAPE("[[1]]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[-1]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[-0]"), 0, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[+1]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[1.0]"), 4, KD_ERR_FORMAT, ", or ] expected"},
    {WITH_SHAPE("[1.5]"), 4, KD_ERR_FORMAT, ", or ] expected"},
    {WITH_SHAPE("[1e0]"), 4, KD_ERR_FORMAT, ", or ] expected"},
    {WITH_SHAPE("[1e400]"), 4, KD_ERR_FORMAT, ", or ] expected"},
    {WITH_SHAPE("[01]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[00]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[0x1]"), 4, KD_ERR_FORMAT, ", or ] expected"},
    {WITH_SHAPE("[\"1\"]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[null]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[true]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[NaN]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_SHAPE("[1_0]"), 4, KD_ERR_FORMAT, ", or ] expected"},
    {WITH_SHAPE("[18446744073709551616]"), 4, KD_ERR_TOO_LARGE, "this number is above"},
    {WITH_SHAPE("[99999999999999999999999999999999]"), 4, KD_ERR_TOO_LARGE, "above"},
    {WITH_SHAPE("[1,1,1,1,1,1,1,1,1]"), 4, KD_ERR_UNSUPPORTED, "more than 8 dimensions"},
    {WITH_SHAPE("[18446744073709551615]"), 4, KD_ERR_TOO_LARGE, "has too many bytes"},
    {WITH_SHAPE("[4611686018427387904]"), 0, KD_ERR_TOO_LARGE, "has too many bytes"},
    {WITH_SHAPE("[4611686018427387905]"), 4, KD_ERR_TOO_LARGE, "has too many bytes"},
    {WITH_SHAPE("[4294967296,4294967296]"), 4, KD_ERR_TOO_LARGE, "has too many bytes"},
    {WITH_SHAPE("[4294967297,4294967297]"), 4, KD_ERR_TOO_LARGE, "has too many bytes"},
    {WITH_SHAPE("[9223372036854775808,2]"), 4, KD_ERR_TOO_LARGE, "has too many bytes"},
    {WITH_SHAPE("[9223372036854775808,2,0]"), 0, KD_ERR_TOO_LARGE, "has too many bytes"},
    {WITH_SHAPE("[2147483648,2147483648,4]"), 4, KD_ERR_TOO_LARGE, "has too many bytes"},
    {WITH_SHAPE("[2]"), 4, KD_ERR_FORMAT, "has 8 bytes by its shape, 4 by its offsets"},
    {WITH_SHAPE("[0]"), 4, KD_ERR_FORMAT, "has 0 bytes by its shape, 4 by its offsets"},
    {WITH_SHAPE("[1,0]"), 4, KD_ERR_FORMAT, "has 0 bytes by its shape, 4 by its offsets"},
    {WITH_SHAPE("[2147483648]"), 4, KD_ERR_FORMAT, "8589934592 bytes by its shape"},
    /* data_offsets */
    {WITH_OFFSETS("4"), 4, KD_ERR_FORMAT, "[ expected"},
    {WITH_OFFSETS("[]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_OFFSETS("[4]"), 4, KD_ERR_FORMAT, ", expected"},
    {WITH_OFFSETS("[0,4,8]"), 4, KD_ERR_FORMAT, "] expected"},
    {WITH_OFFSETS("[0,4,]"), 4, KD_ERR_FORMAT, "] expected"},
    {WITH_OFFSETS("[0,-4]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_OFFSETS("[-0,4]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_OFFSETS("[0.0,4]"), 4, KD_ERR_FORMAT, ", expected"},
    {WITH_OFFSETS("[0,4e0]"), 4, KD_ERR_FORMAT, "] expected"},
    {WITH_OFFSETS("[0,04]"), 4, KD_ERR_FORMAT, "a whole number expected"},
    {WITH_OFFSETS("[0,18446744073709551616]"), 4, KD_ERR_TOO_LARGE, "above"},
    {WITH_OFFSETS("{\"0\":4}"), 4, KD_ERR_FORMAT, "[ expected"},
    {WITH_OFFSETS("[4,0]"), 4, KD_ERR_FORMAT, "ends at 0, before it begins at 4"},
    {WITH_OFFSETS("[18446744073709551615,3]"), 4, KD_ERR_FORMAT, "ends at 3, before it begins"},
    {WITH_OFFSETS("[1,5]"), 5, KD_ERR_FORMAT, "begins at 1, but the one before ends at 0"},
    {WITH_OFFSETS("[0,5]"), 5, KD_ERR_FORMAT, "4 bytes by its shape, 5 by its offsets"},
    {WITH_OFFSETS("[0,3]"), 3, KD_ERR_FORMAT, "4 bytes by its shape, 3 by its offsets"},
    {WITH_OFFSETS("[0,18446744073709551615]"), 4, KD_ERR_FORMAT, "4 bytes by its shape"},
    {WITH_OFFSETS("[0,4]"), 3, KD_ERR_TRUNCATED, "have 4 bytes, but 3 follow the header"},
    {WITH_OFFSETS("[0,4]"), 0, KD_ERR_TRUNCATED, "have 4 bytes, but 0 follow the header"},
    {WITH_OFFSETS("[0,4]"), 5, KD_ERR_FORMAT, "have 4 bytes, but 5 follow the header"},
    {"{}", 1, KD_ERR_FORMAT, "have 0 bytes, but 1 follow the header"},
    {METADATA("{}"), 8, KD_ERR_FORMAT, "have 0 bytes, but 8 follow the header"},
    {PAIR("[0,4]", "[0,4]"), 4, KD_ERR_FORMAT, "begins at 0, but the one before ends at 4"},
    {PAIR("[0,4]", "[0,4]"), 8, KD_ERR_FORMAT, "begins at 0, but the one before ends at 4"},
    {PAIR("[0,4]", "[3,7]"), 7, KD_ERR_FORMAT, "\"y\" begins at 3, but the one before ends at 4"},
    {PAIR("[0,4]", "[5,9]"), 9, KD_ERR_FORMAT, "\"y\" begins at 5, but the one before ends at 4"},
    {PAIR("[4,8]", "[1,5]"), 8, KD_ERR_FORMAT, "\"y\" begins at 1, but the one before ends at 0"},
    {PAIR("[4,8]", "[0,4]"), 7, KD_ERR_TRUNCATED, "have 8 bytes, but 7 follow the header"},
    {PAIR("[0,4]", "[4,8]"), 9, KD_ERR_FORMAT, "have 8 bytes, but 9 follow the header"},
    {PAIR("[0,4]", "[4,4]"), 4, KD_ERR_FORMAT, "4 bytes by its shape, 0 by its offsets"},
    /* names */
    {"{\"x\":" X ",\"x\":" X "}", 4, KD_ERR_FORMAT, "two tensors are called \"x\""},
    {"{\"x\":" X ",\"\\u0078\":" X "}", 4, KD_ERR_FORMAT, "two tensors are called \"x\""},
    {"{\"/\":" X ",\"\\/\":" X "}", 4, KD_ERR_FORMAT, "two tensors are called \"/\""},
    {"{\"\":" X ",\"\":" X "}", 4, KD_ERR_FORMAT, "two tensors are called \"\""},
    {"{\"\\ud83d\\ude00\":" X ",\"\xF0\x9F\x98\x80\":" X "}", 4, KD_ERR_FORMAT,
     "two tensors are called \"\xF0\x9F\x98\x80\""},
    /* the last of one byte, the first and the last of two, three and four */
    {"{\"\\u007f\":" X ",\"\x7F\":" X "}", 4, KD_ERR_FORMAT, "two tensors are called"},
    {"{\"\\u0080\":" X ",\"\xC2\x80\":" X "}", 4, KD_ERR_FORMAT, "two tensors are called"},
    {"{\"\\u07ff\":" X ",\"\xDF\xBF\":" X "}", 4, KD_ERR_FORMAT, "two tensors are called"},
    {"{\"\\u0800\":" X ",\"\xE0\xA0\x80\":" X "}", 4, KD_ERR_FORMAT, "two tensors are called"},
    {"{\"\\uffff\":" X ",\"\xEF\xBF\xBF\":" X "}", 4, KD_ERR_FORMAT, "two tensors are called"},
    {"{\"\\ud800\\udc00\":" X ",\"\xF0\x90\x80\x80\":" X "}", 4, KD_ERR_FORMAT,
     "two tensors are called"},
    {"{\"\\udbff\\udfff\":" X ",\"\xF4\x8F\xBF\xBF\":" X "}", 4, KD_ERR_FORMAT,
     "two tensors are called"},
    {"{\"x\\u0000\":" X "}", 4, KD_ERR_FORMAT, "a string without NUL"},
    {"{\"x\n\":" X "}", 4, KD_ERR_FORMAT, "a string without control bytes"},
    {"{\"x\x1F\":" X "}", 4, KD_ERR_FORMAT, "a string without control bytes"},
    {"{\"x\\\":" X "}", 4, KD_ERR_FORMAT, ": expected"},
    {"{\"x\\x41\":" X "}", 4, KD_ERR_FORMAT, "an escape of JSON"},
    {"{\"x\\'\":" X "}", 4, KD_ERR_FORMAT, "an escape of JSON"},
    {"{\"x\\U0041\":" X "}", 4, KD_ERR_FORMAT, "an escape of JSON"},
    {"{\"x\\u004\":" X "}", 4, KD_ERR_FORMAT, "a hexadecimal digit"},
    {"{\"x\\u00g1\":" X "}", 4, KD_ERR_FORMAT, "a hexadecimal digit"},
    {"{\"x\\u 041\":" X "}", 4, KD_ERR_FORMAT, "a hexadecimal digit"},
    {"{\"x\\u+041\":" X "}", 4, KD_ERR_FORMAT, "a hexadecimal digit"},
    {"{\"\\ud83d\":" X "}", 4, KD_ERR_FORMAT, "the other half of a surrogate"},
    {"{\"\\ude00\":" X "}", 4, KD_ERR_FORMAT, "the other half of a surrogate"},
    {"{\"\\ud800\":" X "}", 4, KD_ERR_FORMAT, "the other half of a surrogate"},
    {"{\"\\udc00\":" X "}", 4, KD_ERR_FORMAT, "the other half of a surrogate"},
    {"{\"\\udfff\":" X "}", 4, KD_ERR_FORMAT, "the other half of a surrogate"},
    {"{\"\\udc00\\udc00\":" X "}", 4, KD_ERR_FORMAT, "the other half of a surrogate"},
    {"{\"\\ud800\\udbff\":" X "}", 4, KD_ERR_FORMAT, "the low half of a surrogate"},
    {"{\"\\ud800\\ue000\":" X "}", 4, KD_ERR_FORMAT, "the low half of a surrogate"},
    {"{\"\\ude00\\ud83d\":" X "}", 4, KD_ERR_FORMAT, "the other half of a surrogate"},
    {"{\"\\ud83d\\ud83d\":" X "}", 4, KD_ERR_FORMAT, "the low half of a surrogate"},
    {"{\"\\ud83d\\u0041\":" X "}", 4, KD_ERR_FORMAT, "the low half of a surrogate"},
    {"{\"\\ud83dx\\ude00\":" X "}", 4, KD_ERR_FORMAT, "the other half of a surrogate"},
    {"{\"\\ud83d\\n1234\":" X "}", 4, KD_ERR_FORMAT, "the other half of a surrogate"},
    {"{\"x", 0, KD_ERR_FORMAT, "ends before \""},
    {"{\"x\xC2", 0, KD_ERR_FORMAT, "valid UTF-8"},
    {"{\"x\xE1\x80", 0, KD_ERR_FORMAT, "valid UTF-8"},
    {"{\"x\xF1\x80\x80", 0, KD_ERR_FORMAT, "valid UTF-8"},
    {"{\"x\\", 0, KD_ERR_FORMAT, "ends before an escape"},
    {"{\"x\\u", 0, KD_ERR_FORMAT, "ends before a hexadecimal digit"},
    {"{\"x\\u004", 0, KD_ERR_FORMAT, "ends before a hexadecimal digit"},
    {"{\"x\\ud83d", 0, KD_ERR_FORMAT, "ends before the other half"},
    {"{\"x\\ud83d\\ude0", 0, KD_ERR_FORMAT, "the other half"},
    /* __metadata__ */
    {METADATA("null"), 0, KD_ERR_FORMAT, "{ expected"},
    {METADATA("\"x\""), 0, KD_ERR_FORMAT, "{ expected"},
    {METADATA("[]"), 0, KD_ERR_FORMAT, "{ expected"},
    {METADATA(X), 4, KD_ERR_FORMAT, "\" expected"},
    {METADATA("{\"a\":1}"), 0, KD_ERR_FORMAT, "\" expected"},
    {METADATA("{\"a\":null}"), 0, KD_ERR_FORMAT, "\" expected"},
    {METADATA("{\"a\":{}}"), 0, KD_ERR_FORMAT, "\" expected"},
    {METADATA("{\"a\":[]}"), 0, KD_ERR_FORMAT, "\" expected"},
    {METADATA("{\"a\"}"), 0, KD_ERR_FORMAT, ": expected"},
    {METADATA("{\"a\":\"b\",}"), 0, KD_ERR_FORMAT, "\" expected"},
    {METADATA("{\"a\":\"b\" \"c\":\"d\"}"), 0, KD_ERR_FORMAT, ", or } expected"},
    {METADATA("{\"a\":\"b\\u0000\"}"), 0, KD_ERR_FORMAT, "a string without NUL"},
    {METADATA("{\"a\":\"b\",\"a\":\"b\"}"), 0, KD_ERR_FORMAT, "strings of __metadata__ are called"},
    {METADATA("{\"a\":\"b\",\"\\u0061\":\"c\"}"), 0, KD_ERR_FORMAT, "are called \"a\""},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, KD_ERR_FORMAT, "__metadata__ twice"},
    {"{\"__metadata__\":{},\"\\u005f_metadata__\":{}}", 0, KD_ERR_FORMAT, "__metadata__ twice"},
};

/* The same, for files that claim to be ours. */
static const row ours[] = {
    {"{}", 0, KD_ERR_FORMAT, "there is no checksum kd.header_crc32c"},
    {METADATA("{}"), 0, KD_ERR_FORMAT, "there is no checksum kd.header_crc32c"},
    {SUM(""), 0, KD_ERR_FORMAT, "there is no checksum kd.header_crc32c"},
    {SUM("0000000"), 0, KD_ERR_FORMAT, "there is no checksum kd.header_crc32c"},
    {SUM("000000000"), 0, KD_ERR_FORMAT, "there is no checksum kd.header_crc32c"},
    {SUM("0000000g"), 0, KD_ERR_FORMAT, "there is no checksum kd.header_crc32c"},
    {SUM("0000000A"), 0, KD_ERR_FORMAT, "there is no checksum kd.header_crc32c"},
    {SUM("000000 0"), 0, KD_ERR_FORMAT, "there is no checksum kd.header_crc32c"},
    {SUM("\\u0030000"), 0, KD_ERR_FORMAT, "there is no checksum kd.header_crc32c"},
    {SUM("00000000"), 0, KD_ERR_CHECKSUM, "the header does not have its checksum"},
    {"{\"kd.header_crc32c\":" X "}", 4, KD_ERR_FORMAT, "there is no checksum kd.header_crc32c"},
};

/* Sequences that are not UTF-8, after Unicode 15, table 3-7. */
static const char *const broken[] = {
    "\x80",
    "\xBF",
    "\xC0\x80",
    "\xC1\xBF",
    "\xC2",
    "\xC2\x41",
    "\xC2\xC0",
    "\xDF\x7F",
    "\xE0\x80\x80",
    "\xE0\x9F\xBF",
    "\xE1\x80",
    "\xE1\x80\x41",
    "\xE1\x41\x80",
    "\xED\xA0\x80",
    "\xED\xBF\xBF",
    "\xEF\xBF",
    "\xF0\x80\x80\x80",
    "\xF0\x8F\xBF\xBF",
    "\xF1\x80\x80",
    "\xF1\x80\x80\x41",
    "\xF1\x80\xC0\x80",
    "\xF4\x90\x80\x80",
    "\xF5\x80\x80\x80",
    "\xF8\x88\x80\x80\x80",
    "\xFE",
    "\xFF",
};

static size_t cases;

static void check(io_bytes *file, kdi_io_origin origin, kd_status due, const char *needle)
{
    io_memory memory = {0};
    kdi_allocator allocator = io_allocator(&memory);
    kd_error error = KD_ERROR_INIT;
    kdi_io_source source = io_source(file);
    kdi_io_tensors *tensors = NULL;
    kd_status status = kdi_io_tensors_open(&allocator, &source, origin, &tensors, &error);
    char what[80];
    size_t shown = file->size < 78 ? file->size : 78;
    snprintf(what, sizeof what, "%.*s", shown > 8 ? (int)shown - 8 : 0,
             shown > 8 ? (const char *)file->bytes + 8 : "");
    io_refused(what, status, due, &error, needle);
    assert_non_null(strstr(error.text, "; in the reader"));
    assert_int_equal(error.argument, 0); /* the file is at fault */
    assert_null(tensors);
    io_all_returned(&memory);
    assert_true(memory.peak < 2 * file->size + (1u << 20));
    cases++;
    io_free(file);
}

static void headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        io_bytes file = {0};
        io_add_tensors(&file, rows[i].header, strlen(rows[i].header), rows[i].data);
        check(&file, KDI_IO_FOREIGN, rows[i].due, rows[i].needle);
    }
    for (size_t i = 0; i < COUNT(ours); i++) {
        io_bytes file = {0};
        io_add_tensors(&file, ours[i].header, strlen(ours[i].header), ours[i].data);
        check(&file, KDI_IO_OURS, ours[i].due, ours[i].needle);
    }
}

static void strings_that_are_not_utf8(void **state)
{
    (void)state;
    static const char *const places[] = {"{\"x%s\":" X "}", "{\"%sx\":" X "}",
                                         METADATA("{\"k\":\"%s\"}")};
    for (size_t i = 0; i < COUNT(broken) * COUNT(places); i++) {
        char header[200];
        io_bytes file = {0};
        const char *string = broken[i / COUNT(places)];
        size_t at = (size_t)(strchr(places[i % COUNT(places)], '%') - places[i % COUNT(places)]);
        strcpy(header, places[i % COUNT(places)]);
        memmove(header + at + strlen(string), header + at + 2, strlen(header + at + 2) + 1);
        memcpy(header + at, string, strlen(string));
        io_add_tensors(&file, header, strlen(header), 4);
        check(&file, KDI_IO_FOREIGN, KD_ERR_FORMAT, "valid UTF-8 expected");
    }
}

/* A NUL as it stands, in every place where a byte may stand. */
static void a_nul_anywhere(void **state)
{
    (void)state;
    static const char header[] = "{\"__metadata__\":{\"a\":\"b\"},\"x\":" X "}  ";
    for (size_t i = 0; i < sizeof header - 1; i++) {
        io_bytes file = {0};
        io_add_tensors(&file, header, sizeof header - 1, 4);
        file.bytes[8 + i] = 0;
        check(&file, KDI_IO_FOREIGN, KD_ERR_FORMAT, NULL);
    }
}

static void lengths_of_the_header(void **state)
{
    (void)state;
    static const struct {
        uint64_t length;
        kd_status due;
        const char *needle;
    } lengths[] = {
        {0, KD_ERR_FORMAT, "a header of 0 bytes"},
        {1, KD_ERR_FORMAT, "a header of 1 bytes"},
        {9, KD_ERR_TRUNCATED, "a header of 9 bytes is due, but there are 16 in all"},
        {16, KD_ERR_TRUNCATED, "a header of 16 bytes is due"},
        {4096, KD_ERR_TRUNCATED, "a header of 4096 bytes is due"},
        {99999999, KD_ERR_TRUNCATED, "a header of 99999999 bytes is due"},
        {100000000, KD_ERR_TRUNCATED, "a header of 100000000 bytes is due"},
        {100000001, KD_ERR_FORMAT, "not a safetensors file"},
        {UINT64_C(1) << 32, KD_ERR_FORMAT, "not a safetensors file"},
        {UINT64_C(1) << 63, KD_ERR_FORMAT, "not a safetensors file"},
        {UINT64_MAX - 7, KD_ERR_FORMAT, "not a safetensors file"},
        {UINT64_MAX, KD_ERR_FORMAT, "not a safetensors file"},
        {UINT64_C(0x0A1A0A0D474E5089), KD_ERR_FORMAT, "not a safetensors file"},
    };
    for (size_t i = 0; i < COUNT(lengths); i++) {
        io_bytes file = {0};
        io_add_tensors(&file, "{}      ", 8, 0);
        kdi_io_store(file.bytes, 8, lengths[i].length);
        check(&file, KDI_IO_FOREIGN, lengths[i].due, lengths[i].needle);
    }
    for (size_t size = 0; size < 8; size++) {
        io_bytes file = {0};
        io_add(&file, "\2\0\0\0\0\0\0\0", size);
        check(&file, KDI_IO_FOREIGN, KD_ERR_TRUNCATED, "8 bytes are due at byte 0");
    }
}

/* A tensor without a checksum in a header that has a good one. */
static void ours_without_a_sum(void **state)
{
    (void)state;
    static const char *const words[] = {"",
                                        ",\"crc32c.y\":\"00000000\"",
                                        ",\"crc32c.x\":\"0\"",
                                        ",\"crc32c.x\":\"0000000G\"",
                                        ",\"crc32c\":\"00000000\"",
                                        ",\"crc32c.x\":\"000000000\""};
    for (size_t i = 0; i < COUNT(words); i++) {
        char header[300];
        char digits[8];
        io_bytes file = {0};
        int length = snprintf(
            header, sizeof header,
            "{\"__metadata__\":{\"kd.header_crc32c\":\"00000000\"%s},\"x\":" X "}", words[i]);
        kdi_io_put_hex(digits, kdi_io_crc(0, header, (size_t)length));
        memcpy(strstr(header, "00000000"), digits, 8);
        io_add_tensors(&file, header, (size_t)length, 4);
        check(&file, KDI_IO_OURS, KD_ERR_FORMAT, "tensor \"x\" has no checksum");
    }
}

/* Brackets without end: nothing recurses. */
static void deep_nesting(void **state)
{
    (void)state;
    static const char *const starts[] = {
        "{", "{\"x\":", "{\"x\":{\"shape\":", "{\"__metadata__\":{\"a\":"};
    for (size_t i = 0; i < COUNT(starts) * 2; i++) {
        io_bytes file = {0};
        io_add_tensors(&file, starts[i / 2], strlen(starts[i / 2]), 0);
        for (size_t depth = 0; depth < 1000000; depth++) {
            io_add(&file, i % 2 ? "[" : "{", 1);
        }
        kdi_io_store(file.bytes, 8, file.size - 8);
        check(&file, KDI_IO_FOREIGN, KD_ERR_FORMAT, "expected");
    }
}

static int report(void **state)
{
    (void)state;
    print_message("%zu malformed safetensors files\n", cases);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers),
        cmocka_unit_test(strings_that_are_not_utf8),
        cmocka_unit_test(a_nul_anywhere),
        cmocka_unit_test(lengths_of_the_header),
        cmocka_unit_test(ours_without_a_sum),
        cmocka_unit_test(deep_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, report);
}
