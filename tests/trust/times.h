/* SPDX-License-Identifier: MIT */
/* How long a test runs: --times N makes it N times as long. */
#ifndef KD_TESTS_TRUST_TIMES_H
#define KD_TESTS_TRUST_TIMES_H

#include <stddef.h>

/* 1, or what --times says. */
extern size_t times;

/* Reads the command line; false, after words on the error output, if there is anything else. */
int times_read(int argc, char **argv);

#endif
