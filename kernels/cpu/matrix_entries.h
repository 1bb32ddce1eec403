// The entries of one kind, for a matrix_init function. Included once per file, before the
// MATRIX_ENTRIES of each kind.
// SPDX-License-Identifier: MIT
#include "conv_pass.h"

// Entries that are told the kind by the packed weight.
static inline void matrix_init_common(kiln_ops *ops)
{
    ops->pack_free = matrix_pack_free;
    ops->conv = matrix_conv;
    ops->linear = matrix_linear;
    ops->linears = matrix_linears;
    ops->conv_dx = matrix_conv_dx;
    ops->linear_dx = matrix_linear_dx;
}

#define MATRIX_ENTRIES(kind)                                                                       \
    static int kind##_pack_conv(const kiln_host *h, const kiln_conv *conv,                         \
                                const kiln_tensor *weight, int grad, kiln_packed **out)            \
    {                                                                                              \
        return matrix_pack_conv(h, &kind, conv, weight, grad, out);                                \
    }                                                                                              \
    static int kind##_pack_linear(const kiln_host *h, const kiln_tensor *weight, int grad,         \
                                  kiln_packed **out)                                               \
    {                                                                                              \
        return matrix_pack_linear(h, &kind, weight, grad, out);                                    \
    }                                                                                              \
    static int kind##_packs(const kiln_host *h, int n, const kiln_conv *const *conv,               \
                            const kiln_tensor *const *weight, const int *grad, kiln_packed **out)  \
    {                                                                                              \
        return matrix_packs(h, &kind, n, conv, weight, grad, out);                                 \
    }                                                                                              \
    static int kind##_conv_dw(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *x,     \
                              const kiln_tensor *x2, const kiln_tensor *dout, kiln_tensor *dw,     \
                              kiln_tensor *dbias)                                                  \
    {                                                                                              \
        return matrix_conv_dw(h, &kind, conv, x, x2, dout, dw, dbias);                             \
    }                                                                                              \
    static int kind##_linear_dw(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *dout, \
                                kiln_tensor *dw, kiln_tensor *dbias)                               \
    {                                                                                              \
        return matrix_linear_dw(h, &kind, x, dout, dw, dbias);                                     \
    }                                                                                              \
    static void kind##_init(kiln_ops *ops)                                                         \
    {                                                                                              \
        matrix_init_common(ops);                                                                   \
        ops->pack_conv = kind##_pack_conv;                                                         \
        ops->pack_linear = kind##_pack_linear;                                                     \
        ops->packs = kind##_packs;                                                                 \
        ops->conv_dw = kind##_conv_dw;                                                             \
        ops->linear_dw = kind##_linear_dw;                                                         \
    }
