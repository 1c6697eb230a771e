/* SPDX-License-Identifier: MIT */
/* MNIST's files: good ones are read to the byte, damaged ones are refused with a telling word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "idx.h"

enum { IMAGES = 3, HEAD_IMAGES = 16, HEAD_LABELS = 8, LARGEST = 4096 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define IMAGES_NAME "train-images-idx3-ubyte"
#define LABELS_NAME "train-labels-idx1-ubyte"

/* A file in the making. */
typedef struct blob {
    size_t size;
    unsigned char bytes[LARGEST];
} blob;

/* Each test has a folder of its own, which is removed behind it, even if it fails. Empty: none. */
static char folder[64];

static void path_of(char path[256], const char *name)
{
    snprintf(path, 256, "%s/%s", folder, name);
}

static int make_folder(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    int n = snprintf(folder, sizeof folder, "%s/idx-XXXXXX", parent ? parent : "/tmp");
    return n > 0 && (size_t)n < sizeof folder && mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    if (!folder[0]) {
        return 0;
    }
    static const char *const names[] = {
        IMAGES_NAME,
        LABELS_NAME,
        IMAGES_NAME ".gz",
        LABELS_NAME ".gz",
        "train-images.idx3-ubyte",
        "train-labels.idx1-ubyte.gz",
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[256];
        path_of(path, names[i]);
        remove(path);
    }
    int result = rmdir(folder);
    folder[0] = '\0';
    return result;
}

static void put_word(blob *b, size_t at, uint32_t word)
{
    for (size_t i = 0; i < 4; i++) {
        b->bytes[at + i] = (unsigned char)(word >> (24 - 8 * i));
    }
}

static uint8_t pixel_of(size_t i)
{
    return (uint8_t)(i * 7 % 251);
}

static void make_images(blob *b)
{
    *b = (blob){.size = HEAD_IMAGES + IMAGES * DIGIT_PIXELS};
    const uint32_t head[] = {0x803, IMAGES, 28, 28};
    for (size_t i = 0; i < COUNT(head); i++) {
        put_word(b, 4 * i, head[i]);
    }
    for (size_t i = 0; i < IMAGES * DIGIT_PIXELS; i++) {
        b->bytes[HEAD_IMAGES + i] = pixel_of(i);
    }
}

static void make_labels(blob *b)
{
    *b = (blob){.size = HEAD_LABELS + IMAGES, .bytes = {0}};
    put_word(b, 0, 0x801);
    put_word(b, 4, IMAGES);
    memcpy(b->bytes + HEAD_LABELS, "\5\0\11", IMAGES);
}

static void write_file(const char *name, const blob *b)
{
    char path[256];
    path_of(path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(b->bytes, 1, b->size, file), b->size);
    assert_int_equal(fclose(file), 0);
}

static void compress_blob(blob *b)
{
    blob packed = {0};
    z_stream z = {0};
    const int with_gzip_header = 16;
    assert_int_equal(
        deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + with_gzip_header, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = b->bytes;
    z.avail_in = (unsigned)b->size;
    z.next_out = packed.bytes;
    z.avail_out = LARGEST;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    packed.size = z.total_out;
    deflateEnd(&z);
    *b = packed;
}

/* Loads and expects a refusal that names the file and has the word; the set must stay untouched. */
static void expect_refusal(const char *what, const char *name, const char *telling)
{
    uint8_t mark = 7;
    digit_set set = {.n = 77, .pixels = &mark, .labels = &mark};
    char why[600] = "";
    if (idx_load(folder, "train", &set, why, sizeof why)) {
        fail_msg("%s: was read", what);
    }
    if (!strstr(why, name) || !strstr(why, telling)) {
        fail_msg("%s: \"%s\" names not both %s and \"%s\"", what, why, name, telling);
    }
    if (strstr(strstr(why, name) + 1, name)) {
        fail_msg("%s: \"%s\" names the file twice", what, why);
    }
    assert_int_equal(set.n, 77);
    assert_ptr_equal(set.pixels, &mark);
    assert_ptr_equal(set.labels, &mark);
    assert_int_equal(mark, 7);
}

static void expect_good(void)
{
    digit_set set = {0};
    char why[600] = "";
    if (!idx_load(folder, "train", &set, why, sizeof why)) {
        fail_msg("%s", why);
    }
    assert_int_equal(set.n, IMAGES);
    for (size_t i = 0; i < IMAGES * DIGIT_PIXELS; i++) {
        assert_int_equal(set.pixels[i], pixel_of(i));
    }
    assert_memory_equal(set.labels, "\5\0\11", IMAGES);
    digit_set_free(&set);
    assert_null(set.pixels);
}

static void test_good_files(void **state)
{
    (void)state;
    static const struct {
        const char *images, *labels;
        bool images_packed, labels_packed;
    } pairs[] = {
        {IMAGES_NAME, LABELS_NAME, false, false},
        {IMAGES_NAME ".gz", LABELS_NAME ".gz", true, true},
        {IMAGES_NAME, LABELS_NAME ".gz", false, true},
        {"train-images.idx3-ubyte", "train-labels.idx1-ubyte.gz", false, true},
        {IMAGES_NAME, LABELS_NAME, true, false}, /* packed, but not called so */
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        blob images, labels;
        make_images(&images);
        make_labels(&labels);
        if (pairs[i].images_packed) {
            compress_blob(&images);
        }
        if (pairs[i].labels_packed) {
            compress_blob(&labels);
        }
        assert_int_equal(make_folder(NULL), 0);
        write_file(pairs[i].images, &images);
        write_file(pairs[i].labels, &labels);
        expect_good();
        assert_int_equal(remove_folder(NULL), 0);
    }
}

/* What is done to a good file, in this order. */
typedef struct damage {
    const char *name;
    bool labels; /* it is done to the labels, else to the images */
    int at;      /* not 0: the word of four bytes there becomes `word`; MAGIC is the first */
    uint32_t word;
    int lose;         /* bytes lost at the end */
    int gain;         /* bytes more at the end */
    bool pack;        /* with gzip; the rest happens to the packed file */
    int torn;         /* bytes lost at its end */
    int flip;         /* this byte of it changes, counted from its end; below 0 from its start */
    const char *says; /* a telling word of the refusal */
} damage;

enum { MAGIC = -4, PIXELS_3 = IMAGES * DIGIT_PIXELS };

static const damage damages[] = {
    {.name = "empty images", .lose = 16 + PIXELS_3, .says = "header"},
    {.name = "images end in the magic", .lose = 13 + PIXELS_3, .says = "header"},
    {.name = "images end in the dimensions", .lose = 6 + PIXELS_3, .says = "header"},
    {.name = "no pixels", .lose = PIXELS_3, .says = "truncated: 0 bytes"},
    {.name = "half an image", .lose = 400, .says = "truncated: 1952 bytes"},
    {.name = "one pixel short", .lose = 1, .says = "truncated: 2351 bytes"},
    {.name = "one pixel more", .gain = 1, .says = "more data than the 2352"},
    {.name = "labels' magic", .at = MAGIC, .word = 0x801, .says = "magic number 0x00000801"},
    {.name = "floats' magic", .at = MAGIC, .word = 0xD03, .says = "magic number 0x00000d03"},
    {.name = "little endian", .at = MAGIC, .word = 0x03080000, .says = "magic number 0x0308"},
    {.name = "27 rows", .at = 8, .word = 27, .says = "27 x 28"},
    {.name = "29 columns", .at = 12, .word = 29, .says = "28 x 29"},
    {.name = "huge rows", .at = 8, .word = 0xFFFFFFFF, .says = "4294967295 x 28"},
    {.name = "huge columns", .at = 12, .word = 0x80000000, .says = "28 x 2147483648"},
    {.name = "no images", .at = 4, .word = 0, .says = "declares 0"},
    {.name = "too many", .at = 4, .word = 10000001, .says = "declares 10000001"},
    {.name = "far too many", .at = 4, .word = 0xFFFFFFFF, .says = "declares 4294967295"},
    {.name = "many, not there", .at = 4, .word = 10000000, .says = "truncated: 2352 bytes"},
    {.name = "four images, not there", .at = 4, .word = 4, .says = "promises 3136"},
    {.name = "two images declared", .at = 4, .word = 2, .says = "more data than the 1568"},
    {.name = "empty labels", .labels = true, .lose = 11, .says = "header"},
    {.name = "labels end in the count", .labels = true, .lose = 5, .says = "header"},
    {.name = "one label short", .labels = true, .lose = 1, .says = "truncated: 2 bytes"},
    {.name = "one label more", .labels = true, .gain = 1, .says = "more data than the 3"},
    {.name = "images' magic",
     .labels = true,
     .at = MAGIC,
     .word = 0x803,
     .says = "magic number 0x00000803"},
    {.name = "no labels", .labels = true, .at = 4, .word = 0, .says = "declares 0"},
    {.name = "label 10", .labels = true, .at = 7, .word = 0x030A0009, .says = "label 0 is 10"},
    {.name = "label 255", .labels = true, .at = 7, .word = 0x030500FF, .says = "label 2 is 255"},
    {.name = "packed: checksum", .pack = true, .flip = 6, .says = "incorrect data check"},
    {.name = "packed: length", .pack = true, .flip = 2, .says = "incorrect length check"},
    {.name = "packed: method", .pack = true, .flip = -3, .says = "unknown compression method"},
    {.name = "packed: torn at the end", .pack = true, .torn = 3, .says = "unexpected end"},
    {.name = "packed: torn before its end", .pack = true, .torn = 8, .says = "unexpected end"},
    {.name = "packed: torn", .pack = true, .torn = 100, .says = "unexpected end"},
    {.name = "packed: a pixel short", .pack = true, .lose = 1, .says = "truncated: 2351"},
    {.name = "packed: a pixel more", .pack = true, .gain = 1, .says = "more data"},
    {.name = "packed: bad label",
     .labels = true,
     .pack = true,
     .at = 7,
     .word = 0x030A0009,
     .says = "label 0 is 10"},
};

static void apply(const damage *d, blob *b)
{
    if (d->at != 0) {
        put_word(b, d->at == MAGIC ? 0 : (size_t)d->at, d->word);
    }
    b->size += (size_t)d->gain;
    b->size -= (size_t)d->lose;
    if (d->pack) {
        compress_blob(b);
        b->size -= (size_t)d->torn;
        if (d->flip != 0) {
            size_t at = d->flip > 0 ? b->size - (size_t)d->flip : (size_t)(-d->flip - 1);
            b->bytes[at] ^= 0x40;
        }
    }
}

static void test_damaged_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(damages); i++) {
        const damage *d = &damages[i];
        bool images = !d->labels;
        const char *const names[] = {IMAGES_NAME, IMAGES_NAME ".gz", LABELS_NAME,
                                     LABELS_NAME ".gz"};
        const char *name = names[(images ? 0 : 2) + (d->pack ? 1 : 0)];
        blob good, bad;
        make_images(images ? &bad : &good);
        make_labels(images ? &good : &bad);
        apply(d, &bad);
        assert_int_equal(make_folder(NULL), 0);
        write_file(images ? LABELS_NAME : IMAGES_NAME, &good);
        write_file(name, &bad);
        expect_refusal(d->name, name, d->says);
        assert_int_equal(remove_folder(NULL), 0);
    }
}

static void test_counts_that_disagree(void **state)
{
    (void)state;
    blob images, labels;
    make_images(&images);
    make_labels(&labels);
    put_word(&labels, 4, 2);
    labels.size--;
    write_file(IMAGES_NAME, &images);
    write_file(LABELS_NAME, &labels);
    expect_refusal("2 labels", LABELS_NAME, "2 labels");
    expect_refusal("3 images", IMAGES_NAME, "3 images");
}

static void test_missing_files(void **state)
{
    (void)state;
    blob b;
    expect_refusal("empty folder", IMAGES_NAME, "no such file");
    make_images(&b);
    write_file(IMAGES_NAME, &b);
    expect_refusal("images only", LABELS_NAME, "no such file");
    char path[256];
    path_of(path, IMAGES_NAME);
    remove(path);
    make_labels(&b);
    write_file(LABELS_NAME, &b);
    expect_refusal("labels only", IMAGES_NAME, "no such file");
    digit_set set = {0};
    char why[600] = "";
    path_of(path, "no-such-folder");
    assert_false(idx_load(path, "train", &set, why, sizeof why));
    assert_non_null(strstr(why, path));
    path_of(path, LABELS_NAME);
    assert_false(idx_load(path, "train", &set, why, sizeof why)); /* a file, not a folder */
    assert_non_null(strstr(why, "Not a directory"));
    assert_false(idx_load(folder, "t10k", &set, why, sizeof why));
    assert_non_null(strstr(why, "t10k-images"));
}

static void test_folder_in_place_of_a_file(void **state)
{
    (void)state;
    char path[256];
    path_of(path, IMAGES_NAME);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refusal("a folder", IMAGES_NAME, "directory");
    remove(path);
    blob b;
    make_images(&b);
    write_file(IMAGES_NAME, &b);
    path_of(path, LABELS_NAME ".gz");
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refusal("a folder of labels", LABELS_NAME ".gz", "directory");
}

static void test_names_that_are_too_long(void **state)
{
    (void)state;
    char dir[3001], why[2000] = "";
    digit_set set = {0};
    for (size_t i = 0; i < sizeof dir - 1; i++) {
        dir[i] = i % 2 == 0 ? '.' : '/'; /* a folder that is there, even if it is cut off */
    }
    dir[sizeof dir - 1] = '\0';
    assert_false(idx_load(dir, "train", &set, why, sizeof why));
    assert_non_null(strstr(why, "./././"));
    assert_non_null(strstr(why, "too long"));
}

/* A short `why` is cut off, within its size. */
static void test_short_words(void **state)
{
    (void)state;
    for (size_t size = 0; size < 200; size++) {
        char why[200];
        digit_set set = {0};
        memset(why, '#', sizeof why);
        assert_false(idx_load(folder, "train", &set, why, size));
        for (size_t i = size; i < sizeof why; i++) {
            assert_int_equal(why[i], '#');
        }
        assert_true(size == 0 || memchr(why, '\0', size) != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_good_files, remove_folder),
        cmocka_unit_test_teardown(test_damaged_files, remove_folder),
        cmocka_unit_test_setup_teardown(test_counts_that_disagree, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_missing_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_folder_in_place_of_a_file, make_folder, remove_folder),
        cmocka_unit_test(test_names_that_are_too_long),
        cmocka_unit_test_setup_teardown(test_short_words, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
