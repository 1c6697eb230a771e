/* SPDX-License-Identifier: MIT */
/**
 * @file recorded.h
 * The teacher's logits of the training set, recorded by image number: in memory, or in a file that
 * later runs distil from without training a teacher.
 */
#ifndef RECORDED_H
#define RECORDED_H

#include "cases.h"

#include <kd/kd.h>
#include <stdbool.h>

/** Whether there is a finished recording of these images in the file. */
bool recorded_exists(const char *path, const case_set *data);

/**
 * Asks the net for its logits of all images, and makes a teacher of them. With a path they go to
 * that file first, and the teacher reads them from there. NULL after a message on stderr.
 */
kd_teacher *recorded_make(kd_context *context, kd_net *net, const case_set *data, const char *path);

/** The teacher of a finished recording; NULL after a message on stderr. */
kd_teacher *recorded_open(kd_context *context, const case_set *data, const char *path);

#endif
