/* SPDX-License-Identifier: MIT */
/* The picture of soft targets shows the pixels, probabilities and labels that it was given. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "picture.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10, MOST = 10 };

/* Images with what a teacher may say of them. */
typedef struct sample {
    uint8_t pixels[MOST][PIXELS];
    float hard[MOST][CLASSES], soft[MOST][CLASSES];
    picture_row rows[MOST];
} sample;

/* Image i has label i, which gets 0.7 + 0.03 i at T = 1; the rest is shared. */
static void make_sample(sample *s)
{
    for (int i = 0; i < MOST; i++) {
        for (int j = 0; j < PIXELS; j++) {
            s->pixels[i][j] = (uint8_t)((i * 31 + j * 7 + j / SIDE * 3) % 256);
        }
        for (int k = 0; k < CLASSES; k++) {
            float own = 0.7f + 0.03f * (float)i;
            s->hard[i][k] = k == i ? own : (1.0f - own) / 9.0f;
            s->soft[i][k] = (float)(1 + (k + i) % CLASSES) / 55.0f;
        }
        s->rows[i] = (picture_row){s->pixels[i], i, s->hard[i], s->soft[i]};
    }
}

static char *read_all(FILE *file)
{
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    rewind(file);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    text[size] = '\0';
    assert_int_equal(strlen(text), size);
    return text;
}

/* What picture_save writes; the file is removed. */
static char *saved(const picture_row *rows, size_t n, const char *title)
{
    char path[256];
    const char *parent = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/picture-XXXXXX", parent ? parent : "/tmp");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    bool good = picture_save(path, rows, n, 4.0f, title);
    FILE *file = fopen(path, "rb");
    remove(path);
    assert_true(good);
    assert_non_null(file);
    char *text = read_all(file);
    fclose(file);
    return text;
}

static char *printed(const picture_row *rows, size_t n, bool ascii)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    picture_print(file, rows, n, 4.0f, ascii);
    char *text = read_all(file);
    fclose(file);
    return text;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    while ((text = strstr(text, word)) != NULL) {
        n++;
        text += strlen(word);
    }
    return n;
}

/* The number behind the first `name="` of a tag. */
static double number(const char *tag, const char *name)
{
    char key[32];
    snprintf(key, sizeof key, " %s=\"", name);
    const char *at = strstr(tag, key);
    assert_non_null(at);
    assert_true(at < strchr(tag, '>'));
    char *end;
    double value = strtod(at + strlen(key), &end);
    assert_true(*end == '"');
    assert_true(isfinite(value));
    return value;
}

/* Tags open and close in pairs, a mark of XML is never part of the text. */
static void expect_nesting(const char *text)
{
    const char *open[8];
    size_t depth = 0;
    for (const char *at = text; *at;) {
        if (*at == '&') {
            at += strspn(at + 1, "abcdefghijklmnopqrstuvwxyz") + 1;
            assert_int_equal(*at, ';');
        }
        if (*at++ != '<') {
            assert_true(depth > 0 || at[-1] == '\n');
            continue;
        }
        bool closes = *at == '/';
        at += closes;
        size_t name = strspn(at, "abcdefghijklmnopqrstuvwxyz");
        const char *end = strchr(at, '>');
        assert_true(name > 0);
        assert_non_null(end);
        if (closes) {
            assert_true(depth > 0);
            assert_int_equal(strncmp(open[--depth], at, name), 0);
        } else if (end[-1] != '/') {
            assert_true(depth < sizeof open / sizeof *open);
            open[depth++] = at;
        }
        at = end + 1;
    }
    assert_int_equal(depth, 0);
}

static void expect_well_formed(const char *text, size_t n)
{
    size_t size = strlen(text);
    assert_int_equal(strncmp(text, "<svg ", 5), 0);
    assert_string_equal(text + size - 7, "</svg>\n");
    expect_nesting(text);
    assert_int_equal(count(text, "<g "), n);
    assert_int_equal(count(text, "</g>"), n);
    assert_int_equal(count(text, "nan") + count(text, "inf"), 0);
}

static void test_files_are_well_formed(void **state)
{
    (void)state;
    sample s;
    make_sample(&s);
    for (size_t n = 0; n <= MOST; n += 5) {
        char *text = saved(s.rows, n, "Soft targets");
        expect_well_formed(text, n);
        assert_int_equal(count(text, ">Soft targets<"), 1);
        assert_int_equal(count(text, ">T = 1<"), 1);
        assert_int_equal(count(text, ">T = 4<"), 1);
        free(text);
    }
}

static void test_titles_are_quoted(void **state)
{
    (void)state;
    char *text = saved(NULL, 0, "a < b & \"c\" > d");
    expect_well_formed(text, 0);
    assert_int_equal(count(text, ">a &lt; b &amp; \"c\" &gt; d</text>"), 1);
    free(text);
}

/* Inks one path of runs, as M column row h length v1 h-length z. */
static void ink_path(uint8_t ink[PIXELS], const char *tag)
{
    unsigned red, green, blue;
    const char *at = strstr(tag, " d=\"");
    assert_int_equal(sscanf(strstr(tag, "fill="), "fill=\"#%2x%2x%2x\"", &red, &green, &blue), 3);
    assert_true(red == green && green == blue && red < 255);
    for (at += 4; *at != '"';) {
        int column, row, length, back, used = 0;
        sscanf(at, "M%d %dh%dv1h-%dz%n", &column, &row, &length, &back, &used);
        assert_true(used > 0);
        at += used;
        assert_true(column >= 0 && length > 0 && column + length <= SIDE && length == back);
        assert_true(row >= 0 && row < SIDE);
        for (int i = column; i < column + length; i++) {
            assert_int_equal(ink[row * SIDE + i], 0); /* each pixel at most once */
            ink[row * SIDE + i] = (uint8_t)(255 - red);
        }
    }
}

static void test_images_are_drawn(void **state)
{
    (void)state;
    sample s;
    make_sample(&s);
    memset(s.pixels[1], 0, PIXELS);
    memset(s.pixels[2], 255, PIXELS);
    char *text = saved(s.rows, MOST, "x");
    const char *at = text;
    for (int i = 0; i < MOST; i++) {
        uint8_t ink[PIXELS] = {0};
        at = strstr(at + 1, "<g ");
        assert_non_null(at);
        const char *end = strstr(at, "</g>");
        for (const char *path = strstr(at, "<path"); path && path < end;
             path = strstr(path + 1, "<path")) {
            ink_path(ink, path);
        }
        for (int j = 0; j < PIXELS; j++) {
            int off = ink[j] - s.pixels[i][j];
            assert_true(off <= 0 && off > -38); /* eight greys, rounded down */
            assert_true(s.pixels[i][j] != 255 || ink[j] == 255);
        }
    }
    free(text);
}

/* Twenty bars of a row; returns the place behind them. */
static const char *expect_bars(const char *at, const picture_row *row, double width, double height)
{
    for (int panel = 0; panel < 2; panel++) {
        const float *p = panel == 0 ? row->hard : row->soft;
        double tall[CLASSES], top = 0.0, largest = 0.0;
        for (int k = 0; k < CLASSES; k++) {
            at = strstr(at, "<rect x=");
            assert_non_null(at);
            tall[k] = number(at, "height");
            double x = number(at, "x"), y = number(at, "y");
            assert_true(x >= 0.0 && x + number(at, "width") <= width);
            assert_true(y >= 0.0 && y + tall[k] <= height);
            top = fmax(top, tall[k]);
            largest = fmax(largest, (double)p[k]);
            const char *own = strstr(at, "class=\"own\"");
            assert_int_equal(own && own < strstr(at, "</text>"), k == row->label);
            at = strstr(at, "</text>");
        }
        assert_true(top > 10.0);
        for (int k = 0; k < CLASSES; k++) {
            assert_true(fabs(tall[k] / top - (double)p[k] / largest) < 0.001);
        }
    }
    return at;
}

static void test_bars_are_in_proportion(void **state)
{
    (void)state;
    sample s;
    make_sample(&s);
    char *text = saved(s.rows, MOST, "x");
    double width = number(text, "width"), height = number(text, "height");
    const char *at = text;
    for (int i = 0; i < MOST; i++) {
        char scale[32];
        snprintf(scale, sizeof scale, ">%.3f</text>", (double)s.hard[i][i]);
        assert_non_null(strstr(at, scale));
        at = expect_bars(at, &s.rows[i], width, height);
    }
    assert_null(strstr(at, "<rect"));
    free(text);
}

/* Of a net that has diverged, or was never asked: no bars, but a file that can be read. */
static void test_no_probabilities(void **state)
{
    (void)state;
    sample s;
    make_sample(&s);
    for (int k = 0; k < CLASSES; k++) {
        s.hard[0][k] = NAN;
        s.soft[0][k] = 0.0f;
    }
    s.hard[1][3] = INFINITY;
    s.soft[1][3] = -1.0f;
    char *text = saved(s.rows, 2, "x");
    expect_well_formed(text, 2);
    for (const char *at = strstr(text, "<rect x="); at; at = strstr(at + 1, "<rect x=")) {
        double tall = number(at, "height");
        assert_true(tall >= 0.0 && tall <= number(text, "height"));
        number(at, "y");
    }
    free(text);
    text = printed(s.rows, 2, true);
    assert_int_equal(count(text, "\n"), 2 * 15);
    free(text);
}

static void test_files_that_cannot_be_written(void **state)
{
    (void)state;
    sample s;
    make_sample(&s);
    assert_false(picture_save("/no/such/folder/picture.svg", s.rows, MOST, 4.0f, "x"));
    assert_false(picture_save("/", s.rows, MOST, 4.0f, "x"));
    if (access("/dev/full", W_OK) == 0) {
        assert_false(picture_save("/dev/full", s.rows, MOST, 4.0f, "x")); /* early */
        assert_false(picture_save("/dev/full", NULL, 0, 4.0f, "x"));      /* when it is closed */
    }
}

static void test_text_names_every_class(void **state)
{
    (void)state;
    sample s;
    make_sample(&s);
    memset(s.pixels, 0, sizeof s.pixels);
    char *text = printed(s.rows, MOST, true), *line = text;
    for (int i = 0; i < MOST; i++) {
        line = strchr(line, '\n') + 1; /* the heads of the columns */
        for (int j = 0; j < SIDE / 2; j++) {
            int k = j - 2;
            line[strcspn(line, "\n")] = '\0';
            if (k < 0 || k >= CLASSES) {
                assert_int_equal(strspn(line, " "), strlen(line));
            } else {
                const char *said = line + 2 + SIDE; /* as " >3  0.790 ####" */
                assert_int_equal(said[1], k == i ? '>' : ' ');
                assert_int_equal(said[2], '0' + k);
                assert_true(fabs(strtod(said + 3, NULL) - (double)s.hard[i][k]) < 0.001);
            }
            line += strlen(line) + 1;
        }
    }
    assert_int_equal(*line, '\0');
    free(text);
}

static void test_text_is_ascii_if_asked(void **state)
{
    (void)state;
    sample s;
    make_sample(&s);
    memset(s.pixels[0], 0, PIXELS);
    for (int k = 0; k < CLASSES; k++) {
        s.hard[0][k] = k == 0 ? 1.0f : 0.0f;
        s.soft[0][k] = 0.1f;
    }
    char *text = printed(s.rows, MOST, true);
    for (const char *at = text; *at; at++) {
        assert_true(*at == '\n' || (*at >= ' ' && *at <= '~'));
    }
    free(text);
    text = printed(s.rows, 1, true);
    assert_int_equal(count(text, "#"), 11 * 12); /* bars of full length: 1 and 10, of 12 marks */
    free(text);
    text = printed(s.rows, 1, false);
    assert_int_equal(count(text, "█"), 11 * 12);
    assert_int_equal(count(text, "#"), 0);
    free(text);
    text = printed(s.rows, 0, true);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_well_formed),
        cmocka_unit_test(test_titles_are_quoted),
        cmocka_unit_test(test_images_are_drawn),
        cmocka_unit_test(test_bars_are_in_proportion),
        cmocka_unit_test(test_no_probabilities),
        cmocka_unit_test(test_files_that_cannot_be_written),
        cmocka_unit_test(test_text_names_every_class),
        cmocka_unit_test(test_text_is_ascii_if_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
