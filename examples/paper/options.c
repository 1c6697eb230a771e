/* SPDX-License-Identifier: MIT */
/* The command line. The plans are what holds if no option says otherwise. */
#include "options.h"

#include "say.h"
#include "study.h"

#include <errno.h>
#include <getopt.h>
#include <kd/context.h>
#include <math.h>
#include <stdlib.h>
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
    "  --alone F=V,...    nets with labels alone, and\n"
    "  --distilled F=V,.. nets with soft targets; the plans stand below. Fields are";

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

/* ---- fields of plans ---- */

/* Points to one field; exactly one of the three is not NULL. */
typedef struct field {
    const char *name;
    double low, high;
    size_t *size;
    float *number;
    int *whole;
} field;

enum { FIELDS = 13 };

static void fields_of(plan *p, field out[FIELDS])
{
    const field all[FIELDS] = {
        {"layers", 1, 100, &p->layers, NULL, NULL},
        {"hidden", 1, 100000, &p->hidden, NULL, NULL},
        {"epochs", 1, 100000, &p->epochs, NULL, NULL},
        {"batch", 1, 1000000, &p->batch, NULL, NULL},
        {"rate", 1e-9, 100, NULL, &p->rate, NULL},
        {"momentum", 0, 0.9999, NULL, &p->momentum, NULL},
        {"input_dropout", 0, 0.99, NULL, &p->input_dropout, NULL},
        {"hidden_dropout", 0, 0.99, NULL, &p->hidden_dropout, NULL},
        {"max_norm", 0, 1e6, NULL, &p->max_norm, NULL},
        {"jitter", 0, 14, NULL, NULL, &p->jitter},
        {"temperature", 1e-3, 1e6, NULL, &p->temperature, NULL},
        {"soft_weight", 0, 1e6, NULL, &p->soft_weight, NULL},
        {"hard_weight", 0, 1e6, NULL, &p->hard_weight, NULL},
    };
    memcpy(out, all, sizeof all);
}

const char *plan_field(const plan *p, size_t i, double *out_value)
{
    plan copy = *p;
    field fields[FIELDS];
    if (i >= FIELDS) {
        return NULL;
    }
    fields_of(&copy, fields);
    const field *f = &fields[i];
    *out_value = f->size ? (double)*f->size : f->number ? (double)*f->number : (double)*f->whole;
    return f->name;
}

/* ---- words ---- */

static bool bad(const char *option, const char *text, const char *rule)
{
    fprintf(stderr, "%s: --%s %s: %s\n", say_program, option, text, rule);
    return false;
}

/* The number that `text` begins with, up to `end` (NULL: all of it). */
static bool read_number(const char *option, const char *text, const char *end, double low,
                        double high, bool whole, double *out)
{
    char *stop;
    char rule[80];
    *out = strtod(text, &stop);
    bool good = stop != text && (end ? stop == end : *stop == '\0') && *out >= low && *out <= high;
    good = good && (!whole || *out == floor(*out));
    snprintf(rule, sizeof rule, "not a %snumber from %g to %g", whole ? "whole " : "", low, high);
    return good || bad(option, text, rule);
}

/* Whether a field may be set: not if it would be set again, or would change nothing. */
static bool may_set(const options *o, const char *option, const char *at, const field *f)
{
    static const char *const soft[] = {"temperature", "soft_weight", "hard_weight", NULL};
    bool is_soft = strcmp(option, "distilled") == 0;
    for (size_t i = 0; !is_soft && soft[i]; i++) {
        if (strcmp(f->name, soft[i]) == 0) {
            return bad(option, at, "of no meaning without a teacher");
        }
    }
    for (size_t i = 0; strcmp(option, "teacher") != 0 && o->swept && o->swept[i]; i++) {
        if (strcmp(f->name, o->swept[i]) == 0) {
            return bad(option, at, "this program sets that itself; it has an option of its own");
        }
    }
    return true;
}

/* FIELD=VALUE,FIELD=VALUE... */
static bool read_plan(const options *o, const char *option, const char *text, plan *p)
{
    field fields[FIELDS];
    fields_of(p, fields);
    for (const char *at = text; at;) {
        const char *comma = strchr(at, ',');
        const char *equals = strchr(at, '=');
        const field *f = NULL;
        for (size_t i = 0; equals && i < FIELDS; i++) {
            size_t length = strlen(fields[i].name);
            if ((size_t)(equals - at) == length && strncmp(at, fields[i].name, length) == 0) {
                f = &fields[i];
            }
        }
        double value;
        if (!f) {
            return bad(option, at, "not FIELD=VALUE; --help names the fields");
        }
        if (!may_set(o, option, at, f)) {
            return false;
        }
        if (!read_number(option, equals + 1, comma, f->low, f->high, !f->number, &value)) {
            return false;
        }
        if (f->size) {
            *f->size = (size_t)value;
        } else if (f->number) {
            *f->number = (float)value;
        } else {
            *f->whole = (int)value;
        }
        at = comma ? comma + 1 : NULL;
    }
    return true;
}

static bool read_list(const list_option *l, const char *text)
{
    number_list read = {0};
    for (const char *at = text; at; read.n++) {
        const char *comma = strchr(at, ',');
        if (read.n == (l->single ? 1 : OPTIONS_MOST)) {
            return bad(l->name, text, "too many numbers");
        }
        if (!read_number(l->name, at, comma, l->low, l->high, l->whole, &read.value[read.n])) {
            return false;
        }
        at = comma ? comma + 1 : NULL;
    }
    *l->list = read;
    return true;
}

/* ---- the command line ---- */

/* The names of all fields, in lines that stand below each other. */
static void print_fields(void)
{
    double value;
    const char *name;
    size_t column = 77;
    for (size_t i = 0; (name = plan_field(&teacher_plan, i, &value)) != NULL; i++) {
        size_t length = strlen(name) + 2;
        bool fits = column + length < 100;
        printf(i == 0 ? " %s" : fits ? ", %s" : ",\n                     %s", name);
        column = fits ? column + length : 21 + length;
    }
}

/* One plan, as an option would say it, without what is 0. */
static void print_plan(const char *name, const plan *p)
{
    double value;
    const char *what;
    size_t column = (size_t)printf("  --%-9s ", name);
    for (size_t i = 0, n = 0; (what = plan_field(p, i, &value)) != NULL; i++) {
        char text[60];
        size_t length = (size_t)snprintf(text, sizeof text, "%s=%g", what, value);
        bool fits = column + length + 1 < 100;
        if (value != 0.0) {
            printf(n++ == 0 ? "%s" : fits ? ",%s" : ",\n              %s", text);
            column = (fits ? column : 14) + length + 1;
        }
    }
    putchar('\n');
}

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
    printf(common_help, about->seeds, about->name);
    print_fields();
    fputs(more_help, stdout);
    puts("\nPlans that hold if no option says otherwise; fields that are not named are 0:\n");
    print_plan("teacher", &o->teacher);
    print_plan("alone", &o->alone);
    print_plan("distilled", &o->distilled);
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
            return true;
        }
    }
    if (strcmp(name, "teacher") == 0) {
        return read_plan(o, name, value, &o->teacher);
    }
    if (strcmp(name, "alone") == 0) {
        return read_plan(o, name, value, &o->alone);
    }
    if (strcmp(name, "distilled") == 0) {
        return read_plan(o, name, value, &o->distilled);
    }
    if (strcmp(name, "seed") == 0) {
        bool good = read_number(name, value, NULL, 0, most, true, &number);
        o->seed = (uint64_t)number;
        return good;
    }
    if (strcmp(name, "seeds") == 0) {
        bool good = read_number(name, value, NULL, 1, 1000, true, &number);
        o->seeds = (size_t)number;
        return good;
    }
    if (strcmp(name, "threads") == 0) {
        bool good = read_number(name, value, NULL, 1, KD_MAX_THREADS, true, &number);
        o->threads = (int32_t)number;
        return good;
    }
    const char **text = strcmp(name, "data") == 0   ? &o->data
                        : strcmp(name, "json") == 0 ? &o->json
                                                    : &o->work;
    *text = value;
    return true;
}

/* All long options: the common ones, and those of the program. */
static void list_options(const program *about, struct option out[32])
{
    static const char *const with_value[] = {"data",    "json",  "work",      "seed",   "seeds",
                                             "teacher", "alone", "distilled", "threads"};
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
    for (size_t i = 0; i < sizeof with_value / sizeof *with_value; i++) {
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
                   .swept = about->swept};
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
