// SPDX-License-Identifier: MIT
#include "tensor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "heap.h"
#include "kernels/half.h"
#include "twin.h"

void tensor_trim(void)
{
    heap_trim();
    twin_trim();
}

void tensor_limit(size_t bytes)
{
    heap_set_limit(bytes);
}

size_t tensor_used(void)
{
    return heap_used();
}

size_t tensor_peak(void)
{
    return heap_peak();
}

static const struct {
    uint8_t code, bits;
} kinds[] = {
    [KILN_F32] = {2, 32}, [KILN_F64] = {2, 64}, [KILN_F16] = {2, 16}, [KILN_BF16] = {4, 16},
    [KILN_I32] = {0, 32}, [KILN_I64] = {0, 64}, [KILN_U8] = {1, 8},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

size_t dtype_size(int dtype)
{
    return dtype > 0 && dtype < KINDS ? kinds[dtype].bits / 8u : 0;
}

int tensor_dtype(const kiln_tensor *t)
{
    for (int k = 1; k < KINDS; k++)
        if (t->dtype.code == kinds[k].code && t->dtype.bits == kinds[k].bits)
            return k;
    return 0;
}

size_t tensor_bytes(const kiln_tensor *t)
{
    return (size_t)kiln_numel(t) * (t->dtype.bits / 8u);
}

void *tensor_data(const kiln_tensor *t)
{
    return (char *)t->data + t->byte_offset;
}

const char *shape_text(int32_t ndim, const int64_t *shape)
{
    static _Thread_local char ring[4][TENSOR_MAX_DIM * 21];
    static _Thread_local unsigned turn;
    char *s = ring[turn++ % 4];
    size_t at = 0;
    s[0] = 0;
    for (int32_t i = 0; i < ndim && i < TENSOR_MAX_DIM; i++)
        at += (size_t)snprintf(s + at, sizeof(ring[0]) - at, "%s%lld", i ? "x" : "",
                               (long long)shape[i]);
    return ndim ? s : "scalar";
}

// Tensors that are gone, by owner: a step makes thousands. Where an address sanitizer looks on,
// none are kept, so that it sees those used after that.
static struct {
    pthread_mutex_t lock;
    struct tensor *first;
} spare = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct tensor *take_spare(void)
{
    pthread_mutex_lock(&spare.lock);
    struct tensor *t = spare.first;
    if (t)
        spare.first = t->owner;
    pthread_mutex_unlock(&spare.lock);
    if (t)
        *t = (struct tensor){0};
    return t ? t : calloc(1, sizeof(*t));
}

void tensor_drop(struct tensor *t)
{
    if (HEAP_WATCHED) {
        free(t);
        return;
    }
    pthread_mutex_lock(&spare.lock);
    t->owner = spare.first;
    spare.first = t;
    pthread_mutex_unlock(&spare.lock);
}

int tensor_make(int dtype, int32_t ndim, const int64_t *shape, struct tensor **out, size_t *bytes)
{
    *out = NULL;
    size_t size = dtype_size(dtype);
    if (!size)
        return fail(KILN_ERR_INTERNAL, "no such tensor type: %d", dtype);
    if (ndim < 0 || ndim > TENSOR_MAX_DIM)
        return fail(KILN_ERR_SHAPE, "a tensor of %d dimensions", ndim);
    for (int32_t i = 0; i < ndim; i++) {
        if (shape[i] < 0)
            return fail(KILN_ERR_SHAPE, "a tensor of negative size");
        if (shape[i] && size > (size_t)PTRDIFF_MAX / (size_t)shape[i])
            return fail(KILN_ERR_SHAPE, "a tensor of %s elements is too large",
                        shape_text(ndim, shape));
        size *= (size_t)shape[i];
    }
    struct tensor *t = take_spare();
    if (!t)
        return fail(KILN_ERR_MEMORY, "out of memory");
    t->t.device.type = KILN_DEVICE_CPU;
    t->t.ndim = ndim;
    t->t.dtype.code = kinds[dtype].code;
    t->t.dtype.bits = kinds[dtype].bits;
    t->t.dtype.lanes = 1;
    t->t.shape = t->shape;
    t->t.strides = t->strides;
    int64_t stride = 1;
    for (int32_t i = ndim - 1; i >= 0; i--) {
        t->shape[i] = shape[i];
        t->strides[i] = stride;
        stride *= shape[i];
    }
    atomic_init(&t->refs, 1);
    t->valid = ON_HOST;
    *out = t;
    *bytes = size;
    return KILN_OK;
}

int tensor_host_room(struct tensor *t)
{
    size_t bytes = tensor_bytes(&t->t);
    t->block = heap_take(bytes);
    t->t.data = t->block ? t->block->at : NULL;
    if (t->block)
        return KILN_OK;
    return fail(KILN_ERR_MEMORY, "%zu MB for a tensor of %s are not to be had%s", (bytes >> 20) + 1,
                shape_text(t->t.ndim, t->shape), heap_limit() ? " within --max-memory" : "");
}

void tensor_host_drop(struct tensor *t)
{
    heap_give(t->block);
    if (t->release)
        t->release(t->owner);
    t->release = NULL;
    t->wrapped = 0;
    t->t.data = NULL;
    t->block = NULL;
}

int tensor_new(int dtype, int32_t ndim, const int64_t *shape, kiln_tensor **out)
{
    struct tensor *t;
    size_t bytes;
    *out = NULL;
    int e = tensor_make(dtype, ndim, shape, &t, &bytes);
    if (e)
        return e;
    e = tensor_host_room(t);
    if (e) {
        tensor_drop(t);
        return e;
    }
    *out = &t->t;
    return KILN_OK;
}

int tensor_wrap(int dtype, int32_t ndim, const int64_t *shape, void *data, void (*release)(void *),
                void *owner, kiln_tensor **out)
{
    struct tensor *t;
    size_t bytes;
    *out = NULL;
    int e = tensor_make(dtype, ndim, shape, &t, &bytes);
    if (e)
        return e;
    t->t.data = data;
    t->wrapped = 1;
    t->release = release;
    t->owner = owner;
    *out = &t->t;
    return KILN_OK;
}

kiln_tensor *tensor_ref(const kiln_tensor *t)
{
    if (t)
        atomic_fetch_add(&tensor_owner(t)->refs, 1);
    return (kiln_tensor *)(uintptr_t)t;
}

void tensor_unref(const kiln_tensor *t)
{
    struct tensor *own = t ? tensor_owner(t) : NULL;
    if (!own || atomic_fetch_sub(&own->refs, 1) != 1)
        return;
    twin_free(own);
    tensor_host_drop(own);
    tensor_drop(own);
}

int tensor_ours(const kiln_tensor *t)
{
    return !tensor_shared(t) && !tensor_owner(t)->wrapped;
}

int tensor_shared(const kiln_tensor *t)
{
    return atomic_load(&tensor_owner(t)->refs) > 1;
}

int tensor_same_shape(const kiln_tensor *a, const kiln_tensor *b)
{
    if (a->ndim != b->ndim)
        return 0;
    for (int32_t i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i])
            return 0;
    return 1;
}

static double element(const void *p, int dtype, int64_t i)
{
    switch (dtype) {
    case KILN_F32:
        return (double)((const float *)p)[i];
    case KILN_F64:
        return ((const double *)p)[i];
    case KILN_F16:
        return (double)float_of_f16(((const uint16_t *)p)[i]);
    case KILN_BF16:
        return (double)float_of_bf16(((const uint16_t *)p)[i]);
    case KILN_I32:
        return ((const int32_t *)p)[i];
    case KILN_I64:
        return (double)((const int64_t *)p)[i];
    default:
        return ((const uint8_t *)p)[i];
    }
}

static void set_element(void *p, int dtype, int64_t i, double v)
{
    switch (dtype) {
    case KILN_F32:
        ((float *)p)[i] = (float)v;
        break;
    case KILN_F64:
        ((double *)p)[i] = v;
        break;
    case KILN_F16:
        ((uint16_t *)p)[i] = f16_of_float((float)v);
        break;
    case KILN_BF16:
        ((uint16_t *)p)[i] = bf16_of_float((float)v);
        break;
    case KILN_I32:
        ((int32_t *)p)[i] = (int32_t)v;
        break;
    case KILN_I64:
        ((int64_t *)p)[i] = (int64_t)v;
        break;
    default:
        ((uint8_t *)p)[i] = (uint8_t)v;
    }
}

int tensor_check_copy(const kiln_tensor *dst, const kiln_tensor *src)
{
    if (!tensor_same_shape(dst, src))
        return fail(KILN_ERR_SHAPE, "a tensor of %s cannot be copied to one of %s",
                    shape_text(src->ndim, src->shape), shape_text(dst->ndim, dst->shape));
    if (!tensor_dtype(src) || !tensor_dtype(dst))
        return fail(KILN_ERR_UNSUPPORTED, "a tensor of an unknown type");
    return KILN_OK;
}

int tensor_copy_host(kiln_tensor *dst, const kiln_tensor *src)
{
    int from = tensor_dtype(src), to = tensor_dtype(dst);
    const void *in = tensor_data(src);
    void *out = tensor_data(dst);
    if (from == to) {
        if (tensor_bytes(src))
            memmove(out, in, tensor_bytes(src));
        return KILN_OK;
    }
    int64_t n = kiln_numel(src);
    if (to == KILN_F32 && (from == KILN_F16 || from == KILN_BF16)) {  // weights, by the gigabyte
        for (int64_t i = 0; i < n; i++)
            ((float *)out)[i] = from == KILN_F16 ? float_of_f16(((const uint16_t *)in)[i])
                                                 : float_of_bf16(((const uint16_t *)in)[i]);
        return KILN_OK;
    }
    for (int64_t i = 0; i < n; i++)
        set_element(out, to, i, element(in, from, i));
    return KILN_OK;
}
