// Convolutions on AMX tiles.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_CONV_AMX_H
#define KERNELS_CPU_CONV_AMX_H

#include "conv_pass.h"
#include "gemm_amx.h"

size_t conv_amx_bytes(const kiln_packed *p);
int conv_amx_pack(const kiln_host *h, kiln_packed *p, const struct weight_view *w);
int conv_amx_run(const kiln_host *h, const kiln_packed *p, const struct conv_pass *pass);
int conv_amx_grad(const kiln_host *h, const struct gemm_isa *isa, int parts,
                  const struct conv_grad *d);

// Tiles of a panel of 32 outputs: [step of tap and 32 channels][part][tile]. One panel behind the
// other within a phase.
char *conv_amx_panel(const kiln_packed *p, int phase, int64_t panel);

static inline int64_t round_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

static inline int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
