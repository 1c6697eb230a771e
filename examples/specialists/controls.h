/* SPDX-License-Identifier: MIT */
/**
 * @file controls.h
 * What a gain of specialists has to stand beside.
 */
#ifndef CONTROLS_H
#define CONTROLS_H

#include "trial.h"

/**
 * Keeps the rows of specialists for random groups and of specialists with all classes (section
 * 6.1), of the generalist after as much more training, and of an ensemble of generalists.
 */
bool controls_run(trial *r);

#endif
