/* SPDX-License-Identifier: MIT */
/* One line on stderr. */
#include "say.h"

#include <stdio.h>

const char *say_program = "libkd";

bool say(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", say_program, what, why);
    return false;
}
