/* SPDX-License-Identifier: MIT */
/* What kd-inspect says to people. */
#include "inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BAR = 40, MOST_CLASSES = 20 };

/* ---- text of a file ---- */

/* A file may hold anything: nothing that could steer a terminal is passed on to it. */
static void put_clean(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        putchar(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    }
}

/* Hexadecimal floats as decimals: "linear from 0x1p+3 to 0x1p+1" is from 8 to 2. */
static void put_readable(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, " ");
        char *end = NULL;
        double value = strncmp(text, "0x", 2) == 0 ? strtod(text, &end) : 0.0;
        if (end == text + length) {
            printf("%.7g", value);
        } else {
            put_clean(text, length);
        }
        text += length;
        if (*text) {
            putchar(*text++);
        }
    }
}

static bool is_shown_elsewhere(const char *key)
{
    static const char *const shown[] = {"kd.format", "kd.sort", "kd.inputs", "kd.layers",
                                        "kd.header_crc32c"};
    bool elsewhere = strncmp(key, "kd.", 3) != 0;
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        elsewhere = elsewhere || strcmp(key, shown[i]) == 0;
    }
    return elsewhere;
}

static void say_metadata(const cJSON *metadata)
{
    bool first = true;
    for (const cJSON *word = metadata->child; word; word = word->next) {
        if (is_shown_elsewhere(word->string) || !cJSON_IsString(word)) {
            continue;
        }
        printf("%s  ", first ? "\n" : "");
        first = false;
        size_t length = strlen(word->string + 3);
        put_clean(word->string + 3, length);
        printf("%*s", length < 18 ? (int)(18 - length) : 1, "");
        put_readable(word->valuestring);
        putchar('\n');
    }
}

/* ---- nets ---- */

static void say_node(size_t index, const kd_node *node)
{
    printf("  %-4zu ", index);
    if (node->kind == KD_NODE_DENSE) {
        printf("dense    %zu -> %zu\n", node->inputs, node->outputs);
    } else if (node->kind == KD_NODE_RELU) {
        printf("relu     %zu\n", node->outputs);
    } else if (node->kind == KD_NODE_DROPOUT) {
        printf("dropout  %zu, rate %g\n", node->outputs, (double)node->rate);
    } else {
        printf("kind %d  %zu -> %zu\n", (int)node->kind, node->inputs, node->outputs);
    }
}

static void say_param(const kd_param *param)
{
    char shape[48];
    numbers all = measure(param->values, param->rows * param->columns);
    snprintf(shape, sizeof shape, is_bias(param) ? "%zu" : "%zu x %zu", param->rows,
             param->columns);
    printf("  %-18s %14s %10zu %11.4g %11.4g %11.4g %11.4g  %.9g\n", param->name, shape, all.count,
           all.min, all.max, all.mean, all.sd, all.sum);
}

/* ---- samples ---- */

/* The class that comes next: the largest logit below the one before, ties by number. */
static size_t next_class(const sample *one, size_t before)
{
    size_t best = one->k;
    for (size_t j = 0; j < one->k; j++) {
        bool behind = before == one->k || one->logits[j] < one->logits[before] ||
                      (!(one->logits[j] > one->logits[before]) && j > before);
        if (behind && (best == one->k || one->logits[j] > one->logits[best])) {
            best = j;
        }
    }
    return best;
}

static void say_sample(const settings *s, const sample *one)
{
    char head[32];
    snprintf(head, sizeof head, "T = %g", (double)s->temperature);
    printf("\nrow %llu of %s\n\n  class      logit      T = 1 %10s\n", (unsigned long long)s->row,
           s->sample, head);
    size_t class = one->k;
    size_t shown = one->k < MOST_CLASSES ? one->k : MOST_CLASSES;
    for (size_t i = 0; i < shown; i++) {
        char bar[BAR + 1] = {0};
        class = next_class(one, class);
        memset(bar, '#', (size_t)(one->soft[class] * BAR + 0.5f));
        printf("  %5zu %10.4g %10.3g %10.3g  %s\n", class, (double)one->logits[class],
               (double)one->plain[class], (double)one->soft[class], bar);
    }
    if (shown < one->k) {
        printf("  and %zu more classes\n", one->k - shown);
    }
}

void say_net(const settings *s, kd_net *net, const cJSON *metadata, const sample *one)
{
    kd_net_info info = KD_NET_INFO_INIT;
    kd_net_get_info(net, &info, NULL);
    printf("%s: a ", s->path);
    put_readable(metadata_get(metadata, "kd.sort"));
    printf(" of libkd, format ");
    put_readable(metadata_get(metadata, "kd.format"));
    printf("\n\n  %zu inputs, %zu outputs\n", info.inputs, info.outputs);
    for (size_t i = 0; i < info.nodes; i++) {
        kd_node node = KD_NODE_INIT;
        kd_net_get_node(net, i, &node, NULL);
        say_node(i, &node);
    }
    printf("\n  %-18s %14s %10s %11s %11s %11s %11s  %s\n", "parameter", "shape", "values", "min",
           "max", "mean", "sd", "sum");
    for (size_t i = 0; i < info.params; i++) {
        kd_param param = KD_PARAM_INIT;
        kd_net_get_param(net, i, &param);
        say_param(&param);
    }
    printf("  %-18s %14s %10llu\n", "total", "", (unsigned long long)info.values);
    say_metadata(metadata);
    if (one) {
        say_sample(s, one);
    }
}

/* ---- matrices ---- */

void say_matrix(const settings *s, const kd_npy_info *info, const numbers *all)
{
    printf("%s: a .npy %s, ", s->path, info->rank == 1 ? "vector" : "matrix");
    printf(info->rank == 1 ? "%zu" : "%zu x %zu", info->rows, info->columns);
    printf(" floats of %d bits\n\n", (int)info->bits);
    printf("  min %.6g, max %.6g, mean %.6g, sd %.6g, sum %.9g\n", all->min, all->max, all->mean,
           all->sd, all->sum);
    if (all->nan + all->infinite > 0) {
        printf("  %zu NaN and %zu infinite values are left out\n", all->nan, all->infinite);
    }
}
