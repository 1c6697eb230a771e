/* SPDX-License-Identifier: MIT */
/* The one file that knows where memory comes from. */
#define _DEFAULT_SOURCE /* madvise */

#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGN 64

/*
 * Big blocks begin and end with a huge page, so the system may back them with nothing else: sweeps
 * over weights then miss the TLB 512 times less often.
 */
#define HUGE ((size_t)2 << 20)
#define BIG (2 * HUGE)

static void *libc_alloc(void *user, size_t size, size_t align)
{
    (void)user;
    size_t rounded; /* aligned_alloc wants a multiple */
    if (!kdi_base_add(size, align - 1, &rounded)) {
        return NULL;
    }
    rounded = rounded / align * align;
    void *pointer = aligned_alloc(align, rounded);
#ifdef MADV_HUGEPAGE
    if (pointer && align >= HUGE) {
        (void)madvise(pointer, rounded, MADV_HUGEPAGE); /* a wish */
    }
#endif
    return pointer;
}

static void libc_release(void *user, void *pointer, size_t size)
{
    (void)user;
    (void)size;
    free(pointer);
}

kdi_allocator kdi_base_libc_allocator(void)
{
    return (kdi_allocator){libc_alloc, libc_release, NULL};
}

void *kdi_base_new(const kdi_allocator *allocator, size_t size)
{
    if (size == 0 || size > PTRDIFF_MAX) {
        return NULL;
    }
    void *pointer = allocator->alloc(allocator->user, size, size < BIG ? ALIGN : HUGE);
    if (pointer) {
        memset(pointer, 0, size);
    }
    return pointer;
}

void kdi_base_delete(const kdi_allocator *allocator, void *pointer, size_t size)
{
    if (pointer) {
        allocator->release(allocator->user, pointer, size);
    }
}

void *kdi_base_take(kdi_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    size_t end;
    if (!kdi_base_mul(count, size, &bytes) || !kdi_base_add(bytes, ALIGN - 1, &bytes) ||
        !kdi_base_add(arena->used, bytes / ALIGN * ALIGN, &end)) {
        arena->overflow = true;
        return NULL;
    }
    void *place = arena->base && count ? arena->base + arena->used : NULL;
    arena->used = end;
    return place;
}
