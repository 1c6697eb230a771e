/* SPDX-License-Identifier: MIT */
/*
 * Read before each file of lib/ when it is analysed (tests/analyse.sh), never when it is compiled:
 * tells analysers, which look at one file at a time, that kdi_base_fail returns what it is given.
 */
#include "base/base.h"

#define kdi_base_fail(error, status, ...)                                                          \
    ((void)kdi_base_fail(error, status, __VA_ARGS__), (status))
