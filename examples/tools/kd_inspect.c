/* SPDX-License-Identifier: MIT */
/* kd-inspect: what stands in a file of libkd's, for people or for machines. */
#include "inspect.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: kd-inspect FILE [OPTION]...\n"
    "Shows what a file holds: layers, parameters and options of a net or of a training of libkd's\n"
    "(safetensors), the values of a .npy file, or whose record a recorded teacher is. The file is\n"
    "checked in full first.\n"
    "\n"
    "  --sample FILE.npy  also what the net says of a sample: logits, and softmax at T = 1 and T\n"
    "  --row N            which row of that file, counted from 0 (default 0)\n"
    "  --temperature T    of the soft targets (default 4)\n"
    "  --json             one JSON object; NaN and infinities become null\n"
    "  --help             this text\n"
    "\n"
    "Ends with 0; with 1 if a file can't be read or is damaged; with 2 if it was called wrongly.\n";

bool complain(const char *path, const char *why)
{
    /* Words of libkd that end in "; in PATH" would name it twice. */
    size_t length = strlen(why);
    size_t tail = strlen(path) + strlen("; in ");
    bool twice = length > tail && strncmp(why + length - tail, "; in ", 5) == 0 &&
                 strcmp(why + length - tail + 5, path) == 0;
    fprintf(stderr, "kd-inspect: %s: %.*s\n", path, (int)(twice ? length - tail : length), why);
    return false;
}

/* ---- the command line ---- */

static bool bad(const char *option, const char *value, const char *rule)
{
    fprintf(stderr, "kd-inspect: %s %s: %s\n", option, value, rule);
    return false;
}

static bool read_row(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    bool good = *text >= '0' && *text <= '9' && !*end && errno == 0;
    return good || bad("--row", text, "not a whole number");
}

static bool read_temperature(const char *text, float *out)
{
    char *end;
    *out = strtof(text, &end);
    bool good = end != text && !*end && isfinite(*out) && *out > 0.0f;
    return good || bad("--temperature", text, "not a positive number");
}

static bool read_option(settings *s, int option, const char *value)
{
    switch (option) {
    case 's':
        s->sample = value;
        return true;
    case 'r':
        return read_row(value, &s->row);
    case 't':
        return read_temperature(value, &s->temperature);
    case 'j':
        s->json = true;
        return true;
    default:
        fputs("Try 'kd-inspect --help'.\n", stderr);
        return false;
    }
}

/* False: stop with *out_code. */
static bool read_settings(settings *s, int argc, char **argv, int *out_code)
{
    static const struct option options[] = {
        {"sample", required_argument, NULL, 's'},
        {"row", required_argument, NULL, 'r'},
        {"temperature", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *s = (settings){.temperature = 4.0f};
    *out_code = 2;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            *out_code = 0;
            return false;
        }
        if (!read_option(s, option, optarg)) {
            return false;
        }
    }
    if (optind + 1 != argc) {
        fprintf(stderr, "kd-inspect: %s. Try 'kd-inspect --help'.\n",
                optind < argc ? "more than one file" : "no file given");
        return false;
    }
    s->path = argv[optind];
    return true;
}

/* ---- what sort of file ---- */

typedef enum sort { UNREADABLE, NET, MATRIX, OTHER } sort;

static sort sort_of(const char *path)
{
    unsigned char head[9] = {0};
    FILE *file = fopen(path, "rb");
    if (!file) {
        complain(path, strerror(errno));
        return UNREADABLE;
    }
    size_t size = fread(head, 1, sizeof head, file);
    bool failed = ferror(file) != 0;
    if (failed) {
        complain(path, strerror(errno));
    }
    fclose(file);
    if (failed) {
        return UNREADABLE;
    }
    if (size >= 6 && memcmp(head, "\x93NUMPY", 6) == 0) {
        return MATRIX;
    }
    return size == sizeof head && head[8] == '{' ? NET : OTHER;
}

/* ---- each sort ---- */

static bool inspect_net(const settings *s, kd_context *context)
{
    kd_error error = KD_ERROR_INIT;
    kd_net *net = NULL;
    sample one = {0};
    if (kd_load_net(context, s->path, NULL, &net, &error) != KD_OK) {
        return complain(s->path, error.text);
    }
    cJSON *metadata = metadata_read(s->path);
    bool good = metadata && (!s->sample || sample_make(&one, net, s));
    if (good && s->json) {
        good = json_net(s, net, metadata, s->sample ? &one : NULL);
        good = good || complain(s->path, "out of memory");
    } else if (good) {
        say_net(s, net, metadata, s->sample ? &one : NULL);
    }
    sample_free(&one);
    cJSON_Delete(metadata);
    kd_net_destroy(net);
    return good;
}

static bool inspect_matrix(const settings *s)
{
    kd_npy_info info;
    float *values = load_matrix(s->path, &info);
    if (!values) {
        return false;
    }
    numbers all = measure(values, info.rows * info.columns);
    free(values);
    if (s->json) {
        return json_matrix(s, &info, &all) || complain(s->path, "out of memory");
    }
    say_matrix(s, &info, &all);
    return true;
}

static bool inspect(const settings *s, kd_context *context)
{
    sort which = sort_of(s->path);
    if (which != UNREADABLE && which != NET && s->sample) {
        return complain(s->path, "no net, so it can say nothing of a sample");
    }
    switch (which) {
    case NET:
        return inspect_net(s, context);
    case MATRIX:
        return inspect_matrix(s);
    case OTHER:
        return inspect_recording(s);
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    settings s;
    int code;
    kd_error error = KD_ERROR_INIT;
    kd_context *context = NULL;
    if (!read_settings(&s, argc, argv, &code)) {
        return code;
    }
    if (kd_context_create(NULL, &context, &error) != KD_OK) {
        fprintf(stderr, "kd-inspect: %s\n", error.text);
        return 1;
    }
    bool good = inspect(&s, context);
    kd_context_destroy(context);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "kd-inspect: the output could not be written\n");
        return 1;
    }
    return good ? 0 : 1;
}
