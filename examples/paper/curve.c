/* SPDX-License-Identifier: MIT */
/*
 * Learning curves in files. A line begins with a line break, because the one before it may have
 * been cut off; and it is on the disk before the state is, which says how many epochs there are.
 */
#include "curve.h"

#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST = 20 /* Epochs each of which is counted. */ };

static bool is_counted(const curve *c, size_t epoch)
{
    size_t times = c->watch->times;
    size_t each = times ? (c->epochs + times - 1) / times : 1;
    return c->watch->data && (epoch <= FIRST || epoch % each == 0 || epoch == c->epochs);
}

/* Epochs that were run twice count once: the last time. No file is no line. */
static bool read_file(curve *c)
{
    char text[100];
    curve_line l;
    FILE *file = fopen(c->path, "r");
    if (!file) {
        return errno == ENOENT || say(c->path, strerror(errno));
    }
    while (fgets(text, sizeof text, file)) {
        bool whole =
            strchr(text, '\n') && sscanf(text, "%zu %lf %ld", &l.epoch, &l.loss, &l.errors) == 3;
        if (whole && l.epoch >= 1 && l.epoch <= c->epochs) {
            c->lines[l.epoch - 1] = l;
        }
    }
    fclose(file);
    return true;
}

static void find_best(curve *c)
{
    c->best = 0;
    for (size_t i = 0; i < c->epochs; i++) {
        long errors = c->lines[i].errors;
        if (errors >= 0 && (c->best == 0 || errors < c->lines[c->best - 1].errors)) {
            c->best = i + 1;
        }
    }
}

static void clear(curve *c)
{
    for (size_t i = 0; i < c->epochs; i++) {
        c->lines[i] = (curve_line){0, 0.0, -1};
    }
}

void curve_close(curve *c)
{
    free(c->lines);
    c->lines = NULL;
}

bool curve_open(curve *c, const curve_watch *watch, const char *path, const char *best_path,
                size_t epochs)
{
    *c = (curve){watch, path, best_path, epochs, calloc(epochs, sizeof *c->lines), 0};
    if (!c->lines) {
        return say("curve", "out of memory");
    }
    clear(c);
    return read_file(c) || (curve_close(c), false);
}

static bool keep(const kd_net *net, const char *path)
{
    kd_error error = KD_ERROR_INIT;
    return kd_save_net(net, path, NULL, &error) == KD_OK || say("net", error.text);
}

/* The net before its line, so that a line says what is kept. */
bool curve_note(void *user, size_t epoch, double loss, kd_net *net)
{
    curve *c = user;
    curve_line *l = &c->lines[epoch - 1];
    if (epoch == 1) {
        clear(c); /* of what an earlier training has left */
    }
    *l = (curve_line){epoch, loss, -1};
    if (is_counted(c, epoch) && (l->errors = count_errors(net, c->watch->data)) < 0) {
        return false;
    }
    find_best(c);
    if (c->watch->keep_best && c->best == epoch && !keep(net, c->best_path)) {
        return false;
    }
    FILE *file = fopen(c->path, epoch == 1 ? "w" : "a");
    bool good = file && fprintf(file, "\n%zu %.9g %ld\n", epoch, loss, l->errors) > 0;
    good = good && fflush(file) == 0 && fsync(fileno(file)) == 0;
    good = (!file || fclose(file) == 0) && good;
    return good || say(c->path, errno ? strerror(errno) : "it can't be written");
}

static cJSON *number_or_null(double value, bool known)
{
    return known ? cJSON_CreateNumber(value) : cJSON_CreateNull();
}

bool curve_write(curve *c, cJSON *result)
{
    clear(c); /* numbers as the file has them, whether this run wrote them or an earlier one */
    if (!read_file(c)) {
        return false;
    }
    cJSON *loss = cJSON_AddArrayToObject(result, "loss");
    cJSON *errors = c->watch->data ? cJSON_AddArrayToObject(result, "held_out_errors") : NULL;
    for (size_t i = 0; i < c->epochs; i++) {
        const curve_line *l = &c->lines[i];
        cJSON_AddItemToArray(loss, number_or_null(l->loss, l->epoch > 0));
        if (errors) {
            cJSON_AddItemToArray(errors, number_or_null((double)l->errors, l->errors >= 0));
        }
    }
    return true;
}
