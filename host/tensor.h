// The host's tensors: reference counted, 64-byte aligned, contiguous. A State shares them, so one
// that has more than one reference is not written.
//
// Where a device is at work a tensor has a twin there. Host code holds the side of host memory, and
// plugins get the side that they work on, by tensor_on(); either is good for every function here.
// Which side holds what the tensor is, or whether both do, the tensor knows; who reads or writes
// elements by their addresses asks for tensor_home() first.
// SPDX-License-Identifier: MIT
#ifndef HOST_TENSOR_H
#define HOST_TENSOR_H

#include <kiln/tensor.h>

enum { TENSOR_MAX_DIM = 8 };

// Memory comes from one arena (heap.h), so that a loop allocates nothing. *out holds
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

// ---- the device's side: host/twin.c; without a device all is in host memory --------------------

enum tensor_use { TENSOR_READ, TENSOR_WRITE, TENSOR_UPDATE };  // UPDATE: read and written

// Born on a device (enum kiln_device), uninitialised there; *out is that side.
int tensor_new_on(int device, int dtype, int32_t ndim, const int64_t *shape, kiln_tensor **out);
// The side of a device, brought up to date for the use; after WRITE and UPDATE the other one is
// not. The reference is the same.
int tensor_on(const kiln_tensor *t, int device, enum tensor_use use, kiln_tensor **side);
// The side of host memory is up to date, for reading. tensor_home_own: and for writing.
int tensor_home(const kiln_tensor *t);
int tensor_home_own(const kiln_tensor *t);
// The host's side of what a plugin hands over or back: the side that was handed over holds it.
kiln_tensor *tensor_taken(const kiln_tensor *side);
// The same of what may be a struct of the plugin's own about some memory: that is copied. *out is a
// reference.
int tensor_adopt(const kiln_tensor *given, kiln_tensor **out);
int tensor_place(const kiln_tensor *t);  // KILN_DEVICE_CUDA where that side holds it
// As addresses say: dst and src may be any struct, on any side; contiguous, equal shapes; converts.
int tensor_copy_raw(kiln_tensor *dst, const kiln_tensor *src);
// Rows [from, from + n) of src along the first dimension become rows [to, to + n) of dst, where dst
// is; equal types and rows.
int tensor_copy_rows(kiln_tensor *dst, int64_t to, const kiln_tensor *src, int64_t from, int64_t n);

int tensor_dtype(const kiln_tensor *t);  // enum kiln_dtype, 0 for anything else
size_t dtype_size(int dtype);
size_t tensor_bytes(const kiln_tensor *t);
void *tensor_data(const kiln_tensor *t);
// "1x3x64x64", in a buffer of this thread that lasts for four calls.
const char *shape_text(int32_t ndim, const int64_t *shape);

// Blocks that were freed go back to the system, and those of the device to it.
void tensor_trim(void);
// Bytes that tensors may take in all; 0: no limit. And what they take now, at most so far.
void tensor_limit(size_t bytes);
size_t tensor_used(void);
size_t tensor_peak(void);

#endif
