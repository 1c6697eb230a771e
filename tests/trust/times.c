/* SPDX-License-Identifier: MIT */
/* See times.h. */
#include "times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t times = 1;

int times_read(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--times") == 0 && strtoul(argv[2], NULL, 10) > 0) {
        times = strtoul(argv[2], NULL, 10);
        return 1;
    }
    if (argc > 1) {
        fprintf(stderr, "usage: %s [--times N]   N times as long\n", argv[0]);
    }
    return argc == 1;
}
