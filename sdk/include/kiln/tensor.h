// kiln/tensor.h: kiln/tensor.h
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_TENSOR_H
#define KILN_TENSOR_H

#include <kiln/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kiln_device { KILN_DEVICE_CPU = 1, KILN_DEVICE_CUDA = 2 };  // DLPack's codes
enum kiln_dtype { KILN_F32 = 1, KILN_F64, KILN_F16, KILN_BF16, KILN_I32, KILN_I64, KILN_U8 };

// Layout of DLTensor (DLPack 1), for ever. Strides are always set. Images: F32, contiguous.
typedef struct kiln_tensor {
    void *data;
    struct {
        int32_t type, id;  // enum kiln_device
    } device;
    int32_t ndim;
    struct {
        uint8_t code, bits;  // 0 int, 1 unsigned, 2 float, 4 bfloat
        uint16_t lanes;      // 1
    } dtype;
    int64_t *shape, *strides;  // [ndim], in elements
    uint64_t byte_offset;
} kiln_tensor;

static inline int64_t kiln_numel(const kiln_tensor *t)
{
    int64_t n = 1;
    for (int32_t i = 0; i < t->ndim; i++)
        n *= t->shape[i];
    return n;
}

// The elements of an F32 tensor in host memory; NULL for any other, never a device address.
static inline float *kiln_f32(const kiln_tensor *t)
{
    if (t->device.type != KILN_DEVICE_CPU || t->dtype.code != 2 || t->dtype.bits != 32)
        return NULL;
    return (float *)(void *)((char *)t->data + t->byte_offset);
}

// Likewise, of an F64 tensor.
static inline double *kiln_f64(const kiln_tensor *t)
{
    if (t->device.type != KILN_DEVICE_CPU || t->dtype.code != 2 || t->dtype.bits != 64)
        return NULL;
    return (double *)(void *)((char *)t->data + t->byte_offset);
}

#ifdef __cplusplus
}
#endif
#endif
