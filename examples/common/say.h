/* SPDX-License-Identifier: MIT */
/**
 * @file say.h
 * What a program of the examples says when something is wrong.
 */
#ifndef SAY_H
#define SAY_H

#include <stdbool.h>

/** What messages begin with; main sets it before anything else. */
extern const char *say_program;

/** Prints "program: what: why" on stderr and returns false. */
bool say(const char *what, const char *why);

#endif
