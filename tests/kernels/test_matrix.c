// Convolutions, linear layers and their gradients of every instruction set of this processor
// against plain sums in double precision; and the same bits whatever the threads and the batch.
//
//     test_matrix --bench [--threads=N] ["amx fast"]   times instead: matrix_bench.c
// SPDX-License-Identifier: MIT
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "tests/kernels/matrix_problem.h"
#include "tests/support/stub_host.h"

#ifdef CHECK_CUDA
#include "kernels/cuda/services.h"
#endif

#include <cmocka.h>  // its macro fail comes behind what has a member of that name

static const struct layer layers[] = {
    // A digit net's kinds: 3,1,1 and 3,2,1 and transposed 4,2,1 and 7,7,0.
    {2, 28, 28, 1, 64, {3, 1, 1, 0}},
    {2, 28, 28, 64, 64, {3, 1, 1, 0}},
    {3, 28, 28, 64, 1, {3, 1, 1, 0}},
    {2, 28, 28, 64, 64, {3, 2, 1, 0}},
    {3, 14, 14, 64, 128, {3, 2, 1, 0}},
    {9, 7, 7, 128, 128, {3, 1, 1, 0}},
    {2, 14, 14, 128, 64, {4, 2, 1, 1}},
    {5, 7, 7, 256, 64, {4, 2, 1, 1}},
    {40, 1, 1, 128, 128, {7, 7, 0, 1}},
    // Odd sizes and numbers of channels.
    {1, 1, 1, 1, 1, {3, 1, 1, 0}},
    {2, 1, 1, 64, 65, {3, 1, 1, 0}},
    {1, 5, 3, 3, 10, {3, 1, 1, 0}},
    {2, 9, 13, 10, 3, {3, 1, 1, 0}},
    {1, 17, 31, 65, 130, {3, 1, 1, 0}},
    {2, 6, 7, 130, 65, {3, 2, 1, 0}},
    {2, 11, 5, 33, 17, {5, 1, 2, 0}},
    {1, 12, 12, 17, 33, {5, 3, 0, 0}},
    {2, 7, 9, 20, 40, {2, 2, 0, 0}},
    {2, 8, 8, 16, 16, {1, 1, 0, 0}},
    {1, 9, 9, 24, 16, {1, 2, 0, 0}},
    {1, 4, 6, 48, 48, {4, 4, 0, 0}},
    {2, 5, 4, 17, 19, {3, 1, 1, 1}},
    {2, 5, 4, 17, 19, {3, 2, 0, 1}},
    {1, 3, 3, 40, 20, {2, 3, 0, 1}},  // pixels that no tap reaches
    {1, 6, 5, 3, 3, {4, 2, 1, 1}},
    {1, 3, 2, 1, 2, {5, 2, 2, 1}},
    {1, 70, 66, 32, 32, {3, 1, 1, 0}},  // rows of an image in several blocks
    {1, 40, 200, 64, 16, {3, 2, 1, 0}},
    {1, 64, 64, 192, 48, {3, 1, 1, 0}},
    {1, 6, 6, 16, 16, {3, 1, 3, 0}},  // more border than kernel
    // Into few channels, also back.
    {2, 9, 13, 20, 3, {3, 1, 1, 0}},
    {1, 5, 4, 17, 1, {5, 1, 3, 0}},
    {2, 2, 1, 40, 1, {5, 1, 2, 0}},
    {1, 70, 66, 24, 2, {3, 1, 0, 0}},
    {2, 6, 7, 19, 3, {3, 1, 1, 1}},
    {2, 8, 9, 2, 33, {3, 1, 1, 0}},
    {33, 3, 3, 10, 24, {3, 3, 0, 0}},  // a kernel that covers its image
    // Winograd's: tiles cut off, borders of other sizes, weights shared by all threads.
    {2, 7, 10, 48, 40, {3, 1, 0, 0}},
    {1, 6, 5, 40, 64, {3, 1, 3, 0}},
    {3, 5, 9, 40, 33, {3, 1, 1, 1}},
    {2, 13, 6, 200, 136, {3, 1, 1, 0}},
    {5, 14, 14, 160, 160, {3, 1, 1, 0}},
    {1, 7, 6, 160, 160, {3, 1, 1, 0}},  // too small a map for that
    {2, 9, 12, 40, 48, {4, 2, 1, 0}},   // its parts of a strided kernel
    {3, 7, 5, 33, 40, {4, 2, 0, 1}},
    {1, 6, 9, 48, 33, {4, 2, 2, 1}},
};
enum { LAYERS = sizeof(layers) / sizeof(layers[0]) };

static const int linears[][3] = {
    // rows, in, out
    {1, 1, 1},   {2, 10, 64},   {128, 1, 128},  {128, 128, 128}, {77, 65, 130},
    {3, 130, 3}, {600, 64, 40}, {1500, 48, 33}, {5, 4096, 16},
};
enum { LINEARS = sizeof(linears) / sizeof(linears[0]) };

struct isa {
    int isa, precision;
    const char *name;
    double error, grad_error;  // relative L2, of a layer and of a weight gradient
};

// fast may round like three products of halves in bf16 or like Winograd's F(4,3); bf16 rounds its
// operands to 8 bits.
#ifdef CHECK_CUDA
// fast rounds operands to tf32, 10 bits; fp16 to as many.
enum { CUDA = 100 };
static const struct isa isas[] = {
    {CUDA, KERNELS_EXACT, "cuda-emulated exact", 2e-6, 2e-6},
    {CUDA, KERNELS_FAST, "cuda-emulated fast", 6e-4, 6e-4},
    {CUDA, KERNELS_BF16, "cuda-emulated bf16", 6e-3, 6e-3},
    {CUDA, KERNELS_FP16, "cuda-emulated fp16", 6e-4, 6e-4},
};
#else
static const struct isa isas[] = {
    {KERNELS_REF, KERNELS_EXACT, "ref", 2e-6, 2e-6},
    {KERNELS_AVX2, KERNELS_FAST, "avx2 fast", 1e-5, 2e-5},
    {KERNELS_AVX2, KERNELS_EXACT, "avx2 exact", 2e-6, 2e-6},
    {KERNELS_AVX512, KERNELS_FAST, "avx512 fast", 1e-5, 2e-5},
    {KERNELS_AVX512, KERNELS_EXACT, "avx512 exact", 2e-6, 2e-6},
    {KERNELS_AMX, KERNELS_FAST, "amx fast", 1e-5, 2e-5},
    {KERNELS_AMX, KERNELS_EXACT, "amx exact", 2e-6, 2e-6},
    {KERNELS_AMX, KERNELS_BF16, "amx bf16", 6e-3, 6e-3},
};
#endif
enum { ISAS = sizeof(isas) / sizeof(isas[0]) };

static const kiln_ops *table(const struct isa *isa)
{
#ifdef CHECK_CUDA
    return cuda_ops(isa->precision);
#endif
    return isa->isa <= kernels_cpu_isa() ? kernels_cpu(isa->isa, isa->precision) : NULL;
}

// All kernels of CUDA take the same way whatever the precision, and the CPU is slow at them: half
// of the layers each.
static int takes(int layer, int k)
{
#ifdef CHECK_CUDA
    return (layer + k) % 2 == 0;
#else
    return layer >= 0 && k >= 0;
#endif
}

static double act(double x, int kind)
{
    switch (kind) {
    case KILN_ACT_SILU:
        return x / (1 + exp(-x));
    case KILN_ACT_GELU:
        return 0.5 * x * (1 + erf(x * sqrt(0.5)));
    case KILN_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    default:
        return x;
    }
}

// The error is relative to the terms that make a value: where a bias all but cancels a product, the
// rounding of its operands is as large as ever. What has one term or few does not average theirs.
static void expect_near(const char *what, const struct isa *isa, const struct layer *l,
                        const kiln_tensor *got, const double *want, const double *terms,
                        double limit)
{
    const int few = l->ci * l->conv.kernel * l->conv.kernel < 4;
    limit *= few ? 2 : 1;
    double error = 0, norm = 0;
    for (int64_t i = 0; i < kiln_numel(got); i++) {
        double d = tensor_value(got, i) - want[i];
        error += d * d;
        norm += terms[i] * terms[i];
    }
    error = sqrt(error / (norm > 0 ? norm : 1));
    if (getenv("VERBOSE"))
        print_message("# %s %-6s %.1e\n", isa->name, what, error);
    if (!(error <= limit))
        fail_msg("%s, %s of %d x %dx%d, %d -> %d, %d,%d,%d%s: error %g, limit %g", isa->name, what,
                 l->n, l->h, l->w, l->ci, l->co, l->conv.kernel, l->conv.stride, l->conv.pad,
                 l->conv.transposed ? " transposed" : "", error, limit);
}

// [2 n]: the values, and the size of their terms.
static double *with_epilogue(const struct problem *p, int linear, int bias, int add, double scale,
                             int kind)
{
    int64_t n = kiln_numel(p->out);
    double *want = malloc(2 * (size_t)n * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        double x = p->conv[i] + (bias ? tensor_value(p->bias, i % p->l.co) : 0);
        double y = add ? tensor_value(p->add, i) : 0;
        want[i] = linear ? act(x, kind) + y : act(scale * (x + y), kind);
        double parts = fabs(p->conv[i]) + fabs(x - p->conv[i]) + fabs(y);
        want[n + i] = fmax(fabs(want[i]), (linear ? 1 : scale) * parts);
    }
    return want;
}

static void check_conv(const kiln_host *h, const kiln_ops *ops, const struct isa *isa,
                       struct problem *p, int variant)
{
    static const int kinds[] = {KILN_ACT_NONE, KILN_ACT_GELU, KILN_ACT_SILU, KILN_ACT_GELU_TANH};
    kiln_packed *w, *back;
    int bias = variant & 1, add = variant >> 1 & 1, kind = kinds[variant & 3];
    float scale = variant ? 0.75f : 1;
    assert_int_equal(ops->pack_conv(h, &p->l.conv, p->w, 0, &w), 0);
    assert_int_equal(ops->pack_conv(h, &p->l.conv, p->w, 1, &back), 0);
    assert_int_equal(ops->conv(h, w, p->x, NULL, bias ? p->bias : NULL, add ? p->add : NULL, scale,
                               kind, p->out),
                     0);
    assert_int_equal(ops->conv_dx(h, back, p->dout, p->dx, NULL), 0);
    assert_int_equal(ops->conv_dw(h, &p->l.conv, p->x, NULL, p->dout, p->dw, p->dbias), 0);
    double *want = with_epilogue(p, 0, bias, add, (double)scale, kind);
    expect_near("conv", isa, &p->l, p->out, want, want + kiln_numel(p->out), isa->error);
    expect_near("dx", isa, &p->l, p->dx, p->want_dx, p->want_dx, isa->error);
    expect_near("dw", isa, &p->l, p->dw, p->want_dw, p->want_dw, isa->grad_error);
    expect_near("dbias", isa, &p->l, p->dbias, p->want_dbias, p->dbias_size, isa->grad_error);
    free(want);
    ops->pack_free(h, w);
    ops->pack_free(h, back);
}

static void check_linear(const kiln_host *h, const kiln_ops *ops, const struct isa *isa,
                         struct problem *p, int variant)
{
    kiln_packed *w, *back;
    int bias = variant & 1, add = variant >> 1 & 1;
    assert_int_equal(ops->pack_linear(h, p->w, 0, &w), 0);
    assert_int_equal(ops->pack_linear(h, p->w, 1, &back), 0);
    assert_int_equal(
        ops->linear(h, w, p->x, bias ? p->bias : NULL, variant & 3, add ? p->add : NULL, p->out),
        0);
    assert_int_equal(ops->linear_dx(h, back, p->dout, p->dx), 0);
    assert_int_equal(ops->linear_dw(h, p->x, p->dout, p->dw, p->dbias), 0);
    double *want = with_epilogue(p, 1, bias, add, 1, variant & 3);
    expect_near("linear", isa, &p->l, p->out, want, want + kiln_numel(p->out), isa->error);
    expect_near("dx", isa, &p->l, p->dx, p->want_dx, p->want_dx, isa->error);
    expect_near("dw", isa, &p->l, p->dw, p->want_dw, p->want_dw, isa->grad_error);
    expect_near("dbias", isa, &p->l, p->dbias, p->want_dbias, p->dbias_size, isa->grad_error);
    free(want);
    ops->pack_free(h, w);
    ops->pack_free(h, back);
}

static void test_conv(void **state)
{
    static const int types[] = {KILN_F32, KILN_F16, KILN_BF16};
    (void)state;
    kiln_host *h = stub_host_new();
    stub_set_threads(h, 2);
    for (int i = 0; i < LAYERS; i++) {
        struct problem p;
        problem_new(h, &p, &layers[i], types[i % 3], 0);
        problem_reference(&p);
        for (int k = 0; k < ISAS; k++)
            if (table(&isas[k]) && takes(i, k))
                check_conv(h, table(&isas[k]), &isas[k], &p, (i + k) % 4);
        problem_free(h, &p);
    }
    assert_int_equal(stub_host_free(h), 0);
}

static void test_linear(void **state)
{
    (void)state;
    kiln_host *h = stub_host_new();
    stub_set_threads(h, 2);
    for (int i = 0; i < LINEARS; i++) {
        struct layer l = {linears[i][0], 1, 1, linears[i][1], linears[i][2], {1, 1, 0, 0}};
        struct problem p;
        problem_new(h, &p, &l, KILN_F32, 1);
        problem_reference(&p);
        for (int k = 0; k < ISAS; k++)
            if (table(&isas[k]))
                check_linear(h, table(&isas[k]), &isas[k], &p, (i + k) % 4);
        problem_free(h, &p);
    }
    assert_int_equal(stub_host_free(h), 0);
}

// Weights of 16 bits give the bits that the same numbers give as floats.
static void check_types(const struct isa *isa, const struct layer *l, int type)
{
    const kiln_ops *ops = table(isa);
    kiln_host *h = stub_host_new();
    struct problem p, q;
    problem_new(h, &p, l, type, 0);
    problem_new(h, &q, l, KILN_F32, 0);
    for (int64_t i = 0; i < kiln_numel(q.w); i++)
        ((float *)tensor_data(q.w))[i] = (float)tensor_value(p.w, i);
    for (int grad = 0; grad < 2; grad++) {
        kiln_packed *half, *full;
        assert_int_equal(ops->pack_conv(h, &l->conv, p.w, grad, &half), 0);
        assert_int_equal(ops->pack_conv(h, &l->conv, q.w, grad, &full), 0);
        if (grad) {
            assert_int_equal(ops->conv_dx(h, half, p.dout, p.dx, NULL), 0);
            assert_int_equal(ops->conv_dx(h, full, p.dout, q.dx, NULL), 0);
        } else {
            assert_int_equal(ops->conv(h, half, p.x, NULL, NULL, NULL, 1, KILN_ACT_NONE, p.out), 0);
            assert_int_equal(ops->conv(h, full, p.x, NULL, NULL, NULL, 1, KILN_ACT_NONE, q.out), 0);
        }
        ops->pack_free(h, half);
        ops->pack_free(h, full);
    }
    assert_memory_equal(tensor_data(p.out), tensor_data(q.out),
                        (size_t)kiln_numel(p.out) * sizeof(float));
    assert_memory_equal(tensor_data(p.dx), tensor_data(q.dx),
                        (size_t)kiln_numel(p.dx) * sizeof(float));
    problem_free(h, &p);
    problem_free(h, &q);
    assert_int_equal(stub_host_free(h), 0);
}

static void test_types(void **state)
{
    static const struct layer kinds[] = {
        {2, 14, 14, 48, 40, {3, 1, 1, 0}}, {1, 9, 11, 168, 136, {3, 1, 1, 0}},
        {3, 6, 5, 168, 136, {3, 1, 1, 0}}, {2, 7, 7, 33, 19, {3, 2, 1, 0}},
        {2, 5, 6, 20, 33, {4, 2, 1, 1}},   {7, 5, 4, 65, 50, {1, 1, 0, 0}},
        {1, 12, 8, 24, 6, {3, 1, 1, 0}},   {1, 12, 8, 3, 24, {3, 1, 1, 0}},
        {2, 5, 6, 40, 48, {4, 2, 1, 1}},
    };
    enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
    (void)state;
    for (int i = 0; i < KINDS; i++)
        for (int k = 0; k < ISAS; k++)
            if (table(&isas[k]) && takes(i, k)) {
                check_types(&isas[k], &kinds[i], KILN_F16);
                check_types(&isas[k], &kinds[i], KILN_BF16);
            }
}

// A packed weight of 16 bits takes two bytes an element, as its file does.
static void test_packed_size(void **state)
{
    const struct layer l = {1, 16, 16, 384, 384, {3, 1, 1, 0}};
    (void)state;
    for (int k = 0; k < ISAS; k++) {
        if (!table(&isas[k]) || (isas[k].isa != KERNELS_AVX2 && isas[k].isa != KERNELS_AVX512))
            continue;
        kiln_host *h = stub_host_new();
        struct problem p;
        kiln_packed *w;
        problem_new(h, &p, &l, KILN_F16, 0);
        int64_t before = stub_bytes(h), head = 1024;
        assert_int_equal(table(&isas[k])->pack_conv(h, &l.conv, p.w, 0, &w), 0);
        assert_in_range(stub_bytes(h) - before, 0, kiln_numel(p.w) * 2 + head);
        table(&isas[k])->pack_free(h, w);
        problem_free(h, &p);
        assert_int_equal(stub_host_free(h), 0);
    }
}

// The first rows of a larger batch, and any number of threads, give the same bits.
static void test_same_bits(void **state)
{
    (void)state;
#ifdef CHECK_CUDA
    enum { STEP = 3 };  // all sizes take the same way; one by one is slow on the CPU
#else
    enum { STEP = 1 };
#endif
    for (int i = 0; i < LAYERS; i += STEP)
        for (int k = 0; k < ISAS; k++) {
            const kiln_ops *ops = table(&isas[k]);
            if (!ops)
                continue;
            kiln_host *h = stub_host_new();
            struct layer l = layers[i];
            struct problem p, q;
            kiln_packed *w;
            problem_new(h, &p, &l, KILN_F32, 0);
            l.n = 2 * l.n + 3;
            problem_new(h, &q, &l, KILN_F32, 0);
            memcpy(tensor_data(q.x), tensor_data(p.x), (size_t)kiln_numel(p.x) * sizeof(float));
            assert_int_equal(ops->pack_conv(h, &l.conv, p.w, 0, &w), 0);
            assert_int_equal(ops->conv(h, w, p.x, NULL, p.bias, NULL, 1, KILN_ACT_GELU, p.out), 0);
            assert_int_equal(ops->conv_dw(h, &l.conv, p.x, NULL, p.dout, p.dw, p.dbias), 0);
            stub_set_threads(h, 3);
            kiln_tensor *dw, *dbias;
            kiln_new_like(h, p.dw, &dw);
            kiln_new_like(h, p.dbias, &dbias);
            assert_int_equal(ops->conv(h, w, q.x, NULL, p.bias, NULL, 1, KILN_ACT_GELU, q.out), 0);
            assert_int_equal(ops->conv_dw(h, &l.conv, p.x, NULL, p.dout, dw, dbias), 0);
            size_t bytes = (size_t)kiln_numel(p.out) * sizeof(float);
            assert_memory_equal(tensor_data(p.out), tensor_data(q.out), bytes);
            assert_memory_equal(tensor_data(dw), tensor_data(p.dw),
                                (size_t)kiln_numel(dw) * sizeof(float));
            assert_memory_equal(tensor_data(dbias), tensor_data(p.dbias),
                                (size_t)kiln_numel(dbias) * sizeof(float));
            h->tensor_free(h, dw);
            h->tensor_free(h, dbias);
            ops->pack_free(h, w);
            problem_free(h, &p);
            problem_free(h, &q);
            assert_int_equal(stub_host_free(h), 0);
        }
}

static kiln_tensor *channels(const kiln_host *h, const kiln_tensor *x, int64_t first, int64_t n)
{
    const int64_t shape[] = {x->shape[0], x->shape[1], x->shape[2], n}, c = x->shape[3];
    kiln_tensor *part;
    if (h->tensor_new(h, NULL, KILN_F32, 4, shape, &part))
        abort();
    for (int64_t i = 0; i < kiln_numel(part); i++)
        ((float *)tensor_data(part))[i] =
            ((const float *)tensor_data(x))[i / n * c + first + i % n];
    return part;
}

// Relative L2.
static double distance(const kiln_tensor *got, const kiln_tensor *want)
{
    const float *a = (const float *)tensor_data(got), *b = (const float *)tensor_data(want);
    double sum = 0, norm = 0;
    for (int64_t i = 0; i < kiln_numel(got); i++) {
        const double d = (double)a[i] - (double)b[i];
        sum += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return sum > 0 ? sqrt(sum / norm) : 0;
}

static void expect_equal(const char *what, const struct isa *isa, const struct layer *l,
                         const kiln_tensor *got, const kiln_tensor *want, double error)
{
    const double d = distance(got, want);
    if (!(d <= error))
        fail_msg("%s, %s of %d x %dx%d, %d -> %d, %d,%d,%d%s: not the bits of one map, off by %g",
                 isa->name, what, l->n, l->h, l->w, l->ci, l->co, l->conv.kernel, l->conv.stride,
                 l->conv.pad, l->conv.transposed ? " transposed" : "", d);
}

// Two maps side by side, cut behind channel at, give the bits of the one that they make. On CUDA
// where tiles do not end, elements are read one by one, and sums come in another order.
static double pair_error(const struct isa *isa, int64_t at)
{
#ifdef CHECK_CUDA
    return at % 64 ? 2 * isa->error : 0;
#else
    (void)isa;
    (void)at;
    return 0;
#endif
}

static void check_pair(const struct isa *isa, const struct layer *l, int64_t at)
{
    const kiln_ops *ops = table(isa);
    const double error = pair_error(isa, at);
    kiln_host *h = stub_host_new();
    struct problem p, q;  // q: as p, for what the pair gives
    kiln_packed *w, *back;
    stub_set_threads(h, 2);
    problem_new(h, &p, l, KILN_F32, 0);
    problem_new(h, &q, l, KILN_F32, 0);
    kiln_tensor *x = channels(h, p.x, 0, at), *x2 = channels(h, p.x, at, l->ci - at);
    kiln_tensor *dx = channels(h, q.x, 0, at), *dx2 = channels(h, q.x, at, l->ci - at);
    assert_int_equal(ops->pack_conv(h, &l->conv, p.w, 0, &w), 0);
    assert_int_equal(ops->pack_conv(h, &l->conv, p.w, 1, &back), 0);
    assert_int_equal(ops->conv(h, w, p.x, NULL, p.bias, p.add, 1, KILN_ACT_GELU, p.out), 0);
    assert_int_equal(ops->conv(h, w, x, x2, p.bias, p.add, 1, KILN_ACT_GELU, q.out), 0);
    expect_equal("conv", isa, l, q.out, p.out, error);
    assert_int_equal(ops->conv_dx(h, back, p.dout, p.dx, NULL), 0);
    assert_int_equal(ops->conv_dx(h, back, p.dout, dx, dx2), 0);
    kiln_tensor *want = channels(h, p.dx, 0, at), *want2 = channels(h, p.dx, at, l->ci - at);
    expect_equal("dx", isa, l, dx, want, error);
    expect_equal("dx2", isa, l, dx2, want2, error);
    assert_int_equal(ops->conv_dw(h, &l->conv, p.x, NULL, p.dout, p.dw, p.dbias), 0);
    assert_int_equal(ops->conv_dw(h, &l->conv, x, x2, p.dout, q.dw, q.dbias), 0);
    expect_equal("dw", isa, l, q.dw, p.dw, error);
    expect_equal("dbias", isa, l, q.dbias, p.dbias, error);
    ops->pack_free(h, w);
    ops->pack_free(h, back);
    kiln_tensor *all[] = {x, x2, dx, dx2, want, want2};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        h->tensor_free(h, all[i]);
    problem_free(h, &p);
    problem_free(h, &q);
    assert_int_equal(stub_host_free(h), 0);
}

// The cut where kernels read both in place (whole tiles, whole vectors), and where they do not.
static void test_pairs(void **state)
{
    static const struct {
        struct layer l;
        int at[3];
    } kinds[] = {
        {{2, 14, 14, 128, 64, {3, 1, 1, 0}}, {64, 32, 80}},  // a digit net's
        {{3, 7, 7, 256, 64, {4, 2, 1, 1}}, {128, 48, 0}},
        {{2, 14, 14, 128, 64, {4, 2, 1, 1}}, {64, 48, 20}},
        {{1, 23, 9, 96, 80, {1, 1, 0, 0}}, {64, 16, 33}},  // a shortcut
        {{1, 1, 1, 64, 48, {1, 1, 0, 0}}, {32, 48, 3}},
        {{1, 13, 10, 200, 136, {3, 1, 1, 0}}, {32, 144, 199}},  // weights shared by all threads
        {{2, 9, 13, 40, 33, {3, 2, 1, 0}}, {32, 16, 1}},
        {{2, 5, 4, 70, 19, {3, 2, 0, 1}}, {64, 48, 65}},
        {{3, 6, 7, 64, 3, {3, 1, 1, 0}}, {32, 16, 5}},   // into few channels, and back
        {{9, 3, 3, 40, 24, {3, 3, 0, 0}}, {32, 16, 8}},  // a kernel that covers its image
        {{2, 1, 1, 65, 20, {7, 7, 0, 1}}, {32, 64, 1}},
        {{2, 6, 5, 3, 20, {3, 1, 1, 0}}, {1, 2, 0}},
        {{1, 5, 6, 40, 2, {4, 2, 1, 1}}, {32, 16, 0}},
    };
    (void)state;
    for (int i = 0; i < (int)(sizeof(kinds) / sizeof(kinds[0])); i++)
        for (int k = 0; k < ISAS; k++)
            for (int cut = 0; cut < 3; cut++)
                if (table(&isas[k]) && takes(i + cut, k) && kinds[i].at[cut])
                    check_pair(&isas[k], &kinds[i].l, kinds[i].at[cut]);
}

// An infinity or NaN in one pixel spoils the outputs that see it, and no others; but by Winograd's
// algorithm all of the tile, 4 pixels a side at most.
static void test_not_finite(void **state)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    const struct layer l = {2, 9, 9, 32, 32, {3, 1, 1, 0}};
    (void)state;
    for (int k = 0; k < ISAS; k++)
        for (int b = 0; b < 3; b++) {
            const kiln_ops *ops = table(&isas[k]);
            if (!ops)
                continue;
            kiln_host *h = stub_host_new();
            struct problem p;
            kiln_packed *w;
            problem_new(h, &p, &l, KILN_F32, 0);
            ((float *)tensor_data(p.x))[(0 * 9 + 8) * 32 + 5] = bad[b];  // image 0, (0, 8)
            assert_int_equal(ops->pack_conv(h, &l.conv, p.w, 0, &w), 0);
            assert_int_equal(ops->conv(h, w, p.x, NULL, p.bias, NULL, 1, KILN_ACT_NONE, p.out), 0);
            for (int i = 0; i < 2 * 81 * 32; i++) {
                int pixel = i / 32, sees = pixel < 81 && pixel / 9 <= 1 && pixel % 9 >= 7;
                int near = isas[k].isa == KERNELS_AVX2 || isas[k].isa == KERNELS_AVX512
                               ? pixel < 81 && pixel / 9 < 4 && pixel % 9 >= 4
                               : sees;
                int finite = isfinite(tensor_value(p.out, i)) != 0;
                if (finite ? sees : !near)
                    fail_msg("%s: pixel %d is %g", isas[k].name, pixel, tensor_value(p.out, i));
            }
            ops->pack_free(h, w);
            problem_free(h, &p);
            assert_int_equal(stub_host_free(h), 0);
        }
}

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),       cmocka_unit_test(test_linear),
        cmocka_unit_test(test_types),      cmocka_unit_test(test_packed_size),
        cmocka_unit_test(test_same_bits),  cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_not_finite),
    };
#ifndef CHECK_CUDA
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return matrix_bench(argc - 2, argv + 2);
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
