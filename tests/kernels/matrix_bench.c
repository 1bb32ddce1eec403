// Times of the layers of the nets, by instruction set and precision. One thread is timed in
// processor time, which others on the machine disturb less. BENCH_SHAPE and BENCH_OP pick one line
// and operation by number; BENCH_TYPE=f16|bf16: of weights.
// SPDX-License-Identifier: MIT
#define _POSIX_C_SOURCE 200809L  // clock_gettime
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/kernels/matrix_problem.h"
#include "tests/support/stub_host.h"

static clockid_t clock_id;

static double now(void)
{
    struct timespec t;
    clock_gettime(clock_id, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

struct timing {
    const kiln_host *h;
    const kiln_ops *ops;
    struct problem *p;
    kiln_packed *w, *back;
    int op;  // 0 conv, 1 dx, 2 dw, 3 both packs
};

static void run_op(struct timing *t)
{
    struct problem *p = t->p;
    kiln_packed *w;
    switch (t->op) {
    case 0:
        t->ops->conv(t->h, t->w, p->x, NULL, p->bias, NULL, 1, KILN_ACT_NONE, p->out);
        break;
    case 1:
        t->ops->conv_dx(t->h, t->back, p->dout, p->dx, NULL);
        break;
    case 2:
        t->ops->conv_dw(t->h, &p->l.conv, p->x, NULL, p->dout, p->dw, p->dbias);
        break;
    default:
        for (int grad = 0; grad < 2; grad++) {
            t->ops->pack_conv(t->h, &p->l.conv, p->w, grad, &w);
            t->ops->pack_free(t->h, w);
        }
    }
}

static int bench_type(void)
{
    const char *type = getenv("BENCH_TYPE");
    return !type ? KILN_F32 : strcmp(type, "f16") == 0 ? KILN_F16 : KILN_BF16;
}

static double best_time(struct timing *t)
{
    double best = 1e9;
    run_op(t);
    for (int i = 0; i < 5; i++) {
        double start = now();
        run_op(t);
        double took = now() - start;
        best = took < best ? took : best;
    }
    return best;
}

static void bench(const kiln_ops *ops, const char *name, int threads)
{
    static const struct layer shapes[] = {
        {128, 28, 28, 1, 64, {3, 1, 1, 0}},   {128, 28, 28, 64, 64, {3, 1, 1, 0}},
        {128, 28, 28, 64, 64, {3, 2, 1, 0}},  {128, 14, 14, 64, 64, {3, 1, 1, 0}},
        {128, 14, 14, 64, 64, {3, 1, 1, 0}},  {128, 14, 14, 64, 128, {3, 2, 1, 0}},
        {128, 7, 7, 128, 128, {3, 1, 1, 0}},  {128, 7, 7, 128, 128, {3, 1, 1, 0}},
        {128, 1, 1, 128, 128, {7, 7, 0, 1}},  {128, 7, 7, 256, 64, {4, 2, 1, 1}},
        {128, 14, 14, 64, 64, {3, 1, 1, 0}},  {128, 14, 14, 64, 64, {3, 1, 1, 0}},
        {128, 14, 14, 128, 64, {4, 2, 1, 1}}, {128, 28, 28, 64, 64, {3, 1, 1, 0}},
        {128, 28, 28, 64, 64, {3, 1, 1, 0}},  {128, 28, 28, 128, 64, {3, 1, 1, 0}},
        {128, 28, 28, 64, 64, {3, 1, 1, 0}},  {128, 28, 28, 64, 1, {3, 1, 1, 0}},
        {2, 64, 64, 192, 192, {3, 1, 1, 0}},  {2, 32, 32, 384, 384, {3, 1, 1, 0}},
        {2, 16, 16, 576, 576, {3, 1, 1, 0}},  {2, 8, 8, 768, 768, {3, 1, 1, 0}},
        {2, 16, 16, 1152, 576, {3, 1, 1, 0}}, {2, 8, 8, 1536, 768, {3, 1, 1, 0}},
        {2, 32, 32, 384, 1152, {1, 1, 0, 0}}, {2, 16, 16, 576, 1728, {1, 1, 0, 0}},
        {2, 1, 1, 768, 1536, {1, 1, 0, 0}},
    };
    enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]), MNIST = 18 };
    double step = 0;
    printf("%s, %d threads: ms (GFLOP/s)\n", name, threads);
    for (int i = 0; i < SHAPES; i++) {
        kiln_host *h = stub_host_new();
        struct problem p;
        const struct layer *l = &shapes[i];
        if (getenv("BENCH_SHAPE") && atoi(getenv("BENCH_SHAPE")) != i)
            continue;
        stub_set_threads(h, threads);
        stub_set_reuse(h, 1);
        problem_new(h, &p, l, bench_type(), 0);
        struct timing t = {h, ops, &p, NULL, NULL, 0};
        ops->pack_conv(h, &l->conv, p.w, 0, &t.w);
        ops->pack_conv(h, &l->conv, p.w, 1, &t.back);
        int64_t pixels = l->conv.transposed ? l->h * l->w : p.oh * p.ow;
        double flop =
            2.0 * (double)(l->n * pixels) * l->ci * l->co * l->conv.kernel * l->conv.kernel;
        printf("%3d x %2dx%-2d %4d -> %-4d %d,%d,%d%s", l->n, l->h, l->w, l->ci, l->co,
               l->conv.kernel, l->conv.stride, l->conv.pad, l->conv.transposed ? "T" : " ");
        for (t.op = 0; t.op < 4; t.op++) {
            if (getenv("BENCH_OP") && atoi(getenv("BENCH_OP")) != t.op)
                continue;
            double ms = best_time(&t);
            if (t.op < 3)
                printf("  %7.2f (%4.0f)", ms, flop / ms * 1e-6);
            else
                printf("  pack %.2f", ms);
            if (i < MNIST && !(i == 0 && t.op == 1))
                step += ms;
        }
        printf("\n");
        if (i == MNIST - 1)
            printf("sum of a digit net's training step: %.0f ms\n", step);
        ops->pack_free(h, t.w);
        ops->pack_free(h, t.back);
        problem_free(h, &p);
        stub_host_free(h);
    }
}

int matrix_bench(int argc, char **argv)
{
    const char *word = "";
    int threads = 1;
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "--threads=", 10))
            threads = atoi(argv[i] + 10);
        else
            word = argv[i];
    clock_id = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    static const char *const precisions[] = {"fast", "exact", "bf16"};
    for (int isa = KERNELS_AVX2; isa <= KERNELS_AMX; isa++)
        for (int precision = KERNELS_FAST; precision <= KERNELS_BF16; precision++) {
            const kiln_ops *ops = kernels_cpu(isa, precision);
            char this_one[32];
            snprintf(this_one, sizeof(this_one), "%s %s", kernels_isa_name(isa),
                     precisions[precision]);
            if (ops && strstr(this_one, word))
                bench(ops, this_one, threads);
        }
    return 0;
}
