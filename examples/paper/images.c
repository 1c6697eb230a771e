/* SPDX-License-Identifier: MIT */
/* Images as what a study learns from. */
#include "study.h"

#include "sets.h"

static bool load(study *s)
{
    const options *o = &s->o;
    sets_source source = {o->data, o->holdout, 1, 8000, 10000};
    if (o->smoke) {
        source.train = 600;
        source.test = 300;
    }
    if (!sets_load(&source, &s->train_images, &s->test_images)) {
        return false;
    }
    s->train = digit_cases(&s->train_images);
    s->test = digit_cases(&s->test_images);
    s->watch.data = o->holdout ? &s->test : NULL;
    printf("%zu training and %zu test images, %s; %d thread%s\n", s->train.n, s->test.n,
           o->data ? o->data : "drawn by this program", (int)o->threads, o->threads > 1 ? "s" : "");
    return true;
}

static void unload(study *s)
{
    digit_set_free(&s->train_images);
    digit_set_free(&s->test_images);
}

const study_data study_images = {
    .help = "  --data DIR         folder with four IDX files of 28x28 images named as MNIST's are; "
            "without\n"
            "                     it the program draws its own digits\n"
            "  --holdout          test on the last sixth of the training set, and do not read the "
            "test set\n",
    .load = load,
    .unload = unload};
