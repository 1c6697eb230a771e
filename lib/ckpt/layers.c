/* SPDX-License-Identifier: MIT */
/* A net's layers as one word of metadata: "dense 800; relu; dropout 32768/65536; dense 10". */
#include "ckpt/parts.h"

#include <string.h>

/* Longest text of one node. */
#define NODE 32

/* "" for the first of them. */
static void put_node(char out[NODE], const kd_node *node, size_t index)
{
    const char *between = index ? "; " : "";
    switch (node->kind) {
    case KD_NODE_DENSE:
        kdi_base_say(out, NODE, "%sdense %z", between, node->outputs);
        break;
    case KD_NODE_RELU:
        kdi_base_say(out, NODE, "%srelu", between);
        break;
    default:
        kdi_base_say(out, NODE, "%sdropout %z/65536", between, (size_t)(node->rate * 65536.0f));
    }
}

static kd_node node_of(const kd_net *net, size_t index)
{
    kd_node node = KD_NODE_INIT;
    (void)kd_net_get_node(net, index, &node, NULL);
    return node;
}

char *kdi_ckpt_put_layers(const kd_net *net, size_t *out_size)
{
    char text[NODE];
    size_t nodes = kdi_net_nodes(net);
    size_t used = 0;
    *out_size = nodes * NODE + 1; /* at most KDI_CKPT_NODES */
    char *word = kdi_ctx_new(kdi_net_context(net), *out_size);
    for (size_t i = 0; word && i < nodes; i++) {
        kd_node node = node_of(net, i);
        put_node(text, &node, i);
        size_t length = strlen(text);
        memcpy(word + used, text, length);
        used += length;
    }
    return word;
}

/* The number of a node's text behind its name, or 0. */
static size_t number_in(const char *text, size_t length, const char *name, const char *behind)
{
    char digits[NODE] = {0};
    uint64_t value;
    size_t before = strlen(name);
    size_t after = strlen(behind);
    if (length <= before + after || length >= NODE || strncmp(text, name, before) != 0 ||
        strncmp(text + length - after, behind, after) != 0) {
        return 0;
    }
    memcpy(digits, text + before, length - before - after);
    return kdi_ckpt_get_count(digits, &value) && value <= INT32_MAX ? (size_t)value : 0;
}

static kd_status get_node(kd_net *net, const char *text, size_t length, kd_error *error)
{
    size_t units = number_in(text, length, "dense ", "");
    size_t steps = number_in(text, length, "dropout ", "/65536");
    kd_status status = KD_ERR_FORMAT;
    if (length == 4 && strncmp(text, "relu", 4) == 0) {
        status = kd_net_add_relu(net);
    } else if (units > 0) {
        status = kd_net_add_dense(net, units);
    } else if ((steps > 0 && steps < 65536) ||
               (length == 15 && strncmp(text, "dropout 0/65536", 15) == 0)) {
        status = kd_net_add_dropout(net, (float)steps / 65536.0f);
    }
    if (status == KD_ERR_FORMAT) {
        return kdi_base_fail(error, status, 0, "kd.layers has no layer %z that this library knows",
                             kdi_net_nodes(net));
    }
    return status ? kdi_base_fail(error, status, 0, "%s", kd_net_error(net)) : KD_OK;
}

/* Of the first node's text. strstr may look for the end of all of it, once for each node. */
static size_t node_length(const char *word)
{
    size_t n = 0;
    while (word[n] && !(word[n] == ';' && word[n + 1] == ' ')) {
        n++;
    }
    return n;
}

kd_status kdi_ckpt_get_layers(kd_net *net, const char *word, kd_error *error)
{
    kd_status status = KD_OK;
    while (status == KD_OK) {
        size_t length = node_length(word);
        if (kdi_net_nodes(net) == KDI_CKPT_NODES) {
            return kdi_base_fail(error, KD_ERR_TOO_LARGE, 0, "kd.layers has more than %z layers",
                                 (size_t)KDI_CKPT_NODES);
        }
        status = get_node(net, word, length, error);
        if (!word[length]) {
            return status;
        }
        word += length + 2;
    }
    return status;
}
