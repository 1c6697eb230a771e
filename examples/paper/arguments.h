/* SPDX-License-Identifier: MIT */
/**
 * @file arguments.h
 * What is given to options.
 */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

/** Says what is wrong with text[0..length) of this option. Returns false. */
bool argument_refuse(const char *option, const char *text, size_t length, const char *rule);

/**
 * Reads the number text[skip..length). False after a message with all of the text: it is none from
 * low to high, or not a whole one.
 */
bool argument_number(const char *option, const char *text, size_t length, size_t skip, double low,
                     double high, bool whole, double *out);

#endif
