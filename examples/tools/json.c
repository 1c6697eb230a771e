/* SPDX-License-Identifier: MIT */
/* What kd-inspect says to machines: one JSON object. */
#include "inspect.h"

#include <stdio.h>

static void put_numbers(cJSON *object, const numbers *all)
{
    cJSON_AddNumberToObject(object, "count", (double)all->count);
    cJSON_AddNumberToObject(object, "min", all->min); /* null if nothing is finite */
    cJSON_AddNumberToObject(object, "max", all->max);
    cJSON_AddNumberToObject(object, "mean", all->mean);
    cJSON_AddNumberToObject(object, "sd", all->sd);
    cJSON_AddNumberToObject(object, "sum", all->sum);
}

static void put_shape(cJSON *object, size_t rows, size_t columns, bool vector)
{
    cJSON *shape = cJSON_AddArrayToObject(object, "shape");
    cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)rows));
    if (!vector) {
        cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)columns));
    }
}

static void put_nodes(cJSON *object, kd_net *net, size_t count)
{
    static const char *const names[] = {"unknown", "dense", "relu", "dropout"};
    cJSON *list = cJSON_AddArrayToObject(object, "layers");
    for (size_t i = 0; i < count; i++) {
        kd_node node = KD_NODE_INIT;
        kd_net_get_node(net, i, &node, NULL);
        bool known = node.kind >= KD_NODE_DENSE && node.kind <= KD_NODE_DROPOUT;
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "kind", names[known ? node.kind : 0]);
        cJSON_AddNumberToObject(entry, "inputs", (double)node.inputs);
        cJSON_AddNumberToObject(entry, "outputs", (double)node.outputs);
        if (node.kind == KD_NODE_DROPOUT) {
            cJSON_AddNumberToObject(entry, "rate", (double)node.rate);
        }
        cJSON_AddItemToArray(list, entry);
    }
}

static void put_params(cJSON *object, kd_net *net, size_t count)
{
    cJSON *list = cJSON_AddArrayToObject(object, "parameters");
    for (size_t i = 0; i < count; i++) {
        kd_param param = KD_PARAM_INIT;
        kd_net_get_param(net, i, &param);
        numbers all = measure(param.values, param.rows * param.columns);
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "name", param.name);
        put_shape(entry, param.rows, param.columns, is_bias(&param));
        put_numbers(entry, &all);
        cJSON_AddItemToArray(list, entry);
    }
}

static void put_row(cJSON *object, const char *name, const float *values, size_t count)
{
    cJSON *list = cJSON_AddArrayToObject(object, name);
    for (size_t i = 0; i < count; i++) {
        cJSON_AddItemToArray(list, cJSON_CreateNumber((double)values[i]));
    }
}

static void put_sample(cJSON *object, const settings *s, const sample *one)
{
    cJSON *entry = cJSON_AddObjectToObject(object, "sample");
    cJSON_AddStringToObject(entry, "file", s->sample);
    cJSON_AddNumberToObject(entry, "row", (double)s->row);
    cJSON_AddNumberToObject(entry, "temperature", (double)s->temperature);
    put_row(entry, "logits", one->logits, one->k);
    put_row(entry, "softmax", one->plain, one->k);
    put_row(entry, "soft_targets", one->soft, one->k);
}

bool json_print(cJSON *object)
{
    char *text = cJSON_Print(object);
    cJSON_Delete(object);
    if (text) {
        puts(text);
        cJSON_free(text);
    }
    return text != NULL;
}

bool json_net(const settings *s, kd_net *net, const cJSON *metadata, const sample *one)
{
    kd_net_info info = KD_NET_INFO_INIT;
    kd_net_get_info(net, &info, NULL);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "file", s->path);
    cJSON_AddStringToObject(object, "kind", metadata_get(metadata, "kd.sort"));
    cJSON_AddNumberToObject(object, "inputs", (double)info.inputs);
    cJSON_AddNumberToObject(object, "outputs", (double)info.outputs);
    cJSON_AddNumberToObject(object, "values", (double)info.values);
    put_nodes(object, net, info.nodes);
    put_params(object, net, info.params);
    cJSON_AddItemToObject(object, "metadata", cJSON_Duplicate(metadata, true));
    if (one) {
        put_sample(object, s, one);
    }
    return json_print(object);
}

bool json_matrix(const settings *s, const kd_npy_info *info, const numbers *all)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "file", s->path);
    cJSON_AddStringToObject(object, "kind", "npy");
    put_shape(object, info->rows, info->columns, info->rank == 1);
    cJSON_AddNumberToObject(object, "bits", info->bits);
    put_numbers(object, all);
    cJSON_AddNumberToObject(object, "nan", (double)all->nan);
    cJSON_AddNumberToObject(object, "infinite", (double)all->infinite);
    return json_print(object);
}
