/* SPDX-License-Identifier: MIT */
/*
 * Digits as pen strokes: a template of points, bent and moved at random, splined and inked.
 *
 * The same images on every machine: random numbers are our own, and doubles are used only, with
 * + - * / and no library function, up to the point where the control points are rounded to 1/64
 * pixel. From there all is integer, so a compiler that fuses a multiply and an add can't change a
 * pixel unless a point lies within 1e-13 of a rounding border.
 */
#include "digits.h"

#include <stdlib.h>
#include <string.h>

#ifndef HEIGHT_LO
#define HEIGHT_LO 15.0
#define HEIGHT_HI 21.0
#define ASPECT_LO 0.7
#define ASPECT_HI 1.25
#define SLANT_MEAN 0.12
#define SLANT_SD 0.22
#define TURN 0.13
#define WOBBLE 4.5
#define BEND 0.22
#define SHIFT 2.0
#define PEN_LO 0.6
#define PEN_HI 1.7
#define NOISE_HI 24.0
#define BLUR_P 0.3
#endif
#define FIX 64

enum { MAX_POINTS = 40 };

/*
 * Templates, each digit's commonest hand first. A group xxyy is a point on a 70 x 100 sheet, y down.
 * '!' after a point makes it a corner, '/' lifts the pen.
 */
static const char *const glyphs[DIGIT_CLASSES][4] = {
    {"4002 1515 0550 1588 3698 5885 6650 5614 3602",
     "4808 2505 0830 0665 2596 5090 6560 6022 4206 2416",
     "3402 1720 1350 1982 3599 5182 5750 5118 3302",
     "5616 3602 1218 0652 1788 4096 6270 6030 5014/6004 0898"},
    {"3500 3500 3599", "1822 3802! 3899", "1622 3802! 3899/1599 6099", "4800 2299"},
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

typedef struct rng {
    uint64_t state;
} rng;

typedef struct dot {
    double x, y;
} dot;

/* Control points of a digit; a run of points between corners or lifts is one smooth curve. */
typedef struct sketch {
    size_t n;
    dot at[MAX_POINTS];
    bool starts[MAX_POINTS]; /* point i is not joined to point i - 1 */
} sketch;

/* One step of splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t rng_next(rng *r) {
    uint64_t z = (r->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static rng rng_for(uint64_t seed, uint64_t stream, uint64_t i) {
    rng r = {seed};
    r.state = rng_next(&r) ^ stream;
    r.state = rng_next(&r) ^ i;
    r.state = rng_next(&r);
    return r;
}

static double uniform(rng *r, double lo, double hi) {
    return lo + (hi - lo) * ((double)(rng_next(r) >> 11) / 9007199254740992.0);
}

/* Mean 0, sd 1 and never beyond 3.5: four uniforms, since a logarithm may differ between machines. */
static double bell(rng *r) {
    double sum = 0.0;
    for (int i = 0; i < 4; i++) {
        sum += uniform(r, -1.0, 1.0);
    }
    return sum * 0.8660254037844386;
}

static void sketch_read(sketch *s, const char *text, rng *r) {
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
            s->at[s->n].x = (x - 35 + WOBBLE * bell(r)) / 100.0;
            s->at[s->n].y = (y - 50 + WOBBLE * bell(r)) / 100.0;
            s->starts[s->n++] = lifted;
            lifted = false;
            text += 3;
        }
    }
}

static void sketch_bend(sketch *s, rng *r) {
    double bow = BEND * bell(r), curl = BEND * bell(r), sag = BEND * bell(r), fan = BEND * bell(r);
    double half = uniform(r, -TURN, TURN); /* tangent of half the angle of the turn */
    double cosine = (1.0 - half * half) / (1.0 + half * half),
           sine = 2.0 * half / (1.0 + half * half);
    double slant = SLANT_MEAN + SLANT_SD * bell(r);
    double tall = uniform(r, HEIGHT_LO, HEIGHT_HI), wide = tall * uniform(r, ASPECT_LO, ASPECT_HI);
    for (size_t i = 0; i < s->n; i++) {
        double x = s->at[i].x, y = s->at[i].y;
        double u = x + bow * y * y + 2.0 * curl * y * y * y + fan * x * y - slant * y;
        double v = y + sag * x * x;
        u *= wide;
        v *= tall;
        s->at[i].x = cosine * u - sine * v;
        s->at[i].y = sine * u + cosine * v;
    }
}

static double slack(double lo, double hi, double room) {
    double s = (room - (hi - lo)) / 2.0;
    return s < SHIFT ? s : SHIFT;
}

static void sketch_place(sketch *s, double pen, rng *r) {
    dot lo = s->at[0], hi = s->at[0];
    for (size_t i = 1; i < s->n; i++) {
        lo.x = s->at[i].x < lo.x ? s->at[i].x : lo.x;
        lo.y = s->at[i].y < lo.y ? s->at[i].y : lo.y;
        hi.x = s->at[i].x > hi.x ? s->at[i].x : hi.x;
        hi.y = s->at[i].y > hi.y ? s->at[i].y : hi.y;
    }
    double room = DIGIT_SIDE - 4.0 - 2.0 * pen;
    double size = hi.x - lo.x > hi.y - lo.y ? hi.x - lo.x : hi.y - lo.y;
    double scale = size > room ? room / size : 1.0;
    double sx = slack(lo.x * scale, hi.x * scale, room),
           sy = slack(lo.y * scale, hi.y * scale, room);
    double dx = uniform(r, -sx, sx) + DIGIT_SIDE / 2.0 - (lo.x + hi.x) / 2.0 * scale;
    double dy = uniform(r, -sy, sy) + DIGIT_SIDE / 2.0 - (lo.y + hi.y) / 2.0 * scale;
    for (size_t i = 0; i < s->n; i++) {
        s->at[i].x = s->at[i].x * scale + dx;
        s->at[i].y = s->at[i].y * scale + dy;
    }
}

/* From here all lengths are integers in 1/64 pixel, and ink runs from 0 to 64. */

static int fix(double v) {
    return (int)(v * FIX + 1024.5) - 1024;
}

static int root(int v) {
    int r = 0;
    for (int bit = 1 << 12; bit; bit >>= 1) {
        if ((r + bit) * (r + bit) <= v)
            r += bit;
    }
    return r;
}
static int isq[1 << 16];
static void stamp(uint8_t *ink, int x, int y, int pen) {
    int reach = pen + FIX / 2;
    int left = (x - reach) / FIX, right = (x + reach) / FIX;
    int top = (y - reach) / FIX, bottom = (y + reach) / FIX;
    for (int row = top < 0 ? 0 : top; row <= bottom && row < DIGIT_SIDE; row++) {
        int dy = row * FIX + FIX / 2 - y;
        for (int col = left < 0 ? 0 : left; col <= right && col < DIGIT_SIDE; col++) {
            int dx = col * FIX + FIX / 2 - x;
            int far = dx * dx + dy * dy;
            if (far >= reach * reach)
                continue;
            int cover = reach - isq[far];
            cover = cover > FIX ? FIX : cover;
            uint8_t *at = ink + row * DIGIT_SIDE + col;
            if (cover > *at)
                *at = (uint8_t)cover;
        }
    }
}

static int spline(const int c[4], int t, int n) {
    int64_t a = -c[0] + 3 * c[1] - 3 * c[2] + c[3];
    int64_t b = 2 * c[0] - 5 * c[1] + 4 * c[2] - c[3];
    int64_t d = c[2] - c[0];
    int64_t sum = ((a * t + b * n) * t + d * n * n) * t + 2 * (int64_t)c[1] * n * n * n;
    return (int)(sum / (2 * (int64_t)n * n * n));
}

static void ink_sketch(const sketch *s, int pen, uint8_t *ink) {
    for (size_t i = 1; i < s->n; i++) {
        if (s->starts[i])
            continue;
        size_t before = s->starts[i - 1] ? i - 1 : i - 2;
        size_t after = i + 1 == s->n || s->starts[i + 1] ? i : i + 1;
        int x[4] = {fix(s->at[before].x), fix(s->at[i - 1].x), fix(s->at[i].x),
                    fix(s->at[after].x)};
        int y[4] = {fix(s->at[before].y), fix(s->at[i - 1].y), fix(s->at[i].y),
                    fix(s->at[after].y)};
        int n = (abs(x[2] - x[1]) + abs(y[2] - y[1])) / (FIX / 2) + 1;
        for (int t = 0; t <= n; t++)
            stamp(ink, spline(x, t, n), spline(y, t, n), pen);
    }
}

static void blur(uint8_t *ink) {
    uint8_t tmp[DIGIT_PIXELS];
    memset(tmp, 0, sizeof tmp);
    for (int i = 1; i < DIGIT_PIXELS - 1; i++)
        tmp[i] = (uint8_t)((ink[i - 1] + 2 * ink[i] + ink[i + 1]) / 4);
    for (int i = DIGIT_SIDE; i < DIGIT_PIXELS - DIGIT_SIDE; i++)
        ink[i] = (uint8_t)((tmp[i - DIGIT_SIDE] + 2 * tmp[i] + tmp[i + DIGIT_SIDE]) / 4);
}

static void develop(const uint8_t *ink, uint8_t *pixels, rng *r) {
    int full = (int)uniform(r, 180.0, 330.0);
    int noise = (int)uniform(r, -NOISE_HI, NOISE_HI);
    if (noise < 0)
        noise = 0;
    for (int i = 0; i < DIGIT_PIXELS; i++) {
        uint64_t bits = rng_next(r);
        int sum = (int)(bits & 255) + (int)(bits >> 8 & 255) + (int)(bits >> 16 & 255) +
                  (int)(bits >> 24 & 255) - 510;
        int v = ink[i] * full / FIX + sum * noise / 148;
        pixels[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

static void draw(uint64_t seed, size_t i, int label, uint8_t *pixels) {
    rng r = rng_for(seed, 1, i);
    uint8_t ink[DIGIT_PIXELS];
    memset(ink, 0, sizeof ink);
    double u = uniform(&r, 0.0, 1.0);
    sketch s;
    sketch_read(&s, glyphs[label][(int)(u * u * 4)], &r);
    sketch_bend(&s, &r);
    double pen = uniform(&r, PEN_LO, PEN_HI);
    sketch_place(&s, pen, &r);
    ink_sketch(&s, fix(pen), ink);
    if (uniform(&r, 0.0, 1.0) < BLUR_P)
        blur(ink);
    develop(ink, pixels, &r);
}

static int label_of(uint64_t seed, size_t i) {
    int order[DIGIT_CLASSES];
    rng r = rng_for(seed, 2, i / DIGIT_CLASSES);
    for (int k = 0; k < DIGIT_CLASSES; k++) {
        int j = (int)(rng_next(&r) % (uint64_t)(k + 1));
        order[k] = order[j];
        order[j] = k;
    }
    return order[i % DIGIT_CLASSES];
}

bool digits_draw(uint64_t seed, size_t n, digit_set *out_set) {
    digit_set set = {n, malloc(n * DIGIT_PIXELS), malloc(n)};
    if (!isq[9])
        for (int i = 0; i < 1 << 16; i++)
            isq[i] = root(i);
    for (size_t i = 0; i < n; i++) {
        int label = label_of(seed, i);
        set.labels[i] = (uint8_t)label;
        draw(seed, i, label, set.pixels + i * DIGIT_PIXELS);
    }
    *out_set = set;
    return true;
}
void digit_set_free(digit_set *set) {
    free(set->pixels);
    free(set->labels);
}
