/* SPDX-License-Identifier: MIT */
/** How the vectors of each instruction set (vec_avx2.h, vec_avx512.h) are written. */
#ifndef KDI_KERN_VEC_H
#define KDI_KERN_VEC_H

#define KDI_INLINE static inline __attribute__((always_inline))

/* Before a loop over a few vectors, whose number is known when compiled: they shall lie in
 * registers, and a compiler sees only what has been unrolled. */
#ifdef __clang__
#define KDI_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KDI_UNROLL _Pragma("GCC unroll 16")
#endif

/* True if the compiler knows that all lanes are there: it then needs no mask. */
#define VEC_WHOLE(n) (__builtin_constant_p(n) && (n) >= VEC)

#endif
