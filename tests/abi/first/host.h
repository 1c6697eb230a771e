/* SPDX-License-Identifier: MIT */
/* What the programs of the first version share. They see the headers of 0.1.0 in first/include. */
#ifndef TESTS_ABI_FIRST_HOST_H
#define TESTS_ABI_FIRST_HOST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <kd/kd.h>

#ifdef KD_FILE_H
#error "these are not the first headers"
#endif

#define INPUTS 4
#define K 3
#define CASES 6

static const float host_x[CASES * INPUTS] = {
    0.5f,   -1.0f, 0.25f,  2.0f,  1.5f, 0.5f,   -0.75f, -1.0f, 0.0f, 1.0f,   -2.0f,  0.125f,
    -1.25f, 0.75f, 0.375f, -0.5f, 2.5f, -0.25f, 0.625f, 1.0f,  1.0f, -1.75f, -0.25f, 0.5f,
};
static const int32_t host_labels[CASES] = {0, 2, 1, -1, 0, 1};
static const uint64_t host_ids[CASES] = {7, 70, 700, 1, 10, 100};

/* Fails the test with the words that go with a status. */
static inline void host_ok(kd_status status, const char *words)
{
    if (status != KD_OK) {
        fail_msg("%s: %s", kd_status_name(status), words);
    }
}

static inline void host_near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * (fabs(want) + 1e-30))) {
        fail_msg("got %.9g, want %.9g", got, want);
    }
}

static inline kd_batch host_batch(void)
{
    kd_batch batch = KD_BATCH_INIT;
    batch.n = CASES;
    batch.x = host_x;
    batch.labels = host_labels;
    batch.ids = host_ids;
    batch.epoch = 3;
    return batch;
}

/* INPUTS: 8 relu drop0.25 K, drawn with this seed. */
static inline kd_net *host_net(kd_context *context, uint64_t seed)
{
    kd_error error = KD_ERROR_INIT;
    kd_net *net;
    host_ok(kd_net_create(context, INPUTS, &net, &error), error.text);
    host_ok(kd_net_add_dense(net, 8), kd_net_error(net));
    host_ok(kd_net_add_relu(net), kd_net_error(net));
    host_ok(kd_net_add_dropout(net, 0.25f), kd_net_error(net));
    host_ok(kd_net_add_dense(net, K), kd_net_error(net));
    host_ok(kd_net_init(net, KD_INIT_HE, seed), kd_net_error(net));
    return net;
}

#endif
