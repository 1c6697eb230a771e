/* SPDX-License-Identifier: MIT */
/*
 * Section 3 of the paper: transfer sets that lack classes. A student that has never seen a 3 learns
 * most of it from soft targets, but its bias for 3 is much too low; shifting it mends that.
 *
 * The paper shifts by what is best on the test set: the column "oracle". The honest rule needs no
 * label: the shift for which the mean predicted probability of the classes, over the training
 * images of all classes, is their share of the training set.
 */
#include "study.h"

#include "sets.h"
#include "shift.h"

#include <stdlib.h>

static number_list omitted = {1, {3}};
static number_list kept = {2, {7, 8}};

static const list_option lists[] = {
    {"omit", "classes that are left out", 0, DIGIT_CLASSES - 1, true, &omitted, false},
    {"only", "classes that alone are kept, in another transfer set", 0, DIGIT_CLASSES - 1, true,
     &kept, false},
    {0}};

/*
 * A teacher that was trained for a short time; perhaps it says more of other classes. Soft targets
 * only: labels would say that there is no 3.
 */
static void adjust(options *o)
{
    o->teacher.epochs = 40;
    o->teacher.hidden_dropout = 0.3f;
    o->distilled.epochs = 40;
    o->distilled.hard_weight = 0.0f;
}

typedef struct transfer {
    const char *row;
    bool keep[DIGIT_CLASSES];    /* in the transfer set */
    bool missing[DIGIT_CLASSES]; /* the others */
    bool shifted[DIGIT_CLASSES]; /* their bias is off */
} transfer;

static void put(cJSON *result, const char *what, const char *rule, double value)
{
    char name[40];
    snprintf(name, sizeof name, "%s_%s", what, rule);
    cJSON_AddNumberToObject(result, name, value);
}

/* Of all images in the set, how many are of these classes. */
static size_t count(const digit_set *set, const bool classes[DIGIT_CLASSES])
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        n += classes[set->labels[i]];
    }
    return n;
}

/* What comes of a shift. */
static void write_down(const shift_cases *test, double shift, const char *rule, size_t missing,
                       cJSON *result)
{
    shift_errors errors = shift_count(test, shift);
    put(result, "shift", rule, shift);
    put(result, "errors", rule, (double)errors.all);
    put(result, "missing_errors", rule, (double)errors.missing);
    put(result, "missing_right", rule,
        missing ? 100.0 * (double)(missing - errors.missing) / (double)missing : 0.0);
}

static bool measure(study *s, kd_net *net, cJSON *result, void *user)
{
    const transfer *t = user;
    float *z_train = logits_of(net, &s->train);
    float *z_test = logits_of(net, &s->test);
    const shift_cases train = {s->train.n, z_train, s->train_images.labels, t->shifted, t->missing};
    const shift_cases test = {s->test.n, z_test, s->test_images.labels, t->shifted, t->missing};
    bool good = z_train && z_test;
    if (good) {
        size_t missing = count(&s->test_images, t->missing);
        double share = (double)count(&s->train_images, t->shifted) / (double)s->train.n;
        write_down(&test, 0.0, "raw", missing, result);
        write_down(&test, shift_oracle(&test), "oracle", missing, result);
        write_down(&test, shift_honest(&train, share), "honest", missing, result);
        cJSON_AddNumberToObject(result, "missing", (double)missing);
        cJSON_AddNumberToObject(result, "cases", (double)s->test.n);
    }
    free(z_train);
    free(z_test);
    return good;
}

/* Takes `what`. A student whose teacher diverged is a row, too. */
static bool distil(study *s, cJSON *what, student *small)
{
    cJSON *learned = cJSON_CreateObject();
    kd_net *large = study_teacher(s, small->seed, learned);
    bool good = false;
    small->teacher = large ? study_record(s, large, small->data) : NULL;
    kd_net_destroy(large);
    if (small->teacher) {
        good = study_run(s, what, small);
        kd_teacher_destroy(small->teacher);
    } else if (study_diverged(learned)) {
        good = study_untaught(s, what, learned);
    } else {
        cJSON_Delete(what);
    }
    cJSON_Delete(learned);
    return good;
}

/* A student of the teacher of the same seed; as many updates as with all classes. */
static bool one(study *s, uint64_t seed, transfer *t)
{
    plan p = s->o.distilled;
    digit_set some;
    if (!sets_choose(&s->train_images, t->keep, &some)) {
        return false;
    }
    const case_set data = digit_cases(&some);
    p.epochs = (p.epochs * s->train.n + some.n / 2) / some.n;
    cJSON *what = study_what(s, t->row, seed, &p, &seed);
    bool good = study_done(s, what) != NULL;
    if (!good) {
        student small = {.seed = seed, .plan = &p, .data = &data, .measure = measure, .user = t};
        good = distil(s, what, &small);
    }
    digit_set_free(&some);
    return good;
}

/* A row's name: "without 3", "only 7 and 8", in whatever order they were given. */
static void name_row(char *row, size_t size, const char *first, const bool classes[DIGIT_CLASSES])
{
    size_t used = (size_t)snprintf(row, size, "%s", first);
    const char *between = " ";
    for (size_t c = 0; c < DIGIT_CLASSES && used < size; c++) {
        if (classes[c]) {
            used += (size_t)snprintf(row + used, size - used, "%s%zu", between, c);
            between = " and ";
        }
    }
}

static bool is_in(const number_list *classes, size_t label)
{
    bool found = false;
    for (size_t i = 0; i < classes->n; i++) {
        found = found || (size_t)classes->value[i] == label;
    }
    return found;
}

int main(int argc, char **argv)
{
    static const program about = {
        .name = "paper-missing",
        .help =
            "Distils students on transfer sets that lack classes, and mends the bias of these\n"
            "classes: by the best shift on the test set, as the paper does, and by a rule that\n"
            "needs their share of the training set, and no image's label (Hinton, Vinyals,\n"
            "Dean 2015, section 3).\n",
        .seeds = 3,
        .lists = lists,
        .taught_only = true,
        .adjust = adjust};
    static const char *const keys[] = {
        "errors_raw",    "missing_right_raw",    "errors_oracle", "missing_right_oracle",
        "errors_honest", "missing_right_honest", "shift_oracle",  "shift_honest"};
    study s;
    int code;
    char rows[2][100];
    if (!study_open(&s, &about, argc, argv, &code)) {
        return code;
    }
    transfer sets[2] = {{.row = rows[0]}, {.row = rows[1]}};
    for (size_t c = 0; c < DIGIT_CLASSES; c++) {
        sets[0].shifted[c] = is_in(&omitted, c);
        sets[0].keep[c] = !sets[0].shifted[c];
        sets[1].shifted[c] = sets[1].keep[c] = is_in(&kept, c);
        sets[0].missing[c] = !sets[0].keep[c];
        sets[1].missing[c] = !sets[1].keep[c];
    }
    name_row(rows[0], sizeof rows[0], "without", sets[0].shifted);
    name_row(rows[1], sizeof rows[1], "only", sets[1].shifted);
    bool good = true;
    for (uint64_t seed = s.o.seed; good && seed < s.o.seed + s.o.seeds; seed++) {
        good = one(&s, seed, &sets[0]) && one(&s, seed, &sets[1]);
    }
    return study_end(&s, good, keys, sizeof keys / sizeof *keys);
}
