/* SPDX-License-Identifier: MIT */
/* The command line, and the plans of the presets. Plans were chosen on held-out training data. */
#include "settings.h"

#include <errno.h>
#include <getopt.h>
#include <kd/context.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: mnist [OPTION]...\n"
    "Trains a large net, a small net alone, and the same small net distilled from the large one\n"
    "(Hinton, Vinyals, Dean 2015, section 3), and compares their test errors.\n"
    "\n"
    "  --data DIR         folder with the four MNIST files, gzip or raw; without it the program\n"
    "                     draws its own digits\n"
    "  --preset NAME      quick (default) or paper (most of an hour: long training, as in the\n"
    "                     first plan of docs/paper.md)\n"
    "  --seed N           seed of everything random (default 1)\n"
    "  --temperature T    of the soft targets (default 20)\n"
    "  --epochs A,B,C     epochs of the large net, the small net alone, the distilled one\n"
    "  --holdout          train on five sixths of the training set and test on the last sixth;\n"
    "                     the test set is not read. For choosing settings\n"
    "  --threads N        threads that work (default: as many as processors are online); the\n"
    "                     results are the same for any number\n"
    "  --student FILE     the distilled net (default student.safetensors)\n"
    "  --state DIR        keep the state of each training there after each epoch, and go on where\n"
    "                     an earlier run with the same options was stopped\n"
    "  --record FILE      record the teacher's soft targets there; if they are there already,\n"
    "                     distil from them and train no teacher\n"
    "  --picture FILE     soft targets as a picture (default soft-targets.svg)\n"
    "  --json FILE        results as one JSON object\n"
    "  --help             this text\n";

static const plan quick_mnist[3] = {
    {.hidden = 1200,
     .epochs = 20,
     .rate = 0.1f,
     .hidden_dropout = 0.25f,
     .max_norm = 3.87f,
     .jitter = 2},
    {.hidden = 800, .epochs = 10, .rate = 0.3f},
    {.hidden = 800, .epochs = 28, .rate = 0.04f},
};

static const plan quick_drawn[3] = {
    {.hidden = 1200,
     .epochs = 20,
     .rate = 0.1f,
     .hidden_dropout = 0.2f,
     .max_norm = 3.87f,
     .jitter = 2},
    {.hidden = 800, .epochs = 20, .rate = 0.3f},
    {.hidden = 800, .epochs = 20, .rate = 0.02f},
};

static const plan paper[3] = {
    {.hidden = 1200,
     .epochs = 200,
     .rate = 0.1f,
     .input_dropout = 0.1f,
     .hidden_dropout = 0.4f,
     .max_norm = 3.87f,
     .jitter = 2},
    {.hidden = 800, .epochs = 30, .rate = 0.1f},
    {.hidden = 800, .epochs = 100, .rate = 0.04f},
};

static void choose_plans(settings *s)
{
    const plan *preset = s->paper ? paper : s->data ? quick_mnist : quick_drawn;
    plan *const chosen[] = {&s->teacher, &s->alone, &s->distilled};
    for (int i = 0; i < 3; i++) {
        *chosen[i] = preset[i];
        chosen[i]->epochs = s->epochs[i] ? s->epochs[i] : preset[i].epochs;
        chosen[i]->layers = 2;
        chosen[i]->momentum = 0.9f;
        chosen[i]->batch = 128;
        chosen[i]->temperature = s->temperature;
        chosen[i]->soft_weight = 1.0f;
        chosen[i]->hard_weight = s->paper ? 8.0f : 0.1f;
    }
}

static bool bad(const char *option, const char *value, const char *rule)
{
    fprintf(stderr, "mnist: %s %s: %s\n", option, value, rule);
    return false;
}

static bool read_number(const char *text, const char *option, double low, double high, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !(*out >= low && *out <= high)) {
        fprintf(stderr, "mnist: %s %s: not a number from %g to %g\n", option, text, low, high);
        return false;
    }
    return true;
}

/* Up to 2^53, so that JSON can say it. */
static bool read_seed(const char *text, uint64_t *out)
{
    static const uint64_t most = (uint64_t)1 << 53;
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    bool good = *text >= '0' && *text <= '9' && !*end && errno == 0 && *out <= most;
    return good || bad("--seed", text, "not a whole number from 0 to 2^53");
}

static bool read_epochs(const char *text, size_t epochs[3])
{
    char *end = NULL;
    const char *at = text;
    for (int i = 0; i < 3; i++) {
        unsigned long value = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 0;
        if (value < 1 || value > 100000 || *end != (i < 2 ? ',' : '\0')) {
            return bad("--epochs", text,
                       "not three whole numbers from 1 to 100000, as in 20,10,20");
        }
        epochs[i] = value;
        at = end + 1;
    }
    return true;
}

/* One for each processor that is online. */
static int32_t default_threads(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : online > KD_MAX_THREADS ? KD_MAX_THREADS : (int32_t)online;
}

static bool read_threads(const char *text, int32_t *out)
{
    double number;
    if (!read_number(text, "--threads", 1, KD_MAX_THREADS, &number)) {
        return false;
    }
    *out = (int32_t)number;
    return (double)*out >= number || bad("--threads", text, "not a whole number");
}

static bool read_preset(const char *text, bool *out_paper)
{
    *out_paper = strcmp(text, "paper") == 0;
    return *out_paper || strcmp(text, "quick") == 0
               ? true
               : bad("--preset", text, "neither quick nor paper");
}

static bool read_option(settings *s, int option, const char *value)
{
    double number;
    switch (option) {
    case 'd':
        s->data = value;
        return true;
    case 'p':
        return read_preset(value, &s->paper);
    case 's':
        return read_seed(value, &s->seed);
    case 't':
        if (!read_number(value, "--temperature", 1e-3, 1e6, &number)) {
            return false;
        }
        s->temperature = (float)number;
        return true;
    case 'e':
        return read_epochs(value, s->epochs);
    case 'o':
        s->holdout = true;
        return true;
    case 'n':
        return read_threads(value, &s->threads);
    case 'u':
        s->student = value;
        return true;
    case 'a':
        s->state = value;
        return true;
    case 'r':
        s->record = value;
        return true;
    case 'i':
        s->picture = value;
        return true;
    case 'j':
        s->json = value;
        return true;
    default:
        fputs("Try 'mnist --help'.\n", stderr);
        return false;
    }
}

bool settings_read(settings *s, int argc, char **argv, int *out_exit_code)
{
    static const struct option options[] = {
        {"data", required_argument, NULL, 'd'},    {"preset", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 's'},    {"temperature", required_argument, NULL, 't'},
        {"epochs", required_argument, NULL, 'e'},  {"holdout", no_argument, NULL, 'o'},
        {"threads", required_argument, NULL, 'n'}, {"student", required_argument, NULL, 'u'},
        {"state", required_argument, NULL, 'a'},   {"record", required_argument, NULL, 'r'},
        {"picture", required_argument, NULL, 'i'}, {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    *s = (settings){
        .picture = "soft-targets.svg",
        .student = "student.safetensors",
        .seed = 1,
        .temperature = 20.0f,
        .threads = default_threads(),
        .drawn_train = 8000,
        .drawn_test = 10000,
    };
    *out_exit_code = 2;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            *out_exit_code = 0;
            return false;
        }
        if (!read_option(s, option, optarg)) {
            return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "mnist: %s: unexpected. Try 'mnist --help'.\n", argv[optind]);
        return false;
    }
    choose_plans(s);
    return true;
}
