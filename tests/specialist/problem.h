/* SPDX-License-Identifier: MIT */
/*
 * Random problems of eq. 5 for one case, and what is true of their answers: E over all classes, one
 * by one, a bound that no q can be below, and a solver that goes by the prices of dustbins.
 */
#ifndef KD_TESTS_SPECIALIST_PROBLEM_H
#define KD_TESTS_SPECIALIST_PROBLEM_H

#include "../support/support.h"

#define PROBLEM_K 600
#define PROBLEM_M 8
#define PROBLEM_SCRATCH ((PROBLEM_K + PROBLEM_M) * (PROBLEM_M + 5))

typedef struct problem {
    size_t k, m;
    float generalist[PROBLEM_K];
    uint32_t classes[PROBLEM_M][PROBLEM_K]; /* ascending */
    size_t sizes[PROBLEM_M];
    float answers[PROBLEM_M][PROBLEM_K + 1];
} problem;

/* How problems are drawn: softmax of normal numbers times `scale`, of which some are 0. */
typedef struct problem_sort {
    double scale;
    double zeros;
    size_t most_k;
    bool confused; /* specialists all know the generalist's first class */
} problem_sort;

problem problem_draw(uint64_t *seed, const problem_sort *sort);

/* One of a generalist and so many specialists, all of which are told what they say. */
problem problem_of(size_t k, const float *generalist);
void problem_add(problem *p, size_t n, const uint32_t *classes, const float *answer);

/* Defaults but for the kind; and floats as doubles. */
kd_merge_options problem_kind(kd_merge_kind kind);
void problem_doubles(const float *from, size_t n, double *out);

/* What kd_merge says of it. */
typedef struct problem_answer {
    float q[PROBLEM_K];
    double objective;
    uint32_t active, steps;
} problem_answer;

problem_answer problem_merge(kd_context *context, const problem *p, const kd_merge_options *o);

/* Which specialists know one of the generalist's `best` first classes. */
void problem_active(const problem *p, size_t best, bool *out_active);

/* E(q) from its definition. Probabilities are divided by their sum. */
double problem_energy(const problem *p, const bool *active, const double *q);

/* The gradient of E by z, q = softmax(z), as kd/specialist.h has it. */
void problem_gradient(const problem *p, const bool *active, const double *q, double *out);

/* What E is at least, by the dual of the problem at the prices that q pays. */
double problem_bound(const problem *p, const bool *active, const double *q);

/* The best q; each class must have some probability of its own. False if it was not found. */
bool problem_solve(const problem *p, const bool *active, double *out_q);

#endif
