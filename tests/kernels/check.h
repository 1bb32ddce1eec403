// Kernels of an instruction set against the reference: on random data with extremes forced in, over
// odd shapes. Every case runs once for each instruction set that this machine has.
//
// KILN_TEST_SEED takes back the seed that a run printed. Arguments: a word runs only the cases
// whose name has it in; --bench times them instead, on --threads=2 of them.
// SPDX-License-Identifier: MIT
#ifndef TESTS_KERNELS_CHECK_H
#define TESTS_KERNELS_CHECK_H

#include "kernels/kernels.h"
#include "tests/support/stub_host.h"

struct check {
    int isa, precision;
    const kiln_ops *ref, *ops;  // compare what ops gives with what ref gives
    kiln_host *host;
    const char *name;  // of the instruction set or backend
};

struct check_case {
    const char *name;  // a sentence begun by the instruction set: "layer_norm is the reference's"
    void (*test)(const struct check *c);
    void (*bench)(const struct check *c);  // NULL: not timed
    unsigned precisions;                   // bits 1 << enum kernels_precision; 0: fast alone
};

int check_main(const char *group, int argc, char **argv, const struct check_case *cases,
               size_t n_cases);

// Random numbers of this case.
int64_t check_int(int64_t lo, int64_t hi);  // ends included
float check_float(float lo, float hi);

// Tensors; freed after the case. new: filled with NaN.
kiln_tensor *check_new(int32_t ndim, const int64_t *shape);
kiln_tensor *check_like(const kiln_tensor *t);
kiln_tensor *check_copy(const kiln_tensor *t);
kiln_tensor *check_uniform(int32_t ndim, const int64_t *shape, float lo, float hi);
kiln_tensor *check_normal(int32_t ndim, const int64_t *shape, float mean, float deviation);
kiln_tensor *check_to(int dtype, const kiln_tensor *t);  // as KILN_F16, KILN_BF16
kiln_tensor *check_indices(int64_t n, int32_t below);    // I32 in [0,below)
// Puts 0, -0, subnormals, and +-large among the elements.
void check_extremes(kiln_tensor *t, float large);

// Fails the case where |got - want| > absolute + relative |want|, or only one is NaN. The text
// names the comparison and its parameters.
void check_near(const kiln_tensor *got, const kiln_tensor *want, double absolute, double relative,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
// The same bits.
void check_same(const kiln_tensor *got, const kiln_tensor *want, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Relative L2 error, for products and sums of many terms.
void check_l2(const kiln_tensor *got, const kiln_tensor *want, double most, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Fails the case unless an entry returned KILN_OK.
void check_ok(const struct check *c, int err);

// Times its body, and prints the median with what bytes and operations make of it (0: neither):
//     CHECK_TIME(c, bytes, 0, "act gelu %d", n)
//         c->ops->act(c->host, x, KILN_ACT_GELU, out);
struct check_timer {
    double bytes, operations, started;
    double seconds[64];
    int n;
    char label[96];
};
struct check_timer check_timer_new(const struct check *c, double bytes, double operations,
                                   const char *format, ...) __attribute__((format(printf, 4, 5)));
int check_timer_next(struct check_timer *t);
#define CHECK_TIME(...)                                                                            \
    for (struct check_timer timer = check_timer_new(__VA_ARGS__); check_timer_next(&timer);)

#endif
