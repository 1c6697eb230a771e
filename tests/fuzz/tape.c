/* SPDX-License-Identifier: MIT */
/*
 * Bytes as a tape of calls on handles: create, add, init, clone, save, load, step, evaluate,
 * destroy, in any order, with good and hostile arguments, and with allocations that fail. A failed
 * call leaves every weight as it was, nothing is lost, and the same tape gives the same bits.
 */
#include "tape.h"

#include <math.h>

const char fuzz_name[] = "tape";

/* ---- bytes as arguments ---- */

unsigned tape_byte(tape *t)
{
    return t->at < t->end ? *t->at++ : 0;
}

static const size_t hostile[] = {(size_t)INT32_MAX + 1, UINT32_MAX, (size_t)UINT32_MAX + 2,
                                 SIZE_MAX / 4 + 1,      SIZE_MAX,   SIZE_MAX / 2};

size_t tape_count(tape *t)
{
    unsigned b = tape_byte(t);
    return b < 240 ? b % (CASES + 1) : hostile[b % 6];
}

size_t tape_size(tape *t)
{
    unsigned b = tape_byte(t);
    return b < 232 ? b % WIDTH + 1 : b < 236 ? INT32_MAX : b < 244 ? 0 : hostile[b % 6];
}

float tape_float(tape *t)
{
    static const float odd[] = {0,       -0.0f,    NAN,    INFINITY, -INFINITY, 1e-45f,
                                3.4e38f, -3.4e38f, 1e-30f, 1e30f,    -1,        0x1p-126f};
    unsigned b = tape_byte(t);
    return b < 244 ? (float)b / 64 : odd[b - 244];
}

/* ---- promises ---- */

static void look(tape *t, bool same)
{
    for (size_t i = 0; i < SLOTS; i++) {
        uint64_t hash = t->nets[i] ? fuzz_hash(t->nets[i]) : 0;
        FUZZ_EXPECT(!same || hash == t->hashes[i]);
        t->hashes[i] = hash;
    }
}

void tape_done(tape *t, kd_status status, const char *words, bool changes)
{
    FUZZ_EXPECT(strcmp(kd_status_name(status), "KD_ERR_?") != 0);
    FUZZ_EXPECT(status == KD_OK || status == KD_ERR_NULL || words[0]);
    look(t, status != KD_OK || !changes);
    t->seen = kd_hash(t->seen, &status, sizeof status);
}

void tape_made(tape *t, kd_status status, const kd_error *error, const void *made)
{
    fuzz_check_error(status, error);
    FUZZ_EXPECT((status == KD_OK) == (made != NULL));
    t->seen = kd_hash(t->seen, &status, sizeof status);
}

/* ---- files ---- */

static void save(tape *t, fuzz_file *file)
{
    kd_net *net = TAPE_PICK(t, nets);
    kd_error error = KD_ERROR_INIT;
    fuzz_file new = {0};
    kd_writer writer = fuzz_writer(&new);
    unsigned what = tape_byte(t);
    kd_status status = what % 2
                           ? kd_save_net(net, NULL, &writer, &error)
                           : kd_export_weights(net, what % 4 ? NULL : "m.", NULL, &writer, &error);
    tape_done(t, status, error.text, false);
    if (status == KD_OK) {
        fuzz_free(file);
        *file = new;
        t->seen = kd_hash(t->seen, new.bytes, new.size);
    } else {
        fuzz_free(&new);
    }
}

static void load(tape *t, fuzz_file *file)
{
    kd_net **slot = &TAPE_PICK(t, nets);
    kd_error error = KD_ERROR_INIT;
    kd_reader reader = fuzz_reader(file);
    unsigned what = tape_byte(t);
    if (what % 2) {
        kd_net *net;
        kd_status status = kd_load_net(t->context, NULL, &reader, &net, &error);
        tape_made(t, status, &error, net);
        tape_done(t, status, error.text, false);
        kd_net_destroy(*slot);
        *slot = net;
        look(t, false);
    } else {
        kd_status status = kd_import_weights(*slot, what % 4 ? NULL : "m.", NULL, &reader, &error);
        tape_done(t, status, error.text, true);
    }
}

static kd_training training_of(tape *t)
{
    kd_training training = KD_TRAINING_INIT;
    unsigned what = tape_byte(t);
    training.distiller = what & 1 ? TAPE_PICK(t, distillers) : NULL;
    training.optimizer = what & 2 ? TAPE_PICK(t, optimizers) : NULL;
    training.workspace = what & 2 ? TAPE_PICK(t, workspaces) : NULL;
    return training;
}

static void save_training(tape *t, fuzz_file *file)
{
    kd_training training = training_of(t);
    kd_error error = KD_ERROR_INIT;
    fuzz_file new = {0};
    kd_writer writer = fuzz_writer(&new);
    kd_status status = kd_save_training(&training, NULL, &writer, &error);
    tape_done(t, status, error.text, false);
    if (status == KD_OK) {
        fuzz_free(file);
        *file = new;
    } else {
        fuzz_free(&new);
    }
}

static void load_training(tape *t, fuzz_file *file)
{
    kd_training training = training_of(t);
    kd_error error = KD_ERROR_INIT;
    kd_reader reader = fuzz_reader(file);
    tape_done(t, kd_load_training(&training, NULL, &reader, &error), error.text, true);
}

void tape_move(tape *t, unsigned operation)
{
    fuzz_file *file = &TAPE_PICK(t, files);
    switch (operation % 6) {
    case 0:
        save(t, file);
        break;
    case 1:
        load(t, file);
        break;
    case 2:
        save_training(t, file);
        break;
    case 3:
        load_training(t, file);
        break;
    case 4: /* damage, found or not */
        if (file->size > 0) {
            file->bytes[(tape_byte(t) * 256 + tape_byte(t)) % file->size] ^=
                (unsigned char)tape_byte(t);
            (void)(tape_byte(t) % 2 ? fuzz_fix_tensors(file->bytes, file->size, file->size) : 0);
        }
        break;
    default:
        fuzz_memory_used.fail_at = 1 + tape_byte(t) % 16;
    }
}

/* ---- the tape ---- */

static void begin(tape *t, const unsigned char *bytes, size_t size)
{
    memset(t, 0, sizeof *t);
    t->at = bytes;
    t->end = bytes + size;
    fuzz_memory_used.fail_at = 0;
    t->context = fuzz_new_context();
    for (size_t i = 0; i < CASES; i++) {
        t->labels[i] = (int32_t)(i % 3) - (i == 7);
        t->weights[i] = 1;
        t->ids[i] = i * i;
    }
    for (size_t i = 0; i < CASES * STRIDE; i++) {
        t->values[i] = (float)(i * 37 % 101) / 50 - 1;
    }
}

static void end(tape *t)
{
    kd_context_destroy(t->context);
    for (size_t i = 0; i < SLOTS; i++) {
        t->seen = kd_hash(t->seen, &t->hashes[i], sizeof t->hashes[i]);
        kd_net_destroy(t->nets[i]);
        kd_workspace_destroy(t->workspaces[i]);
        kd_optimizer_destroy(t->optimizers[i]);
        kd_distiller_destroy(t->distillers[i]);
        kd_specialist_destroy(t->specialists[i]);
        kd_teacher_destroy(t->teachers[i]);
        kd_teacher_workspace_destroy(t->asks[i]);
        fuzz_free(&t->files[i]);
    }
}

static uint64_t play(const unsigned char *bytes, size_t size)
{
    static tape t;
    fuzz_mark();
    begin(&t, bytes, size);
    while (t.at < t.end) {
        unsigned operation = tape_byte(&t);
        if (operation == 63) { /* another table, so that older tapes still mean what they did */
            tape_specialise(&t);
            continue;
        }
        switch (operation / 64) {
        case 0:
            tape_build(&t, operation % 64);
            break;
        case 3:
            tape_move(&t, operation % 64);
            break;
        default:
            tape_run(&t, operation - 64);
        }
    }
    end(&t);
    fuzz_check_returned();
    return t.seen;
}

void fuzz_one(const unsigned char *bytes, size_t size)
{
    uint64_t seen = play(bytes, size);
    FUZZ_EXPECT(size % 4 != 0 || play(bytes, size) == seen);
}

size_t fuzz_fix(unsigned char *bytes, size_t size, size_t most)
{
    (void)bytes;
    (void)most;
    return size;
}
