// The device's side of tensors: copies, and which side is newer.
// SPDX-License-Identifier: MIT
#include "twin.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

static const struct cuda_backend *backend;
static const kiln_host *services;  // for what the backend does itself

static int told(int e)
{
    return e ? fail(e, "%s", backend->why()) : KILN_OK;
}

void twin_backend(const struct cuda_backend *b, const kiln_host *h, size_t limit)
{
    twin_pool_backend(b, limit);
    backend = b;
    services = h;
}

static int device_room(struct tensor *own)
{
    size_t bytes = tensor_bytes(&own->t);
    void *at = NULL;
    int e = twin_take(own, bytes, &at);
    if (e == KILN_ERR_MEMORY)
        return fail(e,
                    "%.1f MB for a tensor of %s are not to be had on the GPU: %.1f of %.1f MB are "
                    "taken (--max-memory, --max-batch)",
                    (double)bytes / 1e6, shape_text(own->t.ndim, own->shape),
                    (double)twin_used() / 1e6, (double)twin_limit() / 1e6);
    if (e)
        return told(e);
    own->d = own->t;
    own->d.device.type = KILN_DEVICE_CUDA;
    own->d.data = at;
    own->d.byte_offset = 0;
    return KILN_OK;
}

int tensor_new_on(int device, int dtype, int32_t ndim, const int64_t *shape, kiln_tensor **out)
{
    struct tensor *t;
    size_t bytes;
    if (!backend || device != KILN_DEVICE_CUDA)
        return tensor_new(dtype, ndim, shape, out);
    *out = NULL;
    int e = tensor_make(dtype, ndim, shape, &t, &bytes);
    if (e)
        return e;
    e = device_room(t);
    if (e) {
        tensor_drop(t);
        return e;
    }
    t->valid = ON_DEVICE;
    *out = &t->d;
    return KILN_OK;
}

static int copy_bytes(void *to, int to_device, const void *from, int from_device, size_t bytes)
{
    if (!bytes)
        return KILN_OK;
    if (to_device && from_device)
        return told(backend->copy(to, from, bytes));
    if (!to_device && !from_device) {
        memmove(to, from, bytes);
        return KILN_OK;
    }
    int e = twin_may_not("a copy between the host and the GPU");
    return e ? e
             : told(to_device ? backend->to_device(to, from, bytes)
                              : backend->to_host(to, from, bytes));
}

// ---- sides --------------------------------------------------------------------------------------

static int is_ours(const kiln_tensor *t)
{
    const struct tensor *own = tensor_owner(t);  // an address alone, until it is known to be ours
    return (uintptr_t)t->shape == (uintptr_t)own + offsetof(struct tensor, shape) &&
           (uintptr_t)t->strides == (uintptr_t)own + offsetof(struct tensor, strides);
}

int tensor_place(const kiln_tensor *t)
{
    return tensor_owner(t)->valid & ON_DEVICE ? KILN_DEVICE_CUDA : KILN_DEVICE_CPU;
}

static int bring_to_device(struct tensor *own, int read)
{
    int e = own->room ? KILN_OK : device_room(own);
    size_t bytes = tensor_bytes(&own->t);
    if (!e && read && !(own->valid & ON_DEVICE))
        e = copy_bytes(own->d.data, 1, tensor_data(&own->t), 0, bytes);
    return e;
}

static int bring_home(struct tensor *own, int read)
{
    int e = own->t.data ? KILN_OK : tensor_host_room(own);
    size_t bytes = tensor_bytes(&own->t);
    if (!e && read && !(own->valid & ON_HOST))
        e = copy_bytes(tensor_data(&own->t), 0, own->d.data, 1, bytes);
    return e;
}

int tensor_on(const kiln_tensor *t, int device, enum tensor_use use, kiln_tensor **side)
{
    *side = (kiln_tensor *)(uintptr_t)t;
    if (!backend || !t)
        return KILN_OK;
    struct tensor *own = tensor_owner(t);
    int bit = device == KILN_DEVICE_CUDA ? ON_DEVICE : ON_HOST;
    int e = bit == ON_DEVICE ? bring_to_device(own, use != TENSOR_WRITE)
                             : bring_home(own, use != TENSOR_WRITE);
    if (e)
        return e;
    own->valid = use == TENSOR_READ ? own->valid | bit : bit;
    // Host memory that is out of date is given back, so that nobody reads it by mistake.
    if (own->valid == ON_DEVICE && use != TENSOR_READ)
        tensor_host_drop(own);
    *side = bit == ON_DEVICE ? &own->d : &own->t;
    return KILN_OK;
}

int tensor_home(const kiln_tensor *t)
{
    kiln_tensor *side;
    return tensor_on(t, KILN_DEVICE_CPU, TENSOR_READ, &side);
}

int tensor_home_own(const kiln_tensor *t)
{
    kiln_tensor *side;
    return tensor_on(t, KILN_DEVICE_CPU, TENSOR_UPDATE, &side);
}

kiln_tensor *tensor_taken(const kiln_tensor *side)
{
    if (!backend || !side)
        return (kiln_tensor *)(uintptr_t)side;
    struct tensor *own = tensor_owner(side);
    own->valid = side == &own->d ? ON_DEVICE : ON_HOST;
    return &own->t;
}

int tensor_adopt(const kiln_tensor *given, kiln_tensor **out)
{
    if (is_ours(given)) {
        *out = tensor_taken(tensor_ref(given));
        return KILN_OK;
    }
    int e = tensor_new_on(given->device.type, tensor_dtype(given), given->ndim, given->shape, out);
    e = e ? e : tensor_copy_raw(*out, given);
    if (e)
        tensor_unref(*out);
    *out = e ? NULL : tensor_taken(*out);
    return e;
}

// ---- copies -------------------------------------------------------------------------------------

static int is_on_device(const kiln_tensor *t)
{
    return t->device.type == KILN_DEVICE_CUDA;
}

// Through a tensor of the source's type on the other side.
static int copy_and_convert(kiln_tensor *dst, const kiln_tensor *src)
{
    kiln_tensor *there;
    if (is_on_device(dst) && is_on_device(src))
        return backend->convert(services, src, dst);
    int e = tensor_new_on(is_on_device(dst) ? KILN_DEVICE_CUDA : KILN_DEVICE_CPU, tensor_dtype(src),
                          src->ndim, src->shape, &there);
    if (e)
        return e;
    e = copy_bytes(there->data, is_on_device(there), tensor_data(src), is_on_device(src),
                   tensor_bytes(src));
    if (!e)
        e = is_on_device(dst) ? backend->convert(services, there, dst)
                              : tensor_copy_host(dst, there);
    tensor_unref(there);
    return e;
}

int tensor_copy_raw(kiln_tensor *dst, const kiln_tensor *src)
{
    int e = tensor_check_copy(dst, src);
    if (e)
        return e;
    if (!is_on_device(dst) && !is_on_device(src))
        return tensor_copy_host(dst, src);
    if (!backend)
        return fail(KILN_ERR_ARG, "a tensor of a device that is not there");
    if (tensor_dtype(dst) != tensor_dtype(src))
        return copy_and_convert(dst, src);
    return copy_bytes(tensor_data(dst), is_on_device(dst), tensor_data(src), is_on_device(src),
                      tensor_bytes(src));
}

int tensor_copy_rows(kiln_tensor *dst, int64_t to, const kiln_tensor *src, int64_t from, int64_t n)
{
    int place = tensor_place(dst);
    kiln_tensor *out, *in;
    int e = tensor_on(dst, place, TENSOR_UPDATE, &out);
    e = e ? e : tensor_on(src, place, TENSOR_READ, &in);
    if (e || !n)
        return e;
    size_t row = tensor_bytes(src) / (size_t)src->shape[0];
    return copy_bytes((char *)tensor_data(out) + (size_t)to * row, is_on_device(out),
                      (char *)tensor_data(in) + (size_t)from * row, is_on_device(in),
                      row * (size_t)n);
}

int tensor_copy_into(kiln_tensor *dst, const kiln_tensor *src)
{
    int place = tensor_place(src), e = tensor_check_copy(dst, src);
    kiln_tensor *out, *in;
    e = e ? e : tensor_on(src, place, TENSOR_READ, &in);
    e = e ? e : tensor_on(dst, place, TENSOR_WRITE, &out);
    return e ? e : tensor_copy_raw(out, in);
}

int tensor_convert(const kiln_tensor *t, int dtype, kiln_tensor **out)
{
    int e = tensor_new_on(tensor_place(t), dtype, t->ndim, t->shape, out);
    if (e)
        return e;
    *out = tensor_taken(*out);
    e = tensor_copy_into(*out, t);
    if (e) {
        tensor_unref(*out);
        *out = NULL;
    }
    return e;
}

int tensor_clone(const kiln_tensor *t, kiln_tensor **out)
{
    return tensor_convert(t, tensor_dtype(t), out);
}
