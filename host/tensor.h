// The host's tensors: reference counted, 64-byte aligned, contiguous. A State shares them, so one
// that has more than one reference is not written.
// SPDX-License-Identifier: MIT
#ifndef HOST_TENSOR_H
#define HOST_TENSOR_H

#include <kiln/tensor.h>

enum { TENSOR_MAX_DIM = 8 };

// Memory comes from a pool that keeps freed blocks, so that a loop allocates nothing. *out holds
// one reference and is uninitialised; NULL on failure. Fails with KILN_ERR_MEMORY beyond the limit,
// and with KILN_ERR_SHAPE on a size < 0 or an overflow; a size of 0 is allowed. Any thread.
int tensor_new(int dtype, int32_t ndim, const int64_t *shape, kiln_tensor **out);
// A tensor over memory of somebody else; release(owner) is called with the last reference.
int tensor_wrap(int dtype, int32_t ndim, const int64_t *shape, void *data, void (*release)(void *),
                void *owner, kiln_tensor **out);
kiln_tensor *tensor_ref(const kiln_tensor *t);  // NULL gives NULL
void tensor_unref(const kiln_tensor *t);        // NULL is fine
int tensor_shared(const kiln_tensor *t);        // 1: more than one reference
// 1: the one reference to memory that tensor_new gave, so that it may be written.
int tensor_ours(const kiln_tensor *t);
// A new one with the same data, converted to dtype (F32, F64, F16, BF16, I32, I64, U8).
int tensor_convert(const kiln_tensor *t, int dtype, kiln_tensor **out);
int tensor_copy_into(kiln_tensor *dst, const kiln_tensor *src);  // equal shapes; converts
int tensor_clone(const kiln_tensor *t, kiln_tensor **out);
int tensor_same_shape(const kiln_tensor *a, const kiln_tensor *b);

int tensor_dtype(const kiln_tensor *t);  // enum kiln_dtype, 0 for anything else
size_t dtype_size(int dtype);
size_t tensor_bytes(const kiln_tensor *t);
void *tensor_data(const kiln_tensor *t);
// "1x3x64x64", in a buffer of this thread that lasts for four calls.
const char *shape_text(int32_t ndim, const int64_t *shape);

// Bytes that tensors may take in all; 0: no limit. And what they take now, at most so far.
void tensor_limit(size_t bytes);
size_t tensor_used(void);
size_t tensor_peak(void);

#endif
