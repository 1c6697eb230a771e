/* SPDX-License-Identifier: MIT */
/* What is given to options. */
#include "arguments.h"

#include "say.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool argument_refuse(const char *option, const char *text, size_t length, const char *rule)
{
    fprintf(stderr, "%s: --%s %.*s: %s\n", say_program, option, (int)length, text, rule);
    return false;
}

bool argument_number(const char *option, const char *text, size_t length, size_t skip, double low,
                     double high, bool whole, double *out)
{
    char *stop;
    char rule[80];
    /* Not all that strtod knows: no blanks, no hexadecimal digits, no words. */
    bool good = skip < length && strspn(text + skip, "0123456789.eE+-") >= length - skip;
    *out = strtod(text + skip, &stop);
    good = good && stop == text + length && *out >= low && *out <= high;
    good = good && (!whole || *out == floor(*out));
    snprintf(rule, sizeof rule, "not a %snumber from %.15g to %.15g", whole ? "whole " : "", low,
             high);
    return good || argument_refuse(option, text, length, rule);
}
