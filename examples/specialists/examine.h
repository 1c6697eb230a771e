/* SPDX-License-Identifier: MIT */
/**
 * @file examine.h
 * Where specialists gain and lose: how well they know what is theirs, and tell it apart.
 */
#ifndef EXAMINE_H
#define EXAMINE_H

#include "panel.h"

/**
 * Writes "active", over all images and specialists of kind PANEL_DUSTBIN that the generalist's
 * first class makes active: the pairs; in how many the image is of the specialist's classes; the
 * mean probability that it is, of generalist and specialist, and its mean log loss in nats; and of
 * those that are, the errors of both when no class but the specialist's is allowed. False: a
 * message.
 */
bool examine(kd_net *generalist, const panel *p, const case_set *data, cJSON *result);

#endif
