/* SPDX-License-Identifier: MIT */
/* The command line. The plans are what holds if no option says otherwise. */
#include "options.h"

#include "arguments.h"
#include "plans.h"
#include "say.h"
#include "study.h"

#include <getopt.h>
#include <kd/context.h>
#include <string.h>
#include <unistd.h>

static const char common_help[] =
    "  --seed N           first seed (default 1)\n"
    "  --seeds N          how many seeds, one after the other (default %zu)\n"
    "  --json FILE        results, written after each run; runs that are in it are not made again\n"
    "                     (default %s.json)\n"
    "  --work DIR         teachers and states of trainings: a run that was stopped goes on where "
    "it\n"
    "                     was (default paper-work)\n"
    "  --teacher F=V,...  changes fields of the plan by which teachers are trained,\n"
    "%s"
    "  --distilled F=V,.. and nets with soft targets; the plans stand below. Fields are";

static const char alone_help[] = "  --alone F=V,...    nets with labels alone,\n";

static const char more_help[] =
    "\n"
    "  --smoke            tiny nets, two epochs, and few cases if the program draws its own: to "
    "see\n"
    "                     that it works\n"
    "  --threads N        (default: as many as processors are online); same results for any "
    "number\n"
    "  --help             this text\n";

static const plan teacher_plan = {.layers = 2,
                                  .hidden = 1200,
                                  .epochs = 200,
                                  .rate = 0.1f,
                                  .momentum = 0.9f,
                                  .input_dropout = 0.1f,
                                  .hidden_dropout = 0.4f,
                                  .max_norm = 3.87f,
                                  .jitter = 2,
                                  .batch = 128,
                                  .temperature = 1.0f,
                                  .hard_weight = 1.0f};
static const plan alone_plan = {.layers = 2,
                                .hidden = 800,
                                .epochs = 30,
                                .rate = 0.1f,
                                .momentum = 0.9f,
                                .batch = 128,
                                .temperature = 1.0f,
                                .hard_weight = 1.0f};
static const plan distilled_plan = {.layers = 2,
                                    .hidden = 800,
                                    .epochs = 100,
                                    .rate = 0.04f,
                                    .momentum = 0.9f,
                                    .batch = 128,
                                    .temperature = 20.0f,
                                    .soft_weight = 1.0f,
                                    .hard_weight = 0.1f};

static bool read_list(const list_option *l, const char *text)
{
    number_list read = {0};
    size_t most = l->single ? 1 : OPTIONS_MOST;
    const char *at = text;
    for (bool more = true; more; read.n++) {
        size_t length = strcspn(at, ",");
        if (read.n == most) {
            char rule[40];
            snprintf(rule, sizeof rule, "more than %zu number%s", most, most > 1 ? "s" : "");
            return argument_refuse(l->name, text, strlen(text), rule);
        }
        if (!argument_number(l->name, at, length, 0, l->low, l->high, l->whole,
                             &read.value[read.n])) {
            return false;
        }
        more = at[length] != '\0';
        at += length + 1;
    }
    *l->list = read;
    return true;
}

/* ---- the command line ---- */

static void make_small(options *o)
{
    plan *const plans[] = {&o->teacher, &o->alone, &o->distilled};
    for (size_t i = 0; i < 3; i++) {
        plans[i]->hidden = i == 0 ? 32 : 16;
        plans[i]->epochs = 2;
        plans[i]->batch = 32;
    }
    o->teacher.input_dropout = 0.0f;
    o->teacher.hidden_dropout = o->teacher.hidden_dropout > 0.0f ? 0.1f : 0.0f;
}

/* What is too long for its column has a line of its own. */
static void print_name(const char *name)
{
    printf(strlen(name) > 18 ? "  %s\n                     " : "  %-18s ", name);
}

static void print_help(const options *o, const program *about)
{
    printf("Usage: %s [OPTION]...\n%s\n", about->name, about->help);
    for (const list_option *l = about->lists; l && l->name; l++) {
        char name[40];
        snprintf(name, sizeof name, l->single ? "--%s N" : "--%s N,...", l->name);
        print_name(name);
        printf("%s (default ", l->help);
        for (size_t i = 0; i < l->list->n; i++) {
            printf(i == 0 ? "%g" : ",%g", l->list->value[i]);
        }
        puts(")");
    }
    for (const text_option *t = about->texts; t && t->name; t++) {
        char name[40];
        snprintf(name, sizeof name, "--%s %s", t->name, t->value);
        print_name(name);
        puts(t->help);
    }
    fputs(about->data ? about->data->help : study_images.help, stdout);
    printf(common_help, about->seeds, about->name, about->taught_only ? "" : alone_help);
    plan_print_fields();
    fputs(more_help, stdout);
    puts("\nPlans that hold if no option says otherwise; fields that are not named are 0:\n");
    plan_print("teacher", &o->teacher);
    if (!about->taught_only) {
        plan_print("alone", &o->alone);
    }
    plan_print("distilled", &o->distilled);
}

static bool read_option(options *o, const char *name, const char *value)
{
    static const double most = 9007199254730000.0; /* JSON can say it, and some more */
    double number = 0.0;
    for (const list_option *l = o->lists; l && l->name; l++) {
        if (strcmp(name, l->name) == 0) {
            return read_list(l, value);
        }
    }
    for (const text_option *t = o->texts; t && t->name; t++) {
        if (strcmp(name, t->name) == 0) {
            *t->text = value;
            return *value || argument_refuse(name, value, 0, "an empty name");
        }
    }
    const struct {
        plan_kind kind;
        plan *plan;
    } plans[] = {{{"teacher", false, NULL}, &o->teacher},
                 {{"alone", false, o->copied ? o->copied : o->swept}, &o->alone},
                 {{"distilled", true, o->swept}, &o->distilled}};
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        if (strcmp(name, plans[i].kind.option) == 0) {
            return plan_read(&plans[i].kind, value, plans[i].plan);
        }
    }
    const struct {
        const char *name;
        double low, high;
    } numbers[] = {{"seed", 0, most}, {"seeds", 1, 1000}, {"threads", 1, KD_MAX_THREADS}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            bool good = argument_number(name, value, strlen(value), 0, numbers[i].low,
                                        numbers[i].high, true, &number);
            o->seed = i == 0 ? (uint64_t)number : o->seed;
            o->seeds = i == 1 ? (size_t)number : o->seeds;
            o->threads = i == 2 ? (int32_t)number : o->threads;
            return good;
        }
    }
    const char **text = strcmp(name, "data") == 0   ? &o->data
                        : strcmp(name, "json") == 0 ? &o->json
                                                    : &o->work;
    *text = value;
    return *value || argument_refuse(name, value, 0, "an empty name");
}

/* All long options: the common ones, and those of the program. */
static void list_options(const program *about, struct option out[32])
{
    static const char *const with_value[] = {"data",    "json",      "work",    "seed", "seeds",
                                             "teacher", "distilled", "threads", "alone"};
    enum { WITHOUT_ALONE = sizeof with_value / sizeof *with_value - 1 }; /* it is the last */
    static const struct option others[] = {{"holdout", no_argument, NULL, 'o'},
                                           {"smoke", no_argument, NULL, 'm'},
                                           {"help", no_argument, NULL, 'h'},
                                           {NULL, 0, NULL, 0}};
    size_t n = 0;
    for (const list_option *l = about->lists; l && l->name && n < 12; l++) {
        out[n++] = (struct option){l->name, required_argument, NULL, 'v'};
    }
    for (const text_option *t = about->texts; t && t->name && n < 16; t++) {
        out[n++] = (struct option){t->name, required_argument, NULL, 'v'};
    }
    for (size_t i = 0; i < (size_t)WITHOUT_ALONE + !about->taught_only; i++) {
        out[n++] = (struct option){with_value[i], required_argument, NULL, 'v'};
    }
    memcpy(out + n, others, sizeof others);
}

static void defaults(options *o, const program *about)
{
    static char json[80];
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    snprintf(json, sizeof json, "%s.json", about->name);
    *o = (options){.json = json,
                   .work = "paper-work",
                   .seed = 1,
                   .seeds = about->seeds,
                   .threads = online < 1                ? 1
                              : online > KD_MAX_THREADS ? KD_MAX_THREADS
                                                        : (int32_t)online,
                   .teacher = teacher_plan,
                   .alone = alone_plan,
                   .distilled = distilled_plan,
                   .lists = about->lists,
                   .texts = about->texts,
                   .swept = about->swept,
                   .copied = about->copied};
    if (about->adjust) {
        about->adjust(o);
    }
}

bool options_read(options *o, const program *about, int argc, char **argv, int *out_exit_code)
{
    struct option all[32] = {0};
    int index = 0;
    say_program = about->name;
    list_options(about, all);
    defaults(o, about);
    *out_exit_code = 2;
    /* Twice: --smoke changes what the others change again. */
    for (int pass = 0; pass < 2; pass++) {
        optind = 1;
        for (int found; (found = getopt_long(argc, argv, "", all, &index)) != -1;) {
            if (found == 'h') {
                print_help(o, about);
                *out_exit_code = 0;
                return false;
            }
            if (found == '?') { /* getopt_long has said what is wrong */
                return false;
            }
            o->holdout = o->holdout || found == 'o';
            o->smoke = o->smoke || found == 'm';
            if (found == 'v' && pass == 1 && !read_option(o, all[index].name, optarg)) {
                return false;
            }
        }
        if (pass == 0 && o->smoke) {
            make_small(o);
            if (about->make_small) {
                about->make_small();
            }
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: %s: unexpected. Try '%s --help'.\n", about->name, argv[optind],
                about->name);
        return false;
    }
    return true;
}
