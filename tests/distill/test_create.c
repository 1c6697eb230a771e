/* SPDX-License-Identifier: MIT */
/* Distillers that can't be made, and handles that are let go of in any order. */
#include "../support/support.h"

#define INPUTS 5
#define K 4
#define CASES 12

static support_memory memory;
static kd_context *context;
static support_data data;

static void start(void)
{
    context = support_context(&memory);
    support_fill(&data, 8, CASES, INPUTS, K);
}

static void stop(void)
{
    kd_context_destroy(context);
    support_all_returned(&memory);
}

static void refuse(kd_net *student, kd_teacher *teacher, const kd_distiller_options *o,
                   kd_status status, const char *words)
{
    kd_error error = KD_ERROR_INIT;
    kd_distiller *d = (kd_distiller *)student;
    size_t live = memory.live;
    support_refused(kd_distiller_create(student, teacher, o, &d, &error), status, error.text,
                    words);
    assert_int_equal(error.status, status);
    if (status == KD_ERR_SHAPE) {
        assert_int_equal(error.argument, 2); /* the teacher does not fit */
    }
    if (strncmp(words, "options.", 8) == 0) {
        assert_int_equal(error.argument, 3);
    }
    assert_null(d);
    assert_int_equal(memory.live, live);
}

/* ---- options ---- */

typedef enum type { FLOAT, INT, SIZE } type;

#define FIELD(name) offsetof(kd_distiller_options, name)

static void wrong_options_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t field;
        type type;
        double value;
        kd_status status;
        const char *words;
    } cases[] = {
        {FIELD(struct_size), SIZE, 0, KD_ERR_STRUCT, "options.struct_size is 0"},
        {FIELD(struct_size), SIZE, 5000, KD_ERR_STRUCT, "options.struct_size is 5000"},
        {FIELD(batch), SIZE, 0, KD_ERR_SIZE, "options.batch is 0"},
        {FIELD(batch), SIZE, 2147483648.0, KD_ERR_TOO_LARGE, "options.batch is 2147483648"},
        {FIELD(batch), SIZE, 0x1p63, KD_ERR_TOO_LARGE, "options.batch is 9223372036854775808"},
        {FIELD(temperature), FLOAT, 0, KD_ERR_TEMPERATURE, "options.temperature is 0"},
        {FIELD(temperature), FLOAT, -1, KD_ERR_TEMPERATURE, "options.temperature is -1"},
        {FIELD(temperature), FLOAT, (double)NAN, KD_ERR_TEMPERATURE, "options.temperature is nan"},
        {FIELD(temperature), FLOAT, (double)INFINITY, KD_ERR_TEMPERATURE,
         "options.temperature is inf"},
        {FIELD(soft_weight), FLOAT, -1, KD_ERR_WEIGHT, "options.soft_weight is -1"},
        {FIELD(soft_weight), FLOAT, (double)NAN, KD_ERR_WEIGHT, "options.soft_weight is nan"},
        {FIELD(soft_weight), FLOAT, (double)INFINITY, KD_ERR_WEIGHT, "options.soft_weight is inf"},
        {FIELD(hard_weight), FLOAT, -0.5, KD_ERR_WEIGHT, "options.hard_weight is -0.5"},
        {FIELD(hard_weight), FLOAT, (double)NAN, KD_ERR_WEIGHT, "options.hard_weight is nan"},
        {FIELD(hard_weight), FLOAT, (double)INFINITY, KD_ERR_WEIGHT, "options.hard_weight is inf"},
        {FIELD(soft_kind), INT, KD_TERM_HARD, KD_ERR_KIND, "options.soft_kind is 1"},
        {FIELD(soft_kind), INT, 6, KD_ERR_KIND, "options.soft_kind is 6"},
        {FIELD(soft_kind), INT, -1, KD_ERR_KIND, "options.soft_kind is -1"},
        {FIELD(nonfinite), INT, 2, KD_ERR_KIND, "options.nonfinite is 2"},
        {FIELD(nonfinite), INT, -1, KD_ERR_KIND, "options.nonfinite is -1"},
        {FIELD(gradient_norm), INT, 2, KD_ERR_VALUE, "options.gradient_norm is 2"},
        {FIELD(gradient_norm), INT, -1, KD_ERR_VALUE, "options.gradient_norm is -1"},
    };
    start();
    kd_net *net = support_net(context, "5: 4", 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
        float f = (float)cases[i].value;
        int32_t n = cases[i].type == INT ? (int32_t)cases[i].value : 0;
        size_t size = cases[i].type == SIZE ? (size_t)cases[i].value : 0;
        const void *values[] = {&f, &n, &size};
        static const size_t bytes[] = {sizeof f, sizeof n, sizeof size};
        memcpy((char *)&o + cases[i].field, values[cases[i].type], bytes[cases[i].type]);
        refuse(net, NULL, &o, cases[i].status, cases[i].words);
    }
    kd_net_destroy(net);
    stop();
}

static void wrong_schedules_and_optimizers_are_refused(void **state)
{
    (void)state;
    kd_schedule broken = KD_SCHEDULE_INIT, cold = broken;
    kd_optimizer_options optimizer = KD_OPTIMIZER_OPTIONS_INIT;
    kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
    const kd_schedule **schedules[] = {&o.temperature_schedule, &o.soft_weight_schedule,
                                       &o.hard_weight_schedule};
    static const char *const names[] = {"options.temperature_schedule",
                                        "options.soft_weight_schedule",
                                        "options.hard_weight_schedule"};
    broken.from = -3;
    start();
    kd_net *net = support_net(context, "5: 4", 1);
    for (size_t i = 0; i < COUNT(schedules); i++) {
        *schedules[i] = &broken;
        refuse(net, NULL, &o, KD_ERR_VALUE, names[i]);
        *schedules[i] = NULL;
    }
    cold.from = 0;
    o.temperature_schedule = &cold;
    refuse(net, NULL, &o, KD_ERR_TEMPERATURE, "temperature");
    cold.from = 2;
    o.temperature = 0; /* of no meaning beside a schedule */
    kd_distiller_destroy(support_distiller(net, NULL, &o));
    o.temperature = 1;
    o.temperature_schedule = NULL;
    optimizer.rate = NAN;
    o.optimizer = &optimizer;
    refuse(net, NULL, &o, KD_ERR_VALUE, "rate is nan");
    optimizer.rate = 0.1f;
    optimizer.kind = 17;
    refuse(net, NULL, &o, KD_ERR_KIND, "kind is 17");
    kd_net_destroy(net);
    stop();
}

/* "All values > 0": a temperature that will reach 0 is refused before the first step, as a momentum
 * that will reach 1 is. */
static void a_temperature_that_ends_cold_is_refused(void **state)
{
    (void)state;
    static const kd_schedule_kind kinds[] = {KD_SCHEDULE_LINEAR, KD_SCHEDULE_COSINE};
    start();
    kd_net *net = support_net(context, "5: 4", 1);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        kd_schedule s = KD_SCHEDULE_INIT;
        kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
        s.kind = kinds[i];
        s.from = 4;
        s.to = 0;
        s.steps = 3;
        o.temperature_schedule = &s;
        refuse(net, NULL, &o, KD_ERR_TEMPERATURE, "temperature");
    }
    kd_net_destroy(net);
    stop();
}

/* What no one sees coming: a schedule that leaves the range of floats on its way. */
static void schedules_that_leave_the_range_stop_the_step(void **state)
{
    (void)state;
    start();
    for (size_t i = 0; i < 3; i++) {
        kd_schedule s = KD_SCHEDULE_INIT;
        kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
        kd_net *net = support_net(context, "5: 4", 1);
        kd_batch batch = support_batch(&data, 0, CASES);
        kd_report r = KD_REPORT_INIT;
        s.kind = KD_SCHEDULE_EXPONENTIAL;
        s.from = 1;
        s.factor = i == 0 ? 1e-30f : 1e30f;
        o.temperature_schedule = i == 0 ? &s : NULL;
        o.soft_weight_schedule = i == 1 ? &s : NULL;
        o.hard_weight_schedule = i == 2 ? &s : NULL;
        batch.targets = &data.targets;
        kd_distiller *d = support_distiller(net, NULL, &o);
        support_step(d, &batch);
        kd_status status = kd_distill_step(d, &batch, NULL);
        for (size_t t = 0; status == KD_OK && t < 3; t++) { /* 1e-60 is 0, 1e60 is infinite */
            status = kd_distill_step(d, &batch, NULL);
        }
        uint64_t before = support_hash(net);
        if (i == 0) {
            support_refused(status, KD_ERR_TEMPERATURE, kd_distiller_error(d), "temperature is 0");
            assert_int_equal(kd_distill_evaluate(d, &batch, &r), KD_ERR_TEMPERATURE);
        } else if (status != KD_ERR_NOT_FINITE) { /* as the gradient may be before its weight is */
            support_refused(status, KD_ERR_WEIGHT, kd_distiller_error(d), "_weight is inf");
        }
        assert_int_equal(kd_distill_step(d, &batch, NULL), status);
        assert_true(support_hash(net) == before);
        kd_distiller_destroy(d);
        kd_net_destroy(net);
    }
    stop();
}

/* ---- student and teacher ---- */

static void students_and_teachers_must_fit(void **state)
{
    (void)state;
    start();
    kd_error error = KD_ERROR_INIT;
    kd_distiller *d;
    kd_net *raw, *student = support_net(context, "5: 4", 1),
                 *other = support_net(context, "5: 4", 2);
    kd_net *classes = support_net(context, "5: 3", 1), *inputs = support_net(context, "6: 4", 1);
    support_ok(kd_net_create(context, 5, &raw, NULL), "create");
    support_ok(kd_net_add_dense(raw, 4), kd_net_error(raw));
    kd_teacher *self = support_teacher(student), *good = support_teacher(other);
    kd_teacher *pair[] = {good, self}, *swapped[] = {self, good}, *hidden, *front, *deeper;
    kd_teacher *narrow = support_teacher(classes), *wide = support_teacher(inputs);
    support_ok(kd_teacher_from_ensemble(pair, 2, NULL, KD_MEAN_GEOMETRIC, &hidden, &error),
               error.text);
    support_ok(kd_teacher_from_ensemble(swapped, 2, NULL, KD_MEAN_GEOMETRIC, &front, &error),
               error.text);
    pair[1] = hidden;
    support_ok(kd_teacher_from_ensemble(pair, 2, NULL, KD_MEAN_ARITHMETIC, &deeper, &error),
               error.text);
    refuse(NULL, good, NULL, KD_ERR_NULL, "student");
    refuse(raw, good, NULL, KD_ERR_STATE, "not initialised");
    refuse(student, self, NULL, KD_ERR_STATE, "among the teachers");
    refuse(student, hidden, NULL, KD_ERR_STATE, "among the teachers");
    refuse(student, front, NULL, KD_ERR_STATE, "among the teachers");
    refuse(student, deeper, NULL, KD_ERR_STATE, "among the teachers");
    refuse(student, narrow, NULL, KD_ERR_SHAPE, "teacher has 3 classes, student has 4");
    refuse(student, wide, NULL, KD_ERR_SHAPE, "teacher takes 6 inputs, student takes 5");
    support_refused(kd_distiller_create(student, good, NULL, NULL, &error), KD_ERR_NULL, error.text,
                    "out_distiller");
    d = support_distiller(student, good, NULL); /* and a good pair is none the worse */
    kd_distiller_destroy(d);
    kd_teacher *teachers[] = {self, good, hidden, front, deeper, narrow, wide};
    for (size_t i = 0; i < COUNT(teachers); i++) {
        kd_teacher_destroy(teachers[i]);
    }
    kd_net *nets[] = {raw, student, other, classes, inputs};
    for (size_t i = 0; i < COUNT(nets); i++) {
        kd_net_destroy(nets[i]);
    }
    stop();
}

static int32_t never_asked(void *user, const kd_batch *batch, float temperature, float *out)
{
    (void)user;
    (void)batch;
    (void)temperature;
    (void)out;
    return 1;
}

/* A term that can't use what the teacher gives is refused before the first step. */
static void terms_and_targets_must_fit(void **state)
{
    (void)state;
    start();
    kd_net *student = support_net(context, "5: 4", 1);
    for (kd_target_kind given = KD_TARGET_LOGITS; given <= KD_TARGET_LOG_PROBABILITIES; given++) {
        kd_callback_options c = KD_CALLBACK_OPTIONS_INIT;
        kd_teacher *teacher;
        c.k = K;
        c.kind = given;
        c.temperature = 2;
        c.fn = never_asked;
        support_ok(kd_teacher_from_callback(context, &c, &teacher, NULL), "callback");
        for (kd_term_kind soft = KD_TERM_SOFT; soft <= KD_TERM_MATCH_RAW; soft++) {
            kd_distiller_options o = KD_DISTILLER_OPTIONS_INIT;
            bool exact = soft == KD_TERM_MATCH_RAW && given != KD_TARGET_LOGITS;
            o.soft_kind = soft;
            if (exact || (soft == KD_TERM_MATCH && given == KD_TARGET_PROBABILITIES)) {
                refuse(student, teacher, &o, KD_ERR_KIND, "options.soft_kind is");
            } else {
                kd_distiller_destroy(support_distiller(student, teacher, &o));
            }
        }
        kd_teacher_destroy(teacher);
    }
    kd_net_destroy(student);
    stop();
}

/* ---- letting go ---- */

enum {
    CONTEXT,
    STUDENT,
    NET_A,
    NET_B,
    TEACHER_A,
    TEACHER_B,
    ENSEMBLE,
    DISTILLER,
    WORKSPACE,
    OPTIMIZER,
    ASK,
    HANDLES
};

typedef struct handles {
    kd_context *context;
    kd_net *nets[3];
    kd_teacher *teachers[3];
    kd_distiller *distiller;
    kd_workspace *ws;
    kd_optimizer *optimizer;
    kd_teacher_workspace *ask;
} handles;

static handles make_handles(void)
{
    kd_error e = KD_ERROR_INIT;
    handles h;
    h.context = support_context(&memory);
    h.nets[0] = support_net(h.context, "5: 9 relu drop0.3 4", 1);
    h.nets[1] = support_net(h.context, "5: 7 relu 4", 2);
    h.nets[2] = support_net(h.context, "5: 4", 3);
    h.teachers[0] = support_teacher(h.nets[1]);
    h.teachers[1] = support_teacher(h.nets[2]);
    support_ok(
        kd_teacher_from_ensemble(h.teachers, 2, NULL, KD_MEAN_ARITHMETIC, &h.teachers[2], &e),
        e.text);
    h.distiller = support_distiller(h.nets[0], h.teachers[2], NULL);
    h.ws = support_workspace(h.nets[0], CASES, 1, 0);
    support_ok(kd_optimizer_create(h.nets[0], NULL, &h.optimizer, &e), e.text);
    support_ok(kd_teacher_workspace_create(h.teachers[2], CASES, &h.ask, &e), e.text);
    return h;
}

static void let_go(handles *h, size_t which)
{
    switch (which) {
    case CONTEXT:
        kd_context_destroy(h->context);
        break;
    case DISTILLER:
        kd_distiller_destroy(h->distiller);
        h->distiller = NULL;
        break;
    case WORKSPACE:
        kd_workspace_destroy(h->ws);
        h->ws = NULL;
        break;
    case OPTIMIZER:
        kd_optimizer_destroy(h->optimizer);
        h->optimizer = NULL;
        break;
    case ASK:
        kd_teacher_workspace_destroy(h->ask);
        h->ask = NULL;
        break;
    default:
        if (which < TEACHER_A) {
            kd_net_destroy(h->nets[which - STUDENT]);
        } else {
            kd_teacher_destroy(h->teachers[which - TEACHER_A]);
        }
    }
}

/* Everything that is left still works. */
static void use(handles *h)
{
    kd_batch batch = support_batch(&data, 0, CASES);
    kd_targets targets = KD_TARGETS_INIT;
    const float *logits;
    if (h->distiller) {
        support_step(h->distiller, &batch);
    }
    if (h->ws) {
        support_ok(kd_net_forward(h->ws, &batch, &logits), kd_workspace_error(h->ws));
        support_ok(kd_net_backward(h->ws, data.v, 0, 0), kd_workspace_error(h->ws));
    }
    if (h->ws && h->optimizer) {
        support_ok(kd_optimizer_step(h->optimizer, h->ws), kd_optimizer_error(h->optimizer));
    }
    if (h->ask) {
        support_ok(kd_teacher_targets(h->ask, &batch, 3, &targets, NULL), "targets");
    }
}

static void handles_are_let_go_of_in_any_order(void **state)
{
    (void)state;
    support_fill(&data, 8, CASES, INPUTS, K);
    for (uint32_t round = 0; round < 400; round++) {
        uint32_t order[HANDLES];
        handles h = make_handles();
        support_ok(kd_shuffle(1, round, HANDLES, order, NULL), "kd_shuffle");
        for (size_t i = 0; i < HANDLES; i++) {
            let_go(&h, order[i]);
            use(&h);
        }
        support_all_returned(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(wrong_schedules_and_optimizers_are_refused),
        cmocka_unit_test(a_temperature_that_ends_cold_is_refused),
        cmocka_unit_test(schedules_that_leave_the_range_stop_the_step),
        cmocka_unit_test(students_and_teachers_must_fit),
        cmocka_unit_test(terms_and_targets_must_fit),
        cmocka_unit_test(handles_are_let_go_of_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
