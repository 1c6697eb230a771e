/* SPDX-License-Identifier: MIT */
/*
 * At inference a case has the same bits whatever batch it comes in: of any size, at any place, on
 * any number of threads, in a net with layers of every width that kernels treat in their own way.
 */
#include "../support/support.h"

#include <stdlib.h>

#define INPUTS 403
#define WIDE 1300
#define LONG 2563 /* sums so long that training takes a BLAS for them */
#define K 7
#define N 701

static kd_net *make_net(kd_isa isa, int32_t threads)
{
    kd_error e = KD_ERROR_INIT;
    kd_context_options o = KD_CONTEXT_OPTIONS_INIT;
    o.isa = isa;
    o.threads = threads;
    kd_context *context = NULL;
    kd_net *net = NULL;
    support_ok(kd_context_create(&o, &context, &e), e.text);
    support_ok(kd_net_create(context, INPUTS, &net, &e), e.text);
    kd_context_destroy(context);
    support_ok(kd_net_add_dense(net, WIDE), kd_net_error(net));
    support_ok(kd_net_add_relu(net), kd_net_error(net));
    support_ok(kd_net_add_dense(net, LONG), kd_net_error(net));
    support_ok(kd_net_add_relu(net), kd_net_error(net));
    support_ok(kd_net_add_dense(net, K), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_HE, 5), kd_net_error(net));
    return net;
}

typedef struct world {
    float x[N * INPUTS], z[N * K], some_x[N * INPUTS], some_z[N * K];
} world;

/* Cases drawn at random, n at a time, against those of all N at once. */
static void check_batches(world *w, kd_net *net, uint64_t *seed, size_t n)
{
    kd_workspace *ws = support_workspace(net, N, 0, 0);
    size_t chosen[N];
    for (size_t i = 0; i < n; i++) {
        chosen[i] = support_below(seed, N);
        memcpy(w->some_x + i * INPUTS, w->x + chosen[i] * INPUTS, INPUTS * sizeof *w->x);
    }
    support_ok(kd_net_infer(ws, w->some_x, n, 0, w->some_z, 0), kd_workspace_error(ws));
    for (size_t i = 0; i < n; i++) {
        support_same_bits("logits of a case", w->some_z + i * K, w->z + chosen[i] * K,
                          K * sizeof *w->z);
    }
    kd_workspace_destroy(ws);
}

static void test_alone(kd_isa isa)
{
    static const size_t sizes[] = {1, 2, 5, 8, 9, 31, 33, 100, 255, 257, 600};
    uint64_t seed = 3;
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    support_normals(&seed, w->x, (size_t)N * INPUTS, 1.0);
    for (int32_t threads = 1; threads <= 2; threads++) {
        kd_net *net = make_net(isa, threads);
        kd_workspace *ws = support_workspace(net, N, 0, 0);
        if (threads == 1) {
            support_ok(kd_net_infer(ws, w->x, N, 0, w->z, 0), kd_workspace_error(ws));
        }
        for (size_t i = 0; i < COUNT(sizes); i++) {
            check_batches(w, net, &seed, sizes[i]);
        }
        kd_workspace_destroy(ws);
        kd_net_destroy(net);
    }
    free(w);
}

/* Without kernels for the processor a BLAS serves, which promises no such thing. */
static bool lacks(kd_isa isa)
{
#if defined(__x86_64__) && defined(__GNUC__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return isa == KD_ISA_AVX512 ? !avx512 : !avx2;
#else
    (void)isa;
    return true;
#endif
}

static void test_avx2(void **state)
{
    (void)state;
    if (lacks(KD_ISA_AVX2)) {
        skip();
    }
    test_alone(KD_ISA_AVX2);
}

static void test_avx512(void **state)
{
    (void)state;
    if (lacks(KD_ISA_AVX512)) {
        skip();
    }
    test_alone(KD_ISA_AVX512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_avx2), cmocka_unit_test(test_avx512)};
    (void)kd_blas_set_single(NULL, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
