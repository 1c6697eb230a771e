/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share. Each target is one file with fuzz_name, fuzz_one and fuzz_fix; it is
 * linked with libFuzzer (mutate.c) or with a driver that replays and mutates files (replay.c).
 * A target that finds a promise broken prints a line and aborts, so both drivers see a crash.
 */
#ifndef KD_TESTS_FUZZ_H
#define KD_TESTS_FUZZ_H

#include <kd/kd.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a target is ---- */

/* Such as "npy": the folder of its corpus. */
extern const char fuzz_name[];

/* Meets one input. */
void fuzz_one(const unsigned char *bytes, size_t size);

/* Makes lengths and checksums of an input right again, so that a change is not refused for them
 * alone; `bytes` has room for `most`. Returns the new size. */
size_t fuzz_fix(unsigned char *bytes, size_t size, size_t most);

/* ---- promises ---- */

#define FUZZ_EXPECT(what) ((what) ? (void)0 : fuzz_stop(__FILE__, __LINE__, #what, NULL))
#define FUZZ_OK(status, words)                                                                     \
    ((status) == KD_OK ? (void)0 : fuzz_stop(__FILE__, __LINE__, #status, words))

void fuzz_stop(const char *file, int line, const char *what, const char *words);

/* The status of a load is a known one, and stands in the words too. */
void fuzz_check_error(kd_status status, const kd_error *error);

/* ---- memory: blocks of exactly the size asked for, counted ---- */

#define FUZZ_MOST ((size_t)16 << 20) /* a larger block is out of memory */

typedef struct fuzz_memory {
    size_t live;    /* bytes */
    size_t peak;    /* the most of them since fuzz_mark */
    size_t mark;    /* what was there at fuzz_mark */
    size_t fail_at; /* this allocation from now on gets NULL; 0 = none */
} fuzz_memory;

extern fuzz_memory fuzz_memory_used;

/* A context for the whole run of the program, and one of the caller's own. */
kd_context *fuzz_context(void);
kd_context *fuzz_new_context(void);

/* Begins to watch; fails if the peak since then is above twice these bytes and 1 MiB. */
void fuzz_mark(void);
void fuzz_check_memory(size_t input);

/* Fails unless all memory taken since fuzz_mark was given back. */
void fuzz_check_returned(void);

/* ---- bytes as a file ---- */

typedef struct fuzz_file {
    unsigned char *bytes;
    size_t size, room;
} fuzz_file;

/* Callbacks; the file must stay where it is. They fail if asked for what they must not be. */
kd_reader fuzz_reader(fuzz_file *file);
kd_writer fuzz_writer(fuzz_file *file);
void fuzz_free(fuzz_file *file);
bool fuzz_same(const fuzz_file *a, const fuzz_file *b);

/* A path in memory (/dev/shm) or a temporary folder, of this process; gone when it ends. */
const char *fuzz_folder(void);
void fuzz_put(const char *path, const unsigned char *bytes, size_t size);

/* The same bytes are there. */
bool fuzz_has(const char *path, const unsigned char *bytes, size_t size);

/* ---- nets ---- */

/* A net "inputs, hidden relu outputs", initialised. */
kd_net *fuzz_net(size_t inputs, size_t hidden, size_t outputs, uint64_t seed);

/* The file that kd_save_net makes of it. */
fuzz_file fuzz_save(const kd_net *net);

/* A number that any change of any bit of any weight, or of the sizes, changes. */
uint64_t fuzz_hash(kd_net *net);

/* ---- fix-ups (fix.c) ---- */

uint32_t fuzz_crc(uint32_t before, const unsigned char *bytes, size_t size);
uint64_t fuzz_load(const unsigned char *at, size_t size);
void fuzz_store(unsigned char *at, size_t size, uint64_t value);
size_t fuzz_fix_tensors(unsigned char *bytes, size_t size, size_t most);
size_t fuzz_fix_recording(unsigned char *bytes, size_t size, size_t most);

#endif
