/* SPDX-License-Identifier: MIT */
/*
 * MNIST's files: idx_load of examples/mnist. An input is two bytes that say how long the labels'
 * file is, that file, and the images' file.
 */
#include "fuzz.h"

#include "idx.h"

#include <stdio.h>

const char fuzz_name[] = "idx";

static char labels_path[128], images_path[128];

static size_t labels_size(const unsigned char *bytes, size_t size)
{
    size_t wanted = size < 2 ? 0 : (size_t)fuzz_load(bytes, 2);
    return size < 2 ? 0 : wanted < size - 2 ? wanted : size - 2;
}

static bool load(digit_set *set)
{
    char why[300] = "";
    digit_set before = *set;
    bool taken = idx_load(fuzz_folder(), "train", set, why, sizeof why);
    FUZZ_EXPECT(memchr(why, '\0', sizeof why) && taken == (why[0] == '\0'));
    FUZZ_EXPECT(taken || memcmp(&before, set, sizeof before) == 0);
    return taken;
}

void fuzz_one(const unsigned char *bytes, size_t size)
{
    digit_set first = {0}, again = {0};
    size_t labels = labels_size(bytes, size);
    if (size < 2) {
        return;
    }
    if (!labels_path[0]) {
        snprintf(labels_path, sizeof labels_path, "%s/train-labels-idx1-ubyte", fuzz_folder());
        snprintf(images_path, sizeof images_path, "%s/train-images-idx3-ubyte", fuzz_folder());
    }
    fuzz_put(labels_path, bytes + 2, labels);
    fuzz_put(images_path, bytes + 2 + labels, size - 2 - labels);
    if (!load(&first)) {
        return;
    }
    FUZZ_EXPECT(load(&again));
    FUZZ_EXPECT(first.n > 0 && first.n == again.n);
    FUZZ_EXPECT(memcmp(first.pixels, again.pixels, first.n * DIGIT_PIXELS) == 0);
    FUZZ_EXPECT(memcmp(first.labels, again.labels, first.n) == 0);
    for (size_t i = 0; i < first.n; i++) {
        FUZZ_EXPECT(first.labels[i] < DIGIT_CLASSES);
    }
    digit_set_free(&first);
    digit_set_free(&again);
}

static void put_count(unsigned char *at, size_t count)
{
    for (size_t i = 0; i < 4; i++) {
        at[i] = (unsigned char)(count >> (24 - 8 * i));
    }
}

/* The counts of both headers, as many as there are. */
size_t fuzz_fix(unsigned char *bytes, size_t size, size_t most)
{
    (void)most;
    size_t labels = labels_size(bytes, size), images = size < 2 ? 0 : size - 2 - labels;
    if (labels > 8) {
        put_count(bytes + 2 + 4, labels - 8);
    }
    if (images > 16) {
        put_count(bytes + 2 + labels + 4, (images - 16) / DIGIT_PIXELS);
    }
    return size;
}
