/* SPDX-License-Identifier: MIT */
/* A host of the first version that trains: every function and struct of the other headers. */
#include "host.h"

static size_t blocks; /* that the host's own memory has given and not got back */

static void *take(void *user, size_t size, size_t align)
{
    assert_ptr_equal(user, &blocks);
    blocks++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void give_back(void *user, void *pointer, size_t size)
{
    (void)size;
    assert_ptr_equal(user, &blocks);
    blocks--;
    free(pointer);
}

static kd_context *host_context(void)
{
    kd_context_options options = KD_CONTEXT_OPTIONS_INIT;
    kd_error error = KD_ERROR_INIT;
    kd_context *context;
    options.alloc = take;
    options.release = give_back;
    options.user = &blocks;
    options.threads = 1;
    options.isa = KD_ISA_PORTABLE;
    host_ok(kd_context_create(&options, &context, &error), error.text);
    return context;
}

static int32_t set_to;

static int32_t get_threads(void *user)
{
    return user ? set_to : 0;
}

static void set_threads(void *user, int32_t count)
{
    (void)user;
    set_to = count;
}

static void the_blas_is_made_single(void **state)
{
    kd_blas_threads pair = KD_BLAS_THREADS_INIT;
    kd_error error = KD_ERROR_INIT;
    int32_t previous = 0;
    (void)state;
    set_to = 8;
    pair.get = get_threads;
    pair.set = set_threads;
    pair.user = &set_to;
    host_ok(kd_blas_set_single(&pair, &previous, &error), error.text);
    assert_true(set_to == 1 && previous == 8);
}

/* The mapping from seeds to numbers is part of the promise. */
static void random_numbers_have_the_same_bits(void **state)
{
    static const float first[4] = {-0.00517058698f, 0.0245361906f, 0.0055503794f, -0.00447280798f};
    static const uint32_t want[8] = {1, 0, 2, 4, 3, 6, 5, 7};
    uint32_t order[8];
    kd_error error = KD_ERROR_INIT;
    kd_context *context = host_context();
    kd_net *net;
    kd_param param = KD_PARAM_INIT;
    (void)state;
    host_ok(kd_shuffle(5, 2, 8, order, &error), error.text);
    assert_memory_equal(order, want, sizeof order);
    host_ok(kd_net_create(context, INPUTS, &net, &error), error.text);
    host_ok(kd_net_add_dense(net, 2), kd_net_error(net));
    host_ok(kd_net_init(net, KD_INIT_NORMAL, 1), kd_net_error(net));
    host_ok(kd_net_find_param(net, "layers.0.weight", &param), kd_net_error(net));
    assert_memory_equal(param.values, first, sizeof first);
    kd_net_destroy(net);
    kd_context_destroy(context);
    assert_true(blocks == 0);
}

static void nets(void **state)
{
    kd_error error = KD_ERROR_INIT;
    kd_context *context = host_context();
    kd_net *net = host_net(context, 1), *copy;
    kd_net_info info = KD_NET_INFO_INIT;
    kd_param a = KD_PARAM_INIT, b = KD_PARAM_INIT;
    (void)state;
    host_ok(kd_net_get_info(net, &info, &error), error.text);
    assert_true(info.inputs == INPUTS && info.outputs == K && info.nodes == 4);
    assert_true(info.params == 4 && info.values == 8 * INPUTS + 8 + K * 8 + K);
    host_ok(kd_net_clone(net, &copy, &error), error.text);
    for (size_t i = 0; i < info.params; i++) {
        host_ok(kd_net_get_param(net, i, &a), kd_net_error(net));
        host_ok(kd_net_get_param(copy, i, &b), kd_net_error(copy));
        assert_string_equal(a.name, b.name);
        assert_true(a.rows == b.rows && a.columns == b.columns && a.values != b.values);
        assert_memory_equal(a.values, b.values, a.rows * a.columns * sizeof *a.values);
    }
    assert_int_equal(kd_net_add_relu(net), KD_ERR_STATE);
    kd_net_destroy(net);
    kd_net_destroy(copy);
    kd_context_destroy(context);
    assert_true(blocks == 0);
}

static void schedules(void **state)
{
    kd_schedule schedule = KD_SCHEDULE_INIT;
    kd_error error = KD_ERROR_INIT;
    double value;
    (void)state;
    schedule.kind = KD_SCHEDULE_LINEAR;
    schedule.from = 0.5f;
    schedule.to = 1;
    schedule.steps = 8;
    host_ok(kd_schedule_value(&schedule, 2, &value, &error), error.text);
    host_near(value, 0.625, 1e-12);
}

static void update_by_hand(kd_net *net, kd_workspace *workspace, float rate, float *out)
{
    kd_param weight = KD_PARAM_INIT, gradient = KD_PARAM_INIT;
    host_ok(kd_net_get_param(net, 0, &weight), kd_net_error(net));
    host_ok(kd_workspace_get_gradient(workspace, 0, &gradient), kd_workspace_error(workspace));
    assert_string_equal(weight.name, gradient.name);
    for (size_t i = 0; i < 8 * INPUTS; i++) {
        out[i] = weight.values[i] - rate * gradient.values[i];
    }
}

/* Forward, loss, backward, update. */
static void the_parts_of_a_step(void **state)
{
    kd_error error = KD_ERROR_INIT;
    kd_context *context = host_context();
    kd_net *net = host_net(context, 1);
    kd_workspace_options options = KD_WORKSPACE_OPTIONS_INIT;
    kd_optimizer_options sgd = KD_OPTIMIZER_OPTIONS_INIT;
    kd_workspace *workspace;
    kd_optimizer *optimizer;
    kd_batch batch = host_batch();
    kd_loss_in in = KD_LOSS_IN_INIT;
    kd_loss_out out = KD_LOSS_OUT_INIT;
    const float *logits;
    float d_z[CASES * K], inferred[CASES * K], want[8 * INPUTS];
    kd_param weight = KD_PARAM_INIT;
    size_t bytes = 0;
    (void)state;
    options.batch = CASES;
    options.training = 1;
    options.seed = 9;
    sgd.rate = 0.5f;
    host_ok(kd_workspace_size(net, &options, &bytes, &error), error.text);
    assert_true(bytes > 0);
    host_ok(kd_workspace_create(net, &options, &workspace, &error), error.text);
    host_ok(kd_optimizer_create(net, &sgd, &optimizer, &error), error.text);
    host_ok(kd_net_infer(workspace, host_x, CASES, 0, inferred, 0), kd_workspace_error(workspace));
    host_ok(kd_net_forward(workspace, &batch, &logits), kd_workspace_error(workspace));
    assert_memory_not_equal(logits, inferred, sizeof inferred); /* dropout */
    in.n = CASES;
    in.k = K;
    in.logits = logits;
    in.labels = host_labels;
    out.d_logits = d_z;
    host_ok(kd_cross_entropy(&in, &out, &error), error.text);
    host_ok(kd_net_backward(workspace, d_z, 0, 0), kd_workspace_error(workspace));
    update_by_hand(net, workspace, sgd.rate, want);
    host_ok(kd_optimizer_step(optimizer, workspace), kd_optimizer_error(optimizer));
    host_ok(kd_net_get_param(net, 0, &weight), kd_net_error(net));
    for (size_t i = 0; i < 8 * INPUTS; i++) {
        host_near((double)weight.values[i], (double)want[i], 1e-5);
    }
    kd_workspace_destroy(workspace);
    kd_optimizer_destroy(optimizer);
    kd_net_destroy(net);
    kd_context_destroy(context);
    assert_true(blocks == 0);
}

static int32_t answer(void *user, const kd_batch *batch, float temperature, float *out)
{
    assert_true(user == &set_to && temperature > 0);
    assert_true(batch->struct_size >= sizeof(kd_batch) && batch->epoch == 3);
    for (size_t i = 0; i < batch->n * K; i++) {
        out[i] = 0.5f * batch->x[i / K * INPUTS + i % K];
    }
    return 0;
}

/* The values that a teacher gives for the batch. */
static kd_targets ask(kd_teacher *teacher, float *values)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher_workspace *workspace;
    kd_targets targets = KD_TARGETS_INIT;
    kd_batch batch = host_batch();
    host_ok(kd_teacher_workspace_create(teacher, CASES, &workspace, &error), error.text);
    host_ok(kd_teacher_targets(workspace, &batch, 2, &targets, &error), error.text);
    memcpy(values, targets.values, CASES * K * sizeof *values);
    targets.values = values;
    kd_teacher_workspace_destroy(workspace);
    return targets;
}

static void teachers(void **state)
{
    kd_error error = KD_ERROR_INIT;
    kd_context *context = host_context();
    kd_net *net = host_net(context, 4);
    kd_callback_options options = KD_CALLBACK_OPTIONS_INIT;
    kd_teacher *members[3], *both;
    float values[4][CASES * K];
    (void)state;
    options.k = K;
    options.kind = KD_TARGET_LOGITS;
    options.fn = answer;
    options.user = &set_to;
    host_ok(kd_teacher_from_net(net, &members[0], &error), error.text);
    host_ok(kd_teacher_from_callback(context, &options, &members[1], &error), error.text);
    assert_int_equal(ask(members[0], values[0]).kind, KD_TARGET_LOGITS);
    host_ok(kd_teacher_from_logits(context, host_ids, values[0], CASES, K, 0, &members[2], &error),
            error.text);
    assert_int_equal(ask(members[1], values[1]).kind, KD_TARGET_LOGITS);
    assert_true(values[1][1] == 0.5f * host_x[1]);
    ask(members[2], values[2]);
    assert_memory_equal(values[2], values[0], sizeof values[0]);
    host_ok(kd_teacher_from_ensemble(members, 3, NULL, KD_MEAN_GEOMETRIC, &both, &error),
            error.text);
    ask(both, values[3]);
    host_near((double)values[3][0], (2 * (double)values[0][0] + (double)values[1][0]) / 3, 1e-5);
    for (size_t i = 0; i < 3; i++) {
        kd_teacher_destroy(members[i]);
    }
    kd_teacher_destroy(both);
    kd_net_destroy(net);
    kd_context_destroy(context);
    assert_true(blocks == 0);
}

/* What the first library reported for the first and the last of 20 steps, and behind them. */
static void a_distillation_goes_as_it_went(void **state)
{
    kd_error error = KD_ERROR_INIT;
    kd_context *context = host_context();
    kd_net *large = host_net(context, 4), *student = host_net(context, 1);
    kd_teacher *teacher;
    kd_distiller *distiller;
    kd_schedule rate = KD_SCHEDULE_INIT;
    kd_optimizer_options sgd = KD_OPTIMIZER_OPTIONS_INIT;
    kd_distiller_options options = KD_DISTILLER_OPTIONS_INIT;
    kd_report report = KD_REPORT_INIT, sum = KD_REPORT_INIT, first = KD_REPORT_INIT;
    kd_batch batch = host_batch();
    (void)state;
    host_ok(kd_teacher_from_net(large, &teacher, &error), error.text);
    rate.from = 0.1f;
    sgd.momentum = 0.5f;
    sgd.rate_schedule = &rate;
    options.optimizer = &sgd;
    options.gradient_norm = 1;
    options.seed = 6;
    host_ok(kd_distiller_create(student, teacher, &options, &distiller, &error), error.text);
    for (int step = 0; step < 20; step++) {
        host_ok(kd_distill_step(distiller, &batch, &report), kd_distiller_error(distiller));
        host_ok(kd_report_merge(&sum, &report, &error), error.text);
        first = step ? first : report;
    }
    assert_true(report.struct_size == sizeof report && sum.updates == 20 &&
                sum.cases == 20 * CASES);
    assert_true(report.temperature == 4 && report.updates == 1);
    host_near(report.rate, 0.1, 1e-6);
    host_near(first.total, 19.2163194699, 1e-4);
    host_near(first.gradient_norm, 3.08733479214, 1e-4);
    host_near(report.total, 17.2785468055, 1e-4);
    host_ok(kd_distill_evaluate(distiller, &batch, &report), kd_distiller_error(distiller));
    host_near(report.total, 17.5978275983, 1e-4);
    host_near(report.kl, 0.0224404197931, 1e-3);
    host_near(report.accuracy, 0.6, 1e-6);
    kd_distiller_destroy(distiller);
    kd_teacher_destroy(teacher);
    kd_net_destroy(large);
    kd_net_destroy(student);
    kd_context_destroy(context);
    assert_true(blocks == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_blas_is_made_single),
        cmocka_unit_test(random_numbers_have_the_same_bits),
        cmocka_unit_test(nets),
        cmocka_unit_test(schedules),
        cmocka_unit_test(the_parts_of_a_step),
        cmocka_unit_test(teachers),
        cmocka_unit_test(a_distillation_goes_as_it_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
