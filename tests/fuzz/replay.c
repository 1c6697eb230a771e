/* SPDX-License-Identifier: MIT */
/*
 * A target without libFuzzer: meets each file of a corpus, and mutants of them, half with lengths
 * and checksums made right again. `fuzz_<target> FOLDER [MUTANTS [SEED]]`; the same arguments give
 * the same mutants on every machine.
 */
#define _XOPEN_SOURCE 700
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>

enum { MOST_FILES = 1000, MOST_BYTES = 1 << 16, SECONDS = 2 };

static fuzz_file files[MOST_FILES];
static size_t n_files;
static unsigned char mutant[MOST_BYTES];

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void read_file(const char *folder, const char *name)
{
    char path[1024];
    fuzz_file *file = &files[n_files];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *from = fopen(path, "rb");
    FUZZ_EXPECT(from);
    size_t got = fread(mutant, 1, sizeof mutant, from);
    FUZZ_EXPECT(got < sizeof mutant);
    fclose(from);
    file->bytes = malloc(got ? got : 1); /* exactly, so that a sanitizer sees its end */
    FUZZ_EXPECT(file->bytes);
    memcpy(file->bytes, mutant, got);
    file->size = got;
    n_files++;
}

/* In the order of their names, so that every run is the same. */
static void read_folder(const char *folder)
{
    static char *names[MOST_FILES];
    size_t n = 0;
    DIR *all = opendir(folder);
    struct dirent *entry;
    FUZZ_EXPECT(all);
    while ((entry = readdir(all))) {
        if (entry->d_name[0] != '.') {
            FUZZ_EXPECT(n < MOST_FILES);
            names[n] = malloc(strlen(entry->d_name) + 1);
            FUZZ_EXPECT(names[n]);
            strcpy(names[n++], entry->d_name);
        }
    }
    closedir(all);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        read_file(folder, names[i]);
        free(names[i]);
    }
}

/* ---- mutants ---- */

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static size_t below(uint64_t *state, size_t limit)
{
    return limit ? (size_t)(next(state) % limit) : 0;
}

/* Moves what stands from `at` on by `by` bytes, forth over new room or back over what is there. */
static size_t shift(size_t at, size_t size, size_t by, bool forth)
{
    if (forth) {
        memmove(mutant + at + by, mutant + at, size - at);
        return size + by;
    }
    memmove(mutant + at, mutant + at + by, size - at - by);
    return size - by;
}

static size_t change(size_t size, uint64_t *seed)
{
    static const uint64_t magic[] = {0,          1,          0x7F,       0xFF,
                                     0x7FFFFFFF, 0x80000000, 0x7F800000, 0xFFFFFFFFFFFFFFFF};
    const fuzz_file *other = &files[below(seed, n_files)];
    size_t at = below(seed, size), from = below(seed, other->size), by = 1 + below(seed, 16);
    size_t room = size - at, left = other->size - from;
    by = by < room ? by : room;
    switch (below(seed, 8)) {
    case 0:
        mutant[at] ^= (unsigned char)(1u << below(seed, 8));
        return size;
    case 1:
        mutant[at] = (unsigned char)next(seed);
        return size;
    case 2:
        mutant[at] = (unsigned char)"0123456789,\"}]:{[ "[below(seed, 18)];
        return size;
    case 3:
        fuzz_store(mutant + at, by < 8 ? by : 8, magic[below(seed, 8)]);
        return size;
    case 4:
        by = below(seed, room < left ? room : left);
        memcpy(mutant + at, other->bytes + from, by);
        return size;
    case 5:
        return shift(at, size, by, false);
    case 6:
        memset(mutant + size, (int)below(seed, 256), by);
        return size + by < MOST_BYTES / 2 ? shift(at, size, by, true) : size;
    default:
        return below(seed, 4) ? size : at;
    }
}

/* In little time; what was slow, maybe because the machine is busy, gets more tries. */
static void meet(const unsigned char *bytes, size_t size)
{
    for (int slow = 0;; slow++) {
        clock_t begin = clock();
        fuzz_one(bytes, size);
        double took = (double)(clock() - begin) / CLOCKS_PER_SEC;
        if (took < SECONDS) {
            return;
        }
        FUZZ_EXPECT(slow < 10 && took < 10 * SECONDS);
    }
}

static void meet_mutant(uint64_t seed)
{
    const fuzz_file *file = &files[below(&seed, n_files)];
    size_t size = file->size;
    memcpy(mutant, file->bytes, size);
    for (size_t i = 1 + below(&seed, 4); i > 0 && size > 0; i--) {
        size = change(size, &seed);
    }
    if (below(&seed, 2)) {
        size = fuzz_fix(mutant, size, MOST_BYTES / 2);
    }
    unsigned char *own = malloc(size ? size : 1);
    FUZZ_EXPECT(own);
    memcpy(own, mutant, size);
    meet(own, size);
    free(own);
}

int main(int argc, char **argv)
{
    unsigned long mutants = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    unsigned long seed = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER [MUTANTS [SEED]]\n", argv[0]);
        return 2;
    }
    read_folder(argv[1]);
    FUZZ_EXPECT(n_files > 0);
    for (size_t i = 0; i < n_files; i++) {
        fuzz_one(files[i].bytes, files[i].size);
    }
    for (unsigned long i = 0; i < mutants; i++) {
        meet_mutant(seed * 1000003 + i);
    }
    printf("%s: %zu files, %lu mutants\n", fuzz_name, n_files, mutants);
    for (size_t i = 0; i < n_files; i++) {
        fuzz_free(&files[i]);
    }
    return 0;
}
