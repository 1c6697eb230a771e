/* SPDX-License-Identifier: MIT */
/*
 * Values worked out once in double precision and printed to eight decimals: one student row, one
 * teacher row, label 0.
 */
#ifndef KD_TESTS_LOSS_GOLDEN_H
#define KD_TESTS_LOSS_GOLDEN_H

#define GOLDEN_K 4
#define GOLDEN_DIGIT 0.51e-8 /* half of the last printed digit */

static const double golden_z[GOLDEN_K] = {1, 2, 0.5, -1};
static const double golden_v[GOLDEN_K] = {3, 1.5, -0.5, -2};

typedef struct golden_row {
    double t;
    double p[GOLDEN_K], q[GOLDEN_K];
    double soft, kl; /* with T^2 */
    double d[GOLDEN_K];
} golden_row;

#define GOLDEN_ROWS 4
static const golden_row golden_rows[GOLDEN_ROWS] = {
    {1,
     {.79360954, .17707822, .02396493, .0053473},
     {.22420782, .60946004, .13598892, .03034323},
     1.34078074,
     .73338595,
     {-.56940173, .43238181, .11202398, .02499593}},
    {2,
     {.5786282, .27332461, .1005505, .04749669},
     {.26347674, .4343997, .20519589, .09692767},
     5.07904887,
     .89187396,
     {-.63030292, .32215019, .20929077, .09886196}},
    {4,
     {.41829521, .28748982, .17437139, .11984358},
     {.26503736, .34031471, .23389465, .16075328},
     21.40368391,
     .89558838,
     {-.61303141, .21129957, .23809305, .1636388}},
    {20,
     {.28200779, .26163089, .23673342, .21962789},
     {.25436112, .2674025, .24808092, .23015546},
     553.51994538,
     .80866137,
     {-.55293344, .11543203, .22695002, .2105514}},
};

static const double golden_hard = 1.4951819;
static const double golden_match = .7734375;
static const double golden_kl_at_1000 = .77418855;

/* v and a second member at T = 2. */
static const double golden_v2[GOLDEN_K] = {.5, 2.5, 0, -1};
static const double golden_arithmetic[GOLDEN_K] = {.38992887, .41016161, .12863412, .0712754};
static const double golden_geometric[GOLDEN_K] = {.37065322, .42000513, .1363557, .07298595};

#endif
