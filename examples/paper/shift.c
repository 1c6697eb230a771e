/* SPDX-License-Identifier: MIT */
/* Shifts of biases. */
#include "shift.h"

#include <math.h>

enum { STEPS = 200 /* of a tenth, in each direction, for the oracle */ };

/* The logits of a case with the shift, and the largest one's class. */
static size_t shift_row(const shift_cases *c, size_t row, double shift, double z[DIGIT_CLASSES])
{
    size_t best = 0;
    for (size_t k = 0; k < DIGIT_CLASSES; k++) {
        z[k] = (double)c->logits[row * DIGIT_CLASSES + k] + (c->shifted[k] ? shift : 0.0);
        best = z[k] > z[best] ? k : best;
    }
    return best;
}

shift_errors shift_count(const shift_cases *cases, double shift)
{
    shift_errors errors = {0};
    double z[DIGIT_CLASSES];
    for (size_t i = 0; i < cases->n; i++) {
        bool wrong = shift_row(cases, i, shift, z) != cases->labels[i];
        errors.all += wrong;
        errors.missing += wrong && cases->missing[cases->labels[i]];
    }
    return errors;
}

double shift_oracle(const shift_cases *cases)
{
    double best = 0.0;
    size_t least = shift_count(cases, best).all;
    for (int step = 1; step <= STEPS; step++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            double shift = 0.1 * step * sign;
            size_t errors = shift_count(cases, shift).all;
            if (errors < least) {
                least = errors;
                best = shift;
            }
        }
    }
    return best;
}

double shift_mean_share(const shift_cases *cases, double shift)
{
    double total = 0.0;
    double z[DIGIT_CLASSES];
    for (size_t i = 0; i < cases->n; i++) {
        double most = z[shift_row(cases, i, shift, z)];
        double sum = 0.0, part = 0.0;
        for (size_t k = 0; k < DIGIT_CLASSES; k++) {
            double e = exp(z[k] - most);
            sum += e;
            part += cases->shifted[k] ? e : 0.0;
        }
        total += part / sum;
    }
    return total / (double)cases->n;
}

/* The share grows with the shift, so halving finds it. */
double shift_honest(const shift_cases *cases, double share)
{
    double low = -50.0, high = 50.0;
    for (int i = 0; i < 40; i++) {
        double middle = 0.5 * (low + high);
        if (shift_mean_share(cases, middle) < share) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return 0.5 * (low + high);
}
