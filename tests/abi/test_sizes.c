/* SPDX-License-Identifier: MIT */
/* Callers whose structs are shorter or longer than the library's: every struct, every function. */
#include "layout.h"
#include "sizes.h"

#define MOST 512 /* bytes of a struct and what is put behind it */
#define TAIL 40
#define FILL 0xa5
#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* What a call returned, and left in its struct and everywhere else. */
typedef struct outcome {
    kd_status status;
    unsigned char bytes[MOST];
    double results[RESULTS];
    size_t n_results, file_size;
    unsigned char file[FILE_BYTES];
} outcome;

/* How a struct is made: `kept` bytes of the filled one, INIT up to `size`, `tail` zeros, FILL. */
typedef struct shape {
    size_t struct_size, kept, size, tail;
} shape;

static outcome want, got;
static _Alignas(16) unsigned char given[MOST];

static void make(const world *w, const row *r, shape s, size_t set)
{
    size_t size;
    const void *init = world_init(r->name, &size), *own;
    memcpy(&own, (const char *)w + r->at, sizeof own);
    memset(given, FILL, sizeof given);
    memcpy(given, init, s.size < size ? s.size : size);
    if (r->kind != ERROR) {
        memcpy(given, own, s.kept);
    }
    memset(given + s.size, 0, s.tail);
    memcpy(given, &s.struct_size, sizeof s.struct_size);
    if (set) {
        given[set] = 1;
    }
}

/* The call with a struct of this shape; `set` is a byte that is 1, or 0 for none. */
static void run(const row *r, shape s, size_t set, outcome *out)
{
    world *w = world_start();
    const void *pointer = given;
    kd_error *error = NULL;
    if (r->prepare) {
        r->prepare(w);
    }
    make(w, r, s, set);
    if (r->kind == ERROR) {
        error = (kd_error *)given;
        w->broken = 1;
    } else {
        memcpy((char *)w + r->at, &pointer, sizeof pointer);
    }
    memset(out, 0, sizeof *out);
    out->status = r->call(w, error);
    memcpy(out->bytes, given, sizeof given);
    memcpy(out->results, w->results, sizeof w->results);
    out->n_results = w->n_results;
    out->file_size = w->file_size;
    memcpy(out->file, w->file, w->file_size);
    world_stop();
}

static void same_outcome(const row *r, size_t size, size_t bytes)
{
    const size_t first = sizeof(size_t);
    if (got.status != want.status) {
        fail_msg("%s, %s of %zu: %s, not %s", r->function, r->name, size,
                 kd_status_name(got.status), kd_status_name(want.status));
    }
    if (memcmp(got.bytes + first, want.bytes + first, bytes - first) != 0 ||
        got.n_results != want.n_results ||
        memcmp(got.results, want.results, sizeof got.results) != 0 ||
        got.file_size != want.file_size || memcmp(got.file, want.file, got.file_size) != 0) {
        fail_msg("%s, %s of %zu: another result", r->function, r->name, size);
    }
}

static void untouched(const row *r, size_t size, size_t from, unsigned char fill, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (got.bytes[i] != fill) {
            fail_msg("%s, %s of %zu: byte %zu has been written", r->function, r->name, size, i);
        }
    }
}

static size_t size_now(const row *r)
{
    size_t size = 0;
    if (!world_init(r->name, &size)) {
        fail_msg("%s is not in world_init", r->name);
    }
    assert_true(size + TAIL < MOST);
    return size;
}

/* Its size in the first headers, or today's if it came later. */
static size_t size_then(const row *r)
{
    for (size_t i = 0; i < layout_first.n_rows; i++) {
        const layout_row *l = &layout_first.rows[i];
        if (!l->field[0] && !strcmp(l->name, r->name)) {
            return l->size;
        }
    }
    return size_now(r);
}

static void for_rows(void (*check)(const row *r))
{
    const row_list *lists[] = {&loss_rows, &net_rows, &distill_rows, &file_rows, &specialist_rows};
    for (size_t l = 0; l < COUNT(lists); l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            if (lists[l]->rows[i].kind != ERROR) {
                check(&lists[l]->rows[i]);
            }
        }
    }
}

/* Cut behind each of its fields: the rest is as its ..._INIT, and what stands there is not read. */
static void check_shorter(const row *r)
{
    const size_t now = size_now(r);
    for (size_t i = 0; i < layout_today.n_rows; i++) {
        const layout_row *l = &layout_today.rows[i];
        const size_t cut = l->offset + l->size;
        if (strcmp(l->name, r->name) != 0 || !l->field[0]) {
            continue;
        }
        run(r, (shape){now, cut, now, 0}, 0, &want);
        run(r, (shape){cut, cut, cut, 0}, 0, &got);
        same_outcome(r, cut, cut);
        untouched(r, cut, cut, FILL, MOST);
        if (got.status == KD_ERR_STRUCT || (cut >= size_then(r) && got.status != KD_OK)) {
            fail_msg("%s, %s of %zu: %s", r->function, r->name, cut, kd_status_name(got.status));
        }
    }
}

static void shorter_structs_have_defaults(void **state)
{
    (void)state;
    for_rows(check_shorter);
}

static void check_longer(const row *r)
{
    const size_t now = size_now(r);
    run(r, (shape){now, now, now, 0}, 0, &want);
    run(r, (shape){now + TAIL, now, now, TAIL}, 0, &got);
    assert_int_equal(want.status, KD_OK);
    same_outcome(r, now + TAIL, now);
    untouched(r, now + TAIL, now, 0, now + TAIL);
    untouched(r, now + TAIL, now + TAIL, FILL, MOST);
    for (size_t set = now; set < now + TAIL; set += set == now ? TAIL - 1 : 1) {
        run(r, (shape){now + TAIL, now, now, TAIL}, set, &got);
        if (got.status != (r->kind == FILLED_ONLY ? KD_OK : KD_ERR_STRUCT)) {
            fail_msg("%s, %s with a tail: %s", r->function, r->name, kd_status_name(got.status));
        }
        assert_true(got.bytes[set] == 1);
    }
}

static void longer_structs_end_in_zeros(void **state)
{
    (void)state;
    for_rows(check_longer);
}

static void check_absurd(const row *r)
{
    static const size_t sizes[] = {0, 1, sizeof(size_t) - 1, 1 << 20, SIZE_MAX};
    const size_t now = size_now(r);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        run(r, (shape){sizes[i], now, now, 0}, 0, &got);
        if (got.status != KD_ERR_STRUCT) {
            fail_msg("%s, %s of %zu: %s", r->function, r->name, sizes[i],
                     kd_status_name(got.status));
        }
        untouched(r, sizes[i], now, FILL, MOST);
    }
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    for_rows(check_absurd);
}

/* Words for a failure are cut to fit, and never change what a call returns. */
static void check_words(const row *r)
{
    static const size_t sizes[] = {0, 7, 8, 12, 16, 17, 30, 255, 256, 256 + TAIL, SIZE_MAX};
    const size_t now = sizeof(kd_error), text = offsetof(kd_error, text);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        const size_t size = sizes[i];
        const size_t end = size > MOST ? sizeof(size_t) : size < now ? size : now;
        run(r, (shape){size, 0, sizeof(size_t), 0}, 0, &got);
        if (got.status != KD_ERR_NULL) {
            fail_msg("%s, kd_error of %zu: %s", r->function, size, kd_status_name(got.status));
        }
        untouched(r, size, end < sizeof(size_t) ? sizeof(size_t) : end, FILL, MOST);
        if (end > text && !memchr(got.bytes + text, 0, end - text)) {
            fail_msg("%s, kd_error of %zu: the text has no end", r->function, size);
        }
        if (end >= text && memcmp(got.bytes + sizeof(size_t), &got.status, sizeof got.status)) {
            fail_msg("%s, kd_error of %zu: no status", r->function, size);
        }
    }
}

static const row *find(const char *function, const char *name)
{
    const row_list *lists[] = {&loss_rows, &net_rows, &distill_rows, &file_rows, &specialist_rows};
    for (size_t l = 0; l < COUNT(lists); l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            const row *r = &lists[l]->rows[i];
            if (!strcmp(r->name, name) && (!function || !strcmp(r->function, function))) {
                return r;
            }
        }
    }
    return NULL;
}

static void words_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < layout_today.n_calls; i++) {
        const layout_call *c = &layout_today.calls[i];
        const row *r = find(c->function, c->name);
        if (r && r->kind == ERROR) {
            check_words(r);
        }
    }
}

/* A new function, or a new struct, has to come into the tables. */
static void every_struct_of_every_function_has_a_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < layout_today.n_calls; i++) {
        const layout_call *c = &layout_today.calls[i];
        if (!find(c->function, c->name)) {
            fail_msg("%s is given a %s: that has no row in tests/abi/calls_*.c", c->function,
                     c->name);
        }
    }
    for (size_t i = 0; i < layout_today.n_rows; i++) {
        const layout_row *l = &layout_today.rows[i];
        if (!strcmp(l->field, "struct_size") && !find(NULL, l->name)) {
            fail_msg("%s has no row in tests/abi/calls_*.c", l->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_struct_of_every_function_has_a_row),
        cmocka_unit_test(shorter_structs_have_defaults),
        cmocka_unit_test(longer_structs_end_in_zeros),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(words_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
