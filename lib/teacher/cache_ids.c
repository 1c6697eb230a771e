/* SPDX-License-Identifier: MIT */
/* The ids of a recording: a hash set with open addressing and linear probing. */
#include "teacher/recording.h"

#define SMALLEST 64

/* Where the id is, or would go. */
static size_t place_of(const kdi_id_set *set, uint64_t id)
{
    uint64_t x = id ^ set->key;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    size_t at = (size_t)(x ^ (x >> 31)) & (set->capacity - 1);
    while (set->slots[at] != 0 && set->slots[at] != id) {
        at = (at + 1) & (set->capacity - 1);
    }
    return at;
}

kd_status kdi_teacher_reserve_ids(kdi_id_set *set, kd_context *context, size_t count,
                                  kd_error *error)
{
    size_t capacity = set->capacity ? set->capacity : SMALLEST;
    size_t bytes = 0;
    bool fits = true;
    while (fits && capacity / 2 < count) {
        fits = kdi_base_mul(capacity, 2, &capacity);
    }
    if (capacity == set->capacity && fits) {
        return KD_OK;
    }
    fits = fits && kdi_base_mul(capacity, sizeof *set->slots, &bytes);
    kdi_id_set larger = {.capacity = capacity, .count = set->count, .zero = set->zero};
    larger.slots = fits ? kdi_ctx_new(context, bytes) : NULL;
    if (!larger.slots) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for %z sample ids (%z bytes)",
                             count, bytes);
    }
    larger.key = (uint64_t)(uintptr_t)larger.slots * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->slots[i] != 0) {
            larger.slots[place_of(&larger, set->slots[i])] = set->slots[i];
        }
    }
    kdi_teacher_close_ids(set, context);
    *set = larger;
    return KD_OK;
}

bool kdi_teacher_add_id(kdi_id_set *set, uint64_t id)
{
    if (id == 0) {
        bool there = set->zero;
        set->zero = true;
        set->count += !there;
        return !there;
    }
    size_t at = place_of(set, id);
    if (set->slots[at] == id) {
        return false;
    }
    set->slots[at] = id;
    set->count++;
    return true;
}

/* Nothing was placed behind it because of it, so its slot can simply be free again. */
void kdi_teacher_drop_id(kdi_id_set *set, uint64_t id)
{
    if (id == 0) {
        set->zero = false;
    } else {
        set->slots[place_of(set, id)] = 0;
    }
    set->count--;
}

void kdi_teacher_close_ids(kdi_id_set *set, kd_context *context)
{
    kdi_ctx_delete(context, set->slots, set->capacity * sizeof *set->slots);
    *set = (kdi_id_set){0};
}
