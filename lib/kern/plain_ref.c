/* SPDX-License-Identifier: MIT */
/* The kernels of plain.h for the reference. */
#define KDI_ISA ref
#include "kern/tables.h"

#include "kern/plain.h"
