// What the processor can do at most: multiply-adds of registers alone. peak KIND 0, with KIND 0:
// AVX2, 1: AVX-512 in fp32, 2: AMX in bf16, on random data, with which it is slower than on zeros;
// 3: reading memory. SPDX-License-Identifier: MIT
#if defined(__x86_64__)
#include <immintrin.h>

enum { PEAK_ITEMS = 64, PEAK_STEPS = 20000 };

__attribute__((target("avx2,fma"))) static float spin_avx2(void)
{
    __m256 s[12], x = _mm256_set1_ps(1e-9f), y = _mm256_set1_ps(0.5f);
    for (int k = 0; k < 12; k++)
        s[k] = x;
    for (int i = 0; i < PEAK_STEPS; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < 12; k++)
            s[k] = _mm256_fmadd_ps(s[k], y, x);
        __asm__ volatile("" : "+x"(y));
    }
    for (int k = 1; k < 12; k++)
        s[0] = _mm256_add_ps(s[0], s[k]);
    return _mm256_cvtss_f32(s[0]);
}

__attribute__((target("avx512f"))) static float spin_avx512(void)
{
    __m512 s[12], x = _mm512_set1_ps(1e-9f), y = _mm512_set1_ps(0.5f);
    for (int k = 0; k < 12; k++)
        s[k] = x;
    for (int i = 0; i < PEAK_STEPS; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < 12; k++)
            s[k] = _mm512_fmadd_ps(s[k], y, x);
        __asm__ volatile("" : "+v"(y));
    }
    for (int k = 1; k < 12; k++)
        s[0] = _mm512_add_ps(s[0], s[k]);
    return _mm512_reduce_add_ps(s[0]);
}

// Written out: the compilers' flags for tiles need not be there. The host has asked for them.
static void spin_amx(const uint16_t *data)
{
    static const uint8_t config[64] __attribute__((aligned(64))) = {
        1, 0,  0, 0,  0, 0,  0, 0,  0, 0,  0,  0,  0,  0,  0,  0,  64, 0, 64,
        0, 64, 0, 64, 0, 64, 0, 64, 0, 64, 0,  64, 0,  0,  0,  0,  0,  0, 0,
        0, 0,  0, 0,  0, 0,  0, 0,  0, 0,  16, 16, 16, 16, 16, 16, 16, 16};
    __asm__ volatile("ldtilecfg %0\n"
                     "tilezero %%tmm0\n tilezero %%tmm1\n tilezero %%tmm2\n tilezero %%tmm3\n"
                     "tileloadd (%1,%2), %%tmm4\n tileloadd 1024(%1,%2), %%tmm5\n"
                     "tileloadd 2048(%1,%2), %%tmm6\n tileloadd 3072(%1,%2), %%tmm7\n"
                     :
                     : "m"(config), "r"(data), "r"((int64_t)64)
                     : "memory");
    for (int i = 0; i < PEAK_STEPS / 64; i++)
        __asm__ volatile("tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n"
                         "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n tdpbf16ps %%tmm7, %%tmm5, %%tmm3\n" ::
                             : "memory");
    __asm__ volatile("tilerelease" ::: "memory");
}

// KIND of which n[1] is what it would take away.
static int prepare_peak(struct bench *b, struct problem *p)
{
    int kind = (int)p->n[0];
    static const double per_item[] = {PEAK_STEPS * 12.0 * 16, PEAK_STEPS * 12.0 * 32,
                                      PEAK_STEPS / 64 * 4 * 16384.0};
    int has = kind == 0   ? __builtin_cpu_supports("avx2")
              : kind == 1 ? __builtin_cpu_supports("avx512f")
              : kind == 2 ? p->n[1] == 1
                          : kind == 3;
    if (!has)
        return KILN_ERR_ARG;
    if (kind == 3) {
        p->bytes = 256e6;
        return F32(0, 64000000);
    }
    p->operations = PEAK_ITEMS * per_item[kind];
    int e = F32(0, 2048);
    return e ? e : fresh(b, p, 1, KILN_BF16, 1, SHAPE(2048));
}

static int peak_items(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    struct problem *p = ctx;
    float sum = 0;
    for (int64_t i = begin; i < end; i++)
        if (p->n[0] == 0)
            sum += spin_avx2();
        else if (p->n[0] == 1)
            sum += spin_avx512();
        else if (p->n[0] == 2)
            spin_amx(p->t[1]->data);
        else
            for (const float *x = kiln_f32(p->t[0]) + i * 1000000, *last = x + 1000000; x < last;
                 x += 16)
                sum += *x;
    kiln_f32(p->t[0])[chunk % 64] = sum < 0 ? 1.0f : 0.5f;
    return KILN_OK;
}

static int run_peak(struct bench *b, struct problem *p)
{
    return HOST->parallel_for(HOST, PEAK_ITEMS, 1, peak_items, p);
}
#else
static int prepare_peak(struct bench *b, struct problem *p)
{
    (void)b;
    (void)p;
    return KILN_ERR_ARG;
}

static int run_peak(struct bench *b, struct problem *p)
{
    (void)b;
    (void)p;
    return KILN_ERR_ARG;
}
#endif
