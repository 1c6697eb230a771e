/* SPDX-License-Identifier: MIT */
/*
 * Scratch: room that a host may give to kd_loss and kd_ensemble_mean. However much there is of it,
 * wherever the gradient goes, the bits are the same; and it may be nobody else's memory.
 */
#include "../support/support.h"

#include <stdio.h>
#include <stdlib.h>

#define N 3
#define MOST_K 2000
#define LONG (40 * MOST_K)

typedef struct world {
    float z[N * MOST_K], v[4][N * MOST_K];
    float d[2][N * MOST_K], out[2][N * MOST_K];
    float scratch[LONG];
    int32_t labels[N];
    kd_targets targets;
    kd_term terms[KD_MAX_TERMS];
    size_t n_terms, k;
} world;

/* Below, at and above what fits on the stack (1024 floats) and in a block (256). */
static const size_t widths[] = {1, 2, 3, 10, 255, 256, 257, 341, 1024, 1025, MOST_K};
static const size_t rooms[] = {0, 1, 9, 10, 1023, 1025, 2 * MOST_K - 1, 2 * MOST_K, LONG};

static void fill(world *w, size_t k)
{
    uint64_t seed = 100 + k;
    w->k = k;
    support_normals(&seed, w->z, N * k, 3);
    for (size_t m = 0; m < COUNT(w->v); m++) {
        support_normals(&seed, w->v[m], N * k, 3);
    }
    for (size_t i = 0; i < N; i++) {
        w->labels[i] = i == 1 ? -1 : (int32_t)support_below(&seed, k);
    }
    w->targets = (kd_targets)KD_TARGETS_INIT;
    w->targets.kind = KD_TARGET_LOGITS;
    w->targets.values = w->v[0];
}

static void add_term(world *w, kd_term_kind kind, float temperature, float weight)
{
    kd_term term = {sizeof term, kind, temperature, weight, 0};
    w->terms[w->n_terms++] = term;
}

static kd_status lose(world *w, bool in_place, size_t room, float *d, double *total, kd_error *e)
{
    kd_loss_in in = KD_LOSS_IN_INIT;
    kd_loss_out out = KD_LOSS_OUT_INIT;
    if (in_place) {
        memcpy(d, w->z, N * w->k * sizeof *d);
    }
    in.n = N;
    in.k = w->k;
    in.logits = in_place ? d : w->z;
    in.labels = w->labels;
    in.targets = &w->targets;
    out.d_logits = d;
    out.scratch = room ? w->scratch + 1 : NULL; /* aligned to nothing */
    out.scratch_floats = room ? room - 1 : 0;
    kd_status status = kd_loss(w->terms, w->n_terms, &in, &out, e);
    *total = out.total;
    return status;
}

static void all_rooms_have_the_same_bits(world *w)
{
    kd_error e = KD_ERROR_INIT;
    double first, now;
    support_ok(lose(w, false, 0, w->d[0], &first, &e), e.text);
    for (size_t r = 0; r < COUNT(rooms); r++) {
        for (int in_place = 0; in_place < 2; in_place++) {
            char what[80];
            (void)snprintf(what, sizeof what, "k %zu, %zu terms, room %zu, in place %d", w->k,
                           w->n_terms, rooms[r], in_place);
            support_ok(lose(w, in_place == 1, rooms[r], w->d[1], &now, &e), e.text);
            support_same_bits(what, w->d[1], w->d[0], N * w->k * sizeof(float));
            support_same_bits(what, &now, &first, sizeof now);
        }
    }
}

/* One to sixteen terms: up to 31 rows of exponentials in one gradient. */
static void any_room_and_any_number_of_terms(void **state)
{
    world *w = *state;
    for (size_t i = 0; i < COUNT(widths); i++) {
        fill(w, widths[i]);
        w->n_terms = 0;
        add_term(w, KD_TERM_SOFT, 2, 1);
        all_rooms_have_the_same_bits(w);
        add_term(w, KD_TERM_HARD, 0, 0.5f);
        all_rooms_have_the_same_bits(w);
        add_term(w, KD_TERM_KL, 7, 0.25f);
        all_rooms_have_the_same_bits(w);
        add_term(w, KD_TERM_MATCH, 0, 0.125f);
        all_rooms_have_the_same_bits(w);
        while (w->n_terms < KD_MAX_TERMS) {
            add_term(w, KD_TERM_SOFT, 1.0f + (float)w->n_terms, 0.1f);
        }
        all_rooms_have_the_same_bits(w);
    }
}

/* Two large parts and one that brings their sum back into the range of floats. */
static void sums_that_overflow_on_their_way(void **state)
{
    world *w = *state;
    fill(w, MOST_K);
    for (size_t i = 0; i < N; i++) {
        w->z[i * w->k + 1] = 30;
        w->v[0][i * w->k + 1] = 30;
        w->labels[i] = 1;
    }
    w->n_terms = 0;
    add_term(w, KD_TERM_HARD, 0, 3e38f);
    add_term(w, KD_TERM_SOFT, 1.25f, 2.4e38f);
    float weights[N] = {1}; /* on one case, or the divisor shrinks it */
    kd_error e = KD_ERROR_INIT;
    kd_loss_in in = KD_LOSS_IN_INIT;
    in.n = N;
    in.k = w->k;
    in.logits = w->z;
    in.labels = w->labels;
    in.targets = &w->targets;
    in.case_weights = weights;
    for (size_t r = 0; r < COUNT(rooms); r++) {
        kd_loss_out out = KD_LOSS_OUT_INIT;
        out.d_logits = w->d[r > 0];
        out.scratch = w->scratch;
        out.scratch_floats = rooms[r];
        support_ok(kd_loss(w->terms, w->n_terms, &in, &out, &e), e.text);
        support_same_bits("gradient", w->d[r > 0], w->d[0], N * w->k * sizeof(float));
    }
}

/* With room for everything, and with none. */
static void a_gradient_that_overflows_is_refused(void **state)
{
    world *w = *state;
    for (size_t i = 0; i < COUNT(rooms); i++) {
        for (size_t k = 4; k <= MOST_K; k += MOST_K - 4) {
            kd_error e = KD_ERROR_INIT;
            double total;
            fill(w, k);
            for (size_t j = 0; j < N; j++) {
                w->z[j * k + 1] = 40;
            }
            w->n_terms = 0;
            for (size_t t = 0; t < 4; t++) {
                add_term(w, KD_TERM_SOFT, 1, 3e38f); /* 4e38 q for each of three cases */
            }
            support_refused(lose(w, false, rooms[i], w->d[0], &total, &e), KD_ERR_NOT_FINITE,
                            e.text, "the gradient of row 0 overflows");
        }
    }
}

static void scratch_may_be_nobody_elses(void **state)
{
    static const size_t absurd[] = {SIZE_MAX, SIZE_MAX / 4 + 2, (size_t)PTRDIFF_MAX / 4 + 1};
    world *w = *state;
    fill(w, 10);
    w->n_terms = 0;
    add_term(w, KD_TERM_SOFT, 2, 1);
    double values[1];
    float weights[N] = {1, 1, 1};
    struct {
        void *at;
        const char *words;
    } rows[] = {
        {w->z + 5, "out.scratch overlaps the logits"},
        {w->v[0] + 29, "out.scratch overlaps the targets"},
        {w->d[0] + 3, "out.scratch overlaps out.d_logits"},
        {w->labels, "out.scratch overlaps labels"},
        {weights + 2, "out.scratch overlaps case_weights"},
        {values, "out.scratch overlaps out.term_values"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        kd_error e = KD_ERROR_INIT;
        kd_loss_in in = KD_LOSS_IN_INIT;
        kd_loss_out out = KD_LOSS_OUT_INIT;
        in.n = N;
        in.k = w->k;
        in.logits = w->z;
        in.labels = w->labels;
        in.case_weights = weights;
        in.targets = &w->targets;
        out.d_logits = w->d[0];
        out.term_values = values;
        out.scratch = rows[i].at;
        out.scratch_floats = 1;
        support_refused(kd_loss(w->terms, w->n_terms, &in, &out, &e), KD_ERR_OVERLAP, e.text,
                        rows[i].words);
        assert_int_equal(e.argument, 4);
        for (size_t j = 0; j < COUNT(absurd); j++) {
            out.scratch_floats = absurd[j];
            support_refused(kd_loss(w->terms, w->n_terms, &in, &out, &e), KD_ERR_TOO_LARGE, e.text,
                            "out.scratch_floats is");
        }
        out.scratch_floats = 0; /* no room is nobody's */
        support_ok(kd_loss(w->terms, w->n_terms, &in, &out, &e), e.text);
    }
}

static kd_ensemble_in ensemble_of(world *w, const float *const *members, kd_mean_kind kind)
{
    kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    in.kind = kind;
    in.members = 3;
    in.n = N;
    in.k = w->k;
    in.logits = members;
    return in;
}

static void means_have_the_same_bits_with_any_room(void **state)
{
    world *w = *state;
    for (size_t i = 0; i < COUNT(widths); i++) {
        fill(w, widths[i]);
        const float *const members[] = {w->v[1], w->v[2], w->v[3]};
        for (kd_mean_kind kind = KD_MEAN_ARITHMETIC; kind <= KD_MEAN_GEOMETRIC; kind++) {
            kd_error e = KD_ERROR_INIT;
            kd_ensemble_in in = ensemble_of(w, members, kind);
            support_ok(kd_ensemble_mean(&in, w->out[0], 0, &e), e.text);
            for (size_t r = 0; r < COUNT(rooms); r++) {
                in.scratch = w->scratch;
                in.scratch_floats = rooms[r];
                support_ok(kd_ensemble_mean(&in, w->out[1], 0, &e), e.text);
                support_same_bits("mean", w->out[1], w->out[0], N * w->k * sizeof(float));
            }
            in.scratch = w->v[2] + 1;
            in.scratch_floats = 1;
            if (w->k > 1) {
                support_refused(kd_ensemble_mean(&in, w->out[1], 0, &e), KD_ERR_OVERLAP, e.text,
                                "in.scratch overlaps");
            }
        }
    }
}

/* Each thread keeps to its part of the room: what stands before and behind it is left alone. */
static void threads_share_the_room(void **state)
{
    enum { CASES = 512, K = 300, THREADS = 3, ROOM = THREADS * K, GUARD = 4 * K };
    static float v[2][CASES * K], out[2][CASES * K], room[GUARD + ROOM + GUARD];
    (void)state;
    uint64_t seed = 9;
    kd_error e = KD_ERROR_INIT;
    kd_context_options o = KD_CONTEXT_OPTIONS_INIT;
    o.threads = THREADS;
    support_normals(&seed, v[0], COUNT(v[0]), 3);
    support_normals(&seed, v[1], COUNT(v[1]), 3);
    const float *const members[] = {v[0], v[1]};
    kd_ensemble_in in = KD_ENSEMBLE_IN_INIT;
    in.kind = KD_MEAN_ARITHMETIC;
    in.members = 2;
    in.n = CASES;
    in.k = K;
    in.logits = members;
    support_ok(kd_ensemble_mean(&in, out[0], 0, &e), e.text);
    support_ok(kd_blas_set_single(NULL, NULL, &e), e.text);
    support_ok(kd_context_create(&o, &in.context, &e), e.text);
    in.scratch = room + GUARD;
    in.scratch_floats = ROOM;
    for (size_t i = 0; i < COUNT(room); i++) {
        room[i] = 77;
    }
    for (size_t times = 0; times < 20; times++) {
        support_ok(kd_ensemble_mean(&in, out[1], 0, &e), e.text);
        support_same_bits("mean", out[1], out[0], sizeof out[0]);
    }
    for (size_t i = 0; i < GUARD; i++) {
        assert_true(room[i] == 77 && room[GUARD + ROOM + i] == 77);
    }
    in.weights = room + GUARD + 1;
    room[GUARD + 1] = room[GUARD + 2] = 1;
    support_refused(kd_ensemble_mean(&in, out[1], 0, &e), KD_ERR_OVERLAP, e.text,
                    "in.scratch overlaps");
    kd_context_destroy(in.context);
}

/* Into a member, where large logits far behind decide that the mean goes the careful way. */
static void means_over_a_member(void **state)
{
    world *w = *state;
    for (kd_mean_kind kind = KD_MEAN_ARITHMETIC; kind <= KD_MEAN_GEOMETRIC; kind++) {
        for (size_t at = 0; at < 700; at += 233) {
            for (size_t m = 0; m < 3; m++) {
                kd_error e = KD_ERROR_INIT;
                fill(w, 700);
                const float *const members[] = {w->v[1], w->v[2], w->v[3]};
                for (size_t i = 0; i < N * w->k; i++) {
                    w->v[1 + (m + 1) % 3][i] += i % w->k >= at ? 300.0f : 0.0f;
                }
                kd_ensemble_in in = ensemble_of(w, members, kind);
                support_ok(kd_ensemble_mean(&in, w->out[0], 0, &e), e.text);
                support_ok(kd_ensemble_mean(&in, w->v[1 + m], 0, &e), e.text);
                support_same_bits("mean", w->v[1 + m], w->out[0], N * w->k * sizeof(float));
            }
        }
    }
}

/* A member of weight 0 is looked at like the others, whichever way the mean takes. */
static void a_member_without_weight_is_looked_at(void **state)
{
    world *w = *state;
    static const float weights[] = {1, 0, 1};
    for (kd_mean_kind kind = KD_MEAN_ARITHMETIC; kind <= KD_MEAN_GEOMETRIC; kind++) {
        for (int large = 0; large < 2; large++) {
            kd_error e = KD_ERROR_INIT;
            fill(w, 10);
            const float *const members[] = {w->v[1], w->v[2], w->v[3]};
            kd_ensemble_in in = ensemble_of(w, members, kind);
            in.weights = weights;
            w->v[1][3] = large ? 1000 : 1;
            w->v[2][5] = NAN;
            support_refused(kd_ensemble_mean(&in, w->out[0], 0, &e), KD_ERR_NOT_FINITE, e.text,
                            "in.logits[1][0,5] is nan");
        }
    }
}

int main(void)
{
    world *w = calloc(1, sizeof *w);
    if (!w) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(any_room_and_any_number_of_terms, w),
        cmocka_unit_test_prestate(sums_that_overflow_on_their_way, w),
        cmocka_unit_test_prestate(a_gradient_that_overflows_is_refused, w),
        cmocka_unit_test_prestate(scratch_may_be_nobody_elses, w),
        cmocka_unit_test_prestate(means_have_the_same_bits_with_any_room, w),
        cmocka_unit_test(threads_share_the_room),
        cmocka_unit_test_prestate(means_over_a_member, w),
        cmocka_unit_test_prestate(a_member_without_weight_is_looked_at, w),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(w);
    return failed;
}
