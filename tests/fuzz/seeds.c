/* SPDX-License-Identifier: MIT */
/*
 * Makes the first files of all corpora: small, good, one of each sort. `fuzz_seeds FOLDER` writes
 * FOLDER/<target>/seed-<what>. Files found by fuzzing are put beside them by hand.
 */
#define _XOPEN_SOURCE 700
#include "rigs.h"

#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

static const char *folder;

static const char *path_of(const char *target, const char *what)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, target);
    (void)mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/seed-%s", folder, target, what);
    return path;
}

static void put(const char *target, const char *what, const void *bytes, size_t size)
{
    fuzz_put(path_of(target, what), bytes, size);
}

static void put_file(const char *target, const char *what, fuzz_file *file)
{
    put(target, what, file->bytes, file->size);
    fuzz_free(file);
}

/* ---- nets and trainings ---- */

static void make_checkpoints(void)
{
    static const char *const names[FUZZ_RIGS] = {"distiller", "adam", "host"};
    kd_net *net;
    FUZZ_OK(kd_net_create(fuzz_context(), 2, &net, NULL), NULL);
    FUZZ_OK(kd_net_add_dropout(net, 0.25f), NULL);
    FUZZ_OK(kd_net_add_dense(net, 3), NULL);
    FUZZ_OK(kd_net_init(net, KD_INIT_GLOROT, 2), NULL);
    fuzz_file file = fuzz_save(net);
    put_file("checkpoint", "net", &file);
    kd_net_destroy(net);
    for (size_t i = 0; i < FUZZ_RIGS; i++) {
        fuzz_rig rig;
        fuzz_rig_open(&rig, i);
        fuzz_rig_step(&rig, 0);
        file = fuzz_rig_save(&rig);
        put_file("checkpoint", names[i], &file);
        if (i == 0) {
            fuzz_rig_step(&rig, 1);
            file = fuzz_rig_save(&rig);
            put_file("checkpoint", "waiting", &file);
        }
        kd_distiller_destroy(rig.training.distiller);
        kd_optimizer_destroy(rig.training.optimizer);
        kd_workspace_destroy(rig.training.workspace);
        kd_net_destroy(rig.net);
    }
}

/* As other programs write them: half precision, more tensors, metadata of their own. */
static void make_foreign(const char *what, const char *dtype, size_t width)
{
    static const char *const entries[][2] = {{"m.0.bias", "2"},
                                             {"m.0.weight", "2,3"},
                                             {"m.2.bias", "2"},
                                             {"m.2.weight", "2,2"},
                                             {"more", "1,1,2"}};
    static const size_t counts[] = {2, 6, 2, 4, 2};
    unsigned char bytes[1024] = {0};
    char *header = (char *)bytes + 8;
    size_t size = (size_t)sprintf(header, "{\"__metadata__\":{\"a\":\"\\u00e9\"}"), at = 0;
    for (size_t i = 0; i < 5; i++) {
        size += (size_t)sprintf(
            header + size, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
            entries[i][0], dtype, entries[i][1], at, at + counts[i] * width);
        at += counts[i] * width;
    }
    size += (size_t)sprintf(header + size, "}  ");
    fuzz_store(bytes, 8, size);
    memset(bytes + 8 + size, 0x3c, at);
    put("safetensors", what, bytes, 8 + size + at);
}

static void make_safetensors(void)
{
    static const char *const prefixes[] = {"layers.", "", "m."};
    static const char *const names[] = {"layers", "bare", "module"};
    kd_net *net = fuzz_net(3, 2, 2, 7);
    for (size_t i = 0; i < 3; i++) {
        fuzz_file file = {0};
        kd_writer writer = fuzz_writer(&file);
        FUZZ_OK(kd_export_weights(net, prefixes[i], NULL, &writer, NULL), NULL);
        put_file("safetensors", names[i], &file);
    }
    kd_net_destroy(net);
    make_foreign("f16", "F16", 2);
    make_foreign("bf16", "BF16", 2);
    make_foreign("f32", "F32", 4);
}

/* ---- matrices ---- */

static void make_npy(const char *what, int version, const char *descr, size_t rows, size_t columns,
                     size_t item)
{
    unsigned char bytes[512] = {0};
    size_t width = version == 1 ? 2 : 4;
    char shape[64], *header = (char *)bytes + 8 + width;
    snprintf(shape, sizeof shape, columns ? "(%zu, %zu)" : "(%zu,)", rows, columns);
    size_t size = (size_t)sprintf(header, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                                  descr, shape);
    while ((8 + width + size + 1) % 64 != 0) {
        header[size++] = ' ';
    }
    header[size++] = '\n';
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    fuzz_store(bytes + 8, width, size);
    size_t data = rows * (columns ? columns : 1) * item;
    memset(bytes + 8 + width + size, 0x3f, data);
    put("npy", what, bytes, 8 + width + size + data);
}

/* ---- recordings ---- */

static const struct {
    const char *name;
    kd_cache_options options;
} forms[] = {
    {"f32", {sizeof(kd_cache_options), 3, KD_CACHE_F32, KD_TARGET_LOGITS, 0, 0, 0, 1, 2}},
    {"probabilities",
     {sizeof(kd_cache_options), 4, KD_CACHE_F32, KD_TARGET_PROBABILITIES, 0, 2, 0, 1, 2}},
    {"logs",
     {sizeof(kd_cache_options), 4, KD_CACHE_F32, KD_TARGET_LOG_PROBABILITIES, 0, 2, 0, 1, 2}},
    {"f16", {sizeof(kd_cache_options), 5, KD_CACHE_F16, KD_TARGET_LOGITS, 0, 0, 0, 1, 2}},
    {"top", {sizeof(kd_cache_options), 6, KD_CACHE_TOPK, KD_TARGET_LOGITS, 2, 3, 0, 1, 2}},
    {"wide", {sizeof(kd_cache_options), 70000, KD_CACHE_TOPK, KD_TARGET_TOPK, 2, 3, 0, 1, 2}},
};

static void make_recording(size_t f, const char *what, size_t cases, bool finished)
{
    static const uint64_t ids[] = {7, 0, UINT64_MAX, 12345};
    static const uint32_t index[] = {1, 69999, 0, 5, 3, 4, 2, 9};
    static const float tail[] = {0, 1, -1, 0.5f};
    float values[32];
    char name[64];
    const kd_cache_options *o = &forms[f].options;
    kd_targets targets = KD_TARGETS_INIT;
    kd_cache *cache;
    for (size_t i = 0; i < 32; i++) {
        values[i] = (float)(i * 7 % 11) / 4 - 1;
    }
    targets.kind = o->kind;
    targets.temperature = o->temperature;
    targets.values = values;
    if (o->kind == KD_TARGET_PROBABILITIES) {
        FUZZ_OK(kd_softmax(values, 4, o->k, 0, 2, values, 0, NULL), NULL);
    } else if (o->kind == KD_TARGET_LOG_PROBABILITIES) {
        FUZZ_OK(kd_log_softmax(values, 4, o->k, 0, 2, values, 0, NULL), NULL);
    } else if (o->kind == KD_TARGET_TOPK) {
        targets.top = o->top;
        targets.topk_index = index;
        targets.tail = tail;
    }
    snprintf(name, sizeof name, "%s%s", forms[f].name, what);
    const char *path = path_of("recording", name);
    (void)remove(path);
    FUZZ_OK(kd_cache_open(fuzz_context(), path, o, &cache, NULL), path);
    FUZZ_OK(kd_cache_append(cache, ids, &targets, cases), kd_cache_error(cache));
    FUZZ_EXPECT(!finished || kd_cache_finish(cache) == KD_OK);
    kd_cache_destroy(cache);
}

/* ---- MNIST's files ---- */

static void make_idx(const char *what, unsigned char count)
{
    static unsigned char bytes[2 + 8 + 8 + 16 + 8 * 784];
    const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, count};
    const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28};
    size_t size = 2 + sizeof labels + count;
    memset(bytes, 0, sizeof bytes);
    fuzz_store(bytes, 2, sizeof labels + count);
    memcpy(bytes + 2, labels, sizeof labels);
    memset(bytes + 10, 9, count);
    memcpy(bytes + size, images, sizeof images);
    put("idx", what, bytes, size + sizeof images + (size_t)count * 784);
}

/* ---- tapes ---- */

/* Opcodes are explained by tape.c: below 64 it makes, below 192 it runs, above it moves files. */
static void make_tapes(void)
{
    static const unsigned char infer[] = {3, 0, 3, 4, 2, 5, 0, 0, 7, 1, 1, 69, 0, 3, 0};
    static const unsigned char training[] = {3,  0, 3, 4,  2, 5,  0, 0, 7,  2, 1,  6, 0, 1,
                                             32, 0, 0, 70, 0, 71, 6, 0, 70, 0, 71, 6, 0};
    static const unsigned char distilling[] = {3, 0, 3, 4, 2,  3, 1, 3, 4,  2, 64,
                                               0, 0, 0, 0, 1,  7, 1, 1, 32, 0, 3,
                                               0, 7, 1, 0, 67, 6, 0, 1, 68, 6, 0};
    static const unsigned char files[] = {3, 0, 3, 4,   2, 192, 0, 0,   1, 193, 0, 1, 1, 196, 0,
                                          0, 9, 1, 193, 0, 2,   1, 197, 2, 3,   1, 1, 1, 1};
    static const unsigned char specialists[] = {
        3, 0, 3, 4, 2, 63, 0, 0, 0, 33, 0, 2, 1, 63, 1, 0,  40, 63, 2,  9, 0, 1,  63,
        3, 1, 0, 4, 0, 63, 4, 3, 1, 0,  9, 1, 0, 9,  1, 1,  2,  2,  63, 5, 2, 1,  9,
        0, 4, 0, 0, 4, 63, 5, 1, 2, 9,  0, 4, 0, 0,  4, 64, 0,  0,  0,  0, 0, 63, 6,
        1, 0, 0, 0, 2, 1,  9, 0, 1, 65, 0, 1, 1, 66, 0, 0,  64, 63, 7,  0};
    put("tape", "specialists", specialists, sizeof specialists);
    put("tape", "infer", infer, sizeof infer);
    put("tape", "training", training, sizeof training);
    put("tape", "distilling", distilling, sizeof distilling);
    put("tape", "files", files, sizeof files);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    folder = argv[1];
    (void)mkdir(folder, 0777);
    make_checkpoints();
    make_safetensors();
    make_npy("v1", 1, "<f4", 2, 3, 4);
    make_npy("v2-half", 2, "<f2", 3, 1, 2);
    make_npy("v3-double", 3, "<f8", 2, 2, 8);
    make_npy("vector", 1, "<f4", 5, 0, 4);
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        make_recording(f, "", 4, true);
    }
    make_recording(0, "-open", 3, false);
    make_recording(4, "-one", 1, true);
    make_idx("one", 1);
    make_idx("two", 2);
    make_tapes();
    return 0;
}
