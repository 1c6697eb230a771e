/* SPDX-License-Identifier: MIT */
/* All kernels for AVX-512 F, BW, DQ and VL. */
#define KDI_ISA avx512
#include "kern/tables.h"

#include "kern/vec_avx512.h"

#include "kern/dropout_vec.h"
#include "kern/elements_vec.h"
#include "kern/gemm_vec.h"
#include "kern/plain.h"
#include "kern/products_vec.h"
#include "kern/rows_vec.h"
#include "kern/scores_vec.h"

KDI_KERN_TABLE(avx512, "AVX-512", true);
