/* SPDX-License-Identifier: MIT */
/*
 * kd-cache: records a teacher over a transfer set, looks into recordings, checks them, and says
 * what an encoding loses. Inputs and logits are .npy files, nets are safetensors; the row of a
 * case is its id.
 */
#include "cache_options.h"

#include "../common/progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 256 };

static bool say(const char *what, const char *why)
{
    fprintf(stderr, "kd-cache: %s: %s\n", what, why);
    return false;
}

/* ---- matrices ---- */

typedef struct matrix {
    float *values;
    size_t rows, columns;
} matrix;

static bool load_matrix(const char *path, matrix *out)
{
    kd_error error = KD_ERROR_INIT;
    kd_npy_info info = KD_NPY_INFO_INIT;
    *out = (matrix){0};
    if (kd_load_npy(path, NULL, NULL, 0, &info, &error) != KD_OK) {
        return say("matrix", error.text);
    }
    if (info.rows == 0 || info.columns == 0) {
        return say(path, "it has no rows, or they are empty");
    }
    *out = (matrix){calloc(info.rows * info.columns, sizeof(float)), info.rows, info.columns};
    if (!out->values) {
        return say(path, "out of memory");
    }
    if (kd_load_npy(path, NULL, out->values, info.rows * info.columns, NULL, &error) != KD_OK) {
        return say("matrix", error.text);
    }
    return true;
}

/* ---- teachers ---- */

typedef struct source {
    kd_context *context;
    kd_teacher *teacher; /* of the nets; NULL: the data are logits */
    kd_teacher_workspace *ask;
    matrix data;
} source;

static bool open_net(source *s, const char *path, kd_teacher **out)
{
    kd_error error = KD_ERROR_INIT;
    kd_net *net = NULL;
    kd_net_info info = KD_NET_INFO_INIT;
    bool good = kd_load_net(s->context, path, NULL, &net, &error) == KD_OK &&
                kd_net_get_info(net, &info, &error) == KD_OK &&
                kd_teacher_from_net(net, out, &error) == KD_OK;
    kd_net_destroy(net);
    if (good && info.inputs != s->data.columns) {
        fprintf(stderr, "kd-cache: %s takes %zu inputs, but the data have %zu columns\n", path,
                info.inputs, s->data.columns);
        return false;
    }
    return good || say("teacher", error.text);
}

static bool open_teacher(source *s, const options *o)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *members[MOST_TEACHERS] = {NULL};
    bool good = true;
    for (size_t i = 0; good && i < o->n_teachers; i++) {
        good = open_net(s, o->teachers[i], &members[i]);
    }
    if (good && (kd_teacher_from_ensemble(members, o->n_teachers, NULL, o->mean, &s->teacher,
                                          &error) != KD_OK ||
                 kd_teacher_workspace_create(s->teacher, PIECE, &s->ask, &error) != KD_OK)) {
        good = say("teacher", error.text);
    }
    for (size_t i = 0; i < o->n_teachers; i++) {
        kd_teacher_destroy(members[i]);
    }
    return good;
}

static bool open_context(const options *o, kd_context **out)
{
    kd_error error = KD_ERROR_INIT;
    kd_context_options c = KD_CONTEXT_OPTIONS_INIT;
    c.threads = o->threads;
    return (kd_blas_set_single(NULL, NULL, &error) == KD_OK &&
            kd_context_create(&c, out, &error) == KD_OK) ||
           say("context", error.text);
}

static bool open_source(source *s, const options *o)
{
    return open_context(o, &s->context) && load_matrix(o->data, &s->data) &&
           (o->n_teachers == 0 || open_teacher(s, o));
}

static void close_source(source *s)
{
    kd_teacher_workspace_destroy(s->ask);
    kd_teacher_destroy(s->teacher);
    kd_context_destroy(s->context);
    free(s->data.values);
}

/* What is said of n cases from `first` on. */
static bool ask(source *s, const options *o, size_t first, size_t n, kd_targets *out)
{
    kd_error error = KD_ERROR_INIT;
    const float *rows = s->data.values + first * s->data.columns;
    *out = (kd_targets)KD_TARGETS_INIT;
    if (!s->teacher) {
        out->kind = KD_TARGET_LOGITS;
        out->values = rows;
        out->k = s->data.columns;
        return true;
    }
    kd_batch batch = KD_BATCH_INIT;
    batch.n = n;
    batch.x = rows;
    batch.x_stride = s->data.columns;
    float temperature = o->temperature > 0.0f ? o->temperature : 1.0f;
    return kd_teacher_targets(s->ask, &batch, temperature, out, &error) == KD_OK ||
           say("teacher", error.text);
}

/* ---- recording ---- */

static bool describe(source *s, const options *o, kd_cache_options *out)
{
    kd_error error = KD_ERROR_INIT;
    kd_targets first;
    *out = (kd_cache_options)KD_CACHE_OPTIONS_INIT;
    if (!ask(s, o, 0, 1, &first)) {
        return false;
    }
    if (s->teacher && kd_teacher_hash(s->teacher, &out->teacher_hash, &error) != KD_OK) {
        return say("teacher", error.text);
    }
    bool tempered = first.kind == KD_TARGET_PROBABILITIES || o->encoding == KD_CACHE_TOPK;
    out->k = first.k;
    out->kind = first.kind;
    out->encoding = o->encoding;
    out->top = o->encoding == KD_CACHE_TOPK ? o->top : 0;
    out->temperature = tempered ? o->temperature : 0.0f;
    out->data_hash =
        kd_hash(0, s->data.values, s->data.rows * s->data.columns * sizeof *s->data.values);
    return true;
}

static bool append(source *s, const options *o, kd_cache *cache, progress *bar)
{
    uint64_t ids[PIECE];
    kd_cache_info info = KD_CACHE_INFO_INIT;
    if (kd_cache_get_info(cache, &info, NULL) != KD_OK) {
        return false;
    }
    for (size_t begin = (size_t)info.cases; begin < s->data.rows; begin += PIECE) {
        size_t n = s->data.rows - begin < PIECE ? s->data.rows - begin : PIECE;
        kd_targets targets;
        for (size_t i = 0; i < n; i++) {
            ids[i] = begin + i;
        }
        if (!ask(s, o, begin, n, &targets)) {
            return false;
        }
        if (kd_cache_append(cache, ids, &targets, n) != KD_OK) {
            return say("recording", kd_cache_error(cache));
        }
        progress_update(bar, begin + n, "");
    }
    return kd_cache_finish(cache) == KD_OK || say("recording", kd_cache_error(cache));
}

static void print_info(const char *path, const kd_cache_info *i)
{
    static const char *const encodings[] = {"f32", "f16", "topk"};
    static const char *const kinds[] = {"logits", "probabilities", "log-probabilities",
                                        "top logits and the rest's sum"};
    printf("%s\n", path);
    printf("  cases         %" PRIu64 "%s\n", i->cases,
           i->finished ? "" : ", not finished: no teacher is made of it yet");
    if (i->torn_bytes > 0) {
        printf("  torn          %" PRIu64 " bytes behind them; opening it again cuts them off\n",
               i->torn_bytes);
    }
    printf("  classes       %zu\n", i->k);
    printf("  targets       %s", kinds[i->kind - 1]);
    printf(i->temperature > 0.0f ? " at T = %g\n" : "\n", (double)i->temperature);
    printf("  encoding      %s", encodings[i->encoding - 1]);
    printf(i->top > 0 ? ", %zu classes of each case\n" : "\n", i->top);
    printf("  bytes a case  %" PRIu64 "\n", i->case_bytes);
    printf("  teacher       %016" PRIx64 "\n", i->teacher_hash);
    printf("  data          %016" PRIx64 "\n", i->data_hash);
}

static bool inspect(const char *path, bool must_be_finished)
{
    kd_error error = KD_ERROR_INIT;
    kd_cache_info info = KD_CACHE_INFO_INIT;
    if (kd_cache_verify(path, &info, &error) != KD_OK) {
        return say("recording", error.text);
    }
    print_info(path, &info);
    if (must_be_finished && !info.finished) {
        return say(path, "every case is sound, but the recording is not finished");
    }
    return true;
}

static bool record(const options *o)
{
    source s = {0};
    kd_cache_options described;
    kd_cache *cache = NULL;
    kd_error error = KD_ERROR_INIT;
    progress bar;
    bool good = open_source(&s, o) && describe(&s, o, &described);
    if (good && kd_cache_open(s.context, o->file, &described, &cache, &error) != KD_OK) {
        good = say("recording", error.text);
    }
    progress_begin(&bar, "record", s.data.rows);
    good = good && append(&s, o, cache, &bar);
    progress_end(&bar);
    kd_cache_destroy(cache);
    close_source(&s);
    return good && inspect(o->file, true);
}

/* ---- what an encoding loses ---- */

/* The distribution that targets mean for row i, with a bucket shared out alike; p [k] in double. */
static void read_row(const kd_targets *t, size_t i, double temperature, double *p)
{
    size_t k = t->k;
    size_t stride = t->stride ? t->stride : t->kind == KD_TARGET_TOPK ? t->top : k;
    const float *v = t->values + i * stride;
    bool topk = t->kind == KD_TARGET_TOPK;
    size_t rest = topk ? k - t->top : 0;
    double alike = rest ? (double)t->tail[i] - log((double)rest) : 0.0;
    double most = -HUGE_VAL;
    double sum = 0.0;
    for (size_t c = 0; c < k; c++) {
        p[c] = topk ? alike : (double)v[c] / temperature;
    }
    for (size_t c = 0; topk && c < t->top; c++) {
        p[t->topk_index[i * t->top + c]] = (double)v[c] / temperature;
    }
    for (size_t c = 0; c < k; c++) {
        most = p[c] > most ? p[c] : most;
    }
    for (size_t c = 0; c < k; c++) {
        p[c] = exp(p[c] - most);
        sum += p[c];
    }
    for (size_t c = 0; c < k; c++) {
        p[c] /= sum;
    }
}

static double divergence(const double *p, const double *q, size_t k)
{
    double sum = 0.0;
    for (size_t c = 0; c < k; c++) {
        sum += p[c] > 0.0 ? p[c] * log(p[c] / q[c]) : 0.0;
    }
    return sum > 0.0 ? sum : 0.0;
}

static bool open_recording(kd_context *context, const char *path, kd_cache_info *info,
                           kd_teacher **teacher, kd_teacher_workspace **ask)
{
    kd_error error = KD_ERROR_INIT;
    *info = (kd_cache_info)KD_CACHE_INFO_INIT;
    bool good = kd_cache_verify(path, info, &error) == KD_OK &&
                kd_teacher_from_cache(context, path, NULL, teacher, &error) == KD_OK &&
                kd_teacher_workspace_create(*teacher, 1, ask, &error) == KD_OK;
    if (good && info->kind != KD_TARGET_LOGITS && info->kind != KD_TARGET_TOPK) {
        return say(path, "only recordings of logits can be compared");
    }
    return good || say("recording", error.text);
}

static bool compare_cases(kd_teacher_workspace *ask[2], size_t k, uint64_t cases, float temperature)
{
    kd_error error = KD_ERROR_INIT;
    double *p = calloc(2 * k, sizeof *p);
    double sum = 0.0;
    double largest = 0.0;
    bool good = p || say("compare", "out of memory");
    for (uint64_t id = 0; good && id < cases; id++) {
        kd_batch batch = KD_BATCH_INIT;
        batch.n = 1;
        batch.ids = &id;
        for (int side = 0; good && side < 2; side++) {
            kd_targets t = KD_TARGETS_INIT;
            good = kd_teacher_targets(ask[side], &batch, temperature, &t, &error) == KD_OK ||
                   say("compare", error.text);
            if (good) {
                read_row(&t, 0, (double)temperature, p + (size_t)side * k);
            }
        }
        double one = good ? divergence(p, p + k, k) : 0.0;
        sum += one;
        largest = one > largest ? one : largest;
    }
    free(p);
    if (good) {
        printf("KL at T = %g over %" PRIu64 " cases: mean %.3g, largest %.3g nats\n",
               (double)temperature, cases, sum / (double)cases, largest);
    }
    return good;
}

/* That at which both are compared: a topk recording serves its own alone. 0 after a message. */
static float find_temperature(const options *o, const kd_cache_info info[2])
{
    float temperature = o->temperature;
    for (int side = 0; side < 2; side++) {
        temperature = temperature > 0.0f ? temperature : info[side].temperature;
    }
    for (int side = 0; side < 2; side++) {
        if (info[side].temperature > 0.0f && info[side].temperature != temperature) {
            fprintf(stderr, "kd-cache: %s serves T = %g alone, not %g\n", side ? o->other : o->file,
                    (double)info[side].temperature, (double)temperature);
            return 0.0f;
        }
    }
    return temperature > 0.0f ? temperature : 1.0f;
}

static bool compare(const options *o)
{
    kd_context *context = NULL;
    kd_cache_info info[2];
    kd_teacher *teacher[2] = {NULL, NULL};
    kd_teacher_workspace *ask[2] = {NULL, NULL};
    const char *const paths[2] = {o->file, o->other};
    bool good = open_context(o, &context);
    for (int side = 0; good && side < 2; side++) {
        good = open_recording(context, paths[side], &info[side], &teacher[side], &ask[side]);
    }
    if (good && (info[0].k != info[1].k || info[0].cases != info[1].cases ||
                 info[0].data_hash != info[1].data_hash)) {
        good = say(o->other, "of other data, or another number of classes or cases");
    }
    float temperature = good ? find_temperature(o, info) : 0.0f;
    good = temperature > 0.0f && compare_cases(ask, info[0].k, info[0].cases, temperature);
    for (int side = 0; side < 2; side++) {
        kd_teacher_workspace_destroy(ask[side]);
        kd_teacher_destroy(teacher[side]);
    }
    kd_context_destroy(context);
    return good;
}

int main(int argc, char **argv)
{
    options o;
    int code;
    bool good;
    if (!options_read(&o, argc, argv, &code)) {
        return code;
    }
    switch (o.command) {
    case COMMAND_RECORD:
        good = record(&o);
        break;
    case COMMAND_COMPARE:
        good = compare(&o);
        break;
    default:
        good = inspect(o.file, o.command == COMMAND_VERIFY);
    }
    return good ? 0 : 1;
}
