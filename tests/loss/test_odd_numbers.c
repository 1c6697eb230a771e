/* SPDX-License-Identifier: MIT */
/*
 * Every odd float in every input of every term, with every kind of targets: the call is refused,
 * or all that it writes is finite and no NaN; inputs stay as they are.
 */
#include "../support/support.h"

#include <float.h>

enum { N = 3, K = 4, TOP = 2 };

static const float odd[] = {NAN,      -NAN,     INFINITY,      -INFINITY, -0.0f, FLT_TRUE_MIN,
                            -FLT_MIN, FLT_MAX,  -FLT_MAX,      1e30f,     -1,    1e-30f,
                            0,        1 / 3.0f, -FLT_TRUE_MIN, 65504};

/* All inputs of a call, in one piece, so that one look shows whether they have changed. */
typedef struct inputs {
    float z[N * K], v[N * K], weights[N], tail[N], temperature, term_temperature, weight;
    int32_t labels[N];
    uint32_t index[N * TOP];
} inputs;

static inputs fill(kd_target_kind kind)
{
    inputs in = {.weight = 1, .term_temperature = 2, .temperature = 2};
    uint64_t seed = 3;
    support_normals(&seed, in.z, N * K, 2);
    support_normals(&seed, in.v, N * K, 2);
    if (kind == KD_TARGET_PROBABILITIES) {
        support_ok(kd_softmax(in.v, N, K, 0, 2, in.v, 0, NULL), "kd_softmax");
    } else if (kind == KD_TARGET_LOG_PROBABILITIES) {
        support_ok(kd_log_softmax(in.v, N, K, 0, 2, in.v, 0, NULL), "kd_log_softmax");
    }
    for (size_t i = 0; i < N; i++) {
        in.weights[i] = 1 + (float)i;
        in.labels[i] = (int32_t)i;
        in.index[i * TOP] = (uint32_t)i % 2;
        in.index[i * TOP + 1] = 3;
    }
    return in;
}

typedef struct tally {
    size_t taken, refused;
} tally;

/* One call on inputs of which one may be odd. */
static void meet(const inputs *in, kd_term_kind term_kind, kd_target_kind kind, tally *t)
{
    const inputs before = *in;
    float d[N * K];
    double value;
    kd_term term = {sizeof term, term_kind, in->term_temperature, in->weight, 0};
    kd_targets targets = KD_TARGETS_INIT;
    kd_loss_in loss_in = {sizeof loss_in, N, K, in->z, 0, in->labels, in->weights, &targets, NULL};
    kd_loss_out out = KD_LOSS_OUT_INIT;
    kd_error error = KD_ERROR_INIT;
    targets.kind = kind;
    targets.temperature = in->temperature;
    targets.values = in->v;
    if (kind == KD_TARGET_TOPK) {
        targets.top = TOP;
        targets.topk_index = in->index;
        targets.tail = in->tail;
    }
    out.d_logits = d;
    out.term_values = &value;
    kd_status status = kd_loss(&term, 1, &loss_in, &out, &error);
    assert_memory_equal(in, &before, sizeof before);
    assert_true(status <= KD_OK && (status == KD_OK) == (error.text[0] == '\0'));
    t->taken += status == KD_OK;
    t->refused += status != KD_OK;
    if (status != KD_OK) {
        return;
    }
    assert_true(isfinite(out.total) && isfinite(value) && out.case_weight > 0);
    for (size_t i = 0; i < N * K; i++) {
        if (!isfinite(d[i])) {
            fail_msg("term %d, targets %d: d[%zu] is %g", term_kind, kind, i, (double)d[i]);
        }
    }
}

static void odd_numbers(void **state)
{
    (void)state;
    tally t = {0, 0};
    for (kd_term_kind term = KD_TERM_HARD; term <= KD_TERM_MATCH_RAW; term++) {
        for (kd_target_kind kind = KD_TARGET_LOGITS; kind <= KD_TARGET_TOPK; kind++) {
            const inputs good = fill(kind);
            const size_t floats = offsetof(inputs, labels) / sizeof(float);
            for (size_t i = 0; i < floats * COUNT(odd); i++) {
                inputs in = good;
                memcpy((char *)&in + i / COUNT(odd) * sizeof(float), &odd[i % COUNT(odd)],
                       sizeof(float));
                meet(&in, term, kind, &t);
            }
        }
    }
    print_message("%zu calls taken, %zu refused\n", t.taken, t.refused);
    assert_true(t.taken > 1000 && t.refused > 1000);
}

/* Two of them at once, in the logits of one case and of its teacher. */
static void pairs(void **state)
{
    (void)state;
    tally t = {0, 0};
    for (kd_term_kind term = KD_TERM_HARD; term <= KD_TERM_MATCH_RAW; term++) {
        for (size_t i = 0; i < COUNT(odd) * COUNT(odd); i++) {
            inputs in = fill(KD_TARGET_LOGITS);
            in.z[K + 1] = odd[i / COUNT(odd)];
            in.v[K + 2] = odd[i % COUNT(odd)];
            meet(&in, term, KD_TARGET_LOGITS, &t);
            in.v[K + 1] = odd[i % COUNT(odd)];
            meet(&in, term, KD_TARGET_LOGITS, &t);
        }
    }
    print_message("%zu calls taken, %zu refused\n", t.taken, t.refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(odd_numbers), cmocka_unit_test(pairs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
