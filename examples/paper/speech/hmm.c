/* SPDX-License-Identifier: MIT */
/* Viterbi's algorithm. */
#include "hmm.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

void hmm_uniform(size_t n, uint8_t *out_states)
{
    for (size_t t = 0; t < n; t++) {
        out_states[t] = (uint8_t)(t * HMM_STATES / n);
    }
}

static double uniform_path(const float *score, size_t n, uint8_t *out_states)
{
    double sum = 0.0;
    uint8_t states[HMM_STATES];
    hmm_uniform(n, states);
    for (size_t t = 0; t < n; t++) {
        sum += (double)score[t * HMM_TARGETS + states[t]];
    }
    if (out_states) {
        memcpy(out_states, states, n);
    }
    return sum;
}

/* moves[t]: a bit for each state, 1 if the best path to it at t comes from the state before it. */
static void trace_back(size_t n, uint8_t *moves)
{
    size_t state = HMM_STATES - 1;
    for (size_t t = n; t-- > 0;) {
        unsigned here = moves[t];
        moves[t] = (uint8_t)state;
        /* In state s at frame s there was only one way, whatever the scores are. */
        if (state > 0 && ((here >> state & 1u) || state == t)) {
            state--;
        }
    }
}

double hmm_path(const float *score, size_t n, uint8_t *out_states)
{
    double best[HMM_STATES];
    if (n < HMM_STATES) {
        return uniform_path(score, n, out_states);
    }
    if (out_states) {
        out_states[0] = 0;
    }
    for (size_t s = 0; s < HMM_STATES; s++) {
        best[s] = s == 0 ? (double)score[0] : -(double)INFINITY;
    }
    for (size_t t = 1; t < n; t++) {
        const float *here = score + t * HMM_TARGETS;
        unsigned moves = 0;
        for (size_t s = HMM_STATES - 1; s > 0; s--) {
            bool moved = best[s - 1] > best[s];
            moves |= (unsigned)moved << s;
            best[s] = (moved ? best[s - 1] : best[s]) + (double)here[s];
        }
        best[0] += (double)here[0];
        if (out_states) {
            out_states[t] = (uint8_t)moves;
        }
    }
    if (out_states) {
        trace_back(n, out_states);
    }
    return best[HMM_STATES - 1];
}

unsigned hmm_decode(const float *score, size_t n)
{
    unsigned best = 0;
    double most = -(double)INFINITY;
    for (unsigned word = 0; word < HMM_WORDS; word++) {
        double sum = hmm_path(score + (size_t)word * HMM_STATES, n, NULL);
        if (sum > most) {
            most = sum;
            best = word;
        }
    }
    return best;
}
