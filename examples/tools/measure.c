/* SPDX-License-Identifier: MIT */
/* Numbers of arrays, .npy files, and what a net says of a sample. */
#include "inspect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

numbers measure(const float *values, size_t count)
{
    numbers out = {.count = count, .min = HUGE_VAL, .max = -HUGE_VAL};
    double squares = 0.0;
    for (size_t i = 0; i < count; i++) {
        double value = (double)values[i];
        if (isfinite(value)) {
            out.min = value < out.min ? value : out.min;
            out.max = value > out.max ? value : out.max;
            out.sum += value;
        } else {
            *(isnan(value) ? &out.nan : &out.infinite) += 1;
        }
    }
    double finite = (double)(count - out.nan - out.infinite); /* 0: mean and sd are NaN */
    out.mean = out.sum / finite;
    for (size_t i = 0; i < count; i++) {
        double off = (double)values[i] - out.mean;
        squares += isfinite(off) ? off * off : 0.0;
    }
    out.sd = sqrt(squares / finite);
    return out;
}

bool is_bias(const kd_param *param)
{
    const char *ending = strrchr(param->name, '.');
    return ending && strcmp(ending, ".bias") == 0;
}

float *load_matrix(const char *path, kd_npy_info *out_info)
{
    kd_error error = KD_ERROR_INIT;
    *out_info = (kd_npy_info)KD_NPY_INFO_INIT;
    if (kd_load_npy(path, NULL, NULL, 0, out_info, &error) != KD_OK) {
        complain(path, error.text);
        return NULL;
    }
    /* No more than the file is large: libkd has held the shape against its size. */
    size_t floats = out_info->rows * out_info->columns;
    float *values = calloc(floats ? floats : 1, sizeof *values);
    if (!values) {
        complain(path, "out of memory");
        return NULL;
    }
    if (kd_load_npy(path, NULL, values, floats, out_info, &error) != KD_OK) {
        complain(path, error.text);
        free(values);
        return NULL;
    }
    return values;
}

/* Where a row of the right width begins; a vector is one row. NULL after a complaint. */
static const float *find_row(const float *values, const kd_npy_info *info, size_t inputs,
                             const settings *s)
{
    char why[160];
    size_t rows = info->rank == 1 ? 1 : info->rows;
    size_t columns = info->rank == 1 ? info->rows : info->columns;
    if (columns != inputs) {
        snprintf(why, sizeof why, "samples have %zu values, but the net takes %zu", columns,
                 inputs);
    } else if (s->row >= rows) {
        snprintf(why, sizeof why, "there is no row %llu: it has %zu, counted from 0",
                 (unsigned long long)s->row, rows);
    } else {
        return values + s->row * columns;
    }
    complain(s->sample, why);
    return NULL;
}

static bool run(sample *out, kd_net *net, const float *x, const settings *s)
{
    kd_error error = KD_ERROR_INIT;
    kd_workspace *workspace = NULL;
    const char *why = error.text;
    bool good = false;
    if (kd_workspace_create(net, NULL, &workspace, &error) == KD_OK) {
        good = kd_net_infer(workspace, x, 1, 0, out->logits, 0) == KD_OK;
        why = good ? why : kd_workspace_error(workspace);
    }
    good = good && kd_softmax(out->logits, 1, out->k, 0, 1.0f, out->plain, 0, &error) == KD_OK;
    good = good &&
           kd_softmax(out->logits, 1, out->k, 0, s->temperature, out->soft, 0, &error) == KD_OK;
    if (!good) {
        complain(s->sample, why);
    }
    kd_workspace_destroy(workspace);
    return good;
}

bool sample_make(sample *out, kd_net *net, const settings *s)
{
    kd_npy_info shape;
    kd_net_info info = KD_NET_INFO_INIT;
    kd_net_get_info(net, &info, NULL);
    float *values = load_matrix(s->sample, &shape);
    const float *x = values ? find_row(values, &shape, info.inputs, s) : NULL;
    out->k = info.outputs;
    out->logits = x ? calloc(3 * out->k, sizeof *out->logits) : NULL;
    bool good = out->logits || (x && complain(s->sample, "out of memory"));
    if (good) {
        out->plain = out->logits + out->k;
        out->soft = out->plain + out->k;
        good = run(out, net, x, s);
    }
    free(values);
    return good;
}

void sample_free(sample *s)
{
    free(s->logits);
}
