// SPDX-License-Identifier: MIT
#include "ops_host.h"

#include "error.h"
#include "ext.h"
#include "pool.h"
#include "runtime.h"
#include "tensor.h"

static int plain_fail(const kiln_host *h, int code, const char *why)
{
    (void)h;
    return fail(code, "%s", why);
}

static int plain_tensor_new(const kiln_host *h, const kiln_tensor *near, int dtype, int32_t ndim,
                            const int64_t *shape, kiln_tensor **out)
{
    (void)h;
    (void)near;
    return tensor_new(dtype, ndim, shape, out);
}

static void plain_tensor_free(const kiln_host *h, const kiln_tensor *t)
{
    (void)h;
    tensor_unref(t);
}

static int plain_for(const kiln_host *h, int64_t n, int64_t grain,
                     int (*fn)(void *, int64_t, int64_t, int64_t), void *ctx)
{
    (void)h;
    return pool_for(n, grain, fn, ctx);
}

const kiln_host plain_host = {
    .size = sizeof(plain_host),
    .major = KILN_MAJOR,
    .minor = KILN_HEADER_MINOR,
    .version = KILN_VERSION,
    .fail = plain_fail,
    .tensor_new = plain_tensor_new,
    .tensor_free = plain_tensor_free,
    .parallel_for = plain_for,
};

int resize_image(const kiln_tensor *x, int64_t h, int64_t w, int filter, kiln_tensor **out)
{
    int64_t shape[4] = {x->shape[0], x->shape[1], h, w};
    int e = tensor_new(KILN_F32, 4, shape, out);
    if (e)
        return e;
    e = runtime.ops->resize(&plain_host, x, filter, 1, 0, *out);
    if (e)
        tensor_unref(*out);
    return e;
}
