/* SPDX-License-Identifier: MIT */
/*
 * Section 6 of the paper, table 5: soft targets as regularisers. Nets learn from a share of the
 * recordings: with labels alone, tested after the last epoch and after the one that was best on the
 * development part; and with the soft targets of a net that was trained on all of them, tested
 * after the last epoch.
 *
 * A training that diverges is a row, and so is each student of a teacher that did.
 *
 * Fewer recordings are seen more often, so that all shares have as many updates, unless that would
 * be more epochs than --longest.
 */
#include "speech/speech.h"

#include "say.h"

static number_list shares = {4, {3, 10, 30, 100}};
static number_list longest = {1, {1000}};

static const list_option lists[] = {
    {"shares", "per cent of the training recordings", 0.1, 100, false, &shares, false},
    {"longest", "epochs of a training at most", 1, 100000, true, &longest, true},
    {0}};

/* The net that teaches all students of a seed; it is made when it is first needed. */
typedef struct large {
    kd_net *net;    /* NULL: not made yet, or its training diverged. */
    cJSON *learned; /* What study_teacher said; NULL: not made yet. */
} large;

/* What one training learns from. */
typedef struct task {
    uint64_t seed;
    double share; /* per cent */
    part part;
    case_set cases;
    kd_teacher *teacher; /* Of these cases; NULL: not made yet. */
    large *large;        /* Shared by all tasks of a seed. */
} task;

static bool open_task(const study *s, task *t, large *shared, uint64_t seed, double share)
{
    const speech *d = s->kept;
    *t = (task){.seed = seed, .share = share, .large = shared};
    if (!part_choose(&d->train, share / 100.0, seed, &t->part)) {
        return false;
    }
    t->cases = part_cases(&t->part);
    return true;
}

static void close_task(task *t)
{
    kd_teacher_destroy(t->teacher);
    part_free(&t->part);
}

/* Another one than the student's, or both would begin with the same weights. */
static uint64_t teacher_seed(const task *t)
{
    return t->seed + 1000;
}

static bool make_teacher(study *s, task *t)
{
    large *l = t->large;
    if (!l->learned) {
        l->learned = cJSON_CreateObject();
        l->net = study_teacher(s, teacher_seed(t), l->learned);
    }
    if (l->net && !t->teacher) {
        t->teacher = study_record(s, l->net, &t->cases);
    }
    return t->teacher != NULL;
}

static plan plan_of(const task *t, const plan *whole)
{
    plan p = *whole;
    double epochs = (double)p.epochs * 100.0 / t->share + 0.5;
    p.epochs = (size_t)(epochs < longest.value[0] ? epochs : longest.value[0]);
    return p;
}

static cJSON *describe(const study *s, const task *t, const char *row, const plan *p, bool taught)
{
    const speech *d = s->kept;
    const uint64_t whose = teacher_seed(t);
    char name[80];
    snprintf(name, sizeof name, "%s, %g %%", row, t->share);
    cJSON *what = study_what(s, name, t->seed, p, taught ? &whose : NULL);
    size_t epochs = taught ? s->o.distilled.epochs : s->o.alone.epochs;
    cJSON_AddNumberToObject(what, "whole_epochs", (double)epochs); /* of all recordings */
    cJSON_AddNumberToObject(what, "longest", longest.value[0]);
    cJSON_AddNumberToObject(what, "share", t->share);
    cJSON_AddNumberToObject(what, "recordings", (double)t->part.n);
    speech_name_part(s, what, d->tested);
    return what;
}

/* What the net gets right: where it learned, too. */
static bool measure(study *s, const task *t, kd_net *net, cJSON *result)
{
    const speech *d = s->kept;
    long wrong = count_errors(net, &t->cases);
    cJSON_AddNumberToObject(result, "train_frame_accuracy",
                            100.0 * (1.0 - (double)wrong / (double)t->cases.n));
    return wrong >= 0 && speech_test(s, net, d->tested, result);
}

/* Takes `what` and `result`; without a net the result is complete if the training diverged. */
static bool finish(study *s, const task *t, cJSON *what, cJSON *result, kd_net *net)
{
    bool good = net ? measure(s, t, net, result) : study_diverged(result);
    return study_keep(s, good, what, result);
}

/* The epoch whose net was kept as the best one: the first with the fewest errors. */
static double best_epoch(const cJSON *result)
{
    double least = -1.0, best = 0.0, epoch = 0.0;
    const cJSON *errors;
    cJSON_ArrayForEach(errors, cJSON_GetObjectItem(result, "held_out_errors"))
    {
        epoch += 1.0;
        if (cJSON_IsNumber(errors) && (least < 0.0 || errors->valuedouble < least)) {
            least = errors->valuedouble;
            best = epoch;
        }
    }
    return best;
}

static bool finish_early(study *s, const task *t, const cJSON *name, cJSON *what,
                         const cJSON *learned)
{
    cJSON *result = cJSON_Duplicate(learned, true);
    kd_net *best = NULL;
    if (!study_diverged(learned)) {
        cJSON_AddNumberToObject(result, "best_epoch", best_epoch(learned));
        best = study_load(s, name, "best.safetensors");
    }
    bool good = finish(s, t, what, result, best);
    kd_net_destroy(best);
    return good;
}

/* One training, and those of its two rows that are not NULL, which it takes. */
static bool train_hard(study *s, task *t, const plan *p, const cJSON *name, cJSON *last,
                       cJSON *early)
{
    cJSON *learned = cJSON_CreateObject();
    s->watch.keep_best = true;
    kd_net *net = study_train(s, name, t->seed, p, &t->cases, NULL, learned);
    s->watch.keep_best = false;
    bool good = net || study_diverged(learned);
    if (good && last) {
        good = finish(s, t, last, cJSON_Duplicate(learned, true), net);
        last = NULL;
    }
    if (good && early) {
        good = finish_early(s, t, name, early, learned);
        early = NULL;
    }
    if (good) {
        study_forget(s, name);
    }
    kd_net_destroy(net);
    cJSON_Delete(learned);
    cJSON_Delete(last);
    cJSON_Delete(early);
    return good;
}

static bool run_hard(study *s, task *t)
{
    const plan p = plan_of(t, &s->o.alone);
    cJSON *last = describe(s, t, "hard", &p, false);
    cJSON *early = describe(s, t, "hard, stopped early", &p, false);
    cJSON *name = cJSON_Duplicate(last, true);
    last = study_done(s, last) ? NULL : last;
    early = study_done(s, early) ? NULL : early;
    bool good = (!last && !early) || train_hard(s, t, &p, name, last, early);
    cJSON_Delete(name);
    return good;
}

static bool run_soft(study *s, task *t)
{
    const plan p = plan_of(t, &s->o.distilled);
    cJSON *what = describe(s, t, "soft", &p, true);
    if (study_done(s, what)) {
        return true;
    }
    if (!make_teacher(s, t) && study_diverged(t->large->learned)) {
        return study_untaught(s, what, t->large->learned);
    }
    cJSON *result = cJSON_CreateObject();
    kd_net *net =
        t->teacher ? study_train(s, what, t->seed, &p, &t->cases, t->teacher, result) : NULL;
    bool good = finish(s, t, what, result, net);
    kd_net_destroy(net);
    if (good) {
        study_forget(s, what);
    }
    return good;
}

static bool run_seed(study *s, uint64_t seed)
{
    large shared = {0};
    bool good = true;
    for (size_t i = 0; good && i < shares.n; i++) {
        task t;
        good = open_task(s, &t, &shared, seed, shares.value[i]);
        good = good && run_hard(s, &t) && run_soft(s, &t);
        close_task(&t);
    }
    kd_net_destroy(shared.net);
    cJSON_Delete(shared.learned);
    return good;
}

int main(int argc, char **argv)
{
    static const program about = {
        .name = "paper-regularise",
        .help =
            "Trains acoustic models on shares of the recordings, with labels and with the soft\n"
            "targets of a net that was trained on all of them (Hinton, Vinyals, Dean 2015,\n"
            "section 6); counts frames and words that they get right. A seed is also a draw of\n"
            "recordings, those of a smaller share being among those of a larger one. Epochs are\n"
            "those with all recordings: fewer are seen more often.\n",
        .seeds = 5,
        .lists = lists,
        .texts = speech_texts,
        .adjust = speech_plans,
        .data = &speech_data};
    static const char *const keys[] = {"train_frame_accuracy", "frame_accuracy", "word_error_rate"};
    study s;
    int code;
    if (!study_open(&s, &about, argc, argv, &code)) {
        return code;
    }
    bool good = true;
    for (uint64_t seed = s.o.seed; good && seed < s.o.seed + s.o.seeds; seed++) {
        good = run_seed(&s, seed);
    }
    return study_end(&s, good, keys, 3);
}
