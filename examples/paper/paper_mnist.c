/* SPDX-License-Identifier: MIT */
/*
 * Section 3 of the paper: a large net with dropout, weight constraints and moved images; a smaller
 * one alone; and the same distilled from the large one at T = 20, on images that are not moved.
 */
#include "confusable.h"
#include "study.h"

/* What came of it; NULL after a message. */
static const cJSON *teacher(study *s, uint64_t seed)
{
    cJSON *what = study_what(s, "teacher", seed, &s->o.teacher, NULL);
    const cJSON *done = study_done(s, what);
    if (done) {
        return done;
    }
    cJSON *result = cJSON_CreateObject();
    kd_net *net = study_teacher(s, seed, result);
    bool good = net ? study_test(s, net, result, NULL) &&
                          confusable_write(s, net, s->o.distilled.temperature, result)
                    : study_diverged(result);
    kd_net_destroy(net);
    return study_keep(s, good, what, result) ? result : NULL;
}

static bool alone(study *s, uint64_t seed)
{
    const student small = {.seed = seed, .plan = &s->o.alone, .data = &s->train};
    cJSON *what = study_what(s, "alone", seed, small.plan, NULL);
    return study_done(s, what) || study_run(s, what, &small);
}

static bool distilled(study *s, uint64_t seed)
{
    student small = {.seed = seed, .plan = &s->o.distilled, .data = &s->train};
    cJSON *what = study_what(s, "distilled", seed, small.plan, &seed);
    if (study_done(s, what)) {
        return true;
    }
    kd_net *large = study_teacher(s, seed, NULL);
    small.teacher = large ? study_record(s, large, small.data) : NULL;
    kd_net_destroy(large);
    if (!small.teacher) {
        cJSON_Delete(what);
        return false;
    }
    bool good = study_run(s, what, &small);
    kd_teacher_destroy(small.teacher);
    return good;
}

static void adjust(options *o)
{
    o->distilled.hard_weight = 8.0f; /* beside T^2 = 400 for the soft targets */
}

int main(int argc, char **argv)
{
    static const program about = {
        .name = "paper-mnist",
        .help =
            "Trains a large net with dropout, weight constraints and moved images, a smaller net\n"
            "alone, and the same distilled from the large one (Hinton, Vinyals, Dean 2015,\n"
            "section 3), and counts their test errors.\n",
        .seeds = 3,
        .adjust = adjust};
    static const char *const keys[] = {"errors"};
    study s;
    int code;
    if (!study_open(&s, &about, argc, argv, &code)) {
        return code;
    }
    bool good = true;
    for (uint64_t seed = s.o.seed; good && seed < s.o.seed + s.o.seeds; seed++) {
        const cJSON *large = teacher(&s, seed);
        good = large && alone(&s, seed) && (study_diverged(large) || distilled(&s, seed));
    }
    return study_end(&s, good, keys, 1);
}
