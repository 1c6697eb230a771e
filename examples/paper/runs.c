/* SPDX-License-Identifier: MIT */
/* The file of results, and a table of them. */
#include "runs.h"

#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the file ---- */

/* All of it with a zero behind, which the caller frees; NULL with errno. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size = 0, room = 1 << 16;
    char *text = file ? malloc(room) : NULL;
    while (text && !feof(file) && !ferror(file)) {
        size += fread(text + size, 1, room - size - 1, file);
        if (size + 1 == room) {
            char *larger = realloc(text, room *= 2);
            if (!larger) {
                free(text);
            }
            text = larger;
        }
    }
    if (text && ferror(file)) {
        free(text);
        text = NULL;
    }
    if (file) {
        fclose(file);
    }
    if (text) {
        text[size] = '\0';
    }
    return text;
}

static cJSON *begin(const char *program)
{
    cJSON *file = cJSON_CreateObject();
    if (!cJSON_AddStringToObject(file, "program", program) ||
        !cJSON_AddArrayToObject(file, "runs")) {
        cJSON_Delete(file);
        return NULL;
    }
    return file;
}

void runs_close(runs *r)
{
    cJSON_Delete(r->file);
    if (r->path && r->lock >= 0) {
        close(r->lock);
    }
    *r = (runs){0};
}

/* Two programs that write the same file would each lose what the other has made. */
static bool keep_off_others(runs *r)
{
    char path[4096];
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int length = snprintf(path, sizeof path, "%s.lock", r->path);
    r->lock = length > 0 && (size_t)length < sizeof path ? open(path, O_RDWR | O_CREAT, 0666) : -1;
    if (r->lock < 0) {
        return say(r->path, errno ? strerror(errno) : "the name is too long");
    }
    return fcntl(r->lock, F_SETLK, &whole) == 0 || say(r->path, "another program writes it");
}

/* So that the new name is on the disk, too. */
static bool sync_folder(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 2;
    if (length >= sizeof folder) {
        return false;
    }
    memcpy(folder, slash ? path : "./", length);
    folder[length] = '\0';
    int descriptor = open(folder, O_RDONLY);
    bool good = descriptor >= 0 && fsync(descriptor) == 0;
    if (descriptor >= 0) {
        close(descriptor);
    }
    return good;
}

/* Beside it first, so that there is always a whole one, even if the power fails. */
static bool write_file(const runs *r)
{
    char beside[4096];
    char *text = cJSON_Print(r->file);
    int length = snprintf(beside, sizeof beside, "%s.new", r->path);
    FILE *file = text && length > 0 && (size_t)length < sizeof beside ? fopen(beside, "w") : NULL;
    bool good = file && fprintf(file, "%s\n", text) >= 0;
    good = good && fflush(file) == 0 && fsync(fileno(file)) == 0;
    good = (!file || fclose(file) == 0) && good;
    good = good && rename(beside, r->path) == 0 && sync_folder(r->path);
    cJSON_free(text);
    return good || say(r->path, errno ? strerror(errno) : "it can't be written");
}

bool runs_open(runs *r, const char *path, const char *program)
{
    *r = (runs){.path = path, .lock = -1};
    errno = 0;
    if (!keep_off_others(r)) {
        runs_close(r);
        return false;
    }
    errno = 0;
    char *text = read_text(path);
    if (!text && errno != ENOENT) {
        say(path, errno ? strerror(errno) : "out of memory");
        runs_close(r);
        return false;
    }
    bool is_new = !text;
    r->file = text ? cJSON_ParseWithOpts(text, NULL, true) : begin(program);
    free(text);
    const char *whose = cJSON_GetStringValue(cJSON_GetObjectItem(r->file, "program"));
    if (whose && strcmp(whose, program) == 0 &&
        cJSON_IsArray(cJSON_GetObjectItem(r->file, "runs"))) {
        /* Better now than after the first training. */
        return !is_new || write_file(r) || (runs_close(r), false);
    }
    runs_close(r);
    return say(path, "no results of this program; choose another file with --json");
}

/* Once, even if the command line asks for the same run twice. */
static bool note(runs *r, const cJSON *run)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->run[i] == run) {
            return true;
        }
    }
    if (r->n == RUNS_MOST) {
        return say(r->path, "too many runs at once");
    }
    r->run[r->n++] = run;
    return true;
}

const cJSON *runs_have(runs *r, const cJSON *what)
{
    const cJSON *run;
    cJSON_ArrayForEach(run, cJSON_GetObjectItem(r->file, "runs"))
    {
        if (cJSON_Compare(cJSON_GetObjectItem(run, "what"), what, true)) {
            return note(r, run) ? cJSON_GetObjectItem(run, "result") : NULL;
        }
    }
    return NULL;
}

bool runs_add(runs *r, cJSON *what, cJSON *result)
{
    cJSON *run = cJSON_CreateObject();
    if (!run || !what || !result) {
        cJSON_Delete(run);
        cJSON_Delete(what);
        cJSON_Delete(result);
        return say(r->path, "out of memory");
    }
    cJSON_AddItemToObject(run, "what", what);
    cJSON_AddItemToObject(run, "result", result);
    cJSON_AddItemToArray(cJSON_GetObjectItem(r->file, "runs"), run);
    r->made++;
    return note(r, run) && write_file(r);
}

bool runs_share(runs *r, const char *kind, const char *name, cJSON *value)
{
    cJSON *all = cJSON_GetObjectItem(r->file, kind);
    all = all ? all : cJSON_AddObjectToObject(r->file, kind);
    if (cJSON_HasObjectItem(all, name)) {
        cJSON_Delete(value);
        return true;
    }
    if (!value || !cJSON_AddItemToObject(all, name, value)) {
        cJSON_Delete(value);
        return say(r->path, "out of memory");
    }
    return true;
}

/* ---- the table ---- */

static const char *row_of(const cJSON *run)
{
    const char *row =
        cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(run, "what"), "row"));
    return row ? row : "";
}

/* The number of that name in run i; NULL if the run is of another row, or has none. */
static const cJSON *number_of(const runs *r, size_t i, const char *row, const char *key)
{
    const cJSON *number = cJSON_GetObjectItem(cJSON_GetObjectItem(r->run[i], "result"), key);
    return strcmp(row_of(r->run[i]), row) == 0 && cJSON_IsNumber(number) ? number : NULL;
}

static void print_all(const runs *r, const char *row, const char *key)
{
    const char *between = "";
    for (size_t i = 0; i < r->n; i++) {
        const cJSON *number = number_of(r, i, row, key);
        if (number) {
            printf("%s%g", between, number->valuedouble);
            between = ", ";
        }
    }
}

static void print_cell(const runs *r, const char *row, const char *key)
{
    double sum = 0.0, squares = 0.0;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const cJSON *number = number_of(r, i, row, key);
        if (number) {
            sum += number->valuedouble;
            squares += number->valuedouble * number->valuedouble;
            n++;
        }
    }
    if (n == 0) {
        return;
    }
    double mean = sum / (double)n;
    printf("  %-30s %-22s %9.1f", row, key, mean);
    if (n > 1) {
        double variance = (squares - sum * mean) / (double)(n - 1);
        printf(" +- %-7.1f ", sqrt(variance > 0.0 ? variance : 0.0));
        print_all(r, row, key);
    }
    puts("");
}

void runs_print(const runs *r, const char *const *keys, size_t n_keys)
{
    printf("\n  %-30s %-22s %9s    sd      all\n", "row", "", "mean");
    for (size_t i = 0; i < r->n; i++) {
        bool first = true;
        for (size_t j = 0; j < i; j++) {
            first = first && strcmp(row_of(r->run[j]), row_of(r->run[i])) != 0;
        }
        for (size_t k = 0; first && k < n_keys; k++) {
            print_cell(r, row_of(r->run[i]), keys[k]);
        }
    }
    printf("\n  %zu runs, %zu of them made now; all runs: %s\n", r->n, r->made, r->path);
}
