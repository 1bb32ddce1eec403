// Row loops of a gemm_isa, in terms of one of the matrix_vec headers, which comes before.
// SPDX-License-Identifier: MIT
#include <kiln/ext/ops.h>

static inline vec v_exp(vec x)
{
    // e^x = 2^n e^r, |r| <= ln 2 / 2. NaN passes both bounds.
    x = v_min(v_set(88.7f), v_max(v_set(-104.0f), x));
    vec n = v_round(v_mul(x, v_set(1.44269504f)));
    vec r = v_fma(n, v_set(-0.693359375f), x);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vec p = v_set(1.0f / 5040);
    p = v_fma(p, r, v_set(1.0f / 720));
    p = v_fma(p, r, v_set(1.0f / 120));
    p = v_fma(p, r, v_set(1.0f / 24));
    p = v_fma(p, r, v_set(1.0f / 6));
    p = v_fma(p, r, v_set(0.5f));
    p = v_fma(p, r, v_set(1));
    p = v_fma(p, r, v_set(1));
    return v_scale(p, n);
}

// x Phi(x), with Abramowitz and Stegun's 7.1.26 for erf: right to 1e-6.
static inline vec v_gelu(vec x)
{
    vec z = v_mul(v_abs(x), v_set(0.707106781f));
    vec t = v_div(v_set(1), v_fma(z, v_set(0.3275911f), v_set(1)));
    vec p = v_set(1.061405429f);
    p = v_fma(p, t, v_set(-1.453152027f));
    p = v_fma(p, t, v_set(1.421413741f));
    p = v_fma(p, t, v_set(-0.284496736f));
    p = v_fma(p, t, v_set(0.254829592f));
    vec tail = v_mul(v_mul(p, t), v_exp(v_sub(v_set(0), v_mul(z, z))));  // 1 - erf(z)
    vec twice = v_if_negative(x, tail, v_sub(v_set(2), tail));
    return v_mul(v_mul(x, v_set(0.5f)), twice);
}

// x / (1 + e^-y)
static inline vec v_gate(vec x, vec y)
{
    return v_div(x, v_add(v_set(1), v_exp(v_sub(v_set(0), y))));
}

static inline vec v_act(vec x, int act)
{
    switch (act) {
    case KILN_ACT_SILU:
        return v_gate(x, x);
    case KILN_ACT_GELU:
        return v_gelu(x);
    case KILN_ACT_GELU_TANH: {  // (1 + tanh u) / 2 = 1 / (1 + e^-2u)
        vec u = v_fma(v_mul(v_mul(x, x), x), v_set(0.0713548163f), v_mul(x, v_set(1.59576912f)));
        return v_gate(x, u);
    }
    default:
        return x;
    }
}

static inline vec load_out(const struct epilogue *e, const void *p, int64_t at, int64_t n)
{
    return e->bf16 ? v_load_bf16((const uint16_t *)p + at, n) : v_load((const float *)p + at, n);
}

static inline void finish_vec(const struct epilogue *e, vec x, vec bias, vec scale, int64_t at,
                              int64_t n)
{
    x = v_add(x, bias);
    vec add = e->add ? load_out(e, e->add, at, n) : v_set(0);
    if (e->linear)
        x = v_add(v_act(x, e->act), add);
    else
        x = v_act(v_mul(v_add(x, add), scale), e->act);
    if (e->stream)
        v_stream((float *)e->out + at, x);
    else if (e->bf16)
        v_store_bf16((uint16_t *)e->out + at, n, x);
    else
        v_store((float *)e->out + at, n, x);
}

static void finish(const struct epilogue *e, const float *c, int64_t c_row, const int64_t *at,
                   int64_t rows, int64_t columns)
{
    const vec scale = v_set(e->scale);
    // Rows that are streamed go out whole lines at a time.
    int64_t together = e->stream ? 16 : LANES;
    for (int64_t j = 0; j < columns; j += together) {
        int64_t n = columns - j;
        vec bias[16 / LANES];
        for (int64_t k = 0; k < together; k += LANES)
            bias[k / LANES] = e->bias ? v_load(e->bias + j + k, n - k) : v_set(0);
        for (int64_t i = 0; i < rows; i++) {
            if (at[i] < 0)
                continue;
            for (int64_t k = 0; k < together; k += LANES)
                finish_vec(e, v_load(c + i * c_row + j + k, LANES), bias[k / LANES], scale,
                           at[i] + j + k, n - k);
        }
    }
}

static void add_rows(const float *x, int64_t rows, int64_t columns, float *sum)
{
    for (int64_t j = 0; j < columns; j += LANES) {
        vec total = v_load(sum + j, columns - j);
        for (int64_t i = 0; i < rows; i++)
            total = v_add(total, v_load(x + i * columns + j, columns - j));
        v_store(sum + j, columns - j, total);
    }
}

static void widen(const uint16_t *x, int bf16, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i += LANES)
        v_store(out + i, n - i, bf16 ? v_load_bf16(x + i, n - i) : v_load_f16(x + i, n - i));
}
