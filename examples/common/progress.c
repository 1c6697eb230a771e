/* SPDX-License-Identifier: MIT */
/* A bar on a terminal, a few plain lines in a log. */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 24 };

double progress_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_begin(progress *p, const char *what, size_t total)
{
    *p = (progress){.what = what, .total = total ? total : 1, .start = progress_clock()};
    p->terminal = isatty(STDERR_FILENO) == 1;
}

static void put_time(char *text, size_t size, double seconds)
{
    unsigned long s = (unsigned long)(seconds + 0.5);
    if (s >= 3600) {
        snprintf(text, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(text, size, "%lu:%02lu", s / 60, s % 60);
    }
}

static void draw_bar(const progress *p, double part, const char *note, const char *spent,
                     const char *left)
{
    char bar[BAR + 1];
    for (int i = 0; i < BAR; i++) {
        bar[i] = (double)i < part * BAR ? '#' : '.';
    }
    bar[BAR] = '\0';
    fprintf(stderr, "\r%-10s [%s] %3d %%  %s  %s, %s left \033[K", p->what, bar,
            (int)(part * 100.0), note, spent, left);
}

void progress_update(progress *p, size_t done, const char *note)
{
    double time = progress_clock();
    double part = (double)done / (double)p->total;
    int tenths = (int)(part * 10.0);
    bool due = p->terminal ? time - p->shown >= 0.1 || done == p->total : tenths > p->tenths;
    if (!due || done == 0) {
        return;
    }
    char spent[32], left[32];
    put_time(spent, sizeof spent, time - p->start);
    put_time(left, sizeof left, (time - p->start) * (1.0 - part) / part);
    p->shown = time;
    p->tenths = tenths;
    if (p->terminal) {
        draw_bar(p, part, note, spent, left);
    } else {
        fprintf(stderr, "%-10s %3d %%  %s  %s, %s left\n", p->what, (int)(part * 100.0), note,
                spent, left);
    }
}

void progress_end(progress *p)
{
    if (p->terminal && p->shown > 0.0) {
        fputc('\n', stderr);
    }
}
