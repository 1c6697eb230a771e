/* SPDX-License-Identifier: MIT */
/*
 * How many threads the BLAS runs. CBLAS has no word for it, so we know the functions of OpenBLAS,
 * BLIS and MKL by name, as weak symbols: NULL where the BLAS is another one.
 *
 * BLIS has two numbers: of threads, and of ways for each of five loops. Ways that are set, through
 * BLIS_JC_NT and the like, win over the threads. Either is below 1 if it was never set, and then 1.
 */
#include "port/port.h"

#if defined(__GNUC__)
#define WEAK __attribute__((weak))
#define HAVE(function) ((function) != NULL)

/* BLIS counts in 64 bits on machines of 64 bits, in 32 on others; unless it was built otherwise,
 * but then the lower half is the number. */
typedef ptrdiff_t blis_int;

int openblas_get_num_threads(void) WEAK;
void openblas_set_num_threads(int count) WEAK;
int openblas_get_parallel(void) WEAK; /* 0: built without threads */

blis_int bli_thread_get_num_threads(void) WEAK;
void bli_thread_set_num_threads(blis_int count) WEAK;
blis_int bli_thread_get_jc_nt(void) WEAK;
blis_int bli_thread_get_pc_nt(void) WEAK;
blis_int bli_thread_get_ic_nt(void) WEAK;
blis_int bli_thread_get_jr_nt(void) WEAK;
blis_int bli_thread_get_ir_nt(void) WEAK;
void bli_thread_set_ways(blis_int jc, blis_int pc, blis_int ic, blis_int jr, blis_int ir) WEAK;

int MKL_Get_Max_Threads(void) WEAK;
void MKL_Set_Num_Threads(int count) WEAK;

void omp_set_num_threads(int count) WEAK;

/* The product of the ways, or 1 if none is set. */
static int32_t blis_ways(void)
{
    blis_int (*const loops[])(void) = {bli_thread_get_jc_nt, bli_thread_get_pc_nt,
                                       bli_thread_get_ic_nt, bli_thread_get_jr_nt,
                                       bli_thread_get_ir_nt};
    int32_t product = 1;
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        int32_t ways = loops[i] ? (int32_t)loops[i]() : 1;
        product *= ways > 1 ? ways : 1;
    }
    return product;
}

static int32_t blis_threads(void)
{
    int32_t ways = blis_ways();
    return ways > 1 ? ways : (int32_t)bli_thread_get_num_threads();
}

static void blis_single(void)
{
    if (HAVE(bli_thread_set_num_threads)) {
        bli_thread_set_num_threads(1);
    }
    if (HAVE(bli_thread_set_ways) && blis_ways() > 1) {
        bli_thread_set_ways(1, 1, 1, 1, 1);
    }
}

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* Which of them serves cblas_sgemm can't be seen if several are loaded; all of them count. */
int32_t kdi_port_blas_threads(void)
{
    int32_t count = 1;
    if (HAVE(openblas_get_num_threads)) {
        count = larger(count, openblas_get_num_threads());
    }
    if (HAVE(bli_thread_get_num_threads)) {
        count = larger(count, blis_threads());
    }
    if (HAVE(MKL_Get_Max_Threads)) {
        count = larger(count, MKL_Get_Max_Threads());
    }
    return count;
}

bool kdi_port_blas_shared(void)
{
    return !HAVE(openblas_get_parallel) || openblas_get_parallel() != 0;
}

void kdi_port_blas_single(void)
{
    if (HAVE(openblas_set_num_threads)) {
        openblas_set_num_threads(1);
    }
    if (HAVE(MKL_Set_Num_Threads)) {
        MKL_Set_Num_Threads(1);
    }
    blis_single();
}

void kdi_port_blas_single_here(void)
{
    if (HAVE(omp_set_num_threads)) { /* OpenMP's number is always the thread's own */
        omp_set_num_threads(1);
    }
    if (HAVE(bli_thread_get_num_threads) && blis_threads() > 1) {
        blis_single();
    }
}

#else

int32_t kdi_port_blas_threads(void)
{
    return 1;
}

bool kdi_port_blas_shared(void)
{
    return true;
}

void kdi_port_blas_single(void)
{
}

void kdi_port_blas_single_here(void)
{
}

#endif
