/* SPDX-License-Identifier: MIT */
/* The one file that knows where memory comes from. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN 64

static void *libc_alloc(void *user, size_t size, size_t align)
{
    (void)user;
    size_t rounded; /* aligned_alloc wants a multiple */
    if (!kdi_base_add(size, align - 1, &rounded)) {
        return NULL;
    }
    return aligned_alloc(align, rounded / align * align);
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
    void *pointer = allocator->alloc(allocator->user, size, ALIGN);
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
