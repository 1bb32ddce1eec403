// Element types of the stub host's tensors.
// SPDX-License-Identifier: MIT
#ifndef TESTS_STUB_DTYPE_H
#define TESTS_STUB_DTYPE_H

#include "kernels/half.h"

#include <kiln/tensor.h>

static inline size_t element_size(int dtype)
{
    switch (dtype) {
    case KILN_F64:
    case KILN_I64:
        return 8;
    case KILN_F32:
    case KILN_I32:
        return 4;
    case KILN_F16:
    case KILN_BF16:
        return 2;
    case KILN_U8:
        return 1;
    default:
        return 0;
    }
}

static inline void set_dtype(kiln_tensor *t, int dtype)
{
    t->dtype.lanes = 1;
    t->dtype.bits = (uint8_t)(8 * element_size(dtype));
    t->dtype.code = dtype == KILN_BF16                       ? 4
                    : dtype == KILN_U8                       ? 1
                    : dtype == KILN_I32 || dtype == KILN_I64 ? 0
                                                             : 2;
}

static inline int dtype_of(const kiln_tensor *t)
{
    switch (t->dtype.code) {
    case 0:
        return t->dtype.bits == 64 ? KILN_I64 : KILN_I32;
    case 1:
        return KILN_U8;
    case 4:
        return KILN_BF16;
    default:
        return t->dtype.bits == 64 ? KILN_F64 : t->dtype.bits == 16 ? KILN_F16 : KILN_F32;
    }
}

static inline double get_element(const kiln_tensor *t, int dtype, int64_t i)
{
    const char *p = (const char *)t->data + t->byte_offset;
    switch (dtype) {
    case KILN_F64:
        return ((const double *)(const void *)p)[i];
    case KILN_F16:
        return (double)float_of_f16(((const uint16_t *)(const void *)p)[i]);
    case KILN_BF16:
        return (double)float_of_bf16(((const uint16_t *)(const void *)p)[i]);
    case KILN_I32:
        return ((const int32_t *)(const void *)p)[i];
    case KILN_I64:
        return (double)((const int64_t *)(const void *)p)[i];
    case KILN_U8:
        return ((const uint8_t *)(const void *)p)[i];
    default:
        return (double)((const float *)(const void *)p)[i];
    }
}

static inline void set_element(const kiln_tensor *t, int dtype, int64_t i, double value)
{
    char *p = (char *)t->data + t->byte_offset;
    switch (dtype) {
    case KILN_F64:
        ((double *)(void *)p)[i] = value;
        break;
    case KILN_F16:
        ((uint16_t *)(void *)p)[i] = f16_of_float((float)value);
        break;
    case KILN_BF16:
        ((uint16_t *)(void *)p)[i] = bf16_of_float((float)value);
        break;
    case KILN_I32:
        ((int32_t *)(void *)p)[i] = (int32_t)value;
        break;
    case KILN_I64:
        ((int64_t *)(void *)p)[i] = (int64_t)value;
        break;
    case KILN_U8:
        ((uint8_t *)(void *)p)[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        break;
    default:
        ((float *)(void *)p)[i] = (float)value;
    }
}

#endif
