/* SPDX-License-Identifier: MIT */
/* Today's headers against the first: numbers, offsets, sizes, and declarations of functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <kd/kd.h>

#include "layout.h"

/* The first declarations once more, beside today's: the compiler refuses those that differ. */
#define STRUCT(s)
#define FIELD(s, f)
#define NUMBER(n)
#define CALL(f, s)
#define DECLARED(...) __VA_ARGS__;
#include "layout_first.h"

static const layout_row *find(const layout *in, const char *name, const char *field)
{
    for (size_t i = 0; i < in->n_rows; i++) {
        if (!strcmp(in->rows[i].name, name) && !strcmp(in->rows[i].field, field)) {
            return &in->rows[i];
        }
    }
    return NULL;
}

static void fields_lie_where_they_lay(void **state)
{
    (void)state;
    assert_true(layout_first.n_rows > 0);
    for (size_t i = 0; i < layout_first.n_rows; i++) {
        const layout_row *was = &layout_first.rows[i];
        const layout_row *is = find(&layout_today, was->name, was->field);
        if (!is) {
            fail_msg("%s %s is gone", was->name, was->field);
        }
        if (was->kind == 's' && is->size < was->size) {
            fail_msg("%s has shrunk from %zu to %zu", was->name, was->size, is->size);
        }
        if (was->kind != 's' &&
            (is->offset != was->offset || is->size != was->size || is->kind != was->kind)) {
            fail_msg("%s.%s was %zu bytes at %zu (%c), is %zu at %zu (%c)", was->name, was->field,
                     was->size, was->offset, was->kind, is->size, is->offset, is->kind);
        }
    }
}

/* What an old host has in the padding of its struct is anything. */
static void new_fields_stand_behind_the_old_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < layout_today.n_rows; i++) {
        const layout_row *is = &layout_today.rows[i];
        const layout_row *old = find(&layout_first, is->name, "");
        if (old && !find(&layout_first, is->name, is->field) && is->offset < old->size) {
            fail_msg("%s.%s is new, but at %zu, inside the first %zu bytes", is->name, is->field,
                     is->offset, old->size);
        }
    }
}

/* struct_size is first, and padding at the end would be sent along as part of it. */
static void sized_structs_are_well_made(void **state)
{
    (void)state;
    for (size_t i = 0; i < layout_today.n_rows; i++) {
        const layout_row *row = &layout_today.rows[i], *last = row;
        if (row->kind != 's') {
            continue;
        }
        const layout_row *size = find(&layout_today, row->name, "struct_size");
        assert_true(size && size->offset == 0 && size->size == sizeof(size_t));
        while (last + 1 < layout_today.rows + layout_today.n_rows && last[1].kind != 's') {
            last++;
        }
        if (last->offset + last->size != row->size) {
            fail_msg("%s ends in %zu bytes of padding", row->name,
                     row->size - last->offset - last->size);
        }
    }
}

static void numbers_are_pinned(void **state)
{
    (void)state;
    assert_true(layout_first.n_numbers > 0);
    for (size_t i = 0; i < layout_first.n_numbers; i++) {
        const layout_number *was = &layout_first.numbers[i];
        size_t at = 0;
        while (at < layout_today.n_numbers && strcmp(layout_today.numbers[at].name, was->name)) {
            at++;
        }
        if (at == layout_today.n_numbers || layout_today.numbers[at].value != was->value) {
            fail_msg("%s is no longer %d", was->name, (int)was->value);
        }
    }
}

static void statuses_have_their_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < layout_first.n_numbers; i++) {
        const layout_number *was = &layout_first.numbers[i];
        if (!strncmp(was->name, "KD_ERR_", 7) || !strcmp(was->name, "KD_OK")) {
            assert_string_equal(kd_status_name(was->value), was->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_lie_where_they_lay),
        cmocka_unit_test(new_fields_stand_behind_the_old_end),
        cmocka_unit_test(sized_structs_are_well_made),
        cmocka_unit_test(numbers_are_pinned),
        cmocka_unit_test(statuses_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
