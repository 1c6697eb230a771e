/* SPDX-License-Identifier: MIT */
/* Early stopping. */
#include "keeper.h"

#include "say.h"
#include "training.h"

#include <stdlib.h>
#include <string.h>

/* Errors by the net's own outputs; the dustbin is right for whatever is not one of its classes. */
static long count(const keeper *k, kd_net *net)
{
    kd_net_info info = KD_NET_INFO_INIT;
    case_set data = *k->dev;
    (void)kd_net_get_info(net, &info, NULL);
    data.classes = info.outputs;
    float *z = logits_of(net, &data);
    long errors = z ? 0 : -1;
    for (size_t row = 0; z && row < data.n; row++) {
        float *v = z + row * data.classes;
        int32_t label = k->labels[row];
        size_t best = 0;
        for (size_t c = 0; k->shift && c < data.classes; c++) {
            v[c] += k->shift[c];
        }
        for (size_t c = 1; c < data.classes; c++) {
            best = v[c] > v[best] ? c : best;
        }
        if (k->specialist) {
            (void)kd_specialist_labels(k->specialist, &label, 1, &label, NULL);
        }
        errors += best != (size_t)label;
    }
    free(z);
    return errors;
}

bool keeper_note(void *user, size_t epoch, double loss, kd_net *net)
{
    keeper *k = user;
    kd_error error = KD_ERROR_INIT;
    (void)epoch;
    (void)loss;
    long errors = count(k, net);
    if (errors < 0 || (k->least >= 0 && errors >= k->least)) {
        return errors >= 0;
    }
    k->least = errors;
    keeper_close(k);
    return kd_net_clone(net, &k->best, &error) == KD_OK || say("net", error.text);
}

void keeper_restore(const keeper *k, kd_net *net)
{
    kd_param to = KD_PARAM_INIT, from = KD_PARAM_INIT;
    for (size_t i = 0; kd_net_get_param(k->best, i, &from) == KD_OK; i++) {
        (void)kd_net_get_param(net, i, &to);
        memcpy(to.values, from.values, from.rows * from.columns * sizeof *from.values);
    }
}

void keeper_close(keeper *k)
{
    kd_net_destroy(k->best);
    k->best = NULL;
}
