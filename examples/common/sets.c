/* SPDX-License-Identifier: MIT */
/* The images of a program, whole or in part. */
#include "sets.h"

#include "idx.h"
#include "say.h"

#include <stdlib.h>
#include <string.h>

/* An empty set with room for n images. */
static bool make_room(digit_set *set, size_t n)
{
    *set = (digit_set){.pixels = malloc(n * DIGIT_PIXELS), .labels = malloc(n)};
    if (set->pixels && set->labels) {
        return true;
    }
    digit_set_free(set);
    return say("images", "out of memory");
}

static void add(digit_set *set, const digit_set *from, size_t begin, size_t n)
{
    memcpy(set->pixels + set->n * DIGIT_PIXELS, from->pixels + begin * DIGIT_PIXELS,
           n * DIGIT_PIXELS);
    memcpy(set->labels + set->n, from->labels + begin, n);
    set->n += n;
}

/* Takes the last sixth of the training set as test data. */
static bool hold_out(digit_set *train, digit_set *test)
{
    size_t held = train->n / 6;
    if (held == 0) {
        return say("images", "too few to hold some out");
    }
    if (!make_room(test, held)) {
        return false;
    }
    train->n -= held;
    add(test, train, train->n, held);
    return true;
}

static bool draw(const sets_source *s, digit_set *train, digit_set *test)
{
    return (digits_draw(2 * s->seed, s->train, train) &&
            (s->holdout || digits_draw(2 * s->seed + 1, s->test, test))) ||
           say("digits", "out of memory");
}

static bool read(const sets_source *s, digit_set *train, digit_set *test)
{
    char why[400];
    return (idx_load(s->folder, "train", train, why, sizeof why) &&
            (s->holdout || idx_load(s->folder, "t10k", test, why, sizeof why))) ||
           say("data", why);
}

bool sets_load(const sets_source *source, digit_set *out_train, digit_set *out_test)
{
    *out_train = *out_test = (digit_set){0};
    bool good = (source->folder ? read : draw)(source, out_train, out_test);
    good = good && (!source->holdout || hold_out(out_train, out_test));
    if (good && out_train->n > 0 && out_test->n > 0) {
        return true;
    }
    digit_set_free(out_train);
    digit_set_free(out_test);
    return good && say("data", "no images");
}

bool sets_choose(const digit_set *all, const bool keep[DIGIT_CLASSES], digit_set *out)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        n += keep[all->labels[i]];
    }
    if (n == 0) {
        return say("images", "none is left");
    }
    if (!make_room(out, n)) {
        return false;
    }
    for (size_t i = 0; i < all->n; i++) {
        if (keep[all->labels[i]]) {
            add(out, all, i, 1);
        }
    }
    return true;
}
