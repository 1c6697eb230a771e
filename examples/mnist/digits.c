/* SPDX-License-Identifier: MIT */
/*
 * Digits as strokes of a pen: a template of points, bent and moved at random, splined and inked.
 *
 * The bytes are the same on every machine. The random numbers are our own, and doubles meet only
 * + - * / until they are rounded to integers: control points to 1/64 pixel, the rest to a choice.
 * From there on all is integer. A compiler that fuses a multiply with an add changes a result in
 * the 16th digit, so it can change a pixel only once in about 10^12 points.
 */
#include "digits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    HANDS = 4,       /* templates of each digit */
    MAX_POINTS = 24, /* of a template, its corners counted twice; the longest has 13 */
    UNIT = 64,       /* lengths are in 1/64 pixel once they are integers; full ink is 64, too */
    SHEET_WIDE = 70, /* the sheet that templates are written on; heights are in hundredths */
    SHEET_TALL = 100
};

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

/*
 * Templates, the commonest hand of each digit first. A group xxyy is a point of the sheet, y down.
 * '!' behind a point makes it a corner, '/' lifts the pen.
 */
static const char *const templates[DIGIT_CLASSES][HANDS] = {
    {"4002 1515 0550 1588 3698 5885 6650 5614 3602",
     "4808 2505 0830 0665 2596 5090 6560 6022 4206 2416",
     "3402 1720 1350 1982 3599 5182 5750 5118 3302",
     "5616 3602 1218 0652 1788 4096 6270 6030 5014/6004 0898"},
    {"3500 3550 3599", "1822 3802! 3899", "1622 3802! 3899/1599 6099", "4800 2299"},
    {"0825 1806 3801 5612 5832 4258 2280 0698! 6498",
     "1022 2803 5208 5632 4062 1892 0692 1078 2682 4494 6692",
     "1012 3002 5410 5236 0896! 3692 6498", "0620 2604 5414 4850 1886 1498 3494 6694"},
    {"1012 3201 5412 5234 2846! 5656 6278 4098 0888", "1003 6003! 3040! 5650 6276 4098 0888",
     "0816 3002 5214 4638 2648 2242 3444 5860 5686 3299 0684",
     "1408 4402 5222 3042 1846! 4850 6070 4694 1298"},
    {"1602 1030 0856! 6256/5020 5099", "4600 0466! 6666/4600 4699",
     "1004 0836 2050 4446 5630/5802 5450 5099", "5004 1026 1252! 5252/5204! 5050 4299"},
    {"5803 1603! 1244! 3636 6052 6080 3898 0890", "1604 1244! 3838 6056 5684 3298 0688/1604 6002",
     "5806 3004 1422 2242 4854 5676 3897 0890", "6206 2203! 1446! 4440 6262 5288 2498 0682"},
    {"4802 2226 0862 2094 4696 6076 4856 2458 1074", "4000 1060 1490 3899 5884 5262 3056 1272",
     "5812 4402 2018 0658 1692 4298 6078 4656 2064 1278",
     "2200 0840 1084 3298 5888 5868 3860 1276"},
    {"0604 6204! 2899", "0604 6204! 2899/2252 5850", "0620 0804! 6204! 4050 3099",
     "0414 2004 4010 6204! 3844 2499"},
    {"5414 3402 1216 2240 4856 6078 3698 1080 2256 4840 5620 4808",
     "3448 1436 1412 3402 5412 5436 3448 1060 0884 3499 6084 5860 3448",
     "5806 3602 1416 2438 5260 5888 3299 0884 1660 4842 6214",
     "3604 1610 1434 3646 5230 5210 3604/3646 1060 1290 3699 5888 5660 3646"},
    {"5622 3804 1414 1036 2850 5040 5816! 5660 5099", "5412 3002 1018 1444 3852 5632 5806! 5899",
     "5620 3604 1218 1242 3252 5436 5814! 5870 4497 1492",
     "5010 2406 1024 2040 4632 5008! 3860 2899"},
};

/* What a stream of random numbers is for, so that labels and strokes don't share one. */
enum { STREAM_LABELS = 1, STREAM_IMAGE = 2 };

typedef struct rng {
    uint64_t state;
} rng;

typedef struct point {
    double x, y;
} point;

/* The control points of one digit. Points that are joined without a break make a smooth curve. */
typedef struct sketch {
    size_t n;
    point at[MAX_POINTS];
    bool starts[MAX_POINTS]; /* no stroke leads from point i - 1 to point i */
} sketch;

/* A step of splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t rng_next(rng *r)
{
    uint64_t z = (r->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static rng rng_start(uint64_t seed, uint64_t stream, uint64_t i)
{
    rng r = {seed};
    r.state = rng_next(&r) ^ stream;
    r.state = rng_next(&r) ^ i;
    r.state = rng_next(&r);
    return r;
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

/* Reads a template into heights of the sheet, (0,0) its middle, with an unsteady hand. */
static void sketch_read(sketch *s, const char *text, rng *r)
{
    bool lifted = true;
    s->n = 0;
    for (; *text; text++) {
        if (*text == '/') {
            lifted = true;
        } else if (*text == '!') {
            s->at[s->n] = s->at[s->n - 1];
            s->starts[s->n++] = true;
        } else if (*text != ' ') {
            int x = (text[0] - '0') * 10 + text[1] - '0';
            int y = (text[2] - '0') * 10 + text[3] - '0';
            s->at[s->n].x = (x - SHEET_WIDE / 2 + bell(r, wobble)) / SHEET_TALL;
            s->at[s->n].y = (y - SHEET_TALL / 2 + bell(r, wobble)) / SHEET_TALL;
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
        double x = s->at[i].x, y = s->at[i].y;
        double u = wide * (x + y * (bow * y + curl * y * y + fan * x - slant));
        double v = tall * (y + sag * x * x);
        s->at[i].x = cosine * u - sine * v;
        s->at[i].y = sine * u + cosine * v;
    }
}

/* How far from the middle a side of length `size` may be moved, if `room` is there. */
static double slack(double size, double room)
{
    double free_side = (room - size) / 2.0;
    return free_side < shift ? free_side : shift;
}

/* Moves the digit to about the middle; one that is too large for the frame is made smaller. */
static void sketch_place(sketch *s, double pen, rng *r)
{
    point lo = s->at[0], hi = s->at[0];
    for (size_t i = 1; i < s->n; i++) {
        lo.x = s->at[i].x < lo.x ? s->at[i].x : lo.x;
        lo.y = s->at[i].y < lo.y ? s->at[i].y : lo.y;
        hi.x = s->at[i].x > hi.x ? s->at[i].x : hi.x;
        hi.y = s->at[i].y > hi.y ? s->at[i].y : hi.y;
    }
    double room = DIGIT_SIDE - 2.0 * (margin + pen);
    double wide = hi.x - lo.x, tall = hi.y - lo.y;
    double size = wide > tall ? wide : tall;
    double scale = size > room ? room / size : 1.0;
    double free_x = slack(wide * scale, room), free_y = slack(tall * scale, room);
    double dx = uniform(r, -free_x, free_x) + (DIGIT_SIDE - scale * (lo.x + hi.x)) / 2.0;
    double dy = uniform(r, -free_y, free_y) + (DIGIT_SIDE - scale * (lo.y + hi.y)) / 2.0;
    for (size_t i = 0; i < s->n; i++) {
        s->at[i].x = s->at[i].x * scale + dx;
        s->at[i].y = s->at[i].y * scale + dy;
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
    int x[MAX_POINTS], y[MAX_POINTS];
    for (size_t i = 0; i < s->n; i++) {
        x[i] = to_units(s->at[i].x);
        y[i] = to_units(s->at[i].y);
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
    sketch_read(&s, templates[label][(int)(rarity * rarity * HANDS)], &r);
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
    digit_set set = {0};
    if (n > SIZE_MAX / DIGIT_PIXELS) {
        return false;
    }
    if (n > 0) {
        set.pixels = malloc(n * DIGIT_PIXELS);
        set.labels = malloc(n);
        if (!set.pixels || !set.labels) {
            digit_set_free(&set);
            return false;
        }
    }
    set.n = n;
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
    if (!set) {
        return;
    }
    free(set->pixels);
    free(set->labels);
    *set = (digit_set){0};
}
