/* SPDX-License-Identifier: MIT */
/*
 * Section 3 of the paper: which temperature is best depends on the size of the student. All
 * students have the same teacher.
 */
#include "study.h"

static number_list widths = {3, {30, 300, 800}};
static number_list temperatures = {10, {1, 2, 2.5, 3, 4, 6, 8, 12, 20, 40}};
static number_list teacher_seed = {1, {1}};

static const list_option lists[] = {
    {"widths", "units in each hidden layer of a student", 1, 100000, true, &widths, false},
    {"temperatures", "of the soft targets", 1e-3, 1e6, false, &temperatures, false},
    {"teacher-seed", "of the one teacher", 0, 1e9, true, &teacher_seed, true},
    {0}};

static const char *const swept[] = {"hidden", "temperature", NULL};

static void make_small(void)
{
    widths = (number_list){2, {20, 30}};
    temperatures = (number_list){2, {1, 2.5}};
}

static void adjust(options *o)
{
    o->distilled.epochs = 20;
    o->alone.epochs = 20;
}

/* The one teacher, which the caller destroys; NULL after a message. */
static kd_teacher *make_teacher(study *s)
{
    kd_net *large = study_teacher(s, (uint64_t)teacher_seed.value[0], NULL);
    kd_teacher *teacher = large ? study_record(s, large, &s->train) : NULL;
    kd_net_destroy(large);
    return teacher;
}

/* One student; T = 0: with labels alone. The teacher is made when it is first needed. */
static bool one(study *s, uint64_t seed, double width, double temperature, kd_teacher **teacher)
{
    char row[80];
    plan p = temperature > 0.0 ? s->o.distilled : s->o.alone;
    uint64_t whose = (uint64_t)teacher_seed.value[0];
    p.hidden = (size_t)width;
    if (temperature > 0.0) {
        p.temperature = (float)temperature;
        snprintf(row, sizeof row, "%g units, T = %g", width, temperature);
    } else {
        snprintf(row, sizeof row, "%g units, alone", width);
    }
    cJSON *what = study_what(s, row, seed, &p, temperature > 0.0 ? &whose : NULL);
    if (study_done(s, what)) {
        return true;
    }
    student small = {.seed = seed, .plan = &p, .data = &s->train};
    if (temperature > 0.0) {
        *teacher = *teacher ? *teacher : make_teacher(s);
        small.teacher = *teacher;
    }
    if (temperature > 0.0 && !*teacher) {
        cJSON_Delete(what);
        return false;
    }
    return study_run(s, what, &small);
}

static bool sweep(study *s, kd_teacher **teacher)
{
    bool good = true;
    for (size_t w = 0; good && w < widths.n; w++) {
        for (uint64_t seed = s->o.seed; good && seed < s->o.seed + s->o.seeds; seed++) {
            good = one(s, seed, widths.value[w], 0.0, teacher);
            for (size_t i = 0; good && i < temperatures.n; i++) {
                good = one(s, seed, widths.value[w], temperatures.value[i], teacher);
            }
        }
    }
    return good;
}

int main(int argc, char **argv)
{
    static const program about = {
        .name = "paper-temperature",
        .help = "Distils students of several sizes from one teacher at several temperatures\n"
                "(Hinton, Vinyals, Dean 2015, section 3), and counts their test errors.\n",
        .seeds = 5,
        .lists = lists,
        .swept = swept,
        .adjust = adjust,
        .make_small = make_small};
    static const char *const keys[] = {"errors"};
    study s;
    int code;
    if (!study_open(&s, &about, argc, argv, &code)) {
        return code;
    }
    kd_teacher *teacher = NULL;
    bool good = sweep(&s, &teacher);
    kd_teacher_destroy(teacher);
    return study_end(&s, good, keys, 1);
}
