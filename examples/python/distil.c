/* SPDX-License-Identifier: MIT */
/*
 * A teacher from Python, a student for Python: distil X.npy TEACHER FOLDER. The teacher is a
 * PyTorch state dict (teacher.safetensors) of the layers below, or logits for the rows of x that
 * were recorded there (teacher.npy). roundtrip.py is the other half.
 */
#include <kd/kd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 8, TEACHER = 64, STUDENT = 16, CLASSES = 6 };
enum { BATCH = 50, EPOCHS = 60, SEED = 1 };

/* What the whole program is about. */
typedef struct job {
    kd_context *context;
    size_t n; /* cases */
    float *x;
    uint64_t *ids; /* row numbers: with them recorded logits are found again */
    kd_net *large; /* NULL: there are only its logits */
    kd_teacher *teacher;
    kd_net *student;
} job;

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "distil: %s: %s\n", what, why);
    exit(1);
}

static void check(kd_status status, const char *what, const char *why)
{
    if (status != KD_OK) {
        stop(what, why);
    }
}

/* A .npy file of that many columns; its rows are counted, or must be `*rows` if that is not 0. */
static float *load_matrix(const char *path, size_t columns, size_t *rows)
{
    kd_error error = KD_ERROR_INIT;
    kd_npy_info info = KD_NPY_INFO_INIT;
    check(kd_load_npy(path, NULL, NULL, 0, &info, &error), path, error.text);
    if (info.columns != columns || info.rows == 0 || (*rows && info.rows != *rows)) {
        stop(path, "rows or columns are not those that are needed");
    }
    *rows = info.rows;
    float *values = malloc(info.rows * columns * sizeof *values);
    if (!values) {
        stop(path, "out of memory");
    }
    check(kd_load_npy(path, NULL, values, info.rows * columns, NULL, &error), path, error.text);
    return values;
}

/* nn.Sequential(Linear(INPUTS, hidden), ReLU(), Linear(hidden, CLASSES)) */
static kd_net *make_net(kd_context *context, size_t hidden)
{
    kd_net *net;
    kd_error error = KD_ERROR_INIT;
    check(kd_net_create(context, INPUTS, &net, &error), "net", error.text);
    check(kd_net_add_dense(net, hidden), "net", kd_net_error(net));
    check(kd_net_add_relu(net), "net", kd_net_error(net));
    check(kd_net_add_dense(net, CLASSES), "net", kd_net_error(net));
    check(kd_net_init(net, KD_INIT_HE, SEED), "net", kd_net_error(net));
    return net;
}

static void load_teacher(job *j, const char *path)
{
    kd_error error = KD_ERROR_INIT;
    const char *ending = strrchr(path, '.');
    if (ending && strcmp(ending, ".npy") == 0) {
        float *logits = load_matrix(path, CLASSES, &j->n);
        check(kd_teacher_from_logits(j->context, j->ids, logits, j->n, CLASSES, 0, &j->teacher,
                                     &error),
              path, error.text);
        free(logits);
        return;
    }
    /* PyTorch calls them layers.0.weight because the nn.Sequential is called layers there. */
    j->large = make_net(j->context, TEACHER);
    check(kd_import_weights(j->large, "layers.", path, NULL, &error), path, error.text);
    check(kd_teacher_from_net(j->large, &j->teacher, &error), path, error.text);
}

static void run_epoch(job *j, kd_distiller *distiller, uint32_t epoch, kd_report *sum)
{
    for (size_t begin = 0; begin < j->n; begin += BATCH) {
        kd_report report = KD_REPORT_INIT;
        kd_batch batch = KD_BATCH_INIT;
        batch.n = j->n - begin < BATCH ? j->n - begin : BATCH;
        batch.x = j->x + begin * INPUTS;
        batch.ids = j->ids + begin;
        batch.epoch = epoch;
        check(kd_distill_step(distiller, &batch, &report), "step", kd_distiller_error(distiller));
        kd_report_merge(sum, &report, NULL);
    }
}

/* From soft targets alone: no labels. */
static void distil(job *j)
{
    kd_error error = KD_ERROR_INIT;
    kd_report sum = KD_REPORT_INIT;
    kd_optimizer_options adam = KD_OPTIMIZER_OPTIONS_INIT;
    adam.kind = KD_ADAM;
    adam.rate = 0.01f;
    kd_distiller_options options = KD_DISTILLER_OPTIONS_INIT;
    options.batch = BATCH;
    options.temperature = 4.0f;
    options.hard_weight = 0.0f;
    options.optimizer = &adam;
    kd_distiller *distiller;
    j->student = make_net(j->context, STUDENT);
    check(kd_distiller_create(j->student, j->teacher, &options, &distiller, &error), "distiller",
          error.text);
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        sum = (kd_report)KD_REPORT_INIT;
        run_epoch(j, distiller, epoch, &sum);
    }
    printf("last epoch: KL to the teacher %.5f, agreement %.3f\n", sum.kl, sum.agreement);
    kd_distiller_destroy(distiller);
}

/* Its logits for every row of x. */
static void save_logits(const job *j, kd_net *net, const char *path)
{
    kd_error error = KD_ERROR_INIT;
    kd_workspace_options options = KD_WORKSPACE_OPTIONS_INIT;
    options.batch = j->n;
    kd_workspace *workspace;
    float *logits = malloc(j->n * CLASSES * sizeof *logits);
    if (!logits) {
        stop(path, "out of memory");
    }
    check(kd_workspace_create(net, &options, &workspace, &error), path, error.text);
    check(kd_net_infer(workspace, j->x, j->n, 0, logits, 0), path, kd_workspace_error(workspace));
    check(kd_save_npy(logits, j->n, CLASSES, 0, path, NULL, &error), path, error.text);
    kd_workspace_destroy(workspace);
    free(logits);
}

static const char *in_folder(const char *folder, const char *name)
{
    static char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path) {
        stop(folder, "the path is too long");
    }
    return path;
}

static void save(const job *j, const char *folder)
{
    kd_error error = KD_ERROR_INIT;
    check(kd_save_net(j->student, in_folder(folder, "student.safetensors"), NULL, &error), folder,
          error.text);
    save_logits(j, j->student, in_folder(folder, "student_logits.npy"));
    if (j->large) { /* as imported: the same bits as in Python's file, and the same logits */
        check(kd_export_weights(j->large, "layers.", in_folder(folder, "teacher_again.safetensors"),
                                NULL, &error),
              folder, error.text);
        save_logits(j, j->large, in_folder(folder, "teacher_logits.npy"));
    }
}

int main(int argc, char **argv)
{
    kd_error error = KD_ERROR_INIT;
    job j = {0};
    if (argc != 4) {
        fputs("usage: distil X.npy TEACHER.safetensors|TEACHER.npy FOLDER\n", stderr);
        return 2;
    }
    check(kd_context_create(NULL, &j.context, &error), "context", error.text);
    j.x = load_matrix(argv[1], INPUTS, &j.n);
    j.ids = malloc(j.n * sizeof *j.ids);
    for (size_t i = 0; j.ids && i < j.n; i++) {
        j.ids[i] = i;
    }
    if (!j.ids) {
        stop(argv[1], "out of memory");
    }
    load_teacher(&j, argv[2]);
    distil(&j);
    save(&j, argv[3]);
    kd_teacher_destroy(j.teacher);
    kd_net_destroy(j.student);
    kd_net_destroy(j.large);
    kd_context_destroy(j.context);
    free(j.ids);
    free(j.x);
    return 0;
}
