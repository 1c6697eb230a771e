/* SPDX-License-Identifier: MIT */
/* The largest logits of a row, found with a heap of those that lead; its root is the least. */
#include "teacher/recording.h"

/* Whether a goes above b: by values, the lesser one, of equal ones the last; without, the last. */
static bool above(const float *values, uint32_t a, uint32_t b)
{
    return values && values[a] != values[b] ? values[a] < values[b] : a > b;
}

static void sift(const float *values, uint32_t *heap, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && above(values, heap[child + 1], heap[child]);
        if (!above(values, heap[child], heap[at])) {
            return;
        }
        uint32_t swapped = heap[at];
        heap[at] = heap[child];
        heap[child] = swapped;
    }
}

static void build(const float *values, uint32_t *heap, size_t n)
{
    for (size_t i = n / 2; i > 0; i--) {
        sift(values, heap, i - 1, n);
    }
}

void kdi_teacher_find_top(const float *values, size_t k, size_t top, uint32_t *out_index)
{
    uint32_t *heap = out_index;
    for (size_t i = 0; i < top; i++) {
        heap[i] = (uint32_t)i;
    }
    build(values, heap, top);
    for (size_t i = top; i < k; i++) {
        if (values[i] > values[heap[0]]) { /* an equal one came first, and stays */
            heap[0] = (uint32_t)i;
            sift(values, heap, 0, top);
        }
    }
    build(NULL, heap, top);
    for (size_t left = top; left > 1; left--) {
        uint32_t last = heap[left - 1];
        heap[left - 1] = heap[0];
        heap[0] = last;
        sift(NULL, heap, 0, left - 1);
    }
}
