// The table of kiln.ops/1 that plugins get: every entry checks its arguments, once, and then calls
// the backend, which believes them. SPDX-License-Identifier: MIT
#ifndef HOST_OPS_CHECK_H
#define HOST_OPS_CHECK_H

#include <kiln/ext/ops.h>

const kiln_ops *ops_checked(void);  // one and the same for all

// Inside: each family fills its entries.
void ops_check_matrix(kiln_ops *ops);  // layout, products, attention
void ops_check_map(kiln_ops *ops);     // norms, elementwise, images, samplers
void ops_check_train(kiln_ops *ops);

// The checks of one call, each 1 when all is well. What fails first sets code and the
// message, "ops.conv: out is 1x26x26x8, wants 1x28x28x8".
struct check {
    const char *op;
    int code;
    int device;  // of the first tensor; all are there
};
const kiln_ops *ops_of(const struct check *c);  // of that device

enum { T_F32 = 1 << KILN_F32, T_F64 = 1 << KILN_F64, T_I32 = 1 << KILN_I32 };
enum { T_WEIGHT = T_F32 | 1 << KILN_F16 | 1 << KILN_BF16 };
enum { T_MAP = 1 << 30 };  // F32, or what maps are under this --precision
enum { ANY_NDIM = -1 };    // 1 or more

int check_arg(struct check *c, int good, const char *arg, const char *wants);
// On the device of those before it.
int check_device(struct check *c, const char *arg, int device);
// On the device of those before, contiguous, of one of these types.
int check_given(struct check *c, const char *arg, const kiln_tensor *t, int types, int32_t ndim);
// And of this shape.
int check_shape(struct check *c, const char *arg, const kiln_tensor *t, int types, int32_t ndim,
                const int64_t *shape);
// The type of a tensor that was checked.
int same_type(const kiln_tensor *t);
// F32 of a shape, or NULL.
int check_maybe(struct check *c, const char *arg, const kiln_tensor *t, int32_t ndim,
                const int64_t *shape);
// Of the type and shape of another tensor, which was checked.
int check_like(struct check *c, const char *arg, const kiln_tensor *t, const kiln_tensor *like);
int check_maybe_like(struct check *c, const char *arg, const kiln_tensor *t,
                     const kiln_tensor *like);
// [c] for the last dimension of x.
int check_channels(struct check *c, const char *arg, const kiln_tensor *t, const kiln_tensor *x);
// The result is none of the inputs; t may be NULL.
int check_apart(struct check *c, const char *arg, const kiln_tensor *out, const kiln_tensor *t);
int check_act(struct check *c, int act);
int check_at_once(struct check *c, int n);  // 1..KILN_MOST_AT_ONCE
int64_t last_of(const kiln_tensor *t);

#endif
