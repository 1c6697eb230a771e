/* SPDX-License-Identifier: MIT */
/*
 * What the steps of the ladder share: points around the corners of a hexagon, so that neighbouring
 * classes are confused and opposite ones are not. Every example draws them anew.
 */
#ifndef CLOUDS_H
#define CLOUDS_H

#include <kd/kd.h>

enum { CLASSES = 6, INPUTS = 8 };

/* n points [n,INPUTS] and their classes [n]. Two inputs tell the class, the others are noise. */
void draw_clouds(uint64_t seed, size_t n, float *x, int32_t *labels);

/* A trained INPUTS-hidden-CLASSES net, or NULL after a message on stderr. 3_train.c shows how. */
kd_net *train_on_clouds(kd_context *context, size_t hidden, uint64_t seed);

/* Share of n points that a net gets right. */
double accuracy_on_clouds(kd_net *net, uint64_t seed, size_t n);

#endif
