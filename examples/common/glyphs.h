/* SPDX-License-Identifier: MIT */
/**
 * @file glyphs.h
 * How the ten digits are written: four hands for each, as points that a pen passes.
 *
 * A group xxyy is a point of the sheet, y down, joined to the one before it by a smooth curve. '!'
 * behind a point makes it a corner, '/' lifts the pen. The commonest hand comes first.
 */
#ifndef GLYPHS_H
#define GLYPHS_H

#include "digits.h"

enum {
    GLYPH_HANDS = 4,
    GLYPH_WIDE = 70, /**< The sheet; points may reach 99 in both directions. */
    GLYPH_TALL = 100,
    GLYPH_MAX_POINTS = 24 /**< Of a hand, its corners counted twice; the longest has 13. */
};

static const char *const glyphs[DIGIT_CLASSES][GLYPH_HANDS] = {
    /* 0: plain, begun at the right, slim, slashed */
    {"4002 1515 0550 1588 3698 5885 6650 5614 3602",
     "4808 2505 0830 0665 2596 5090 6560 6022 4206 2416",
     "3402 1720 1350 1982 3599 5182 5750 5118 3302",
     "5616 3602 1218 0652 1788 4096 6270 6030 5014/6004 0898"},
    /* 1: a bar, with a flag, with flag and foot, leaning */
    {"3500 3550 3599", "1822 3802! 3899", "1622 3802! 3899/1599 6099", "4800 2299"},
    /* 2: plain, with a loop, angular, wavy */
    {"0825 1806 3801 5612 5832 4258 2280 0698! 6498",
     "1022 2803 5208 5632 4062 1892 0692 1078 2682 4494 6692",
     "1012 3002 5410 5236 0896! 3692 6498", "0620 2604 5414 4850 1886 1498 3494 6694"},
    /* 3: plain, flat on top, with a loop, angular */
    {"1012 3201 5412 5234 2846! 5656 6278 4098 0888", "1003 6003! 3040! 5650 6276 4098 0888",
     "0816 3002 5214 4638 2648 2242 3444 5860 5686 3299 0684",
     "1408 4402 5222 3042 1846! 4850 6070 4694 1298"},
    /* 4: open, closed, as a bent line and a bar, boxy */
    {"1602 1030 0856! 6256/5020 5099", "4600 0466! 6666/4600 4699",
     "1004 0836 2050 4446 5630/5802 5450 5099", "5004 1026 1252! 5252/5204! 5050 4299"},
    /* 5: in one stroke, the roof last, like an S, wide */
    {"5803 1603! 1244! 3636 6052 6080 3898 0890", "1604 1244! 3838 6056 5684 3298 0688/1604 6002",
     "5806 3004 1422 2242 4854 5676 3897 0890", "6206 2203! 1446! 4440 6262 5288 2498 0682"},
    /* 6: plain, straight, curled on top, begun at the left */
    {"4802 2226 0862 2094 4696 6076 4856 2458 1074", "4000 1060 1490 3899 5884 5262 3056 1272",
     "5812 4402 2018 0658 1692 4298 6078 4656 2064 1278",
     "2200 0840 1084 3298 5888 5868 3860 1276"},
    /* 7: plain, with a bar, with a serif, with a curved roof */
    {"0604 6204! 2899", "0604 6204! 2899/2252 5850", "0620 0804! 6204! 4050 3099",
     "0414 2004 4010 6204! 3844 2499"},
    /* 8: begun like an S, two rings, open on top, two strokes */
    {"5414 3402 1216 2240 4856 6078 3698 1080 2256 4840 5620 4808",
     "3448 1436 1412 3402 5412 5436 3448 1060 0884 3499 6084 5860 3448",
     "5806 3602 1416 2438 5260 5888 3299 0884 1660 4842 6214",
     "3604 1610 1434 3646 5230 5210 3604/3646 1060 1290 3699 5888 5660 3646"},
    /* 9: plain, on a straight leg, on a curled leg, slim */
    {"5622 3804 1414 1036 2850 5040 5816! 5660 5099", "5412 3002 1018 1444 3852 5632 5806! 5899",
     "5620 3604 1218 1242 3252 5436 5814! 5870 4497 1492",
     "5010 2406 1024 2040 4632 5008! 3860 2899"},
};

#endif
