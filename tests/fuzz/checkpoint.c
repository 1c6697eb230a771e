/* SPDX-License-Identifier: MIT */
/*
 * Files of libkd's own: kd_load_net and kd_load_training. What is taken can be saved and loaded
 * again, with equal bytes; what is refused leaves all objects as they were.
 */
#include "rigs.h"

const char fuzz_name[] = "checkpoint";

static fuzz_rig rigs[FUZZ_RIGS];
static fuzz_file states[FUZZ_RIGS]; /* as they are when an input comes */
static uint64_t hashes[FUZZ_RIGS];  /* of the nets in them */

static kd_status load_net(fuzz_file *file, kd_net **net)
{
    kd_reader reader = fuzz_reader(file);
    kd_error error = KD_ERROR_INIT;
    kd_status status = kd_load_net(fuzz_context(), NULL, &reader, net, &error);
    fuzz_check_error(status, &error);
    FUZZ_EXPECT((status == KD_OK) == (*net != NULL));
    return status;
}

static void try_net(fuzz_file *file)
{
    kd_net *net, *again;
    fuzz_mark();
    kd_status status = load_net(file, &net);
    fuzz_check_memory(file->size);
    if (status == KD_OK) {
        fuzz_file saved = fuzz_save(net);
        FUZZ_OK(load_net(&saved, &again), "there and back");
        fuzz_file twice = fuzz_save(again);
        FUZZ_EXPECT(fuzz_same(&saved, &twice));
        FUZZ_EXPECT(fuzz_hash(net) == fuzz_hash(again));
        kd_net_destroy(net);
        kd_net_destroy(again);
        fuzz_free(&saved);
        fuzz_free(&twice);
    }
    fuzz_check_returned();
}

/* It is taken: once more gives the same, and so does its own file; then all is as it was. */
static void check_taken(size_t i, fuzz_file *file)
{
    fuzz_file saved = fuzz_rig_save(&rigs[i]);
    for (int from = 0; from < 2; from++) {
        FUZZ_OK(fuzz_rig_load(&rigs[i], &states[i]), "the first state");
        FUZZ_OK(fuzz_rig_load(&rigs[i], from ? &saved : file), "once more");
        fuzz_file again = fuzz_rig_save(&rigs[i]);
        FUZZ_EXPECT(fuzz_same(&saved, &again));
        fuzz_free(&again);
    }
    FUZZ_OK(fuzz_rig_load(&rigs[i], &states[i]), "the first state");
    fuzz_free(&saved);
}

static void try_training(size_t i, fuzz_file *file)
{
    fuzz_mark();
    kd_status status = fuzz_rig_load(&rigs[i], file);
    fuzz_check_memory(file->size);
    if (status == KD_OK) {
        check_taken(i, file);
    }
    fuzz_check_returned();
    FUZZ_EXPECT(fuzz_hash(rigs[i].net) == hashes[i]);
    if (status == KD_OK || kd_hash(1, file->bytes, file->size) % 8 == 0) { /* all of it: slower */
        fuzz_file after = fuzz_rig_save(&rigs[i]);
        FUZZ_EXPECT(fuzz_same(&after, &states[i]));
        fuzz_free(&after);
    }
}

static bool has(const unsigned char *bytes, size_t size, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= size; i++) {
        const unsigned char *next = memchr(bytes + i, word[0], size - length + 1 - i);
        if (!next) {
            return false;
        }
        i = (size_t)(next - bytes);
        if (memcmp(next, word, length) == 0) {
            return true;
        }
    }
    return false;
}

void fuzz_one(const unsigned char *bytes, size_t size)
{
    fuzz_file file = {(unsigned char *)(uintptr_t)bytes, size, size}; /* only read */
    for (size_t i = 0; i < FUZZ_RIGS && !states[i].bytes; i++) {
        fuzz_rig_open(&rigs[i], i);
        states[i] = fuzz_rig_save(&rigs[i]);
        hashes[i] = fuzz_hash(rigs[i].net);
    }
    try_net(&file);
    if (has(bytes, size, "training")) {
        try_training(has(bytes, size, "\"host\"") ? 2 : has(bytes, size, "adam") ? 1 : 0, &file);
    }
}

size_t fuzz_fix(unsigned char *bytes, size_t size, size_t most)
{
    return fuzz_fix_tensors(bytes, size, most);
}
