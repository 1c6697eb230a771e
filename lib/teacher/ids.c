/* SPDX-License-Identifier: MIT */
/* Rows by sample id, so that one can't be taken for another's. */
#include "teacher/parts.h"

static void sift(kdi_teacher_id *e, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && e[child + 1].id > e[child].id;
        if (e[at].id >= e[child].id) {
            return;
        }
        kdi_teacher_id swapped = e[at];
        e[at] = e[child];
        e[child] = swapped;
    }
}

/* Heap sort: in place, O(n log n) whatever the order, no recursion. */
size_t kdi_teacher_sort_ids(kdi_teacher_id *e, size_t n)
{
    for (size_t i = n / 2; i > 0; i--) {
        sift(e, i - 1, n);
    }
    for (size_t left = n; left > 1; left--) {
        kdi_teacher_id last = e[left - 1];
        e[left - 1] = e[0];
        e[0] = last;
        sift(e, 0, left - 1);
    }
    for (size_t i = 1; i < n; i++) {
        if (e[i].id == e[i - 1].id) {
            return i;
        }
    }
    return 0;
}

kd_status kdi_teacher_row_of(const kdi_teacher_id *e, size_t n, const kd_batch *batch, size_t which,
                             size_t *out_row, kd_error *error)
{
    if (!batch->ids) {
        return kdi_base_fail(error, KD_ERR_NULL, 2,
                             "batch.ids is NULL, but the teacher is recorded by sample id");
    }
    uint64_t id = batch->ids[which];
    size_t low = 0;
    size_t high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (e[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == n || e[low].id != id) {
        return kdi_base_fail(error, KD_ERR_ID, 2, "batch.ids[%z] is %z, which was not recorded",
                             which, (size_t)id);
    }
    *out_row = e[low].row;
    return KD_OK;
}
