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

#include <math.h>
#include <stdlib.h>

enum { STEPS = 200 /**< Of a tenth, in each direction, for the oracle. */ };

static number_list omitted = {1, {3}};
static number_list kept = {2, {7, 8}};

static const list_option lists[] = {
    {"omit", "classes that are left out", 0, DIGIT_CLASSES - 1, true, &omitted, false},
    {"only", "classes that alone are kept, in another transfer set", 0, DIGIT_CLASSES - 1, true,
     &kept, false},
    {0}};

/* Soft targets only: labels would say that there is no 3. */
static void adjust(options *o)
{
    o->distilled.hard_weight = 0.0f;
}

typedef struct transfer {
    const char *row;
    bool keep[DIGIT_CLASSES];    /* in the transfer set */
    bool shifted[DIGIT_CLASSES]; /* their bias is off */
} transfer;

static size_t best_of(const float *z, const bool shifted[DIGIT_CLASSES], double shift)
{
    size_t best = 0;
    double most = -(double)INFINITY;
    for (size_t c = 0; c < DIGIT_CLASSES; c++) {
        double logit = (double)z[c] + (shifted[c] ? shift : 0.0);
        if (logit > most) {
            most = logit;
            best = c;
        }
    }
    return best;
}

/* Test errors with this shift: of all images, and of those of classes that were missing. */
typedef struct count {
    size_t all, missing;
} count;

static count errors_with(const study *s, const transfer *t, const float *z, double shift)
{
    count errors = {0};
    for (size_t i = 0; i < s->test.n; i++) {
        uint8_t label = s->test_images.labels[i];
        bool wrong = best_of(z + i * DIGIT_CLASSES, t->shifted, shift) != label;
        errors.all += wrong;
        errors.missing += wrong && !t->keep[label];
    }
    return errors;
}

static double oracle(const study *s, const transfer *t, const float *z)
{
    double best = 0.0;
    for (int step = 1; step <= STEPS; step++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            double shift = 0.1 * step * sign;
            if (errors_with(s, t, z, shift).all < errors_with(s, t, z, best).all) {
                best = shift;
            }
        }
    }
    return best;
}

/* The mean probability of the shifted classes. */
static double mean_share(const float *z, size_t n, const bool shifted[DIGIT_CLASSES], double shift)
{
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        double most = -(double)INFINITY, sum = 0.0, part = 0.0;
        double logit[DIGIT_CLASSES];
        for (size_t c = 0; c < DIGIT_CLASSES; c++) {
            logit[c] = (double)z[i * DIGIT_CLASSES + c] + (shifted[c] ? shift : 0.0);
            most = logit[c] > most ? logit[c] : most;
        }
        for (size_t c = 0; c < DIGIT_CLASSES; c++) {
            double e = exp(logit[c] - most);
            sum += e;
            part += shifted[c] ? e : 0.0;
        }
        total += part / sum;
    }
    return total / (double)n;
}

/* The share grows with the shift, so halving finds it. */
static double honest(const study *s, const transfer *t, const float *z)
{
    double low = -50.0, high = 50.0, share = 0.0;
    for (size_t i = 0; i < s->train.n; i++) {
        share += t->shifted[s->train_images.labels[i]];
    }
    share /= (double)s->train.n;
    for (int i = 0; i < 40; i++) {
        double middle = 0.5 * (low + high);
        if (mean_share(z, s->train.n, t->shifted, middle) < share) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return 0.5 * (low + high);
}

static void put(cJSON *result, const char *what, const char *rule, double value)
{
    char name[40];
    snprintf(name, sizeof name, "%s_%s", what, rule);
    cJSON_AddNumberToObject(result, name, value);
}

/* What comes of a shift; `missing` test images are of classes that were missing. */
static void write_down(const study *s, const transfer *t, const float *z, double shift,
                       const char *rule, size_t missing, cJSON *result)
{
    count errors = errors_with(s, t, z, shift);
    put(result, "shift", rule, shift);
    put(result, "errors", rule, (double)errors.all);
    put(result, "missing_errors", rule, (double)errors.missing);
    put(result, "missing_right", rule,
        missing ? 100.0 * (double)(missing - errors.missing) / (double)missing : 0.0);
}

static bool measure(study *s, kd_net *net, cJSON *result, void *user)
{
    const transfer *t = user;
    size_t missing = 0;
    float *train = logits_of(net, &s->train);
    float *test = logits_of(net, &s->test);
    if (train && test) {
        for (size_t i = 0; i < s->test.n; i++) {
            missing += !t->keep[s->test_images.labels[i]];
        }
        write_down(s, t, test, 0.0, "raw", missing, result);
        write_down(s, t, test, oracle(s, t, test), "oracle", missing, result);
        write_down(s, t, test, honest(s, t, train), "honest", missing, result);
        cJSON_AddNumberToObject(result, "missing", (double)missing);
        cJSON_AddNumberToObject(result, "cases", (double)s->test.n);
    }
    bool good = train && test;
    free(train);
    free(test);
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
    bool good = study_done(s, what);
    if (!good) {
        kd_net *large = study_teacher(s, seed, NULL);
        student small = {.seed = seed, .plan = &p, .data = &data, .measure = measure, .user = t};
        small.teacher = large ? study_record(s, large, &data) : NULL;
        kd_net_destroy(large);
        if (small.teacher) {
            good = study_run(s, what, &small);
            kd_teacher_destroy(small.teacher);
        } else {
            cJSON_Delete(what);
        }
    }
    digit_set_free(&some);
    return good;
}

/* A row's name: "without 3", "only 7 and 8". */
static void name_row(char *row, size_t size, const char *first, const number_list *classes)
{
    size_t used = (size_t)snprintf(row, size, "%s", first);
    for (size_t i = 0; i < classes->n && used < size; i++) {
        used += (size_t)snprintf(row + used, size - used, i ? " and %g" : " %g", classes->value[i]);
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
            "needs no labels (Hinton, Vinyals, Dean 2015, section 3).\n",
        .seeds = 3,
        .lists = lists,
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
    name_row(rows[0], sizeof rows[0], "without", &omitted);
    name_row(rows[1], sizeof rows[1], "only", &kept);
    for (size_t c = 0; c < DIGIT_CLASSES; c++) {
        sets[0].shifted[c] = is_in(&omitted, c);
        sets[0].keep[c] = !sets[0].shifted[c];
        sets[1].shifted[c] = sets[1].keep[c] = is_in(&kept, c);
    }
    bool good = true;
    for (uint64_t seed = s.o.seed; good && seed < s.o.seed + s.o.seeds; seed++) {
        good = one(&s, seed, &sets[0]) && one(&s, seed, &sets[1]);
    }
    return study_end(&s, good, keys, sizeof keys / sizeof *keys);
}
