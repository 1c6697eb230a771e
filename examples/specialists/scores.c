/* SPDX-License-Identifier: MIT */
/* What comes of answers: errors, paired counts, and who gained. */
#include "scores.h"

/* The largest of those that a specialist knows. */
static size_t largest_known(const panel *p, const float *values, size_t n)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
        bool better = panel_cover(p, i) > 0 && (best == n || values[i] > values[best]);
        best = better ? i : best;
    }
    return best;
}

/*
 * Errors; errors of the cases of specialists' classes, with no other class allowed (the paper's
 * "conditional"); and cases that this gets right and the generalist does not, or the other way
 * round, which is what a paired test needs.
 */
void scores_write(scores s, cJSON *result)
{
    size_t k = s.k;
    size_t errors = 0, conditional = 0, of = 0, won = 0, lost = 0;
    for (size_t i = 0; i < s.n; i++) {
        const float *row = s.given + i * k;
        size_t label = (size_t)s.labels[i];
        bool right = panel_largest(row, k) == label;
        bool before = panel_largest(s.base + i * k, k) == label;
        errors += !right;
        won += right && !before;
        lost += before && !right;
        if (panel_cover(s.panel, label) > 0) {
            conditional += largest_known(s.panel, row, k) != label;
            of++;
        }
    }
    cJSON_AddNumberToObject(result, "errors", (double)errors);
    cJSON_AddNumberToObject(result, "cases", (double)s.n);
    cJSON_AddNumberToObject(result, "conditional_errors", (double)conditional);
    cJSON_AddNumberToObject(result, "conditional_cases", (double)of);
    cJSON_AddNumberToObject(result, "won", (double)won);
    cJSON_AddNumberToObject(result, "lost", (double)lost);
}

/* Table 4: by the number of specialists that know the true class. */
void scores_write_cover(scores s, cJSON *result)
{
    size_t k = s.k;
    size_t cases[PANEL_MOST + 1] = {0}, before[PANEL_MOST + 1] = {0}, after[PANEL_MOST + 1] = {0};
    for (size_t i = 0; i < s.n; i++) {
        size_t label = (size_t)s.labels[i];
        size_t cover = panel_cover(s.panel, label);
        cases[cover]++;
        before[cover] += panel_largest(s.base + i * k, k) == label;
        after[cover] += panel_largest(s.given + i * k, k) == label;
    }
    cJSON *rows = cJSON_AddArrayToObject(result, "covered");
    for (size_t n = 0; n <= PANEL_MOST; n++) {
        if (cases[n] > 0) {
            cJSON *row = cJSON_CreateObject();
            cJSON_AddNumberToObject(row, "specialists", (double)n);
            cJSON_AddNumberToObject(row, "cases", (double)cases[n]);
            cJSON_AddNumberToObject(row, "right_before", (double)before[n]);
            cJSON_AddNumberToObject(row, "right_after", (double)after[n]);
            cJSON_AddItemToArray(rows, row);
        }
    }
}
