// The tensors of a file that torch.save wrote (the zip form, PyTorch 1.6 and later), without Python
// and without running anything that is in it. Nested dictionaries and lists become dotted names;
// numbers and texts among them become metadata.
// SPDX-License-Identifier: MIT
#ifndef HOST_TORCH_FILE_H
#define HOST_TORCH_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "pickle.h"
#include "safetensors.h"

struct torch_tensor {
    char *name;
    int dtype;  // enum kiln_dtype that torch_copy gives: int8 and int16 as I32, bool as U8
    int32_t ndim;
    int64_t shape[TENSOR_MAX_DIM];
    int plain;                  // as stored: contiguous, and of the type dtype
    const unsigned char *data;  // the first element, in the file; NULL: there is none
    // For torch_copy.
    enum pickle_item item;
    uint64_t stride[TENSOR_MAX_DIM], numel;
    uint32_t record;
};

struct torch_file {
    struct torch_tensor *tensor;  // [n_tensors], sorted by name
    struct st_string *string;     // [n_strings], sorted by key
    uint32_t n_tensors, n_strings;
    struct torch_records *records;
};

// p [n] must outlive out. Fails with KILN_ERR_IO.
int torch_open(const unsigned char *p, size_t n, struct torch_file *out);
void torch_close(struct torch_file *f);
// Writes the elements in order, of type dtype. The checksum is compared at the first use. Any
// thread.
int torch_copy(const struct torch_file *f, const struct torch_tensor *t, void *out);
// Does the file look as if torch.save had written it, in the zip form or before there was one?
int torch_is_file(const unsigned char *p, size_t n);

#endif
