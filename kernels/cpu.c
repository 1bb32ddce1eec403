// Which instruction set, and the tables made for it.
// SPDX-License-Identifier: MIT
#define _GNU_SOURCE  // syscall
#include "kernels/kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#ifndef KERNELS_HAVE_AVX2
#define KERNELS_HAVE_AVX2 0
#endif
#ifndef KERNELS_HAVE_AVX512
#define KERNELS_HAVE_AVX512 0
#endif
#ifndef KERNELS_HAVE_AMX
#define KERNELS_HAVE_AMX 0
#endif

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

enum { ISAS = KERNELS_AMX + 1, PRECISIONS = KERNELS_FP16 + 1 };

static const char *const names[ISAS] = {"ref", "avx2", "avx512", "amx"};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int best;  // what kernels_cpu_isa() says
static kiln_ops tables[ISAS][PRECISIONS];

#if defined(__x86_64__)

// All bits of mask set in a register of CPUID leaf, subleaf?
static int cpuid_has(unsigned leaf, unsigned subleaf, int reg, unsigned mask)
{
    unsigned r[4];
    return __get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3]) && (r[reg] & mask) == mask;
}

// The register states that the operating system saves.
static uint64_t saved_states(void)
{
    enum { OSXSAVE = 1 << 27 };
    if (!cpuid_has(1, 0, 2, OSXSAVE))
        return 0;
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

// Linux saves the tile registers of those processes alone that ask for it.
static int tiles_permitted(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum { REQUEST_STATE = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_STATE, TILE_DATA) == 0;
#else
    return 0;
#endif
}

static int detect(void)
{
    enum { EAX, EBX, ECX, EDX };
    const unsigned fma_f16c = 1u << 12 | 1u << 29, avx2 = 1u << 5;
    const unsigned avx512_f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    const unsigned amx_bf16_tile = 1u << 22 | 1u << 24, avx512_bf16 = 1u << 5;
    const uint64_t ymm = 0x6, zmm = 0xe6, tiles = 0x60000 | zmm;
    uint64_t states = saved_states();
    if (!KERNELS_HAVE_AVX2 || (states & ymm) != ymm || !cpuid_has(1, 0, ECX, fma_f16c) ||
        !cpuid_has(7, 0, EBX, avx2))
        return KERNELS_REF;
    if (!KERNELS_HAVE_AVX512 || (states & zmm) != zmm || !cpuid_has(7, 0, EBX, avx512_f_dq_bw_vl))
        return KERNELS_AVX2;
    if (!KERNELS_HAVE_AMX || (states & tiles) != tiles || !cpuid_has(7, 0, EDX, amx_bf16_tile) ||
        !cpuid_has(7, 1, EAX, avx512_bf16))
        return KERNELS_AVX512;
    return KERNELS_AMX;
}

#else

static int tiles_permitted(void)
{
    return 0;
}

static int detect(void)
{
    return KERNELS_REF;
}

#endif

static void make_table(int isa, int precision)
{
    kiln_ops *ops = &tables[isa][precision];
    kernels_init_ref(ops);
#if KERNELS_HAVE_AVX2
    if (isa >= KERNELS_AVX2)
        kernels_init_avx2(ops, precision);
#endif
#if KERNELS_HAVE_AVX512
    if (isa >= KERNELS_AVX512)
        kernels_init_avx512(ops, precision);
#endif
#if KERNELS_HAVE_AMX
    if (isa >= KERNELS_AMX)
        kernels_init_amx(ops, precision);
#endif
}

static void start(void)
{
    const char *cap = getenv("KILN_CPU");
    int most = ISAS - 1;
    best = detect();
    if (cap && *cap) {
        while (most >= 0 && strcmp(cap, names[most]) != 0)
            most--;
        if (best > most)
            best = most;  // -1 where no name fits
    }
    if (best == KERNELS_AMX && !tiles_permitted())
        best = KERNELS_AVX512;
    for (int isa = 0; isa <= best; isa++)
        for (int precision = 0; precision < PRECISIONS; precision++)
            make_table(isa, precision);
}

int kernels_cpu_isa(void)
{
    pthread_once(&once, start);
    return best;
}

const char *kernels_isa_name(int isa)
{
    return isa >= 0 && isa < ISAS ? names[isa] : NULL;
}

const kiln_ops *kernels_cpu(int isa, int precision)
{
    if (isa < 0 || isa > kernels_cpu_isa() || precision < 0 || precision >= PRECISIONS)
        return NULL;
    if (precision == KERNELS_FP16 || (precision == KERNELS_BF16 && isa < KERNELS_AMX))
        return NULL;
    return &tables[isa][precision];
}
