// safetensors: one header parser for weights files and for the stream, and the canonical writer.
// SPDX-License-Identifier: MIT
#ifndef HOST_SAFETENSORS_H
#define HOST_SAFETENSORS_H

#include <kiln/tensor.h>

#include "tensor.h"

enum { SAFETENSORS_MAX_HEADER = 16 << 20 };

struct st_tensor {
    const char *name;
    int dtype;  // enum kiln_dtype
    int32_t ndim;
    int64_t shape[TENSOR_MAX_DIM];
    uint64_t begin, end;  // bytes, from the start of the data section
};

struct st_string {
    const char *key, *value;
};

// A parsed header; it owns all its texts.
struct st_header {
    struct st_tensor *tensor;  // [n_tensors], in order of begin
    uint32_t n_tensors, n_strings;
    struct st_string *string;  // [n_strings] of __metadata__, sorted by key
    uint64_t data_bytes;       // the data section, covered without gap or overlap
    void *priv;
};

// Parses the JSON of n bytes that stands after the 8 bytes of length. Strict: valid UTF-8, no
// duplicate keys, known types, sizes that agree with shape and type, no overlap, no gap, no
// arithmetic overflow, at most 8 dimensions, metadata of strings only. Any other field is an error.
// Fails with KILN_ERR_IO.
int st_parse(const char *json, size_t n, struct st_header *out);
void st_free(struct st_header *h);  // zeroed is fine, and is zeroed
const struct st_tensor *st_find(const struct st_header *h, const char *name);  // NULL: absent
const char *st_string(const struct st_header *h, const char *key);             // NULL: absent

// The 8 bytes of length and the canonical header for n tensors and m strings: "__metadata__" first
// with keys sorted by bytes, then tensors by name, no gaps, the whole padded with blanks so that
// data begins at a multiple of 64. Strings and names are escaped as JSON needs and no more. order
// [n] receives the index of the tensor that is written k-th. *out is malloc'd.
int st_header_write(uint32_t n, const char *const *name, const kiln_tensor *const *tensor,
                    uint32_t m, const struct st_string *string, uint32_t *order, void **out,
                    size_t *bytes);

#endif
