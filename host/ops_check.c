// SPDX-License-Identifier: MIT
#include "ops_check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "runtime.h"
#include "tensor.h"

static kiln_ops table = {.size = sizeof(table)};

static void fill(void)
{
    ops_check_matrix(&table);
    ops_check_map(&table);
    ops_check_train(&table);
}

const kiln_ops *ops_checked(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill);
    return &table;
}

const kiln_ops *ops_of(const struct check *c)
{
    return runtime_ops(c->device);
}

int check_arg(struct check *c, int good, const char *arg, const char *wants)
{
    if (!good)
        c->code = fail(KILN_ERR_ARG, "ops.%s: %s: wants %s", c->op, arg, wants);
    return good;
}

int check_device(struct check *c, const char *arg, int device)
{
    if (!c->device && (device == KILN_DEVICE_CPU || runtime.device_ops))
        c->device = device;
    return check_arg(c, device == c->device, arg,
                     c->device == KILN_DEVICE_CUDA ? "a tensor on the GPU, as those before it"
                                                   : "a tensor in host memory");
}

static int is_contiguous(const kiln_tensor *t)
{
    int64_t stride = 1;
    for (int32_t i = t->ndim; i-- > 0; stride *= t->shape[i])
        if (t->shape[i] != 1 && t->strides && t->strides[i] != stride)
            return 0;
    return 1;
}

// "a tensor of type F32 or F16"
static const char *types_text(int types)
{
    static _Thread_local char text[64];
    static const struct {
        int type;
        const char *name;
    } all[] = {{KILN_F32, "F32"},
               {KILN_F64, "F64"},
               {KILN_F16, "F16"},
               {KILN_BF16, "BF16"},
               {KILN_I32, "I32"}};
    int n = 0;
    snprintf(text, sizeof(text), "a tensor of type ");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (types & 1 << all[i].type) {
            types &= ~(1 << all[i].type);
            size_t at = strlen(text);
            snprintf(text + at, sizeof(text) - at, "%s%s",
                     !n++    ? ""
                     : types ? ", "
                             : " or ",
                     all[i].name);
        }
    return text;
}

int same_type(const kiln_tensor *t)
{
    return 1 << tensor_dtype(t);
}

int check_given(struct check *c, const char *arg, const kiln_tensor *t, int types, int32_t ndim)
{
    if (!t || !t->data)
        return check_arg(c, 0, arg, "a tensor, NULL was given");
    if (!check_device(c, arg, t->device.type))
        return 0;
    if (types == T_MAP)
        types = T_F32 | 1 << runtime_map_dtype(c->device, runtime.in_encoder);
    if (!(types & 1 << tensor_dtype(t)))
        return check_arg(c, 0, arg, types_text(types));
    if (ndim == ANY_NDIM ? t->ndim < 1 : t->ndim != ndim) {
        c->code = fail(KILN_ERR_SHAPE, "ops.%s: %s is %s, wants %d dimension%s", c->op, arg,
                       shape_text(t->ndim, t->shape), ndim == ANY_NDIM ? 1 : (int)ndim,
                       ndim == ANY_NDIM ? " or more"
                       : ndim == 1      ? ""
                                        : "s");
        return 0;
    }
    return check_arg(c, is_contiguous(t), arg, "a contiguous tensor");
}

int check_shape(struct check *c, const char *arg, const kiln_tensor *t, int types, int32_t ndim,
                const int64_t *shape)
{
    if (!t)
        return check_given(c, arg, t, types, ndim);
    int same = t->ndim == ndim;
    for (int32_t i = 0; i < ndim && same; i++)
        same = t->shape[i] == shape[i];
    if (same)
        return check_given(c, arg, t, types, ndim);
    c->code = fail(KILN_ERR_SHAPE, "ops.%s: %s is %s, wants %s", c->op, arg,
                   shape_text(t->ndim, t->shape), shape_text(ndim, shape));
    return 0;
}

int check_maybe(struct check *c, const char *arg, const kiln_tensor *t, int32_t ndim,
                const int64_t *shape)
{
    return !t || check_shape(c, arg, t, T_F32, ndim, shape);
}

int check_like(struct check *c, const char *arg, const kiln_tensor *t, const kiln_tensor *like)
{
    return check_shape(c, arg, t, same_type(like), like->ndim, like->shape);
}

int check_maybe_like(struct check *c, const char *arg, const kiln_tensor *t,
                     const kiln_tensor *like)
{
    return !t || check_like(c, arg, t, like);
}

int check_channels(struct check *c, const char *arg, const kiln_tensor *t, const kiln_tensor *x)
{
    return check_shape(c, arg, t, T_F32, 1, &x->shape[x->ndim - 1]);
}

int check_apart(struct check *c, const char *arg, const kiln_tensor *out, const kiln_tensor *t)
{
    return check_arg(c, !t || !out || t->data != out->data || t->byte_offset != out->byte_offset,
                     arg, "a tensor that is none of the inputs");
}

int check_act(struct check *c, int act)
{
    return check_arg(c, act >= KILN_ACT_NONE && act <= KILN_ACT_GELU_TANH, "act",
                     "one of enum kiln_act");
}

int check_at_once(struct check *c, int n)
{
    return check_arg(c, n >= 1 && n <= KILN_MOST_AT_ONCE, "n", "1..64");
}

int64_t last_of(const kiln_tensor *t)
{
    return t->shape[t->ndim - 1];
}
