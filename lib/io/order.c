/* SPDX-License-Identifier: MIT */
/* Heap sort: in place, O(n log n) whatever a file makes of it, no recursion. */
#include "io/parts.h"

static void sift(const kdi_io_order *order, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && order->less(order->user, child, child + 1)) {
            child++;
        }
        if (!order->less(order->user, at, child)) {
            return;
        }
        order->swap(order->user, at, child);
    }
}

void kdi_io_sort(const kdi_io_order *order, size_t n)
{
    for (size_t i = n / 2; i > 0; i--) {
        sift(order, i - 1, n);
    }
    for (size_t left = n; left > 1; left--) {
        order->swap(order->user, 0, left - 1);
        sift(order, 0, left - 1);
    }
}
