/* SPDX-License-Identifier: MIT */
/* See recording.h. */
#define _XOPEN_SOURCE 700
#include "recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

support_memory recording_memory;
kd_context *recording_context;

static char folder[64];
static char path[80];

/* ---- the file ---- */

static void begin_in(const char *where)
{
    snprintf(folder, sizeof folder, "%s/kd-cache-XXXXXX", where);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    snprintf(path, sizeof path, "%s/a", folder);
    recording_context = support_context(&recording_memory);
}

void recording_begin(void)
{
    begin_in(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

void recording_begin_on_disk(void)
{
    begin_in("/tmp");
}

void recording_end(void)
{
    recording_remove();
    assert_int_equal(rmdir(folder), 0);
    kd_context_destroy(recording_context);
    support_all_returned(&recording_memory);
}

const char *recording_path(void)
{
    return path;
}

const char *recording_folder(void)
{
    return folder;
}

void recording_remove(void)
{
    (void)unlink(path);
}

void recording_put(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

unsigned char *recording_get(size_t *out_size)
{
    struct stat s;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &s), 0);
    *out_size = (size_t)s.st_size;
    unsigned char *bytes = malloc(*out_size ? *out_size : 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *out_size, file), *out_size);
    fclose(file);
    return bytes;
}

void recording_is(const char *what, const void *bytes, size_t size)
{
    size_t there;
    unsigned char *found = recording_get(&there);
    if (there != size) {
        fail_msg("%s: the file has %zu bytes, not %zu", what, there, size);
    }
    support_same_bits(what, found, bytes, size);
    free(found);
}

/* ---- numbers ---- */

uint32_t recording_crc(uint32_t before, const unsigned char *bytes, size_t size)
{
    uint32_t crc = ~before;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
        }
    }
    return ~crc;
}

void recording_store(unsigned char *at, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

uint64_t recording_load(const unsigned char *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

void recording_store_float(unsigned char *at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    recording_store(at, 4, bits);
}

void recording_fix_header(unsigned char *file)
{
    recording_store(file + 76, 4, recording_crc(0, file, 76));
}

void recording_fix_case(unsigned char *at, size_t size)
{
    recording_store(at + size - 4, 4, recording_crc(0, at, size - 4));
}

void recording_fix_seal(unsigned char *file, size_t size, size_t bytes_of_case)
{
    unsigned char *seal = file + size - SEAL;
    uint32_t start = (uint32_t)recording_load(file + 76, 4);
    uint32_t all = start;
    for (unsigned char *end = file + HEADER + bytes_of_case; end <= seal; end += bytes_of_case) {
        all = recording_crc(all, end - 4, 4);
    }
    recording_store(seal + 16, 4, all);
    recording_store(seal + 20, 4, recording_crc(start, seal, 20));
}

/* ---- forms ---- */

const recording_form recording_forms[RECORDING_FORMS] = {
    {"f32 logits", KD_CACHE_F32, KD_TARGET_LOGITS, 10, 0, 0, 12 + 40},
    {"f32 one class", KD_CACHE_F32, KD_TARGET_LOGITS, 1, 0, 0, 16},
    {"f32 as large as a seal", KD_CACHE_F32, KD_TARGET_LOGITS, 3, 0, 0, 24},
    {"f32 probabilities", KD_CACHE_F32, KD_TARGET_PROBABILITIES, 7, 0, 3, 12 + 28},
    {"f32 log-probabilities", KD_CACHE_F32, KD_TARGET_LOG_PROBABILITIES, 7, 0, 2, 12 + 28},
    {"f32 above every buffer", KD_CACHE_F32, KD_TARGET_LOGITS, 5001, 0, 0, 12 + 20004},
    {"f16 logits", KD_CACHE_F16, KD_TARGET_LOGITS, 10, 0, 0, 16 + 20},
    {"f16 as large as a seal", KD_CACHE_F16, KD_TARGET_LOGITS, 4, 0, 0, 24},
    {"top 3 of logits", KD_CACHE_TOPK, KD_TARGET_LOGITS, 10, 3, 2, 20 + 3 * 4},
    {"top 3 of the top 3", KD_CACHE_TOPK, KD_TARGET_TOPK, 10, 3, 20, 20 + 3 * 4},
    {"top of 65,537", KD_CACHE_TOPK, KD_TARGET_TOPK, 65537, 2, 1, 20 + 2 * 6},
    {"top all", KD_CACHE_TOPK, KD_TARGET_LOGITS, 4, 4, 5, 20 + 4 * 4},
};

kd_cache_options recording_options(const recording_form *form)
{
    kd_cache_options o = KD_CACHE_OPTIONS_INIT;
    o.k = form->k;
    o.encoding = form->encoding;
    o.kind = form->kind;
    o.top = form->top;
    o.temperature = form->temperature;
    o.teacher_hash = 0x1122334455667788;
    o.data_hash = 0x99aabbccddeeff00;
    return o;
}

recording_data recording_fill(const recording_form *form, uint64_t seed, size_t n)
{
    bool topk = form->kind == KD_TARGET_TOPK;
    size_t width = topk ? form->top : form->k;
    recording_data d = {.n = n};
    assert_true(n <= COUNT(d.ids));
    d.values = calloc(n * width, sizeof *d.values);
    d.index = calloc(n * width, sizeof *d.index);
    assert_true(d.values && d.index);
    support_normals(&seed, d.values, n * width, 4);
    for (size_t i = 0; i < n; i++) {
        d.ids[i] = i == 1 ? 0 : i == 2 ? UINT64_MAX : support_next(&seed);
        for (size_t j = 0; topk && j < width; j++) { /* ascending: each from its own stretch */
            size_t room = form->k / width;
            d.index[i * width + j] = (uint32_t)(j * room + support_below(&seed, room));
        }
        d.tail[i] = i == 3 ? -INFINITY : (float)support_normal(&seed);
        if (i == 4 && width > 1 && form->encoding != KD_CACHE_TOPK) {
            d.values[i * width + 1] = -INFINITY;
        }
    }
    float t0 = form->temperature;
    if (form->kind == KD_TARGET_PROBABILITIES) {
        assert_int_equal(kd_softmax(d.values, n, width, 0, t0, d.values, 0, NULL), KD_OK);
    } else if (form->kind == KD_TARGET_LOG_PROBABILITIES) {
        assert_int_equal(kd_log_softmax(d.values, n, width, 0, t0, d.values, 0, NULL), KD_OK);
    }
    d.targets = (kd_targets)KD_TARGETS_INIT;
    d.targets.kind = form->kind;
    d.targets.temperature = t0;
    d.targets.k = form->k;
    d.targets.top = topk ? form->top : 0;
    return d;
}

void recording_drop(recording_data *data)
{
    free(data->values);
    free(data->index);
}

kd_targets recording_rows(const recording_data *data, size_t begin)
{
    kd_targets t = data->targets;
    bool topk = t.kind == KD_TARGET_TOPK;
    size_t width = topk ? t.top : t.k;
    t.values = data->values + begin * width;
    t.topk_index = topk ? data->index + begin * width : NULL;
    t.tail = topk ? data->tail + begin : NULL;
    return t;
}

/* ---- recording ---- */

kd_cache *recording_open(const recording_form *form)
{
    kd_cache_options o = recording_options(form);
    kd_error error = KD_ERROR_INIT;
    kd_cache *cache;
    support_ok(kd_cache_open(recording_context, path, &o, &cache, &error), error.text);
    return cache;
}

void recording_append(kd_cache *cache, const recording_data *data, size_t begin, size_t n)
{
    kd_targets t = recording_rows(data, begin);
    support_ok(kd_cache_append(cache, data->ids + begin, &t, n), kd_cache_error(cache));
}

void recording_finish(kd_cache *cache)
{
    support_ok(kd_cache_finish(cache), kd_cache_error(cache));
    kd_cache_destroy(cache);
}

kd_cache_info recording_info(const kd_cache *cache)
{
    kd_cache_info info = KD_CACHE_INFO_INIT;
    kd_error error = KD_ERROR_INIT;
    support_ok(kd_cache_get_info(cache, &info, &error), error.text);
    return info;
}

kd_cache_info recording_verify(void)
{
    kd_cache_info info = KD_CACHE_INFO_INIT;
    kd_error error = KD_ERROR_INIT;
    support_ok(kd_cache_verify(path, &info, &error), error.text);
    return info;
}

void recording_make(const recording_form *form, const recording_data *data)
{
    recording_remove();
    kd_cache *cache = recording_open(form);
    recording_append(cache, data, 0, data->n);
    recording_finish(cache);
}

kd_teacher *recording_teacher(void)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher;
    support_ok(kd_teacher_from_cache(recording_context, path, NULL, &teacher, &error), error.text);
    return teacher;
}

kd_status recording_try(const recording_form *form, const recording_data *data, kd_error *error)
{
    kd_cache_options o = recording_options(form);
    kd_cache *cache;
    kd_status status = kd_cache_open(recording_context, path, &o, &cache, error);
    if (status != KD_OK) {
        return status;
    }
    size_t begin = (size_t)recording_info(cache).cases, end = data->n;
    for (size_t n = (end - begin + 1) / 2; status == KD_OK && begin < end;
         begin += n, n = end - begin) {
        kd_targets t = recording_rows(data, begin);
        status = kd_cache_append(cache, data->ids + begin, &t, n);
        assert_int_equal(recording_info(cache).cases, status ? begin : begin + n);
    }
    status = status ? status : kd_cache_finish(cache);
    snprintf(error->text, sizeof error->text, "%s", kd_cache_error(cache));
    error->status = status;
    kd_cache_destroy(cache);
    return status;
}

kd_status recording_try_teacher(const recording_data *data, kd_error *error)
{
    kd_teacher *teacher;
    kd_teacher_workspace *ws = NULL;
    kd_batch batch = KD_BATCH_INIT;
    kd_targets got = KD_TARGETS_INIT;
    kd_status status = kd_teacher_from_cache(recording_context, path, NULL, &teacher, error);
    status = status ? status : kd_teacher_workspace_create(teacher, data->n, &ws, error);
    batch.n = data->n;
    batch.ids = data->ids;
    status = status ? status : kd_teacher_targets(ws, &batch, 2, &got, error);
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(teacher);
    return status;
}

/* ---- what comes back ---- */

/* Half precision of a difference to the largest, and the float that their sum is rounded to. */
static void near_row(const char *name, const float *got, const float *due, size_t n)
{
    double most = (double)-INFINITY;
    for (size_t j = 0; j < n; j++) {
        most = (double)due[j] > most ? (double)due[j] : most;
    }
    for (size_t j = 0; j < n; j++) {
        double difference = (double)due[j] - most;
        double bound = 0x1.01p-11 * fabs(difference) + 0x1p-25 + 0x1p-23 * fabs(most);
        if (due[j] == -INFINITY ? got[j] != due[j]
                                : !(fabs((double)got[j] - (double)due[j]) <= bound)) {
            fail_msg("%s: value %zu is %g, not %g", name, j, (double)got[j], (double)due[j]);
        }
        if ((double)due[j] == most) {
            assert_true(got[j] == due[j]); /* the largest, exactly */
        }
    }
}

/* ln of the sum of exp(v/T0) over the classes that are not among `index`. */
static double tail_of(const float *v, size_t k, const uint32_t *index, size_t top, double t0)
{
    double sum = 0;
    for (size_t j = 0; j < k; j++) {
        bool given = false;
        for (size_t i = 0; i < top; i++) {
            given = given || index[i] == j;
        }
        sum += given ? 0 : exp((double)v[j] / t0);
    }
    return log(sum);
}

/* Where class j of a row ranks: how many come before it. */
static size_t rank_of(const float *v, size_t k, size_t j)
{
    size_t before = 0;
    for (size_t i = 0; i < k; i++) {
        before += v[i] > v[j] || (v[i] == v[j] && i < j);
    }
    return before;
}

static void check_top(const recording_form *form, const recording_data *data, size_t row,
                      const kd_targets *got, size_t at)
{
    float due[8];
    const uint32_t *index = got->topk_index + at * form->top;
    bool given = form->kind == KD_TARGET_TOPK;
    double tail;
    for (size_t j = 0; j < form->top; j++) {
        assert_true(index[j] < form->k && (j == 0 || index[j] > index[j - 1]));
        if (given) {
            assert_int_equal(index[j], data->index[row * form->top + j]);
            due[j] = data->values[row * form->top + j];
        } else {
            due[j] = data->values[row * form->k + index[j]];
            assert_true(rank_of(data->values + row * form->k, form->k, index[j]) < form->top);
        }
    }
    near_row(form->name, got->values + at * form->top, due, form->top);
    tail = given ? (double)data->tail[row]
                 : tail_of(data->values + row * form->k, form->k, index, form->top,
                           (double)form->temperature);
    if (tail == (double)-INFINITY) {
        assert_true(got->tail[at] == -INFINITY);
    } else {
        support_near(form->name, (double)got->tail[at], tail, 1e-6 * (fabs(tail) + 4));
    }
}

void recording_check(const recording_form *form, const recording_data *data, size_t begin, size_t n)
{
    kd_teacher *teacher = recording_teacher();
    kd_error error = KD_ERROR_INIT;
    kd_teacher_workspace *ws;
    kd_targets got = KD_TARGETS_INIT;
    kd_batch batch = KD_BATCH_INIT;
    uint64_t ids[64];
    bool topk = form->encoding == KD_CACHE_TOPK;
    for (size_t i = 0; i < n; i++) {
        ids[i] = data->ids[begin + n - 1 - i];
    }
    batch.n = n;
    batch.ids = ids;
    support_ok(kd_teacher_workspace_create(teacher, n, &ws, &error), error.text);
    support_ok(kd_teacher_targets(ws, &batch, 9, &got, &error), error.text);
    assert_int_equal(got.kind, topk ? KD_TARGET_TOPK : form->kind);
    assert_int_equal(got.k, form->k);
    assert_int_equal(got.top, form->top);
    assert_true(got.temperature == form->temperature);
    for (size_t i = 0; i < n; i++) {
        size_t row = begin + n - 1 - i;
        if (topk) {
            check_top(form, data, row, &got, i);
        } else if (form->encoding == KD_CACHE_F32) {
            support_same_bits(form->name, got.values + i * form->k, data->values + row * form->k,
                              form->k * sizeof(float));
        } else {
            near_row(form->name, got.values + i * form->k, data->values + row * form->k, form->k);
        }
    }
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(teacher);
}
