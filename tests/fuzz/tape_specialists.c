/* SPDX-License-Identifier: MIT */
/* Calls of a tape that are about specialists: sets of classes, what they learn, answers merged. */
#include "tape.h"

/* The outputs of a net if they are few enough for the tape's buffers, else 0. */
static size_t outputs_of(kd_net *net)
{
    kd_net_info info = KD_NET_INFO_INIT;
    bool known = net && kd_net_get_info(net, &info, NULL) == KD_OK;
    return known && info.outputs <= WIDTH ? info.outputs : 0;
}

static void make(tape *t)
{
    size_t slot = tape_byte(t) % SLOTS;
    kd_net *net = TAPE_PICK(t, nets);
    uint32_t classes[CASES];
    kd_error error = KD_ERROR_INIT;
    kd_specialist_options o = KD_SPECIALIST_OPTIONS_INIT;
    kd_specialist *made;
    unsigned what = tape_byte(t);
    o.generalist = what & 1 && outputs_of(net) ? net : NULL;
    o.net = what & 2 ? TAPE_PICK(t, nets) : NULL;
    o.k = what & 4 ? tape_size(t) : what & 8 ? 3 : 0;
    o.n_classes = what & 16 ? tape_count(t) : 1 + what / 32 % 3;
    for (size_t i = 0; i < CASES; i++) {
        classes[i] = i < 3 ? tape_byte(t) % 5 : (uint32_t)i;
    }
    o.classes = what & 64 ? NULL : classes;
    kd_status status = kd_specialist_create(t->context, &o, &made, &error);
    tape_made(t, status, &error, made);
    tape_done(t, status, error.text, false);
    kd_specialist_destroy(t->specialists[slot]);
    t->specialists[slot] = made;
    t->specialist_k[slot] = !made ? 1 : o.k ? o.k : outputs_of(net);
    t->specialist_n[slot] = made ? o.n_classes : 1;
}

static void correct(tape *t)
{
    double shift = 0;
    kd_error error = KD_ERROR_INIT;
    kd_specialist *s = TAPE_PICK(t, specialists);
    tape_done(t, kd_specialist_correct(s, (double)tape_float(t), &shift, &error), error.text, true);
    t->seen = kd_hash(t->seen, &shift, sizeof shift);
}

static void order(tape *t)
{
    int32_t labels[CASES];
    uint32_t places[2 * CASES];
    size_t n = tape_count(t), count = 0;
    kd_error error = KD_ERROR_INIT;
    kd_specialist *s = TAPE_PICK(t, specialists);
    tape_done(t, kd_specialist_labels(s, t->labels, n, labels, &error), error.text, false);
    kd_status status =
        kd_specialist_order(s, t->labels, n, 1, tape_byte(t), places, &count, NULL, &error);
    tape_done(t, status, error.text, false);
    FUZZ_EXPECT(count <= 2 * CASES);
    for (size_t i = 0; status == KD_OK && i < count; i++) {
        FUZZ_EXPECT(places[i] < n && t->labels[places[i]] >= 0);
    }
}

static kd_targets targets_of(tape *t)
{
    kd_targets targets = KD_TARGETS_INIT;
    targets.kind = (kd_target_kind)(tape_byte(t) % 6);
    targets.temperature = tape_float(t);
    targets.values = t->values;
    return targets;
}

static void fold(tape *t)
{
    float out[CASES * STRIDE];
    kd_targets given = targets_of(t), got = KD_TARGETS_INIT;
    kd_error error = KD_ERROR_INIT;
    size_t n = tape_count(t);
    kd_specialist *s = TAPE_PICK(t, specialists);
    kd_status status = kd_specialist_targets(s, &given, n, out, &got, &error);
    tape_done(t, status, error.text, false);
    if (status == KD_OK) {
        t->seen = kd_hash(t->seen, out, n * got.k * sizeof *out);
    }
}

static void cluster(tape *t)
{
    uint32_t classes[WIDTH * WIDTH];
    double inertia = 0, square[WIDTH * WIDTH];
    kd_covariance *c;
    kd_cluster_options o = KD_CLUSTER_OPTIONS_INIT;
    kd_error error = KD_ERROR_INIT;
    kd_status status = kd_covariance_create(t->context, tape_size(t), &c, &error);
    tape_made(t, status, &error, c);
    for (size_t i = 0; i < 2; i++) {
        kd_targets targets = targets_of(t);
        tape_done(t, kd_covariance_add(c, &targets, tape_count(t), &error), error.text, false);
    }
    o.sets = tape_size(t);
    o.classes = tape_size(t);
    o.tries = tape_byte(t) % 4;
    o.rounds = tape_byte(t) % 4;
    o.columns = (kd_column_kind)(tape_byte(t) % 4);
    tape_done(t, kd_covariance_cluster(c, &o, classes, &inertia, &error), error.text, false);
    status = kd_covariance_get(c, square, &error);
    tape_done(t, status, error.text, false);
    t->seen = kd_hash(t->seen, &inertia, sizeof inertia);
    kd_covariance_destroy(c);
}

static kd_merge_options merge_of(tape *t)
{
    kd_merge_options o = KD_MERGE_OPTIONS_INIT;
    o.kind = (kd_merge_kind)(tape_byte(t) % 4);
    o.best = tape_byte(t) % 8;
    o.steps = tape_byte(t);
    o.tolerance = (double)tape_float(t);
    return o;
}

/* Of two specialists; answers are rows of equal numbers, or what the tape has made of its data. */
static void merge(tape *t)
{
    static double scratch[(WIDTH + 2) * 7];
    float p[2][CASES * STRIDE], q[CASES * STRIDE];
    const float *answers[2] = {p[0], p[1]};
    const kd_specialist *specialists[2];
    double objectives[CASES];
    kd_merge_options o = merge_of(t);
    kd_merge_in in = KD_MERGE_IN_INIT;
    kd_merge_out out = KD_MERGE_OUT_INIT;
    kd_error error = KD_ERROR_INIT;
    unsigned what = tape_byte(t);
    for (size_t m = 0; m < 2; m++) {
        size_t slot = tape_byte(t) % SLOTS;
        bool dustbin = t->specialist_n[slot] < t->specialist_k[slot];
        specialists[m] = t->specialists[slot];
        in.k = m ? in.k : t->specialist_k[slot];
        for (size_t i = 0; i < CASES * STRIDE; i++) {
            p[m][i] = what & 1 ? t->values[i] : 1 / (float)(t->specialist_n[slot] + dustbin);
            q[i] = what & 2 ? t->values[i] : 1 / (float)in.k;
        }
    }
    in.n = tape_count(t);
    in.generalist = q;
    in.m = what & 4 ? 2 : what / 8 % 3;
    in.specialists = specialists;
    in.answers = answers;
    in.scratch = scratch;
    in.scratch_doubles = what & 32 ? tape_count(t) : sizeof scratch / sizeof *scratch;
    in.context = t->context;
    out.q = q;
    out.objectives = objectives;
    kd_status status = kd_merge(&o, &in, &out, &error);
    tape_done(t, status, error.text, false);
    if (status == KD_OK) {
        t->seen = kd_hash(t->seen, q, in.n * in.k * sizeof *q);
    }
}

static void teach(tape *t)
{
    kd_teacher **slot = &TAPE_PICK(t, teachers), *made;
    kd_teacher *generalist = TAPE_PICK(t, teachers);
    kd_specialist *specialists[2] = {TAPE_PICK(t, specialists), TAPE_PICK(t, specialists)};
    kd_merge_options o = merge_of(t);
    kd_error error = KD_ERROR_INIT;
    unsigned what = tape_byte(t);
    kd_status status = kd_teacher_from_specialists(generalist, specialists, what % 3,
                                                   what & 4 ? &o : NULL, &made, &error);
    tape_made(t, status, &error, made);
    tape_done(t, status, error.text, false);
    kd_teacher_destroy(*slot);
    *slot = made;
}

static void let_go(tape *t)
{
    size_t slot = tape_byte(t) % SLOTS;
    kd_specialist_destroy(t->specialists[slot]);
    t->specialists[slot] = NULL;
}

void tape_specialise(tape *t)
{
    static void (*const operations[])(tape *) = {make,    correct, order, fold,
                                                 cluster, merge,   teach, let_go};
    operations[tape_byte(t) % 8](t);
}
