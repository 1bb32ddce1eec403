// Activations and their slopes for a vec; absolute errors below 1e-6 over all x.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_VEC_MATH_H
#define KERNELS_CPU_VEC_MATH_H

#include "kernels/cpu/vec.h"

#include <kiln/ext/ops.h>

// e^x = 2^n e^r with |r| <= ln 2 / 2, whose polynomial is right to the last place or two. ln 2
// comes in two parts, the first of few bits, so that n times it is exact. x is kept where the
// result is finite and not subnormal, which processors are slow at; below, down to infinity, it is
// 0, by taking away what it comes to at the bound, which is nothing beside results a little above.
// NaN passes both bounds.
static inline vec vm_exp(vec x)
{
    const float least = 0x1.7fd976p-116f;  // of -80
    x = v_min(v_set(87), v_max(v_set(-80), x));
    vec n = v_round(v_mul(x, v_set(1.44269504f)));
    vec r = v_fma(n, v_set(-0.693359375f), x);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vec p = v_set(1.0f / 720);
    p = v_fma(p, r, v_set(1.0f / 120));
    p = v_fma(p, r, v_set(1.0f / 24));
    p = v_fma(p, r, v_set(1.0f / 6));
    p = v_fma(p, r, v_set(0.5f));
    p = v_fma(p, r, v_set(1));
    p = v_fma(p, r, v_set(1));
    return v_sub(v_scale(p, n), v_set(least));
}

static inline vec vm_logistic(vec x)
{
    return v_div(v_set(1), v_add(v_set(1), vm_exp(v_sub(v_set(0), x))));
}

// x Phi(x) = x (1/2 + u) with u = erf(x / sqrt 2) / 2 as an odd rational function, of numerator and
// denominator with the least largest error of x u, 4e-8, up to 5.3 (weighted least squares, weights
// raised where the error is). At the bound u is 1/2 to the bit: beyond it the result is x or 0.
static inline vec vm_gelu(vec x)
{
    const float bound = 0x1.5262e4p+2f;
    vec low = v_max(v_set(-bound), x), z = v_min(v_set(bound), low), s = v_mul(z, z);
    vec p = v_set(0x1.03b488p-33f), q = v_set(0x1.0fa7cep-14f);
    p = v_fma(p, s, v_set(-0x1.8c7502p-26f));
    p = v_fma(p, s, v_set(0x1.c49ffp-19f));
    p = v_fma(p, s, v_set(0x1.702788p-13f));
    p = v_fma(p, s, v_set(0x1.291084p-8f));
    p = v_fma(p, s, v_set(0x1.290b2p-5f));
    p = v_fma(p, s, v_set(0x1.988434p-2f));
    q = v_fma(q, s, v_set(0x1.e61af2p-10f));
    q = v_fma(q, s, v_set(0x1.dff8a6p-6f));
    q = v_fma(q, s, v_set(0x1.07bbcep-2f));
    q = v_fma(q, s, v_set(1));
    return v_mul(low, v_add(v_set(0.5f), v_div(v_mul(z, p), q)));
}

// Its slope Phi(x) + x phi(x) = 1/2 + v, v odd: a rational function fitted likewise, to 3.5e-8 up
// to 6.05, where v is 1/2 to the bit.
static inline vec vm_gelu_slope(vec x)
{
    const float bound = 0x1.833334p+2f;
    vec z = v_min(v_set(bound), v_max(v_set(-bound), x)), s = v_mul(z, z);
    vec p = v_set(-0x1.000a7ep-36f), q = v_set(0x1.7f55dcp-18f);
    p = v_fma(p, s, v_set(0x1.6b49bp-29f));
    p = v_fma(p, s, v_set(-0x1.73e9d6p-24f));
    p = v_fma(p, s, v_set(0x1.15d7ap-15f));
    p = v_fma(p, s, v_set(-0x1.24f5d2p-13f));
    p = v_fma(p, s, v_set(0x1.db907cp-7f));
    p = v_fma(p, s, v_set(-0x1.4fce54p-5f));
    p = v_fma(p, s, v_set(0x1.98845cp-1f));
    q = v_fma(q, s, v_set(0x1.3f48e6p-13f));
    q = v_fma(q, s, v_set(0x1.86984ap-9f));
    q = v_fma(q, s, v_set(0x1.307e3ep-5f));
    q = v_fma(q, s, v_set(0x1.20ba3p-2f));
    q = v_fma(q, s, v_set(1));
    return v_add(v_set(0.5f), v_div(v_mul(z, p), q));
}

// 2 sqrt(2/pi) (x + 0.044715 x^3), by which GELU's tanh form is x logistic(u).
static inline vec vm_tanh_form(vec x)
{
    return v_mul(x, v_fma(v_mul(x, x), v_set(0.0713548163f), v_set(1.59576912f)));
}

static inline vec vm_act(vec x, int act)
{
    switch (act) {
    case KILN_ACT_SILU:
        return v_mul(x, vm_logistic(x));
    case KILN_ACT_GELU:
        return vm_gelu(x);
    case KILN_ACT_GELU_TANH:
        return v_mul(x, vm_logistic(vm_tanh_form(x)));
    default:
        return x;
    }
}

static inline vec vm_slope(vec x, int act)
{
    switch (act) {
    case KILN_ACT_SILU: {
        vec s = vm_logistic(x);
        return v_mul(s, v_fma(x, v_sub(v_set(1), s), v_set(1)));
    }
    case KILN_ACT_GELU:
        return vm_gelu_slope(x);
    case KILN_ACT_GELU_TANH: {
        vec s = vm_logistic(vm_tanh_form(x));
        vec inner = v_fma(v_mul(x, x), v_set(3 * 0.0713548163f), v_set(1.59576912f));
        vec rest = v_mul(v_mul(s, v_sub(v_set(1), s)), v_mul(x, inner));
        return v_add(s, rest);
    }
    default:
        return v_set(1);
    }
}

// Calls the always-inlined body(...) with act a constant, so that no loop asks for it.
#define VM_FOR_ACT(act, body, ...)                                                                 \
    switch (act) {                                                                                 \
    case KILN_ACT_SILU:                                                                            \
        body(__VA_ARGS__, KILN_ACT_SILU);                                                          \
        break;                                                                                     \
    case KILN_ACT_GELU:                                                                            \
        body(__VA_ARGS__, KILN_ACT_GELU);                                                          \
        break;                                                                                     \
    case KILN_ACT_GELU_TANH:                                                                       \
        body(__VA_ARGS__, KILN_ACT_GELU_TANH);                                                     \
        break;                                                                                     \
    default:                                                                                       \
        body(__VA_ARGS__, KILN_ACT_NONE);                                                          \
    }

#define VM_INLINE static inline __attribute__((always_inline))

#endif
