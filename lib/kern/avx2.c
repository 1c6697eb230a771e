/* SPDX-License-Identifier: MIT */
/* All kernels for AVX2 and FMA. */
#define KDI_ISA avx2
#include "kern/tables.h"

#include "kern/vec_avx2.h"

#include "kern/dropout_vec.h"
#include "kern/elements_vec.h"
#include "kern/gemm_vec.h"
#include "kern/plain.h"
#include "kern/products_vec.h"
#include "kern/rows_vec.h"
#include "kern/scores_vec.h"

KDI_KERN_TABLE(avx2, "AVX2", true);
