/* SPDX-License-Identifier: MIT */
/* What the metadata of all our files begins with: which sort of file, and which net. */
#include "ckpt/parts.h"

#include <string.h>

kd_status kdi_ckpt_head_open(kdi_head *out, const kd_net *net, const char *sort, kd_error *error)
{
    size_t size;
    char *layers = kdi_ckpt_put_layers(net, &size);
    *out = (kdi_head){.layers = layers, .layers_size = size};
    if (!layers) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for a list of layers (%z bytes)",
                             size);
    }
    kdi_base_say(out->inputs, sizeof out->inputs, "%z", kdi_net_inputs(net));
    out->words[0] = (kdi_io_word){"kd.format", KDI_CKPT_FORMAT};
    out->words[1] = (kdi_io_word){"kd.sort", sort};
    out->words[2] = (kdi_io_word){"kd.inputs", out->inputs};
    out->words[3] = (kdi_io_word){"kd.layers", out->layers};
    return KD_OK;
}

void kdi_ckpt_head_close(kdi_head *head, const kd_net *net)
{
    kdi_ctx_delete(kdi_net_context(net), head->layers, head->layers_size);
}

static kd_status missing(const char *key, kd_error *error)
{
    return kdi_base_fail(error, KD_ERR_FORMAT, 0, "the metadata has no %s", key);
}

kd_status kdi_ckpt_check_head(const kdi_io_tensors *tensors, const char *sort, size_t *out_inputs,
                              kd_error *error)
{
    const char *format = kdi_io_tensors_word(tensors, "kd.format");
    const char *given = kdi_io_tensors_word(tensors, "kd.sort");
    const char *inputs = kdi_io_tensors_word(tensors, "kd.inputs");
    uint64_t count;
    if (!format || !given) {
        return missing(format ? "kd.sort" : "kd.format", error);
    }
    if (strcmp(format, KDI_CKPT_FORMAT) != 0) {
        kdi_io_quote quote = kdi_io_quoted(format);
        return kdi_base_fail(error, KD_ERR_VERSION, 0,
                             "kd.format is \"%s\"; this library knows \"%s\"", quote.text,
                             KDI_CKPT_FORMAT);
    }
    if (strcmp(given, "training") != 0 && (sort || strcmp(given, "net") != 0)) {
        kdi_io_quote quote = kdi_io_quoted(given);
        return kdi_base_fail(error, KD_ERR_MISMATCH, 0, "it is the file of a %s, not of a %s",
                             quote.text, sort ? sort : "net");
    }
    if (!inputs || !kdi_io_tensors_word(tensors, "kd.layers")) {
        return missing(inputs ? "kd.layers" : "kd.inputs", error);
    }
    if (!kdi_ckpt_get_count(inputs, &count) || count == 0 || count > INT32_MAX) {
        return kdi_base_fail(error, KD_ERR_FORMAT, 0, "kd.inputs is no width of a net");
    }
    *out_inputs = (size_t)count;
    return KD_OK;
}

static bool is_known(const char *key, const kdi_words *words)
{
    static const char *const fixed[] = {KDI_IO_OWN, "kd.format", "kd.sort", "kd.inputs",
                                        "kd.layers"};
    bool known = strncmp(key, KDI_CKPT_OWN, strlen(KDI_CKPT_OWN)) != 0;
    for (size_t i = 0; !known && i < sizeof fixed / sizeof *fixed; i++) {
        known = strcmp(key, fixed[i]) == 0;
    }
    for (size_t i = 0; !known && words && i < words->n; i++) {
        known = strcmp(key, words->list[i].key) == 0;
    }
    return known;
}

kd_status kdi_ckpt_check_known(const kdi_io_tensors *tensors, const kdi_words *words,
                               kd_error *error)
{
    for (size_t i = 0; i < kdi_io_tensors_words(tensors); i++) {
        const char *key = kdi_io_tensors_get_word(tensors, i).key;
        if (!is_known(key, words)) {
            kdi_io_quote quote = kdi_io_quoted(key);
            return kdi_base_fail(error, KD_ERR_VERSION, 0,
                                 "the metadata has %s, which this library does not know",
                                 quote.text);
        }
    }
    return KD_OK;
}
