/* SPDX-License-Identifier: MIT */
/* A number that stands for a net: what it is built of, and every bit that it has learnt. */
#include "net/parts.h"

#include <kd/cache.h>
#include <string.h>

uint64_t kdi_net_hash(uint64_t before, const kd_net *net)
{
    uint64_t h = kdi_base_hash_u64(before, net->inputs);
    h = kdi_base_hash_u64(h, net->n_nodes);
    for (size_t i = 0; i < net->n_nodes; i++) {
        const kdi_node *node = &net->nodes[i];
        h = kd_hash(h, node->layer.ops->name, strlen(node->layer.ops->name));
        h = kdi_base_hash_u64(h, node->input == KDI_NET_INPUT ? 0 : (uint64_t)node->input + 1);
        h = kdi_base_hash_u64(h, node->layer.out);
        h = kdi_base_hash_u64(h, node->layer.threshold);
    }
    for (size_t i = 0; i < net->n_params; i++) {
        const kdi_net_param *p = &net->params[i];
        h = kdi_base_hash_f32(h, p->values, p->rows * p->columns); /* that much is in memory */
    }
    return h;
}
