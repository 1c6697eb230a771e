/* SPDX-License-Identifier: MIT */
/* The same bits for any number of threads: weights, losses, soft targets, gradients. */
#include "../support/support.h"

#include <stdlib.h>

#define INPUTS 128
#define K 10
#define CASES 96
#define BATCH 32
#define STEPS 200

static const int32_t counts[] = {1, 2, 3, 4, 7, 8};

static struct {
    float x[CASES * INPUTS];
    int32_t labels[CASES];
    float v[CASES * K];
} data;

static kd_context *context_of(int32_t threads)
{
    kd_error e = KD_ERROR_INIT;
    kd_context *context = NULL;
    kd_context_options o = KD_CONTEXT_OPTIONS_INIT;
    o.threads = threads;
    support_ok(kd_context_create(&o, &context, &e), e.text);
    return context;
}

/* Wide enough that its products are cut into tiles. */
static kd_net *net_of(kd_context *context, size_t first, float dropout, uint64_t seed)
{
    kd_error e = KD_ERROR_INIT;
    kd_net *net = NULL;
    support_ok(kd_net_create(context, INPUTS, &net, &e), e.text);
    if (dropout > 0) {
        support_ok(kd_net_add_dropout(net, 0.2f), kd_net_error(net));
    }
    const size_t widths[] = {first, 288};
    for (size_t i = 0; i < COUNT(widths); i++) {
        support_ok(kd_net_add_dense(net, widths[i]), kd_net_error(net));
        support_ok(kd_net_add_relu(net), kd_net_error(net));
        if (dropout > 0) {
            support_ok(kd_net_add_dropout(net, dropout), kd_net_error(net));
        }
    }
    support_ok(kd_net_add_dense(net, K), kd_net_error(net));
    support_ok(kd_net_init(net, KD_INIT_HE, seed), kd_net_error(net));
    return net;
}

static void fill(void)
{
    uint64_t seed = 5;
    support_normals(&seed, data.x, COUNT(data.x), 1);
    support_normals(&seed, data.v, COUNT(data.v), 3);
    for (size_t i = 0; i < CASES; i++) {
        data.labels[i] = (int32_t)support_below(&seed, K);
    }
}

typedef struct recipe {
    const char *name;
    kd_optimizer_options optimizer;
    float dropout;
    bool live;  /* a net as teacher; else recorded targets */
    bool parts; /* each batch in two micro-batches */
    bool norm;
} recipe;

#define SGD .struct_size = sizeof(kd_optimizer_options), .kind = KD_SGD, .rate = 0.02f
#define ADAM .struct_size = sizeof(kd_optimizer_options), .rate = 0.001f
static const recipe recipes[] = {
    {"plain", {SGD}, 0.5f, true, false, false},
    {"momentum", {SGD, .momentum = 0.9f}, 0.5f, true, false, false},
    {"nesterov", {SGD, .momentum = 0.9f, .nesterov = 1}, 0, false, false, false},
    {"decay", {SGD, .momentum = 0.9f, .weight_decay = 0.01f}, 0.5f, false, false, false},
    {"clip", {SGD, .momentum = 0.9f, .clip_norm = 0.5f}, 0.25f, true, false, true},
    {"max norm", {SGD, .momentum = 0.9f, .max_norm = 1.3f}, 0.5f, false, false, false},
    {"parts", {SGD, .momentum = 0.9f}, 0.5f, true, true, false},
    {"Adam", {ADAM, .kind = KD_ADAM, .weight_decay = 0.01f}, 0.5f, true, false, false},
    {"AdamW", {ADAM, .kind = KD_ADAMW, .weight_decay = 0.1f}, 0, false, false, true},
};

static kd_batch batch_of(size_t step, size_t n, kd_targets *targets)
{
    size_t begin = step * 16 % (CASES - BATCH + 1);
    kd_batch batch = KD_BATCH_INIT;
    batch.n = n;
    batch.x = data.x + begin * INPUTS;
    batch.labels = data.labels + begin;
    targets->kind = KD_TARGET_LOGITS;
    targets->values = data.v + begin * K;
    return batch;
}

/* Trains; returns a number that any bit of any weight or report changes. */
static uint64_t train(const recipe *r, int32_t threads)
{
    kd_context *context = context_of(threads);
    kd_net *student = net_of(context, 560, r->dropout, 1);
    kd_net *large = net_of(context, 320, 0, 2);
    kd_teacher *teacher = r->live ? support_teacher(large) : NULL;
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    o.batch = BATCH;
    o.temperature = 4;
    o.soft_weight = 1;
    o.hard_weight = 0.1f;
    o.optimizer = &r->optimizer;
    o.gradient_norm = r->norm;
    kd_distiller *d = support_distiller(student, teacher, &o);
    uint64_t hash = 0;
    for (size_t i = 0; i < STEPS; i++) {
        kd_targets targets = KD_TARGETS_INIT;
        kd_batch batch = batch_of(i, r->parts ? BATCH / 2 : BATCH, &targets);
        batch.targets = r->live ? NULL : &targets;
        batch.more = r->parts && i % 2 == 0;
        kd_report report = support_step(d, &batch);
        hash = support_hash_bytes(hash, &report.total, sizeof report.total);
    }
    uint64_t weights = support_hash(student);
    kd_distiller_destroy(d);
    kd_teacher_destroy(teacher);
    kd_net_destroy(large);
    kd_net_destroy(student);
    kd_context_destroy(context);
    return support_hash_bytes(hash, &weights, sizeof weights);
}

static void training_has_the_same_bits(void **state)
{
    (void)state;
    uint64_t alone[COUNT(recipes)];
    for (size_t i = 0; i < COUNT(recipes); i++) {
        alone[i] = train(&recipes[i], counts[0]);
        for (size_t j = 1; j < COUNT(counts); j++) {
            if (train(&recipes[i], counts[j]) != alone[i]) {
                fail_msg("%s: other bits with %d threads", recipes[i].name, (int)counts[j]);
            }
        }
        for (size_t j = 0; j < i; j++) {
            assert_true(alone[i] != alone[j]); /* the recipes differ, so the number does too */
        }
    }
}

/* Batches of few cases go past the GEMM; many classes go to threads in the loss. */
static void inference_has_the_same_bits(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 5, 8, 9, 32, 96};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        float first[CASES * K], now[CASES * K];
        for (size_t j = 0; j < COUNT(counts); j++) {
            kd_context *context = context_of(counts[j]);
            kd_net *net = net_of(context, 2048, 0, 3);
            kd_workspace *ws = support_workspace(net, CASES, 0, 0);
            support_ok(kd_net_infer(ws, data.x, sizes[s], 0, now, 0), kd_workspace_error(ws));
            if (j == 0) {
                memcpy(first, now, sizeof now);
            }
            support_same_bits("logits", now, first, sizes[s] * K * sizeof *now);
            kd_workspace_destroy(ws);
            kd_net_destroy(net);
            kd_context_destroy(context);
        }
    }
}

#define WIDE 12345
#define ROWS 24

typedef struct wide {
    float z[ROWS * WIDE], v[3][ROWS * WIDE], d[2][ROWS * WIDE], scratch[8 * 3 * WIDE];
    int32_t labels[ROWS];
} wide;

/* One loss with all its outputs, with or without room for exponentials. */
static kd_loss_out lose(wide *w, kd_context *context, size_t scratch, float *d)
{
    kd_error e = KD_ERROR_INIT;
    kd_targets targets = KD_TARGETS_INIT;
    targets.kind = KD_TARGET_LOGITS;
    targets.values = w->v[0];
    kd_term terms[] = {KD_TERM_INIT, KD_TERM_INIT};
    terms[0].kind = KD_TERM_SOFT;
    terms[0].temperature = 3;
    terms[1].kind = KD_TERM_HARD;
    kd_loss_in in = KD_LOSS_IN_INIT;
    kd_loss_out out = KD_LOSS_OUT_INIT;
    in.n = ROWS;
    in.k = WIDE;
    in.logits = w->z;
    in.labels = w->labels;
    in.targets = &targets;
    in.context = context;
    out.d_logits = d;
    out.scratch = scratch ? w->scratch : NULL;
    out.scratch_floats = scratch;
    support_ok(kd_loss(terms, 2, &in, &out, &e), e.text);
    return out;
}

static void mean(wide *w, kd_context *context, size_t scratch, kd_mean_kind kind, float *out)
{
    kd_error e = KD_ERROR_INIT;
    const float *members[] = {w->v[0], w->v[1], w->v[2]};
    kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    in.kind = kind;
    in.temperature = 2;
    in.members = 3;
    in.n = ROWS;
    in.k = WIDE;
    in.logits = members;
    in.context = context;
    in.scratch = scratch ? w->scratch : NULL;
    in.scratch_floats = scratch;
    support_ok(kd_ensemble_mean(&in, out, 0, &e), e.text);
}

static void many_classes_have_the_same_bits(void **state)
{
    (void)state;
    static const size_t rooms[] = {0, WIDE, 2 * WIDE, 8 * WIDE, 24 * WIDE};
    uint64_t seed = 6;
    wide *w = calloc(1, sizeof *w);
    assert_non_null(w);
    support_normals(&seed, w->z, COUNT(w->z), 4);
    support_normals(&seed, w->v[0], sizeof w->v / sizeof(float), 4);
    for (size_t i = 0; i < ROWS; i++) {
        w->labels[i] = (int32_t)support_below(&seed, WIDE);
    }
    kd_loss_out first = lose(w, NULL, 0, w->d[0]);
    for (size_t j = 0; j < COUNT(counts); j++) {
        kd_context *context = context_of(counts[j]);
        for (size_t i = 0; i < COUNT(rooms); i++) {
            kd_loss_out out = lose(w, context, rooms[i], w->d[1]);
            support_same_bits("total", &out.total, &first.total, sizeof out.total);
            support_same_bits("gradient", w->d[1], w->d[0], sizeof w->d[0]);
        }
        kd_context_destroy(context);
    }
    for (kd_mean_kind kind = KD_MEAN_ARITHMETIC; kind <= KD_MEAN_GEOMETRIC; kind++) {
        mean(w, NULL, 0, kind, w->d[0]);
        for (size_t j = 0; j < COUNT(counts); j++) {
            kd_context *context = context_of(counts[j]);
            for (size_t i = 0; i < COUNT(rooms); i++) {
                mean(w, context, rooms[i], kind, w->d[1]);
                support_same_bits("mean", w->d[1], w->d[0], sizeof w->d[0]);
            }
            kd_context_destroy(context);
        }
    }
    free(w);
}

int main(void)
{
    kd_error e = KD_ERROR_INIT;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_has_the_same_bits),
        cmocka_unit_test(inference_has_the_same_bits),
        cmocka_unit_test(many_classes_have_the_same_bits),
    };
    fill();
    if (kd_blas_set_single(NULL, NULL, &e) != KD_OK) {
        print_error("%s\n", e.text);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
