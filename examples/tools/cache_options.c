/* SPDX-License-Identifier: MIT */
/* The command line of kd-cache. */
#include "cache_options.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: kd-cache record FILE --teacher NET [--teacher NET]... --inputs X.npy [OPTION]...\n"
    "       kd-cache record FILE --logits Z.npy [OPTION]...\n"
    "       kd-cache inspect FILE\n"
    "       kd-cache verify FILE\n"
    "       kd-cache compare FILE OTHER [--temperature T]\n"
    "\n"
    "record   asks a teacher, or an ensemble, about every row of the inputs, or takes logits that\n"
    "         another program computed. The row is the case's id. Interrupted, it goes on where "
    "it\n"
    "         was.\n"
    "inspect  checks every byte and says what a recording holds.\n"
    "verify   the same, and fails if it is not finished.\n"
    "compare  says what OTHER has lost of FILE: KL(FILE || OTHER), the classes that a topk\n"
    "         recording does not have being taken to be alike.\n"
    "\n"
    "  --teacher NET      a safetensors file of libkd; several make an ensemble\n"
    "  --inputs X.npy     its inputs, one case a row\n"
    "  --logits Z.npy     or logits, one case a row\n"
    "  --mean NAME        of an ensemble: geometric (default) or arithmetic\n"
    "  --encoding NAME    f32 (default), f16 or topk\n"
    "  --top N            topk: classes kept of each case\n"
    "  --temperature T    of topk and of arithmetic means, which serve no other\n"
    "  --threads N        threads that work (default: as many as processors are online)\n"
    "  --help             this text\n";

static bool bad(const char *option, const char *value, const char *rule)
{
    fprintf(stderr, "kd-cache: %s %s: %s\n", option, value, rule);
    return false;
}

static bool read_number(const char *option, const char *text, double low, double high, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !(*out >= low && *out <= high)) {
        fprintf(stderr, "kd-cache: %s %s: not a number from %g to %g\n", option, text, low, high);
        return false;
    }
    return true;
}

static bool read_count(const char *option, const char *text, double high, double *out)
{
    return read_number(option, text, 1.0, high, out) &&
           (floor(*out) == *out || bad(option, text, "not a whole number"));
}

/* The index of a word in a list that ends with NULL, or -1. */
static int index_of(const char *word, const char *const *list)
{
    for (int i = 0; list[i]; i++) {
        if (strcmp(list[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

static bool read_word(const char *option, const char *text, const char *const *list, int32_t *out)
{
    int index = index_of(text, list);
    *out = index + 1; /* the library's kinds begin at 1 */
    return index >= 0 || bad(option, text, "no such name; see --help");
}

static bool read_option(options *o, int option, const char *value)
{
    static const char *const means[] = {"arithmetic", "geometric", NULL};
    static const char *const encodings[] = {"f32", "f16", "topk", NULL};
    double number;
    switch (option) {
    case 't':
        if (o->n_teachers == MOST_TEACHERS) {
            return bad("--teacher", value, "too many");
        }
        o->teachers[o->n_teachers++] = value;
        return true;
    case 'i':
    case 'l':
        return o->data ? bad(option == 'i' ? "--inputs" : "--logits", value,
                             "either inputs or logits, and once")
                       : (o->data = value) != NULL;
    case 'm':
        return read_word("--mean", value, means, &o->mean);
    case 'e':
        return read_word("--encoding", value, encodings, &o->encoding);
    case 'k':
        if (!read_count("--top", value, 2147483647.0, &number)) {
            return false;
        }
        o->top = (size_t)number;
        return true;
    case 'T':
        if (!read_number("--temperature", value, 1e-3, 1e6, &number)) {
            return false;
        }
        o->temperature = (float)number;
        return true;
    case 'n':
        if (!read_count("--threads", value, KD_MAX_THREADS, &number)) {
            return false;
        }
        o->threads = (int32_t)number;
        return true;
    default:
        fputs("Try 'kd-cache --help'.\n", stderr);
        return false;
    }
}

static bool check_record(const options *o, bool logits)
{
    if (!o->data || (o->n_teachers > 0) == logits) {
        return bad("record", o->file, "needs --teacher and --inputs, or --logits alone");
    }
    bool tempered =
        o->encoding == KD_CACHE_TOPK || (o->n_teachers > 1 && o->mean == KD_MEAN_ARITHMETIC);
    if (tempered && !(o->temperature > 0.0f)) {
        return bad("record", o->file, "topk and arithmetic means need --temperature");
    }
    if ((o->encoding == KD_CACHE_TOPK) != (o->top > 0)) {
        return bad("record", o->file, "--encoding topk and --top belong together");
    }
    return true;
}

static int32_t default_threads(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : online > KD_MAX_THREADS ? KD_MAX_THREADS : (int32_t)online;
}

static bool read_words(options *o, int argc, char **argv, bool logits)
{
    static const char *const commands[] = {"record", "inspect", "verify", "compare", NULL};
    int left = argc - optind;
    int index = left > 0 ? index_of(argv[optind], commands) : -1;
    int needed = index == COMMAND_COMPARE ? 3 : 2;
    if (index < 0 || left != needed) {
        fputs("kd-cache: a command and its files are needed. Try 'kd-cache --help'.\n", stderr);
        return false;
    }
    o->command = (command)index;
    o->file = argv[optind + 1];
    o->other = needed == 3 ? argv[optind + 2] : NULL;
    return o->command != COMMAND_RECORD || check_record(o, logits);
}

bool options_read(options *o, int argc, char **argv, int *out_code)
{
    static const struct option known[] = {
        {"teacher", required_argument, NULL, 't'},
        {"inputs", required_argument, NULL, 'i'},
        {"logits", required_argument, NULL, 'l'},
        {"mean", required_argument, NULL, 'm'},
        {"encoding", required_argument, NULL, 'e'},
        {"top", required_argument, NULL, 'k'},
        {"temperature", required_argument, NULL, 'T'},
        {"threads", required_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool logits = false;
    *o = (options){
        .mean = KD_MEAN_GEOMETRIC, .encoding = KD_CACHE_F32, .threads = default_threads()};
    *out_code = 2;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            *out_code = 0;
            return false;
        }
        logits = logits || option == 'l';
        if (!read_option(o, option, optarg)) {
            return false;
        }
    }
    return read_words(o, argc, argv, logits);
}
