/* SPDX-License-Identifier: MIT */
/*
 * Images of many classes. EMNIST's official training partition is half a gigabyte; its test
 * partition, split again, is enough here, but results must not stand beside published ones.
 */
#include "characters.h"

#include "idx.h"
#include "say.h"

#include <stdlib.h>
#include <string.h>

enum {
    BYCLASS = 62,
    MARKS = 4, /* of a drawn digit: a dot at one of so many places above it */
    DRAWN = DIGIT_CLASSES * MARKS,
    OF = 116323,    /* shares of all images: */
    TRAIN = 80000,  /* to train with, */
    CHOOSE = 10000, /* to choose with; the rest to test with */
    MOST = 256
};

void characters_name(const characters *c, size_t class, char out[8])
{
    static const char names[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if (c->drawn) {
        snprintf(out, 8, "%u.%u", (unsigned)(class / MARKS % DIGIT_CLASSES),
                 (unsigned)(class % MARKS + 1));
    } else {
        snprintf(out, 8, "%c", class < BYCLASS ? names[class] : '?');
    }
}

/* ---- drawn ---- */

/* Philox would do as well; this one is short. A step of splitmix64 (Steele, Lea, Flood 2014). */
static uint32_t random_below(uint64_t seed, uint64_t i, uint32_t limit)
{
    uint64_t z = (seed * 0xD1B54A32D192ED03u ^ i) + 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % limit;
}

/*
 * A dot of two by two pixels in the free rows at the top. Its place differs by up to four pixels
 * from that of its mark, and marks are six apart: so some images are of two classes.
 */
static void put_mark(uint8_t *pixels, uint32_t mark, uint64_t i)
{
    uint32_t column = 4 + 6 * mark + random_below(2, i, 9) - 4;
    for (uint32_t at = 0; at < 4; at++) {
        pixels[at / 2 * DIGIT_SIDE + column + at % 2] = 255;
    }
}

static bool draw(digit_set *all, size_t n)
{
    if (!digits_draw(77, n, all)) {
        return say("characters", "out of memory");
    }
    for (size_t i = 0; i < all->n; i++) {
        uint32_t mark = random_below(1, i, MARKS);
        put_mark(all->pixels + i * DIGIT_PIXELS, mark, i);
        all->labels[i] = (uint8_t)(all->labels[i] * MARKS + mark);
    }
    return true;
}

/* ---- parts ---- */

static bool make_room(digit_set *set, size_t n)
{
    *set = (digit_set){.pixels = malloc(n * DIGIT_PIXELS), .labels = malloc(n)};
    if (set->pixels && set->labels) {
        return true;
    }
    digit_set_free(set);
    return say("characters", "out of memory");
}

static void add(digit_set *set, const digit_set *from, size_t i)
{
    memcpy(set->pixels + set->n * DIGIT_PIXELS, from->pixels + i * DIGIT_PIXELS, DIGIT_PIXELS);
    set->labels[set->n++] = from->labels[i];
}

/* Each class is cut in the same proportions, in an order that is always the same. */
static bool split(const digit_set *all, digit_set parts[3])
{
    size_t of[MOST] = {0}, seen[MOST] = {0};
    uint32_t *order = calloc(all->n, sizeof *order);
    bool good = order && kd_shuffle(7, 0, all->n, order, NULL) == KD_OK;
    for (size_t p = 0; p < 3; p++) {
        good = good && make_room(&parts[p], all->n);
    }
    for (size_t i = 0; i < all->n; i++) {
        of[all->labels[i]]++;
    }
    for (size_t i = 0; good && i < all->n; i++) {
        size_t label = all->labels[order[i]];
        size_t train = (of[label] * TRAIN + OF / 2) / OF;
        size_t choose = (of[label] * CHOOSE + OF / 2) / OF;
        size_t place = seen[label]++;
        add(&parts[place < train ? 0 : place < train + choose ? 1 : 2], all, order[i]);
    }
    free(order);
    good = good || say("characters", "out of memory");
    return good && ((parts[0].n > 0 && parts[1].n > 0 && parts[2].n > 0) ||
                    say("characters", "too few images"));
}

static case_set cases_of(const digit_set *set, size_t classes)
{
    case_set cases = digit_cases(set);
    cases.classes = classes;
    return cases;
}

/* ---- the study's ---- */

static bool load(study *s)
{
    const options *o = &s->o;
    digit_set all = {0}, parts[3] = {{0}};
    char why[400];
    characters *c = calloc(1, sizeof *c);
    s->kept = c;
    if (!c) {
        return say("characters", "out of memory");
    }
    c->drawn = !o->data;
    bool good = c->drawn ? draw(&all, o->smoke ? 2000 : 40000)
                         : idx_load_classes(o->data, "emnist-byclass-test", BYCLASS, &all, why,
                                            sizeof why) ||
                               say("data", why);
    good = good && split(&all, parts);
    digit_set_free(&all);
    s->train_images = parts[0];
    c->dev_images = parts[1];
    s->test_images = parts[2];
    if (!good) {
        return false;
    }
    size_t classes = c->drawn ? DRAWN : BYCLASS;
    s->train = cases_of(&s->train_images, classes);
    c->dev = cases_of(&c->dev_images, classes);
    s->test = o->holdout ? c->dev : cases_of(&s->test_images, classes);
    c->train_labels = labels_of(&s->train);
    printf("%zu training images of %zu classes, %zu to choose with, %zu to test with, %s; "
           "%d thread%s\n",
           s->train.n, classes, c->dev.n, s->test.n, o->data ? o->data : "drawn by this program",
           (int)o->threads, o->threads > 1 ? "s" : "");
    return c->train_labels != NULL;
}

static void unload(study *s)
{
    characters *c = s->kept;
    digit_set_free(&s->train_images);
    digit_set_free(&s->test_images);
    if (c) {
        digit_set_free(&c->dev_images);
        free(c->train_labels);
        free(c);
    }
}

const study_data study_characters = {
    .help = "  --data DIR         folder with EMNIST ByClass's test partition, "
            "emnist-byclass-test-*;\n"
            "                     without it the program draws digits with marks\n"
            "  --holdout          test on the part to choose settings with, and do not touch the "
            "test part\n",
    .load = load,
    .unload = unload};
