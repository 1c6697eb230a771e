/* SPDX-License-Identifier: MIT */
/* Contexts: how many threads, which kernels, and the threads of the BLAS beside them. */
#define _GNU_SOURCE /* RTLD_DEFAULT */

#include "../support/support.h"

#include <dlfcn.h>
#include <stdlib.h>

/* ---- the BLAS's own functions ---- */

static bool blas_call(const char *name, int32_t count)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    if (found && strncmp(name, "bli_", 4) == 0) {
        void (*set)(ptrdiff_t);
        memcpy(&set, &found, sizeof set);
        set(count);
    } else if (found) {
        void (*set)(int);
        memcpy(&set, &found, sizeof set);
        set(count);
    }
    return found != NULL;
}

/* False if the BLAS has no function that we know. */
static bool set_blas(int32_t count)
{
    static const char *const names[] = {"openblas_set_num_threads", "bli_thread_set_num_threads",
                                        "MKL_Set_Num_Threads"};
    bool known = false;
    for (size_t i = 0; i < COUNT(names); i++) {
        known = blas_call(names[i], count) || known;
    }
    return known;
}

static int single(void **state)
{
    (void)state;
    (void)set_blas(1);
    return 0;
}

/* ---- options ---- */

static kd_status create(int32_t threads, kd_isa isa, kd_context **out_context, kd_error *error)
{
    kd_context_options options = KD_CONTEXT_OPTIONS_INIT;
    options.threads = threads;
    options.isa = isa;
    return kd_context_create(&options, out_context, error);
}

static void contexts_have_any_number_of_threads(void **state)
{
    (void)state;
    static const int32_t good[] = {0, 1, 2, 3, 17, KD_MAX_THREADS};
    static const int32_t bad[] = {-1, KD_MAX_THREADS + 1, INT32_MIN, INT32_MAX};
    kd_error error = KD_ERROR_INIT;
    kd_context *context;
    for (size_t i = 0; i < COUNT(good); i++) {
        support_ok(create(good[i], 0, &context, &error), error.text);
        kd_net *net = support_net(context, "5: 8 relu 3", 1);
        kd_context_destroy(context);
        kd_net_destroy(net); /* now the threads end */
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        context = (kd_context *)&error;
        kd_status status = create(bad[i], 0, &context, &error);
        support_refused(status, KD_ERR_VALUE, error.text, "options.threads is ");
        assert_null(context);
        assert_int_equal(error.argument, 1);
    }
}

static void kernels_are_of_a_known_isa(void **state)
{
    (void)state;
    static const kd_isa good[] = {0, KD_ISA_PORTABLE, KD_ISA_AVX2, KD_ISA_AVX512};
    static const kd_isa bad[] = {-1, 4, INT32_MAX};
    kd_error error = KD_ERROR_INIT;
    kd_context *context;
    for (size_t i = 0; i < COUNT(good); i++) {
        support_ok(create(0, good[i], &context, &error), error.text);
        kd_context_destroy(context);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        context = (kd_context *)&error;
        kd_status status = create(0, bad[i], &context, &error);
        support_refused(status, KD_ERR_KIND, error.text, "options.isa is ");
        assert_null(context);
        assert_int_equal(error.argument, 1);
    }
}

/* ---- memory ---- */

typedef struct ledger {
    size_t calls, live, fail_at; /* this call gets NULL, counted from 1 */
} ledger;

static void *ledger_alloc(void *user, size_t size, size_t align)
{
    ledger *book = user;
    if (++book->calls == book->fail_at) {
        return NULL;
    }
    book->live++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void ledger_release(void *user, void *pointer, size_t size)
{
    ledger *book = user;
    book->live--;
    memset(pointer, 0x5A, size);
    free(pointer);
}

static void memory_is_given_back_whatever_fails(void **state)
{
    (void)state;
    ledger book = {0, 0, 1};
    for (bool refused = true; refused; book.fail_at++) {
        kd_context_options options = {sizeof options, ledger_alloc, ledger_release, &book, 3, 0};
        kd_error error = KD_ERROR_INIT;
        kd_context *context = (kd_context *)&error;
        book.calls = 0;
        kd_status status = kd_context_create(&options, &context, &error);
        refused = book.calls >= book.fail_at;
        if (refused) {
            support_refused(status, KD_ERR_MEMORY, error.text, "no memory for a ");
            assert_null(context);
        } else {
            support_ok(status, error.text);
        }
        kd_context_destroy(context);
        assert_int_equal(book.live, 0);
    }
    assert_int_equal(book.fail_at, 4); /* a context and its pool */
}

/* ---- the threads of the BLAS ---- */

typedef struct fake {
    int32_t count, floor; /* it never goes below */
    size_t asked, told;
} fake;

static int32_t fake_get(void *user)
{
    fake *f = user;
    f->asked++;
    return f->count;
}

static void fake_set(void *user, int32_t count)
{
    fake *f = user;
    f->told++;
    f->count = count < f->floor ? f->floor : count;
}

static kd_status set_fake(fake *f, int32_t *out_previous, kd_error *error)
{
    kd_blas_threads pair = {sizeof pair, fake_get, fake_set, f};
    return kd_blas_set_single(&pair, out_previous, error);
}

static void a_hosts_pair_is_called(void **state)
{
    (void)state;
    fake f = {4, 1, 0, 0}, stubborn = {4, 3, 0, 0};
    kd_error error = KD_ERROR_INIT;
    int32_t previous = 77;
    support_ok(set_fake(&f, &previous, &error), error.text);
    assert_int_equal(previous, 4);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.told, 1);
    assert_true(f.asked > 0);
    support_ok(set_fake(&f, &previous, NULL), "again");
    assert_int_equal(previous, 1);
    f.count = 2;
    support_ok(set_fake(&f, NULL, NULL), "without previous");
    assert_int_equal(f.count, 1);
    kd_status status = set_fake(&stubborn, &previous, &error);
    support_refused(status, KD_ERR_BLAS_THREADS, error.text, "3 threads");
    assert_int_equal(error.argument, 1);
    assert_int_equal(set_fake(&stubborn, NULL, NULL), KD_ERR_BLAS_THREADS);
}

static void pairs_that_are_refused(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 7, 5000};
    fake f = {4, 1, 0, 0};
    kd_error error = KD_ERROR_INIT;
    int32_t previous = 77;
    kd_blas_threads pair = KD_BLAS_THREADS_INIT;
    kd_status status = kd_blas_set_single(&pair, &previous, &error);
    support_refused(status, KD_ERR_NULL, error.text, "threads.get");
    pair.user = &f;
    pair.get = fake_get;
    status = kd_blas_set_single(&pair, &previous, &error);
    support_refused(status, KD_ERR_NULL, error.text, "threads.set");
    pair.set = fake_set;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        pair.struct_size = sizes[i];
        status = kd_blas_set_single(&pair, &previous, &error);
        support_refused(status, KD_ERR_STRUCT, error.text, "threads.struct_size");
        assert_int_equal(error.argument, 1);
    }
    pair.struct_size = offsetof(kd_blas_threads, set); /* an old host's: the rest is NULL */
    status = kd_blas_set_single(&pair, &previous, &error);
    support_refused(status, KD_ERR_NULL, error.text, "threads.set");
    assert_int_equal(previous, 77);
    assert_int_equal(f.asked + f.told, 0);
}

static void the_blas_is_made_single(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    int32_t previous = 77;
    support_ok(kd_blas_set_single(NULL, &previous, &error), error.text);
    assert_int_equal(previous, 1);
    support_ok(kd_blas_set_single(NULL, NULL, NULL), "nothing asked");
    if (!set_blas(2)) {
        print_message("the BLAS has no function that we know\n");
        skip();
    }
    support_ok(kd_blas_set_single(NULL, &previous, &error), error.text);
    assert_int_equal(previous, 2);
    support_ok(kd_blas_set_single(NULL, &previous, &error), error.text);
    assert_int_equal(previous, 1);
}

static void threads_of_the_blas_are_in_the_way(void **state)
{
    (void)state;
    kd_error error = KD_ERROR_INIT;
    kd_context *context = (kd_context *)&error;
    if (!set_blas(2)) {
        print_message("the BLAS has no function that we know\n");
        skip();
    }
    kd_status status = create(3, 0, &context, &error);
    support_refused(status, KD_ERR_BLAS_THREADS, error.text, "kd_blas_set_single");
    support_refused(status, KD_ERR_BLAS_THREADS, error.text, "threads is 3");
    support_refused(status, KD_ERR_BLAS_THREADS, error.text, "runs 2 threads");
    assert_null(context);
    support_ok(create(1, 0, &context, &error), error.text); /* one thread is in nobody's way */
    kd_context_destroy(context);
    support_ok(kd_blas_set_single(NULL, NULL, &error), error.text);
    support_ok(create(3, 0, &context, &error), error.text);
    kd_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_have_any_number_of_threads),
        cmocka_unit_test(kernels_are_of_a_known_isa),
        cmocka_unit_test(memory_is_given_back_whatever_fails),
        cmocka_unit_test(a_hosts_pair_is_called),
        cmocka_unit_test(pairs_that_are_refused),
        cmocka_unit_test_teardown(the_blas_is_made_single, single),
        cmocka_unit_test_teardown(threads_of_the_blas_are_in_the_way, single),
    };
    return cmocka_run_group_tests(tests, single, NULL);
}
