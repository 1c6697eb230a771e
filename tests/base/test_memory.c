/* SPDX-License-Identifier: MIT */
/* The room base: sizes that say so when they wrap, spans, memory, counts of references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

/* ---- sizes ---- */

static void products_stop_at_the_border(void **state)
{
    (void)state;
    static const size_t factors[] = {1, 2, 3, 7, 640, 65535, 65537, UINT32_MAX, SIZE_MAX};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        size_t f = factors[i], last = SIZE_MAX / f, out = 1234;
        assert_true(kdi_base_mul(f, last, &out));
        assert_int_equal(out, f * last);
        assert_true(kdi_base_mul(last, f, &out));
        assert_int_equal(out, f * last);
        if (f > 1) {
            assert_false(kdi_base_mul(f, last + 1, &out));
            assert_false(kdi_base_mul(last + 1, f, &out));
        }
        assert_true(kdi_base_mul(f, 0, &out));
        assert_int_equal(out, 0);
        assert_true(kdi_base_mul(0, f, &out));
        assert_int_equal(out, 0);
    }
}

static void sums_stop_at_the_border(void **state)
{
    (void)state;
    static const size_t parts[] = {0, 1, 2, 63, SIZE_MAX / 2, SIZE_MAX - 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t part = parts[i], out = 1234;
        assert_true(kdi_base_add(part, SIZE_MAX - part, &out));
        assert_int_equal(out, SIZE_MAX);
        if (part) {
            assert_false(kdi_base_add(part, SIZE_MAX - part + 1, &out));
            assert_false(kdi_base_add(SIZE_MAX - part + 1, part, &out));
        }
    }
}

static void sizes_are_what_cblas_can_count(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    assert_int_equal(kdi_base_check_size(1, "n", 2, &error), KD_OK);
    assert_int_equal(kdi_base_check_size(INT32_MAX, "n", 2, NULL), KD_OK);
    assert_string_equal(error.text, "");
    assert_int_equal(kdi_base_check_size(0, "n", 2, &error), KD_ERR_SIZE);
    assert_int_equal(error.status, KD_ERR_SIZE);
    assert_int_equal(error.argument, 2);
    assert_non_null(strstr(error.text, "n"));
    assert_int_equal(kdi_base_check_size((size_t)INT32_MAX + 1, "k", 3, &error), KD_ERR_TOO_LARGE);
    assert_non_null(strstr(error.text, "2147483648"));
    assert_int_equal(error.argument, 3);
}

static void extents_reach_to_the_last_float(void **state)
{
    (void)state;
    size_t bytes = 0;
    assert_true(kdi_base_extent(1, 3, 100, &bytes));
    assert_int_equal(bytes, 12);
    assert_true(kdi_base_extent(5, 3, 4, &bytes));
    assert_int_equal(bytes, (4 * 4 + 3) * 4);
    assert_false(kdi_base_extent(SIZE_MAX, 1, 2, &bytes));
    assert_false(kdi_base_extent(2, SIZE_MAX, 1, &bytes));
    assert_false(kdi_base_extent(2, 1, PTRDIFF_MAX / sizeof(float), &bytes));
    assert_true(kdi_base_extent(2, 1, PTRDIFF_MAX / sizeof(float) - 1, &bytes));
}

/* ---- spans ---- */

enum { ROOM = 64 };

static void mark(unsigned char used[ROOM], const unsigned char *room, kdi_span s)
{
    memset(used, 0, ROOM);
    size_t start = (size_t)((const unsigned char *)s.start - room);
    for (size_t i = 0; i < s.rows; i++) {
        for (size_t j = 0; j < s.columns * s.element; j++) {
            used[start + i * s.stride * s.element + j] = 1;
        }
    }
}

/* Every span of up to 3 x 3 elements that fits: in `out`, how many. */
static size_t all_spans(const unsigned char *room, kdi_span *out)
{
    size_t count = 0;
    for (size_t element = 1; element <= 4; element += 3) {
        for (size_t rows = 1; rows <= 3; rows++) {
            for (size_t columns = 1; columns <= 3; columns++) {
                for (size_t stride = columns; stride <= 5; stride++) {
                    size_t bytes = ((rows - 1) * stride + columns) * element;
                    for (size_t start = 0; start < 12; start++) {
                        assert_true(start * element + bytes <= ROOM + 48);
                        if (start * element + bytes <= ROOM) {
                            out[count++] =
                                (kdi_span){room + start * element, rows, columns, stride, element};
                        }
                    }
                }
            }
        }
    }
    return count;
}

static void spans_overlap_where_bytes_do(void **state)
{
    (void)state;
    static unsigned char room[ROOM];
    static kdi_span spans[2 * 3 * 3 * 5 * 12];
    size_t count = all_spans(room, spans);
    size_t side_by_side = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            unsigned char a[ROOM], b[ROOM];
            mark(a, room, spans[i]);
            mark(b, room, spans[j]);
            bool common = false;
            for (size_t byte = 0; byte < ROOM; byte++) {
                common = common || (a[byte] && b[byte]);
            }
            bool said = kdi_base_overlap(spans[i], spans[j]);
            bool apart = spans[i].start < spans[j].start && !common;
            if (common) {
                assert_true(said);
            } else if (spans[i].stride * spans[i].element == spans[j].stride * spans[j].element) {
                assert_false(said); /* of one pitch, so side by side is seen */
                side_by_side += apart && spans[i].rows == 3 && spans[j].rows == 3;
            }
        }
    }
    assert_true(side_by_side > 10);
}

static void nothing_overlaps_nothing(void **state)
{
    (void)state;
    float x[4];
    kdi_span a = {x, 1, 4, 4, sizeof *x}, none = {NULL, 1, 4, 4, sizeof *x};
    assert_true(kdi_base_overlap(a, a));
    assert_false(kdi_base_overlap(a, none));
    assert_false(kdi_base_overlap(none, a));
    kdi_span empty = {x, 1, 0, 4, sizeof *x};
    assert_false(kdi_base_overlap(a, empty));
    assert_false(kdi_base_overlap(empty, a));
}

/* ---- memory ---- */

typedef struct ledger {
    size_t allocations, releases, bytes;
    size_t left; /* allocations before it refuses */
} ledger;

static void *ledger_alloc(void *user, size_t size, size_t align)
{
    ledger *book = user;
    assert_int_equal(align, size < (size_t)4 << 20 ? 64 : (size_t)2 << 20);
    if (book->left == 0) {
        return NULL;
    }
    book->left--;
    book->allocations++;
    book->bytes += size;
    void *pointer = aligned_alloc(align, (size + align - 1) / align * align);
    memset(pointer, 0xA5, size);
    return pointer;
}

static void ledger_release(void *user, void *pointer, size_t size)
{
    ledger *book = user;
    assert_non_null(pointer);
    book->releases++;
    book->bytes -= size;
    free(pointer);
}

static void memory_is_zeroed_aligned_and_given_back(void **state)
{
    (void)state;
    ledger book = {.left = 1000};
    kdi_allocator allocators[] = {{ledger_alloc, ledger_release, &book}, kdi_base_libc_allocator()};
    for (size_t a = 0; a < 2; a++) {
        for (size_t size = 1; size <= 200; size += 99) {
            unsigned char *bytes = kdi_base_new(&allocators[a], size);
            assert_non_null(bytes);
            assert_int_equal((uintptr_t)bytes % 64, 0);
            for (size_t i = 0; i < size; i++) {
                assert_int_equal(bytes[i], 0);
            }
            kdi_base_delete(&allocators[a], bytes, size);
        }
        kdi_base_delete(&allocators[a], NULL, 1);
        assert_null(kdi_base_new(&allocators[a], 0));
        assert_null(kdi_base_new(&allocators[a], SIZE_MAX));
        assert_null(kdi_base_new(&allocators[a], (size_t)PTRDIFF_MAX + 1));
    }
    assert_int_equal(book.allocations, 3);
    assert_int_equal(book.releases, 3);
    assert_int_equal(book.bytes, 0);
    book.left = 0;
    assert_null(kdi_base_new(&allocators[0], 1));
}

static void big_blocks_are_whole_huge_pages(void **state)
{
    (void)state;
    static const size_t sizes[] = {((size_t)4 << 20) - 1, (size_t)4 << 20, ((size_t)4 << 20) + 1,
                                   ((size_t)7 << 20) + 3};
    ledger book = {.left = 1000};
    kdi_allocator allocators[] = {{ledger_alloc, ledger_release, &book}, kdi_base_libc_allocator()};
    for (size_t a = 0; a < 2; a++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            unsigned char *bytes = kdi_base_new(&allocators[a], sizes[i]);
            assert_non_null(bytes);
            assert_int_equal((uintptr_t)bytes % (i == 0 ? 64 : (size_t)2 << 20), 0);
            for (size_t at = 0; at < sizes[i]; at += 1021) {
                assert_int_equal(bytes[at], 0);
            }
            assert_int_equal(bytes[sizes[i] - 1], 0);
            kdi_base_delete(&allocators[a], bytes, sizes[i]);
        }
        assert_null(kdi_base_new(&allocators[a], (size_t)PTRDIFF_MAX + 1));
    }
    assert_null(kdi_base_new(&allocators[1], PTRDIFF_MAX)); /* to be rounded up, yet no wrap */
    assert_int_equal(book.bytes, 0);
}

static void lay_out(kdi_arena *arena, unsigned char *places[4])
{
    places[0] = kdi_base_take(arena, 3, 1);
    places[1] = kdi_base_take(arena, 0, 8);
    places[2] = kdi_base_take(arena, 17, sizeof(double));
    places[3] = kdi_base_take(arena, 1, 64);
}

static void arenas_place_what_they_measured(void **state)
{
    (void)state;
    unsigned char *places[4];
    kdi_arena measure = {0};
    lay_out(&measure, places);
    assert_null(places[0]);
    assert_null(places[3]);
    assert_false(measure.overflow);
    assert_int_equal(measure.used, 64 + 192 + 64);
    kdi_allocator allocator = kdi_base_libc_allocator();
    unsigned char *block = kdi_base_new(&allocator, measure.used);
    kdi_arena arena = {.base = block};
    lay_out(&arena, places);
    assert_int_equal(arena.used, measure.used);
    assert_ptr_equal(places[0], block);
    assert_null(places[1]);
    assert_ptr_equal(places[2], block + 64);
    assert_ptr_equal(places[3], block + 64 + 192);
    kdi_base_delete(&allocator, block, measure.used);
}

static void arenas_say_that_they_overflow(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{SIZE_MAX, 2}, {SIZE_MAX, 1}, {SIZE_MAX / 2, 3}};
    for (size_t i = 0; i < 3; i++) {
        kdi_arena arena = {0};
        assert_null(kdi_base_take(&arena, sizes[i][0], sizes[i][1]));
        assert_true(arena.overflow);
    }
    kdi_arena arena = {.used = SIZE_MAX - 63};
    assert_null(kdi_base_take(&arena, 1, 1));
    assert_true(arena.overflow);
    kdi_base_take(&arena, 0, 1);
    assert_true(arena.overflow); /* it stays */
}

/* ---- references ---- */

static void the_last_reference_is_told(void **state)
{
    (void)state;
    kdi_refs refs;
    atomic_init(&refs, 1);
    kdi_base_retain(&refs);
    kdi_base_retain(&refs);
    assert_false(kdi_base_release(&refs));
    assert_false(kdi_base_release(&refs));
    assert_true(kdi_base_release(&refs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_stop_at_the_border),
        cmocka_unit_test(sums_stop_at_the_border),
        cmocka_unit_test(sizes_are_what_cblas_can_count),
        cmocka_unit_test(extents_reach_to_the_last_float),
        cmocka_unit_test(spans_overlap_where_bytes_do),
        cmocka_unit_test(nothing_overlaps_nothing),
        cmocka_unit_test(memory_is_zeroed_aligned_and_given_back),
        cmocka_unit_test(big_blocks_are_whole_huge_pages),
        cmocka_unit_test(arenas_place_what_they_measured),
        cmocka_unit_test(arenas_say_that_they_overflow),
        cmocka_unit_test(the_last_reference_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
