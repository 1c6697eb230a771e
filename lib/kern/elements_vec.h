/* SPDX-License-Identifier: MIT */
/**
 * exp and log on vectors, for every vec_*.h.
 *
 * The polynomials are minimax fits of the relative error, with the leading coefficients exact:
 * 2^r = 1 + r P(r) on [-1/2, 1/2], off by less than 2^-28; and on [sqrt(1/2) - 1, sqrt(2) - 1],
 * log(1 + f) = f - f^2/2 + f^3 Q(f), off by less than 2^-27. Over all floats, exp is within 1.23
 * ulp and log within 0.85.
 */
#ifndef KDI_KERN_ELEMENTS_VEC_H
#define KDI_KERN_ELEMENTS_VEC_H

#define LOG2_E 1.4426950408889634
#define LOG_2 0.69314718055994531

/* 2^r for n vectors of |r| <= 1/2, side by side: none has to wait for another. */
KDI_INLINE void powers(const vec *r, size_t n, vec *p)
{
    static const float factors[] = {0x1.5f7276p-10f, 0x1.3b270ep-7f, 0x1.c6ae72p-5f,
                                    0x1.ebfbe2p-3f,  0x1.62e432p-1f, 1.0f};
    KDI_UNROLL
    for (size_t j = 0; j < n; j++) {
        p[j] = vec_all(0x1.470b68p-13f);
    }
    KDI_UNROLL
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        KDI_UNROLL
        for (size_t j = 0; j < n; j++) {
            p[j] = vec_fma(p[j], r[j], vec_all(factors[i]));
        }
    }
}

KDI_INLINE vec power(vec r)
{
    vec p;
    powers(&r, 1, &p);
    return p;
}

/* NaN passes: it is the second operand of vec_max and vec_min. */
KDI_INLINE vec vec_exp(vec x)
{
    const float high = (float)LOG2_E;
    const float low = (float)(LOG2_E - (double)high);
    vec within = vec_min(vec_all(89.0f), vec_max(vec_all(-104.0f), x));
    vec n = vec_round(within * vec_all(high));
    vec r = vec_fms(within, vec_all(high), n);
    return vec_scale(power(vec_fma(within, vec_all(low), r)), n);
}

/* ln v for v finite and above 0. */
KDI_INLINE vec vec_log(vec v)
{
    const float high = 0x1.62e4p-1f; /* n times this is exact */
    const float low = (float)(LOG_2 - (double)high);
    vec m, n;
    vec_split(v, &m, &n);
    vec f = m - vec_all(1.0f);
    vec p = vec_all(-0x1.38b25ep-4f);
    p = vec_fma(p, f, vec_all(0x1.055a6cp-3f));
    p = vec_fma(p, f, vec_all(-0x1.0d8560p-3f));
    p = vec_fma(p, f, vec_all(0x1.22da44p-3f));
    p = vec_fma(p, f, vec_all(-0x1.547246p-3f));
    p = vec_fma(p, f, vec_all(0x1.99a006p-3f));
    p = vec_fma(p, f, vec_all(-0x1.000226p-2f));
    p = vec_fma(p, f, vec_all(0x1.555554p-2f));
    vec square = f * f;
    vec rest = vec_fma(p * f, square, n * vec_all(low));
    rest = vec_fma(square, vec_all(-0.5f), rest);
    return vec_fma(n, vec_all(high), f + rest);
}

void KDI_K(exp_f32)(const float *x, size_t k, float *out)
{
    for (size_t i = 0; i < k; i += VEC) {
        vec_store(out + i, k - i, vec_exp(vec_load(x + i, k - i, vec_all(0.0f))));
    }
}

/* The lanes where ln is not a number of its own get 1 on their way. */
void KDI_K(log_f32)(const float *x, size_t k, float *out)
{
    const vec zero = vec_all(0.0f);
    const vec inf = vec_all(__builtin_inff());
    for (size_t i = 0; i < k; i += VEC) {
        vec v = vec_load(x + i, k - i, vec_all(1.0f));
        mask regular = mask_and(vec_finite(v), vec_less(zero, v));
        vec special = vec_pick(vec_equal(v, zero), -inf, vec_all(__builtin_nanf("")));
        special = vec_pick(vec_equal(v, inf), inf, special);
        vec y = vec_log(vec_pick(regular, v, vec_all(1.0f)));
        vec_store(out + i, k - i, vec_pick(regular, y, special));
    }
}

#endif
