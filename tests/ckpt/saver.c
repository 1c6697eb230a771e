/* SPDX-License-Identifier: MIT */
/*
 * What test_python.py talks to, and test_inspect.py: the public calls for files, and what the
 * objects held, as one line of JSON.
 *
 *   saver save FOLDER SEED     a net and its training after a few steps, in four files
 *   saver record FILE          a recorded teacher: 5 cases of 4 classes, 2 of them kept, unfinished
 *   saver import PREFIX FILE   the weights of a 5-4-3 net after kd_import_weights, or the status
 */
#include <kd/kd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASES = 12 };

static void check(kd_status status, const char *why)
{
    if (status != KD_OK) {
        fprintf(stderr, "saver: %s: %s\n", kd_status_name(status), why);
        exit(1);
    }
}

static void print_hex(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        printf("%08x", (unsigned)bits);
    }
}

/* Each parameter as a list of bits, under its name. */
static void print_net(kd_net *net)
{
    kd_net_info info = KD_NET_INFO_INIT;
    kd_net_get_info(net, &info, NULL);
    for (size_t i = 0; i < info.params; i++) {
        kd_param param = KD_PARAM_INIT;
        check(kd_net_get_param(net, i, &param), "kd_net_get_param");
        printf("%s\"%s\":\"", i ? "," : "{", param.name);
        print_hex(param.values, param.rows * param.columns);
        putchar('"');
    }
    puts("}");
}

static kd_net *make_net(kd_context *context, size_t hidden, size_t classes, float rate)
{
    kd_net *net;
    kd_error error = KD_ERROR_INIT;
    check(kd_net_create(context, 5, &net, &error), error.text);
    check(kd_net_add_dense(net, hidden), kd_net_error(net));
    check(kd_net_add_relu(net), kd_net_error(net));
    if (rate > 0.0f) {
        check(kd_net_add_dropout(net, rate), kd_net_error(net));
    }
    check(kd_net_add_dense(net, classes), kd_net_error(net));
    check(kd_net_init(net, KD_INIT_HE, 7), kd_net_error(net));
    return net;
}

/* Three steps of which the last one waits for more, with the optimiser that the seed chooses. */
static kd_distiller *train(kd_net *net, const float *x, unsigned seed)
{
    int32_t labels[CASES] = {0, 1, 2};
    kd_error error = KD_ERROR_INIT;
    kd_optimizer_options how = KD_OPTIMIZER_OPTIONS_INIT;
    how.kind = seed % 3 == 0 ? KD_SGD : seed % 3 == 1 ? KD_ADAM : KD_ADAMW;
    how.momentum = how.kind == KD_SGD ? 0.9f : 0.0f;
    kd_distiller_options options = KD_DISTILLER_OPTIONS_INIT;
    options.soft_weight = 0.0f;
    options.hard_weight = 1.0f;
    options.seed = seed;
    options.optimizer = &how;
    kd_distiller *distiller;
    check(kd_distiller_create(net, NULL, &options, &distiller, &error), error.text);
    for (int step = 0; step < 3; step++) {
        kd_batch batch = {sizeof batch, .n = CASES, .x = x, .labels = labels};
        batch.more = step == 2;
        check(kd_distill_step(distiller, &batch, NULL), kd_distiller_error(distiller));
    }
    return distiller;
}

static void save(kd_context *context, const char *folder, unsigned seed)
{
    char path[4096];
    float x[CASES * 5];
    kd_error error = KD_ERROR_INIT;
    for (size_t i = 0; i < CASES * 5; i++) {
        x[i] = (float)((i * 2654435761u + seed * 40503u) % 1000u) / 500.0f - 1.0f;
    }
    kd_net *net = make_net(context, 3 + seed % 40, 3, seed % 2 ? 0.25f : 0.0f);
    kd_distiller *distiller = train(net, x, seed);
    kd_training training = KD_TRAINING_INIT;
    training.distiller = distiller;
    training.epoch = seed;
    training.tag = UINT64_MAX;
    snprintf(path, sizeof path, "%s/net.safetensors", folder);
    check(kd_save_net(net, path, NULL, &error), error.text);
    snprintf(path, sizeof path, "%s/weights.safetensors", folder);
    check(kd_export_weights(net, "student.net.", path, NULL, &error), error.text);
    snprintf(path, sizeof path, "%s/training.safetensors", folder);
    check(kd_save_training(&training, path, NULL, &error), error.text);
    snprintf(path, sizeof path, "%s/x.npy", folder);
    check(kd_save_npy(x, CASES, 4, 5, path, NULL, &error), error.text); /* of five, four columns */
    printf("{\"x\":\"");
    print_hex(x, CASES * 5);
    printf("\",\"net\":");
    print_net(net);
    puts("}");
    kd_distiller_destroy(distiller);
    kd_net_destroy(net);
}

static void import(kd_context *context, const char *prefix, const char *path)
{
    kd_error error = KD_ERROR_INIT;
    kd_net *net = make_net(context, 4, 3, 0.0f);
    kd_status status = kd_import_weights(net, prefix, path, NULL, &error);
    if (status == KD_OK) {
        print_net(net);
    } else {
        printf("{\"status\":\"%s\"}\n", kd_status_name(status));
    }
    kd_net_destroy(net);
}

static void record(kd_context *context, const char *path)
{
    static const float logits[5][4] = {{1, 2, 3, 4}, {0, 1, 0, 2}, {3, 1, 2, 0}, {1, 0, 0, 5}};
    static const uint64_t ids[5] = {10, 11, 12, 13, 14};
    kd_error error = KD_ERROR_INIT;
    kd_cache_options options = KD_CACHE_OPTIONS_INIT;
    options.k = 4;
    options.encoding = KD_CACHE_TOPK;
    options.top = 2;
    options.temperature = 3.0f;
    options.teacher_hash = UINT64_MAX;
    options.data_hash = 1;
    kd_targets targets = KD_TARGETS_INIT;
    targets.kind = KD_TARGET_LOGITS;
    targets.values = logits[0];
    kd_cache *cache;
    check(kd_cache_open(context, path, &options, &cache, &error), error.text);
    check(kd_cache_append(cache, ids, &targets, 5), kd_cache_error(cache));
    kd_cache_destroy(cache);
}

int main(int argc, char **argv)
{
    kd_context *context;
    kd_error error = KD_ERROR_INIT;
    check(kd_context_create(NULL, &context, &error), error.text);
    if (argc == 4 && strcmp(argv[1], "save") == 0) {
        save(context, argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    } else if (argc == 3 && strcmp(argv[1], "record") == 0) {
        record(context, argv[2]);
    } else if (argc >= 4 && strcmp(argv[1], "import") == 0) {
        for (int i = 3; i < argc; i++) {
            import(context, argv[2], argv[i]);
        }
    } else {
        return 2;
    }
    kd_context_destroy(context);
    return 0;
}
