/* SPDX-License-Identifier: MIT */
/*
 * Digits as strokes of a pen: the points of a glyph, bent and moved at random, splined and inked.
 *
 * The bytes are the same on every machine. The random numbers are our own, and doubles meet only
 * + - * / until they are rounded to integers: control points to 1/64 pixel, the rest to a choice.
 * From there on all is integer. A compiler that fuses a multiply with an add changes a result in
 * the 16th digit, so it can change a pixel only once in about 10^12 points.
 */
#include "digits.h"
#include "glyphs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Lengths are in 1/64 pixel once they are integers, and full ink is 64, too. */
enum { UNIT = 64 };

/* How far one hand is from the next. A net trained on 8,000 of these errs on 1 to 4 in 100. */
static const double tall_lo = 15.0, tall_hi = 21.0;     /* height of the sheet, pixels */
static const double wide_lo = 0.70, wide_hi = 1.25;     /* its width, against the height */
static const double slant_mean = 0.12, slant_sd = 0.22; /* shear, pixels per pixel */
static const double turn = 0.13;  /* tangent of half the largest turn: 15 degrees */
static const double wobble = 4.0; /* sd of a control point, hundredths of the height */
static const double bend = 0.22;  /* sd of the coefficients of the curved warp */
static const double shift = 2.0;  /* largest shift, pixels */
static const double margin = 2.0; /* paper that stays free at each border, pixels */
static const double pen_lo = 0.6, pen_hi = 1.7; /* half the width of a stroke, pixels */
static const double noise_hi = 32.0;            /* largest sd of a grey level; half have none */
static const double blurred = 0.3;              /* share of images out of focus */

/* Labels and strokes draw from streams of their own. */
enum { STREAM_LABELS = 1, STREAM_IMAGE = 2 };

typedef uint64_t rng;

/* The control points of one digit. Points that are joined without a break make a smooth curve. */
typedef struct sketch {
    size_t n;
    double x[GLYPH_MAX_POINTS], y[GLYPH_MAX_POINTS];
    bool starts[GLYPH_MAX_POINTS]; /* no stroke leads from point i - 1 to point i */
} sketch;

/* A step of splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t rng_next(rng *r)
{
    uint64_t z = (*r += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static rng rng_start(uint64_t seed, uint64_t stream, uint64_t i)
{
    rng r = seed;
    r = rng_next(&r) ^ stream;
    r = rng_next(&r) ^ i;
    return rng_next(&r);
}

static double uniform(rng *r, double lo, double hi)
{
    return lo + (hi - lo) * ((double)(rng_next(r) >> 11) / 9007199254740992.0); /* 2^53 */
}

/* Mean 0, the given sd, never beyond 3.5 sd: four uniforms, as a logarithm is not portable. */
static double bell(rng *r, double sd)
{
    double sum = 0.0;
    for (int i = 0; i < 4; i++) {
        sum += uniform(r, -1.0, 1.0);
    }
    return sd * sum * 0.8660254037844386; /* sqrt(3/4) */
}

/* Reads a glyph into heights of the sheet, (0,0) its middle, with an unsteady hand. */
static void sketch_read(sketch *s, const char *text, rng *r)
{
    bool lifted = true;
    s->n = 0;
    for (; *text; text++) {
        if (*text == '/') {
            lifted = true;
        } else if (*text == '!') {
            s->x[s->n] = s->x[s->n - 1];
            s->y[s->n] = s->y[s->n - 1];
            s->starts[s->n++] = true;
        } else if (*text != ' ') {
            int x = (text[0] - '0') * 10 + text[1] - '0';
            int y = (text[2] - '0') * 10 + text[3] - '0';
            s->x[s->n] = (x - GLYPH_WIDE / 2 + bell(r, wobble)) / GLYPH_TALL;
            s->y[s->n] = (y - GLYPH_TALL / 2 + bell(r, wobble)) / GLYPH_TALL;
            s->starts[s->n++] = lifted;
            lifted = false;
            text += 3;
        }
    }
}

/* Warps, shears, scales and turns, in this order; from here on points are in pixels. */
static void sketch_bend(sketch *s, rng *r)
{
    double bow = bell(r, bend), curl = bell(r, 2.0 * bend);
    double sag = bell(r, bend), fan = bell(r, bend);
    double slant = slant_mean + bell(r, slant_sd);
    double tall = uniform(r, tall_lo, tall_hi);
    double wide = tall * uniform(r, wide_lo, wide_hi);
    double t = uniform(r, -turn, turn);
    double cosine = (1.0 - t * t) / (1.0 + t * t);
    double sine = 2.0 * t / (1.0 + t * t);
    for (size_t i = 0; i < s->n; i++) {
        double x = s->x[i], y = s->y[i];
        double u = wide * (x + y * (bow * y + curl * y * y + fan * x - slant));
        double v = tall * (y + sag * x * x);
        s->x[i] = cosine * u - sine * v;
        s->y[i] = sine * u + cosine * v;
    }
}

/* The distance from the least of n numbers to the largest; *out_middle is half way. */
static double span(const double *v, size_t n, double *out_middle)
{
    double lo = v[0], hi = v[0];
    for (size_t i = 1; i < n; i++) {
        lo = fmin(lo, v[i]);
        hi = fmax(hi, v[i]);
    }
    *out_middle = (lo + hi) / 2.0;
    return hi - lo;
}

/* Moves the digit to about the middle; one that is too large for the frame is made smaller. */
static void sketch_place(sketch *s, double pen, rng *r)
{
    double mid_x, mid_y;
    double wide = span(s->x, s->n, &mid_x), tall = span(s->y, s->n, &mid_y);
    double room = DIGIT_SIDE - 2.0 * (margin + pen);
    double scale = fmin(1.0, room / fmax(wide, tall));
    double free_x = fmin(shift, (room - wide * scale) / 2.0);
    double free_y = fmin(shift, (room - tall * scale) / 2.0);
    double to_x = DIGIT_SIDE / 2.0 + uniform(r, -free_x, free_x);
    double to_y = DIGIT_SIDE / 2.0 + uniform(r, -free_y, free_y);
    for (size_t i = 0; i < s->n; i++) {
        s->x[i] = (s->x[i] - mid_x) * scale + to_x;
        s->y[i] = (s->y[i] - mid_y) * scale + to_y;
    }
}

static int to_units(double pixels)
{
    return (int)floor(pixels * UNIT + 0.5);
}

/* Inks a round dot with an edge one pixel soft. Darker ink stays: strokes that cross don't add. */
static void ink_dot(uint8_t *ink, int x, int y, int pen)
{
    int reach = pen + UNIT / 2;
    int left = x > reach ? (x - reach) / UNIT : 0, right = (x + reach) / UNIT;
    int top = y > reach ? (y - reach) / UNIT : 0, bottom = (y + reach) / UNIT;
    for (int row = top; row <= bottom && row < DIGIT_SIDE; row++) {
        int dy = row * UNIT + UNIT / 2 - y;
        for (int col = left; col <= right && col < DIGIT_SIDE; col++) {
            int dx = col * UNIT + UNIT / 2 - x;
            /* IEEE rounds a square root correctly, so its floor is exact everywhere. */
            int cover = reach - (int)sqrt((double)(dx * dx + dy * dy));
            cover = cover > UNIT ? UNIT : cover;
            uint8_t *at = ink + row * DIGIT_SIDE + col;
            if (cover > *at) {
                *at = (uint8_t)cover;
            }
        }
    }
}

/* Catmull-Rom: the point t/n of the way from p[1] to p[2], in integers. */
static int spline(const int p[4], int64_t t, int64_t n)
{
    int64_t cubic = -p[0] + 3 * p[1] - 3 * p[2] + p[3];
    int64_t square = 2 * p[0] - 5 * p[1] + 4 * p[2] - p[3];
    int64_t linear = p[2] - p[0];
    int64_t sum = ((cubic * t + square * n) * t + linear * n * n) * t + 2 * p[1] * n * n * n;
    return (int)(sum / (2 * n * n * n));
}

/* Dots less than half a pixel apart look like the stroke itself: the dents are 1/30 pixel. */
static void ink_sketch(uint8_t *ink, const sketch *s, int pen)
{
    int x[GLYPH_MAX_POINTS], y[GLYPH_MAX_POINTS];
    for (size_t i = 0; i < s->n; i++) {
        x[i] = to_units(s->x[i]);
        y[i] = to_units(s->y[i]);
    }
    for (size_t i = 1; i < s->n; i++) {
        if (s->starts[i]) {
            continue;
        }
        size_t before = s->starts[i - 1] ? i - 1 : i - 2;
        size_t after = i + 1 == s->n || s->starts[i + 1] ? i : i + 1;
        const int px[4] = {x[before], x[i - 1], x[i], x[after]};
        const int py[4] = {y[before], y[i - 1], y[i], y[after]};
        int steps = (abs(px[2] - px[1]) + abs(py[2] - py[1])) / (UNIT / 2) + 1;
        for (int t = 0; t <= steps; t++) {
            ink_dot(ink, spline(px, t, steps), spline(py, t, steps), pen);
        }
    }
}

/* Weights 1 2 1 along rows, then along columns. The frame's edge has no ink, so it is skipped. */
static void ink_blur(uint8_t *ink)
{
    uint8_t rows[DIGIT_PIXELS] = {0};
    for (size_t i = 1; i < DIGIT_PIXELS - 1; i++) {
        rows[i] = (uint8_t)((ink[i - 1] + 2 * ink[i] + ink[i + 1]) / 4);
    }
    for (size_t i = DIGIT_SIDE; i < DIGIT_PIXELS - DIGIT_SIDE; i++) {
        ink[i] = (uint8_t)((rows[i - DIGIT_SIDE] + 2 * rows[i] + rows[i + DIGIT_SIDE]) / 4);
    }
}

/* Ink to grey: contrast, and the noise of the scanner. */
static void develop(uint8_t *pixels, const uint8_t *ink, rng *r)
{
    int full = (int)uniform(r, 180.0, 330.0); /* above 255 is overexposed */
    int noise = (int)uniform(r, -noise_hi, noise_hi);
    noise = noise < 0 ? 0 : noise;
    for (size_t i = 0; i < DIGIT_PIXELS; i++) {
        uint64_t bits = rng_next(r);
        int sum = (int)(bits & 255) + (int)(bits >> 8 & 255) + (int)(bits >> 16 & 255) +
                  (int)(bits >> 24 & 255) - 510; /* mean 0, sd 148 */
        int grey = ink[i] * full / UNIT + sum * noise / 148;
        pixels[i] = (uint8_t)(grey < 0 ? 0 : grey > 255 ? 255 : grey);
    }
}

static void draw(uint64_t seed, size_t i, int label, uint8_t *pixels)
{
    rng r = rng_start(seed, STREAM_IMAGE, i);
    uint8_t ink[DIGIT_PIXELS] = {0};
    sketch s;
    double rarity = uniform(&r, 0.0, 1.0); /* squared: the first hand writes half of all */
    sketch_read(&s, glyphs[label][(int)(rarity * rarity * GLYPH_HANDS)], &r);
    sketch_bend(&s, &r);
    double pen = uniform(&r, pen_lo, pen_hi);
    sketch_place(&s, pen, &r);
    ink_sketch(ink, &s, to_units(pen));
    if (uniform(&r, 0.0, 1.0) < blurred) {
        ink_blur(ink);
    }
    develop(pixels, ink, &r);
}

/* Image i is at place i mod 10 of a shuffled row of the ten digits. */
static int label_of(uint64_t seed, size_t i)
{
    int row[DIGIT_CLASSES] = {0};
    rng r = rng_start(seed, STREAM_LABELS, i / DIGIT_CLASSES);
    for (int k = 0; k < DIGIT_CLASSES; k++) {
        int j = (int)(rng_next(&r) % (uint64_t)(k + 1));
        row[k] = row[j];
        row[j] = k;
    }
    return row[i % DIGIT_CLASSES];
}

bool digits_draw(uint64_t seed, size_t n, digit_set *out_set)
{
    if (n >= SIZE_MAX / DIGIT_PIXELS) {
        return false;
    }
    /* One byte more, so that an empty set is no failure of malloc. */
    digit_set set = {n, malloc(n * DIGIT_PIXELS + 1), malloc(n + 1)};
    if (!set.pixels || !set.labels) {
        digit_set_free(&set);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        int label = label_of(seed, i);
        set.labels[i] = (uint8_t)label;
        draw(seed, i, label, set.pixels + i * DIGIT_PIXELS);
    }
    *out_set = set;
    return true;
}

void digit_set_free(digit_set *set)
{
    if (set) {
        free(set->pixels);
        free(set->labels);
        *set = (digit_set){0};
    }
}
