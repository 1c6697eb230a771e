/* SPDX-License-Identifier: MIT */
/* See specialists.h. */
#include "specialists.h"

specialists_world w;
const uint32_t specialists_classes[M][3] = {{0, 1, 2}, {4, 1, 2}, {5}};
const size_t specialists_sizes[M] = {3, 3, 1};
int32_t specialists_asked;

void specialists_start(int32_t threads)
{
    kd_error e = KD_ERROR_INIT;
    uint64_t seed = 71;
    w.context = support_context_of(&w.memory, threads);
    support_fill(&w.data, 8, CASES, INPUTS, K);
    w.net = support_net(w.context, "5: 9 relu drop0.5 6", 2);
    w.generalist = support_teacher(w.net);
    for (size_t m = 0; m < M; m++) {
        kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
        o.classes = specialists_classes[m];
        o.n_classes = specialists_sizes[m];
        o.generalist = w.net;
        support_ok(kd_specialist_create(w.context, &o, &w.specialists[m], &e), e.text);
        kd_param last = support_param(kd_specialist_net(w.specialists[m]), 2);
        support_normals(&seed, last.values, last.rows * last.columns, 1);
    }
}

void specialists_stop(void)
{
    for (size_t m = 0; m < M; m++) {
        kd_specialist_destroy(w.specialists[m]);
    }
    kd_teacher_destroy(w.generalist);
    kd_net_destroy(w.net);
    kd_context_destroy(w.context);
    support_all_returned(&w.memory);
}

kd_teacher *specialists_join(kd_teacher *generalist, const kd_merge_options *o)
{
    kd_error e = KD_ERROR_INIT;
    kd_teacher *teacher;
    support_ok(kd_teacher_from_specialists(generalist, w.specialists, M, o, &teacher, &e), e.text);
    return teacher;
}

static int32_t give_probabilities(void *user, const kd_batch *batch, float temperature, float *out)
{
    specialists_asked = (int32_t)(10 * temperature);
    return kd_softmax(w.data.v, batch->n, K, 0, user ? *(const float *)user : 1, out, 0, NULL);
}

kd_teacher *specialists_host(kd_target_kind kind, float t0, float *user)
{
    kd_error e = KD_ERROR_INIT;
    kd_callback_options o = KD_CALLBACK_OPTIONS_INIT;
    kd_teacher *teacher;
    o.k = K;
    o.kind = kind;
    o.temperature = t0;
    o.fn = give_probabilities;
    o.user = user;
    support_ok(kd_teacher_from_callback(w.context, &o, &teacher, &e), e.text);
    return teacher;
}

uint64_t specialists_hash(kd_teacher *teacher)
{
    kd_error e = KD_ERROR_INIT;
    uint64_t hash = 0;
    support_ok(kd_teacher_hash(teacher, &hash, &e), e.text);
    kd_teacher_destroy(teacher);
    return hash;
}
